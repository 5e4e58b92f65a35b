"""Simulated networks against the mean field, at N and 4N: the gap has to shrink."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean_matches

from rnngeo.connectivity import draw_vectors, gaussian_bulk
from rnngeo.meanfield import (
    FeedbackEnsemble,
    feedback_fixed_points,
    least_squares_fixed_points,
    least_squares_overlaps,
    readout_overlaps,
    readout_scale,
)
from rnngeo.models import FeedbackNetwork, RateFlow
from rnngeo.stability import loop_curve, polish, rms, spectrum
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import fit_least_squares

N_NETWORKS = 8


def _draw(key, n_units, gain, rho):
    key_bulk, key_vectors = jr.split(key)
    bulk = gaussian_bulk(n_units, gain, key=key_bulk)
    vectors = draw_vectors(n_units, 1.2, 0.5, rho, key=key_vectors, is_exact=True)
    network = FeedbackNetwork(RateFlow(bulk), vectors.feedback, jnp.zeros(n_units), vectors.input)
    return network, vectors


def _clamped(network, z):
    return loop_curve(network, jnp.asarray([z])).state[0]


@eqx.filter_jit
def _geometric(key, n_units, ensemble, coefficients, scale, target):
    """Output, variance and top real eigenvalue of one network with a readout by geometry."""
    network, vectors = _draw(key, n_units, ensemble.gain, ensemble.shared_weight)
    network = network.with_readout(vectors.readout(*coefficients, scale))
    x, _, found = polish(network.closed_loop, _clamped(network, target))
    effective = spectrum(network, x).effective
    return network.outputs(x)[0], rms(x) ** 2, jnp.max(effective.real), found


@pytest.mark.theory
@pytest.mark.slow
def test_geometric_readouts_approach_the_mean_field(key):
    """Set A2 of the reference table at its stable target A = -1.5, where the outlier is 0.3862."""
    ensemble, target = FeedbackEnsemble(0.3, 1.2, 0.5, 0.5), -1.5
    coefficients = (1.0, 1.0, 0.3)
    a_m, a_i = readout_overlaps(ensemble, *coefficients)
    scale = readout_scale(ensemble, a_m, a_i, target)
    theory = feedback_fixed_points(ensemble, a_m, a_i, target)
    expected = np.array([target, theory.variance[0], theory.roots[0].real.max()])
    spread = []
    for n_units in (200, 800):
        run = lambda k, n=n_units: _geometric(k, n, ensemble, coefficients, scale, target)
        *values, found = jax.lax.map(run, jr.split(jr.fold_in(key, n_units), N_NETWORKS))
        assert bool(jnp.all(found))
        values = np.asarray(values)
        for sample, value, sharp in zip(values, expected, (0.1, 0.4, 0.1), strict=True):
            # the mean is off by O(1/N): second-order in the O(c / sqrt N) spread of the loop
            assert_mean_matches(
                sample, value, finite_size=8 / n_units, max_error=sharp * np.sqrt(200 / n_units)
            )
        spread.append(np.sqrt(np.mean((values[0] - target) ** 2)))
    # the ratio of two root mean squares of 8 samples has a relative s.e. of sqrt(2/16) = 0.35
    assert 2 / np.exp(3 * 0.35) < spread[0] / spread[1] < 2 * np.exp(3 * 0.35)
    assert spread[0] > spread[1]


@eqx.filter_jit
def _trained(key, n_units, gain, rho, target):
    network, vectors = _draw(key, n_units, gain, rho)
    network = fit_least_squares(network, StationaryAssociation(vectors.input, target)).network
    x = _clamped(network, target)
    n = network.readout_weights[:, 0]
    effective = spectrum(network, x).effective
    return (
        network.outputs(x)[0], rms(x) ** 2, jnp.max(effective.real),
        n @ vectors.feedback, n @ vectors.input,
    )  # fmt: skip


@pytest.mark.theory
@pytest.mark.slow
def test_least_squares_approaches_the_exact_theory(key):
    """g = 0.3, rho = 0.9, A = -0.5 (golden least_squares_4): the outlier is 0.7717."""
    gain, rho, target = 0.3, 0.9, -0.5
    ensemble = FeedbackEnsemble(gain, 1.2, 0.5, rho)
    points = least_squares_fixed_points(ensemble, target)
    overlaps = least_squares_overlaps(ensemble, target)
    expected = [points.variance[0], points.roots[0].real.max(), *overlaps]
    gaps = []
    for n_units in (200, 800):
        run = lambda k, n=n_units: _trained(k, n, gain, rho, target)
        values = jax.lax.map(run, jr.split(jr.fold_in(key, n_units), N_NETWORKS))
        z, *values = (np.asarray(v) for v in values)
        assert np.abs(z - target).max() < 1e-8  # exact in every network
        for sample, value in zip(values, expected, strict=True):
            error = 0.08 * np.sqrt(200 / n_units)
            assert_mean_matches(sample, float(value), finite_size=4 / n_units, max_error=error)
        gaps.append([np.sqrt(np.mean((s - v) ** 2)) for s, v in zip(values, expected, strict=True)])
    ratio = np.exp(np.mean(np.log(np.array(gaps[0]) / np.array(gaps[1]))))
    assert 1.3 < ratio < 3.1  # 2, with four quantities of 8 samples each: relative s.e. 0.35 / 2


def test_the_comparison_could_fail(key):
    """The approximate theory's outlier is refused by the sample that accepts the exact one."""
    values = jax.lax.map(lambda k: _trained(k, 300, 0.3, 0.5, 1.2)[2], jr.split(key, N_NETWORKS))
    exact, approximate = 0.246663, 0.167608
    assert_mean_matches(np.asarray(values), exact, finite_size=4 / 300, max_error=0.02)
    with pytest.raises(AssertionError):
        assert_mean_matches(np.asarray(values), approximate, finite_size=4 / 300, max_error=0.02)
