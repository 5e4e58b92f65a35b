"""Uncorrelated theory: golden tables, the eigenvalue identities, hard geometries."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_golden, central_difference
from scipy import integrate, optimize

from rnngeo.meanfield import (
    FeedbackEnsemble,
    _fixed_points,
    chaotic_state,
    critical_gain,
    critical_ratio,
    feedback_fixed_points,
    gradient_descent_path,
    least_squares_bistability_target,
    least_squares_fixed_points,
    least_squares_overlaps,
    least_squares_ratio,
    least_squares_uncorrelated_overlaps,
    mean_slope,
    open_loop_variance,
    pattern_fixed_points,
    phase_diagram,
    ratio_curve,
    readout_overlaps,
    readout_scale,
    saddle_node,
)
from rnngeo.numerics import bracketed_root

NAMES = ("gain", "feedback_std", "input_std", "shared_weight")


def overlaps_of(entry, ensemble):
    c = entry["inputs"]["readout_coefficients"]
    return readout_overlaps(ensemble, c["p"], c["p_m"], c["p_I"])


def test_golden_fixed_points(golden, ensemble_of, assert_fixed_points):
    for entry in golden["uncorrelated_fixed_points"]:
        expected, target = entry["expected"], entry["inputs"]["target"]
        a_m, a_I = overlaps_of(entry, ensemble_of(entry))
        values = {"a_m": a_m, "a_I": a_I, "r": a_I / a_m if a_m else None}
        values["c"] = readout_scale(ensemble_of(entry), a_m, a_I, target)
        for name in values.keys() & expected.keys():
            if expected[name] is not None:
                assert_golden(values[name], expected[name], entry["tolerance"], name)
        found = feedback_fixed_points(ensemble_of(entry), a_m, a_I, target)
        assert_fixed_points(found, expected["fixed_points"], entry["tolerance"])


def test_golden_least_squares_approximation(golden, ensemble_of, assert_fixed_points):
    for entry in golden["least_squares_uncorrelated"]:
        e, target, expected = ensemble_of(entry), entry["inputs"]["target"], entry["expected"]
        a_m, a_I = least_squares_uncorrelated_overlaps(e, target)
        c = readout_scale(e, a_m, a_I, target)
        exact = least_squares_overlaps(e, target)[0] / (c * a_m)
        values = {"a_m": a_m, "a_I": a_I, "c": c, "exact_over_approximate_overlap": exact}
        for name, value in values.items():
            assert_golden(value, expected[name], entry["tolerance"], name)
        np.testing.assert_allclose(least_squares_ratio(e, target), a_I / a_m, rtol=1e-14)
        found = feedback_fixed_points(e, a_m, a_I, target)
        assert_fixed_points(found, expected["fixed_points"], entry["tolerance"])


def test_published_arrays_where_their_quadrature_holds(golden, ensemble_of):
    """At A = 2 the published outputs carry errors of 1e-5 from their quadrature."""
    entry = next(e for e in golden["published_output"] if e["inputs"]["target"] == 2.0)
    found = feedback_fixed_points(ensemble_of(entry), *overlaps_of(entry, ensemble_of(entry)), 2.0)
    published = np.sort(entry["expected"]["published_z"])
    np.testing.assert_allclose(found.output[:3], published, atol=2e-5)


def test_golden_open_loop(golden, ensemble_of):
    for entry in golden["open_loop_state"]:
        e, target = ensemble_of(entry), entry["inputs"]["target"]
        found = feedback_fixed_points(e, 0.0, 1.0, target)
        d, g = open_loop_variance(e, target), mean_slope(e, target)
        values = {"D0": d, "mean_gain": g, "bulk_radius": found.bulk_radius[0]}
        for name, value in values.items():
            assert_golden(value, entry["expected"][name], entry["tolerance"], name)


def test_golden_critical_gain(golden, ensemble_of):
    for entry in golden["critical_gain"]:
        gain = critical_gain(ensemble_of(entry), entry["inputs"]["target"])
        assert_golden(gain, entry["expected"]["gain"], entry["tolerance"])


def test_open_loop_variance_against_brute_force():
    """The published equation, solved by SciPy with adaptive quadrature."""
    e = FeedbackEnsemble(1.1, 1.2, 0.5, 0.7)
    s = 1.2**2 * 0.4**2 + 2 * 1.2 * 0.5 * 0.7**2 * 0.4 + 0.5**2
    average = lambda d: integrate.quad(
        lambda y: np.exp(-y * y / 2) / np.sqrt(2 * np.pi) * np.tanh(np.sqrt(d) * y) ** 2, -12, 12
    )[0]
    brute: Any = optimize.brentq(lambda d: d - 1.1**2 * average(d) - s, s, s + 1.1**2, xtol=1e-13)
    np.testing.assert_allclose(open_loop_variance(e, 0.4), brute, rtol=1e-11)
    np.testing.assert_allclose(e.input_variance(0.4), s, rtol=1e-14)


def test_open_loop_variance_without_input():
    assert float(open_loop_variance(FeedbackEnsemble(0.9, 0.0, 0.0, 0.0), 0.0)) < 1e-12
    assert float(open_loop_variance(FeedbackEnsemble(1.5, 0.0, 0.0, 0.0), 0.0)) > 0.5
    np.testing.assert_allclose(critical_gain(FeedbackEnsemble(0.0, 0.0, 0.0, 0.0), 0.0), 1.0)


def test_gradients_of_the_open_loop():
    def variance(g, s, z):
        return open_loop_variance(FeedbackEnsemble(g, 1.2, s, 0.5), z)

    g, s, z = 0.9, 0.5, 0.3
    slopes = jax.grad(variance, argnums=(0, 1, 2))(g, s, z)
    lines = (lambda x: variance(x, s, z), lambda x: variance(g, x, z), lambda x: variance(g, s, x))
    for slope, line, x in zip(slopes, lines, (g, s, z), strict=True):
        np.testing.assert_allclose(slope, central_difference(line, x), rtol=1e-8)
    second = jax.grad(jax.grad(variance, argnums=2), argnums=2)(g, s, z)
    along = lambda z: float(jax.grad(variance, argnums=2)(0.9, 0.5, z))
    np.testing.assert_allclose(second, central_difference(along, 0.3), rtol=1e-8)


def test_slope_and_outliers_are_consistent(ensemble):
    """F' = dF/dz; both roots solve a/l + b v/(l - u) = 1."""
    a_m, a_I, target = 1.6, 0.38, -1.5
    found = feedback_fixed_points(ensemble, a_m, a_I, target)
    c = readout_scale(ensemble, a_m, a_I, target)
    loop = lambda z: float(c * (a_m * z + a_I) * mean_slope(ensemble, z))
    for k in range(3):
        z = float(found.output[k])
        np.testing.assert_allclose(loop(z), z, atol=1e-12)
        np.testing.assert_allclose(found.slope[k], central_difference(loop, z), rtol=1e-8)
        first, second = found.roots[k]
        a = c * a_m * mean_slope(ensemble, z)
        u = first * second / a  # the product of the roots is u a
        bv = first + second - u - a
        for root in (first, second):
            np.testing.assert_allclose(a / root + bv / (root - u), 1.0, rtol=1e-9)
        np.testing.assert_allclose(a + bv / (1 - u), found.slope[k], rtol=1e-9)
        assert 0 <= u.real < found.bulk_radius[k] ** 2


