"""Principal components, time scales and modes against identities and NumPy."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.linalg import eigh, solve_continuous_lyapunov

from rnngeo.geometry import (
    block_products,
    component_autocovariances,
    covariances,
    decay_time,
    eigenmode_variances,
    principal_components,
)


def _samples(key, n_blocks=3, n_time=60, n_units=8):
    raw = jr.normal(key, (n_blocks, n_time + 2, n_units)) * jnp.arange(1.0, n_units + 1)
    return raw[:, 2:] + 0.8 * raw[:, 1:-1] + 0.3 * raw[:, :-2]


def test_components_agree_with_scipy_and_with_their_time_courses(key):
    samples = _samples(key)
    c = covariances(samples).total[0]
    components = principal_components(c, 5)
    expected = eigh(np.asarray(c), eigvals_only=True)[::-1][:5]
    assert np.allclose(components.variance, expected, rtol=1e-12)
    assert np.allclose(components.direction @ components.direction.T, np.eye(5), atol=1e-12)
    courses = np.concatenate([components.time_courses(block) for block in samples])
    assert np.allclose(courses.T @ courses / len(courses), np.diag(expected), atol=1e-10)


def test_weighted_time_courses_are_the_two_and_four_point_functions(key):
    measured = covariances(_samples(key), lags=(0.0, 1.0, 2.0, 5.0), max_delay=5.0)
    total = measured.total
    components = principal_components(total[0])
    c = np.asarray(component_autocovariances(measured, components))
    assert np.allclose(c[:, 0], components.variance, rtol=1e-10)
    normalised, variance = c / c[:, :1], np.asarray(components.variance)
    products = block_products(measured)
    delayed = np.mean(products.autocovariance, axis=0)[np.array([0, 1, 2, 5])]
    assert np.allclose(variance @ normalised / 8, delayed, rtol=1e-10)
    psi = np.einsum("kij,ij->k", total, total[0]) / 8
    assert np.allclose(variance**2 @ normalised / 8, psi, rtol=1e-10)


def test_component_autocovariance_is_that_of_its_time_course(key):
    samples = _samples(key, n_blocks=1)
    measured = covariances(samples, lags=(0.0, 3.0))
    components = principal_components(measured.total[0], 2)
    courses = np.asarray(components.time_courses(samples[0]))
    expected = (courses[:-3] * courses[3:]).mean(axis=0)
    assert np.allclose(component_autocovariances(measured, components)[:, 1], expected, rtol=1e-10)


def test_decay_time_of_known_courses():
    lags = jnp.linspace(0.0, 10.0, 201)
    courses = jnp.stack([jnp.exp(-lags / 2), jnp.exp(-lags / 3.3), jnp.exp(-lags / 50)])
    # Linear between lags 0.05 apart: error below h^2 / (8 tau).
    assert np.allclose(decay_time(lags, courses)[:2], [2.0, 3.3], rtol=0, atol=2e-4)
    assert np.isnan(decay_time(lags, courses)[2])
    assert np.isclose(decay_time(lags, 1 - lags / 8, 0.5), 4.0)
    with pytest.raises(ValueError, match="`level`"):
        decay_time(lags, courses, 1.0)


def test_mode_variances_of_a_symmetric_linear_network(key):
    """dx = (J - 1) x dt + sqrt(2) dW: variance 1 / (1 - lambda) along every mode."""
    root = jr.normal(key, (15, 15))
    matrix = 0.5 * (root + root.T) / 15**0.5 / 2
    drift = np.asarray(matrix) - np.eye(15)
    covariance = jnp.asarray(solve_continuous_lyapunov(drift, -2 * np.eye(15)))
    modes = eigenmode_variances(matrix, covariance)
    expected = 1 / (1 - modes.eigenvalue.real)
    assert np.allclose(modes.along, expected, rtol=1e-9)
    assert np.allclose(modes.coefficient, expected, rtol=1e-9)


def test_mode_variances_of_a_nonsymmetric_matrix(key):
    matrix = jr.normal(key, (15, 15)) / 15**0.5
    samples = np.asarray(jr.normal(jr.fold_in(key, 1), (50, 15)))
    modes = eigenmode_variances(matrix, jnp.asarray(samples.T @ samples / 50))
    assert np.all(np.diff(np.abs(modes.eigenvalue)) < 1e-12)
    values, right = np.linalg.eig(np.asarray(matrix))
    courses = np.abs(samples @ np.linalg.inv(right).T) ** 2
    along = np.abs(samples @ right.conj()) ** 2
    for value, one, two in zip(modes.eigenvalue, modes.along, modes.coefficient, strict=True):
        k = np.argmin(np.abs(values - complex(value)))
        # a conjugate pair shares its variances
        assert np.isclose(one, along[:, k].mean(), rtol=1e-9)
        assert np.isclose(two, courses[:, k].mean(), rtol=1e-9)


def test_too_many_components_are_refused():
    with pytest.raises(ValueError, match="`n_components` must lie between 1 and 3"):
        principal_components(jnp.eye(3), 4)
