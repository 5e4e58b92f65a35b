"""Fixed points by reduction and by Newton's method, against closed forms and each other."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from networks import drawn_network, least_squares_network
from scipy.optimize import brentq

from rnngeo.models import FeedbackNetwork, RateFlow, RateMap
from rnngeo.stability import (
    Completeness,
    contraction_margin,
    find_fixed_points,
    grade_completeness,
    jacobian,
    loop_curve,
    loop_fixed_points,
    output_bound,
    rms,
    velocity,
)
from rnngeo.stability._newton import merge_states


@pytest.mark.parametrize("kind", [RateFlow, RateMap])
@pytest.mark.parametrize("target", [2.0, 0.8])
def test_reduction_and_newton_find_the_same_points(key, kind, target):
    network = least_squares_network(key, target=target, gain=0.6, kind=kind)
    points = loop_fixed_points(network)
    assert np.abs(points.output - target).min() < 1e-12  # least squares fits exactly
    assert points.residual.max() < 1e-13
    starts = (
        jr.normal(key, (60, 60))
        + jnp.linspace(-3, 3, 60)[:, None] * (network.feedback_weights[:, 0])
    )
    newton = find_fixed_points(network.closed_loop, starts)
    outputs = np.sort([float(network.outputs(x)[0]) for x in newton.state])
    assert np.allclose(outputs, points.output, atol=1e-10)
    assert newton.n_hits.sum() + newton.n_failed == 60


def test_one_unit_is_solved_by_hand():
    """x = w tanh(x) + m n tanh(x) + I: brentq on a dense scan is the witness."""
    one_by_one, one = jnp.asarray([[0.5]]), jnp.ones(1)
    network = FeedbackNetwork(RateFlow(one_by_one), 2.0 * one, one, 0.1 * one)
    f = lambda x: -x + 2.5 * np.tanh(x) + 0.1
    grid = np.linspace(-4, 4, 4001)
    signs = np.flatnonzero(np.diff(np.sign(f(grid))))
    roots = np.array([brentq(f, grid[k], grid[k + 1], xtol=1e-15) for k in signs])
    points = loop_fixed_points(network)
    assert len(roots) == 3
    assert np.allclose(np.sort(points.state[:, 0]), roots, atol=1e-12)
    assert np.allclose(points.output, np.tanh(np.sort(points.state[:, 0])), atol=1e-12)


def test_a_pair_at_a_saddle_node_is_not_lost():
    """F(z) = s tanh(3 (z - 1/2)) just touches the diagonal; the pair is 2e-4 apart or less."""
    beta, shift = 3.0, 0.5
    # tangent where s beta (1 - t^2) = 1 and s t = z: solved for s at the touching point
    touch = brentq(
        lambda z: z * beta * (1 - np.tanh(beta * (z - shift)) ** 2) - np.tanh(beta * (z - shift)),
        shift + 1e-6, 2.0,
    )  # fmt: skip
    s_touch = touch / np.tanh(beta * (touch - shift))
    counts = []
    for factor in (1 - 1e-9, 1 + 1e-9):
        network = FeedbackNetwork(
            RateFlow(jnp.asarray([[0.0]])), jnp.asarray([beta]), jnp.asarray([s_touch * factor]),
            jnp.asarray([-beta * shift]),
        )  # fmt: skip
        counts.append(len(loop_fixed_points(network).output))
    assert counts == [1, 3]


def test_no_output_exceeds_its_bound(key):
    network = least_squares_network(key)
    states = 5 * jr.normal(key, (200, 60))
    assert float(jnp.abs(jax.vmap(network.outputs)(states)).max()) < output_bound(network)


# h' = tanh(h W) with W[i, :] = -roll(linspace(-1, 1, n), -i): an outside test of fixed-point
# finders; expected histograms of unstable directions as published with directional-fibers.
@pytest.mark.parametrize(
    ("n", "histogram"), [(2, {0: 2, 1: 1}), (3, {1: 2, 2: 1}), (4, {0: 2, 1: 2, 2: 4, 3: 1})]
)
def test_known_map_has_its_known_fixed_points(n, histogram):
    w = np.stack([-np.roll(np.linspace(-1, 1, n), -i) for i in range(n)])
    network = RateMap(w.T)  # x = h W, so x' = W^T tanh(x)
    corners = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * n), -1).reshape(-1, n)
    points = find_fixed_points(network, jnp.asarray(corners @ w))
    unstable = [
        int(np.sum(np.abs(np.linalg.eigvals(np.asarray(jacobian(network, x)))) > 1))
        for x in points.state
    ]
    assert {k: unstable.count(k) for k in set(unstable)} == histogram
    if n == 2:
        rates = np.tanh(np.asarray(points.state))
        assert np.isclose(np.abs(rates).max(), 0.957504, atol=5e-7)


def test_merging_does_not_depend_on_order(key):
    centres = jr.normal(key, (3, 20))
    states = np.asarray(jnp.repeat(centres, 4, 0) + 1e-9 * jr.normal(key, (12, 20)))
    order = np.asarray(jr.permutation(key, 12))
    a, b = merge_states(states, 1e-6), merge_states(states[order], 1e-6)
    same = lambda labels: labels[:, None] == labels[None]
    assert np.array_equal(same(a)[np.ix_(order, order)], same(b))
    assert len(set(a)) == 3


def test_starts_that_end_nowhere_are_counted():
    # x' = x + 1 + x^2 type drift has no root: softplus bulk with a large constant and weight 2
    network = RateFlow(jnp.asarray([[2.0]]), 5.0, nonlinearity=jax.nn.softplus)
    points = find_fixed_points(network, jnp.linspace(-2, 2, 7)[:, None])
    assert (len(points.state), points.n_failed) == (0, 7)


def test_clamped_states_rest(key):
    network = drawn_network(key, 300, gain=0.8)  # above 256 units the solver is Krylov's
    curve = loop_curve(network, jnp.linspace(-2, 2, 9))
    assert bool(curve.is_found.all())
    for z, x in zip(curve.output, curve.state, strict=True):
        assert float(rms(velocity(network.open_loop(z), x))) < 1e-12


@pytest.mark.parametrize(
    ("gain", "grade"),
    [
        (0.3, Completeness.PROVED),
        (0.8, Completeness.UNIQUE_IN_ALL_TESTED),
        (2.5, Completeness.UNKNOWN),
    ],
)
def test_completeness_is_graded_honestly(key, gain, grade):
    network = drawn_network(key, 200, gain=gain)
    curve = loop_curve(network, jnp.linspace(-2, 2, 33))
    evidence = grade_completeness(network, curve, key=key, n_outputs=5, n_starts=3)
    assert evidence.grade == grade
    # mu -> sqrt(2) g; finite-size fluctuation of a symmetric Gaussian edge ~ N^(-2/3)
    assert abs(evidence.contraction_margin - (1 - np.sqrt(2) * gain)) < 3 * gain * 200 ** (-2 / 3)


def test_the_proof_covers_every_slope(key):
    """det(1 - B D) keeps its sign over random slopes where the margin is positive."""
    network = drawn_network(key, 30, gain=0.6)
    assert contraction_margin(network) > 0
    bulk = network.recurrent.weights.as_matrix()
    slopes = jr.uniform(key, (300, 30))
    signs = jax.vmap(lambda d: jnp.linalg.slogdet(jnp.eye(30) - bulk * d)[0])(slopes)
    assert bool(jnp.all(signs == 1))


def test_an_unknown_slope_proves_nothing():
    one = jnp.ones(1)
    network = FeedbackNetwork(RateFlow(0.1 * jnp.eye(1), nonlinearity=jnp.sin), one, one, one)
    assert np.isnan(contraction_margin(network))


def test_bad_input_is_named(key):
    network = drawn_network(key, 10)
    two = FeedbackNetwork(
        network.recurrent, jnp.ones((10, 2)), jnp.ones((10, 2)), network.input_weights
    )
    with pytest.raises(ValueError, match="`network` must have one output.* got 2"):
        loop_fixed_points(two)
    with pytest.raises(ValueError, match="`n_grid` must be at least 3, got 2"):
        loop_fixed_points(network, n_grid=2)
    with pytest.raises(ValueError, match=r"`starts` must have shape \(start, 10\), got \(3, 9\)"):
        find_fixed_points(network.closed_loop, jnp.ones((3, 9)))
    curve = loop_curve(network, jnp.linspace(-1, 1, 5))
    with pytest.raises(ValueError, match="`n_outputs` and `n_starts` must be at least 1"):
        grade_completeness(network, curve, key=key, n_starts=0)