def test_root_at_one_where_stability_is_exchanged(ensemble):
    r = critical_ratio(ensemble, 1.0)
    found = feedback_fixed_points(ensemble, 1.0, r, 1.0)
    k = int(np.nanargmin(np.abs(found.output - 1.0)))
    np.testing.assert_allclose(found.slope[k], 1.0, rtol=1e-10)
    np.testing.assert_allclose(found.roots[k, 0], 1.0, rtol=1e-10)
    born = saddle_node(ensemble, 1.0)
    inside = feedback_fixed_points(ensemble, 1.0, born.ratio - 1e-9, 1.0)
    assert int(inside.count) == 3
    np.testing.assert_allclose(inside.output[:2], born.output, atol=1e-3)
    np.testing.assert_allclose(inside.slope[:2], 1.0, atol=1e-3)
    np.testing.assert_allclose(inside.roots[:2, 0], 1.0, atol=1e-3)
    assert int(feedback_fixed_points(ensemble, 1.0, born.ratio + 1e-9, 1.0).count) == 1


@pytest.mark.parametrize("target", [-3.0, -1.0, -0.15, -0.02, 0.4, 1.5, 20.0])
def test_feedback_only_readout_in_closed_form(ensemble, target):
    found = feedback_fixed_points(ensemble, 1.0, 0.0, target)
    expected = np.sort([0.0, target, 2 * float(ensemble.symmetry_point) - target])
    assert int(found.count) == 3
    np.testing.assert_allclose(found.output[:3], expected, atol=1e-10)


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_diverging_outputs_near_the_flex_point(ensemble, gap):
    """They sit at +-A sqrt(2/pi)/(sm G(A) (A+r)) to leading order."""
    target = -0.3 - gap
    found = feedback_fixed_points(ensemble, 1.0, 0.3, target)
    assert int(found.count) == 3
    c = float(readout_scale(ensemble, 1.0, 0.3, target))
    leading = c * np.sqrt(2 / np.pi) / 1.2
    tolerance = 1e-3 + 10 * gap
    np.testing.assert_allclose(found.output[:3:2], [-leading, leading], rtol=tolerance)
    assert list(found.is_stable[:3]) == [True, False, True]
    assert int(feedback_fixed_points(ensemble, 1.0, 0.3, -0.3 + gap).count) == 1


