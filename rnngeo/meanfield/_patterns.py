"""Readouts trained by least squares on several inputs at once."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rnngeo._types import ScalarLike
from rnngeo.numerics import bivariate_average, derivative, find_roots, gaussian_average, product

from ._ensemble import FeedbackEnsemble
from ._fixed_points import MAX_ROOTS
from ._open_loop import WIDE, promote, variance_from_input
from ._replica import replica_covariance

N_SCAN = 41


class PatternFixedPoints(eqx.Module):
    """Fixed points of the closed loop under each input, ascending, padded with NaN.

    Attributes:
        output: $z$, shape `(n_patterns, max_roots)`.
        variance: $D_0$ there.
        bulk_radius: Radius $R$ of the bulk there.
        slope: Slope $F'(z)$ of the loop under this input; a state is unstable if it exceeds 1.
        weights: $w_l$; the readout is $n = (1/N) sum_l w_l phi(x_l)$.
        count: Number of fixed points per input.
    """

    output: Float[Array, "n_patterns max_roots"]
    variance: Float[Array, "n_patterns max_roots"]
    bulk_radius: Float[Array, "n_patterns max_roots"]
    slope: Float[Array, "n_patterns max_roots"]
    weights: Float[Array, " n_patterns"]
    count: Int[Array, " n_patterns"]


@eqx.filter_jit
def _pattern_fixed_points(ensemble, targets, input_covariance, feedback_covariance, ridge):
    gain, phi, m = ensemble.gain, ensemble.nonlinearity, ensemble.feedback_std
    square, slope = product(phi, phi), derivative(phi)
    n = targets.shape[0]
    index = jnp.arange(n)

    def variance(z, k):
        s = m**2 * z**2 + 2.0 * feedback_covariance[k] * z + input_covariance[k, k]
        return variance_from_input(gain, s, phi)

    trained = jax.vmap(variance)(targets, index)

    def covariance(l, z, k, d):
        shared = m**2 * targets[l] * z + feedback_covariance[l] * z
        shared += feedback_covariance[k] * targets[l] + input_covariance[l, k]
        return replica_covariance(gain, phi, trained[l], d, shared)

    def overlap(l, z, k, d):
        return bivariate_average(phi, phi, trained[l], d, covariance(l, z, k, d))

    def loop_slope(z, k):
        """dF/dz, from dD0/dz and dC/dz as in the case of one pattern."""
        d = variance(z, k)
        u = 0.5 * gain**2 * gaussian_average(derivative(derivative(square)), d)
        dd = 2.0 * (m**2 * z + feedback_covariance[k]) / (1.0 - u)

        def term(l):
            c = covariance(l, z, k, d)
            k_ax = bivariate_average(slope, slope, trained[l], d, c)
            k_xx = bivariate_average(phi, derivative(slope), trained[l], d, c)
            s2 = m**2 * targets[l] + feedback_covariance[l]
            dc = (0.5 * gain**2 * k_xx * dd + s2) / (1.0 - gain**2 * k_ax)
            return 0.5 * k_xx * dd + k_ax * dc

        return jnp.sum(weights * jax.vmap(term)(index))

    gram = jax.vmap(lambda k: jax.vmap(lambda l: overlap(l, targets[k], k, trained[k]))(index))(
        index
    )
    weights = jnp.linalg.solve(gram + ridge * jnp.eye(n, dtype=gram.dtype), targets)

    def under(k):
        def loop(z):
            d = variance(z, k)
            return jnp.sum(weights * jax.vmap(lambda l: overlap(l, z, k, d))(index))

        # |K(l; z, k)| is at most the largest rate times the root mean square rate of state l.
        rates = jnp.sqrt(jnp.maximum(jnp.diagonal(gram), 0.0))
        highest = jnp.max(jnp.abs(phi(jnp.asarray(WIDE, gram.dtype))))
        reach = 1.01 * highest * jnp.sum(jnp.abs(weights) * rates) + 1e-3
        width = 1.0 / jnp.where(m > 0, m, 1.0)
        t = jnp.arcsinh(reach / width) * jnp.linspace(-1.0, 1.0, N_SCAN, dtype=reach.dtype)
        grid = jax.lax.stop_gradient(width * jnp.sinh(t))
        roots, count = find_roots(lambda z: loop(z) - z, grid, max_roots=MAX_ROOTS)
        z = jnp.where(jnp.isnan(roots), 0.0, roots)
        d = jax.vmap(lambda z: variance(z, k))(z)
        radius = gain * jnp.sqrt(gaussian_average(product(slope, slope), d))
        rise = jax.lax.map(lambda z: loop_slope(z, k), z)
        pad = lambda x: jnp.where(jnp.isnan(roots), jnp.nan, x)
        return roots, pad(d), pad(radius), pad(rise), count

    output, d, radius, rise, count = jax.lax.map(under, index)
    return PatternFixedPoints(output, d, radius, rise, weights, count)


def pattern_fixed_points(
    ensemble: FeedbackEnsemble,
    targets: Float[Array, " n_patterns"],
    input_covariance: Float[Array, "n_patterns n_patterns"],
    feedback_covariance: Float[Array, " n_patterns"],
    *,
    ridge: ScalarLike = 0.0,
) -> PatternFixedPoints:
    r"""All fixed points, under each input, of a readout trained on several input-target pairs.

    $n = \frac1N\sum_l w_l\phi(x_l)$ with $w = (K + \alpha/N)^{-1}A$ and $K_{kl}$ the overlap of
    the open-loop states $k$ and $l$; under input $k$ the outputs solve
    $z = \sum_l w_l K(l; z, k)$. The states of two inputs share the input covariance
    $s_m^2 y z + \langle mI_y\rangle z + \langle mI_z\rangle y + \langle I_y I_z\rangle$.

    Args:
        ensemble: Supplies gain, feedback and nonlinearity; its input is replaced.
        targets: $A_l$, one per input.
        input_covariance: $\langle I_k I_l\rangle$, positive semidefinite.
        feedback_covariance: $\langle m I_l\rangle$.
        ridge: $\alpha/N$, the ridge parameter of the regression per unit.

    Returns:
        `PatternFixedPoints`, at most 8 per input. Valid where `bulk_radius` is below 1.

    Cost: about 100 overlaps per pair of inputs, 0.1 s for a pair. Use float64.

    Reference: derived here.
    """
    (ridge,) = promote(ensemble, ridge)
    return _pattern_fixed_points(ensemble, targets, input_covariance, feedback_covariance, ridge)
