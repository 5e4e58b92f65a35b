"""Exact flux against the golden table, brute force, invariances and bounds."""

import math
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import machine_epsilon
from hypothesis import given
from hypothesis import strategies as st

import rnngeo.information._chain as chain_module
from rnngeo.information import (
    Elimination,
    Krylov,
    PowerIteration,
    correlations,
    euclidean_row_value,
    flux_bracket,
    information_flux,
    row_norm_bound,
    spectral_gap,
    state_chain,
    state_index,
    state_table,
    stationary_law,
    weak_coupling_flux,
)
from rnngeo.models import BinaryNetwork

EXACT = 1e-10


def network_of(weights, bias=None, noise_std=None):
    """From nested lists, as the table has them."""
    bias = None if bias is None else jnp.asarray(bias, float)
    return BinaryNetwork(jnp.asarray(weights, float), bias, noise_std)


@eqx.filter_jit
def everything(network):
    found = information_flux(network)
    return found, correlations(network, found.law), row_norm_bound(network)


@eqx.filter_jit
def fluxes(weights, bias=None):
    """Of many networks at once."""
    return jax.vmap(lambda w, b: information_flux(BinaryNetwork(w, b)))(weights, bias)


def rooks(permutation, signs, sizes):
    n = len(permutation)
    w = np.zeros((n, n))
    w[np.arange(n), permutation] = np.asarray(signs) * np.asarray(sizes, float)
    return w


def flux_of_field(w):
    """1 - h2(sigma(w)) without cancellation."""
    a, q = np.abs(w), np.exp(-np.abs(w))
    return 1 - (np.log1p(q) + a * q / (1 + q)) / np.log(2)


def assert_row(network, row, tolerance=EXACT):
    """Every statistic that a row of the table names."""
    found, c, _ = everything(network)
    values = {
        "H": found.entropy, "D": found.divergence, "I": found.flux, "C": c.rms,
        "Cabs": c.mean_modulus, "C0": c.rms_equal_time, "Ipair": c.mean_pair_information,
        "means": c.mean,
    }  # fmt: skip
    for name in values.keys() & row.keys():
        np.testing.assert_allclose(values[name], row[name], rtol=0, atol=tolerance, err_msg=name)
    assert found.residual < 1e-13
    return found, c


def test_reference_matrices(flux_golden, brute_force):
    for name, row in flux_golden["matrices"]["items"].items():
        found, c = assert_row(network_of(row["W"]), row)
        assert not c.is_stuck.any()
        chain = brute_force(row["W"])
        p = chain.law()
        np.testing.assert_allclose(found.law, p, rtol=1e-11, err_msg=name)
        assert abs(float(found.flux) - chain.flux_of(p)) < 1e-12


def test_laws_transitions_and_correlation_matrices(flux_golden):
    matrices = {k: v["W"] for k, v in flux_golden["matrices"]["items"].items()}
    for name in ("A2", "C2", "E3", "F3"):
        p = stationary_law(network_of(matrices[name])).law
        np.testing.assert_allclose(p, flux_golden["stationary"][name], atol=EXACT)
    full = state_chain(network_of(matrices["C2"], jnp.zeros(2))).as_matrix()
    np.testing.assert_allclose(full, flux_golden["transition"]["C2"], atol=EXACT)
    for name in ("C2", "E3"):
        _, c, _ = everything(network_of(matrices[name]))
        golden = flux_golden["lag1_matrix"][name]
        np.testing.assert_allclose(c.next, golden, atol=EXACT)
        others = [r**2 for n, row in enumerate(golden) for m, r in enumerate(row) if n != m]
        np.testing.assert_allclose(c.rms_off_diagonal, np.sqrt(np.mean(others)), atol=EXACT)


def test_bias_and_zero_one_units(flux_golden, brute_force):
    for row in flux_golden["bias"]["items"]:
        found, _ = assert_row(network_of(row["W"], row["b"]), row)
        chain = brute_force(row["W"], row["b"])
        assert abs(float(found.flux) - chain.flux_of(chain.law())) < 1e-12
    for row in flux_golden["binary_units"]["items"]:
        assert_row(BinaryNetwork.from_zero_one(jnp.asarray(row["W"], float)), row)
    for name in ("A2", "C2", "Dg", "K5", "M5"):
        w = flux_golden["matrices"]["items"][name]["W"]
        even, tilted = (
            np.asarray(everything(network_of(w, np.full(len(w), b)))[0].law) for b in (0.0, 1e-6)
        )  # of a chain that is not folded
        # transitions good to 10 eps in relative terms, the law to twice the states as much
        rtol = 20 * len(even) * machine_epsilon()
        np.testing.assert_allclose(even, even[::-1], rtol=rtol, err_msg=name)
        assert np.abs(tilted / tilted[::-1] - 1).max() > 100 * rtol


