"""Accumulated covariances: factored couplings against dense ones, streaming against storing.

Run with `pytest benchmarks/test_geometry.py -n 0 --benchmark-only -s`; RNNGEO_BENCH_SMALL=1 shrinks
every size. Absolute seconds belong to one machine, ratios to the floor travel.
"""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import pytest

from rnngeo.connectivity import random_modes
from rnngeo.geometry import accumulate_covariances, covariances
from rnngeo.integrate import simulate
from rnngeo.models import RateFlow


def equal_modes(n_units, n_modes, key):
    """Random modes of one strength, gain 2, factored."""
    strengths = jnp.full(n_modes, 2.0 * (n_units / n_modes) ** 0.5)
    return random_modes(n_units, strengths, is_factored=True, key=key)


@pytest.mark.parametrize("n_replicas", [1, 8])
def test_factored_modes(benchmark, measure, report, pick, n_replicas):
    """(1) Running with L D R^T against running with its matrix; few samples: steps count."""
    n_units, time = pick((2000, 40.0), (200, 20.0))
    with jax.enable_x64(True):
        x0 = 2 * jr.normal(jr.key(1), (n_replicas, n_units))
        ratios = (0.1, 0.25, 0.5)
        weights = {r: equal_modes(n_units, int(r * n_units), jr.key(0)) for r in ratios}

        def run(operator):
            return lambda: accumulate_covariances(
                RateFlow(operator), x0, block_time=time / 2, n_blocks=1, transient=time / 2,
                gap=0.0, interval=time / 4, has_currents=False,
            ).x  # fmt: skip

        dense = lx.MatrixLinearOperator(weights[0.1].as_matrix())
        functions = {"dense": run(dense)}
        functions |= {f"factored, M/N = {r}": run(weights[r]) for r in ratios}
        measured = measure(functions, pick(3, 2))
        found = report(
            "Steps with factored couplings", measured, "dense", dtype="float64", N=n_units,
            replicas=n_replicas, steps=int(10 * time), evaluations_a_step=3,
        )  # fmt: skip
        for r in ratios:
            excess = found[f"factored, M/N = {r}"] / (2 * r)
            print(f"  M/N = {r}: {excess:.2f} x the ratio of operation counts {2 * r}")
        benchmark.pedantic(lambda: jax.block_until_ready(functions["dense"]()), rounds=1)


def test_streaming(benchmark, measure, report, pick):
    """(2) Adding products while the network runs against keeping the trajectory."""
    n_units, n_replicas, n_samples = pick((500, 8, 400), (50, 4, 40))
    dt = 0.1
    with jax.enable_x64(True):
        x0 = 2 * jr.normal(jr.key(1), (n_replicas, n_units))
        network = RateFlow(2 * jr.normal(jr.key(0), (n_units, n_units)) / n_units**0.5)
        ts = jnp.arange(1.0, n_samples + 1)
        n_steps = int(n_samples / dt)

        @eqx.filter_jit
        def bare(matrix, x):
            """As many products of all replicas with the weights as the solver needs."""
            return jax.lax.fori_loop(0, 3 * n_steps, lambda i, y: jnp.tanh(y) @ matrix.T, x)

        @eqx.filter_jit
        def record(network, x0):
            one = lambda x: simulate(
                network, x, t1=ts[-1], ts=ts, dt=dt, solver=dfx.Bosh3(), throw=False,
                max_steps=2 * n_steps,
            ).xs  # fmt: skip
            return jax.vmap(one)(x0)

        def store():
            xs = record(network, x0)
            return covariances(jnp.tanh(xs)).moment, covariances(xs).moment

        def stream():
            run = accumulate_covariances(
                network, x0, block_time=float(n_samples), n_blocks=1, transient=0.0, gap=0.0, dt=dt
            )
            return run.rates.moment, run.currents.moment

        matrix = network.weights.as_matrix()
        functions = {"products": lambda: bare(matrix, x0), "stream": stream, "store": store}
        measured = measure(functions, pick(3, 2))
        report(
            "Streaming covariances", measured, "products", dtype="float64", N=n_units,
            replicas=n_replicas, samples=n_samples, steps=n_steps,
        )  # fmt: skip
        sums = 2 * n_replicas * n_units**2 * 8
        path = n_replicas * n_samples * n_units * 8
        batch = path * 64 // n_samples
        print(f"  held: stream {(sums + batch) / 1e6:.0f} MB at any length of the run,")
        print(f"  store {(sums + 2 * path) / 1e6:.0f} MB at {n_samples} samples, growing with it")
        gap = np.abs(np.asarray(stream()[0][0, 0]) - np.asarray(store()[0][0, 0])).max()
        print(f"  largest difference of a covariance: {gap:.1e} (chaos parts the two)")
        benchmark.pedantic(lambda: jax.block_until_ready(stream()), rounds=1)
