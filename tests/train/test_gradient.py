"""Gradient descent in the open and the closed loop against NumPy and finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from helpers import machine_epsilon

from rnngeo._results import RESULTS
from rnngeo.integrate import steady_state
from rnngeo.models import FeedbackNetwork, RateFlow
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import fit_gradient_closed_loop, fit_gradient_open_loop, fit_least_squares

TOLERANCE = 30 * machine_epsilon() ** 0.5


def dense(network, n, drive):
    """Steady state, output, loop slope and dz/dn of the closed loop, with full NumPy matrices."""
    bulk = np.asarray(network.recurrent.weights.as_matrix(), np.float64)
    m, n, drive = (np.asarray(v, np.float64) for v in (network.feedback_weights[:, 0], n, drive))
    x = np.zeros(m.size)
    for _ in range(3000):
        x = x + 0.2 * (-x + bulk @ np.tanh(x) + m * (n @ np.tanh(x)) + drive)
    d = 1 - np.tanh(x) ** 2
    h = (n * d) @ np.linalg.solve(np.eye(m.size) - bulk * d, m)
    return x, n @ np.tanh(x), h, np.tanh(x) / (1 - h)


@pytest.mark.float32
@pytest.mark.parametrize("n_patterns", [1, 2])
def test_open_loop_descent_ends_at_least_squares(build, key, n_patterns):
    network = build(40, 0.5, key=key)
    dtype = network.input_weights.dtype
    task = StationaryAssociation(
        jr.normal(key, (n_patterns, 40), dtype), jnp.asarray([0.8, -0.5], dtype)[:n_patterns]
    )
    closed_form = fit_least_squares(network, task).network.readout_weights
    descended = fit_gradient_open_loop(network, task, n_steps=200)
    assert bool(descended.is_successful)
    np.testing.assert_allclose(descended.network.readout_weights, closed_form, atol=TOLERANCE)


def test_open_loop_error_shrinks_geometrically(build, key):
    network = build(40, 0.5, key=key)
    task = StationaryAssociation(network.input_weights, 0.8)
    n = fit_least_squares(network, task).network.readout_weights[:, 0]
    square = float(0.8**2 / (n @ n))  # n = A phi / |phi|^2
    descended = fit_gradient_open_loop(network, task, learning_rate=0.3 / square, n_steps=200)
    expected = -0.8 * 0.7 ** np.arange(201)
    np.testing.assert_allclose(descended.history["error"], expected, atol=1e-6)
    assert descended.result == RESULTS.successful
    with pytest.raises(ValueError, match="`learning_rate` must be between 0 and 2/lambda_max"):
        fit_gradient_open_loop(network, task, learning_rate=2.01 / square)


def test_closed_loop_step_is_the_gradient_of_the_loss(build, key):
    """One plain step against autodiff of the steady state, (20) in NumPy, central differences."""
    network = build(40, 0.6, key=key)
    target = 1.3
    task = StationaryAssociation(network.input_weights, target)
    n = 0.6 * fit_least_squares(network, task).network.readout_weights[:, 0]
    n = n + 0.3 * jr.normal(key, (40,)) / 40

    step = fit_gradient_closed_loop(
        network, task, readout=n, learning_rate=1.0, n_steps=1, is_normalised=False
    )
    gradient = n - step.network.readout_weights[:, 0]

    _, z, h, dz = dense(network, n, network.input_weights)
    np.testing.assert_allclose(gradient, (z - target) * dz, atol=2e-7)
    np.testing.assert_allclose(step.history["loop_slope"][0], h, atol=1e-6)
    np.testing.assert_allclose(step.history["output"][0], z, atol=1e-8)

    def loss(n):
        trained = network.with_readout(n)
        solved = steady_state(trained.closed_loop, jnp.zeros(40), rtol=1e-9, atol=1e-9)
        return (trained.outputs(solved.value)[0] - target) ** 2 / 2

    np.testing.assert_allclose(jax.grad(loss)(n), gradient, atol=1e-7)
    value = lambda n: (dense(network, n, network.input_weights)[1] - target) ** 2 / 2
    for row in (0, 17):
        shift = np.zeros(40)
        shift[row] = 1e-5
        slope = (value(np.asarray(n) + shift) - value(np.asarray(n) - shift)) / 2e-5
        np.testing.assert_allclose(gradient[row], slope, atol=1e-7)


@pytest.mark.float32
def test_closed_loop_descent_reaches_the_target_on_its_branch(build, key):
    network = build(40, 0.3, key=key)
    task = StationaryAssociation(network.input_weights, 1.2)
    trained = fit_gradient_closed_loop(network, task, n_steps=300)
    assert bool(trained.is_successful)
    assert trained.history["output"].shape == (301,)
    n = trained.network.readout_weights[:, 0]
    _, z, h, _ = dense(network, n, network.input_weights)
    np.testing.assert_allclose(z, 1.2, atol=max(1e-6, TOLERANCE))
    np.testing.assert_allclose(trained.history["output"][-1], z, atol=TOLERANCE)
    np.testing.assert_allclose(trained.history["loop_slope"][-1], h, atol=TOLERANCE)
    assert jnp.all(jnp.diff(trained.history["output"]) > -TOLERANCE)  # from 0 up to A
    assert jnp.all(trained.history["loop_slope"] < 1)


def test_both_clocks_walk_one_path(build, key):
    network = build(40, 0.3, key=key)
    task = StationaryAssociation(network.input_weights, 1.0)
    by_norm = fit_gradient_closed_loop(network, task, learning_rate=0.05, n_steps=300)
    plain = fit_gradient_closed_loop(
        network, task, learning_rate=0.004, n_steps=300, is_normalised=False
    )
    assert plain.is_successful
    # two Euler discretisations of one path: they differ by the step, here 2 percent of the way
    np.testing.assert_allclose(
        plain.network.readout_weights, by_norm.network.readout_weights, atol=5e-4
    )


def test_several_patterns_and_optimizers(build, key):
    network = build(40, 0.4, key=key)
    task = StationaryAssociation(jr.normal(key, (2, 40)), jnp.array([0.8, -0.5]))
    trained = fit_gradient_closed_loop(network, task, n_steps=300)
    assert trained.is_successful
    assert trained.history["error"].shape == (301, 2)
    for drive, target in zip(task.inputs, task.targets, strict=True):
        _, z, _, _ = dense(network, trained.network.readout_weights[:, 0], drive)
        np.testing.assert_allclose(z, target, atol=1e-3)
    explicit = fit_gradient_closed_loop(network, task, n_steps=300, optimizer=optax.sgd(0.05))
    np.testing.assert_allclose(
        explicit.network.readout_weights, trained.network.readout_weights, atol=1e-10
    )


@pytest.mark.slow
def test_batch_over_networks_is_a_loop(build, key):
    keys, rates = jr.split(key, 2), jnp.array([0.03, 0.06])
    networks = eqx.filter_vmap(lambda k: build(40, 0.4, key=k))(keys)

    def both(network, rate):
        task = StationaryAssociation(network.input_weights, 1.0)
        closed = fit_gradient_closed_loop(network, task, learning_rate=rate, n_steps=300)
        opened = fit_gradient_open_loop(network, task, learning_rate=rate, n_steps=200)
        return closed, opened

    batch = eqx.filter_vmap(both)(networks, rates)
    for row in range(2):
        alone = both(build(40, 0.4, key=keys[row]), rates[row])
        for many, one in zip(batch, alone, strict=True):
            np.testing.assert_allclose(
                many.network.readout_weights[row], one.network.readout_weights, atol=1e-7
            )


def test_too_few_steps_miss_the_target_and_say_so(build, key):
    network = build(40, 0.4, key=key)
    task = StationaryAssociation(network.input_weights, 1.0)
    slow = {"n_steps": 300, "learning_rate": 1e-4}
    assert fit_gradient_closed_loop(network, task, **slow).result == RESULTS.target_missed
    slow["n_steps"] = 200
    assert fit_gradient_open_loop(network, task, **slow).result == RESULTS.target_missed
    turning = 3.0 * jnp.kron(jnp.array([[0.0, -1.0], [1.0, 0.0]]), jnp.eye(20))  # a limit cycle
    restless = FeedbackNetwork(RateFlow(turning), jnp.zeros(40), jnp.zeros(40), jnp.zeros(40))
    lost = fit_gradient_closed_loop(restless, task_of(restless), n_steps=300, x0=jnp.ones(40))
    assert lost.result == RESULTS.not_settled


def task_of(network):
    return StationaryAssociation(network.input_weights, 1.0)


def test_wrong_arguments_are_named(build, key):
    network = build(10, 0.3, key=key)
    for fit in (fit_gradient_closed_loop, fit_gradient_open_loop):
        with pytest.raises(ValueError, match="`n_steps` must be at least 1, got 0"):
            fit(network, task_of(network), n_steps=0)
        with pytest.raises(ValueError, match="`learning_rate`"):
            fit(network, task_of(network), learning_rate=0.0)
        with pytest.raises(ValueError, match="`readout` must have shape"):
            fit(network, task_of(network), readout=jnp.zeros(9))
