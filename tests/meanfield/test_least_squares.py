"""Exact theory of trained readouts: golden tables, consistency, paths, patterns, chaos."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_golden, central_difference

from rnngeo.meanfield import (
    FeedbackEnsemble,
    chaotic_state,
    feedback_fixed_points,
    gradient_descent_path,
    least_squares_bistability_target,
    least_squares_fixed_points,
    least_squares_outlier,
    least_squares_overlaps,
    least_squares_ratio,
    least_squares_uncorrelated_overlaps,
    log_cosh,
    open_loop_variance,
    pattern_fixed_points,
    replica_loop_function,
    replica_overlap,
)
from rnngeo.numerics import bracketed_root, gaussian_average


def square(x):
    return jnp.tanh(x) ** 2


def test_golden_least_squares(golden, ensemble_of, assert_fixed_points):
    for entry in golden["least_squares_exact"]:
        e, target, expected = ensemble_of(entry), entry["inputs"]["target"], entry["expected"]
        found = least_squares_fixed_points(e, target)
        assert_fixed_points(found, expected["fixed_points"], entry["tolerance"])
        n_m, n_I = least_squares_overlaps(e, target)
        values = {"overlap_n_m": n_m, "overlap_n_I": n_I, "r": least_squares_ratio(e, target)}
        values["lambda_LS"] = least_squares_outlier(e, target)
        for name, value in values.items():
            assert_golden(value, expected[name], entry["tolerance"], name)


def test_golden_largest_outlier(golden, ensemble_of):
    targets = jnp.linspace(-3.0, -1e-3, 3000)
    curve = jax.jit(jax.vmap(least_squares_outlier, in_axes=(None, 0)))
    slope = jax.grad(least_squares_outlier, argnums=1)
    summit = jax.jit(lambda e, *ends: bracketed_root(lambda z: slope(e, z), *ends))
    edge = jax.jit(
        lambda e, *ends: bracketed_root(lambda z: least_squares_outlier(e, z) - 1, *ends)
    )
    for entry in golden["least_squares_outlier_maximum"]:
        e, expected, tolerance = ensemble_of(entry), entry["expected"], entry["tolerance"]
        best = targets[jnp.argmax(curve(e, targets))]
        assert_golden(best, expected["at_target"], tolerance, "at_target")
        top = least_squares_outlier(e, summit(e, best - 0.01, best + 0.01))
        assert_golden(top, expected["max"], tolerance, "max")
        if "unstable_from" not in expected:
            continue
        low, high = jnp.asarray(-3.0), jnp.asarray(0.0)
        assert_golden(edge(e, low, best), expected["unstable_from"], tolerance)
        assert_golden(edge(e, best, high), expected["unstable_to"], tolerance)
        for place, inside in zip(expected["approx_unstable"], (1, -1), strict=True):
            for shift, is_stable in ((-2e-6, True), (2e-6, False)):
                z = place + inside * shift
                found = feedback_fixed_points(e, *least_squares_uncorrelated_overlaps(e, z), z)
                k = int(np.nanargmin(np.abs(found.output - z)))
                assert bool(found.is_stable[k]) == is_stable


@pytest.mark.slow
def test_golden_bistability(golden, ensemble_of):
    for entry in golden["least_squares_bistability_threshold"]:
        is_exact = entry["inputs"]["theory"] == "exact"
        target = least_squares_bistability_target(ensemble_of(entry), exact=is_exact)
        assert_golden(target, entry["expected"]["target"], entry["tolerance"])


def test_bistability_threshold_against_counting(ensemble):
    """Two networks on either side of the exact threshold, 1.5438."""
    assert int(least_squares_fixed_points(ensemble, 1.53).count) == 1
    assert int(least_squares_fixed_points(ensemble, 1.56).count) == 3


def test_golden_descent_path(golden, ensemble_of):
    (entry,) = golden["gradient_descent_path"]
    e, target, expected = ensemble_of(entry), entry["inputs"]["target"], entry["expected"]
    fine = gradient_descent_path(e, target)
    coarse = gradient_descent_path(e, target, n_intervals=12)
    for name, field in (("overlap_n_m", "overlap_feedback"), ("overlap_n_I", "overlap_input")):
        at_24, at_12 = (float(getattr(path, field)) for path in (fine, coarse))
        assert abs(at_24 - expected[name + "_at_24"]) < 1e-6
        assert_golden(at_24 + (at_24 - at_12) / 3, expected[name], entry["tolerance"], name)
    # The readout reached has the target as a fixed point.
    end = replica_loop_function(e, fine.outputs, fine.weights, target)
    np.testing.assert_allclose(end, target, rtol=1e-10)
    with pytest.raises(ValueError, match="n_intervals"):
        gradient_descent_path(e, target, n_intervals=0)


def test_fixed_points_and_slopes_of_the_exact_loop(ensemble):
    target = 2.5
    found = least_squares_fixed_points(ensemble, target)
    weight = target / gaussian_average(square, open_loop_variance(ensemble, target))
    loop = lambda z: float(replica_loop_function(ensemble, jnp.asarray([target]), weight[None], z))
    assert int(found.count) == 3
    assert list(found.is_stable[:3]) == [True, False, True]
    for k in range(3):
        z = float(found.output[k])
        np.testing.assert_allclose(loop(z), z, atol=1e-11)
        np.testing.assert_allclose(found.slope[k], central_difference(loop, z), rtol=1e-7)
        # (17) as printed, at each root.
        s = 1.2 * 0.5 * 0.5**2
        s1, s2, g2 = 1.44 * z + s, 1.44 * target + s, 0.09
        total, product = jnp.sum(found.roots[k]).real, jnp.prod(found.roots[k]).real
        np.testing.assert_allclose(
            1 - total + product, (1 - found.slope[k]) * _one_minus(found, k, g2), rtol=1e-8
        )
        assert s1 * s2 != 0
    # At the target one root is the spurious R^2, the other the closed form.
    last = np.sort(found.roots[2].real)
    expected = np.sort([found.bulk_radius[2] ** 2, least_squares_outlier(ensemble, target)])
    np.testing.assert_allclose(last, expected, rtol=1e-9)


def _one_minus(found, k, g2):
    """(1 - u)(1 - g^2 kAx), from averages of its own."""
    d, c = found.variance[k], found.covariance[k]
    d_target = found.variance[2]
    y = np.linspace(-9, 9, 901)
    w = np.exp(-(y**2) / 2) * (y[1] - y[0]) / np.sqrt(2 * np.pi)
    slope = lambda x: 1 - np.tanh(x) ** 2
    rho = np.clip(c / np.sqrt(d * d_target), -1, 1)
    first = np.sqrt(d_target) * y[:, None]
    second = np.sqrt(d) * (rho * y[:, None] + np.sqrt(1 - rho**2) * y)
    k_ax = np.sum(w[:, None] * w * slope(first) * slope(second))
    x = np.sqrt(d) * y
    curvature = np.sum(w * (slope(x) ** 2 - 2 * np.tanh(x) ** 2 * slope(x)))
    return (1 - g2 * curvature) * (1 - g2 * k_ax)


def test_least_squares_near_and_at_special_targets(ensemble):
    for target in (0.0, 1e-3):
        found = least_squares_fixed_points(ensemble, target)
        assert int(found.count) == 1
        np.testing.assert_allclose(found.output[0], target, atol=1e-15)
    # No bulk: both theories differ only by the nonlinear residual; the target is common.
    found = least_squares_fixed_points(FeedbackEnsemble(0.0, 1.2, 0.5, 0.5), 1.0)
    assert float(found.bulk_radius[0]) == 0.0


def test_overlap_of_a_state_with_itself(ensemble):
    k, c = replica_overlap(ensemble, 0.7, 0.7)
    d = open_loop_variance(ensemble, 0.7)
    np.testing.assert_allclose(c, d, rtol=1e-11)
    np.testing.assert_allclose(k, gaussian_average(square, d), rtol=1e-11)
    ahead, back = replica_overlap(ensemble, 0.7, -1.1), replica_overlap(ensemble, -1.1, 0.7)
    np.testing.assert_allclose(ahead[0], back[0], rtol=1e-10)


def test_overlap_by_plain_iteration():
    """C = g^2 K + input part, iterated with a double sum."""
    e = FeedbackEnsemble(0.8, 1.2, 0.5, 0.7)
    a, b = 0.6, -0.9
    d_a, d_b = float(open_loop_variance(e, a)), float(open_loop_variance(e, b))
    y = np.linspace(-9, 9, 601)
    w = np.exp(-(y**2) / 2) * (y[1] - y[0]) / np.sqrt(2 * np.pi)
    shared = 1.44 * a * b + 0.6 * 0.49 * (a + b) + 0.25
    c, k = shared, 0.0
    for _ in range(60):
        rho = c / np.sqrt(d_a * d_b)
        second = np.sqrt(d_b) * (rho * y[:, None] + np.sqrt(1 - rho**2) * y)
        k = np.sum(w[:, None] * w * np.tanh(np.sqrt(d_a) * y)[:, None] * np.tanh(second))
        c = 0.64 * k + shared
    np.testing.assert_allclose(replica_overlap(e, a, b), (k, c), rtol=1e-10)
    slope = jax.grad(lambda z: replica_overlap(e, a, z)[0])(b)
    difference = central_difference(lambda z: float(replica_overlap(e, a, z)[0]), b)
    np.testing.assert_allclose(slope, difference, rtol=1e-7)


@pytest.mark.slow
def test_patterns(ensemble):
    s = ensemble.feedback_input_covariance
    pair = jnp.asarray([[0.25, 0.02], [0.02, 0.3]])
    targets, shared = jnp.asarray([1.0, -0.7]), jnp.asarray([0.1, -0.05])
    found = pattern_fixed_points(ensemble, targets, pair, shared)
    for k in range(2):
        n = int(found.count[k])
        assert np.min(np.abs(found.output[k, :n] - targets[k])) < 1e-11
    mirrored = pattern_fixed_points(ensemble, -targets, pair, -shared)
    for k in range(2):
        n = int(found.count[k])
        np.testing.assert_allclose(mirrored.output[k, :n], -found.output[k, :n][::-1], atol=1e-10)
        np.testing.assert_allclose(mirrored.slope[k, :n], found.slope[k, :n][::-1], rtol=1e-8)
    # Twice the same input is one pattern; then least squares is the witness. Ridge shrinks it.
    twice = pattern_fixed_points(
        ensemble, jnp.asarray([2.5, 2.5]), jnp.full((2, 2), 0.25), jnp.stack([s, s]), ridge=1e-9
    )
    single = least_squares_fixed_points(ensemble, 2.5)
    np.testing.assert_allclose(twice.output[0, :3], single.output[:3], rtol=1e-7)
    np.testing.assert_allclose(twice.slope[1, :3], single.slope[:3], rtol=1e-6)
    np.testing.assert_allclose(twice.bulk_radius[1, :3], single.bulk_radius[:3], rtol=1e-7)
    weaker = pattern_fixed_points(
        ensemble, jnp.asarray([2.5, 2.5]), jnp.full((2, 2), 0.25), jnp.stack([s, s]), ridge=0.3
    )
    assert float(jnp.nanmax(weaker.output)) < 2.4


def test_log_cosh():
    x = jnp.asarray([-800.0, -3.0, 0.0, 1e-3, 20.0])
    np.testing.assert_allclose(log_cosh(x), np.logaddexp(x, -x) - np.log(2), atol=1e-15)
    np.testing.assert_allclose(jax.vmap(jax.grad(log_cosh))(x[1:]), jnp.tanh(x[1:]), atol=1e-15)


def test_chaos_without_input_against_brute_force():
    """D0^2/2 = g^2 (<Phi^2> - <Phi>^2) (Sompolinsky et al. 1988), and the limit g -> 1."""
    for gain in (1.05, 1.5, 3.0):
        state = chaotic_state(FeedbackEnsemble(gain, 0.0, 0.0, 0.0), 0.0)
        d = float(state.variance)
        y = np.linspace(-12, 12, 4001)
        w = np.exp(-(y**2) / 2) * (y[1] - y[0]) / np.sqrt(2 * np.pi)
        phi = np.log(np.cosh(np.sqrt(d) * y))
        variance = np.sum(w * phi**2) - np.sum(w * phi) ** 2
        np.testing.assert_allclose(d**2 / 2, gain**2 * variance, rtol=1e-10)
        assert float(state.variance_infinite_lag) < 1e-14
    near = chaotic_state(FeedbackEnsemble(1.001, 0.0, 0.0, 0.0), 0.0)
    np.testing.assert_allclose(near.variance, 1e-3, rtol=0.02)  # D0 -> g - 1
    below = chaotic_state(FeedbackEnsemble(0.9, 0.0, 0.0, 0.0), 0.0)
    assert float(below.variance) < 1e-12


def test_chaos_with_input_satisfies_both_equations():
    e, z = FeedbackEnsemble(2.2, 1.2, 0.5, 0.5), 0.3
    state = chaotic_state(e, z)
    d, low = float(state.variance), float(state.variance_infinite_lag)
    assert 0 < low < d < float(open_loop_variance(e, z))
    y = np.linspace(-10, 10, 801)
    w = np.exp(-(y**2) / 2) * (y[1] - y[0]) / np.sqrt(2 * np.pi)
    u = np.sqrt(d - low) * y[:, None] + np.sqrt(low) * y
    square_of_mean = lambda f: np.sum(w * np.sum(w[:, None] * f(u), axis=0) ** 2)
    phi = lambda x: np.log(np.cosh(x))
    s = float(e.input_variance(z))
    np.testing.assert_allclose(low, 2.2**2 * square_of_mean(np.tanh) + s, rtol=1e-10)
    top = np.sum(w * phi(np.sqrt(d) * y) ** 2) - square_of_mean(phi)
    np.testing.assert_allclose((d**2 - low**2) / 2, 2.2**2 * top + s * (d - low), rtol=1e-9)


def test_chaos_gradient_and_fallback():
    variance = lambda g: chaotic_state(FeedbackEnsemble(g, 1.2, 0.5, 0.5), 0.3).variance
    for gain in (2.0, 0.8):
        difference = central_difference(lambda g: float(variance(g)), gain)
        np.testing.assert_allclose(jax.grad(variance)(gain), difference, rtol=1e-6)
    e = FeedbackEnsemble(0.8, 1.2, 0.5, 0.5)
    state = chaotic_state(e, 0.3)
    np.testing.assert_allclose(state.variance, open_loop_variance(e, 0.3), rtol=1e-14)
    assert float(state.variance) == float(state.variance_infinite_lag)


def test_other_nonlinearity():
    """Every formula holds for any odd smooth function: erf(sqrt(pi)/2 x) has closed averages."""
    e = FeedbackEnsemble(0.6, 1.2, 0.5, 0.5, nonlinearity=_erf)
    d = float(open_loop_variance(e, 0.4))
    # <erf^2> in closed form (Williams 1998): 2/pi asin(2 b/(1 + 2 b)), b = pi D/4.
    b = np.pi * d / 4
    closed = 2 / np.pi * np.arcsin(2 * b / (1 + 2 * b))
    np.testing.assert_allclose(d, 0.36 * closed + float(e.input_variance(0.4)), rtol=1e-12)
    np.testing.assert_allclose(
        gaussian_average(_erf_slope, d), 1 / np.sqrt(1 + np.pi * d / 2), rtol=1e-12
    )


def _erf(x):
    return jax.scipy.special.erf(0.5 * np.sqrt(np.pi) * x)


def _erf_slope(x):
    return jnp.exp(-0.25 * np.pi * x**2)
