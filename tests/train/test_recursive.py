"""Recursive least squares against a naive NumPy loop that inverts the Gram matrix every step."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import machine_epsilon

from rnngeo._results import RESULTS
from rnngeo.models import RateMap
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import fit_recursive_least_squares


def naive(network, task, x0, ridge, n_steps, n_block, dt):
    """Ridge least squares on all visited states, solved anew before every Euler step."""
    bulk = np.asarray(network.recurrent.weights.as_matrix())
    m = np.asarray(network.feedback_weights[:, 0])
    x, gram, moment = np.asarray(x0), ridge * np.eye(m.size), np.zeros(m.size)
    outputs = []
    for step in range(n_steps):
        pattern = (step // n_block) % task.n_patterns
        n = np.linalg.solve(gram, moment)
        drive = np.asarray(task.inputs[pattern])
        x = x + dt * (-x + bulk @ np.tanh(x) + m * (n @ np.tanh(x)) + drive)
        phi = np.tanh(x)
        outputs.append(n @ phi)
        gram += np.outer(phi, phi)
        moment += float(task.targets[pattern]) * phi
    return np.linalg.solve(gram, moment), np.array(outputs)


@pytest.mark.float32
@pytest.mark.parametrize("n_patterns", [1, 2])
def test_readout_is_ridge_least_squares_on_the_visited_states(build, key, n_patterns):
    network = build(40, 0.8, key=key)
    dtype = network.input_weights.dtype
    inputs = jr.normal(key, (n_patterns, 40), dtype)
    task = StationaryAssociation(inputs, jnp.asarray([1.0, -0.6], dtype)[:n_patterns])
    x0 = jr.normal(key, (40,), dtype)
    trained = fit_recursive_least_squares(network, task, x0=x0, ridge=0.7, duration=15.0, block=4.0)
    expected, outputs = naive(network, task, x0, 0.7, 150, 40, 0.1)
    allowed = max(1e-8, 5e3 * machine_epsilon())  # 150 steps of rounding, condition number 40
    np.testing.assert_allclose(trained.network.readout_weights[:, 0], expected, atol=allowed)
    np.testing.assert_allclose(trained.history["output"], outputs, atol=10 * allowed)
    assert trained.network.readout_weights.dtype == dtype
    norm = np.linalg.norm(expected)
    np.testing.assert_allclose(trained.history["readout_norm"][-1], norm, atol=allowed * 10)


def test_map_takes_whole_steps(build, key):
    network = build(30, 0.5, key=key, kind=RateMap)
    task = StationaryAssociation(network.input_weights, 1.0)
    x0 = jr.normal(key, (30,))
    trained = fit_recursive_least_squares(network, task, x0=x0, duration=50.0)
    expected, _ = naive(network, task, x0, 1.0, 50, 50, 1.0)
    np.testing.assert_allclose(trained.network.readout_weights[:, 0], expected, atol=1e-8)


def test_key_draws_the_start_and_progress_changes_nothing(build, key):
    network = build(30, 0.5, key=key)
    task = StationaryAssociation(network.input_weights, 1.0)
    calls = []
    note = lambda *call: calls.append(call)
    watched = fit_recursive_least_squares(network, task, key=key, duration=10.3, progress=note)
    alone = fit_recursive_least_squares(network, task, x0=jr.normal(key, (30,)), duration=10.3)
    np.testing.assert_allclose(
        watched.network.readout_weights, alone.network.readout_weights, atol=1e-12
    )
    assert watched.history["error"].shape == (103,)
    assert calls[-1] == ("recursive least squares", 103, 103)
    assert [done for _, done, _ in calls] == sorted({done for _, done, _ in calls})


def test_batch_over_networks_is_a_loop(build, key):
    keys = jr.split(key, 3)
    networks = eqx.filter_vmap(lambda k: build(30, 0.5, key=k))(keys)

    def fit(network, k, ridge):
        task = StationaryAssociation(network.input_weights, 1.0)
        return fit_recursive_least_squares(network, task, key=k, ridge=ridge, duration=8.0)

    ridges = jnp.array([0.5, 1.0, 2.0])
    batch = eqx.filter_vmap(fit)(networks, keys, ridges)
    for row in range(3):
        alone = fit(build(30, 0.5, key=keys[row]), keys[row], ridges[row])
        np.testing.assert_allclose(
            batch.network.readout_weights[row], alone.network.readout_weights, atol=1e-10
        )


def test_diverged_and_missed_are_told_apart(build, key):
    network = build(30, 0.5, key=key)
    task = StationaryAssociation(network.input_weights, 1.0)
    wild = fit_recursive_least_squares(network, task, key=key, duration=3e4, dt=20.0)
    assert wild.result in (RESULTS.trajectory_diverged,)
    short = fit_recursive_least_squares(network, task, key=key, duration=0.1, ridge=1e4)
    assert short.result == RESULTS.target_missed
    assert fit_recursive_least_squares(network, task, key=key).is_successful


def test_new_numbers_do_not_compile_anew(build, key):
    n_traces = []

    def phi(x):
        n_traces.append(1)
        return jnp.tanh(x)

    network = build(10, 0.5, key=key, phi=phi)
    counts = []
    for ridge, target in ((1.0, 1.0), (2.0, 0.5), (3.0, -1.0)):
        task = StationaryAssociation(network.input_weights, target)
        fit_recursive_least_squares(network, task, key=key, ridge=ridge, duration=1.0)
        counts.append(len(n_traces))
    assert counts[0] == counts[-1] > 0


def test_wrong_arguments_are_named(build, key):
    network = build(10, 0.3, key=key)
    task = StationaryAssociation(network.input_weights, 1.0)
    with pytest.raises(ValueError, match="`key` and `x0` must be given, got neither"):
        fit_recursive_least_squares(network, task)
    with pytest.raises(ValueError, match="got both"):
        fit_recursive_least_squares(network, task, key=key, x0=jnp.zeros(10))
    for name in ("ridge", "duration", "dt", "block"):
        with pytest.raises(ValueError, match=f"`{name}` must be positive"):
            fit_recursive_least_squares(network, task, key=key, **{name: 0.0})
