"""`simulate` against closed forms, loops and the calculus."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg
from helpers import assert_mean_matches, central_difference, machine_epsilon

from rnngeo._results import RESULTS
from rnngeo.integrate import simulate
from rnngeo.models import RateFlow, RateMap

N = 6


def linear_flow(key, gain=0.6):
    return RateFlow(gain * jr.normal(key, (N, N)) / N**0.5, nonlinearity=lambda x: x)


def tanh_flow(key, gain=1.4):
    return RateFlow(gain * jr.normal(key, (N, N)) / N**0.5)


@pytest.mark.float32
def test_linear_flow_is_the_matrix_exponential(key):
    flow, x0, ts = linear_flow(key), jr.normal(key, (N,)), jnp.linspace(0.0, 5.0, 11)
    matrix = np.asarray(flow.weights.as_matrix(), float) - np.eye(N)
    expected = np.stack([scipy.linalg.expm(matrix * float(t)) @ np.asarray(x0) for t in ts])
    trajectory = simulate(flow, x0, t1=5.0, ts=ts)
    assert trajectory.xs.dtype == x0.dtype
    tolerance = 3e-5 if machine_epsilon() < 1e-10 else 2e-3
    np.testing.assert_allclose(trajectory.xs, expected, atol=tolerance)
    np.testing.assert_allclose(trajectory.ts, ts)


@pytest.mark.parametrize(
    ("solver", "order"), [(None, 1), (dfx.Heun(), 2), (dfx.Bosh3(), 3), (dfx.Tsit5(), 5)]
)
def test_order_of_convergence(key, solver, order):
    flow, x0 = tanh_flow(key), jr.normal(key, (N,))
    end = lambda dt, solver: simulate(flow, x0, t1=2.0, dt=dt, solver=solver).xs[-1]
    exact = end(1 / 512, dfx.Dopri8())
    errors = [float(jnp.linalg.norm(end(dt, solver) - exact)) for dt in (1 / 8, 1 / 16)]
    assert order - 0.35 < np.log2(errors[0] / errors[1]) < order + 1


def test_sinusoid_through_a_leaky_unit():
    flow, omega, x0 = RateFlow(jnp.zeros((1, 1))), 1.7, 0.3
    u = lambda t: jnp.sin(omega * t)[None]
    ts = jnp.linspace(0.0, 8.0, 9)
    xs = simulate(flow, jnp.array([x0]), t1=8.0, ts=ts, u=u).xs[:, 0]
    forced = (np.sin(omega * ts) - omega * np.cos(omega * ts)) / (1 + omega**2)
    expected = (x0 + omega / (1 + omega**2)) * np.exp(-ts) + forced
    np.testing.assert_allclose(xs, expected, atol=2e-6)


def test_constant_input_and_starting_time(key):
    flow, x0, u = linear_flow(key), jr.normal(key, (N,)), jnp.arange(N) / N
    late = simulate(flow, x0, t0=3.0, t1=4.0, u=u).xs
    by_function = simulate(flow, x0, t1=1.0, u=lambda t: u).xs
    np.testing.assert_allclose(late, by_function, rtol=1e-9)
    matrix = np.asarray(flow.weights.as_matrix()) - np.eye(N)
    rest = -np.linalg.solve(matrix, u)
    expected = rest + scipy.linalg.expm(matrix) @ (np.asarray(x0) - rest)
    np.testing.assert_allclose(late[0], expected, atol=3e-5)


@pytest.mark.theory
def test_stationary_variance_of_noise_through_a_leaky_unit(key):
    """x' = (1 - h) x + sigma sqrt(h) zeta has variance sigma^2 / (2 - h): exact for the scheme."""
    flow, sigma, dt = RateFlow(jnp.zeros((2, 2))), jnp.array([0.5, 1.0]), 0.1
    run = lambda k: simulate(
        flow, jnp.zeros(2), t1=12.0, dt=dt, noise_std=sigma, key=k, throw=False
    ).xs[-1]
    ends = np.asarray(jax.vmap(run)(jr.split(key, 20_000)))
    start = np.exp(-24.0)  # the variance not yet there
    for unit in range(2):
        squares = ends[:, unit] ** 2 / float(sigma[unit]) ** 2
        assert_mean_matches(squares, 1 / (2 - dt), finite_size=start, max_error=0.01)
        assert_mean_matches(ends[:, unit], 0.0, max_error=0.01)


