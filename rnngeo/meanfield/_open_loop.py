"""The open-loop state: its variance, its mean slope, and their divided differences."""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rnngeo._types import Nonlinearity, ScalarLike
from rnngeo.numerics import bracketed_root, derivative, gaussian_average, product

from ._ensemble import FeedbackEnsemble

# Three Gauss-Legendre points on [0, 1]: enough for the short steps they are used on.
_X, _W = np.polynomial.legendre.leggauss(3)
LEGENDRE_NODES, LEGENDRE_WEIGHTS = 0.5 * (_X + 1.0), 0.5 * _W
WIDE = np.sinh(np.linspace(-19.0, 19.0, 401))  # points on which a bounded function is bounded


def promote(ensemble: FeedbackEnsemble, *values):
    """Scalars in the common precision of the ensemble and themselves."""
    dtype = jnp.result_type(ensemble.gain, *values)
    return tuple(jnp.asarray(value, dtype) for value in values)


@partial(jax.jit, static_argnames="phi")
def variance_from_input(gain: Array, input_variance: Array, phi: Nonlinearity) -> Array:
    r"""Largest root $D_0$ of $D_0 = g^2\langle\phi^2\rangle + S$, from $S$ (any shape)."""
    gain, input_variance = jnp.broadcast_arrays(gain, input_variance)
    dtype = input_variance.dtype
    square = product(phi, phi)
    slope_of_square = derivative(derivative(square))

    def residual(d):
        return d - gain**2 * gaussian_average(square, d) - input_variance

    def solve(_, start):
        # The residual is convex above its largest root: Newton from above descends to it.
        def body(state):
            d, _, step = state
            u = 0.5 * gain**2 * gaussian_average(slope_of_square, d)
            new = d - residual(d) / jnp.where(u < 1.0, 1.0 - u, 1.0)
            new = jnp.clip(new, input_variance, d)
            return new, d - new > 2 * jnp.finfo(dtype).eps * d, step + 1

        going = jnp.ones(start.shape, bool)
        state = (start, going, jnp.zeros((), int))
        return jax.lax.while_loop(lambda s: jnp.any(s[1]) & (s[2] < 200), body, state)[0]

    start = input_variance + gain**2 * jnp.max(square(jnp.asarray(WIDE, dtype)))
    return jax.lax.custom_root(
        residual, start, solve, lambda linear, y: y / linear(jnp.ones_like(y))
    )


def open_loop_variance(ensemble: FeedbackEnsemble, output: ScalarLike) -> Float[Array, ""]:
    r"""Variance of the state when the output is clamped, $D_0(z)$.

    The largest root of $D_0 = g^2\langle\phi^2\rangle_{D_0} + S(z)$. It lies in $[S, S + g^2]$ for
    tanh. Where the bulk radius exceeds one the state is chaotic; see `chaotic_state`.

    Args:
        ensemble: Statistics of the network.
        output: Clamped output $z$.

    Returns:
        $D_0$, to rounding, differentiable to any order.

    Cost: 3 to 8 Newton steps of 480 evaluations of the nonlinearity.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), as in their code.
    """
    (z,) = promote(ensemble, output)
    return variance_from_input(ensemble.gain, ensemble.input_variance(z), ensemble.nonlinearity)


def mean_slope(ensemble: FeedbackEnsemble, output: ScalarLike) -> Float[Array, ""]:
    r"""Mean slope of the units when the output is clamped, $G(z) = \langle\phi'\rangle_{D_0(z)}$.

    Even about the symmetry point of the ensemble and, for tanh, decreasing away from it.

    Args:
        ensemble: Statistics of the network.
        output: Clamped output $z$.

    Returns:
        $G(z)$, dimensionless.

    Cost: as `open_loop_variance`.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), as in their code.
    """
    return gaussian_average(derivative(ensemble.nonlinearity), open_loop_variance(ensemble, output))


def bulk_susceptibility(ensemble: FeedbackEnsemble, variance: Array) -> Array:
    r"""$u = g^2(\langle\phi'^2\rangle + \langle\phi\phi''\rangle)$, so $dD_0 = dS/(1-u)$."""
    square = product(ensemble.nonlinearity, ensemble.nonlinearity)
    return 0.5 * ensemble.gain**2 * gaussian_average(derivative(derivative(square)), variance)


def bulk_radius(ensemble: FeedbackEnsemble, variance: Array) -> Array:
    r"""$R = g\sqrt{\langle\phi'^2\rangle}$, radius of the disc of eigenvalues."""
    slope = derivative(ensemble.nonlinearity)
    return ensemble.gain * jnp.sqrt(gaussian_average(product(slope, slope), variance))


