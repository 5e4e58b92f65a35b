"""Low-rank couplings, kept factored."""

import jax.numpy as jnp
import lineax as lx
from jax.typing import ArrayLike


def low_rank(left: ArrayLike, right: ArrayLike) -> lx.AbstractLinearOperator:
    r"""Couplings $\sum_r m_r n_r^\top$ as a product of thin operators.

    Args:
        left: Vectors m, shape `(n_units,)` or `(n_units, rank)`.
        right: Vectors n, the same shape.

    Returns:
        Operator of `left @ right.T`; `.mv` costs 2 N R instead of N^2.

    Raises:
        ValueError: The two shapes differ or are not one vector or a matrix of columns.
    """
    left, right = jnp.asarray(left), jnp.asarray(right)
    if left.shape != right.shape or left.ndim not in (1, 2):
        raise ValueError(
            "`left` and `right` must have one shape, (n_units,) or (n_units, rank), "
            f"got {left.shape} and {right.shape}."
        )
    left, right = (v[:, None] if v.ndim == 1 else v for v in (left, right))
    return lx.MatrixLinearOperator(left) @ lx.MatrixLinearOperator(right.T)
