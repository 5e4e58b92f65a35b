"""Pictures of one feedback network: its loop, its spectrum, its basins, its trajectories."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from ._axes import CYCLE, QUIET, STABLE, THEORY, UNSTABLE, axes_or_new


def plot_readout_curve(
    outputs: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    fixed_points: Sequence[np.ndarray],
    is_stable: Sequence[np.ndarray],
    *,
    theory_outputs: np.ndarray | None = None,
    target: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw F(z) of one or several networks with the fixed points where it meets the diagonal.

    Args:
        outputs: z, one array a network.
        values: F(z), one array a network.
        fixed_points: Outputs of the fixed points, one array a network.
        is_stable: Whether each is stable, one array a network.
        theory_outputs: Fixed points of the mean field, drawn as crosses.
        target: The wanted output, a dotted line.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    edge = max((np.abs(z).max() for z in outputs), default=1.0)
    ax.plot([-edge, edge], [-edge, edge], color=QUIET, lw=1, label="F(z) = z")
    for k, (z, value) in enumerate(zip(outputs, values, strict=True)):
        ax.plot(z, value, color=STABLE, lw=1.2, alpha=0.6, label=None if k else "F(z), networks")
    for stable, marker, face, name in (
        (True, "o", STABLE, "stable"),
        (False, "o", "white", "unstable"),
    ):
        points = np.concatenate(
            [z[s == stable] for z, s in zip(fixed_points, is_stable, strict=True)] or [[]]
        )
        edge_color = STABLE if stable else UNSTABLE
        ax.plot(points, points, marker, mfc=face, mec=edge_color, ls="none", ms=6, label=name)
    if theory_outputs is not None:
        ax.plot(
            theory_outputs, theory_outputs, "x", color=THEORY, ms=9, mew=1.6, label="mean field"
        )
    if target is not None:
        ax.axvline(target, color=QUIET, ls=":", lw=1)
    ax.set(xlabel="output z", ylabel="readout F(z)", title="All fixed points")
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_eigenvalues(
    eigenvalues: Sequence[np.ndarray],
    labels: Sequence[str],
    *,
    bulk_radius: Sequence[float] = (),
    outliers: Sequence = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw clouds of eigenvalues of J diag(phi') with what the mean field says over them.

    Args:
        eigenvalues: One complex array a state.
        labels: Name of each state.
        bulk_radius: Radius of the bulk in theory, one a state, drawn as a circle.
        outliers: Outliers in theory, one list a state, drawn as crosses.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    for k, (cloud, label) in enumerate(zip(eigenvalues, labels, strict=True)):
        color = CYCLE[k % len(CYCLE)]
        ax.plot(cloud.real, cloud.imag, ".", ms=4, alpha=0.6, color=color, label=label)
        edge = 1.1 * bulk_radius[k] if k < len(bulk_radius) else np.inf
        far = cloud[np.abs(cloud) > edge]
        ax.plot(far.real, far.imag, "o", ms=7, color=color, mec="white", zorder=3)
    for k, radius in enumerate(bulk_radius):
        ax.add_patch(Circle((0, 0), radius, fill=False, color=CYCLE[k % len(CYCLE)], lw=1.5))
    for k, values in enumerate(outliers):
        points = np.asarray(list(values), complex)
        ax.plot(points.real, points.imag, "x", color=THEORY, ms=9, mew=1.6,
                label="mean-field outlier" if k == 0 else None)  # fmt: skip
    ax.axvline(1, color=UNSTABLE, ls="--", lw=1)
    ax.annotate("unstable →", (1, 0.97), xycoords=("data", "axes fraction"), fontsize=8,
                color=UNSTABLE, ha="left", va="top")  # fmt: skip
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel="Re λ", ylabel="Im λ", title="Spectrum of J diag(φ')")
    ax.legend(frameon=False, fontsize=8, loc="lower left")
    return ax


def plot_basins(
    outputs: Sequence[np.ndarray],
    fractions: Sequence[np.ndarray],
    lows: Sequence[np.ndarray],
    highs: Sequence[np.ndarray],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the fraction of starts that each attractor owns, with its interval.

    Args:
        outputs: Output of each attractor, one array a network.
        fractions: Fraction of the starts, one array a network.
        lows: Lower ends of the intervals, one array a network.
        highs: Upper ends.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    for k, (z, fraction, low, high) in enumerate(zip(outputs, fractions, lows, highs, strict=True)):
        ends = np.maximum([fraction - low, high - fraction], 0)  # rounding at 0 and 1
        ax.errorbar(z, fraction, yerr=ends, fmt="o", capsize=3, ms=5,
                    color=CYCLE[k % len(CYCLE)], label=f"network {k}")  # fmt: skip
    ax.axhline(0, color=QUIET, lw=0.8)
    ax.set(xlabel="output z of the attractor", ylabel="fraction of starts", ylim=(-0.03, 1.03))
    ax.set_title("Basins (95 % intervals)")
    ax.margins(x=0.15)
    if outputs:
        ax.legend(frameon=False, fontsize=8)
    return ax


def plot_trajectories(
    times: np.ndarray,
    outputs: np.ndarray,
    *,
    target: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the output over time from many starts.

    Args:
        times: Shape `(time,)`, in units of the time constant.
        outputs: z, shape `(start, time)`.
        target: The wanted output, a dotted line.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    ends = outputs[:, -1]
    for z, end in zip(outputs, ends, strict=True):
        is_target = target is None or abs(end - target) < 0.05 * (1 + abs(target))
        ax.plot(times, z, lw=0.9, alpha=0.7, color=STABLE if is_target else UNSTABLE)
    if target is not None:
        ax.axhline(target, color=QUIET, ls=":", lw=1)
    ax.set(xlabel="time (time constants)", ylabel="output z(t)", title="From many starts")
    return ax
