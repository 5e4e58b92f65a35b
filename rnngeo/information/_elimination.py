"""Stationary laws without a subtraction."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_PANEL = 32  # states eliminated before the rest of the matrix is touched; up to it, unrolled
_HIGHEST = jax.lax.Precision.HIGHEST


def eliminate(matrix: Float[Array, "state state"]) -> Float[Array, "state state"]:
    r"""Factors $1 - T = (1 - U S^{-1})(S - L)$ of a stochastic matrix, by the rule of Grassmann,
    Taksar and Heyman: the states are censored one by one from the last, and $1 - T_{kk}$ is always
    the sum of the probabilities to leave k, so that nothing is subtracted and every entry has
    relative accuracy, however nearly the chain falls apart.

    Args:
        matrix: T, an irreducible stochastic matrix; the number of states is a power of two.

    Returns:
        U above the diagonal, L below, S on it ($S_0$ = 0).

    Cost: $n^3$ in matrix products, thrice what is needed.

    Reference: Grassmann, Taksar & Heyman, Oper. Res. 33, 1107 (1985); in panels, derived here.
    """
    n = matrix.shape[0]
    place = jnp.arange(n)
    if n <= _PANEL:
        return _eliminate_few(matrix)

    def panel(i, f):
        first = n - (i + 1) * _PANEL
        rows = jax.lax.dynamic_slice(f, (first, 0), (_PANEL, n))
        columns = jax.lax.dynamic_slice(f, (0, first), (n, _PANEL))

        def censor(j, carry):
            rows, columns, sums = carry
            j = _PANEL - 1 - j
            before = place < first + j
            row = jnp.where(before, rows[j], 0.0)
            leave = jnp.sum(row)
            column = jnp.where(before, columns[:, j], 0.0) / jnp.where(first + j > 0, leave, 1.0)
            inside = lambda a: jax.lax.dynamic_slice(a, (first,), (_PANEL,))
            rows = rows + inside(column)[:, None] * row
            columns = columns + column[:, None] * inside(row)
            return rows, columns, sums.at[j].set(leave)

        carry = (rows, columns, jnp.zeros(_PANEL, f.dtype))
        rows, columns, sums = jax.lax.fori_loop(0, _PANEL, censor, carry)
        before = place < first
        left = jnp.where(before[:, None], columns, 0.0) / jnp.where(sums > 0, sums, 1.0)
        f = f + jnp.matmul(left, jnp.where(before, rows, 0.0), precision=_HIGHEST)
        f = jax.lax.dynamic_update_slice(f, columns, (0, first))
        local = place[:_PANEL]
        square = jax.lax.dynamic_slice(rows, (0, first), (_PANEL, _PANEL))
        square = square.at[local, local].set(sums)
        rows = jax.lax.dynamic_update_slice(rows, square, (0, first))
        return jax.lax.dynamic_update_slice(f, rows, (first, 0))

    return jax.lax.fori_loop(0, n // _PANEL, panel, matrix)


def _eliminate_few(matrix: Array) -> Array:
    """The same state by state, unrolled: for batches of small matrices."""
    n, f, sums = matrix.shape[0], matrix, []
    for k in range(n - 1, 0, -1):
        leave = jnp.sum(f[k, :k])
        step = f.at[:k, :k].add((f[:k, k] / leave)[:, None] * f[k, :k])
        f = jax.lax.optimization_barrier(step)  # else XLA fuses all steps and repeats them
        sums.append(leave)
    diagonal = jnp.stack([jnp.zeros((), f.dtype), *sums[::-1]])
    return jnp.where(jnp.eye(n, dtype=bool), diagonal, f)


def _substitute(rows: Array, vector: Array, order: range) -> Array:
    """Solution of x = vector + rows x, strictly triangular rows, in their order.

    LAPACK's solver is not used: two batches of it at the same time can wait for each other's
    threads for ever (jaxlib 0.10, two cores).
    """

    def step(i, x):
        k = order.start + order.step * i
        return x.at[k].add(jnp.dot(rows[k], x, precision=_HIGHEST))

    n = len(order)
    if n > _PANEL:
        return jax.lax.fori_loop(0, n, step, vector)
    for i in range(n):
        vector = step(i, vector)
    return vector


def _leaving(factors: Array) -> Array:
    """S, and one for the state that is left over."""
    return jnp.diagonal(factors).at[0].set(1.0)


def law_from_factors(factors: Float[Array, "state state"]) -> Float[Array, " state"]:
    """Stationary law $p = pT$, by a substitution in which only positive numbers are added."""
    first = jnp.zeros(factors.shape[0], factors.dtype).at[0].set(1.0)
    p = _substitute(jnp.triu(factors / _leaving(factors), 1).T, first, range(1, first.size))
    return p / jnp.sum(p)


def potential_from_factors(
    factors: Float[Array, "state state"], reward: Float[Array, " state"]
) -> Float[Array, " state"]:
    r"""Solution of $\lambda - T\lambda = r$ with $\lambda_0 = 0$, for r of stationary mean zero."""
    n, sums = reward.size, _leaving(factors)
    y = _substitute(jnp.triu(factors / sums, 1), reward, range(n - 1, -1, -1)).at[0].set(0.0)
    return _substitute(jnp.tril(factors, -1) / sums[:, None], y / sums, range(1, n))
