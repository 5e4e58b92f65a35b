"""Trajectories and sweeps against bare matrix products.

Run with `pytest benchmarks/test_integrate.py -n 0 --benchmark-only -s`; RNNGEO_BENCH_SMALL=1
shrinks every size. Absolute seconds belong to one machine, ratios to the floor travel.
"""

import time

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float, PRNGKeyArray

from rnngeo.connectivity import draw_vectors, gaussian_bulk
from rnngeo.integrate import RowSolver, SettlingController, simulate
from rnngeo.models import FeedbackNetwork, RateFlow


def products(matrix, x, n_steps):
    """The floor: as many products of the batch with a matrix, and nothing else."""
    return jax.lax.fori_loop(0, n_steps, lambda i, y: y @ matrix.T, x)


def rotation(n_units, dtype):
    """A dense matrix whose powers neither vanish nor overflow (either would change the speed)."""
    return jnp.linalg.qr(jr.normal(jr.key(9), (n_units, n_units), dtype))[0]


def test_euler_batch(benchmark, measure, report, pick):
    """(1) 1000 Euler steps of a batch of trajectories, float32."""
    n_batch, n_units, n_steps = pick((256, 512, 1000), (32, 64, 100))
    key_weights, key_start = jr.split(jr.key(0))
    matrix = jr.normal(key_weights, (n_units, n_units), jnp.float32) / n_units**0.5
    starts = jr.normal(key_start, (n_batch, n_units), jnp.float32)
    turn = rotation(n_units, jnp.float32)
    floor = jax.jit(lambda matrix, x: products(matrix, x, n_steps))

    def batch(adjoint):
        run = lambda network, x: simulate(
            network, x, t1=0.1 * n_steps, dt=0.1, adjoint=adjoint, throw=False
        ).xs[-1]
        solve = eqx.filter_jit(eqx.filter_vmap(run, in_axes=(None, 0)))
        return lambda: solve(RateFlow(1.5 * matrix), starts)

    functions = {
        "products": lambda: floor(turn, starts),
        "simulate": batch(None),
        "simulate, checkpoints": batch(dfx.RecursiveCheckpointAdjoint()),
    }
    measured = measure(functions, pick(5, 2))
    report(
        "1000 Euler steps", measured, "products",
        dtype="float32", N=n_units, batch=n_batch, steps=n_steps,
    )  # fmt: skip
    benchmark.pedantic(lambda: jax.block_until_ready(functions["simulate"]()), rounds=1)


class Given(eqx.Module):
    """Starts from a table."""

    states: Float[Array, "row n_units"]

    def __call__(self, row):
        return self.states[row]


def test_adaptive_lanes(benchmark, measure, report, pick):
    """(2) The same batch to the same time, every row with its own steps."""
    n_batch, n_units, t1 = pick((256, 512, 100.0), (32, 64, 10.0))
    key_weights, key_start = jr.split(jr.key(0))
    matrix = jr.normal(key_weights, (n_units, n_units), jnp.float32) / n_units**0.5
    starts = jr.normal(key_start, (n_batch, n_units), jnp.float32)
    turn = rotation(n_units, jnp.float32)
    floor = jax.jit(lambda matrix, x: products(matrix, x, int(10 * t1)))
    controller = dfx.PIDController(rtol=1e-3, atol=1e-6)

    def lanes(solver, n_lanes):
        rows = RowSolver(
            RateFlow(1.5 * matrix), Given(starts), t1=t1, steady=None, solver=solver,
            controller=controller, n_lanes=n_lanes,
        )  # fmt: skip
        state = rows.init(jnp.arange(n_batch))
        return lambda: rows.advance(state, jnp.array(10**6)).results

    functions = {
        "products": lambda: floor(turn, starts),
        "lanes, Tsit5, 64": lanes(dfx.Tsit5(), 64),
        "lanes, Tsit5, 256": lanes(dfx.Tsit5(), 256),
        "lanes, Bosh3, 64": lanes(dfx.Bosh3(), 64),
    }
    measured = measure(functions, pick(4, 2))
    n_steps = np.asarray(functions["lanes, Tsit5, 64"]().n_steps)
    report(
        "Adaptive to the same time", measured, "products", dtype="float32", N=n_units,
        batch=n_batch, rtol=1e-3, atol=1e-6, Tsit5_steps_mean=n_steps.mean(), slowest=n_steps.max(),
    )  # fmt: skip
    run = functions["lanes, Tsit5, 64"]
    benchmark.pedantic(lambda: jax.block_until_ready(run()), rounds=1)


