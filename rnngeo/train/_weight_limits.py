"""Limits on weights, and the nearest matrix within them."""

import enum

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo._types import ScalarLike


class WeightLimit(enum.StrEnum):
    """What of a matrix is limited; a row holds the weights of one unit's inputs."""

    BOX = "box"
    ROW_L2 = "row-l2"
    ROW_L1 = "row-l1"


def _onto_simplex_ball(row: Float[Array, " n_pre"], limit: ScalarLike) -> Float[Array, " n_pre"]:
    """Nearest row whose moduli add up to the limit at most: all shrink by one threshold."""
    size = jnp.sort(jnp.abs(row))[::-1]
    excess = (jnp.cumsum(size) - limit) / jnp.arange(1, row.size + 1)
    n_kept = jnp.sum(size > excess)  # the first ones
    threshold = jnp.maximum(excess[jnp.maximum(n_kept, 1) - 1], 0.0)
    return jnp.sign(row) * jnp.maximum(jnp.abs(row) - threshold, 0.0)


def limit_weights(
    weights: Float[Array, "n_post n_pre"], limit: ScalarLike, constraint: WeightLimit
) -> Float[Array, "n_post n_pre"]:
    r"""Nearest matrix (in the Euclidean sense) within a limit.

    $|w_{nm}| \le w$, $\|w_n\|_2 \le w$ or $\|w_n\|_1 \le w$ for every row n.

    Args:
        weights: W.
        limit: w.
        constraint: Which of the three.

    Returns:
        The matrix; W itself where it is within.

    Cost: the entries, sorted within rows under `ROW_L1`.

    Reference: the last by Duchi et al., ICML (2008), Fig. 1.
    """
    match constraint:
        case WeightLimit.BOX:
            return jnp.clip(weights, -limit, limit)
        case WeightLimit.ROW_L2:
            square = jnp.sum(weights**2, axis=1, keepdims=True)
            is_beyond = square > jnp.square(limit)
            return weights * jnp.where(
                is_beyond, limit / jnp.sqrt(jnp.where(is_beyond, square, 1.0)), 1.0
            )
        case WeightLimit.ROW_L1:
            return jax.vmap(lambda row: _onto_simplex_ball(row, limit))(weights)


def largest_row_sum(n_units: int, limit: float, constraint: WeightLimit) -> float:
    r"""Largest $\|w_n\|_1$ of a row of N weights within the limit: $Nw$, $\sqrt N w$ or $w$."""
    factor = {WeightLimit.BOX: n_units, WeightLimit.ROW_L2: n_units**0.5, WeightLimit.ROW_L1: 1}
    return factor[constraint] * limit
