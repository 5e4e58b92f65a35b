"""Sparse random weights with a balance of signs."""

import enum
import sys

import jax.numpy as jnp
import jax.random as jr
import lineax as lx
from jaxtyping import Array, Bool, Float

from rnngeo._types import Key, ScalarLike
from rnngeo.numerics import is_concrete

from ._concrete import check_units


class Magnitude(enum.Enum):
    r"""Law of the modulus of a weight; the mean square is always the square of the width.

    HALF_NORMAL: the modulus of $N(0, w^2)$. CONSTANT: w. UNIFORM: on $[0, \sqrt 3 w]$.
    LOG_NORMAL: $w e^{s z - s^2}$ with z from $N(0, 1)$ and s given as `log_std`.
    """

    HALF_NORMAL = enum.auto()
    CONSTANT = enum.auto()
    UNIFORM = enum.auto()
    LOG_NORMAL = enum.auto()


def _check_range(name: str, value: ScalarLike, low: float, high: float, words: str) -> None:
    if is_concrete(value) and not low <= value <= high:
        raise ValueError(f"`{name}` must be {words}, got {float(value):g}.")


def _magnitudes(law: Magnitude, shape, dtype, log_std: ScalarLike, key: Key) -> Array:
    """Moduli of mean square one."""
    if law is Magnitude.CONSTANT:
        return jnp.ones(shape, dtype)
    if law is Magnitude.UNIFORM:
        return jnp.sqrt(jnp.asarray(3.0, dtype)) * jr.uniform(key, shape, dtype)
    z = jr.normal(key, shape, dtype)
    s = jnp.asarray(log_std, dtype)
    return jnp.abs(z) if law is Magnitude.HALF_NORMAL else jnp.exp(s * z - s**2)


def _paired(draw: Array, is_paired: Bool[Array, "n_units n_units"], mirror=None) -> Array:
    """Below the diagonal of the chosen pairs, what stands above it."""
    above = draw.T if mirror is None else mirror.T
    return jnp.where(is_paired, above, draw)


def _counted(
    n_units: int, density: Array, up: Array, allowed: Bool[Array, "n_units n_units"], key: Key
) -> tuple[Array, Array]:
    """Weights present, and those positive, by rank in a random order: exact counts."""
    scores = jnp.where(allowed, jr.uniform(key, allowed.shape, density.dtype), 2.0)
    order = jnp.argsort(scores.ravel())
    rank = jnp.zeros_like(order).at[order].set(jnp.arange(n_units**2)).reshape(allowed.shape)
    n_present = jnp.round(density * jnp.sum(allowed))
    return rank < n_present, rank < jnp.round(up * n_present)


def signed_ensemble(
    n_units: int,
    width: ScalarLike,
    *,
    density: ScalarLike = 1.0,
    balance: ScalarLike = 0.0,
    symmetry: ScalarLike = 0.0,
    magnitude: Magnitude = Magnitude.HALF_NORMAL,
    log_std: ScalarLike = 1.0,
    has_autapses: bool = True,
    is_exact: bool = False,
    key: Key,
) -> lx.MatrixLinearOperator:
    r"""Draw $W_{nm} = K_{nm} S_{nm} |g_{nm}|$ by width, density and balance of signs.

    $K = 1$ with probability d, $S = +1$ with probability $(1 + b)/2$ and else -1, and
    $E\,g^2 = w^2$. With $d = 1$, $b = 0$ and half-normal moduli all entries are $N(0, w^2)$.

    Symmetry $c > 0$: each pair of opposite entries is one draw, $W_{mn} = W_{nm}$, with
    probability c, and two independent draws otherwise, so that their Pearson correlation is
    exactly c for every density, balance and law. $c < 0$: with probability $|c|$ they share K and
    $|g|$, and S comes from mirrored draws, which keeps the law of every entry; at $b = 0$ this is
    $W_{mn} = -W_{nm}$ and the correlation is c, otherwise it lies above c.

    Args:
        n_units: Number of units N.
        width: $w \ge 0$, root mean square of a weight that is present; differentiable, and its
            dtype is the dtype of the weights. Weights are in units of the field u.
        density: d in [0, 1].
        balance: b in [-1, 1].
        symmetry: c in [-1, 1].
        magnitude: Law of $|g|$.
        log_std: $s \ge 0$, standard deviation of the logarithm of log-normal moduli.
        has_autapses: Keep the diagonal; otherwise it is zero and does not count for the density.
        is_exact: Exactly the nearest whole number of weights is present, and of these exactly
            the nearest whole number positive, at random places; only without symmetry.
        key: Random key.

    Returns:
        The operator of the matrix, row = the unit that receives. Numbers may be traced: a sweep
        over width, density and balance by `vmap` is one program.

    Raises:
        ValueError: A number out of its range, or exact counts together with a symmetry.

    Cost: 4 N^2 random numbers; exact counts sort N^2.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024), for the task; the law chosen here.
    """
    check_units(n_units)
    _check_range("width", width, 0.0, sys.float_info.max, "finite and not negative")
    _check_range("density", density, 0.0, 1.0, "in [0, 1]")
    _check_range("balance", balance, -1.0, 1.0, "in [-1, 1]")
    _check_range("symmetry", symmetry, -1.0, 1.0, "in [-1, 1]")
    _check_range("log_std", log_std, 0.0, sys.float_info.max, "finite and not negative")
    if is_exact and not (is_concrete(symmetry) and symmetry == 0):
        raise ValueError(f"`symmetry` must be 0 with `is_exact`, got {symmetry}.")

    w = jnp.asarray(width, jnp.result_type(float, width))
    d, b, c = (jnp.asarray(value, w.dtype) for value in (density, balance, symmetry))
    up, shape = 0.5 * (1.0 + b), (n_units, n_units)
    key_present, key_sign, key_magnitude, key_pair = jr.split(key, 4)
    allowed = jnp.ones(shape, bool) if has_autapses else ~jnp.eye(n_units, dtype=bool)
    size = _magnitudes(magnitude, shape, w.dtype, log_std, key_magnitude)
    if is_exact:
        is_present, is_up = _counted(n_units, d, up, allowed, key_present)
    else:
        below = jnp.tril(jnp.ones(shape, bool), -1)
        is_paired = below & (jr.uniform(key_pair, shape, w.dtype).T < jnp.abs(c))
        draw = jr.uniform(key_sign, shape, w.dtype)
        is_present = _paired(jr.uniform(key_present, shape, w.dtype) < d, is_paired) & allowed
        is_up = _paired(draw < up, is_paired, jnp.where(c < 0, draw >= 1.0 - up, draw < up))
        size = _paired(size, is_paired)
    signed: Float[Array, "n_units n_units"] = jnp.where(is_up, w * size, -w * size)
    return lx.MatrixLinearOperator(jnp.where(is_present, signed, 0.0))
