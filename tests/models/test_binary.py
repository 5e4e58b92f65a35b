"""The binary network's conventions: each trap of sign, factor and alphabet has a test."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

from rnngeo.connectivity import rooks
from rnngeo.information import information_flux, state_table
from rnngeo.models import BinaryNetwork
from rnngeo.numerics import noisy_logistic

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/information_flux.json").read_text())
MATRICES = {name: np.array(case["W"], float) for name, case in GOLDEN["matrices"]["items"].items()}


def _flux(network):
    return float(information_flux(network).flux)


def test_no_factor_of_two_in_the_exponent(key):
    """P = 1/(1 + exp(-u)) and E x' = tanh(u/2); with sigma(2u) all of it would be that of 2W."""
    network = BinaryNetwork(MATRICES["C2"])
    x = jnp.array([1.0, -1.0])
    u = np.array([2.0, 1.0])
    np.testing.assert_allclose(network.field(x), u, rtol=1e-15)
    np.testing.assert_allclose(network.response(network.field(x)), 1 / (1 + np.exp(-u)), rtol=1e-14)
    np.testing.assert_allclose(network.mean_update(x), np.tanh(u / 2), rtol=1e-14)
    case = GOLDEN["matrices"]["items"]["C2"]
    assert _flux(network) == pytest.approx(case["I"], abs=1e-10)
    assert abs(_flux(BinaryNetwork(2 * MATRICES["C2"])) - case["I"]) > 0.1


def test_rows_receive():
    """W[n, m] leads from m to n; the transpose is another network with another flux."""
    network = BinaryNetwork(np.array([[0.0, 3.0], [0.0, 0.0]]))
    u = jax.vmap(network.field)(state_table(2))
    np.testing.assert_array_equal(u, [[-3, 0], [3, 0], [-3, 0], [3, 0]])
    expected = GOLDEN["matrices"]["items"]["E3"]["I"]
    assert _flux(BinaryNetwork(MATRICES["E3"])) == pytest.approx(expected, abs=1e-10)
    assert abs(_flux(BinaryNetwork(MATRICES["E3"].T)) - expected) > 1e-3


@pytest.mark.parametrize("case", GOLDEN["binary_units"]["items"], ids=lambda case: case["matrix"])
def test_units_of_zero_and_one(case):
    """The same fields at the same states, and not the flux of +-1 units."""
    w = np.array(case["W"], float)
    network = BinaryNetwork.from_zero_one(w)
    z = (np.asarray(state_table(len(w))) + 1) / 2
    fields = jax.vmap(network.field)(state_table(len(w)))
    np.testing.assert_allclose(fields, z @ w.T, atol=1e-14)
    assert abs(_flux(BinaryNetwork(w)) - case["I"]) > 0.1


def test_whole_numbers_are_numbers():
    network = BinaryNetwork(np.array(GOLDEN["matrices"]["items"]["K5"]["W"], int))
    assert network.weights.as_matrix().dtype == jnp.ones(()).dtype
    assert _flux(network) == pytest.approx(GOLDEN["matrices"]["items"]["K5"]["I"], abs=1e-10)


def test_zero_one_bias_and_noise_are_kept():
    w, b = MATRICES["C2"], np.array([0.5, -1.0])
    network = BinaryNetwork.from_zero_one(w, b, 0.7)
    fields = jax.vmap(network.field)(state_table(2))
    np.testing.assert_allclose(fields, (np.asarray(state_table(2)) + 1) / 2 @ w.T + b, atol=1e-15)
    assert network.noise_std is not None
    assert float(network.noise_std) == 0.7


def test_noise_blurs_the_response():
    """Against the table and adaptive quadrature, with small and large noise, to its far tails."""
    for r in (0.5, 1.0, 1.5, 2.0, 3.0, 10.0, 30.0):
        tail = -(r**2) / 2
        u = jnp.array([-30.0, -3.0, 0.0, 0.2, 10.0, -45.0, -60.0, tail + 1, tail + 9, tail - 9])
        network = BinaryNetwork(np.zeros((10, 10)), noise_std=r)
        value = np.asarray(network.response(u))
        for k, field in enumerate(np.asarray(u)):
            blurred = lambda eta: expit(field + r * eta) * np.exp(-(eta**2) / 2)  # noqa: B023
            points = sorted({0.0, float(r), *([-field / r] if abs(field / r) < 20 else [])})
            ends = -20, r + 20
            integral = quad(blurred, *ends, points=points, epsabs=0, epsrel=1e-11, limit=400)[0]
            assert value[k] == pytest.approx(integral / np.sqrt(2 * np.pi), rel=1e-9, abs=0)
        np.testing.assert_allclose(value + network.response(-u), 1.0, rtol=1e-13)
        if f"{r:g}" in GOLDEN["noise"]["q_r_at_u10"]:
            assert value[4] == pytest.approx(GOLDEN["noise"]["q_r_at_u10"][f"{r:g}"], abs=1e-8)
    none = BinaryNetwork(np.zeros((10, 10)), noise_std=0.0).response(u)
    np.testing.assert_allclose(none, 1 / (1 + np.exp(-np.asarray(u))), rtol=1e-12)


