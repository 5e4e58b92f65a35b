"""Pictures of a search for the largest information flux."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ._axes import QUIET, STABLE, THEORY, UNSTABLE, axes_or_new


def plot_search_history(
    history: np.ndarray,
    *,
    best: int | None = None,
    landmarks: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the largest flux of every restart against the generation.

    Args:
        history: In bits, shape `(restart, generation)`.
        best: Restart to single out.
        landmarks: Names and values of horizontal lines.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    history = np.asarray(history)
    generations = np.arange(1, history.shape[1] + 1)
    for k, values in enumerate(history):
        is_first = k == 0
        ax.plot(generations, values, color=QUIET, lw=0.8, alpha=0.7,
                label="restarts" if is_first else None)  # fmt: skip
    if best is not None and history.shape[1]:
        ax.plot(generations, history[best], color=UNSTABLE, lw=1.8, label="best restart")
    for (name, value), style in zip((landmarks or {}).items(), ("--", ":", "-."), strict=False):
        ax.axhline(value, color=THEORY, ls=style, lw=1.1, label=name)
    ax.set(xlabel="generation", ylabel="largest flux (bits)", title="The way there")
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    return ax


def plot_restarts(
    rookness: np.ndarray,
    flux: np.ndarray,
    *,
    best: int | None = None,
    rooks_flux: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw where each restart ended: its flux against its likeness to rooks.

    Args:
        rookness: Shape `(restart,)`.
        flux: In bits, shape `(restart,)`.
        best: Restart to single out.
        rooks_flux: Flux of rooks at the same limit.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    ax.plot(rookness, flux, "o", ms=6, color=STABLE, mec="white", alpha=0.8, label="restarts")
    if best is not None:
        ax.plot(rookness[best], flux[best], "o", ms=9, color=UNSTABLE, mec="white",
                label="best restart")  # fmt: skip
    if rooks_flux is not None:
        ax.plot(1.0, rooks_flux, "*", ms=13, color=THEORY, mec="white", label="rooks")
        ax.axhline(rooks_flux, color=THEORY, ls="--", lw=0.9, zorder=0)
    ax.set(xlabel="rookness", ylabel="flux (bits)", title="Where the restarts ended",
           xlim=(None, 1.05))  # fmt: skip
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_pareto_front(
    flux: np.ndarray,
    period: np.ndarray,
    others: tuple[np.ndarray, np.ndarray],
    rooks: tuple[float, float] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the fluxes and periods that no matrix found beats in both.

    Args:
        flux: Of the front, in bits, descending, shape `(point,)`.
        period: Mean period of the front, shape `(point,)`.
        others: Flux and mean period of each restart's best.
        rooks: Flux and mean period of the rooks with the longest cycles.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    ax.plot(others[1], others[0], "o", ms=5, color=QUIET, mec="white", label="best of each restart")
    # towards shorter periods the flux of a point is still reached
    ax.step(period, flux, where="pre", color=UNSTABLE, lw=1)
    ax.plot(period, flux, "o", ms=6, color=UNSTABLE, mec="white", label="Pareto front")
    if rooks is not None:
        ax.plot(rooks[1], rooks[0], "*", ms=13, color=THEORY, mec="white", label="longest rooks")
    ax.set(xlabel="mean period over starts", ylabel="flux (bits)", title="Flux and cycles together")
    ax.legend(frameon=False, fontsize=8, loc="lower left")
    return ax
