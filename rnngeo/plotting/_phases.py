"""Pictures of an ensemble: which outputs coexist, where phases end, how training fares."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator

from ._axes import CYCLE, QUIET, STABLE, THEORY, UNSTABLE, axes_or_new

PHASE_COLORS = ("#DCEAF4", "#F6C9A4", "#F3E3A2")  # light blue, vermilion, yellow of Okabe & Ito
_BOUNDARIES = ((THEORY, "-"), (UNSTABLE, "--"), (STABLE, "-."), (CYCLE[2], ":"))
_MARKERS = ("o", "s", "^", "D", "v", "P")


def _landmarks(ax: Axes, landmarks: Mapping[str, float]) -> None:
    """Dotted vertical lines with their names along them."""
    for name, place in landmarks.items():
        ax.axvline(place, color=QUIET, ls=":", lw=1, zorder=0)
        ax.annotate(name, (place, 0.015), xycoords=("data", "axes fraction"), rotation=90,
                    fontsize=7, color="#555555", ha="right", va="bottom")  # fmt: skip


def plot_solution_branches(
    targets: np.ndarray,
    values: np.ndarray,
    is_stable: np.ndarray,
    *,
    landmarks: Mapping[str, float] | None = None,
    threshold: float | None = None,
    ylabel: str = "output z",
    ax: Axes | None = None,
) -> Axes:
    """Draw a number of every fixed point against the target, coloured by stability.

    Args:
        targets: A, shape `(target,)`.
        values: Output, eigenvalue, ... of each fixed point, shape `(target, root)`, NaN-padded.
        is_stable: Whether each fixed point is stable, the same shape.
        landmarks: Names and targets of special points, drawn as dotted lines.
        threshold: Where stability ends, a dashed line; for eigenvalues.
        ylabel: Name of the number.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    place = np.broadcast_to(targets[:, None], values.shape)
    for stable, color, name in ((True, STABLE, "stable"), (False, UNSTABLE, "unstable")):
        chosen = np.isfinite(values) & (is_stable == stable)
        ax.plot(place[chosen], values[chosen], ".", ms=2.5, color=color, label=name)
    if threshold is not None:
        ax.axhline(threshold, color=UNSTABLE, ls="--", lw=1)
    _landmarks(ax, landmarks or {})
    ax.set(xlabel="target A", ylabel=ylabel)
    ax.legend(frameon=False, fontsize=8, markerscale=4)
    return ax


