"""Arrays and operators as one thing."""

import jax.numpy as jnp
import lineax as lx
from jax.typing import ArrayLike


def as_operator(
    weights: lx.AbstractLinearOperator | ArrayLike,
) -> lx.AbstractLinearOperator:
    """Wrap a matrix as a `lineax` operator; an operator passes through.

    Sums (`a + b`), products (`a @ b`) and multiples (`2.0 * a`) of operators are operators, and
    `.mv` never multiplies them out.

    Args:
        weights: Matrix, row = postsynaptic (whole numbers become floating), or an operator.

    Returns:
        The operator.

    Raises:
        ValueError: `weights` is an array that is not a matrix.
    """
    if isinstance(weights, lx.AbstractLinearOperator):
        return weights
    weights = jnp.asarray(weights)
    if not jnp.issubdtype(weights.dtype, jnp.inexact):
        weights = weights.astype(float)
    if weights.ndim != 2:
        raise ValueError(f"`weights` must be a matrix, got shape {weights.shape}.")
    return lx.MatrixLinearOperator(weights)
