"""Exact flux of many small and of single larger networks, its gradient, and the bracket.

Run with `pytest benchmarks/test_information.py -n 0 --benchmark-only -s`; RNNGEO_BENCH_SMALL=1
shrinks every size. Absolute seconds belong to one machine, ratios to the floor travel.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from rnngeo.information import flux_bracket, information_flux, state_chain
from rnngeo.models import BinaryNetwork


def flux_in_numpy(w):
    """The same formulas, one network at a time."""
    n = len(w)
    k = np.arange(2**n)
    states = 2.0 * ((k[:, None] >> np.arange(n)[::-1]) & 1) - 1
    u = states @ w.T
    t = np.prod(1 / (1 + np.exp(-states[None] * u[:, None])), axis=-1)
    t = t[: 2 ** (n - 1), : 2 ** (n - 1)] + t[: 2 ** (n - 1), : 2 ** (n - 1) - 1 : -1]
    for i in range(len(t) - 1, 0, -1):
        t[:i, i] /= t[i, :i].sum()
        t[:i, :i] += np.outer(t[:i, i], t[i, :i])
    p = np.ones(1)
    for i in range(1, len(t)):
        p = np.append(p, p @ t[:i, i])
    p = p / p.sum()
    q = np.exp(-np.abs(u[: len(p)]))
    g = np.sum(np.log1p(q) + np.abs(u[: len(p)]) * q / (1 + q), axis=1)
    return 1 - np.sum(p * np.log2(p)) - p @ g / np.log(2)


def test_many_small_networks(benchmark, measure, report, pick):
    """(1) A batch of networks of 5 units against a loop over them."""
    n_networks = pick(4096, 64)
    with jax.enable_x64(True):
        weights = jr.normal(jr.key(0), (n_networks, 5, 5))
        flux = lambda w: information_flux(BinaryNetwork(w)).flux
        every = jax.jit(lambda weights: jax.lax.map(flux, weights, batch_size=128))
        matrices = np.asarray(weights)
        functions = {
            "loop": lambda: np.array([flux_in_numpy(w) for w in matrices]),
            "batch": lambda: every(weights),
        }
        measured = measure(functions, pick(3, 2))
        found = report(
            "Flux of many networks", measured, "loop", dtype="float64", N=5, networks=n_networks
        )
        per_second = n_networks / np.median(measured["seconds"]["batch"])
        print(f"  {1 / found['batch']:.0f} times the loop, {per_second:.3g} networks a second")
        np.testing.assert_allclose(functions["batch"](), functions["loop"](), atol=1e-11)
        benchmark.pedantic(lambda: jax.block_until_ready(functions["batch"]()), rounds=1)


@pytest.mark.parametrize("is_larger", [False, True])
def test_split_products(benchmark, measure, report, pick, is_larger):
    """(2) A step of the law by two factors against the stored matrix, and against making it."""
    n_units = pick((12, 14), (6, 8))[is_larger]
    with jax.enable_x64(True):
        network = BinaryNetwork(jr.normal(jr.key(0), (n_units, n_units)) / n_units**0.5)
        chain = state_chain(network)
        p = jnp.full(chain.n_states, 1.0 / chain.n_states)
        matrix = eqx.filter_jit(lambda chain: chain.as_matrix())(chain)
        dense = jax.jit(lambda p, t: p @ t)
        split = eqx.filter_jit(lambda chain, p: chain.push(p))
        build = eqx.filter_jit(lambda chain, p: p @ chain.as_matrix())
        functions = {
            "stored matrix": lambda: dense(p, matrix),
            "two factors": lambda: split(chain, p),
            "matrix made and used": lambda: build(chain, p),
        }
        measured = measure(functions, pick(5, 2))
        report("One step of a law", measured, "stored matrix", dtype="float64", N=n_units)
        n = chain.n_states
        print(
            f"  held: matrix {8e-6 * n * n:.0f} MB, factors {16e-6 * n * 2 ** (n_units / 2):.1f} MB"
        )
        np.testing.assert_allclose(
            functions["two factors"](), functions["stored matrix"](), atol=1e-13
        )
        benchmark.pedantic(lambda: jax.block_until_ready(functions["two factors"]()), rounds=1)


def test_gradient(benchmark, measure, report, pick):
    """(3) Value and gradient together against the value alone."""
    with jax.enable_x64(True):
        for n_units, n_networks in pick(((5, 1024), (10, 1)), ((3, 16), (5, 1))):
            weights = jr.normal(jr.key(0), (n_networks, n_units, n_units)) / n_units**0.5
            flux = lambda w: information_flux(BinaryNetwork(w)).flux
            value = jax.jit(jax.vmap(flux))
            both = jax.jit(jax.vmap(jax.value_and_grad(flux)))
            functions = {
                "value": lambda f=value, w=weights: f(w),
                "value and gradient": lambda f=both, w=weights: f(w),
            }
            measured = measure(functions, pick(5, 2))
            report(
                "Gradient of the flux", measured, "value", dtype="float64", N=n_units,
                networks=n_networks,
            )  # fmt: skip
        benchmark.pedantic(lambda: jax.block_until_ready(functions["value"]()), rounds=1)


def test_bracket(benchmark, measure, report, pick):
    """(4) The bracket of many pairs against its matrix product alone."""
    n_pairs, n_units = pick((8192, 100), (256, 20))
    with jax.enable_x64(True):
        keys = jr.split(jr.key(0), 2)
        network = BinaryNetwork(jr.normal(keys[0], (n_units, n_units)) / n_units**0.5)
        x, y = jr.rademacher(keys[1], (2, n_pairs, n_units), jnp.float64)
        product = jax.jit(lambda x, y: x @ y.T)
        functions = {
            "product": lambda: product(x, y),
            "bracket": lambda: flux_bracket(network, x, y),
        }
        measured = measure(functions, pick(3, 2))
        report(
            "Bracket", measured, "product", dtype="float64", N=n_units, pairs=n_pairs,
        )  # fmt: skip
        benchmark.pedantic(lambda: jax.block_until_ready(functions["bracket"]()), rounds=1)
