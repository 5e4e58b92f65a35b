"""Two open-loop states of the same network: their overlap, and loops trained on states."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo._types import Nonlinearity, ScalarLike
from rnngeo.numerics import bivariate_average, derivative

from ._ensemble import FeedbackEnsemble
from ._open_loop import open_loop_variance, promote


@partial(jax.jit, static_argnames="phi")
def replica_covariance(gain: Array, phi: Nonlinearity, d_y: Array, d_z: Array, shared: Array):
    r"""Covariance $C$ of two states, from the covariance of their inputs.

    Solves $C = g^2 E[\phi(x_y)\phi(x_z)] + C_{in}$ by Newton steps, whose slope is the contraction
    factor $g^2 E[\phi'(x_y)\phi'(x_z)] < 1$ wherever both states are static.
    """
    slope = derivative(phi)
    bound = jnp.sqrt(d_y * d_z)

    def residual(c):
        return c - gain**2 * bivariate_average(phi, phi, d_y, d_z, c) - shared

    def solve(_, start):
        def body(state):
            c, last, _, step = state
            k = gain**2 * bivariate_average(slope, slope, d_y, d_z, c)
            new = jnp.clip(c - residual(c) / jnp.where(k < 1, 1.0 - k, 1.0), -bound, bound)
            move = jnp.abs(new - c)
            # Newton is quadratic: once a move is below the root of eps the next one is rounding.
            going = (move > jnp.sqrt(jnp.finfo(c.dtype).eps) * 0.1 * bound) & (move < last)
            return new, move, going, step + 1

        first = (start, jnp.full_like(start, jnp.inf), start == start, jnp.zeros((), int))
        return jax.lax.while_loop(lambda s: s[2] & (s[3] < 50), body, first)[0]

    start = jnp.clip(shared, -bound, bound)
    return jax.lax.custom_root(
        residual, start, solve, lambda linear, y: y / linear(jnp.ones_like(y))
    )


def input_covariance(ensemble: FeedbackEnsemble, y: Array, z: Array) -> Array:
    """Covariance of m y + I with m z + I."""
    m, s = ensemble.feedback_std, ensemble.feedback_input_covariance
    return m**2 * y * z + s * (y + z) + ensemble.input_std**2


def replica_overlap(ensemble: FeedbackEnsemble, y: ScalarLike, z: ScalarLike):
    r"""Overlap of the rates of one network at two clamped outputs.

    $K(y, z) = E[\phi(x_y)\phi(x_z)]$, the two states jointly Gaussian with covariance
    $C = g^2 K + s_m^2 yz + s_{mI}(y+z) + s_I^2$.

    Args:
        ensemble: Statistics of the network.
        y: First clamped output.
        z: Second clamped output.

    Returns:
        `(overlap, covariance)`: $K$ and $C$.

    Cost: 3 to 5 Newton steps of two bivariate averages, about a millisecond.

    Reference: derived here.
    """
    y, z = promote(ensemble, y, z)
    phi = ensemble.nonlinearity
    d_y, d_z = open_loop_variance(ensemble, y), open_loop_variance(ensemble, z)
    c = replica_covariance(ensemble.gain, phi, d_y, d_z, input_covariance(ensemble, y, z))
    return bivariate_average(phi, phi, d_y, d_z, c), c


@eqx.filter_jit
def _replica_loop_function(ensemble, clamped_outputs, weights, output) -> Array:
    overlaps = jax.vmap(lambda y: replica_overlap(ensemble, y, output)[0])(clamped_outputs)
    return jnp.sum(weights * overlaps)


def replica_loop_function(
    ensemble: FeedbackEnsemble,
    clamped_outputs: Float[Array, " n_states"],
    weights: Float[Array, " n_states"],
    output: ScalarLike,
) -> Float[Array, ""]:
    r"""Loop function of a readout made of network states, exact for large networks.

    For $n = \frac1N\sum_l w_l\,\phi(x_l)$, with $x_l$ the open-loop state at output $y_l$:
    $F(z) = \sum_l w_l K(y_l, z)$. Fixed points of the closed loop solve $F(z) = z$.

    Args:
        ensemble: Statistics of the network; one input for all states.
        clamped_outputs: $y_l$.
        weights: $w_l$.
        output: $z$.

    Returns:
        $F(z)$. Valid where the open-loop states are unique and static (bulk radius below 1).

    Cost: one `replica_overlap` per state.

    Reference: derived here.
    """
    return _replica_loop_function(ensemble, clamped_outputs, weights, *promote(ensemble, output))
