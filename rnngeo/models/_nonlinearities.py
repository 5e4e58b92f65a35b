"""Transfer functions that a file may name."""

import jax
import jax.numpy as jnp

from rnngeo._types import Nonlinearity


def _identity(x: jax.Array) -> jax.Array:
    return x


NONLINEARITIES: dict[str, Nonlinearity] = {
    "tanh": jnp.tanh,
    "erf": jax.scipy.special.erf,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "softplus": jax.nn.softplus,
    "linear": _identity,
}


def nonlinearity_by_name(name: str) -> Nonlinearity:
    """The transfer function of this name.

    Args:
        name: One of the names in `NONLINEARITIES`.

    Returns:
        The elementwise function.

    Raises:
        ValueError: The name is unknown.
    """
    if name not in NONLINEARITIES:
        known = ", ".join(sorted(NONLINEARITIES))
        raise ValueError(f"`nonlinearity` must be one of {known}, got {name!r}.")
    return NONLINEARITIES[name]


def nonlinearity_name(nonlinearity: Nonlinearity) -> str:
    """The name under which a file can hold this transfer function.

    Args:
        nonlinearity: One of the values of `NONLINEARITIES`.

    Returns:
        Its name.

    Raises:
        ValueError: The function has no name here, so a file could not be read back.
    """
    for name, function in NONLINEARITIES.items():
        if function is nonlinearity:
            return name
    known = ", ".join(sorted(NONLINEARITIES))
    raise ValueError(f"`nonlinearity` must be one of {known} to be named, got {nonlinearity!r}.")
