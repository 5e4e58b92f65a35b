"""Where and in which precision a computation runs, without touching the user's settings."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax

PRECISIONS = ("float32", "float64")


def find_device(name: str | None) -> Any:
    """The device of this name.

    Args:
        name: A platform ("cpu", "gpu", "cuda", ...), optionally with an index ("gpu:1"), or None
            for JAX's default.

    Returns:
        The device, or None.

    Raises:
        ValueError: There is no such device here.
    """
    if name is None:
        return None
    platform, _, index = name.partition(":")
    try:
        return jax.devices(platform)[int(index or 0)]
    except (RuntimeError, IndexError, ValueError, AssertionError):
        here = ", ".join(f"{device.platform}:{device.id}" for device in jax.devices())
        raise ValueError(f"`device` must be one that is here ({here}), got {name!r}.") from None


@contextlib.contextmanager
def computing(precision: str = "float64", device: str | None = None) -> Iterator[None]:
    """Compute in one precision on one device inside the block; both are restored after it.

    Args:
        precision: "float32" or "float64".
        device: See `find_device`.

    Yields:
        Nothing.

    Raises:
        ValueError: Unknown precision or device.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"`precision` must be float32 or float64, got {precision!r}.")
    chosen = find_device(device)
    where = contextlib.nullcontext() if chosen is None else jax.default_device(chosen)
    with jax.enable_x64(precision == "float64"), where:
        yield
