"""Least squares in the open loop against NumPy, closed forms and the closed loop itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean_matches, central_difference, machine_epsilon

from rnngeo._results import RESULTS
from rnngeo.connectivity import gaussian_bulk
from rnngeo.integrate import simulate
from rnngeo.models import FeedbackNetwork, RateFlow, RateMap
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import fit_least_squares

TOLERANCE = 30 * machine_epsilon() ** 0.5  # states relax to sqrt(eps), rates follow


def numpy_parts(network):
    bulk = np.asarray(network.recurrent.weights.as_matrix(), np.float64)
    return bulk, np.asarray(network.feedback_weights[:, 0], np.float64)


def clamped_rates(network, drive, target):
    """tanh of the open-loop state by plain iteration of x = B tanh(x) + m A + I."""
    bulk, m = numpy_parts(network)
    x = np.zeros(m.size)
    for _ in range(2000):
        x = bulk @ np.tanh(x) + m * float(target) + np.asarray(drive, np.float64)
    return np.tanh(x)


def all_clamped_rates(network, task):
    pairs = zip(task.inputs, task.targets, strict=True)
    return np.stack([clamped_rates(network, *pair) for pair in pairs])


def patterns(network, key, n_patterns):
    inputs = 0.7 * jr.normal(key, (n_patterns, network.n_units), network.input_weights.dtype)
    targets = jnp.linspace(-0.8, 1.1, n_patterns, dtype=inputs.dtype)
    return StationaryAssociation(inputs, targets)


@pytest.mark.float32
@pytest.mark.parametrize(("n_patterns", "kind"), [(1, RateFlow), (3, RateFlow), (3, RateMap)])
def test_every_target_is_a_fixed_point_of_the_closed_loop(build, key, n_patterns, kind):
    network = build(40, 0.5, key=key, kind=kind)
    task = patterns(network, key, n_patterns)
    trained = fit_least_squares(network, task)
    assert bool(trained.is_successful)
    n = np.asarray(trained.network.readout_weights[:, 0], np.float64)
    bulk, m = numpy_parts(network)
    for drive, target in zip(task.inputs, task.targets, strict=True):
        rates = clamped_rates(network, drive, target)
        assert abs(n @ rates - float(target)) < TOLERANCE
        x = np.arctanh(rates)
        drift = -x + bulk @ rates + m * (n @ rates) + np.asarray(drive)
        assert np.abs(drift).max() < 4 * TOLERANCE
    assert trained.history["error"].shape == (() if n_patterns == 1 else (n_patterns,))
    assert jnp.all(trained.network.input_weights == task.inputs[0])


def test_readout_is_numpys_minimum_norm_solution(build, key):
    network = build(40, 0.5, key=key)
    task = patterns(network, key, 3)
    rates = all_clamped_rates(network, task)
    expected = np.linalg.lstsq(rates, np.asarray(task.targets), rcond=None)[0]
    fitted = fit_least_squares(network, task).network.readout_weights[:, 0]
    np.testing.assert_allclose(fitted, expected, atol=1e-6)


def test_ridge_is_numpys_augmented_least_squares(build, key):
    network = build(40, 0.5, key=key)
    task = patterns(network, key, 3)
    rates = all_clamped_rates(network, task)
    rows = np.concatenate([rates, np.sqrt(2.5) * np.eye(40)])
    goal = np.concatenate([np.asarray(task.targets), np.zeros(40)])
    expected = np.linalg.lstsq(rows, goal, rcond=None)[0]
    fitted = fit_least_squares(network, task, ridge=2.5).network.readout_weights[:, 0]
    np.testing.assert_allclose(fitted, expected, atol=1e-7)


@pytest.mark.float32
def test_ridge_scales_the_readout_of_one_pattern(build, key):
    network = build(40, 0.5, key=key)
    task = StationaryAssociation(network.input_weights, 0.9)
    plain = fit_least_squares(network, task).network.readout_weights
    ridged = fit_least_squares(network, task, ridge=7.0).network.readout_weights
    square = np.sum(clamped_rates(network, network.input_weights, 0.9) ** 2)
    np.testing.assert_allclose(ridged, plain * square / (square + 7.0), atol=TOLERANCE / 10)


def test_batch_over_networks_and_ridges_is_a_loop(build, key):
    keys, ridges = jr.split(key, 3), jnp.array([0.0, 1.0, 4.0])
    networks = eqx.filter_vmap(lambda k: build(40, 0.5, key=k))(keys)
    fit = lambda network, ridge: fit_least_squares(
        network, StationaryAssociation(network.input_weights, 0.9), ridge=ridge
    )
    batch = eqx.filter_vmap(fit)(networks, ridges)
    assert batch.is_successful.shape == (3,)
    for row, (k, ridge) in enumerate(zip(keys, ridges, strict=True)):
        alone = fit(build(40, 0.5, key=k), ridge).network.readout_weights
        np.testing.assert_allclose(batch.network.readout_weights[row], alone, atol=1e-7)


def test_gradient_through_the_fit_matches_central_difference(build, key):
    network = build(40, 0.5, key=key)

    @jax.jit
    def norm(scale, ridge):
        scaled = FeedbackNetwork(
            RateFlow(scale * network.recurrent.weights),
            network.feedback_weights,
            network.readout_weights,
            network.input_weights,
        )
        task = StationaryAssociation(network.input_weights, 0.9)
        return fit_least_squares(scaled, task, ridge=ridge).network.readout_weights[:, 0].sum()

    for ridge in (0.0, 2.0):
        gradient = jax.grad(norm)(1.0, ridge)
        expected = central_difference(lambda s, r=ridge: float(norm(s, r)), 1.0, 1e-3)
        np.testing.assert_allclose(gradient, expected, rtol=1e-3)


@pytest.mark.float32
def test_average_over_a_still_trajectory_is_the_plain_fit(build, key):
    network = build(40, 0.5, key=key)
    task = patterns(network, key, 3)
    plain = fit_least_squares(network, task, ridge=0.5)
    averaged = fit_least_squares(network, task, ridge=0.5, average=(60.0, 2.0))
    np.testing.assert_allclose(
        averaged.network.readout_weights,
        plain.network.readout_weights,
        atol=max(1e-5, 20 * machine_epsilon() ** 0.5),
    )


@pytest.mark.slow
def test_chaotic_bulk_is_trained_on_average(build, key):
    """Fit on one stretch of a chaotic open loop; on another the output is A on average.

    Expected gap: the ridge's own bias (the error of the fit) and the sampling errors of the two
    means, each from block means over 20 tau, several correlation times.
    """
    key_network, key_x0 = jr.split(key)
    network = build(100, 2.5, key=key_network, rho=0.5)  # chaotic above 1.784 at A = 0.5
    target = 0.5
    task = StationaryAssociation(network.input_weights, target)
    starts = jr.normal(key_x0, (2, 100))
    trained = fit_least_squares(
        network, task, ridge=1.0, x0=starts[0], average=(50.0, 400.0), dt=0.5
    )
    assert bool(trained.is_successful)

    ts = 50.0 + 0.5 * jnp.arange(1, 801)
    xs = simulate(network.open_loop(target), starts[1], t1=450.0, ts=ts).xs
    assert xs.std(axis=0).mean() > 0.3  # the bulk is chaotic
    outputs = np.asarray(jax.vmap(trained.network.outputs)(xs))[:, 0]
    blocks = outputs.reshape(20, 40).mean(axis=1)
    standard_error = blocks.std(ddof=1) / np.sqrt(blocks.size)
    bias = abs(float(trained.history["error"]))
    assert bias < 0.05
    assert_mean_matches(blocks, target, finite_size=bias + 4 * standard_error, max_error=0.03)


def test_open_loop_that_does_not_settle_is_reported_not_raised():
    turning = 3.0 * jnp.kron(jnp.array([[0.0, -1.0], [1.0, 0.0]]), jnp.eye(20))  # a limit cycle
    network = FeedbackNetwork(RateFlow(turning), jnp.zeros(40), jnp.zeros(40), jnp.zeros(40))
    task = StationaryAssociation(network.input_weights, 0.5)
    trained = fit_least_squares(network, task, x0=jnp.ones(40))
    assert trained.result == RESULTS.not_settled


def test_repeated_pattern_is_singular(build, key):
    network = build(40, 0.5, key=key)
    silent = eqx.tree_at(lambda net: net.feedback_weights, network, jnp.zeros((40, 1)))
    task = StationaryAssociation(jnp.zeros((3, 40)), jnp.array([0.5, 1.0, 1.5]))
    trained = fit_least_squares(silent, task)
    assert trained.result == RESULTS.singular


def test_wrong_arguments_are_named(build, key):
    network = build(10, 0.3, key=key)
    task = StationaryAssociation(network.input_weights, 1.0)
    with pytest.raises(ValueError, match="`ridge` must be at least 0, got -1"):
        fit_least_squares(network, task, ridge=-1.0)
    with pytest.raises(ValueError, match="`task.inputs` must have shape"):
        fit_least_squares(network, StationaryAssociation(jnp.zeros(9), 1.0))
    with pytest.raises(ValueError, match="`x0` must have shape"):
        fit_least_squares(network, task, x0=jnp.zeros(9))
    with pytest.raises(ValueError, match="`average"):
        fit_least_squares(network, task, average=(1.0, 0.0))
    with pytest.raises(ValueError, match="more patterns than units"):
        fit_least_squares(network, StationaryAssociation(jnp.zeros((11, 10)), jnp.zeros(11)))
    bulk = gaussian_bulk(10, 0.3, key=key)
    two = FeedbackNetwork(RateFlow(bulk), jnp.ones((10, 2)), jnp.ones((10, 2)), jnp.ones(10))
    with pytest.raises(ValueError, match="one output"):
        fit_least_squares(two, task)
