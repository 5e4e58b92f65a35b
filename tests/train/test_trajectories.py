"""Descent through trajectories against a NumPy Euler loop and central differences."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from helpers import central_difference, machine_epsilon

from rnngeo._results import RESULTS
from rnngeo.models import RateMap
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import fit_through_trajectories, trajectory_loss


def naive_loss(network, task, starts, n_steps, n_saved, dt):
    bulk = np.asarray(network.recurrent.weights.as_matrix())
    m, n = np.asarray(network.feedback_weights[:, 0]), np.asarray(network.readout_weights[:, 0])
    errors = []
    for drive, target in zip(np.asarray(task.inputs), np.asarray(task.targets), strict=True):
        for x in np.asarray(starts):
            for step in range(n_steps):
                x = x + dt * (-x + bulk @ np.tanh(x) + m * (n @ np.tanh(x)) + drive)
                if step >= n_steps - n_saved:
                    errors.append(n @ np.tanh(x) - target)
    return np.mean(np.square(errors))


@pytest.fixture
def case(build, key):
    network = build(30, 0.6, key=key)
    dtype = network.input_weights.dtype
    network = network.with_readout(jr.normal(key, (30,), dtype) / 30)
    drive = network.input_weights
    task = StationaryAssociation(jnp.stack([drive, -drive]), jnp.asarray([0.8, -0.4], dtype))
    return network, task, jr.normal(jr.fold_in(key, 1), (3, 30), dtype)


@pytest.mark.float32
def test_loss_is_the_naive_loop(case):
    network, task, starts = case
    loss = trajectory_loss(network, task, starts, t1=5.0, dt=0.1, window=0.4)
    expected = naive_loss(network, task, starts, 50, 20, 0.1)
    np.testing.assert_allclose(loss, expected, rtol=1e3 * machine_epsilon())
    mapped = eqx.tree_at(lambda net: net.recurrent, network, as_map(network))
    loss = trajectory_loss(mapped, task, starts, t1=10.0, window=0.5)
    expected = naive_loss(network, task, starts, 10, 5, 1.0)
    np.testing.assert_allclose(loss, expected, rtol=1e3 * machine_epsilon())


def as_map(network):
    base = network.recurrent
    return RateMap(base.weights, base.bias, base.tau, base.nonlinearity)


def test_gradient_matches_central_difference(case, key):
    network, task, starts = case
    loss = lambda net: trajectory_loss(net, task, starts, t1=5.0, window=0.4)
    gradient = eqx.filter_grad(loss)(network)
    for where in (
        lambda net: net.readout_weights,
        lambda net: net.recurrent.weights.matrix,
        lambda net: net.recurrent.tau,
    ):
        leaf = where(network)
        direction = jr.normal(key, leaf.shape)
        moved = lambda s, w=where, v=leaf, d=direction: eqx.tree_at(w, network, v + s * d)
        expected = central_difference(lambda s, m=moved: float(loss(m(s))), 0.0, 1e-5)
        np.testing.assert_allclose(jnp.sum(where(gradient) * direction), expected, rtol=1e-6)


@pytest.mark.parametrize("is_readout", [True, False])
def test_training_reduces_the_loss_and_touches_only_what_it_may(case, key, is_readout):
    network, task, _ = case
    readout, bulk = lambda net: net.readout_weights, lambda net: net.recurrent.weights.matrix
    trained = fit_through_trajectories(
        network,
        task,
        key=key,
        optimizer=optax.adam(5e-3),
        n_steps=40,
        t1=8.0,
        n_starts=4,
        where=readout if is_readout else bulk,
    )
    loss = trained.history["loss"]
    assert loss.shape == (40,)
    assert loss[-5:].mean() < 0.3 * loss[:5].mean()
    new, old = trained.network, network
    assert jnp.all(readout(new) == readout(old)) == (not is_readout)
    assert jnp.all(bulk(new) == bulk(old)) == is_readout
    assert jnp.all(new.feedback_weights == old.feedback_weights)


def test_outcome_is_a_code(case, key):
    network, task, _ = case
    options = {"key": key, "n_steps": 2, "t1": 2.0, "n_starts": 2}
    missed = fit_through_trajectories(network, task, **options)
    assert missed.result == RESULTS.target_missed
    fine = fit_through_trajectories(network, task, tolerance=1e3, **options)
    assert fine.is_successful
    lost = network.with_readout(jnp.full((30, 1), jnp.nan))
    assert fit_through_trajectories(lost, task, **options).result == RESULTS.trajectory_diverged


@pytest.mark.slow
def test_batch_over_networks_is_a_loop(build, key):
    keys = jr.split(key, 2)
    networks = eqx.filter_vmap(lambda k: build(20, 0.4, key=k))(keys)

    def fit(network, k):
        task = StationaryAssociation(network.input_weights, 1.0)
        return fit_through_trajectories(network, task, key=k, n_steps=3, t1=2.0, n_starts=2)

    batch = eqx.filter_vmap(fit)(networks, keys)
    for row in range(2):
        alone = fit(build(20, 0.4, key=keys[row]), keys[row]).network.readout_weights
        np.testing.assert_allclose(batch.network.readout_weights[row], alone, atol=1e-10)


def test_wrong_arguments_are_named(case, key):
    network, task, _ = case
    for name, value in {"n_steps": 0, "n_starts": 0, "t1": 0.0, "dt": -1.0, "window": 1.5}.items():
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            fit_through_trajectories(network, task, key=key, **{name: value})
