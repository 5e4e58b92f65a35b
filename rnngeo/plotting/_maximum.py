"""Pictures of a search for the largest information flux."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ._axes import CYCLE, QUIET, STABLE, THEORY, UNSTABLE, axes_or_new

# lines that may coincide: thin ones over a broad one
_LANDMARKS = (
    {"color": THEORY, "ls": "--", "lw": 1.1, "zorder": 4},
    {"color": CYCLE[2], "ls": "-", "lw": 5, "alpha": 0.45, "zorder": 1},
    {"color": THEORY, "ls": ":", "lw": 1.1, "zorder": 4},
)
_NEAR = 0.03  # of the width or height of the axes: symbols that hide each other


def _limits(values: np.ndarray, least: float) -> tuple[float, float]:
    """Ends of an axis with some room around the values, no closer than `least`."""
    low, high = float(np.min(values)), float(np.max(values))
    middle, half = 0.5 * (low + high), max(0.65 * (high - low), 0.5 * least)
    return middle - half, middle + half


def _count_hidden(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Write above restarts whose symbols hide each other how many they are."""
    places = np.column_stack([x, y])
    size = np.ptp(np.array([ax.get_xlim(), ax.get_ylim()]), axis=1)
    is_left = np.ones(len(places), bool)
    for place in places:
        is_here = is_left & np.all(np.abs(places - place) < _NEAR * size, axis=1)
        is_left &= ~is_here
        if is_here.sum() > 1:
            ax.annotate(f"{is_here.sum()} restarts", place, (0, 12), textcoords="offset points",
                        ha="center", va="bottom", fontsize=8, color=STABLE)  # fmt: skip


def _legend_below(ax: Axes) -> None:
    """Where no handle can be taken for a point."""
    ax.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3,
              columnspacing=1.2)  # fmt: skip


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
    for (name, value), style in zip((landmarks or {}).items(), _LANDMARKS, strict=False):
        ax.axhline(value, **style, label=name)
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
    rookness, flux = np.asarray(rookness), np.asarray(flux)
    ax.plot(rookness, flux, "o", ms=6, color=STABLE, mec="white", alpha=0.8,
            label="restarts")  # fmt: skip
    if best is not None:
        ax.plot(rookness[best], flux[best], "o", ms=11, mfc="none", mec=UNSTABLE, mew=1.6,
                label="best restart")  # fmt: skip
    if rooks_flux is not None:
        ax.plot(1.0, rooks_flux, "*", ms=21, mfc="none", mec=THEORY, mew=1.1, label="rooks")
        ax.axhline(rooks_flux, color=THEORY, ls="--", lw=0.9, zorder=0)
    ends = flux if rooks_flux is None else np.append(flux, rooks_flux)
    ax.set(xlabel="rookness", ylabel="flux (bits)", title="Where the restarts ended",
           xlim=_limits(np.append(rookness, 1.0), 0.1),
           ylim=_limits(ends, 1e-3 * np.max(ends)))  # fmt: skip
    _count_hidden(ax, rookness, flux)
    _legend_below(ax)
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
    # towards shorter periods the flux of a point is still reached
    ax.step(period, flux, where="pre", color=UNSTABLE, lw=1)
    ax.plot(period, flux, "o", ms=6, color=UNSTABLE, mec="white", label="Pareto front")
    ax.plot(others[1], others[0], "o", ms=10, mfc="none", mec=STABLE, mew=1.3,
            label="best of a restart")  # fmt: skip
    if rooks is not None:
        ax.plot(rooks[1], rooks[0], "*", ms=21, mfc="none", mec=THEORY, mew=1.1,
                label="longest rooks")  # fmt: skip
    ends = [np.concatenate([a, b]) for a, b in zip((flux, period), others, strict=True)]
    if rooks is not None:
        ends = [np.append(values, value) for values, value in zip(ends, rooks, strict=True)]
    ax.set(xlabel="mean period over starts", ylabel="flux (bits)",
           title="Flux and cycles together", xlim=_limits(ends[1], 1.0),
           ylim=_limits(ends[0], 1e-3 * np.max(ends[0])))  # fmt: skip
    _count_hidden(ax, others[1], others[0])
    _legend_below(ax)
    return ax
