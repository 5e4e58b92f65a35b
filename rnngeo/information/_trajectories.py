"""Recorded states of a binary network, checked, and averages over replicas."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rnngeo.models import BinaryNetwork
from rnngeo.numerics import is_concrete


def as_replicas(
    network: BinaryNetwork, xs: Float[Array, "*replica time n_units"]
) -> Float[Array, "replica time n_units"]:
    """The trajectories with an axis of replicas; refuses other shapes and other states."""
    if xs.ndim not in (2, 3) or xs.shape[-1] != network.n_units:
        raise ValueError(
            f"`xs` must have shape (time, {network.n_units}) or (replica, time, "
            f"{network.n_units}), got {xs.shape}."
        )
    if xs.shape[-2] < 3:
        raise ValueError(f"`xs` must hold at least 3 states in time, got {xs.shape[-2]}.")
    if xs.ndim == 3 and xs.shape[0] < 1:
        raise ValueError("`xs` must hold at least one replica, got none.")
    if is_concrete(xs) and not np.all(np.abs(np.asarray(xs)) == 1):
        raise ValueError(
            "`xs` must hold states of -1 and 1, got others; z in {0, 1} is x = 2 z - 1, with "
            "the network from `BinaryNetwork.from_zero_one`."
        )
    return xs if xs.ndim == 3 else xs[None]


def are_stuck(xs: Float[Array, "replica time n_units"]) -> Array:
    """Units that keep one sign in the whole window of a replica, `(replica, n_units)`."""
    return jnp.all(xs == xs[:, :1], axis=1)


def mean_and_error(values: Float[Array, "replica *rest"]) -> tuple[Array, Array]:
    """Mean over replicas and its standard error, NaN for a single one."""
    n = values.shape[0]
    mean = jnp.mean(values, axis=0)
    if n == 1:
        return mean, jnp.full_like(mean, jnp.nan)
    return mean, jnp.std(values, axis=0, ddof=1) / n**0.5