def test_noise_needs_no_table_of_its_places():
    """A field asks for 416 places, and its derivative again; they must not be held at once."""
    u = jnp.zeros(10_000)
    response = lambda u: noisy_logistic(u, 2.0)
    for function in (response, jax.grad(lambda u: jnp.sum(response(u)))):
        memory = jax.jit(function).lower(u).compile().memory_analysis()
        assert memory is None or memory.temp_size_in_bytes < 200 * u.nbytes


def test_noise_has_its_derivative_everywhere():
    """Where the rules change, r = 1, and where the far tail begins, u = -r^2/2."""
    q = lambda r, u: BinaryNetwork(jnp.eye(1), noise_std=r).response(jnp.array([u]))[0]
    for r, u in ((1.0, 0.7), (1.0, -3.0), (2.0, -2.0), (1.5, -30.0)):
        h = 1e-5
        slopes = jax.grad(q, (0, 1))(r, u)
        differences = (q(r + h, u) - q(r - h, u)) / (2 * h), (q(r, u + h) - q(r, u - h)) / (2 * h)
        np.testing.assert_allclose(slopes, differences, rtol=1e-6)


@pytest.mark.float32
@pytest.mark.computes
def test_rare_flips_are_as_rare_in_single_precision(key):
    """At u = -20 once in 5e8 updates, 0.28 expected here; one number of 23 bits would give 16."""
    n_units, n_steps = 2**20, 128
    weights = lx.DiagonalLinearOperator(jnp.full(n_units, -20.0, jnp.float32))
    x = jnp.ones(n_units, jnp.float32)
    count = lambda k: jnp.sum(BinaryNetwork(weights).sample(x, key=k) > 0)
    assert int(jnp.sum(jax.lax.map(count, jr.split(key, n_steps)))) <= 4


@pytest.mark.parametrize("noise_std", [0.0, 2.0, 10.0])
def test_flux_of_noisy_rooks(noise_std):
    case = GOLDEN["noise"]["rooks"]
    weights = rooks(case["perm"], case["sign"], float(case["w"]))
    expected = GOLDEN["noise"]["rooks5_w10"][f"{noise_std:g}"]
    network = BinaryNetwork(weights, noise_std=noise_std)
    assert _flux(network) == pytest.approx(expected, abs=1e-8)


def test_samples_follow_the_mean_update(key):
    """The mean of 20000 draws within 4.5 errors; states keep their dtype."""
    network = BinaryNetwork(MATRICES["E3"], bias=np.array([0.3, -0.4, 0.0]), noise_std=1.5)
    x = jnp.array([1.0, -1.0, 1.0])
    draws = np.asarray(jax.vmap(lambda k: network.sample(x, key=k))(jr.split(key, 20_000)))
    assert set(np.unique(draws)) == {-1.0, 1.0}
    mean = np.asarray(network.mean_update(x))
    gap = np.abs(draws.mean(axis=0) - mean) * np.sqrt(20_000 / (1 - mean**2))
    assert gap.max() < 4.5, gap
    opposite = np.abs(draws.mean(axis=0) + mean) * np.sqrt(20_000 / (1 - mean**2))
    assert opposite.max() > 20  # it could fail
    single = BinaryNetwork(jnp.eye(2, dtype=jnp.float32)).sample(jnp.ones(2, jnp.float32), key=key)
    assert single.dtype == jnp.float32


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: BinaryNetwork(np.ones((2, 3))), r"`weights` must be square, got shape \(2, 3\)"),
        (lambda: BinaryNetwork(np.ones(4)), "`weights` must be a matrix"),
        (lambda: BinaryNetwork(np.eye(2), bias=np.ones(3)), r"`bias` must have shape \(2,\)"),
        (lambda: BinaryNetwork(np.full((2, 2), np.nan)), "`weights` must be finite"),
        (lambda: BinaryNetwork(np.eye(2), bias=np.array([0, np.inf])), "`bias` must be finite"),
        (lambda: BinaryNetwork(np.eye(2), noise_std=-1.0), "`noise_std` must not be negative"),
        (lambda: BinaryNetwork(np.eye(2), noise_std=np.nan), "`noise_std` must be finite"),
    ],
)
def test_bad_input_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
