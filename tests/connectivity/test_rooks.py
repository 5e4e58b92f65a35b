"""Constructed weights: their exact flux, and what they are made of."""

import json
from math import comb
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from rnngeo.connectivity import conference_weights, long_cycle, rooks
from rnngeo.information import attractor_cycles, correlations, information_flux, row_norm_bound
from rnngeo.models import BinaryNetwork

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/information_flux.json").read_text())


def _h2(u):
    """Binary entropy of the logistic function, written plainly."""
    p = 1 / (1 + np.exp(-u))
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def _flux_and_correlation(matrix):
    network = BinaryNetwork(matrix)
    result = information_flux(network)
    return result, float(correlations(network, result.law).rms)


def test_rooks_in_their_places():
    matrix = rooks([2, 0, 1], [1, -1, 1], [3.0, 5.0, 7.0]).as_matrix()
    assert np.array_equal(matrix, [[0, 0, 3], [-5, 0, 0], [0, 7, 0]])
    assert np.array_equal(rooks([0], [-1], 2).as_matrix(), [[-2.0]])


def test_rooks_of_unequal_weights():
    case = GOLDEN["rooks_unequal"]["items"][0]
    result, rms = _flux_and_correlation(rooks(case["perm"], case["sign"], case["weights"]))
    assert float(result.flux) == pytest.approx(case["I"], abs=1e-10)
    assert rms == pytest.approx(case["C"], abs=1e-10)
    np.testing.assert_allclose(result.law, 1 / 16, rtol=1e-12)


@pytest.mark.parametrize("case", GOLDEN["rooks_table"]["items"], ids=lambda case: f"N{case['N']}")
def test_rooks_law(case, key):
    """Any permutation and signs: the table, uniform states, and the bound on the rows."""
    n = case["N"]
    key_permutation, key_signs = jr.split(key)
    permutation, signs = jr.permutation(key_permutation, n), jr.rademacher(key_signs, (n,))
    for w in (5, 10, 20):
        result, rms = _flux_and_correlation(rooks(permutation, signs, float(w)))
        assert float(result.flux) == pytest.approx(case[f"I_w{w}"], abs=1e-10)
        np.testing.assert_allclose(result.law, 2.0**-n, rtol=1e-11)
        assert rms == pytest.approx(np.tanh(w / 2) / np.sqrt(n), abs=1e-10)
        bound = row_norm_bound(BinaryNetwork(rooks(permutation, signs, float(w))))
        assert float(result.flux) == pytest.approx(float(bound), abs=1e-10)
    assert np.tanh(5) / np.sqrt(n) == pytest.approx(case["C_w10"], abs=1e-10)


def test_rooks_are_differentiable_and_sweep_in_one_program():
    build = lambda w: rooks([1, 0], [1, -1], w).as_matrix()
    np.testing.assert_array_equal(jax.jacfwd(build)(3.0), [[0, 1], [-1, 0]])
    many = jax.vmap(build)(jnp.arange(3.0))
    np.testing.assert_array_equal(many, np.arange(3.0)[:, None, None] * build(1.0))


@pytest.mark.parametrize("name", ["W8", "W30"])
def test_long_cycles_against_the_table(name):
    case = GOLDEN["dense_optima"]["items"][name]
    n = len(case["W"])
    assert np.array_equal(long_cycle(n).as_matrix(), case["W"])
    assert attractor_cycles(BinaryNetwork(long_cycle(n))).lengths.tolist() == case["cycles"]
    for w, values in case["at"].items():
        result, rms = _flux_and_correlation(long_cycle(n, float(w)))
        for value, entry in ((result.flux, "I"), (result.entropy, "H"), (rms, "C")):
            assert float(value) == pytest.approx(values[entry], abs=1e-10)


def test_larger_entries_run_through_all_states_of_five_units():
    rows = [[3, -1, -1, 1, -1], [-1, 2, 2, 3, -1], [-1, -3, -2, 2, 1], [1, -2, 3, 2, 1],
            [1, 1, -1, 1, 3]]  # fmt: skip
    cycles = attractor_cycles(BinaryNetwork(np.array(rows, float)))
    assert cycles.lengths.tolist() == [32]
    assert not bool(cycles.has_ties)


@pytest.mark.parametrize("n_units", [1, 2, 3, 4])
def test_cycles_through_all_states(n_units):
    cycles = attractor_cycles(BinaryNetwork(long_cycle(n_units)))
    assert cycles.lengths.tolist() == [2**n_units]
    assert not bool(cycles.has_ties)
    strong = information_flux(BinaryNetwork(long_cycle(n_units, 30.0)))
    assert float(strong.flux) == pytest.approx(n_units, abs=1e-9)


@pytest.mark.parametrize("n_units", [4, 6, 8, 14, 18])
def test_conference_weights(n_units):
    w = np.asarray(conference_weights(n_units, 2.0).as_matrix())
    np.testing.assert_array_equal(w @ w.T, 4 * (n_units - 1) * np.eye(n_units))
    assert np.all((w == 0) == np.eye(n_units, dtype=bool))
    np.testing.assert_array_equal(w, w.T if (n_units - 1) % 4 == 1 else -w.T)


def test_flux_of_the_weighing_matrix_of_order_four():
    """Uniform law, rows of three equal weights: the average over their sums."""
    flux = eqx.filter_jit(lambda w: information_flux(BinaryNetwork(conference_weights(4, w))))
    for w in (0.3, 2.0, 5.0, 10.0):
        result = flux(jnp.asarray(w))
        sums = sum(comb(3, j) * _h2(w * abs(3 - 2 * j)) for j in range(4)) / 8
        assert float(result.flux) == pytest.approx(4 * (1 - sums), abs=1e-11)
        np.testing.assert_allclose(result.law, 1 / 16, rtol=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: rooks([0, 0, 1], [1, 1, 1], 1.0), "`permutation` must hold each of 0 to 2 once"),
        (lambda: rooks([1, 2, 3], [1, 1, 1], 1.0), "`permutation` must hold each"),
        (lambda: rooks([[0, 1]], [1, 1], 1.0), "`permutation` must be a list"),
        (lambda: rooks([], [], 1.0), "`permutation` must be a list"),
        (lambda: rooks([1.0, 0.0], [1, 1], 1.0), "`permutation` must hold integers"),
        (lambda: rooks([1, 0], [1, 1, 1], 1.0), "`signs` must have shape"),
        (lambda: rooks([1, 0], [1, 0], 1.0), "`signs` must be 1 or -1"),
        (lambda: rooks([1, 0], [1, 1], [1.0, 2.0, 3.0]), "`weights` must be a number or have"),
        (lambda: rooks([1, 0], [1, 1], -1.0), "`weights` must be finite and not negative"),
        (lambda: rooks([1, 0], [1, 1], [1.0, np.nan]), "`weights` must be finite"),
        (lambda: long_cycle(6), "`n_units` must be from 1 to 5, got 6"),
        (lambda: long_cycle(3, -1.0), "`weight` must be finite and not negative"),
        (lambda: conference_weights(10), "`n_units` must be one more than an odd prime, got 10"),
        (lambda: conference_weights(3), "`n_units` must be one more"),
        (lambda: conference_weights(0), "`n_units` must be at least 1"),
    ],
)
def test_bad_input_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
