"""Matrices of other symmetry: rotationally invariant, and partially symmetric."""

import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
from jax.typing import ArrayLike

from rnngeo._types import Key, ScalarLike
from rnngeo.numerics import is_concrete

from ._concrete import check_list, check_nonnegative, check_units


def orthogonal_bulk(n_units: int, gain: ScalarLike = 1.0, *, key: Key) -> lx.MatrixLinearOperator:
    r"""Draw $g\,O$ with O orthogonal, uniform over the group (Haar).

    All singular values equal g, so $PR^S = 1$ and the inverse effective rank is -1, its least.

    Args:
        n_units: Number of units N.
        gain: g; differentiable, and its dtype is the dtype of the weights.
        key: Random key.

    Returns:
        The operator of the matrix, shape `(n_units, n_units)`.

    Raises:
        ValueError: `n_units` below 1.

    Cost: one QR decomposition, O(N^3).

    Reference: Mezzadri, Not. Am. Math. Soc. 54, 592 (2007).
    """
    check_units(n_units)
    gain = jnp.asarray(gain, jnp.result_type(float, gain))
    return lx.MatrixLinearOperator(gain * jr.orthogonal(key, n_units, dtype=gain.dtype))


def rotational_bulk(singular_values: ArrayLike, *, key: Key) -> lx.MatrixLinearOperator:
    r"""Draw $J = U\,\mathrm{diag}(s)\,V^\top$ with U and V independent and orthogonal (Haar).

    The singular values are exactly those given: $g_{eff}^2 = N^{-1}\sum s^2$, and the inverse
    effective rank is $1/PR^S - 2$.

    Args:
        singular_values: s, nonnegative, shape `(n_units,)`; zeros are allowed. Differentiable.
        key: Random key.

    Returns:
        The operator of the matrix, shape `(n_units, n_units)`.

    Raises:
        ValueError: Not a list, or a value is negative or not finite, or all are zero.

    Cost: two QR decompositions and one product, O(N^3).

    Reference: derived here.
    """
    s = jnp.asarray(singular_values)
    s = s.astype(jnp.result_type(float, s))
    check_list("singular_values", s)
    check_nonnegative("singular_values", s)
    u, v = jr.orthogonal(key, s.size, (2,), s.dtype)
    return lx.MatrixLinearOperator((u * s) @ v.T)


def partially_symmetric_bulk(
    n_units: int, gain: ScalarLike, symmetry: ScalarLike, *, key: Key
) -> lx.MatrixLinearOperator:
    r"""Draw Gaussian couplings with $N\langle J_{ij}^2\rangle = g^2$ and $N\langle J_{ij}J_{ji}
    \rangle = g^2\rho$.

    $J = \frac{g}{2}\left(\sqrt{1 + \rho}\,(X + X^\top) + \sqrt{1 - \rho}\,(X - X^\top)\right)$ with
    $X_{ij} \sim N(0, 1/N)$. The diagonal has variance $g^2(1 + \rho)/N$.

    Args:
        n_units: Number of units N.
        gain: g; its dtype is the dtype of the weights.
        symmetry: $\rho$: 1 symmetric, 0 independent, -1 antisymmetric.
        key: Random key.

    Returns:
        The operator of the matrix, shape `(n_units, n_units)`; differentiable in gain and symmetry.

    Raises:
        ValueError: `n_units` below 1, or `symmetry` out of [-1, 1].

    Cost: N^2 normal deviates.

    Reference: Clark, Abbott & Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023), Eq. (18).
    """
    check_units(n_units)
    if is_concrete(symmetry) and not abs(np.asarray(symmetry)) <= 1:
        raise ValueError(f"`symmetry` must lie in [-1, 1], got {symmetry}.")
    dtype = jnp.result_type(float, gain, symmetry)
    gain, rho = jnp.asarray(gain, dtype), jnp.asarray(symmetry, dtype)
    x = jr.normal(key, (n_units, n_units), dtype) / jnp.sqrt(jnp.asarray(n_units, dtype))
    plus, minus = jnp.sqrt(1.0 + rho), jnp.sqrt(1.0 - rho)
    return lx.MatrixLinearOperator(0.5 * gain * (plus * (x + x.T) + minus * (x - x.T)))
