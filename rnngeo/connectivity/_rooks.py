r"""Constructed weights of large information flux: rooks, long cycles, conference matrices."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rnngeo._types import ScalarLike
from rnngeo.numerics import is_concrete

from ._concrete import check_units

# One row a unit; their sign maps run through 2, 4, 8, 16 and 30 states.
_LONG_CYCLES = {
    1: [[-1]],
    2: [[0, 1], [-1, 0]],
    3: [[-1, -1, -1], [-1, 1, -1], [1, 1, -1]],
    4: [[-2, -1, -1, -1], [-1, -1, -1, 2], [-1, -1, 2, -1], [1, -2, 1, 1]],
    5: [[0, 0, -1, -1, 1], [0, 1, 1, 0, 1], [0, 1, -1, 1, 0], [0, 1, 0, -1, -1], [-1, 0, 0, 0, 0]],
}


def _check_permutation(permutation: Array | np.ndarray) -> None:
    if permutation.ndim != 1 or permutation.size == 0:
        raise ValueError(
            f"`permutation` must be a list of one or more, got shape {permutation.shape}."
        )
    if not np.issubdtype(permutation.dtype, np.integer):
        raise ValueError(f"`permutation` must hold integers, got {permutation.dtype}.")
    if is_concrete(permutation):
        pi = np.asarray(permutation)
        if not np.array_equal(np.sort(pi), np.arange(pi.size)):
            raise ValueError(
                f"`permutation` must hold each of 0 to {pi.size - 1} once, got {pi.tolist()}."
            )


def _check_signs(signs: Array | np.ndarray, n_units: int) -> None:
    if signs.shape != (n_units,):
        raise ValueError(f"`signs` must have shape ({n_units},), got shape {signs.shape}.")
    if is_concrete(signs) and not np.all(np.abs(np.asarray(signs)) == 1):
        raise ValueError(f"`signs` must be 1 or -1, got {np.asarray(signs).tolist()}.")


def _check_weights(name: str, weights: Array | np.ndarray) -> None:
    if is_concrete(weights):
        w = np.asarray(weights)
        if not (np.isfinite(w).all() and (w >= 0).all()):
            raise ValueError(f"`{name}` must be finite and not negative, got {w.tolist()}.")


def _as_array(values: ArrayLike | Sequence) -> Array | np.ndarray:
    """Known values stay with NumPy, where `jit` leaves them known."""
    return values if isinstance(values, jax.Array) else np.asarray(values)


def rooks(
    permutation: ArrayLike | Sequence,
    signs: ArrayLike | Sequence,
    weights: ArrayLike | Sequence,
) -> lx.MatrixLinearOperator:
    r"""One weight in every row and column, $W_{n\pi(n)} = s_n w_n$, like rooks out of reach.

    Each unit copies one other unit or its opposite. The stationary law is uniform at every w,
    $H = N$, $C = \sqrt{\sum_n \tanh^2(w_n/2)}/N$ and
    $I = \sum_n [1 - h_2(\sigma(w_n))]$, the largest flux that the rows' sums of moduli allow.

    Args:
        permutation: $\pi$, numbers 0 to N - 1, shape `(n_units,)`.
        signs: $s_n$, 1 or -1, shape `(n_units,)`.
        weights: $w_n \ge 0$, shape `(n_units,)` or one for all; differentiable.

    Returns:
        The operator of the matrix, row = the unit that receives.

    Raises:
        ValueError: Not a permutation, other signs, negative weights, or lengths that differ.

    Cost: N^2 memory.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024), for the principle; the laws are
    derived here.
    """
    pi, s, w = _as_array(permutation), _as_array(signs), _as_array(weights)
    _check_permutation(pi)
    n_units = pi.size
    _check_signs(s, n_units)
    if w.shape not in ((), (n_units,)):
        raise ValueError(
            f"`weights` must be a number or have shape ({n_units},), got shape {w.shape}."
        )
    _check_weights("weights", w)
    w = jnp.asarray(w, jnp.result_type(float, w))
    values = jnp.asarray(s, w.dtype) * w
    matrix = jnp.zeros((n_units, n_units), w.dtype)
    return lx.MatrixLinearOperator(matrix.at[jnp.arange(n_units), jnp.asarray(pi)].set(values))


def long_cycle(n_units: int, weight: ScalarLike = 1.0) -> lx.MatrixLinearOperator:
    r"""Weights without bias whose sign map runs through all $2^N$ states, or nearly all, in turn.

    Flux and period are then near their maxima together: for $w \to \infty$ the flux tends to N
    bits. N = 1, 2 are rooks. N = 3 has entries $\pm w$ in all places. For N = 4 no matrix with
    entries 0, $\pm w$ and no ties does it; in every solution all rows decide like one entry
    $\pm 2w$ and three $\pm w$. For N = 5 the cycles have 30 and 2 states; larger entries reach
    all 32, with rows (3, -1, -1, 1, -1), (-1, 2, 2, 3, -1), (-1, -3, -2, 2, 1), (1, -2, 3, 2, 1)
    and (1, 1, -1, 1, 3), but then a row has fields beyond those of the other matrices.

    Limits on the entries, on the sums of moduli and on Euclidean norms of rows rank these
    matrices and rooks differently: say which one is meant when comparing at equal w.

    Args:
        n_units: N, from 1 to 5.
        weight: $w \ge 0$, the unit of the entries; differentiable.

    Returns:
        The operator of the matrix.

    Raises:
        ValueError: No such matrix is known for `n_units`, or a negative weight.

    Reference: derived here, by exhaustive search for N = 3 and 4.
    """
    if n_units not in _LONG_CYCLES:
        raise ValueError(f"`n_units` must be from 1 to {max(_LONG_CYCLES)}, got {n_units}.")
    return _scaled(np.array(_LONG_CYCLES[n_units]), weight)


def conference_weights(n_units: int, weight: ScalarLike = 1.0) -> lx.MatrixLinearOperator:
    r"""Paley's conference matrix times w: $W W^\top = (N - 1) w^2 1$, zeros on the diagonal only.

    Every row has $N - 1$ entries $\pm w$, an odd number, so that no field is zero. Symmetric if
    $N - 1 = 1 \bmod 4$, antisymmetric if $N - 1 = 3 \bmod 4$. The one of order 4 is bijective as
    a sign map and has a uniform stationary law at every w, hence
    $I = N - N\,E\,h_2(\sigma(w|k - 2j|))$ with $k = 3$ and j from Binomial(k, 1/2).

    Args:
        n_units: N, such that $N - 1$ is an odd prime: 4, 6, 8, 12, 14, 18, ...
        weight: $w \ge 0$; differentiable.

    Returns:
        The operator of the matrix.

    Raises:
        ValueError: $N - 1$ is not an odd prime, or a negative weight.

    Cost: N^2.

    Reference: Paley, J. Math. Phys. 12, 311 (1933); its flux is derived here.
    """
    check_units(n_units)
    q = n_units - 1
    if q < 3 or any(q % divisor == 0 for divisor in range(2, int(q**0.5) + 1)):
        raise ValueError(f"`n_units` must be one more than an odd prime, got {n_units}.")
    residue = np.full(q, -1)
    residue[np.arange(q) ** 2 % q] = 1
    residue[0] = 0
    matrix = np.zeros((n_units, n_units), int)
    matrix[0, 1:] = 1
    matrix[1:, 0] = 1 if q % 4 == 1 else -1
    matrix[1:, 1:] = residue[np.subtract.outer(np.arange(q), np.arange(q)) % q]
    return _scaled(matrix, weight)


def _scaled(matrix: np.ndarray, weight: ScalarLike) -> lx.MatrixLinearOperator:
    _check_weights("weight", _as_array(weight))
    w = jnp.asarray(weight, jnp.result_type(float, weight))
    return lx.MatrixLinearOperator(w * jnp.asarray(matrix, w.dtype))