def test_root_crossing_the_target_is_neither_lost_nor_doubled(ensemble):
    r = float(critical_ratio(ensemble, 1.0))
    for shift in (1e-2, 1e-5, 1e-9, -1e-9, -1e-5, -1e-2):
        found = feedback_fixed_points(ensemble, 1.0, r + shift, 1.0)
        assert int(found.count) == 3
        gaps = np.diff(np.sort(np.abs(found.output[:3] - 1.0)))
        assert gaps[0] > 0.1 * abs(shift)


def test_ratio_curve_lists_all_other_fixed_points(ensemble):
    for r, target in ((-0.2, 1.0), (0.1, 1.0), (0.05, -1.2), (0.6, -2.0)):
        found = feedback_fixed_points(ensemble, 1.0, r, target)
        others = [z for z in np.asarray(found.output[: int(found.count)]) if abs(z - target) > 1e-6]
        assert len(others) == 2
        for z in others:
            np.testing.assert_allclose(ratio_curve(ensemble, target, z), r, rtol=1e-9)
    limit = ratio_curve(ensemble, 1.0, 1.0)
    np.testing.assert_allclose(limit, critical_ratio(ensemble, 1.0), rtol=1e-12)
    np.testing.assert_allclose(ratio_curve(ensemble, 1.0, 1.0 + 1e-9), limit, rtol=1e-8)


def test_symmetry_under_change_of_sign():
    """(A, r, s_mI) -> (-A, -r, -s_mI); without a shared direction the ensemble is its own image."""
    e = FeedbackEnsemble(0.8, 1.2, 0.5, 0.0)
    plus, minus = (feedback_fixed_points(e, 1.0, s * 0.05, s * 1.0) for s in (1.0, -1.0))
    assert int(plus.count) == 3
    np.testing.assert_allclose(plus.output[:3], -minus.output[:3][::-1], rtol=1e-11)
    np.testing.assert_allclose(plus.slope[:3], minus.slope[:3][::-1], rtol=1e-9)


