"""Clouds of points."""

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from ._axes import THEORY, axes_or_new


def plot_scatter(
    groups: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    curve: tuple[str, np.ndarray, np.ndarray] | None = None,
    xlabel: str,
    ylabel: str,
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw points of groups that have an order, dark to light.

    Args:
        groups: x and y of the points of each group.
        curve: Name, x and y of a line over them.
        xlabel: Name of the horizontal axis.
        ylabel: Name of the vertical axis.
        title: What the groups are, above their names.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    colors = colormaps["viridis"](np.linspace(0.0, 0.95, len(groups)))
    for color, (name, (x, y)) in zip(colors, groups.items(), strict=True):
        ax.plot(x, y, ".", ms=4, mew=0, alpha=0.8, color=color, label=name, rasterized=True)
    if curve is not None:
        name, x, y = curve
        ax.plot(x, y, color=THEORY, lw=1.4, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(title=title, title_fontsize=8, fontsize=7.5, frameon=False, markerscale=2,
              loc="center left", bbox_to_anchor=(1.0, 0.5))  # fmt: skip
    return ax
