"""A report as a folder of files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rnngeo.files import prepare_folder, to_json, write_atomically

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes


@runtime_checkable
class Report(Protocol):
    """What every report can do."""

    def plot(self) -> "Axes": ...
    def to_dataset(self) -> "xarray.Dataset": ...
    def summary(self) -> dict[str, Any]: ...


def save_report(
    report: Report, folder: str | Path, others: Mapping[str, Callable[[Path], Any]] | None = None
) -> list[Path]:
    """Write `report.png`, `result.nc`, what else there is, and `summary.json`, whole or not at all.

    Args:
        report: The report.
        folder: Where to; made if need be.
        others: A function for each further file that writes it.

    Returns:
        The files.

    Raises:
        ValueError: The folder cannot be written.
    """
    from rnngeo.plotting import save_figure

    folder = prepare_folder(folder)
    axes, dataset = report.plot(), report.to_dataset()
    writers = {
        "report.png": lambda path: save_figure(axes, path),
        "result.nc": lambda path: dataset.to_netcdf(path, engine="h5netcdf"),
        **(others or {}),
        "summary.json": lambda path: path.write_text(to_json(report.summary())),
    }
    for name, write in writers.items():
        write_atomically(folder / name, write)
    return [folder / name for name in writers]
