"""Gaussian averages of an odd nonlinearity that the single-site problem is made of."""

import math
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rnngeo._types import Nonlinearity
from rnngeo.numerics import bivariate_average, derivative

from ._panels import CUMULATIVE, NODES, WEIGHTS

_N_PANELS = 16
_REACH = 10.0  # standard deviations
_N_SERIES = 18  # odd orders 1, 3, ..., 35


def unit_slope_erf(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    r"""$\phi(x) = \mathrm{erf}(\sqrt\pi x/2)$: odd, slope one at zero, saturating at $\pm 1$.

    Args:
        x: Current, any shape.

    Returns:
        The rate, elementwise.

    Cost: none.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), where it is the transfer function.
    """
    return jax.scipy.special.erf(0.5 * math.sqrt(math.pi) * x)


# phi(x) = erf(b x) has closed forms in c = 2 b^2.
_ERF = {unit_slope_erf: 0.5 * math.pi, jax.scipy.special.erf: 2.0}


class SiteAverages(NamedTuple):
    """Equal-time averages over one Gaussian variable of variance D0."""

    rate: Array  # <phi^2>
    slope: Array  # <phi'>
    squared_slope: Array  # <phi'^2>


@lru_cache(maxsize=1024)
def check_odd(nonlinearity: Nonlinearity) -> None:
    """Raise a ValueError unless the nonlinearity is odd."""
    with jax.ensure_compile_time_eval():
        x = jnp.asarray(np.sinh(np.linspace(0.0, 8.0, 65)))
        up, down = nonlinearity(x), nonlinearity(-x)
        # Rounding of functions that are odd as formulas, e.g. sigmoid(x) - 1/2.
        allowed = 64 * float(jnp.finfo(up.dtype).eps) * (1.0 + float(jnp.max(jnp.abs(up))))
        gap = float(jnp.max(jnp.abs(up + down)))
    if not gap <= allowed:
        raise ValueError(
            "`nonlinearity` must be odd, phi(-x) = -phi(x), so that rates have zero mean; got a "
            f"function with phi(x) + phi(-x) up to {gap:.3g}. Rates of nonzero mean have an "
            "autocovariance that does not decay and are not covered."
        )


def slope_at_zero(nonlinearity: Nonlinearity, dtype) -> Array:
    """Slope of the nonlinearity at zero; the transition lies at its inverse."""
    if nonlinearity in _ERF:
        return jnp.asarray(math.sqrt(2.0 * _ERF[nonlinearity] / math.pi), dtype)
    return derivative(nonlinearity)(jnp.zeros((), dtype))


def _half_line(variance: Array):
    """Nodes y > 0, their spacing-weights and weights of an even standard normal average.

    Panels in t with sigma y = sinh t: resolved on the scale one of x and on the scale of y.
    """
    dtype = variance.dtype
    std = jnp.sqrt(variance)
    scale = jax.lax.stop_gradient(jnp.maximum(std, 1.0))
    width = jnp.arcsinh(_REACH * scale) / _N_PANELS
    starts = jnp.arange(_N_PANELS, dtype=dtype)[:, None]
    t = width * (starts + jnp.asarray(0.5 * (NODES + 1.0), dtype))
    y = jnp.sinh(t) / scale
    spacing = 0.5 * width * jnp.cosh(t) / scale  # dy/dxi on each panel, xi in [-1, 1]
    density = jnp.exp(-0.5 * y**2) * math.sqrt(2.0 / math.pi)
    return std, y, spacing, jnp.asarray(WEIGHTS, dtype) * spacing * density


def site_averages(nonlinearity: Nonlinearity, variance: Array) -> SiteAverages:
    """Averages of phi^2, phi' and phi'^2 over a Gaussian variable."""
    if nonlinearity in _ERF:
        c = _ERF[nonlinearity]
        u = c * variance / (1.0 + c * variance)
        steep = 2.0 * c / math.pi
        return SiteAverages(
            (2.0 / math.pi) * jnp.arcsin(u),
            jnp.sqrt(steep / (1.0 + c * variance)),
            steep / jnp.sqrt(1.0 + 2.0 * c * variance),
        )
    std, y, _, weights = _half_line(variance)
    rate, slope = nonlinearity(std * y), derivative(nonlinearity)(std * y)
    return SiteAverages(
        jnp.sum(weights * rate**2),
        jnp.sum(weights * y * rate) / std,  # Stein; holds across jumps of the slope
        jnp.sum(weights * slope**2),
    )


def amplitude_excess(nonlinearity: Nonlinearity, gain: Array, variance: Array) -> Array:
    r"""$2 g^2 \int_0^{D_0} C_\phi\,d\Delta / D_0^2 - 1$, which vanishes at the amplitude.

    The integral is the variance of the antiderivative of phi, by Price's theorem.
    """
    if nonlinearity in _ERF:
        c = _ERF[nonlinearity]
        total = 1.0 + c * variance
        u = c * variance / total
        root = jnp.sqrt(1.0 + 2.0 * c * variance) / total  # sqrt(1 - u^2)
        potential = (2.0 / math.pi) * (total / c) * (u * jnp.arcsin(u) - u**2 / (1.0 + root))
        return 2.0 * gain**2 * potential / variance**2 - 1.0
    std, y, spacing, weights = _half_line(variance)
    steps = nonlinearity(std * y) * spacing
    cumulative = jnp.asarray(CUMULATIVE.T, y.dtype)
    within = jnp.matmul(steps, cumulative, precision=jax.lax.Precision.HIGHEST)
    whole = jnp.sum(jnp.asarray(WEIGHTS, y.dtype) * steps, axis=1)
    before = jnp.concatenate([jnp.zeros(1, y.dtype), jnp.cumsum(whole)[:-1]])
    antiderivative = before[:, None] + within  # over sigma
    mean = jnp.sum(weights * antiderivative) / jnp.sum(weights)
    spread = jnp.sum(weights * (antiderivative - mean) ** 2)
    return 2.0 * gain**2 * spread / variance - 1.0


def _series_coefficients(nonlinearity: Nonlinearity, variance: Array) -> Array:
    """Squares of the coefficients of phi in orthonormal Hermite polynomials of odd order."""
    std, y, _, weights = _half_line(variance)
    rate = weights * nonlinearity(std * y)
    below, here = jnp.ones_like(y), y
    squares = []
    for n in range(1, 2 * _N_SERIES):
        if n % 2:
            squares.append(jnp.sum(rate * here) ** 2)
        below, here = here, (y * here - math.sqrt(n) * below) / math.sqrt(n + 1.0)
    return jnp.stack(squares)


def rate_covariance(
    nonlinearity: Nonlinearity, variance: Array, head: Array, tail: Array
) -> tuple[Array, Array]:
    r"""$C_\phi(\Delta)/\Delta$ at covariances of the head and of the tail of the time course.

    Closed for erf. Else by double averages in the head, and in the tail, where
    $\Delta/D_0 < e^{-1}$, by Mehler's series, which keeps the relative accuracy as
    $\Delta \to 0$.
    """
    if nonlinearity in _ERF:
        c = _ERF[nonlinearity]
        total = 1.0 + c * variance
        closed = lambda delta: (2.0 / math.pi) * jnp.arcsin(c * delta / total) / delta
        return closed(head), closed(tail)
    double = lambda delta: bivariate_average(nonlinearity, nonlinearity, variance, variance, delta)
    covariance = jax.lax.map(double, head.ravel(), batch_size=16).reshape(head.shape)
    squares = _series_coefficients(nonlinearity, variance)
    square = (tail / variance) ** 2
    series = jnp.zeros_like(tail)
    for k in range(_N_SERIES - 1, -1, -1):
        series = series * square + squares[k]
    return covariance / head, series / variance