class SpreadStart(eqx.Module):
    """N(0, 1) + k m with k uniform in [-3, 3]."""

    feedback: Float[Array, " n_units"]
    key: PRNGKeyArray

    def __call__(self, row):
        key_x, key_k = jr.split(jr.fold_in(self.key, row))
        m = self.feedback
        k = jr.uniform(key_k, (), m.dtype, -3, 3)
        return jr.normal(key_x, m.shape, m.dtype) + k * m


class Output(eqx.Module):
    """z of a state."""

    network: FeedbackNetwork

    def __call__(self, x):
        return self.network.outputs(x)[0]


def trained(n_units: int, target: float) -> FeedbackNetwork:
    """The main job: g = 0.8, readout by least squares at the open-loop state of the target."""
    key_bulk, key_vectors = jr.split(jr.key(0))
    vectors = draw_vectors(n_units, 1.2, 0.5, 0.5, key=key_vectors)
    bulk = gaussian_bulk(n_units, 0.8, key=key_bulk)
    network = FeedbackNetwork(RateFlow(bulk), vectors.feedback, vectors.feedback, vectors.input)
    flow, none = network.open_loop(target), jnp.zeros(n_units)
    relax = lambda i, x: x + 0.7 * flow.drift(0.0, x, none)
    r = jnp.tanh(jax.lax.fori_loop(0, 500, relax, none))
    return network.with_readout(target * r / (r @ r))


@pytest.mark.parametrize("target", [2.0, 1.56])
def test_sweep_to_rest(benchmark, measure, report, pick, target):
    """(3) Thousands of starts to rest: the lanes against one vmap that waits for the slowest."""
    n_units, n_rows = pick((1000, 4096), (100, 256))
    with jax.enable_x64(True):
        network = trained(n_units, target)
        flow = network.closed_loop
        start, output = SpreadStart(network.feedback_weights[:, 0], jr.key(1)), Output(network)
        rtol, atol = 1e-5, 1e-7
        controller = SettlingController(dfx.PIDController(rtol=1e-3, atol=1e-6))

        @eqx.filter_jit
        def waiting(flow, rows):
            drift = lambda t, x, args: args.drift(t, x, jnp.zeros_like(x))
            event = dfx.Event(dfx.steady_state_event(rtol, atol))

            def one(row):
                solution = dfx.diffeqsolve(
                    dfx.ODETerm(drift), dfx.Tsit5(), 0.0, 1e3, None, start(row), flow,
                    stepsize_controller=controller, event=event, adjoint=dfx.ForwardMode(),
                    max_steps=None, throw=False,
                )  # fmt: skip
                return output(solution.ys[-1]), solution.stats["num_steps"]

            return jax.vmap(one)(rows)

        rows = jnp.arange(n_rows)
        solver = RowSolver(flow, start, output, steady=(rtol, atol))
        state = solver.init(rows)
        lanes = lambda: solver.advance(state, jnp.array(10**6)).results
        begin = time.perf_counter()
        jax.block_until_ready(solver.advance(state, jnp.array(0)))
        print(f"\nlanes: traced and compiled in {time.perf_counter() - begin:.2f} s")
        result, kept = lanes(), {}
        n_steps = np.asarray(result.n_steps)
        n_evaluations = int(6 * n_steps.sum() + 2 * n_rows)
        turn = rotation(n_units, jnp.float64)
        batch = jnp.ones((64, n_units))
        count = max(n_evaluations // 64, 1)
        bare = jax.jit(lambda matrix, x: products(matrix, x, count))
        functions = {
            "products": lambda: bare(turn, batch),
            "lanes": lanes,
            "vmap of diffrax": lambda: kept.setdefault("ends", waiting(flow, rows)),
        }
        measured = measure(functions, pick(1, 2))  # the second takes a minute
        seconds = measured["seconds"]
        spread = n_steps.max() / n_steps.mean()
        report(
            f"Sweep to rest, target {target}", measured, "products", dtype="float64", N=n_units,
            starts=n_rows, n_lanes=solver.n_lanes, mean_steps=n_steps.mean(), slowest=n_steps.max(),
            hit=np.mean(np.abs(np.asarray(result.summary) - target) < 0.1),
        )  # fmt: skip
        gain = float(np.median(seconds["vmap of diffrax"] / seconds["lanes"]))
        print(f"  slowest/mean {spread:.2f}, speed-up {gain:.2f} = {gain / spread:.2f} of it")
        per_thousand = np.median(seconds["lanes"]) * 1024 / n_rows
        print(f"  {per_thousand:.2f} s per 1024 starts")
        agreement = np.abs(np.asarray(kept["ends"][0]) - np.asarray(result.summary)).max()
        print(f"  largest difference of an output from the vmapped solve: {agreement:.1e}")
        assert agreement < 1e-2
        benchmark.pedantic(lambda: jax.block_until_ready(lanes()), rounds=1)