def test_row_values_in_closed_form(key):
    """Of rows and columns that differ in size."""
    w = np.outer([0.3, 1.0, 2.0], [3.0, 0.5, 1.0]) * np.asarray(jr.normal(key, (3, 3)))
    b = np.array([0.7, -1.5, 0.2])
    value = lambda sizes: flux_of_field(np.array(sizes)).sum()
    sums = [sum(abs(entry) for entry in row) for row in w]
    norms = [sum(entry**2 for entry in row) ** 0.5 for row in w]
    network = network_of(w, b)
    np.testing.assert_allclose(row_norm_bound(network), value(sums + np.abs(b)), rtol=1e-13)
    np.testing.assert_allclose(row_norm_bound(BinaryNetwork(w)), value(sums), rtol=1e-13)
    np.testing.assert_allclose(euclidean_row_value(network), value(norms), rtol=1e-13)


def test_scale_curves(flux_golden):
    curves = flux_golden["scale_curves"]
    k5 = jnp.asarray(flux_golden["matrices"]["items"]["K5"]["W"], float)
    for name, matrix in (("sK5", k5), ("wJ5", jnp.ones((5, 5)))):
        scales = jnp.asarray([float(s) for s in curves[name]])
        found = fluxes(scales[:, None, None] * matrix).flux
        np.testing.assert_allclose(found, list(curves[name].values()), atol=1e-9)


def test_rooks(flux_golden):
    for row in flux_golden["rooks_table"]["items"]:
        n = row["N"]
        rng = np.random.default_rng(n)
        sizes = np.array([5.0, 10.0, 20.0])
        stack = [rooks(rng.permutation(n), rng.choice([-1, 1], n), [w] * n) for w in sizes]
        found = fluxes(jnp.asarray(stack))
        expected = [row["I_w5"], row["I_w10"], row["I_w20"]]
        np.testing.assert_allclose(found.flux, expected, atol=EXACT)
        np.testing.assert_allclose(found.divergence[2], row["N_minus_I_w20"], rtol=1e-6)
        np.testing.assert_allclose(found.law, 0.5**n, rtol=1e-12)
        np.testing.assert_allclose(found.flux, n * flux_of_field(sizes), atol=1e-13)
        c = correlations(BinaryNetwork(stack[1]), found.law[1])
        np.testing.assert_allclose(c.rms, row["C_w10"], atol=EXACT)
        np.testing.assert_allclose(c.rms, np.tanh(5.0) / np.sqrt(n), rtol=1e-12)
    for row in flux_golden["rooks_unequal"]["items"]:
        weights = rooks(row["perm"], row["sign"], row["weights"])
        found, _ = assert_row(BinaryNetwork(weights), row)
        np.testing.assert_allclose(row_norm_bound(BinaryNetwork(weights)), found.flux, rtol=1e-13)


def test_dense_optima(flux_golden):
    for entry in flux_golden["dense_optima"]["items"].values():
        for w, row in entry["at"].items():
            assert_row(BinaryNetwork(float(w) * jnp.asarray(entry["W"], float)), row)


def test_noise(flux_golden, brute_force):
    table = flux_golden["noise"]
    matrix = rooks(table["rooks"]["perm"], table["rooks"]["sign"], [table["rooks"]["w"]] * 5)
    for r, expected in table["rooks5_w10"].items():
        found = information_flux(network_of(matrix, noise_std=float(r)))
        np.testing.assert_allclose(found.flux, expected, atol=1e-9)
    for r, expected in table["q_r_at_u10"].items():
        network = network_of(matrix, noise_std=float(r))
        np.testing.assert_allclose(network.response(jnp.array(10.0)), expected, atol=1e-9)


