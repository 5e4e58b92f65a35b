"""Readouts trained by least squares on one state of the open loop."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo._types import ScalarLike
from rnngeo.numerics import (
    bivariate_average,
    bracketed_minimum,
    bracketed_root,
    derivative,
    find_roots,
    gaussian_average,
    product,
)

from ._boundaries import _largest_excess
from ._ensemble import FeedbackEnsemble
from ._fixed_points import MAX_ROOTS, FixedPoints, assemble, merge_target, quadratic_roots
from ._open_loop import (
    bulk_radius,
    bulk_susceptibility,
    landscape,
    open_loop_variance,
    promote,
)
from ._replica import input_covariance, replica_covariance

N_SCAN = 49


def least_squares_uncorrelated_overlaps(
    ensemble: FeedbackEnsemble, target: ScalarLike
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Direction of a least-squares readout, in the approximation that ignores the bulk.

    Keeps only the part of $\phi(x_A)$ along $Am + I$: $a_m = s_m^2 A + s_{mI}$,
    $a_I = s_{mI}A + s_I^2$. To be used with `feedback_fixed_points`, which sets the scale.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$.

    Returns:
        `(a_m, a_I)`.

    Cost: none.

    Reference: derived here; whether the paper normalises its approximation in this way is open.
    """
    (target,) = promote(ensemble, target)
    s = ensemble.feedback_input_covariance
    return ensemble.feedback_std**2 * target + s, s * target + ensemble.input_std**2


