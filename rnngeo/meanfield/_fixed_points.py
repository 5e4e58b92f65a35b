"""All outputs that coexist with the target, with their stability: uncorrelated readout."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from rnngeo._types import ScalarLike
from rnngeo.numerics import derivative, find_roots, gaussian_average

from ._ensemble import FeedbackEnsemble
from ._open_loop import (
    WIDE,
    bulk_radius,
    bulk_susceptibility,
    landscape,
    open_loop_variance,
    promote,
    scan_open_loop,
    slope_difference,
)
from ._readout import check_readout, has_readout, scale_at

MAX_ROOTS = 8
N_SCAN = 65  # outputs on each side of the symmetry point


class FixedPoints(eqx.Module):
    """Fixed points of the closed loop, ascending in the output, padded with NaN and False.

    Attributes:
        output: $z$, shape `(max_roots,)`.
        variance: $D_0$ there.
        bulk_radius: Radius $R$ of the disc of eigenvalues of `J diag(phi')`.
        slope: Slope $F'(z)$ of the loop function.
        roots: The two candidate outliers, by descending real part, shape `(max_roots, 2)`.
        is_outlier: Whether they lie outside the disc; inside it they mean nothing.
        is_stable: $R < 1$ and every outlier has a real part below 1.
        covariance: Covariance of the state with that of the target (exact theory), else NaN.
        count: How many fixed points there are.
    """

    output: Float[Array, " max_roots"]
    variance: Float[Array, " max_roots"]
    bulk_radius: Float[Array, " max_roots"]
    slope: Float[Array, " max_roots"]
    roots: Complex[Array, "max_roots 2"]
    is_outlier: Bool[Array, "max_roots 2"]
    is_stable: Bool[Array, " max_roots"]
    covariance: Float[Array, " max_roots"]
    count: Int[Array, ""]


def quadratic_roots(total: Array, product: Array) -> Complex[Array, " 2"]:
    """Roots of l^2 - total l + product, by descending real (then imaginary) part."""
    half = 0.5 * total
    disc = half**2 - product
    is_real = disc >= 0
    width = jnp.sqrt(jnp.where(disc == 0, 1.0, jnp.abs(disc)))
    width = jnp.where(disc == 0, 0.0, width)
    larger = half + jnp.where(half >= 0, width, -width)
    smaller = jnp.where(larger == 0, 0.0, product / jnp.where(larger == 0, 1.0, larger))
    first = jnp.where(is_real, jnp.maximum(larger, smaller), half)
    second = jnp.where(is_real, jnp.minimum(larger, smaller), half)
    imaginary = jnp.where(is_real, 0.0, width)
    return jnp.stack([jax.lax.complex(first, imaginary), jax.lax.complex(second, -imaginary)])


def merge_target(target: Array, others: Array) -> Array:
    """Target and other roots, ascending; a root that equals the target counts once."""
    eps = jnp.finfo(target.dtype).eps
    is_double = jnp.abs(others - target) <= 8 * eps * jnp.abs(target)
    others = jnp.where(is_double, jnp.nan, others)
    return jnp.sort(jnp.append(others, target))


def assemble(output, variance, radius, slope, roots, covariance) -> FixedPoints:
    """Derive the judgements on stability and pad."""
    is_there = jnp.isfinite(output)
    pad = lambda x: jnp.where(is_there, x, jnp.nan)
    is_outlier = is_there[:, None] & (jnp.abs(roots) > radius[:, None])
    is_unstable = jnp.any(is_outlier & ~(roots.real < 1.0), axis=-1)
    nan = jax.lax.complex(pad(jnp.zeros_like(output)), jnp.zeros_like(output))
    return FixedPoints(
        output=output,
        variance=pad(variance),
        bulk_radius=pad(radius),
        slope=pad(slope),
        roots=roots + nan[:, None],
        is_outlier=is_outlier,
        is_stable=is_there & (radius < 1.0) & ~is_unstable,
        covariance=pad(covariance),
        count=jnp.sum(is_there),
    )


def _reach(ensemble, c, a_m, a_I, target, centre, width) -> Array:
    """Bound on the modulus of every fixed point, |F| <= |c| sup |a_m z + a_I| G."""
    dtype = width.dtype
    slope = derivative(ensemble.nonlinearity)
    largest = jnp.max(jnp.abs(slope(jnp.asarray(WIDE, dtype))))
    d = jnp.logspace(-2.0, 8.0, 24, dtype=dtype)
    spread = jnp.max(jnp.sqrt(d) * jnp.abs(gaussian_average(slope, d)))  # sup of sqrt(D) G
    m = ensemble.feedback_std
    moment = jnp.abs(centre) * largest + 1.5 * spread / jnp.maximum(m, 1e-6)
    bound = jnp.abs(c) * (jnp.abs(a_m) * moment + jnp.abs(a_I) * largest)
    bound = bound + 2.0 * (jnp.abs(target) + jnp.abs(centre)) + 2.0 * width
    return jax.lax.stop_gradient(jnp.clip(bound, None, 1e9 * width))


def _other_roots(ensemble, a_m, a_I, target, d_target, c) -> Array:
    """Fixed points other than the target: roots of (F(z) - z)/(z - A), rescaled."""
    g_target = gaussian_average(derivative(ensemble.nonlinearity), d_target)
    size = jnp.abs(a_m) + jnp.abs(a_I)
    a_m, a_I = a_m / size, a_I / size
    factor = jnp.where((target == 0) & (a_I == 0), 1.0, target) / g_target
    along = a_m * target + a_I

    def deflated(z, d):
        # A (a_m z + a_I) H/G_A - a_I, which equals the second form; each has its own cancellation.
        slope, h = slope_difference(ensemble, target, d_target, z, d)
        near = factor * (a_m * z + a_I) * h - a_I
        far = along * (factor * h - 1.0) + factor * a_m * slope
        return jnp.where(jnp.abs(along) + jnp.abs(factor * a_m * slope) < jnp.abs(a_I), far, near)

    ground = landscape(ensemble)
    reach = _reach(ensemble, c * size, a_m, a_I, target, ground.centre, ground.width)
    z, d = scan_open_loop(ensemble, ground, reach, N_SCAN)
    return find_roots(
        lambda z: deflated(z, open_loop_variance(ensemble, z)),
        z,
        max_roots=MAX_ROOTS - 1,
        values=jax.vmap(deflated)(z, d),
    )[0]


@eqx.filter_jit
def _feedback_fixed_points(ensemble, a_m, a_I, target) -> FixedPoints:
    phi = ensemble.nonlinearity
    slope_fn = derivative(phi)
    third_fn = derivative(derivative(slope_fn))
    d_target = open_loop_variance(ensemble, target)
    c = scale_at(a_m, a_I, target, gaussian_average(slope_fn, d_target))
    others = _other_roots(ensemble, a_m, a_I, target, d_target, c)
    target = jnp.where(has_readout(a_m, a_I, target), target, jnp.nan)
    output = merge_target(target, others)

    def describe(z):
        d = open_loop_variance(ensemble, z)
        u = bulk_susceptibility(ensemble, d)
        a = c * a_m * gaussian_average(slope_fn, d)
        b = 0.5 * c * (a_m * z + a_I) * gaussian_average(third_fn, d)
        v = 2.0 * (ensemble.feedback_std**2 * z + ensemble.feedback_input_covariance)
        slope = a + b * v / (1.0 - u)
        return d, bulk_radius(ensemble, d), slope, quadratic_roots(u + a + b * v, u * a)

    details = jax.vmap(describe)(jnp.where(jnp.isfinite(output), output, 0.0))
    return assemble(output, *details, jnp.full_like(output, jnp.nan))


def feedback_fixed_points(
    ensemble: FeedbackEnsemble, a_m: ScalarLike, a_I: ScalarLike, target: ScalarLike
) -> FixedPoints:
    r"""All fixed points of a calibrated loop whose readout is uncorrelated with the bulk.

    Solves $F(z) = c(a_m z + a_I)G(z) = z$ with $c$ from `readout_scale`. The target is known; the
    others are roots of the deflated equation $A(a_m z + a_I)H(z)/G(A) = a_I$ with
    $H = (G(z) - G(A))/(z - A)$, so that a root next to the target is neither lost nor doubled.
    The scan covers every output that the bounded $F$ allows. Outliers solve
    $\lambda^2 - (u + a + bv)\lambda + ua = 0$ and count if they lie outside the disc of radius
    $R = g\sqrt{\langle\phi'^2\rangle}$.

    Args:
        ensemble: Statistics of the network.
        a_m: Overlap with the feedback weights, from `readout_overlaps`; only the ratio counts.
        a_I: Overlap with the input weights.
        target: Target output $A$.

    Returns:
        `FixedPoints`, at most 8. Everything NaN under tracing where no calibrated readout exists.
        Where `bulk_radius` is 1 or more the static theory does not hold.

    Raises:
        ValueError: $a_m A + a_I = 0$ (concrete numbers): no calibrated readout exists.

    Cost: about 150 open-loop states, a few milliseconds. Use float64 for the outliers.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), as in their code; the
    deflation is derived here.
    """
    check_readout(a_m, a_I, target)
    return _feedback_fixed_points(ensemble, *promote(ensemble, a_m, a_I, target))
