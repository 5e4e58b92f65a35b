"""Readers of single vectors. Nothing is ever unpickled."""

from pathlib import Path

import numpy as np
from jaxtyping import Num

_ENDINGS = (".npy", ".csv", ".txt")


def load_vector(path: str | Path, *, name: str = "path") -> Num[np.ndarray, " entry"]:
    """Numbers of a `.npy`, or of a `.csv` or `.txt` parted by commas, blanks or lines.

    Args:
        path: The file. A `.npy` may hold a single row or column.
        name: What messages call it.

    Returns:
        The vector; entries may be NaN or infinite.

    Raises:
        ValueError: Another ending, no such file, or not a vector of real numbers.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise ValueError(f"`{name}` must be a file that ends in {', '.join(_ENDINGS)}, got {path}.")
    if not path.is_file():
        raise ValueError(f"`{name}` must name a file, got {str(path)!r}, which is not one.")
    try:
        if ending == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            words = path.read_text(encoding="utf-8-sig").replace(",", " ").split()
            values = np.array([float(word) for word in words])
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"`{name}` cannot be read from {path.name}: {error}.") from None
    if not isinstance(values, np.ndarray):
        raise ValueError(f"`{name}` in {path.name} must be one array, got an archive.")
    if values.dtype.kind not in "fiub":
        raise ValueError(
            f"`{name}` in {path.name} must hold real numbers, got dtype {values.dtype}."
        )
    if values.size != max(values.shape, default=1):
        raise ValueError(
            f"`{name}` in {path.name} must be one row or column, got shape {values.shape}."
        )
    return values.ravel()