def average_difference(fn: Nonlinearity, d0: Array, d1: Array) -> Array:
    r"""$(\langle f\rangle_{D_1} - \langle f\rangle_{D_0})/(D_1 - D_0)$, without cancellation."""
    gap = d1 - d0
    is_near = jnp.abs(gap) < 0.02 * (1.0 + d0)
    slope = derivative(derivative(fn))
    nodes = jnp.asarray(LEGENDRE_NODES, gap.dtype)
    weights = jnp.asarray(LEGENDRE_WEIGHTS, gap.dtype)
    near = gaussian_average(slope, d0 + nodes * jnp.where(is_near, gap, 0.0)[..., None])
    near = 0.5 * jnp.sum(weights * near, axis=-1)
    far = gaussian_average(fn, d1) - gaussian_average(fn, d0)
    return jnp.where(is_near, near, far / jnp.where(is_near, 1.0, gap))


def variance_difference(ensemble: FeedbackEnsemble, z0: Array, d0: Array, z1: Array, d1: Array):
    r"""$(D_0(z_1) - D_0(z_0))/(z_1 - z_0)$, without cancellation."""
    square = product(ensemble.nonlinearity, ensemble.nonlinearity)
    u = ensemble.gain**2 * average_difference(square, d0, d1)
    m = ensemble.feedback_std
    input_difference = m * (m * (z0 + z1) + 2 * ensemble.input_std * ensemble.shared_weight**2)
    return input_difference / (1.0 - u)


def slope_difference(ensemble: FeedbackEnsemble, target, d_target, output, d_output):
    r"""$G(z)$ and $H(z) = (G(z) - G(A))/(z - A)$, the latter without cancellation."""
    slope = derivative(ensemble.nonlinearity)
    h = average_difference(slope, d_target, d_output)
    h = h * variance_difference(ensemble, target, d_target, output, d_output)
    return gaussian_average(slope, d_output), h


class Landscape(NamedTuple):
    """Where the open-loop averages vary: centre and width in z, S and D0 at the centre."""

    centre: Array
    width: Array
    floor: Array
    floor_variance: Array


def landscape(ensemble: FeedbackEnsemble) -> Landscape:
    """Centre and width in the output over which every open-loop average varies."""
    m = ensemble.feedback_std
    safe = jnp.where(m > 0, m, 1.0)
    common = ensemble.shared_weight**2
    centre = jnp.where(m > 0, -ensemble.input_std * common / safe, 0.0)
    floor = ensemble.input_std**2 * (1.0 - common) * (1.0 + common)
    d = variance_from_input(ensemble.gain, floor, ensemble.nonlinearity)
    width = jnp.sqrt(jnp.maximum(d, 1.0)) / safe
    return jax.lax.stop_gradient(Landscape(centre, width, floor, d))


def scan_open_loop(ensemble: FeedbackEnsemble, ground: Landscape, reach: Array, n_half: int):
    r"""Outputs from `centre - reach` to `centre + reach`, ascending, with $D_0$ at each.

    Takes $D_0$ as the parameter, for which (7) gives $S$ and hence $z$ explicitly: no iteration,
    and one average serves both sides. Dense within `width` of the centre.
    """
    m = jnp.where(ensemble.feedback_std > 0, ensemble.feedback_std, 1.0)
    t = jnp.arcsinh(reach / ground.width) * jnp.linspace(0.0, 1.0, n_half, dtype=reach.dtype)
    rise = (ensemble.feedback_std * ground.width * jnp.sinh(t)) ** 2
    d = ground.floor_variance + rise
    square = product(ensemble.nonlinearity, ensemble.nonlinearity)
    phi2 = gaussian_average(square, d)
    side = jnp.sqrt(jnp.maximum(rise - ensemble.gain**2 * (phi2 - phi2[0]), 0.0)) / m
    z = jnp.concatenate([ground.centre - side[:0:-1], ground.centre + side])
    return z, jnp.concatenate([d[:0:-1], d])


@eqx.filter_jit
def _critical_gain(ensemble: FeedbackEnsemble, output: Array) -> Array:
    s = ensemble.input_variance(output)
    square = product(ensemble.nonlinearity, ensemble.nonlinearity)
    slope = derivative(ensemble.nonlinearity)
    slope_squared = product(slope, slope)

    def balance(d):
        return (d - s) * gaussian_average(slope_squared, d) - gaussian_average(square, d)

    beyond = 2.0 * s + jnp.asarray(4.0 ** np.arange(1, 20), s.dtype)
    passed = jax.vmap(balance)(jax.lax.stop_gradient(beyond)) > 0
    d = bracketed_root(balance, s, beyond[jnp.argmax(passed)])
    return 1.0 / jnp.sqrt(gaussian_average(slope_squared, d))


def critical_gain(ensemble: FeedbackEnsemble, output: ScalarLike) -> Float[Array, ""]:
    r"""Gain at which the open-loop fixed point loses stability, $g\sqrt{\langle\phi'^2\rangle}=1$.

    With $g^2 = (D_0 - S)/\langle\phi^2\rangle$ eliminated, one equation for $D_0$ is left:
    $(D_0 - S)\langle\phi'^2\rangle = \langle\phi^2\rangle$.

    Args:
        ensemble: Statistics of the network; its `gain` is ignored.
        output: Clamped output $z$.

    Returns:
        The critical gain; NaN if there is none (an unbounded nonlinearity).

    Cost: about 20 averages.

    Reference: derived here.
    """
    return _critical_gain(ensemble, *promote(ensemble, output))
