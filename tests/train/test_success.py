"""The two criteria of success against a NumPy Euler loop and NumPy eigenvalues."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import machine_epsilon

from rnngeo.models import RateMap
from rnngeo.numerics import wilson_interval
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import fit_least_squares, training_success


def trained(build, key, target, **options):
    network = build(key=key, **options)
    return fit_least_squares(network, StationaryAssociation(network.input_weights, target)).network


def naive(network, target, starts, dt, times=(70.0, 80.0)):
    """|z - A| at the two times for every start, and the largest real part at x_A."""
    bulk = np.asarray(network.recurrent.weights.as_matrix())
    m, n = np.asarray(network.feedback_weights[:, 0]), np.asarray(network.readout_weights[:, 0])
    drive = np.asarray(network.input_weights)
    deviations = []
    for x in np.asarray(starts):
        read = []
        for step in range(1, round(times[-1] / dt) + 1):
            x = x + dt * (-x + bulk @ np.tanh(x) + m * (n @ np.tanh(x)) + drive)
            if step in [round(t / dt) for t in times]:
                read.append(abs(n @ np.tanh(x) - target))
        deviations.append(read)
    x = np.zeros(m.size)
    for _ in range(2000):
        x = bulk @ np.tanh(x) + m * target + drive
    effective = (bulk + np.outer(m, n)) * (1 - np.tanh(x) ** 2)
    return np.array(deviations), np.linalg.eigvals(effective).real.max()


@pytest.mark.float32
@pytest.mark.parametrize("wide", [None, (-3.0, 3.0)])
def test_success_is_the_naive_loop(build, key, wide):
    target = 2.5  # bistable: some wide starts end elsewhere
    network = trained(build, key, target, n_units=40, gain=0.3)
    success = training_success(network, target, key=key, n_starts=12, wide=wide)
    key_noise, key_offset = jr.split(key)
    dtype = network.input_weights.dtype
    starts = jr.normal(key_noise, (12, 40), dtype)
    if wide is not None:
        k = jr.uniform(key_offset, (12, 1), dtype, *wide)
        starts = starts + k * network.feedback_weights[:, 0]
    deviations, local = naive(network, target, starts, 0.1)
    n_good = int((deviations < 0.05).all(axis=1).sum())
    if wide is not None:
        assert 0 < n_good < 12
    close = 100 * machine_epsilon() ** 0.5
    np.testing.assert_allclose(success.basin_fraction, n_good / 12, atol=1e-6)
    np.testing.assert_allclose(success.local, local, atol=close)
    np.testing.assert_allclose(success.max_deviation, deviations.max(), atol=close)
    low, high = wilson_interval(n_good, 12)
    np.testing.assert_allclose([success.low, success.high], [low, high], atol=1e-6)
    assert bool(success.is_local)
    assert success.n_starts == 12


@pytest.mark.parametrize("target", [-0.6, 1.0])
def test_unstable_target_is_told(build, key, target):
    """rho = 0.99: least squares is locally unstable at -0.6, stable at 1 (theory: 2.23, 0.20)."""
    network = trained(build, key, target, n_units=40, gain=0.3, rho=0.99)
    success = training_success(network, target, key=key, n_starts=12)
    assert bool(success.is_local) == (target > 0)
    assert float(success.basin_fraction) == float(target > 0)


def test_map_is_judged_by_the_modulus(build, key):
    network = trained(build, key, 1.0, n_units=40, gain=0.5, kind=RateMap)
    success = training_success(network, 1.0, key=key, n_starts=12)
    bulk = np.asarray(network.recurrent.weights.as_matrix())
    m, n = np.asarray(network.feedback_weights[:, 0]), np.asarray(network.readout_weights[:, 0])
    x = np.zeros(40)
    for _ in range(2000):
        x = bulk @ np.tanh(x) + m + np.asarray(network.input_weights)
    effective = (bulk + np.outer(m, n)) * (1 - np.tanh(x) ** 2)
    np.testing.assert_allclose(success.local, np.abs(np.linalg.eigvals(effective)).max(), atol=1e-6)
    assert float(success.basin_fraction) == 1.0


def test_batch_over_networks_is_a_loop(build, key):
    keys = jr.split(key, 2)
    networks = [trained(build, k, 1.0, n_units=40, gain=0.4) for k in keys]
    stacked = eqx.filter_vmap(lambda k: build(40, 0.4, key=k))(keys)
    readouts = jnp.stack([network.readout_weights for network in networks])
    stacked = eqx.tree_at(lambda net: net.readout_weights, stacked, readouts)
    judge = lambda network, k: training_success(network, 1.0, key=k, n_starts=12)
    batch = eqx.filter_vmap(judge)(stacked, keys)
    for row in range(2):
        alone = judge(networks[row], keys[row])
        np.testing.assert_allclose(batch.local[row], alone.local, atol=1e-6)
        assert batch.basin_fraction[row] == alone.basin_fraction


def test_diverged_starts_are_no_success(build, key):
    network = build(40, 0.4, key=key)
    success = training_success(network, 1.0, key=key, n_starts=12, times=(6e3, 8e3), dt=20.0)
    assert float(success.basin_fraction) == 0.0
    assert not np.isfinite(success.max_deviation) or success.max_deviation > 0.05


def test_wrong_arguments_are_named(build, key):
    network = build(10, 0.3, key=key)
    wrong = {
        "n_starts": 0,
        "tolerance": 0.0,
        "dt": 0.0,
        "times": (80.0, 70.0),
        "wide": (1.0, -1.0),
    }
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            training_success(network, 1.0, key=key, **{name: value})
