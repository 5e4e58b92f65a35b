"""Checks of values, made where the values are known."""

import numpy as np

from rnngeo.numerics import is_concrete


def check_nonnegative(name: str, values) -> None:
    """Finite, nonnegative, and not all zero, where the values are known."""
    if not is_concrete(values):
        return
    values = np.asarray(values)
    n_bad = int(np.sum(~np.isfinite(values)))
    if n_bad:
        raise ValueError(f"`{name}` must be finite, got {n_bad} of {values.size} that are not.")
    if (values < 0).any():
        raise ValueError(
            f"`{name}` must not be negative, got {int((values < 0).sum())} negative of "
            f"{values.size}, the least {values.min():g}."
        )
    if not (values > 0).any():
        raise ValueError(f"`{name}` must not all be zero, got {values.size} zeros.")


def check_list(name: str, values) -> None:
    """A list of at least one number."""
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"`{name}` must be a list of one or more, got shape {values.shape}.")


def check_units(n_units: int) -> None:
    """At least one unit."""
    if n_units < 1:
        raise ValueError(f"`n_units` must be at least 1, got {n_units}.")
