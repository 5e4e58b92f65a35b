"""Trajectories of stochastic binary networks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from rnngeo._types import Key
from rnngeo.models import BinaryNetwork
from rnngeo.numerics import is_concrete

from ._inputs import as_state


@eqx.filter_jit
def _run(network: BinaryNetwork, x0: Array, n_steps: int, n_burn: Array, key: Key) -> Array:
    follow = lambda x, t: network.sample(x, key=jr.fold_in(key, t))
    x = jax.lax.fori_loop(0, n_burn, lambda t, x: follow(x, t), x0)

    def step(x, t):
        x = follow(x, t)
        return x, x

    _, xs = jax.lax.scan(step, x, n_burn + jnp.arange(n_steps))
    return jnp.concatenate([x[None], xs])


def simulate_binary(
    network: BinaryNetwork,
    x0: ArrayLike,
    n_steps: int,
    *,
    n_burn: int = 0,
    key: Key,
) -> Float[Array, "time n_units"]:
    r"""Draw a trajectory, $x(t + 1)$ from $P(\cdot | x(t))$, all units at once.

    Many replicas: `eqx.filter_vmap(lambda x, k: simulate_binary(network, x, n, key=k))(x0s,
    keys)`; they share the weights, so that a step is one matrix product. Many networks: `vmap`
    over the weights.

    Args:
        network: The network.
        x0: First state, entries -1 and 1, shape `(n_units,)`; floating, its dtype is that of the
            trajectory.
        n_steps: Transitions to keep, at least 1.
        n_burn: Transitions made before, of which nothing is kept.
        key: Random key. Step t has its own, so a longer run begins as a shorter one, and a run
            with `n_burn` is the same run without its beginning.

    Returns:
        States, shape `(n_steps + 1, n_units)`; the first is `x0` or, with `n_burn`, the state
        after it.

    Raises:
        ValueError: A start of another shape or with other entries, or bad counts.

    Cost: a product with the weights and N random numbers a step. Memory `n_steps * N` numbers for
    each replica.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024).
    """
    if n_steps < 1:
        raise ValueError(f"`n_steps` must be at least 1, got {n_steps}.")
    if n_burn < 0:
        raise ValueError(f"`n_burn` must not be negative, got {n_burn}.")
    start = as_state(network, jnp.asarray(x0))
    if is_concrete(start):
        n_bad = int(np.sum(np.abs(np.asarray(start)) != 1))
        if n_bad:
            raise ValueError(f"`x0` must hold -1 and 1, got {n_bad} other entries of {start.size}.")
    return _run(network, start, n_steps, jnp.asarray(n_burn), key)
