"""Gaussian averages against closed forms, golden numbers and brute-force integrals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_golden, central_difference, machine_epsilon
from scipy import integrate

from rnngeo.numerics import bivariate_average, derivative, gaussian_average

PHI = jnp.tanh
D1 = derivative(PHI)
D2 = derivative(D1)
D3 = derivative(D2)


def square(x):
    return jnp.tanh(x) ** 2


def slope_squared(x):
    return D1(x) ** 2


def phi_d2phi(x):
    return PHI(x) * D2(x)


def x_phi_dphi(x):
    return x * PHI(x) * D1(x)


def log_cosh_squared(x):
    size = jnp.abs(x)
    return (size + jnp.log1p(jnp.exp(-2 * size)) - np.log(2.0)) ** 2


FUNCTIONS = {
    "phi2": square,
    "dphi": D1,
    "d3phi": D3,
    "dphi2": slope_squared,
    "phi_d2phi": phi_d2phi,
    "x_phi_dphi": x_phi_dphi,
    "logcosh2": log_cosh_squared,
}


def test_golden_averages(golden):
    for entry in golden["gaussian_averages"]:
        for name, expected in entry["expected"].items():
            value = gaussian_average(FUNCTIONS[name], entry["inputs"]["variance"])
            assert_golden(value, expected, entry["tolerance"], name)


def test_golden_pair_averages(golden):
    for entry in golden["two_variable_averages"]:
        i = entry["inputs"]
        args = i["variance_x"], i["variance_y"], i["covariance"]
        pairs = {"phi_phi": (PHI, PHI), "dphi_dphi": (D1, D1), "phi_d2phi": (PHI, D2)}
        for name, (f, g) in pairs.items():
            value = bivariate_average(f, g, *args)
            assert_golden(value, entry["expected"][name], entry["tolerance"], name)


def test_golden_errors_of_gauss_hermite(golden):
    """Our average is the truth against which the rule of the published code is off."""
    for entry in golden["quadrature_relative_error"]:
        d, n = entry["inputs"]["variance"], entry["inputs"]["n_points"]
        y, w = np.polynomial.hermite_e.hermegauss(n)
        for name, expected in entry["expected"].items():
            rule = np.sum(w * np.asarray(FUNCTIONS[name](np.sqrt(d) * y))) / np.sqrt(2 * np.pi)
            error = rule / float(gaussian_average(FUNCTIONS[name], d)) - 1
            assert_golden(error, expected, entry["tolerance"], name)


@pytest.mark.float32
@pytest.mark.parametrize("variance", [0.0, 1e-8, 0.1, 1.0, 20.0, 1e4, 1e8, 1e12])
def test_identity_of_square_and_slope(variance):
    total = gaussian_average(square, variance) + gaussian_average(D1, variance)
    assert abs(float(total) - 1.0) < 20 * machine_epsilon()


@pytest.mark.parametrize("variance", [0.01, 1.0, 30.0, 1e3, 1e6])
def test_average_against_adaptive_quadrature(variance):
    s = np.sqrt(variance)
    points = [p / s for p in (1.0, 5.0, 20.0) if p / s < 9]
    for fn, brute in ((D1, lambda x: 1 - np.tanh(x) ** 2), (square, lambda x: np.tanh(x) ** 2)):
        density = lambda y, brute=brute: np.exp(-y * y / 2) / np.sqrt(2 * np.pi) * brute(s * y)
        half, _ = integrate.quad(density, 0, 12, points=points, epsabs=1e-14, limit=400)
        np.testing.assert_allclose(gaussian_average(fn, variance), 2 * half, rtol=1e-11)


def test_large_variance_limit():
    d = 1e12
    np.testing.assert_allclose(gaussian_average(D1, d), np.sqrt(2 / np.pi / d), rtol=1e-11)


@pytest.mark.parametrize("variance", [0.5, 4.0, 100.0])
def test_price_theorem_against_difference(variance):
    for fn in (square, D1, log_cosh_squared):
        slope = jax.grad(lambda d, fn=fn: gaussian_average(fn, d))(variance)
        second = jax.grad(jax.grad(lambda d, fn=fn: gaussian_average(fn, d)))(variance)
        difference = central_difference(lambda d, fn=fn: float(gaussian_average(fn, d)), variance)
        np.testing.assert_allclose(slope, difference, rtol=1e-6)
        difference = central_difference(
            lambda d, fn=fn: float(jax.grad(lambda d: gaussian_average(fn, d))(d)), variance
        )
        np.testing.assert_allclose(second, difference, rtol=1e-6)


@pytest.mark.float32
def test_derivative_at_zero_variance():
    tolerance = 50 * machine_epsilon()
    assert abs(float(jax.grad(lambda d: gaussian_average(square, d))(0.0)) - 1) < tolerance
    value, slope = jax.value_and_grad(lambda d: gaussian_average(D1, d))(0.0)
    assert abs(float(value) - 1) < tolerance
    assert abs(float(slope) + 1) < tolerance


@pytest.mark.float32
def test_precision_follows_input():
    for dtype in (jnp.float32, jnp.result_type(float)):
        d = jnp.asarray([0.3, 2.0], dtype)
        assert gaussian_average(square, d).dtype == dtype
        assert bivariate_average(PHI, PHI, d[0], d[1], d[0]).dtype == dtype
    single = gaussian_average(square, jnp.asarray([0.3, 2.0, 50.0], jnp.float32))
    double = gaussian_average(square, jnp.asarray([0.3, 2.0, 50.0]))
    np.testing.assert_allclose(single, double, rtol=3e-6)


@pytest.mark.parametrize(
    ("a", "b", "c"),
    [(1.0, 1.0, 0.5), (2.0, 9.0, -4.0), (50.0, 40.0, 44.0), (300.0, 2.0, 20.0), (1.0, 80.0, 0.0)],
)
def test_pair_against_nested_trapezoid(a, b, c):
    u = np.linspace(-9, 9, 1801)
    density = np.exp(-(u**2) / 2) * (u[1] - u[0]) / np.sqrt(2 * np.pi)
    rho = c / np.sqrt(a * b)
    x = np.sqrt(a) * u
    y = np.sqrt(b) * (rho * u[:, None] + np.sqrt(1 - rho**2) * u)
    brute = np.sum(density[:, None] * density * np.tanh(x)[:, None] * np.tanh(y))
    np.testing.assert_allclose(bivariate_average(PHI, PHI, a, b, c), brute, atol=1e-10)
    brute = np.sum(density[:, None] * density * np.cosh(x)[:, None] ** -2.0 * np.cosh(y) ** -2.0)
    np.testing.assert_allclose(bivariate_average(D1, D1, a, b, c), brute, atol=1e-10)


@pytest.mark.parametrize("d", [0.0, 1e-3, 1.0, 100.0, 1e6])
def test_pair_at_full_correlation(d):
    expected = gaussian_average(square, d)
    np.testing.assert_allclose(bivariate_average(PHI, PHI, d, d, d), expected, atol=1e-12)
    np.testing.assert_allclose(bivariate_average(PHI, PHI, d, d, -d), -expected, atol=1e-12)
    np.testing.assert_allclose(bivariate_average(D1, D1, d, 0.0, 0.0), gaussian_average(D1, d))


def test_pair_is_symmetric_under_exchange():
    left = bivariate_average(PHI, D2, 3.0, 40.0, 7.0)
    np.testing.assert_allclose(left, bivariate_average(D2, PHI, 40.0, 3.0, 7.0), rtol=1e-10)


def test_pair_gradient_against_difference():
    args = (2.0, 3.0, 1.1)
    average = lambda *a: bivariate_average(PHI, D2, *a)
    for k in range(3):
        slope = jax.grad(average, argnums=k)(*args)
        along = lambda x, k=k: float(average(*args[:k], x, *args[k + 1 :]))
        np.testing.assert_allclose(slope, central_difference(along, args[k]), rtol=1e-7)


def test_jit_and_vmap_agree_with_plain_calls():
    d = jnp.asarray([0.0, 0.2, 7.0])
    plain = jnp.stack([gaussian_average(square, x) for x in d])
    np.testing.assert_allclose(jax.jit(lambda d: gaussian_average(square, d))(d), plain, rtol=1e-14)
    pair = lambda x: bivariate_average(PHI, PHI, x, 2.0, 0.1 * x)
    plain = jnp.stack([pair(x) for x in d])
    np.testing.assert_allclose(jax.jit(jax.vmap(pair))(d), plain, rtol=1e-12, atol=1e-15)


def test_derivative_is_one_object_per_function():
    assert derivative(PHI) is derivative(PHI)
    np.testing.assert_allclose(D3(jnp.asarray(0.0)), -2.0)
