"""All fixed points of a feedback network: the scalar reduction against Newton from many starts."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from rnngeo.reports import StabilityParameters, build_network
from rnngeo.stability import WideStarts, find_fixed_points, loop_fixed_points, spectrum


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def test_all_fixed_points(benchmark, measure, report, pick):
    """The baseline is 256 Newton starts; both must find three points to be compared."""
    n_units, n_starts = pick((1000, 256), (100, 32))
    parameters = StabilityParameters(n_units=n_units)
    network = build_network(parameters, key=jr.fold_in(jr.key(0), 0))[0].network
    start = WideStarts(network.feedback_weights[:, 0], jnp.asarray([-3.0, 3.0]), jr.key(1))
    starts = jax.vmap(start)(jnp.arange(n_starts))
    reduced = lambda: loop_fixed_points(network).state
    newton = lambda: find_fixed_points(network.closed_loop, starts).state
    found = {"reduction": len(reduced()), "Newton": len(newton())}
    measured = measure({"Newton": newton, "reduction": reduced}, pick(5, 2))
    report("All fixed points", measured, "Newton", dtype="float64", N=n_units, starts=n_starts,
           found=found)  # fmt: skip
    benchmark.pedantic(reduced, rounds=1)
    assert found["reduction"] == 3


def test_spectrum(benchmark, measure, report, pick):
    """The floor is LAPACK's eigenvalues of the same matrix, called by NumPy."""
    n_units = pick(1000, 100)
    network = build_network(StabilityParameters(n_units=n_units), key=jr.key(0))[0].network
    x = jr.normal(jr.key(1), (n_units,))
    matrix = np.asarray(network.closed_loop.weights.as_matrix()) * (1 - np.tanh(np.asarray(x)) ** 2)
    functions = {
        "numpy": lambda: np.linalg.eigvals(matrix),
        "spectrum": lambda: spectrum(network, x).effective,
    }
    report("Spectrum", measure(functions, pick(5, 2)), "numpy", dtype="float64", N=n_units)
    benchmark.pedantic(lambda: jax.block_until_ready(functions["spectrum"]()), rounds=1)
