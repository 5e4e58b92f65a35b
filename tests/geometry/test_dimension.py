"""Estimators of dimension on Gaussian data of known dimension."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean_matches

from rnngeo.geometry import (
    autocovariance,
    block_products,
    corrected_participation_ratio,
    covariances,
    cross_participation_ratio,
    entropy_dimension,
    four_point_function,
    harmonic_mean,
    independent_samples,
    naive_participation_ratio,
    participation_ratio,
)

N_UNITS, N_BLOCKS, N_TIME, N_TRIALS = 40, 8, 30, 400
MEMORY = 0.6  # of the AR(1) time course of every unit
VARIANCES = np.exp(-np.arange(N_UNITS) / 6.0)
EXACT = VARIANCES.sum() ** 2 / (N_UNITS * (VARIANCES**2).sum())
# Blocks are separate runs, each with its own triangle of delays.
DELAYS = np.arange(1, N_TIME)
EXACT_SAMPLES = N_BLOCKS * N_TIME / (1 + 2 * ((1 - DELAYS / N_TIME) * MEMORY ** (2 * DELAYS)).sum())


def _recording(memory, key):
    """Blocks of stationary AR(1) noise with the covariance Q diag(VARIANCES) Q^T."""
    key_basis, key_noise = jr.split(key)
    basis = jnp.linalg.qr(jr.normal(key_basis, (N_UNITS, N_UNITS)))[0]
    noise = jr.normal(key_noise, (12 + N_TIME, N_BLOCKS, N_UNITS))

    def step(x, xi):
        x = memory * x + jnp.sqrt(1 - memory**2) * xi
        return x, x

    xs = jax.lax.scan(step, noise[0], noise[1:])[1][-(N_TIME + 11) :]
    return jnp.swapaxes(xs, 0, 1) * jnp.sqrt(jnp.asarray(VARIANCES)) @ basis.T


@eqx.filter_jit
def _trials(keys, memory):
    """Every estimator on every trial."""

    def one(key):
        products = block_products(covariances(_recording(memory, key), max_delay=11.0))
        names = (
            naive_participation_ratio,
            corrected_participation_ratio,
            cross_participation_ratio,
            independent_samples,
            autocovariance,
        )
        return {f.__name__: f(products) for f in names}

    return jax.lax.map(one, keys)


@pytest.fixture(scope="module")
def estimates():
    return _trials(jr.split(jr.key(11), N_TRIALS), MEMORY)


def test_cross_estimate_is_unbiased_and_knows_its_error(estimates):
    """A ratio of unbiased numbers: its bias is of the order of its squared relative error."""
    cross = estimates["cross_participation_ratio"]
    relative = float(np.std(cross.value)) / EXACT
    assert relative < 0.1
    assert_mean_matches(
        cross.value, EXACT, max_error=0.005 * EXACT, finite_size=relative**2 * EXACT
    )
    claimed = float(np.sqrt(np.mean(cross.error**2)))
    assert 0.9 < claimed / np.std(cross.value) < 1.45  # conservative by sqrt(2) at most
    covered = np.mean(np.abs(cross.value - EXACT) < 2.36 * cross.error)  # t of 7 degrees, 95 %
    assert covered > 0.92


def test_naive_estimate_misses_by_the_predicted_amount(estimates):
    naive = np.asarray(estimates["naive_participation_ratio"].value)
    predicted = 1 / (1 / EXACT + N_UNITS / EXACT_SAMPLES)
    error = naive.std() / np.sqrt(N_TRIALS)
    assert EXACT - naive.mean() > 40 * error
    assert abs(1 / np.mean(1 / naive) - predicted) < 1.5 / EXACT_SAMPLES * EXACT


def test_corrected_estimate_loses_the_bias(estimates):
    corrected = np.asarray(estimates["corrected_participation_ratio"].value)
    # What is left is the term of order 1 / T_eff, which the correction does not see: tr C^2 / T_eff
    # of the noise of C itself and the variance of the trace.
    assert abs(1 / np.mean(1 / corrected) - EXACT) < 1.5 / EXACT_SAMPLES * EXACT
    bias_of_naive = EXACT - np.mean(np.asarray(estimates["naive_participation_ratio"].value))
    assert abs(corrected.mean() - EXACT) < 0.1 * bias_of_naive


def test_independent_samples_equal_the_closed_formula(estimates):
    measured = estimates["independent_samples"].value
    # Measured to delay 11, where c^2 is 1e-5; squaring a noisy c adds less than one percent.
    assert_mean_matches(
        measured, EXACT_SAMPLES, max_error=0.004 * EXACT_SAMPLES, finite_size=0.01 * EXACT_SAMPLES
    )


def test_measured_autocovariance_and_its_error(estimates):
    measured = estimates["autocovariance"]
    exact = VARIANCES.mean() * MEMORY ** np.arange(12)
    spread = np.std(measured.value, axis=0)
    assert np.all(np.abs(np.mean(measured.value, axis=0) - exact) < 4 * spread / N_TRIALS**0.5)
    claimed = np.sqrt(np.mean(measured.error**2, axis=0))
    assert np.all(np.abs(claimed / spread - 1) < 0.2)


def test_white_samples_are_all_independent(key):
    white = _trials(jr.split(key, N_TRIALS), 0.0)
    measured = white["independent_samples"].value
    total = N_BLOCKS * N_TIME
    assert_mean_matches(measured, total, max_error=0.002 * total, finite_size=0.02 * total)
    predicted = 1 / (1 / EXACT + N_UNITS / total)
    naive = white["naive_participation_ratio"].value
    assert abs(1 / np.mean(1 / naive) - predicted) < 1.5 / total * EXACT


def test_four_point_function_of_separable_data(key):
    """C_ij(tau) = C_ij c(tau): Psi(tau1, tau2) = Psi(0, 0) c(tau1) c(tau2)."""

    @eqx.filter_jit
    def trials(keys):
        def one(key):
            measured = covariances(_recording(MEMORY, key), lags=(0.0, 1.0, 3.0))
            products = block_products(measured)
            return four_point_function(products), four_point_function(products, is_normalised=True)

        return jax.lax.map(one, keys)

    psi, ratio = trials(jr.split(key, N_TRIALS))
    decay = MEMORY ** np.array([0, 1, 3])
    exact = (VARIANCES**2).mean() * np.outer(decay, decay)
    error = np.std(psi.value, axis=0) / N_TRIALS**0.5
    assert np.all(error < 0.02 * exact[0, 0])
    assert np.all(np.abs(np.mean(psi.value, axis=0) - exact) < 4 * error)
    assert np.allclose(ratio.value[:, 0, 0], 1.0, rtol=1e-14)
    relative = np.std(ratio.value, axis=0)
    gap = np.abs(np.mean(ratio.value, axis=0) - np.outer(decay, decay))
    assert np.all(gap < 4 * relative / N_TRIALS**0.5 + relative[0, 1] ** 2 + 0.02)
    assert np.allclose(psi.value, np.swapaxes(psi.value, 1, 2))


@pytest.mark.parametrize("n_active", [1, 5, 30])
def test_dimension_of_a_flat_spectrum_is_its_width(key, n_active):
    basis = jnp.linalg.qr(jr.normal(key, (30, 30)))[0][:, :n_active]
    covariance = 2.5 * basis @ basis.T
    assert np.isclose(participation_ratio(covariance), n_active / 30, rtol=1e-12)
    assert np.isclose(entropy_dimension(covariance), n_active / 30, rtol=1e-10)


def test_entropy_is_never_below_the_participation_ratio(key):
    for i in range(5):
        root = jr.normal(jr.fold_in(key, i), (20, 20))
        covariance = root @ root.T
        variances = np.linalg.eigvalsh(np.asarray(covariance))
        p = variances / variances.sum()
        expected = np.exp(-(p * np.log(p)).sum()) / 20
        assert np.isclose(entropy_dimension(covariance), expected, rtol=1e-10)
        assert entropy_dimension(covariance) > participation_ratio(covariance)


def test_silent_activity_has_no_dimension():
    products = block_products(covariances(jnp.zeros((4, 10, 3)), max_delay=2.0))
    for f in (
        naive_participation_ratio, corrected_participation_ratio, cross_participation_ratio,
        independent_samples,
    ):  # fmt: skip
        assert np.isnan(f(products).value)
    assert np.isnan(participation_ratio(jnp.zeros((3, 3))))
    assert np.isnan(entropy_dimension(jnp.zeros((3, 3))))


def test_mirror_states_are_harmless(key):
    """A replica at -x has the same second moments; centring each block hides nothing else."""
    samples = _recording(MEMORY, key)
    mirrored = samples * jnp.where(jnp.arange(N_BLOCKS) % 2, 1.0, -1.0)[:, None, None]
    for f in (cross_participation_ratio, naive_participation_ratio):
        a, b = (f(block_products(covariances(s))) for s in (samples, mirrored))
        assert np.array_equal(a.value, b.value)


def test_harmonic_mean_and_its_error(key):
    inverse = 20 + 2 * jr.normal(key, (N_TRIALS, 9))
    estimate = jax.vmap(harmonic_mean)(1 / inverse)
    assert np.allclose(estimate.value, 1 / np.mean(inverse, axis=1), rtol=1e-13)
    claimed = float(np.mean(estimate.error))
    assert abs(claimed / np.std(estimate.value) - 1) < 0.15


def test_two_blocks_give_a_value_without_an_error(key):
    products = block_products(covariances(_recording(MEMORY, key)[:2]))
    estimate = cross_participation_ratio(products)
    moment = np.asarray(covariances(_recording(MEMORY, key)[:2]).moment[:, 0])
    exact = np.trace(moment[0]) * np.trace(moment[1]) / (N_UNITS * np.sum(moment[0] * moment[1]))
    assert np.isclose(estimate.value, exact, rtol=1e-12)
    assert np.isnan(estimate.error)


def test_data_that_cannot_answer_are_refused(key):
    samples = jr.normal(key, (3, 10, 4))
    one = block_products(covariances(samples[:1]))
    for f in (naive_participation_ratio, cross_participation_ratio, autocovariance):
        with pytest.raises(ValueError, match="`products` must hold at least 2 blocks"):
            f(one)
    undelayed = block_products(covariances(samples))
    for f in (corrected_participation_ratio, independent_samples):
        with pytest.raises(ValueError, match="`max_delay`"):
            f(undelayed)
    with pytest.raises(ValueError, match="`values` must be a list"):
        harmonic_mean(jnp.ones(1))


def test_estimators_are_differentiable(key):
    """PR is invariant to scale, so its gradient is orthogonal to the data."""
    samples = _recording(MEMORY, key)
    value = lambda s: cross_participation_ratio(block_products(covariances(s))).value
    slope = jax.grad(value)(samples)
    assert abs(float(jnp.vdot(slope, samples))) < 1e-10
    step = 1e-5 * jr.normal(key, samples.shape)
    difference = (partial(value)(samples + step) - value(samples - step)) / 2
    assert np.isclose(jnp.vdot(slope, step), difference, rtol=1e-5)
