"""One step of recursive least squares against its floor: two products and a rank-one update."""

import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from rnngeo.connectivity import draw_vectors, gaussian_bulk
from rnngeo.models import FeedbackNetwork, RateFlow
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import fit_recursive_least_squares

N_UNITS, N_STEPS, N_PAIRS = 1000, 200, 7


def _seconds(run):
    begin = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - begin


@jax.jit
def _floor(weights, p, x):
    """What every step must read and write: W phi, P phi, P - s s^T."""

    def step(_, carry):
        x, p = carry
        x = 0.9 * x + 0.1 * (weights @ x)
        k = p @ x
        scaled = k * jax.lax.rsqrt(1 + x @ k)
        return x, p - scaled[:, None] * scaled[None, :]

    return jax.lax.fori_loop(0, N_STEPS, step, (x, p))


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_recursive_least_squares_step(benchmark, precision):
    with jax.enable_x64(True):
        dtype, key = jnp.dtype(precision), jr.key(0)
        vectors = draw_vectors(N_UNITS, 1.2, 0.5, jnp.asarray(0.5, dtype), key=key, is_exact=True)
        bulk = gaussian_bulk(N_UNITS, jnp.asarray(0.3, dtype), key=key)
        silent = jnp.zeros((), dtype)
        flow = RateFlow(bulk, silent, silent + 1)
        network = FeedbackNetwork(flow, vectors.feedback, jnp.zeros(N_UNITS, dtype), vectors.input)
        task = StationaryAssociation(vectors.input, jnp.asarray(1.2, dtype))
        x0 = jr.normal(key, (N_UNITS,), dtype)

        def fit():
            duration = N_STEPS * 0.1
            return fit_recursive_least_squares(network, task, x0=x0, duration=duration).history

        floor = lambda: _floor(bulk.matrix, jnp.eye(N_UNITS, dtype=dtype), x0)
        compile_time = _seconds(fit)
        _seconds(floor)
        pairs = [(_seconds(fit), _seconds(floor)) for _ in range(N_PAIRS)]
        ours, bare = np.median(pairs, axis=0) / N_STEPS
        ratio = float(np.median([a / b for a, b in pairs]))
        print(
            f"\nrecursive least squares, N={N_UNITS}, {precision}, {jax.devices()[0].device_kind}, "
            f"jax {jax.__version__}: {ours * 1e3:.3f} ms a step, floor {bare * 1e3:.3f} ms, "
            f"ratio {ratio:.2f}; first call (with compilation) {compile_time:.2f} s"
        )
        benchmark.extra_info.update(ratio=ratio, compile_s=compile_time, dtype=precision)
        benchmark.pedantic(fit, rounds=3)