def test_special_targets(ensemble):
    at_zero = feedback_fixed_points(ensemble, 1.0, 0.7, 0.0)
    assert int(at_zero.count) == 1
    assert float(at_zero.output[0]) == 0.0
    assert bool(at_zero.is_stable[0])
    assert float(readout_scale(ensemble, 1.0, 0.7, 0.0)) == 0.0
    free = readout_scale(ensemble, 2.0, 0.0, 0.0)
    np.testing.assert_allclose(free, 0.5 / mean_slope(ensemble, 0.0), rtol=1e-14)
    found = feedback_fixed_points(ensemble, 2.0, 0.0, 0.0)
    np.testing.assert_allclose(
        found.output[:2], [2 * float(ensemble.symmetry_point), 0.0], atol=1e-12
    )
    np.testing.assert_allclose(found.slope[1], 1.0)
    # No feedback at all: the loop is linear, and only the target remains.
    open_ = feedback_fixed_points(FeedbackEnsemble(0.3, 0.0, 0.5, 0.5), 1.0, 0.4, 1.0)
    assert int(open_.count) == 1


def test_impossible_readout_is_refused(ensemble):
    for a_m, a_I, target in ((1.0, 0.5, -0.5), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)):
        with pytest.raises(ValueError, match="no calibrated readout exists"):
            feedback_fixed_points(ensemble, a_m, a_I, target)
        with pytest.raises(ValueError, match="no calibrated readout exists"):
            readout_scale(ensemble, a_m, a_I, target)
    assert np.isnan(jax.jit(lambda z: readout_scale(ensemble, 1.0, 0.5, z))(-0.5))


