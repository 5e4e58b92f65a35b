"""Figures that need no display and no global state."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STABLE, UNSTABLE, THEORY, QUIET = "#0072B2", "#D55E00", "#222222", "#9A9A9A"
CYCLE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


def new_axes(n_rows: int = 1, n_columns: int = 1, *, size: tuple[float, float] = (5.0, 4.0)):
    """Axes on a new figure that is drawn without a display.

    Args:
        n_rows: Rows of panels.
        n_columns: Columns of panels.
        size: Width and height of one panel in inches.

    Returns:
        Array of axes, shape `(n_rows, n_columns)`; the figure is `axes[0, 0].figure`.
    """
    figure = Figure(figsize=(size[0] * n_columns, size[1] * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.subplots(n_rows, n_columns, squeeze=False)


def axes_or_new(ax: Axes | None) -> Axes:
    """The axes given, or the only panel of a new figure."""
    return new_axes()[0, 0] if ax is None else ax


def save_figure(ax: Axes, path: str | Path, *, dpi: int = 130) -> None:
    """Write the figure of some axes.

    Args:
        ax: Any axes of the figure.
        path: File; its suffix says the format.
        dpi: Dots per inch.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None  # axes belong to a figure from birth
    figure.savefig(path, dpi=dpi)
