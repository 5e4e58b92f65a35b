"""The lanes against single diffrax solves, and against themselves in another order."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optimistix as optx
import pytest
from helpers import machine_epsilon
from jaxtyping import Array, PRNGKeyArray

from rnngeo.integrate import RowEnd, RowSolver, SettlingController, solve_rows
from rnngeo.models import RateFlow, RateMap

N = 10


class GaussianStart(eqx.Module):
    key: PRNGKeyArray
    n_units: int = eqx.field(static=True, default=N)

    def __call__(self, row: Array) -> Array:
        key_x, key_size = jr.split(jr.fold_in(self.key, row))
        size = jr.uniform(key_size, (), minval=0.01, maxval=4.0)
        return size * jr.normal(key_x, (self.n_units,))


def network_of(key, kind=RateFlow, gain=1.1, n_units=N):
    matrix = gain * jr.normal(key, (n_units, n_units)) / n_units**0.5
    return kind(matrix, bias=jnp.linspace(-1, 1, n_units))


def single(network, x0, *, solver, controller, steady, t1):
    """One row by diffrax alone."""
    rtol, atol = steady or (0.0, 0.0)
    event = dfx.Event(dfx.steady_state_event(rtol, atol, optx.rms_norm))
    solution = dfx.diffeqsolve(
        dfx.ODETerm(lambda t, x, args: network.drift(t, x, jnp.zeros_like(x))),
        solver,
        0.0,
        t1,
        0.01,
        x0,
        stepsize_controller=controller,
        event=event if steady else None,
        max_steps=10_000,
    )
    return solution.ys[-1], solution.ts[-1], solution.stats["num_steps"]


IMPLICIT = dfx.Kvaerno3(root_finder=dfx.VeryChord(1e-8, 1e-10, optx.max_norm))


@pytest.mark.parametrize(
    ("solver", "steady"),
    [
        (dfx.Tsit5(), (1e-6, 1e-8)),
        (dfx.Bosh3(), (1e-6, 1e-8)),
        (dfx.Tsit5(), None),
        (dfx.Heun(), None),  # not first same as last
        (IMPLICIT, None),  # by diffrax's own step
    ],
)
def test_lanes_are_single_solves(key, solver, steady):
    """Same answers, same times, same numbers of steps."""
    network, start = network_of(key), GaussianStart(key)
    controller = dfx.PIDController(rtol=1e-3, atol=1e-6)
    if steady is not None:
        controller = SettlingController(controller)
    rows, t1 = jnp.arange(11), 200.0 if steady else 4.0
    results = solve_rows(
        network, start, rows, solver=solver, controller=controller, steady=steady, t1=t1, n_lanes=4,
        dt=0.01,
    )  # fmt: skip
    run = eqx.filter_jit(
        lambda x: single(network, x, solver=solver, controller=controller, steady=steady, t1=t1)
    )
    expected = [run(start(i)) for i in rows]
    np.testing.assert_array_equal(results.n_steps, [int(e[2]) for e in expected])
    np.testing.assert_allclose(results.time, [float(e[1]) for e in expected], rtol=1e-6)
    np.testing.assert_allclose(results.summary, jnp.stack([e[0] for e in expected]), atol=1e-7)
    assert np.all(results.code == (RowEnd.SETTLED if steady else RowEnd.REACHED_END))


@pytest.mark.float32
def test_a_row_does_not_know_its_neighbours(key):
    """Same width: bit for bit, in any order and company. Other widths: to rounding."""
    network, start = network_of(key, gain=1.6), GaussianStart(key)
    run = lambda rows, n_lanes: solve_rows(network, start, rows, n_lanes=n_lanes)
    rows = jnp.arange(40)
    results = run(rows, 8)
    assert np.all(results.code == RowEnd.SETTLED)
    order = jr.permutation(key, 40)
    shuffled = run(order, 8)
    for name in ("summary", "time", "n_steps", "code"):
        np.testing.assert_array_equal(getattr(shuffled, name), getattr(results, name)[order])
    others = jnp.concatenate([jnp.array([7, 31, 100, 4]), 300 + jnp.arange(36)])
    few = run(others, 8).summary[jnp.array([0, 1, 3])]
    np.testing.assert_array_equal(few, results.summary[jnp.array([7, 31, 4])])
    wide = run(rows, 40)
    np.testing.assert_allclose(wide.summary, results.summary, atol=1e4 * machine_epsilon())
    if machine_epsilon() < 1e-10:
        np.testing.assert_array_equal(wide.n_steps, results.n_steps)


def test_a_saved_sweep_continues_bit_for_bit(key):
    solver = RowSolver(network_of(key, gain=1.6), GaussianStart(key), n_lanes=64)
    state = solver.init(jnp.arange(150))
    whole = solver.advance(state, jnp.array(10_000))
    assert solver.is_finished(whole)
    n_rounds = 0
    while not solver.is_finished(state):
        arrays, treedef = jax.tree.flatten(solver.advance(state, jnp.array(7)))
        saved = [np.asarray(a).copy() for a in arrays]
        state = jax.tree.unflatten(treedef, [jnp.asarray(a) for a in saved])
        n_rounds += 1
    assert n_rounds > 3
    assert int(state.narrowing) == int(whole.narrowing) == 1
    jax.tree.map(np.testing.assert_array_equal, solver.results(state), solver.results(whole))


@pytest.mark.float32
def test_diverging_and_undecided_rows_are_counted():
    """Linear networks: growth, rotation; even rows start at rest, row 9 nowhere."""
    identity = lambda x: x
    size = lambda row: jnp.where(row % 2 == 0, 0.0, jnp.where(row == 9, jnp.nan, 1.0))
    start = lambda row: size(row) * jnp.ones(2)
    run = lambda matrix, **kw: solve_rows(
        RateFlow(matrix, nonlinearity=identity), start, jnp.arange(10), n_lanes=4, **kw
    )
    growth, rotation = 1.5 * jnp.eye(2), jnp.array([[1.0, -1.0], [1.0, 1.0]])
    results = run(growth)
    counts = {"running": 0, "undecided": 0, "settled": 5, "reached_end": 0, "diverged": 5}
    assert results.counts() == counts
    assert np.all(results.n_steps[::2] == 0)
    assert int(results.n_steps[9]) == 0
    results = run(rotation, t1=30.0)
    assert results.counts() == counts | {"undecided": 4, "diverged": 1}
    np.testing.assert_allclose(results.time[1:9:2], 30.0, rtol=1e-6)
    results = run(rotation, max_steps=5)
    assert np.all(results.n_steps[1:9:2] == 5)
    assert results.counts()["undecided"] == 4


@pytest.mark.float32
@pytest.mark.parametrize(("n_rows", "n_units"), [(1, 1), (3, 5)])
def test_small_sizes(key, n_rows, n_units):
    network = network_of(key, n_units=n_units, gain=0.5)
    start = GaussianStart(key, n_units)
    results = solve_rows(network, start, jnp.arange(n_rows), n_lanes=16)
    assert np.all(results.code == RowEnd.SETTLED)
    residual = jax.vmap(lambda x: network.drift(0.0, x, jnp.zeros(n_units)))(results.summary)
    scale = 1e-7 + 1e-5 * np.sqrt(np.mean(np.asarray(results.summary) ** 2, axis=1))
    assert np.all(np.sqrt(np.mean(np.asarray(residual) ** 2, axis=1)) < 1.1 * scale)


@pytest.mark.float32
def test_maps_iterate_until_rest(key):
    network, start, u = network_of(key, RateMap, gain=0.8), GaussianStart(key), jnp.ones(N) / 3
    results = solve_rows(network, start, jnp.arange(9), n_lanes=4, u=u)
    for row in range(9):
        x, n_steps = start(jnp.array(row)), 0
        while True:
            new = network.update(0.0, x, u)
            rms = lambda v: float(jnp.sqrt(jnp.mean(v**2)))
            if rms(new - x) < 1e-7 + 1e-5 * rms(x):
                break
            x, n_steps = new, n_steps + 1
        np.testing.assert_allclose(results.summary[row], x, atol=1e3 * machine_epsilon())
        assert abs(int(results.n_steps[row]) - n_steps) <= (0 if machine_epsilon() < 1e-10 else 1)


def test_fixed_steps_and_moving_input():
    """Euler by hand, with an input that depends on time."""
    network = RateFlow(jnp.zeros((2, 2)))
    results = solve_rows(
        network, lambda row: row * jnp.ones(2), jnp.arange(5), u=lambda t: t * jnp.ones(2),
        t1=1.0, dt=0.125, steady=None, solver=dfx.Euler(), n_lanes=2,
    )  # fmt: skip
    x = np.arange(5.0)
    for i in range(8):
        x = x + 0.125 * (-x + 0.125 * i)
    np.testing.assert_allclose(results.summary[:, 0], x, rtol=1e-12)
    np.testing.assert_array_equal(results.n_steps, 8)


def test_summary_is_a_tree_and_progress_reports(key):
    network, seen = network_of(key), []
    results = solve_rows(
        network, GaussianStart(key), jnp.arange(20),
        summarise=lambda x: {"mean": x.mean(), "is_up": x[0] > 0},
        n_lanes=4, n_iterations=5, progress=lambda *a: seen.append(a),
    )  # fmt: skip
    assert results.summary["mean"].shape == (20,)
    assert results.summary["is_up"].dtype == bool
    assert seen[0] == ("starts", 0, 20)
    assert seen[-1] == ("starts", 20, 20)
    assert [s[1] for s in seen] == sorted(s[1] for s in seen)


def test_other_networks_rows_and_counts_do_not_recompile(key):
    traces = []

    def phi(x):
        traces.append(1)
        return jnp.tanh(x)

    def solve(seed, gain, first, n_iterations):
        network = RateFlow(gain * jr.normal(jr.key(seed), (N, N)) / N**0.5, nonlinearity=phi)
        solver = RowSolver(network, GaussianStart(jr.key(seed)), n_lanes=4, t1=50.0 + gain)
        state = solver.init(first + jnp.arange(6))
        before = len(traces)
        state = solver.advance(state, jnp.array(n_iterations))
        return len(traces) - before

    assert solve(0, 0.8, 0, 3) > 0
    assert solve(1, 0.9, 5, 50) == 0


def test_wrong_arguments_are_named(key):
    network, start = network_of(key), GaussianStart(key)
    with pytest.raises(ValueError, match="`n_lanes` must be at least 1, got 0"):
        RowSolver(network, start, n_lanes=0)
    with pytest.raises(ValueError, match=r"`start` must return a state of shape \(10,\)"):
        RowSolver(network, GaussianStart(key, 3))
    with pytest.raises(ValueError, match="`t1` must be later"):
        RowSolver(network, start, t1=-1.0)
    with pytest.raises(ValueError, match="`rows` must be a one-dimensional array"):
        RowSolver(network, start).init(jnp.zeros(3))