def plot_phase_map(
    x: np.ndarray,
    y: np.ndarray,
    phase: np.ndarray,
    names: Sequence[str],
    *,
    boundaries: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    xlabel: str = "readout ratio r",
    ylabel: str = "target A",
    ax: Axes | None = None,
) -> Axes:
    """Colour a plane by phase, with exact boundaries over it.

    Args:
        x: Horizontal axis, shape `(column,)`.
        y: Vertical axis, shape `(row,)`.
        phase: Index into `names`, shape `(row, column)`; below 0 is left white.
        names: Name of each phase.
        boundaries: Name of a line, and its x and y; NaN interrupts it.
        xlabel: Name of the horizontal axis.
        ylabel: Name of the vertical axis.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    colors = [PHASE_COLORS[k % len(PHASE_COLORS)] for k in range(len(names))]
    codes = np.ma.masked_less(np.asarray(phase), 0)
    ax.pcolormesh(x, y, codes, cmap=ListedColormap(colors), vmin=-0.5, vmax=len(names) - 0.5,
                  shading="nearest", rasterized=True)  # fmt: skip
    handles: list = [Patch(fc=color, label=name) for color, name in zip(colors, names, strict=True)]
    for k, (name, (xs, ys)) in enumerate((boundaries or {}).items()):
        color, style = _BOUNDARIES[k % len(_BOUNDARIES)]
        handles += ax.plot(xs, ys, color=color, ls=style, lw=1.4, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    ax.legend(handles=handles, fontsize=8, frameon=False, ncols=2, loc="upper center",
              bbox_to_anchor=(0.5, -0.13))  # fmt: skip
    return ax


def plot_overlap_plane(
    points: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    ratios: Mapping[str, float] | None = None,
    paths: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw readouts in the plane of their overlaps with feedback and input.

    Args:
        points: Name of a way of training, and n.m and n.I of the readouts it found.
        ratios: Name and ratio r of lines n.I = r n.m through the origin.
        paths: Name of a way of training, and n.m and n.I along the way.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    names = list(points)
    for name, (along, across) in (paths or {}).items():
        color = CYCLE[names.index(name) % len(CYCLE)] if name in names else QUIET
        ax.plot(along, across, color=color, lw=1, alpha=0.8)
    for k, (name, (along, across)) in enumerate(points.items()):
        ax.plot(along, across, _MARKERS[k % len(_MARKERS)], color=CYCLE[k % len(CYCLE)], ms=6,
                mec="white", mew=0.5, label=name)  # fmt: skip
    ax.axhline(0, color=QUIET, lw=0.6, zorder=0)
    ax.axvline(0, color=QUIET, lw=0.6, zorder=0)
    for k, (name, ratio) in enumerate((ratios or {}).items()):
        color, style = _BOUNDARIES[k % len(_BOUNDARIES)]
        ax.axline((0, 0), slope=ratio, color=color, ls=style, lw=1.2, label=name)
    ax.margins(0.12)
    ax.set(xlabel="n·m", ylabel="n·I")
    ax.legend(fontsize=7.5, framealpha=0.9, edgecolor="none")
    return ax


def plot_success(
    targets: np.ndarray,
    fractions: Mapping[str, np.ndarray],
    *,
    errors: Mapping[str, np.ndarray] | None = None,
    references: Mapping[str, np.ndarray] | None = None,
    ylabel: str = "fraction of starts that reach A",
    threshold: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure of success against the target, one line a way of training.

    Args:
        targets: A, shape `(target,)`.
        fractions: Name of a way of training, and the measure, shape `(target,)`.
        errors: Its standard errors, by the same names.
        references: The same measure by another program, crosses, by the same names.
        ylabel: Name of the measure.
        threshold: Where success ends, a dashed line.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    for k, (name, values) in enumerate(fractions.items()):
        color = CYCLE[k % len(CYCLE)]
        ax.errorbar(targets, values, yerr=None if errors is None else errors.get(name), capsize=3,
                    marker=_MARKERS[k % len(_MARKERS)], ms=6, lw=1, color=color,
                    label=name)  # fmt: skip
        if references is not None and name in references:
            ax.plot(targets, references[name], "x", color=color, ms=9, mew=1.6,
                    label=f"{name}, reference")  # fmt: skip
    if threshold is not None:
        ax.axhline(threshold, color=UNSTABLE, ls="--", lw=1)
    ax.set(xlabel="target A", ylabel=ylabel)
    ax.legend(fontsize=7.5, framealpha=0.9, edgecolor="none")
    return ax


def plot_curves(
    x: np.ndarray,
    curves: Mapping[str, np.ndarray],
    *,
    dashed: Mapping[str, np.ndarray] | None = None,
    points: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None,
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw theory as lines, its approximation as dashed lines, simulation as points.

    Args:
        x: Horizontal axis, shape `(point,)`.
        curves: Name and values of each line, shape `(point,)`.
        dashed: A second value for some of the names, in the same colour.
        points: x, value and standard error of simulations, by the same names.
        xlabel: Name of the horizontal axis.
        ylabel: Name of the vertical axis.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    for k, (name, values) in enumerate(curves.items()):
        color = CYCLE[k % len(CYCLE)]
        ax.plot(x, values, color=color, lw=1.4, label=name)
        if dashed is not None and name in dashed:
            ax.plot(x, dashed[name], color=color, lw=1.2, ls="--")
        if points is not None and name in points:
            at, mean, error = points[name]
            ax.errorbar(at, mean, yerr=error, fmt="o", ms=4.5, capsize=2, color=color,
                        mec="white", mew=0.5)  # fmt: skip
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_scaling(
    n_units: np.ndarray,
    spreads: Mapping[str, np.ndarray],
    *,
    exponent: float = -0.5,
    ylabel: str = "standard deviation over networks",
    ax: Axes | None = None,
) -> Axes:
    """Draw spreads against network size on logarithmic axes, with the power law expected.

    Args:
        n_units: N, shape `(size,)`.
        spreads: Name and values, shape `(size,)`.
        exponent: Of the guide line.
        ylabel: Name of the spread.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    for k, (name, values) in enumerate(spreads.items()):
        ax.loglog(n_units, values, marker=_MARKERS[k % len(_MARKERS)], ms=5, lw=1,
                  color=CYCLE[k % len(CYCLE)], label=name)  # fmt: skip
    top = max(float(np.max(values)) for values in spreads.values())
    guide = 1.3 * top * (np.asarray(n_units, float) / n_units[0]) ** exponent
    ax.loglog(n_units, guide, color=THEORY, ls="--", lw=1, label=f"N^{exponent:g}")
    ax.set_xticks(n_units, [f"{n:g}" for n in n_units])
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.minorticks_off()
    ax.set(xlabel="units N", ylabel=ylabel)
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_deviations(
    labels: Sequence[str],
    deviations: Mapping[str, np.ndarray],
    errors: Mapping[str, np.ndarray],
    *,
    xlabel: str = "simulation - theory",
    ax: Axes | None = None,
) -> Axes:
    """Draw how far simulations lie from the theory, one line a quantity.

    Args:
        labels: Name of each quantity, shape `(quantity,)`.
        deviations: Name of a set of simulations, and its deviations, shape `(quantity,)`.
        errors: Their standard errors, by the same names.
        xlabel: Name of the deviation.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    place = np.arange(len(labels))
    ax.axvline(0, color=THEORY, lw=1)
    for k, (name, values) in enumerate(deviations.items()):
        shift = 0.28 * (k - (len(deviations) - 1) / 2)
        ax.errorbar(values, place + shift, xerr=errors[name], fmt=_MARKERS[k % len(_MARKERS)],
                    ms=4.5, capsize=2, color=CYCLE[k % len(CYCLE)], label=name)  # fmt: skip
    ax.set_yticks(place, labels, fontsize=8)
    ax.set(xlabel=xlabel, ylabel="quantity", ylim=(len(labels) - 0.5, -0.5))
    ax.legend(frameon=False, fontsize=8)
    return ax
