"""Pictures of covariances between neurons: over pairs of lags, over components, over entries."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ._axes import CYCLE, THEORY, axes_or_new


def plot_lag_plane(lags: np.ndarray, values: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Draw a four-point function over the plane of its two lags.

    Args:
        lags: Shape `(lag,)`, in units of the time constant.
        values: Shape `(lag, lag)`, normalised to one at zero lags.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    mesh = ax.pcolormesh(lags, lags, values.T, cmap="viridis", vmin=0.0, rasterized=True)
    levels = ax.contour(lags, lags, values.T, levels=[0.1, 0.25, 0.5, 0.75], colors="white",
                        linewidths=0.8)  # fmt: skip
    ax.clabel(levels, fontsize=7, fmt="%g")
    figure = ax.get_figure(root=True)
    assert figure is not None  # axes belong to a figure from birth
    bar = figure.colorbar(mesh, ax=ax)
    bar.ax.set(xlabel="", ylabel="ψ(τ₁, τ₂)/ψ(0, 0)")
    ax.set_aspect("equal")
    ax.set(xlabel="first lag τ₁", ylabel="second lag τ₂")
    return ax


def plot_spectrum(
    variances: Mapping[str, np.ndarray], *, cutoff: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the variances of principal components, largest first.

    Args:
        variances: Name and eigenvalues of each covariance, shape `(n_units,)`.
        cutoff: A rank to be marked.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    for k, (name, values) in enumerate(variances.items()):
        values = np.sort(np.asarray(values))[::-1]
        values = np.maximum(values / values[0], 1e-12)  # below is rounding
        ax.semilogy(1 + np.arange(values.size), values, color=CYCLE[k % len(CYCLE)], lw=1.4,
                    label=name)  # fmt: skip
    if cutoff is not None:
        ax.axvline(cutoff, color=THEORY, ls=":", lw=1, label="rank of the couplings")
    ax.set(xlabel="principal component", ylabel="variance / largest")
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_histogram(
    edges: np.ndarray,
    densities: Mapping[str, np.ndarray],
    *,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    xlabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw histograms as steps and theory over them as lines, in the same colours.

    Args:
        edges: Edges of the bins, shape `(bin + 1,)`.
        densities: Name and density of each histogram, shape `(bin,)`.
        curves: x and density of the theory, by the same names.
        xlabel: Name of the horizontal axis.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    for k, (name, values) in enumerate(densities.items()):
        color = CYCLE[k % len(CYCLE)]
        ax.stairs(values, edges, color=color, fill=True, alpha=0.35, label=name)
        if curves is not None and name in curves:
            ax.plot(*curves[name], color=color, lw=1.4)
    ax.set(xlabel=xlabel, ylabel="density")
    ax.legend(frameon=False, fontsize=8)
    return ax