def least_squares_overlaps(
    ensemble: FeedbackEnsemble, target: ScalarLike
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Overlaps of the least-squares readout with feedback and input weights, exact.

    $N\langle nm\rangle = A(s_m^2 A + s_{mI})\,G(A)/\langle\phi_A^2\rangle$ and
    $N\langle nI\rangle = A(s_{mI}A + s_I^2)\,G(A)/\langle\phi_A^2\rangle$.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$.

    Returns:
        $(N\langle nm\rangle, N\langle nI\rangle)$, with the scale of the readout.

    Cost: one open-loop state.

    Reference: derived here.
    """
    (target,) = promote(ensemble, target)
    phi = ensemble.nonlinearity
    d = open_loop_variance(ensemble, target)
    a_m, a_I = least_squares_uncorrelated_overlaps(ensemble, target)
    size = target * gaussian_average(derivative(phi), d) / gaussian_average(product(phi, phi), d)
    return size * a_m, size * a_I


def least_squares_ratio(ensemble: FeedbackEnsemble, target: ScalarLike) -> Float[Array, ""]:
    r"""Ratio of the overlaps, $r_{LS} = (s_{mI}A + s_I^2)/(s_m^2 A + s_{mI})$, in both theories.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$.

    Returns:
        $r_{LS}$; infinite at the symmetry point.

    Cost: none.

    Reference: derived here.
    """
    a_m, a_I = least_squares_uncorrelated_overlaps(ensemble, target)
    return a_I / a_m


def least_squares_outlier(ensemble: FeedbackEnsemble, target: ScalarLike) -> Float[Array, ""]:
    r"""Outlier of the least-squares network at its target, exact.

    $\lambda_{LS} = \frac{\langle\phi'^2\rangle + \langle\phi\phi''\rangle}{\langle\phi^2\rangle}
    (D_0 - s_I^2 - A s_{mI})$. It is an eigenvalue only where it exceeds the bulk radius.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$.

    Returns:
        $\lambda_{LS}$, an eigenvalue of `J diag(phi')`; unstable above 1.

    Cost: one open-loop state.

    Reference: derived here.
    """
    (target,) = promote(ensemble, target)
    phi = ensemble.nonlinearity
    square = product(phi, phi)
    d = open_loop_variance(ensemble, target)
    factor = 0.5 * gaussian_average(derivative(derivative(square)), d) / gaussian_average(square, d)
    rest = d - ensemble.input_std**2 - target * ensemble.feedback_input_covariance
    return factor * rest


class _Loop(eqx.Module):
    """F_LS, its slope and its outliers; the state at the target is computed once."""

    ensemble: FeedbackEnsemble
    target: Array
    variance: Array
    weight: Array  # al = A/<phi_A^2>

    def covariance(self, z, d):
        e = self.ensemble
        shared = input_covariance(e, self.target, z)
        return replica_covariance(e.gain, e.nonlinearity, self.variance, d, shared)

    def value(self, z):
        phi = self.ensemble.nonlinearity
        d = open_loop_variance(self.ensemble, z)
        c = self.covariance(z, d)
        return self.weight * bivariate_average(phi, phi, self.variance, d, c)

    def describe(self, z):
        """D0, R, slope, outliers and C at a fixed point."""
        e, phi = self.ensemble, self.ensemble.nonlinearity
        first = derivative(phi)
        d = open_loop_variance(e, z)
        c = self.covariance(z, d)
        u = bulk_susceptibility(e, d)
        k_ax = bivariate_average(first, first, self.variance, d, c)
        k_xx = bivariate_average(phi, derivative(first), self.variance, d, c)
        s1 = e.feedback_std**2 * z + e.feedback_input_covariance
        s2 = e.feedback_std**2 * self.target + e.feedback_input_covariance
        dd = 2.0 * s1 / (1.0 - u)
        dc = (0.5 * e.gain**2 * k_xx * dd + s2) / (1.0 - e.gain**2 * k_ax)
        slope = self.weight * (0.5 * k_xx * dd + k_ax * dc)
        total = u + e.gain**2 * k_ax + self.weight * (k_ax * s2 + k_xx * s1)
        determinant = u * k_ax * (e.gain**2 + self.weight * s2)
        return d, bulk_radius(e, d), slope, quadratic_roots(total, determinant), c


def _loop_at(ensemble, target) -> tuple[_Loop, Array]:
    """The loop and the bound of its fixed points, |F| <= |A|/sqrt(<phi_A^2>)."""
    square = product(ensemble.nonlinearity, ensemble.nonlinearity)
    d = open_loop_variance(ensemble, target)
    phi2 = gaussian_average(square, d)
    safe = jnp.where(phi2 > 0, phi2, jnp.nan)
    largest = jnp.abs(target) / jnp.sqrt(safe)
    return _Loop(ensemble, target, d, target / safe), largest


def _deflate(loop: _Loop, width):
    """(F(z) - z)/(z - A), interpolated across the target where it cancels."""
    step = 5e-3 * width
    offsets = step * jnp.asarray([-2.0, -1.0, 0.0, 1.0, 2.0], width.dtype)
    slope_here = loop.describe(loop.target)[2]
    others = jnp.stack([offsets[0], offsets[1], offsets[3], offsets[4]])
    heights = jax.lax.map(lambda z: loop.value(z), loop.target + others)
    ratios = (heights - loop.target) / others
    ratios = jnp.concatenate([ratios[:2], slope_here[None], ratios[2:]]) - 1.0
    constants = jnp.asarray([24.0, -6.0, 4.0, -6.0, 24.0], width.dtype)

    def deflated(z):
        gap = z - loop.target
        is_near = jnp.abs(gap) < 2.0 * step
        x = jnp.where(is_near, gap, 0.0) / step
        factors = x - jnp.arange(-2.0, 3.0, dtype=width.dtype)
        basis = [jnp.prod(jnp.delete(factors, k)) for k in range(5)]
        near = jnp.sum(ratios * jnp.stack(basis) / constants)
        far = (loop.value(z) - loop.target) / jnp.where(is_near, 1.0, gap) - 1.0
        return jnp.where(is_near, near, far)

    return deflated


@eqx.filter_jit
def _least_squares_fixed_points(ensemble, target) -> FixedPoints:
    loop, largest = _loop_at(ensemble, target)
    ground = landscape(ensemble)
    reach = 1.01 * largest + jnp.abs(ground.centre) + 0.1 * ground.width
    t = jnp.arcsinh(reach / ground.width) * jnp.linspace(-1.0, 1.0, N_SCAN, dtype=target.dtype)
    grid = jax.lax.stop_gradient(ground.centre + ground.width * jnp.sinh(t))
    deflated = _deflate(loop, jnp.minimum(ground.width, reach))
    others, _ = find_roots(deflated, grid, max_roots=MAX_ROOTS - 1)
    output = merge_target(jnp.where(jnp.isnan(largest), jnp.nan, target), others)

    def describe(z):
        # A vacant slot is not computed: `map`, not `vmap`.
        def vacant(_):
            nan = jnp.full_like(target, jnp.nan)
            return nan, nan, nan, jnp.full(2, jnp.nan) + 0j * nan, nan

        return jax.lax.cond(jnp.isnan(z), vacant, lambda z: loop.describe(z), z)

    return assemble(output, *jax.lax.map(describe, output))


def least_squares_fixed_points(ensemble: FeedbackEnsemble, target: ScalarLike) -> FixedPoints:
    r"""All fixed points of a loop trained by least squares on its open-loop state, exact.

    $n = A\phi_A/|\phi_A|^2$ depends on the bulk, so that two states of one network are compared:
    $F(z) = A K(A,z)/\langle\phi_A^2\rangle$. The outliers solve
    $\lambda^2 - [u + k + \alpha(k_{Ax}s_2 + k_{xx}s_1)]\lambda + u k_{Ax}(g^2 + \alpha s_2) = 0$,
    $k = g^2 k_{Ax}$; at the target one of them is the spurious $R^2$.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$.

    Returns:
        `FixedPoints`, at most 8, with the covariance with the state at the target. Valid where
        `bulk_radius` is below 1.

    Cost: about 100 values of `replica_overlap`, a tenth of a second. Use float64.

    Reference: derived here.
    """
    return _least_squares_fixed_points(ensemble, *promote(ensemble, target))


def _uncorrelated_margin(ensemble, target) -> Array:
    """Positive where the uncorrelated theory has a second stable output."""
    a_m, a_I = least_squares_uncorrelated_overlaps(ensemble, target)
    top, _ = _largest_excess(ensemble, target)
    return top - a_I / (a_m * target + a_I)


def _exact_margin(ensemble, target) -> Array:
    """Maximum over negative outputs of z - F(z); positive where another fixed point exists."""
    loop, largest = _loop_at(ensemble, target)
    nodes = jax.lax.stop_gradient(-largest * jnp.linspace(0.0, 1.0, 25, dtype=target.dtype))
    best = jnp.clip(jnp.argmax(jax.vmap(lambda z: z - loop.value(z))(nodes)), 1, 23)
    # The nodes descend.
    ends = nodes[best + 1], nodes[best], nodes[best - 1]
    place, _ = bracketed_minimum(lambda z: loop.value(z) - z, *ends)
    return place - loop.value(place)


def _first_crossing(fn, grid) -> Array:
    """Smallest root at which `fn` turns positive; NaN if it never does."""
    values = jax.lax.stop_gradient(jax.lax.map(fn, grid))
    turns = (values[:-1] <= 0) & (values[1:] > 0)
    index = jnp.argmax(turns)
    upper = jnp.where(jnp.any(turns), grid[index + 1], grid[index])
    root = bracketed_root(fn, grid[index], upper)
    return jnp.where(jnp.any(turns), root, jnp.nan)


@eqx.filter_jit
def _bistability_target(ensemble, exact: bool) -> Array:
    unit = jnp.maximum(ensemble.input_std, 1.0) / ensemble.feedback_std
    grid = jax.lax.stop_gradient(unit * jnp.geomspace(1e-2, 1e2, 81, dtype=unit.dtype))
    approximate = _first_crossing(lambda a: _uncorrelated_margin(ensemble, a), grid)
    if not exact:
        return approximate
    near = jnp.geomspace(0.5, 2.5, 8, dtype=unit.dtype)
    grid = jax.lax.stop_gradient(approximate * near)
    return _first_crossing(lambda a: _exact_margin(ensemble, a), grid)


def least_squares_bistability_target(
    ensemble: FeedbackEnsemble, *, exact: bool
) -> Float[Array, ""]:
    r"""Smallest positive target at which the least-squares loop has a second stable output.

    Uncorrelated theory: $r_{SN}(A) = r_{LS}(A)$. Exact theory: the maximum of $z - F(z)$ over
    $z < 0$ passes zero; looked for between 0.5 and 2.5 times the value of the other theory.

    Args:
        ensemble: Statistics of the network.
        exact: Whether to use the exact theory.

    Returns:
        The target; NaN if there is none between 0.01 and 100 natural units, or if the loop is
        bistable for every positive target (no input).

    Cost: a fraction of a second uncorrelated, a second or two exact.

    Reference: derived here.
    """
    return _bistability_target(ensemble, exact)