def test_weak_coupling_and_the_euclidean_row_value(flux_golden, key):
    for row in flux_golden["l2_bound_violation"]["items"]:
        network = BinaryNetwork(0.35 * jnp.ones((4, 4)))
        found, value = information_flux(network).flux, euclidean_row_value(network)
        np.testing.assert_allclose([found, value], [row["I"], row["rooks_I"]], atol=1e-9)
        assert found > value  # so that it is no bound
    n = 300
    draws = jr.normal(key, (n, 5, 5))
    for w, row in flux_golden["weak_coupling"]["items"].items():
        weights = float(w) * draws
        law = fluxes(weights)
        c = jax.vmap(lambda w, p: correlations(BinaryNetwork(w), p))(weights, law.law)
        by_c = law.flux / jax.vmap(lambda c: weak_coupling_flux(c, 5))(c.rms)
        by_w = law.flux / (jnp.sum(weights**2, axis=(1, 2)) / (8 * np.log(2)))
        for ratio, mean, sd in (
            (by_c, row["ratio_I_to_C_law"], row["sd"]),
            (by_w, row["ratio_I_to_W_law"], row["sd_W"]),
        ):
            assert abs(ratio.mean() - mean) < 4 * sd * np.sqrt(2 / n) + 5e-4  # its last digit


@given(seed=st.integers(0, 2**16), width=st.floats(0.1, 8.0))
def test_invariances_and_the_row_bound(seed, width):
    """Gauge, relabelling and sign keep the flux, and it stays below its bound."""
    keys = jr.split(jr.key(seed), 3)
    w = width * jr.normal(keys[0], (4, 4))
    signs = jr.rademacher(keys[1], (4,), float)
    order = jr.permutation(keys[2], 4)
    found = fluxes(jnp.stack([w, signs[:, None] * w * signs, w[order][:, order], -w]))
    for value in (found.entropy, found.divergence):
        np.testing.assert_allclose(value, value[0], rtol=0, atol=1e-11)
    assert found.flux[0] <= row_norm_bound(BinaryNetwork(w)) + 1e-12
    assert -1e-12 <= found.flux[0] <= found.entropy[0] <= 4 + 1e-12


@given(seed=st.integers(0, 2**16), width=st.floats(0.1, 5.0))
def test_row_bound_with_bias(seed, width):
    w, b = width * jr.normal(jr.key(seed), (4, 4)), width * jr.normal(jr.key(seed + 1), (4,))
    bound = row_norm_bound(BinaryNetwork(w, b))
    assert fluxes(w[None], b[None]).flux[0] <= bound + 1e-12


def test_flux_is_not_that_of_the_transpose_or_of_doubled_fields(flux_golden):
    """Traps of convention: they must show."""
    w = jnp.asarray(flux_golden["matrices"]["items"]["K5"]["W"], float)
    found = fluxes(jnp.stack([w, w.T, 2 * w])).flux
    assert abs(found[0] - found[1]) > 1e-2
    assert abs(found[0] - found[2]) > 1e-2


@pytest.mark.parametrize("n_units", [1, 2, 3, 5])
@pytest.mark.parametrize("is_folded", [True, False])
def test_split_products(n_units, is_folded, key, brute_force, monkeypatch):
    """Products by factors, in several blocks, against the dense matrix."""
    monkeypatch.setattr(chain_module, "_BLOCK", 4)
    keys = jr.split(key, 4)
    w = 2 * jr.normal(keys[0], (n_units, n_units))
    b = None if is_folded else jr.normal(keys[1], (n_units,))
    chain, dense = state_chain(BinaryNetwork(w, b)), brute_force(w, b).matrix
    assert chain.is_folded is is_folded
    p = jr.uniform(keys[2], (chain.n_states,))
    f = jr.normal(keys[3], (chain.n_states,))
    np.testing.assert_allclose(
        chain.unfold_law(chain.push(p)), np.asarray(chain.unfold_law(p)) @ dense, rtol=1e-12
    )
    full = dense @ np.asarray(chain.unfold(f))
    np.testing.assert_allclose(chain.pull(f), full[: chain.n_states], atol=1e-13)
    np.testing.assert_allclose(chain.as_matrix() @ f, chain.pull(f), atol=1e-13)


