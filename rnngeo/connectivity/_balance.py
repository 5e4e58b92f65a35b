"""Balance a measured matrix: excitation and inhibition of one size in every row and column."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from rnngeo._results import RESULTS
from rnngeo._types import Scalar
from rnngeo.numerics import tolerances

from ._operators import as_operator

_NAMED = 8  # neurons named in an error, of however many


class BalancedWeights(eqx.Module):
    """A balanced matrix, and how well balanced it is.

    Attributes:
        weights: The balanced matrix, shape `(n_kept, n_kept)`.
        kept: Indices of the neurons kept, in the order of the matrix given, shape `(n_kept,)`.
        residual: Largest relative error of a squared row or column norm.
        n_iterations: Rounds of rows and columns.
        result: Member of `RESULTS`: whether the residual reached its tolerance.
    """

    weights: Float[Array, "n_kept n_kept"]
    kept: Int[np.ndarray, " n_kept"]
    residual: Scalar
    n_iterations: Int[Array, ""]
    result: RESULTS

    @property
    def is_successful(self) -> Array:
        """Whether the residual reached its tolerance."""
        return self.result == RESULTS.successful


def _unbalanced(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Neurons that no scaling can balance, by reason."""
    positive, negative = matrix > 0, matrix < 0
    has_positive, has_negative = positive.any(axis=1), negative.any(axis=1)
    has_output = positive.any(axis=0) | negative.any(axis=0)
    reasons = {
        "rows of zeros": ~has_positive & ~has_negative,
        "rows without positive entries": ~has_positive & has_negative,
        "rows without negative entries": has_positive & ~has_negative,
        "columns of zeros": ~has_output,
    }
    return {reason: np.flatnonzero(mask) for reason, mask in reasons.items() if mask.any()}


def _describe(reasons: dict[str, np.ndarray]) -> str:
    parts = []
    for reason, index in reasons.items():
        named = ", ".join(map(str, index[:_NAMED])) + (", ..." if index.size > _NAMED else "")
        parts.append(f"{index.size} {reason} ({named})")
    return "; ".join(parts)


def _keep_balanceable(matrix: np.ndarray) -> np.ndarray:
    """Indices left after dropping neurons, round by round, until every one can be balanced."""
    kept = np.arange(len(matrix))
    while reasons := _unbalanced(matrix[np.ix_(kept, kept)]):
        kept = np.delete(kept, np.unique(np.concatenate(list(reasons.values()))))
        if kept.size == 0:
            raise ValueError(
                "`weights` has no neurons left that can be balanced: the last ones dropped are "
                f"{_describe(reasons)}."
            )
    return kept


@eqx.filter_jit
def _alternate(matrix: Array, rtol: Array, max_steps: int):
    dtype = matrix.dtype
    squares = jnp.stack([jnp.maximum(matrix, 0.0), jnp.maximum(-matrix, 0.0)]) ** 2
    has_sign = jnp.any(squares > 0, axis=1)  # sign, column
    n_units = matrix.shape[0]
    share = 0.5 * n_units / jnp.sum(has_sign, axis=1, keepdims=True)
    target = jnp.where(has_sign, share, 0.0).astype(dtype)

    def rows(columns):
        return 0.5 / jnp.einsum("sij,sj->si", squares, columns)

    def body(state):
        columns, _, step = state
        sums = jnp.einsum("sij,si->sj", squares, rows(columns))
        # With the rows exact, this is how far the columns are from their norms.
        error = jnp.abs(sums * columns / jnp.where(has_sign, target, 1.0) - 1.0)
        residual = jnp.max(jnp.where(has_sign, error, 0.0))
        new = jnp.where(has_sign, target / jnp.where(has_sign, sums, 1.0), 0.0)
        is_done = ~(residual > rtol)
        return jnp.where(is_done, columns, new), residual, step + 1

    def going(state):
        _, residual, step = state
        return (residual > rtol) & (step < max_steps)

    # The columns' norms set the scale at once; an infinite residual starts the loop.
    norms = jnp.sum(squares, axis=1)
    start = jnp.where(has_sign, 1.0 / jnp.where(has_sign, norms, 1.0), 0.0)
    state = (start, jnp.asarray(jnp.inf, dtype), jnp.zeros((), int))
    columns, residual, step = jax.lax.while_loop(going, body, state)
    scales = jnp.sqrt(rows(columns)), jnp.sqrt(columns)
    pick = lambda s: scales[0][s][:, None] * scales[1][s]
    balanced = matrix * jnp.where(matrix > 0, pick(0), pick(1))
    return balanced, residual, step


