"""Ascent along the gradient within limits."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from rnngeo._types import Scalar, ScalarLike


@eqx.filter_jit
def ascend(
    objective: Callable[[Float[Array, "n_units n_units"], Int[Array, ""]], Scalar],
    weights: Float[Array, "n_units n_units"],
    *,
    n_steps: int,
    step: ScalarLike = 0.03,
    n_moving: int = 0,
    project: Callable[[Array], Array] | None = None,
) -> tuple[Float[Array, "n_units n_units"], Scalar, Float[Array, " step"]]:
    r"""Projected gradient ascent with Adam's steps, their size falling like a cosine to zero.

    The best matrix on the way is kept, so without moving steps the end is never below the start.
    Where the objective has no gradient (no stationary law was found) a step goes on as the last
    ones did. For many starts `vmap` over `weights`.

    Args:
        objective: Function of the matrix and the number of the step, differentiable.
        weights: Where to start, within the limits.
        n_steps: Steps.
        step: First step of an entry, in the unit of the matrix.
        n_moving: First steps during which the objective still changes, as with weights annealed
            upward; what is best is counted after them.
        project: Brings a matrix within the limits. Default: none.

    Returns:
        The best matrix, its objective, and the objective before each step.

    Raises:
        ValueError: Fewer than one step, or all of them moving.

    Cost: one gradient a step.
    """
    if n_steps < 1:
        raise ValueError(f"`n_steps` must be at least 1, got {n_steps}.")
    if not 0 <= n_moving < n_steps:
        raise ValueError(f"`n_moving` must be at least 0 and below {n_steps}, got {n_moving}.")
    optimizer = optax.adam(optax.cosine_decay_schedule(step, n_steps))

    def advance(carry, i):
        now, memory, best, highest = carry
        value, slope = jax.value_and_grad(objective)(now, i)
        is_better = (i >= n_moving) & (value > highest)  # false for NaN
        best = jnp.where(is_better, now, best)
        highest = jnp.where(is_better, value, highest)
        slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
        change, memory = optimizer.update(-slope, memory)
        now = now + change
        return (now if project is None else project(now), memory, best, highest), value

    start = (weights, optimizer.init(weights), weights, jnp.asarray(-jnp.inf, weights.dtype))
    (_, _, best, highest), values = jax.lax.scan(advance, start, jnp.arange(n_steps))
    return best, highest, values
