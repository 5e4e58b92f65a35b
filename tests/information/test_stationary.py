"""Stationary laws: methods against each other, their failures, and their derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import central_difference, machine_epsilon

from rnngeo.information import (
    Elimination,
    Krylov,
    PowerIteration,
    default_method,
    entropy,
    information_flux,
    state_chain,
    stationary_law,
)
from rnngeo.information._elimination import eliminate, law_from_factors
from rnngeo.models import BinaryNetwork

METHODS = [Elimination(), Krylov(), PowerIteration()]
ROOKS5 = np.zeros((5, 5))
ROOKS5[np.arange(5), [1, 2, 0, 4, 3]] = [1, 1, -1, 1, -1]


def flux_of(network, method=None):
    return information_flux(network, method=method).flux


@eqx.filter_jit
def fluxes(weights, bias, method):
    return jax.vmap(lambda w, b: information_flux(BinaryNetwork(w, b), method=method))(
        weights, bias
    )


@pytest.mark.parametrize("has_bias", [False, True])
def test_methods_agree_with_an_eigenvector(has_bias, key, brute_force):
    w = jr.normal(key, (6, 6))
    b = jr.normal(jr.fold_in(key, 1), (6,)) if has_bias else None
    expected = brute_force(w, b).law_by_eigenvector()
    for method in METHODS:
        found = stationary_law(BinaryNetwork(w, b), method=method)
        np.testing.assert_allclose(found.law, expected, rtol=0, atol=1e-13)
        assert found.error < 1e-11


def test_elimination_survives_where_lu_fails(flux_golden, brute_force):
    table = flux_golden["numerics"]
    chain = brute_force(30 * ROOKS5)
    system = np.eye(32) - chain.matrix.T
    system[-1] = 1.0
    by_lu = np.linalg.solve(system, np.eye(32)[-1])
    assert np.abs(by_lu - 1 / 32).max() > 1e-6  # how much depends on the machine
    network = BinaryNetwork(30 * ROOKS5, jnp.zeros(5))  # not folded, as LU
    found = information_flux(network, method=Elimination())
    np.testing.assert_allclose(found.law, 1 / 32, rtol=1e-12)
    assert abs(found.flux - table["exact_rooks5_w30"]) < 1e-11


def test_slow_chains(brute_force):
    """Two wells with exp(75) steps between them: elimination right, the others silent."""
    w, b = jnp.full((1, 5, 5), 3.0), jnp.full((1, 5), 0.3)
    chain = brute_force(w[0], b[0])
    exact = chain.flux_of(chain.law())
    np.testing.assert_allclose(fluxes(w, b, Elimination()).flux[0], exact, rtol=1e-11)
    found = fluxes(w, b, Krylov())
    assert found.residual[0] < 1e-12  # it says nothing here
    assert found.error[0] > 1e-3
    assert np.isnan(found.flux[0])
    assert np.isnan(fluxes(w, b, PowerIteration(max_steps=1000)).flux[0])


def families(n_units, widths, rng):
    """Rooks, Gaussian, ferromagnetic and self-coupled networks with a bias."""
    w, b = [], []
    for width in widths:
        permutation = np.eye(n_units)[rng.permutation(n_units)]
        w += [
            width * permutation * rng.choice([-1, 1], n_units)[:, None],
            width * rng.normal(size=(n_units, n_units)),
            width * np.ones((n_units, n_units)),
            width * np.eye(n_units),
        ]
        b += [0.1 * width * rng.normal(size=n_units), rng.normal(size=n_units),
              np.full(n_units, 0.3), 0.01 * rng.normal(size=n_units)]  # fmt: skip
    return np.array(w), np.array(b)


def flux_error(w, b, missed, eps):
    """Most that fluxes differ for laws that differ by `missed` in summed modulus, in bits.

    t = missed/2 changes the entropy of 2^N states by at most t log2(2^N - 1) + h2(t) (Audenaert,
    J. Phys. A 40, 8127 (2007), theorem 1), and the mean of step entropies from 0 to N by N t. Both
    are rounded to some 30 N eps; fields to N eps of their row's norm, with |dh2/du| < 1/3.
    """
    n, t = w.shape[-1], 0.5 * missed
    safe = np.where(t > 0, t, 1.0)
    binary = -(safe * np.log2(safe) + (1 - t) * np.log1p(-t) / np.log(2))
    sizes = np.abs(w).sum(axis=(1, 2)) + np.abs(b).sum(axis=1)
    by_law = t * np.log2(max(2**n - 1, 1)) + np.where(t > 0, binary, 0.0) + n * t
    return by_law + n * eps * (32 + sizes)


@pytest.mark.float32
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "method",
    [
        Elimination(),
        pytest.param(Krylov(), marks=pytest.mark.computes),
        PowerIteration(max_steps=1000),
    ],
)
@pytest.mark.parametrize("n_units", [1, 4])
def test_a_law_is_right_or_nan(method, n_units, dtype, brute_force):
    """From weak to huge weights; the law of NumPy is right up to about 140 of summed field."""
    if dtype == "float64" and machine_epsilon() > 1e-12:
        pytest.skip("single precision only")
    widths = np.repeat([0.5, 1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 30], 3)
    drawn = [families(n_units, widths, np.random.default_rng(seed)) for seed in range(4)]
    w, b = (np.concatenate(parts).astype(dtype) for parts in zip(*drawn, strict=True))
    found = fluxes(jnp.asarray(w), jnp.asarray(b), method)
    chains = [brute_force(*pair) for pair in zip(w, b, strict=True)]
    exact = np.array([chain.law() for chain in chains])
    flux = np.array([chain.flux_of(p) for chain, p in zip(chains, exact, strict=True)])
    is_found = np.isfinite(np.asarray(found.flux))
    assert is_found[:4].all()
    missed = np.sum(np.abs(np.asarray(found.law) - exact), axis=1)[is_found]
    eps = float(np.finfo(dtype).eps)
    gap = np.abs(np.asarray(found.flux) - flux)[is_found]
    allowed = flux_error(w[is_found], b[is_found], missed, eps)
    assert np.all(gap <= np.minimum(allowed, 3e-5 if isinstance(method, Elimination) else 2e-3))
    if isinstance(method, Elimination):
        assert is_found[
            np.tile(np.repeat(widths, 4) <= 5, 4)
        ].all()  # fields up to 80; some underflow beyond
        assert np.max(missed) < 100 * eps  # fields of 120 and their exponentials
    else:
        assert not is_found.all()  # too slow for it
        assert np.max(missed) < eps**0.5
        assert np.all(missed < np.asarray(found.error)[is_found])


@pytest.mark.parametrize(
    ("n_units", "is_folded", "expected"),
    [
        (1, True, Elimination()),
        (11, False, Elimination()),  # 2048 states
        (12, False, Krylov()),
        (12, True, Elimination()),
        (13, True, Krylov()),
        (24, True, Krylov()),
    ],
)
def test_method_by_default(n_units, is_folded, expected):
    assert default_method(n_units, is_folded) == expected
    expected.check(n_units, is_folded)


@pytest.mark.parametrize("method", [Krylov(), PowerIteration(max_steps=1000)])
def test_one_slow_unit_among_many(method):
    """A unit that hears itself alone, two wells of 512 states: its law is that of two states."""
    n, b = 10, 0.05
    strengths = np.array([4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0])
    w = np.tile(0.1 * np.random.default_rng(1).standard_normal((n, n)), (strengths.size, 1, 1))
    w[:, 3] = 0.0
    w[:, 3, 3] = strengths
    found = fluxes(jnp.asarray(w), jnp.full((strengths.size, n), b), method)
    to_up, to_down = (1 / (1 + np.exp(strengths + s * b)) for s in (-1, 1))
    law = np.asarray(found.law).reshape(-1, 2**3, 2, 2**6)
    missed = np.abs(law.sum(axis=(1, 3))[:, 1] - to_up / (to_up + to_down))
    is_found = np.isfinite(np.asarray(found.flux))
    assert is_found[0]
    assert not is_found[-1]
    assert np.all(missed[is_found] < np.asarray(found.error)[is_found])


@pytest.mark.parametrize("has_bias", [False, True])
def test_a_slow_parity_of_units_that_are_fast_themselves(has_bias, brute_force):
    """Rotors x0 -> -x0 and x1 -> x2 -> -x1 beside a unit that stays: only products of three and of
    four units are slow. The law of the four is that of a network of four."""
    n, strengths = 10, np.array([4.0, 6.0, 8.0, 10.0, 12.0, 16.0])
    rng = np.random.default_rng(0)
    rotors = np.zeros((4, 4))
    rotors[[0, 1, 2, 3], [0, 2, 1, 3]] = [-1, 1, -1, 1]
    among = 0.5 * rng.standard_normal((4, 4))
    w = np.tile(0.1 * rng.standard_normal((n, n)), (strengths.size, 1, 1))
    w[:, :4] = 0.0
    w[:, :4, :4] = strengths[:, None, None] * rotors + among
    b = np.where(np.arange(n) == 3, 0.0, 0.2)
    if has_bias:
        found = fluxes(jnp.asarray(w), jnp.tile(b, (strengths.size, 1)), Krylov(max_steps=600))
    else:
        flux = lambda w: information_flux(BinaryNetwork(w), method=Krylov(max_steps=600))
        found = eqx.filter_jit(jax.vmap(flux))(jnp.asarray(w))
    exact = [brute_force(m[:4, :4], b[:4] * has_bias).law() for m in w]
    missed = np.abs(np.asarray(found.law).reshape(-1, 16, 2 ** (n - 4)).sum(axis=2) - exact)
    is_found = np.isfinite(np.asarray(found.flux))
    assert is_found[0]
    assert np.all(missed.sum(axis=1)[is_found] < np.asarray(found.error)[is_found])


@pytest.mark.float32
def test_single_precision_of_reference_networks(flux_golden):
    table = flux_golden["numerics"]
    k5 = np.asarray(flux_golden["matrices"]["items"]["K5"]["W"])
    as_single = lambda w: BinaryNetwork(jnp.asarray(w, jnp.float32))
    assert abs(flux_of(as_single(k5)) - table["float32_K5"]) < 5e-6
    assert abs(flux_of(as_single(10 * ROOKS5)) - 4.996397752) < 5e-6
    assert abs(flux_of(as_single(20 * ROOKS5)) - 4.99999968777) < 5e-6


@pytest.mark.float32
@pytest.mark.parametrize("scale", [200.0, 1e3, 1e5])
def test_huge_weights(scale):
    """Transitions below the smallest number: right where they do not matter, else NaN."""
    n = 4
    stack = jnp.asarray([scale * np.ones((n, n)), scale * np.eye(n)], jnp.float32)
    folded = jax.vmap(lambda w: flux_of(BinaryNetwork(w), Elimination()))(stack)
    np.testing.assert_allclose(folded[0], 1.0, atol=1e-6)  # two wells make one state
    assert np.isnan(folded[1])
    if machine_epsilon() < 1e-12 and scale == 200.0:
        found = flux_of(BinaryNetwork(scale * jnp.eye(n)), Elimination())
        np.testing.assert_allclose(found, n, rtol=1e-14)
    if machine_epsilon() < 1e-12 and scale > 200.0:
        assert np.isnan(flux_of(BinaryNetwork(scale * jnp.eye(n)), Elimination()))


@pytest.mark.parametrize("has_noise", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_gradient_against_plain_autodiff(method, has_noise, key):
    """Of a reward that weighs law and divergence, with respect to weights, bias and noise."""
    keys = jr.split(key, 3)
    w, b = 1.2 * jr.normal(keys[0], (3, 3)), 0.5 * jr.normal(keys[1], (3,))
    network = BinaryNetwork(w, b, 0.7 if has_noise else None)
    reward = jr.normal(keys[2], (8,))

    def adjoint(network):
        found = information_flux(network, method=method)
        return found.flux + found.law @ reward

    def plain(network):
        chain = state_chain(network)
        p = law_from_factors(eliminate(chain.as_matrix()))
        return entropy(p) - p @ chain.step_entropy() + p @ reward

    expected = eqx.filter_jit(eqx.filter_grad(plain))(network)
    found = eqx.filter_jit(eqx.filter_grad(adjoint))(network)
    for got, right in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, right, rtol=0, atol=1e-11)
    scaled = lambda s: eqx.tree_at(lambda net: net.weights.matrix, network, w * s)
    value = jax.jit(lambda s: adjoint(scaled(s)))
    slope = jnp.sum(found.weights.as_matrix() * w)
    np.testing.assert_allclose(slope, central_difference(value, jnp.array(1.0)), atol=1e-8)


def test_gradient_of_the_reference_network(flux_golden):
    w = jnp.asarray(flux_golden["matrices"]["items"]["C2"]["W"], float)
    gradient = jax.jit(jax.grad(lambda w: flux_of(BinaryNetwork(w))))(w)
    np.testing.assert_allclose(gradient, flux_golden["gradient"]["C2"]["dI_dW"], atol=1e-9)


def test_gradient_of_a_slow_chain():
    """Wells exp(27) steps apart: the adjoint keeps its digits."""
    b = jnp.full(3, 0.1)
    value = jax.jit(lambda w: flux_of(BinaryNetwork(w * jnp.ones((3, 3)), b)))
    slope = jax.jit(jax.grad(value))(3.0)
    np.testing.assert_allclose(slope, central_difference(value, 3.0), rtol=1e-6, atol=1e-9)