def balance_signed(
    weights: lx.AbstractLinearOperator | ArrayLike,
    *,
    drop: bool = False,
    rtol: float | None = None,
    max_steps: int = 10_000,
    throw: bool = True,
) -> BalancedWeights:
    r"""Scale rows and columns until excitation and inhibition weigh the same everywhere.

    The positive entries of every row get the Euclidean norm $1/\sqrt 2$, and its negative entries
    too, so that $\sum_j J_{ij}^2 = 1$; then the columns, in turn, until both hold (Sinkhorn). The
    two signs are scaled by factors of their own.

    Where every column holds both signs its norms are $1/\sqrt 2$ as well. Under Dale's law a column
    holds one sign, and norms of one for all of them contradict the rows unless half of the neurons
    excite: then the $n_\pm$ columns with entries of a sign share that sign's total $N/2$ evenly,
    with squared norm $N/(2 n_\pm)$ each. Alternating with norms that contradict the rows leads to
    the same matrix, read after the rows.

    Args:
        weights: Signed square matrix, row = postsynaptic; any scale.
        drop: Drop neurons whose row lacks a sign or whose column is zero, and those that this
            leaves in the same state, until none is left; otherwise they raise.
        rtol: Relative error allowed in a squared norm; default sqrt of the rounding unit.
        max_steps: Rounds before giving up.
        throw: Raise if the tolerance is not reached; if `False`, read `.result`.

    Returns:
        `BalancedWeights`. Rows are exact to rounding, `residual` is that of the columns.

    Raises:
        ValueError: Not a square matrix, an entry not finite, neurons that cannot be balanced (how
            many and which), or an option out of range.
        RuntimeError: No convergence and `throw=True`. The positions of the nonzero entries of one
            sign may not allow any balance: then some entries would have to vanish.

    Cost: 4 N^2 products a round, and memory for four such matrices. Not differentiable.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, Phys. Rev. X 15, 041019 (2025), the
    normalisation of the connectome; the norms under Dale's law derived here. Sinkhorn & Knopp, Pac.
    J. Math. 21, 343 (1967) for convergence.
    """
    if max_steps < 1:
        raise ValueError(f"`max_steps` must be at least 1, got {max_steps}.")
    if rtol is not None and not rtol > 0:
        raise ValueError(f"`rtol` must be positive, got {rtol}.")
    given = as_operator(weights).as_matrix()
    matrix = np.asarray(given, jnp.result_type(float, given))
    if matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(
            f"`weights` must be square with at least one unit, got shape {matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        n_bad = int((~np.isfinite(matrix)).sum())
        raise ValueError(f"`weights` must be finite, got {n_bad} NaN or infinite entries.")
    if drop:
        kept = _keep_balanceable(matrix)
        matrix = matrix[np.ix_(kept, kept)]
    elif reasons := _unbalanced(matrix):
        raise ValueError(
            "`weights` must have entries of both signs in every row and no empty column, got "
            f"{_describe(reasons)}. Use `drop=True` to leave such neurons out."
        )
    else:
        kept = np.arange(len(matrix))
    matrix = matrix / np.abs(matrix).max()
    rtol = tolerances(matrix.dtype)["rtol"] if rtol is None else rtol
    balanced, residual, step = _alternate(
        jnp.asarray(matrix), jnp.asarray(rtol, matrix.dtype), max_steps
    )
    result = RESULTS.where(residual <= rtol, RESULTS.successful, RESULTS.not_converged)
    if throw:
        balanced = result.error_if(balanced, result != RESULTS.successful)
    return BalancedWeights(balanced, kept, residual, step, result)
