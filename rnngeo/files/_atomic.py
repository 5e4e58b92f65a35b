"""A file is there whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def prepare_folder(path: str | Path) -> Path:
    """Make a folder that results can be written to.

    Args:
        path: The folder; parents are made too.

    Returns:
        The folder.

    Raises:
        ValueError: It cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"`out` must be a folder that can be written, got {str(folder)!r} ({error.strerror})."
        ) from None
    return folder


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> None:
    """Write beside the target, then rename over it: a killed run leaves the old file.

    Args:
        path: The file.
        write: Writes the whole file at the path it is given (which keeps the suffix).
    """
    path = Path(path)
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
