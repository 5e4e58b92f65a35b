"""Simulated binary networks: transition frequencies, stationary law, batches, bad input."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from rnngeo.information import information_flux, state_index, state_table
from rnngeo.integrate import simulate_binary
from rnngeo.models import BinaryNetwork

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/information_flux.json").read_text())
C2 = np.array(GOLDEN["matrices"]["items"]["C2"]["W"])


@eqx.filter_jit
def _replicas(network, x0s, n_steps, keys, n_burn=0):
    run = lambda x0, k: simulate_binary(network, x0, n_steps, n_burn=n_burn, key=k)
    return jax.vmap(run)(x0s, keys)


def _assert_frequencies(counts, law):
    """Counts of independent draws within 4.5 binomial errors of a law, cell by cell."""
    n = counts.sum(axis=-1, keepdims=True)
    error = np.sqrt(law * (1 - law) / n)
    assert np.all(np.abs(counts / n - law) < 4.5 * error)


def test_transition_frequencies(key):
    """One step of 20000 replicas from each state of C2; other conventions are far away."""
    n = 20_000
    x0s = jnp.repeat(state_table(2), n, axis=0)
    ends = _replicas(BinaryNetwork(C2), x0s, 1, jr.split(key, len(x0s)))[:, 1]
    counts = np.stack(
        [np.bincount(k, minlength=4) for k in np.asarray(state_index(ends)).reshape(4, n)]
    )
    _assert_frequencies(counts, np.array(GOLDEN["transition"]["C2"]))
    u = np.asarray(state_table(2)) @ C2.T
    for wrong in (np.asarray(state_table(2)) @ C2, 2 * u):  # transposed; a factor of two
        up = 1 / (1 + np.exp(-wrong))
        rows = np.stack([(1 - up), up], axis=2)
        law = (rows[:, 0, :, None] * rows[:, 1, None, :]).reshape(4, 4)
        with pytest.raises(AssertionError):
            _assert_frequencies(counts, law)


def test_stationary_law_after_burning_in(key):
    """Ends of 20000 independent runs of a network with bias against its exact law."""
    network = BinaryNetwork(C2, bias=np.array([0.5, -1.0]))
    x0s = jnp.ones((20_000, 2))
    xs = _replicas(network, x0s, 1, jr.split(key, len(x0s)), 60)
    for time in (0, 1):
        counts = np.bincount(np.asarray(state_index(xs[:, time])), minlength=4)
        _assert_frequencies(counts, np.asarray(information_flux(network).law))


def test_noise_of_the_input(key):
    """A field of 10 behind noise of 10 against the table."""
    network = BinaryNetwork(np.zeros((1, 1)), bias=np.array([10.0]), noise_std=10.0)
    xs = _replicas(network, jnp.ones((20_000, 1)), 2, jr.split(key, 20_000))
    up = np.sum(np.asarray(xs)[:, 1:, 0] == 1, axis=0)
    q = GOLDEN["noise"]["q_r_at_u10"]["10"]
    _assert_frequencies(np.stack([20_000 - up, up], axis=1), np.array([1 - q, q]))


def test_one_key_one_path(key):
    """A longer run begins as a shorter one; burning in only drops the beginning."""
    network = BinaryNetwork(jr.normal(key, (7, 7)))
    x0 = jnp.ones(7)
    run = lambda n, burn: simulate_binary(network, x0, n, n_burn=burn, key=key)
    long = run(40, 0)
    assert long.shape == (41, 7)
    assert np.array_equal(long[0], x0)
    assert set(np.unique(long)) == {-1.0, 1.0}
    np.testing.assert_array_equal(run(15, 0), long[:16])
    np.testing.assert_array_equal(run(30, 10), long[10:])


def test_batches_are_loops(key):
    """Networks times replicas."""
    ws = jr.normal(key, (3, 6, 6))
    x0s = jr.rademacher(jr.fold_in(key, 1), (4, 6)) * 1.0
    keys = jr.split(jr.fold_in(key, 2), (3, 4))
    many = jax.vmap(lambda w, ks: _replicas(BinaryNetwork(w), x0s, 12, ks))(ws, keys)
    assert many.shape == (3, 4, 13, 6)
    for i in range(3):
        for j in range(4):
            one = simulate_binary(BinaryNetwork(ws[i]), x0s[j], 12, key=keys[i, j])
            np.testing.assert_array_equal(many[i, j], one)


def test_replicas_share_one_matrix_product(key):
    """No copy of the weights for each replica: a product of two matrices in the loop."""
    n_units, n_replicas = 30, 50
    network = BinaryNetwork(jr.normal(key, (n_units, n_units)))
    x0s, keys = jnp.ones((n_replicas, n_units)), jr.split(key, n_replicas)
    run = lambda x0s, keys: _replicas(network, x0s, 3, keys)
    program = jax.jit(run).lower(x0s, keys).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert products
    assert all("batching_dims" not in line for line in products)
    assert all(f"tensor<{n_replicas}x{n_units}x{n_units}x" not in line for line in products)


def test_dtype_is_that_of_the_start(key):
    network = BinaryNetwork(jnp.eye(2, dtype=jnp.float32))
    assert simulate_binary(network, jnp.ones(2, jnp.float32), 3, key=key).dtype == jnp.float32
    assert simulate_binary(network, np.array([1, -1]), 3, key=key).dtype == jnp.result_type(float)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 0}, "`n_steps` must be at least 1, got 0"),
        ({"n_burn": -1}, "`n_burn` must not be negative, got -1"),
        ({"x0": np.ones(3)}, r"`x0` must have shape \(2,\)"),
        ({"x0": np.array([0.0, 1.0])}, "`x0` must hold -1 and 1, got 1 other entries of 2"),
        ({"x0": np.array([np.nan, 1.0])}, "`x0` must hold -1 and 1"),
    ],
)
def test_bad_input_is_named(key, options, message):
    arguments = {"x0": np.ones(2), "n_steps": 3, **options}
    with pytest.raises(ValueError, match=message):
        simulate_binary(BinaryNetwork(C2), key=key, **arguments)
