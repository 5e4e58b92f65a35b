"""Phase boundaries: golden tables, and diagrams against counted fixed points."""

import jax
import jax.numpy as jnp
import numpy as np
from helpers import assert_golden, central_difference

from rnngeo.meanfield import (
    PHASES,
    FeedbackEnsemble,
    critical_ratio,
    feedback_fixed_points,
    phase_diagram,
    phase_diagram_gain,
    phase_of,
    ratio_curve,
    saddle_node,
)


def test_golden_boundaries(golden):
    for entry in golden["phase_boundaries"]:
        i, tolerance = entry["inputs"], entry["tolerance"]
        e = FeedbackEnsemble(i["gain"], i["feedback_std"], i["input_std"], i["shared_weight"])
        born = saddle_node(e, i["target"])
        values = {"r_c": critical_ratio(e, i["target"]), "r_SN": born.ratio, "z_SN": born.output}
        for name, value in values.items():
            assert_golden(value, entry["expected"][name], tolerance, name)


def test_saddle_node_is_the_extremum_of_the_curve():
    e = FeedbackEnsemble(0.8, 1.2, 0.5, 0.5)
    sampled = jax.jit(jax.vmap(lambda target, z: ratio_curve(e, target, z), in_axes=(None, 0)))
    for target in (1.3, -0.9, -0.3):
        end = 2 * float(e.symmetry_point) - target
        z = np.linspace(0, end, 4001)[1:-1]
        curve = np.asarray(sampled(target, z))
        best = np.argmax(curve) if target > 0 else np.argmin(curve)
        born = saddle_node(e, target)
        np.testing.assert_allclose(born.ratio, curve[best], atol=1e-6)
        np.testing.assert_allclose(born.output, z[best], atol=2e-3)


def test_absent_boundaries():
    e = FeedbackEnsemble(0.3, 1.2, 0.5, 0.5)
    assert np.isnan(critical_ratio(e, 0.0))
    assert np.isnan(saddle_node(e, 0.0).ratio)
    assert np.isnan(saddle_node(FeedbackEnsemble(0.3, 0.0, 0.5, 0.5), 1.0).ratio)
    # An input that the feedback can cancel: A Gamma(A) exceeds 1.
    assert np.isnan(critical_ratio(FeedbackEnsemble(0.3, 1.0, 5.0, 1.0), -4.0))


def test_gradient_of_boundaries():
    def boundaries(s):
        e = FeedbackEnsemble(0.8, 1.2, s, 0.5)
        born = saddle_node(e, 1.3)
        return jnp.stack([born.ratio, born.output, critical_ratio(e, 1.3)])

    slopes = jax.jit(jax.jacrev(boundaries))(0.5)
    np.testing.assert_allclose(slopes, central_difference(boundaries, 0.5), rtol=1e-6)


def _compare(ensemble, diagram, ratios, targets, rng, n_cells):
    rows = rng.integers(len(targets), size=n_cells)
    columns = rng.integers(len(ratios), size=n_cells)
    r, a = jnp.asarray(ratios)[columns], jnp.asarray(targets)[rows]
    found = jax.vmap(lambda r, a: feedback_fixed_points(ensemble, 1.0, r, a))(r, a)
    counted = jax.vmap(phase_of)(found, a)
    np.testing.assert_array_equal(np.asarray(diagram.phase)[rows, columns], counted)
    return counted


def test_phase_diagram_against_counting():
    ratios, targets = np.linspace(-2.003, 2.001, 60), np.linspace(-2.007, 2.003, 50)
    rng = np.random.default_rng(0)
    e = FeedbackEnsemble(0.5, 1.2, 0.5, 0.5)
    diagram = phase_diagram(e, jnp.asarray(ratios), jnp.asarray(targets))
    counted = _compare(e, diagram, ratios, targets, rng, 150)
    assert PHASES == ("1S", "3U", "3S")
    assert set(np.unique(counted)) == {0, 1, 2}


def test_phase_diagram_where_the_curve_has_a_pole():
    """Strong shared input: for some A < 0 the bands wrap around r = infinity."""
    ratios, targets = np.linspace(-20.003, 20.001, 60), np.linspace(-12.007, 6.003, 50)
    e = FeedbackEnsemble(0.3, 1.0, 5.0, 1.0)
    diagram = phase_diagram(e, jnp.asarray(ratios), jnp.asarray(targets))
    _compare(e, diagram, ratios, targets, np.random.default_rng(1), 150)


def test_phase_diagram_over_the_gain():
    ratios, gains = jnp.linspace(-1.51, 0.5, 41), jnp.asarray([0.0, 0.4, 0.9])
    diagram = phase_diagram_gain(FeedbackEnsemble(0.0, 1.2, 0.5, 0.5), ratios, gains, 1.0)
    for k, gain in enumerate(gains):
        e = FeedbackEnsemble(gain, 1.2, 0.5, 0.5)
        r_c, r_sn = critical_ratio(e, 1.0), saddle_node(e, 1.0).ratio
        np.testing.assert_allclose(diagram.critical_ratio[k], r_c)
        np.testing.assert_allclose(diagram.saddle_node_ratio[k], r_sn)
        bands = np.searchsorted(np.asarray([-1.0, float(r_c), float(r_sn)]), np.asarray(ratios))
        np.testing.assert_array_equal(diagram.phase[k], np.asarray([0, 1, 2, 0])[bands])