def test_vmap_is_loop_and_gradient_is_difference(ensemble):
    """Also where no readout exists: NaN in a batch."""
    targets = jnp.asarray([-2.0, -0.5, -0.38 / 1.6, 2.5])
    batch = jax.vmap(lambda z: feedback_fixed_points(ensemble, 1.6, 0.38, z))(targets)
    assert int(batch.count[2]) == 0
    assert np.all(np.isnan(batch.output[2]))
    for k in (0, 1, 3):
        target = targets[k]
        single = feedback_fixed_points(ensemble, 1.6, 0.38, target)
        assert int(single.count) == int(batch.count[k])
        np.testing.assert_allclose(single.output, batch.output[k], rtol=1e-11)
        np.testing.assert_allclose(single.roots, batch.roots[k], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(single.is_stable, batch.is_stable[k])
    lowest = lambda r: feedback_fixed_points(ensemble, 1.0, r, -1.5).output[2]
    slope = jax.jit(jax.grad(lowest))(0.23)
    np.testing.assert_allclose(slope, central_difference(lowest, 0.23), rtol=1e-7)


def test_landmarks_of_the_published_setting(golden, ensemble_of):
    (entry,) = golden["landmarks"]
    e, expected, tolerance = ensemble_of(entry), entry["expected"], entry["tolerance"]
    a_m, a_I = overlaps_of(entry, ensemble_of(entry))
    r = a_I / a_m
    crossing, born = _thresholds(e, r, (-1.5, -0.4), (0.5, 2.5))
    assert_golden(-r, expected["flex"], tolerance)
    assert_golden(crossing, expected["transcritical"], tolerance)
    assert_golden(born, expected["saddle_node"], tolerance)
    still = feedback_fixed_points(e, 0.0, 1.0, e.symmetry_point)
    assert_golden(still.bulk_radius[0], expected["largest_bulk_radius"], tolerance)
    targets = jnp.linspace(0.3202, 0.3222, 11)
    found = [feedback_fixed_points(e, a_m, a_I, z) for z in targets]
    peaks = jnp.stack([f.roots[0, 0].real for f in found])
    assert_golden(jnp.max(peaks), expected["peak_outlier"], tolerance)
    best = targets[jnp.argmax(peaks)]
    assert_golden(best, expected["peak_outlier_target"], tolerance, "peak_outlier_target")


def test_thresholds_of_the_shared_readout(golden, ensemble_of):
    (entry,) = golden["single_direction_thresholds"]
    e, r = ensemble_of(entry), entry["expected"]["r"]
    crossing, born = _thresholds(e, jnp.asarray(r), (-2.0, -0.6), (1.0, 4.0))
    assert_golden(born, entry["expected"]["saddle_node"], entry["tolerance"])
    assert_golden(crossing, entry["expected"]["transcritical"], entry["tolerance"])


@jax.jit
def _thresholds(e, r, around_crossing, around_birth):
    """Targets at which the two boundaries pass a given ratio."""
    ends = lambda pair: (jnp.asarray(x, r.dtype) for x in pair)
    crossing = bracketed_root(lambda z: critical_ratio(e, z) - r, *ends(around_crossing))
    born = bracketed_root(lambda z: saddle_node(e, z).ratio - r, *ends(around_birth))
    return crossing, born


@pytest.mark.float32
def test_single_precision_is_close(golden):
    entry = next(e for e in golden["uncorrelated_fixed_points"] if e["id"] == "set_A2")
    g, s_m, s_I, rho = (jnp.asarray(entry["inputs"][name], jnp.float32) for name in NAMES)
    e, target = FeedbackEnsemble(g, s_m, s_I, rho), jnp.asarray(-1.5, jnp.float32)
    found = feedback_fixed_points(e, *overlaps_of(entry, e), target)
    assert found.output.dtype == jnp.float32
    assert found.roots.dtype == jnp.complex64
    expected = entry["expected"]["fixed_points"]
    assert int(found.count) == len(expected)
    for k, row in enumerate(expected):
        np.testing.assert_allclose(found.output[k], row["z"], rtol=2e-5)
        np.testing.assert_allclose(found.variance[k], row["D0"], rtol=2e-5)
        np.testing.assert_allclose(found.slope[k], row["slope"], rtol=1e-3)
        assert bool(found.is_stable[k]) == row["is_stable"]


@pytest.mark.float32
def test_precision_is_kept_everywhere():
    """Single in, single out, also where double precision is on."""
    one = lambda x: jnp.asarray(x, jnp.float32)
    e = FeedbackEnsemble(one(0.3), 1.2, 0.5, 0.5)
    pair = one([[0.25, 0.02], [0.02, 0.3]])
    shapes = jax.eval_shape(
        lambda z: (
            open_loop_variance(e, z),
            critical_gain(e, z),
            saddle_node(e, z),
            least_squares_fixed_points(e, z),
            least_squares_overlaps(e, z),
            chaotic_state(e, z),
            gradient_descent_path(e, z, n_intervals=2),
            pattern_fixed_points(e, jnp.stack([z, -z]), pair, one([0.1, 0.0])),
            phase_diagram(e, z[None], z[None]),
            least_squares_bistability_target(e, exact=True),
        ),
        one(0.7),
    )
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(shapes)}
    assert jnp.dtype("float64") not in dtypes
    assert jnp.dtype("complex128") not in dtypes


@pytest.mark.float32
def test_ensemble_refuses_bad_numbers():
    for bad, match in (
        (dict(gain=-1.0), "gain"),
        (dict(feedback_std=-0.1), "feedback_std"),
        (dict(input_std=np.nan), "input_std"),
        (dict(shared_weight=1.2), r"`shared_weight` must lie in \[-1, 1\], got 1.2"),
    ):
        numbers: Any = dict(gain=0.3, feedback_std=1.2, input_std=0.5, shared_weight=0.5) | bad
        with pytest.raises(ValueError, match=match):
            FeedbackEnsemble(**numbers)
    e = FeedbackEnsemble(1, 2, 1, 0.5)
    assert e.gain.dtype == jnp.result_type(float)
    assert float(e.feedback_input_covariance) == 0.5
    assert float(e.symmetry_point) == -0.125


def test_no_recompilation_for_new_numbers(ensemble):
    core = cast(Any, _fixed_points._feedback_fixed_points)
    feedback_fixed_points(ensemble, 1.6, 0.38, -1.5)
    size = core._cached._cache_size()
    feedback_fixed_points(FeedbackEnsemble(0.7, 1.0, 0.2, 0.1), 1.1, 0.3, 1)
    assert core._cached._cache_size() == size