def test_noise_repeats_with_its_key_and_differs_between_steps(key):
    flow = RateFlow(jnp.zeros((3, 3)))
    ts = jnp.arange(0.0, 1.05, 0.1)
    run = lambda k: simulate(flow, jnp.zeros(3), t1=1.0, ts=ts, dt=0.1, noise_std=1.0, key=k).xs
    first, again, other = run(key), run(key), run(jr.fold_in(key, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other)[1:].min() > 0
    increments = np.asarray(first[1:] - 0.9 * first[:-1])
    assert len(np.unique(increments)) == increments.size


def test_gradient_through_noise_is_that_of_the_frozen_path(key):
    flow = tanh_flow(key)
    end = lambda s: simulate(flow, jnp.ones(N), t1=2.0, dt=0.1, noise_std=s, key=key).xs[-1].sum()
    np.testing.assert_allclose(jax.grad(end)(0.7), central_difference(end, 0.7), rtol=1e-7)


@pytest.mark.float32
def test_map_is_the_numpy_loop(key):
    key_weights, key_start = jr.split(key)
    weights = 1.2 * jr.normal(key_weights, (N, N)) / N**0.5
    network, x0, u = RateMap(weights, tau=2.0), jr.normal(key_start, (N,)), jnp.ones(N)
    x, expected = np.asarray(x0), [np.asarray(x0)]
    for _ in range(10):
        x = 0.5 * x + 0.5 * (np.asarray(weights) @ np.tanh(x) + 1)
        expected.append(x)
    ts = jnp.array([0, 3, 10])
    trajectory = simulate(network, x0, t1=10, ts=ts, u=u)
    np.testing.assert_allclose(trajectory.xs, np.stack(expected)[ts], atol=200 * machine_epsilon())
    last = simulate(network, x0, t1=10, u=lambda t: u)
    np.testing.assert_allclose(last.xs[0], expected[-1], atol=200 * machine_epsilon())
    assert float(last.ts[0]) == 10


@pytest.mark.theory
def test_noise_of_a_map_adds_every_step(key):
    """x' = x/2 + sigma zeta: variance sigma^2 / (1 - 1/4)."""
    network = RateMap(jnp.zeros((1, 1)), tau=2.0)
    run = lambda k: simulate(network, jnp.zeros(1), t1=30, noise_std=0.5, key=k).xs[-1, 0]
    squares = np.asarray(jax.vmap(run)(jr.split(key, 20_000))) ** 2
    assert_mean_matches(squares, 0.25 / 0.75, max_error=0.005)


@pytest.mark.float32
def test_vmap_is_the_loop_and_jit_is_eager(key):
    flow, starts = tanh_flow(key), jr.normal(key, (3, N))
    run = lambda x: simulate(flow, x, t1=3.0, dt=0.05, throw=False).xs[-1]
    loop = jnp.stack([run(x) for x in starts])
    atol = 200 * machine_epsilon()
    np.testing.assert_allclose(jax.vmap(run)(starts), loop, atol=atol)
    np.testing.assert_allclose(jax.jit(jax.vmap(run))(starts), loop, atol=atol)


@pytest.mark.parametrize("dt", [None, 0.125])
def test_gradients_by_every_adjoint(key, dt):
    weights, x0 = tanh_flow(key).weights.as_matrix(), jr.normal(key, (N,))

    def loss(gain, adjoint=None, max_steps=None):
        run = simulate(
            RateFlow(gain * weights), x0, t1=1.0, dt=dt, adjoint=adjoint, max_steps=max_steps
        )
        return jnp.sum(run.xs**2)

    # Adaptive steps make the function itself rough at the level of the tolerance.
    expected, rtol = central_difference(loss, 1.1, 1e-5 if dt else 1e-2), 1e-7 if dt else 1e-3
    np.testing.assert_allclose(jax.grad(loss)(1.1), expected, rtol=rtol)
    if dt:
        forward = lambda g: loss(g, dfx.ForwardMode())
        np.testing.assert_allclose(jax.jvp(forward, (1.1,), (1.0,))[1], expected, rtol=rtol)
        direct = lambda g: loss(g, dfx.DirectAdjoint(), 8)
        np.testing.assert_allclose(jax.grad(direct)(1.1), expected, rtol=rtol)


def test_failures_are_codes_or_errors():
    explosive = RateFlow(3.0 * jnp.eye(2), nonlinearity=lambda x: x)
    run = lambda **kw: simulate(explosive, jnp.ones(2), **kw)
    diverged = run(t1=1e3, dt=0.5, throw=False)
    assert diverged.result == RESULTS.trajectory_diverged
    short = run(t1=1.0, dt=0.01, max_steps=10, throw=False)
    assert short.result == RESULTS.max_steps_reached
    with pytest.raises(RuntimeError, match="finite range"):
        run(t1=1e3, dt=0.5)
    partial = run(t1=1.0, dt=0.01, ts=jnp.array([0.05, 0.9]), max_steps=10, throw=False)
    assert partial.result == RESULTS.max_steps_reached
    assert np.isfinite(partial.xs[0]).all()
    assert np.isinf(partial.xs[1]).all()


def test_wrong_arguments_are_named(key):
    flow, x0 = tanh_flow(key), jnp.ones(N)
    network = RateMap(flow.weights)
    cases = [
        (dict(x0=jnp.ones(N + 1), t1=1.0), r"`x0` must have shape \(6,\), got shape \(7,\)"),
        (dict(t1=1.0, u=jnp.ones(2)), r"`u` must have shape \(6,\)"),
        (dict(t1=1.0, u=lambda t: jnp.ones(2)), r"`u` must return shape \(6,\)"),
        (dict(t1=0.0), "`t1` must be later than `t0`"),
        (dict(t1=1.0, dt=-0.1), "`dt` must be positive, got -0.1"),
        (dict(t1=1.0, dt=0.1, noise_std=1.0), "`key` must be given with `noise_std`"),
        (dict(t1=1.0, noise_std=1.0, key=key), "`dt` must be given with `noise_std`"),
        (dict(t1=1.0, dt=0.1, noise_std=jnp.ones(2), key=key), "`noise_std` must be a number"),
        (dict(network=network, t1=1.5), "whole number, got 1.5"),
        (dict(network=network, t1=5, ts=jnp.array([7])), "`ts` of a map"),
        (dict(network=network, t1=5, dt=0.1), "are for flows"),
    ]
    for arguments, message in cases:
        arguments = {"network": flow, "x0": x0} | arguments
        with pytest.raises(ValueError, match=message):
            simulate(**arguments)


def test_times_do_not_recompile(key):
    traces = []

    def phi(x):
        traces.append(1)
        return jnp.tanh(x)

    flow = RateFlow(tanh_flow(key).weights, nonlinearity=phi)
    simulate(flow, jnp.ones(N), t1=1.0, dt=0.1)
    n_traces = len(traces)
    simulate(eqx.tree_at(lambda f: f.tau, flow, jnp.array(2.0)), jnp.zeros(N), t1=1.1, dt=0.11)
    assert len(traces) == n_traces


@pytest.mark.parametrize("n_steps", [10, 60])
def test_gradient_keeps_every_time_saved_at_the_end_of_a_step(n_steps):
    """Euler on dx/dt = a x: x_n = (1 + a dt)^n, so the derivative of the sum is known."""
    a, dt = 0.4, 0.1
    ts = jnp.asarray([dt * i for i in range(1, n_steps + 1)])

    def total(a):
        linear = RateFlow(jnp.reshape(1 + a, (1, 1)), nonlinearity=lambda x: x)
        path = simulate(linear, jnp.ones(1), t1=dt * n_steps, ts=ts, dt=dt, throw=False)
        return jnp.sum(path.xs)

    n = np.arange(1, n_steps + 1)
    expected = np.sum(n * dt * (1 + a * dt) ** (n - 1))
    assert np.isclose(jax.grad(total)(jnp.asarray(a)), expected, rtol=1e-8)
