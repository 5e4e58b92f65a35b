"""Fluctuating states: the two variances of chaotic activity."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rnngeo._types import Nonlinearity, ScalarLike
from rnngeo.numerics import bivariate_average, bracketed_root, derivative, gaussian_average, product

from ._ensemble import FeedbackEnsemble
from ._open_loop import bulk_radius, open_loop_variance, promote

_X, _W = np.polynomial.legendre.leggauss(6)


class ChaoticState(eqx.Module):
    """Stationary activity at a clamped output.

    Attributes:
        variance: Equal-time variance $D_0$.
        variance_infinite_lag: Covariance at infinite lag $D_inf$; equal to $D_0$ if static.
        mean_slope: $<phi'>$ at $D_0$.
    """

    variance: Float[Array, ""]
    variance_infinite_lag: Float[Array, ""]
    mean_slope: Float[Array, ""]


def log_cosh(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    r"""$\ln\cosh x = |x| + \ln(1 + e^{-2|x|}) - \ln 2$, the antiderivative of tanh.

    Args:
        x: Any shape.

    Returns:
        $\ln\cosh x$, elementwise, without overflow.

    Cost: none.
    """
    size = jnp.abs(x)
    return size + jnp.log1p(jnp.exp(-2.0 * size)) - jnp.log(jnp.asarray(2.0, x.dtype))


def _mean_overlap(phi, antiderivative, d0, d_inf) -> Array:
    """Average of E[phi phi] over covariances between D_inf and D0, without cancellation."""
    gap = d0 - d_inf
    is_near = gap < 0.05 * d0
    overlap = lambda c: bivariate_average(phi, phi, d0, d0, c)
    nodes = jnp.asarray(0.5 * (_X + 1.0), d0.dtype)
    weights = jnp.asarray(0.5 * _W, d0.dtype)
    near = jnp.sum(weights * jax.lax.map(lambda s: overlap(d_inf + s * gap), nodes))
    top = gaussian_average(product(antiderivative, antiderivative), d0)
    far = top - bivariate_average(antiderivative, antiderivative, d0, d0, d_inf)
    return jnp.where(is_near, near, far / jnp.where(is_near, 1.0, gap))


def _infinite_lag(gain, phi, s, d0) -> tuple[Array, Array]:
    """Lower root of C = g^2 K(D0, D0, C) + S, and whether it exists.

    C - g^2 K - S is concave: Newton from below its lower root ascends to it.
    """
    slope = derivative(phi)

    def body(state):
        c, _, exists, step = state
        value = c - gain**2 * bivariate_average(phi, phi, d0, d0, c) - s
        rise = 1.0 - gain**2 * bivariate_average(slope, slope, d0, d0, c)
        exists = (value >= 0) | (rise > 0)
        new = jnp.where(rise > 0, c - value / jnp.where(rise > 0, rise, 1.0), c)
        exists &= new < d0
        eps = jnp.finfo(c.dtype).eps
        going = exists & (new - c > 4 * eps * d0)
        return jnp.clip(new, c, d0), going, exists, step + 1

    zero = jnp.zeros_like(d0)
    start = (zero, zero == 0, zero == 0, jnp.zeros((), int))
    c, _, exists, _ = jax.lax.while_loop(lambda x: x[1] & (x[3] < 100), body, start)
    return c, exists


@eqx.filter_jit
def _chaotic_state(ensemble, output, antiderivative) -> ChaoticState:
    gain, phi = ensemble.gain, ensemble.nonlinearity
    s = ensemble.input_variance(output)
    static = open_loop_variance(ensemble, output)
    is_chaotic = bulk_radius(ensemble, static) > 1.0

    def energy(d0):
        """Second line of (11) over D0 - D_inf; below the range of chaos a negative number."""
        d_inf, exists = _infinite_lag(gain, phi, s, d0)
        overlap = _mean_overlap(phi, antiderivative, d0, d_inf)
        return jnp.where(exists, 0.5 * (d0 + d_inf) - gain**2 * overlap - s, -d0)

    def equations(pair):
        d0, d_inf = pair
        lag = d_inf - gain**2 * bivariate_average(phi, phi, d0, d0, d_inf) - s
        rest = 0.5 * (d0 + d_inf) - gain**2 * _mean_overlap(phi, antiderivative, d0, d_inf) - s
        flat = d0 - gain**2 * gaussian_average(product(phi, phi), d0) - s
        return jnp.where(is_chaotic, jnp.stack([lag, rest]), jnp.stack([flat, d_inf - d0]))

    def solve(_, start):
        # The static variance is above the root, the end of the range of chaos below it.
        upper = static * (1.0 - 4 * jnp.finfo(static.dtype).eps)
        lower = jnp.where(is_chaotic, jnp.maximum(s, 1e-3 * static), upper)
        d0 = bracketed_root(energy, lower, upper)
        pair = jnp.stack([d0, _infinite_lag(gain, phi, s, d0)[0]])
        return jnp.where(is_chaotic, pair, start)

    def solve_tangent(linear, y):
        return jnp.linalg.solve(jax.jacfwd(linear)(y), y)

    start = jax.lax.stop_gradient(jnp.stack([static, static]))
    d0, d_inf = jax.lax.custom_root(equations, start, solve, solve_tangent)
    return ChaoticState(d0, d_inf, gaussian_average(derivative(phi), d0))


def chaotic_state(
    ensemble: FeedbackEnsemble,
    output: ScalarLike,
    *,
    antiderivative: Nonlinearity = log_cosh,
) -> ChaoticState:
    r"""Variances of the fluctuating open-loop state beyond the transition to chaos.

    $D_\infty = g^2 K(D_\infty) + S(z)$ and
    $(D_0^2 - D_\infty^2)/2 = g^2[\langle\Phi^2\rangle_{D_0} - E_{D_\infty}(\Phi\Phi)]
    + S(z)(D_0 - D_\infty)$, with $K$ and $E$ averages over two variables of variance $D_0$ and
    covariance $D_\infty$. The second equation is divided by $D_0 - D_\infty$, which removes the
    trivial static root.

    Args:
        ensemble: Statistics of the network, with an odd nonlinearity.
        output: Clamped output $z$.
        antiderivative: $\Phi$ with $\Phi' = \phi$; default ln cosh, for tanh.

    Returns:
        `ChaoticState`; the static state, with $D_\infty = D_0$, where the bulk radius is below 1.

    Cost: a few hundred bivariate averages, a tenth of a second. Use float64.

    Reference: derived here, in the manner of Sompolinsky, Crisanti & Sommers, Phys. Rev. Lett. 61,
    259 (1988).
    """
    (output,) = promote(ensemble, output)
    return _chaotic_state(ensemble, output, antiderivative)
