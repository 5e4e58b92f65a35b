"""Limits on weights, and the nearest matrix within them."""

import enum

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from optax import projections

from rnngeo._types import ScalarLike


class WeightLimit(enum.StrEnum):
    """What of a matrix is limited; a row holds the weights of one unit's inputs."""

    BOX = "box"
    ROW_L2 = "row-l2"
    ROW_L1 = "row-l1"


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

    Reference: the last by Duchi et al., ICML (2008), Fig. 1; projections of optax.
    """
    if constraint == WeightLimit.BOX:
        return jnp.clip(weights, -limit, limit)
    is_l2 = constraint == WeightLimit.ROW_L2
    project = projections.projection_l2_ball if is_l2 else projections.projection_l1_ball
    return jax.vmap(lambda row: project(row, limit))(weights)


def largest_row_sum(n_units: int, limit: float, constraint: WeightLimit) -> float:
    r"""Largest $\|w_n\|_1$ of a row of N weights within the limit: $Nw$, $\sqrt N w$ or $w$."""
    factor = {WeightLimit.BOX: n_units, WeightLimit.ROW_L2: n_units**0.5, WeightLimit.ROW_L1: 1}
    return factor[constraint] * limit
