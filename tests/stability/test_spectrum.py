"""Jacobians and spectra against dense NumPy and against identities of the loop."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import machine_epsilon
from networks import drawn_network, least_squares_network
from scipy.sparse.linalg import ArpackNoConvergence

from rnngeo.connectivity import gaussian_bulk
from rnngeo.models import FeedbackNetwork, RateFlow, RateMap
from rnngeo.stability import (
    _spectrum,
    bulk_edge,
    is_stable_state,
    jacobian,
    leading_eigenvalues,
    loop_curve,
    loop_fixed_points,
    loop_slope,
    spectrum,
    transfer_function,
)

VECTOR_TAU = np.linspace(0.5, 3, 60)


def _numpy_jacobian(network, x):
    """(-1 + J D) / tau, plus one for a map, written naively."""
    closed = network.closed_loop
    j = np.asarray(network.recurrent.weights.as_matrix())
    j = j + np.asarray(network.feedback_weights) @ np.asarray(network.readout_weights).T
    d = 1 - np.tanh(np.asarray(x)) ** 2
    own = (-np.eye(len(x)) + j * d) / np.asarray(closed.tau).reshape(-1, 1)
    return j * d, own + np.eye(len(x)) * isinstance(closed, RateMap)


@pytest.mark.float32
@pytest.mark.parametrize("kind", [RateFlow, RateMap])
@pytest.mark.parametrize("tau", [1.0, 2.5, VECTOR_TAU], ids=["one", "scalar", "vector"])
def test_spectrum_is_that_of_the_written_matrices(key, kind, tau):
    network, x = drawn_network(key, kind=kind, tau=tau), jr.normal(key, (60,))
    effective, own = _numpy_jacobian(network, x)
    atol = 200 * machine_epsilon()
    assert np.allclose(jacobian(network.closed_loop, x), own, atol=atol)
    s = spectrum(network, x)
    modulus = np.sort(np.abs(np.linalg.eigvals(effective)))[::-1]
    assert np.allclose(np.abs(s.effective), modulus, atol=5e3 * machine_epsilon())
    values = np.linalg.eigvals(own)
    assert np.isclose(s.abscissa, values.real.max(), atol=5e3 * machine_epsilon())
    assert np.isclose(s.spectral_radius, np.abs(values).max(), atol=5e3 * machine_epsilon())
    stable = np.abs(values).max() < 1 if kind is RateMap else values.real.max() < 0
    assert bool(s.is_stable) == stable == is_stable_state(network.closed_loop, x)


@pytest.mark.parametrize("kind", [RateFlow, RateMap])
def test_leading_eigenvalues_equal_the_dense_ones(key, kind):
    network, x = drawn_network(key, 150, gain=0.9, kind=kind), jr.normal(key, (150,))
    values = np.linalg.eigvals(np.asarray(jacobian(network.closed_loop, x)))
    order = np.argsort(-np.abs(values) if kind is RateMap else -values.real)
    got = leading_eigenvalues(network.closed_loop, x, n_eigenvalues=4)
    # conjugates tie, so compare what is ordered; a pair cut in two keeps its partner's real part
    rank = np.abs if kind is RateMap else np.real
    assert np.allclose(rank(got), rank(values[order][:4]), atol=1e-10)


@pytest.mark.parametrize("stalls", [False, True])
@pytest.mark.parametrize("kind", [RateFlow, RateMap])
def test_stability_of_large_networks_is_found_without_the_matrix(key, kind, stalls, monkeypatch):
    monkeypatch.setattr(_spectrum, "_DENSE_LIMIT", 100)
    if stalls:

        def stall(*args, **options):
            raise ArpackNoConvergence("no convergence", np.zeros(0), np.zeros((0, 0)))

        monkeypatch.setattr(_spectrum, "leading_eigenvalues", stall)
    for gain, is_stable in ((0.7, True), (1.3, False)):
        network = RateFlow(gaussian_bulk(150, gain, key=key))
        if kind is RateMap:
            network = RateMap(network.weights)
        assert is_stable_state(network, jnp.zeros(150)) == is_stable


def test_bulk_radius_is_measured_and_a_bulk_has_no_outliers(key):
    n, gain, count = 150, 0.8, 0
    for k in jr.split(key, 20):
        network = FeedbackNetwork(
            RateFlow(gaussian_bulk(n, gain, key=k)), jnp.zeros((n, 0)), jnp.zeros((n, 0)),
            jnp.zeros(n),
        )  # fmt: skip
        s = spectrum(network, jnp.zeros(n))
        # at the origin R = g; |B|^2/N has relative spread sqrt(2)/N
        assert abs(s.bulk_radius - gain) < 5 * gain / n
        count += int(s.is_outlier.sum() > 0)
    assert count <= 2  # the edge is exceeded once in a hundred networks (Rider)


def test_edge_shrinks_to_the_radius_with_size():
    gaps = [float(bulk_edge(jnp.asarray(1.0), n)) - 1 for n in (10, 100, 1000, 10_000)]
    assert all(a > b for a, b in zip(gaps, gaps[1:], strict=False))
    assert gaps[2] < 0.09


def test_transfer_function_is_one_at_every_eigenvalue_of_the_loop(key):
    network = least_squares_network(key, target=2.0)
    for x in loop_fixed_points(network).state:
        x = jnp.asarray(x)
        for value in np.asarray(spectrum(network, x).effective)[:5]:
            assert abs(transfer_function(network, x, value)[0, 0] - 1) < 1e-6
        slope = loop_slope(network, x)
        assert np.isclose(transfer_function(network, x, 1.0)[0, 0], slope, rtol=1e-10)


def test_slope_is_the_derivative_of_the_readout_curve(key):
    network = least_squares_network(key)
    for z in (-1.3, 0.2, 1.9):
        step = 1e-5
        low, high = loop_curve(network, jnp.asarray([z - step, z + step])).value
        assert np.isclose(
            loop_curve(network, jnp.asarray([z])).slope[0], (high - low) / (2 * step), rtol=1e-6
        )


def test_slope_one_means_an_eigenvalue_at_one(key):
    """Build a readout with n.phi = z and F'(z) = 1; then J D has an eigenvalue at exactly 1."""
    network = drawn_network(key)
    z = 0.7
    x = jnp.asarray(loop_curve(network, jnp.asarray([z])).state[0])
    d = 1 - jnp.tanh(x) ** 2
    bulk = network.recurrent.weights.as_matrix()
    v = d * jnp.linalg.solve(jnp.eye(60) - bulk * d, network.feedback_weights[:, 0])
    constraints = jnp.stack([jnp.tanh(x), v])
    n = jnp.linalg.lstsq(constraints, jnp.asarray([z, 1.0]))[0]
    marginal = network.with_readout(n)
    assert np.isclose(loop_slope(marginal, x), 1.0)
    assert np.abs(np.asarray(spectrum(marginal, x).effective) - 1).min() < 1e-8
    steeper = network.with_readout(jnp.linalg.lstsq(constraints, jnp.asarray([z, 1.2]))[0])
    assert not bool(spectrum(steeper, x).is_stable)


def test_several_outputs_have_a_transfer_matrix(key):
    m, n = jr.normal(key, (2, 40, 2))
    network = FeedbackNetwork(RateFlow(gaussian_bulk(40, 0.5, key=key)), m, n / 40, jnp.zeros(40))
    x = jr.normal(key, (40,))
    value = spectrum(network, x).effective[0]
    assert abs(jnp.linalg.det(jnp.eye(2) - transfer_function(network, x, value))) < 1e-6


def test_too_many_eigenvalues_are_refused(key):
    network = drawn_network(key, 12)
    with pytest.raises(ValueError, match="between 1 and n_units - 2 = 10, got 11"):
        leading_eigenvalues(network.closed_loop, jnp.zeros(12), n_eigenvalues=11)