@pytest.mark.parametrize("is_folded", [True, False])
def test_products_never_store_the_transition_matrix(is_folded):
    """The largest array of the program is a factor, states times half of the units' states."""
    n_units, n_states = 6, 2 ** (6 - is_folded)
    chain = state_chain(network_of(np.eye(n_units), None if is_folded else np.ones(n_units)))

    def largest(product):
        program = str(jax.jit(product).lower(chain, jnp.ones(n_states)).as_text())
        shapes = re.findall(r"tensor<([0-9x]+)x[a-z]", program)
        return max(math.prod(map(int, shape.split("x"))) for shape in shapes)

    assert largest(lambda chain, p: chain.push(p)) <= n_states * 2 ** (n_units // 2)
    assert largest(lambda chain, f: chain.pull(f)) <= n_states * 2 ** (n_units // 2)
    assert largest(lambda chain, p: p @ chain.as_matrix()) >= n_states**2  # it would show


def test_states_and_their_indices():
    for n_units in (1, 4):
        table = state_table(n_units)
        np.testing.assert_array_equal(state_index(table), np.arange(2**n_units))
        np.testing.assert_array_equal(table[::-1], -table)
    np.testing.assert_array_equal(state_table(2), [[-1, -1], [-1, 1], [1, -1], [1, 1]])


@pytest.mark.parametrize("n_units", [1, 5])
def test_edges(n_units):
    """No weights, one unit, one unit alone."""
    found, c, bound = everything(BinaryNetwork(jnp.zeros((n_units, n_units))))
    np.testing.assert_allclose([found.flux, c.rms, bound], 0.0, atol=1e-13)
    np.testing.assert_allclose([found.entropy, found.divergence], n_units, rtol=1e-13)
    if n_units == 1:
        assert np.isnan(c.rms_off_diagonal)
        w, b = 1.3, 0.4
        sigma = lambda u: 1 / (1 + np.exp(-u))
        up, down = sigma(w + b), sigma(b - w)  # P(+|+) and P(+|-)
        p = down / (1 - up + down)
        h = lambda q: -q * np.log2(q) - (1 - q) * np.log2(1 - q)
        found = information_flux(network_of([[w]], [b]))
        np.testing.assert_allclose(found.law, [1 - p, p], rtol=1e-13)
        np.testing.assert_allclose(found.flux, h(p) - p * h(up) - (1 - p) * h(down), rtol=1e-12)


def test_too_many_units():
    with pytest.raises(ValueError, match=r"`method` Elimination .* `Krylov\(\)` would do"):
        information_flux(BinaryNetwork(jnp.eye(15)), method=Elimination())
    for method in (None, Krylov(), PowerIteration()):
        with pytest.raises(ValueError, match="`flux_bracket` bounds"):
            information_flux(BinaryNetwork(jnp.eye(25)), method=method)


def test_saturated_units_are_uncorrelated_and_stuck_ones_said():
    """Independent units that are nearly always up; beyond 1e-308 they never change."""
    for bias in (14.0, 35.0, 37.0, 60.0):
        network = BinaryNetwork(np.zeros((4, 4)), bias=np.full(4, bias))
        c = correlations(network, information_flux(network).law)
        assert not c.is_stuck.any()
        np.testing.assert_allclose(c.next, 0.0, atol=1e-12)
        np.testing.assert_allclose(c.equal_time, np.eye(4), atol=1e-6)
    law = np.zeros(4)
    law[2:] = 0.3, 0.7  # the first unit is always up
    c = correlations(BinaryNetwork(np.ones((2, 2))), jnp.asarray(law))
    assert c.is_stuck.tolist() == [True, False]
    assert np.all(np.asarray(c.next)[0] == 0)
    assert np.all(np.asarray(c.next)[:, 0] == 0)


def test_a_law_that_was_not_found_has_no_derivative_either():
    network = BinaryNetwork(1e3 * np.ones((3, 3)), bias=np.ones(3))
    value, slope = eqx.filter_value_and_grad(lambda n: information_flux(n).law[0])(network)
    assert np.isnan(value)
    assert np.isnan(slope.weights.as_matrix()).all()


def test_too_many_units_are_refused_before_anything_is_made():
    with pytest.raises(ValueError, match="at most 24"):
        information_flux(BinaryNetwork(np.zeros((70, 70))))
    with pytest.raises(ValueError, match="at most 24"):
        spectral_gap(BinaryNetwork(np.zeros((70, 70))))
    with pytest.raises(ValueError, match=r"`x` must hold states of -1 and 1"):
        flux_bracket(BinaryNetwork(np.zeros((2, 2))), jnp.zeros((3, 2)), jnp.ones((3, 2)))
