"""Pictures of collective activity: the spectrum behind it, its dimension, its time course."""

import numpy as np
from matplotlib.axes import Axes

from ._axes import QUIET, STABLE, THEORY, UNSTABLE, axes_or_new


def plot_singular_values(values: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Draw the singular values of a matrix, largest first, beside those of independent entries.

    Args:
        values: Singular values, shape `(n_units,)`.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    values = np.sort(np.asarray(values))[::-1]
    share = (np.arange(values.size) + 0.5) / values.size
    # the fraction above s of the quarter circle of radius 2 g, by the angle
    angle = np.linspace(0, np.pi / 2, 200)
    radius = 2 * np.sqrt(np.mean(values**2))
    above = 1 - (2 * angle + np.sin(2 * angle)) / np.pi
    ax.plot(share, values, color=STABLE, lw=1.6, label="this matrix")
    label = "independent entries"
    ax.plot(above, radius * np.sin(angle), color=QUIET, ls="--", lw=1.2, label=label)
    ax.set(xlabel="rank / N", ylabel="singular value", title="How the couplings are spread",
           xlim=(0, 1), ylim=(0, None))  # fmt: skip
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_dimension_curve(
    inverse_ranks: np.ndarray,
    curves: dict[str, np.ndarray],
    place: float,
    points: dict[str, tuple[float, float]],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted dimension against the effective rank, and what was measured at one.

    Args:
        inverse_ranks: 1/er, ascending, shape `(n,)`.
        curves: Predicted PR by observable, each of shape `(n,)`; NaN below the transition.
        place: 1/er of the matrix.
        points: Measured PR and its standard error by observable.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    colors = dict(zip(curves, (STABLE, UNSTABLE), strict=False))
    for name, values in curves.items():
        ax.plot(inverse_ranks, values, color=colors[name], lw=1.4, label=f"{name}, mean field")
    for name, (value, error) in points.items():
        ax.errorbar(place, value, error, fmt="o", color=colors[name], mec="white", capsize=3,
                    label=f"{name}, simulated")  # fmt: skip
    ax.axvline(place, color=QUIET, ls=":", lw=1)
    ax.set(xlabel="1 / effective rank", ylabel="dimension / N", title="Dimension of activity")
    if np.isfinite([*curves.values()]).any():
        ax.set_yscale("log")
        ax.legend(frameon=False, fontsize=8)
    else:
        ax.text(0.5, 0.5, "no chaotic activity, no dimension", ha="center", transform=ax.transAxes)
    return ax


def plot_autocovariance(
    delays: np.ndarray,
    measured: np.ndarray,
    errors: np.ndarray,
    predicted: np.ndarray | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the neuron-averaged autocovariance of the rates, measured and predicted.

    Args:
        delays: tau, shape `(n,)`.
        measured: C(tau), shape `(n,)`.
        errors: Its standard errors, shape `(n,)`.
        predicted: C(tau) of the mean field, shape `(n,)`.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    ax.errorbar(delays, measured, errors, fmt="o", ms=3, color=STABLE, lw=1, label="simulated")
    if predicted is not None:
        ax.plot(delays, predicted, color=THEORY, lw=1.2, label="mean field")
    ax.axhline(0, color=QUIET, lw=0.8)
    ax.set(xlabel="lag (time constants)", ylabel="autocovariance of rates",
           title="How fast a neuron forgets")  # fmt: skip
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_component_variances(
    variances: np.ndarray, dimension: float, *, ax: Axes | None = None
) -> Axes:
    """Draw the share of variance of each principal component.

    Args:
        variances: Eigenvalues of the covariance, shape `(n_units,)`.
        dimension: Participation ratio, in components, drawn as a line.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    variances = np.sort(np.clip(np.asarray(variances), 0, None))[::-1]
    total = variances.sum()
    index = np.arange(1, variances.size + 1)
    ax.loglog(index, variances / (total if total > 0 else 1), color=STABLE, lw=1.4)
    if np.isfinite(dimension) and dimension > 0:
        ax.axvline(dimension, color=UNSTABLE, ls="--", lw=1, label=f"dimension {dimension:.1f}")
        ax.legend(frameon=False, fontsize=8)
    ax.set(xlabel="principal component", ylabel="share of variance",
           title="Where the variance lies")  # fmt: skip
    return ax
