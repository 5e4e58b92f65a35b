"""Single-site mean field: golden table, closed limits, other quadratures, edges."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import central_difference
from scipy import integrate, optimize, special

from rnngeo.meanfield import log_cosh, single_site, unit_slope_erf

PHI = {"erf": unit_slope_erf, "tanh": jnp.tanh}


@pytest.fixture(scope="module")
def table():
    path = Path(__file__).parents[1] / "golden" / "random_modes.json"
    return {group["id"]: group for group in json.loads(path.read_text())["golden"]}


@pytest.fixture(scope="module")
def times():
    """Amplitude, averages and times of a site, by the names of the table."""
    fields = {
        "Delta0": "variance_current",
        "C0": "variance_rate",
        "gain": "mean_slope",
        "phip2": "mean_squared_slope",
        "half": "half_time",
        "efold": "efold_time",
        "integral": "integral_time",
        "tail": "tail_time",
        "sampling": "sampling_time",
    }

    @eqx.filter_jit
    def compute(gain, phi):
        site = single_site(gain, phi)
        return {name: getattr(site, field) for name, field in fields.items()}

    return lambda gain, phi: compute(jnp.asarray(gain), phi)


@pytest.fixture(scope="module")
def site():
    return {g: single_site(g) for g in (1.1, 3.0, 1000.0)}


def own_erf(x):
    """A user's function, equal to the built-in one, which has closed forms."""
    return jax.scipy.special.erf(0.5 * np.sqrt(np.pi) * x)


def soft_sign(x):
    return x / jnp.sqrt(1.0 + x**2)


def half_tanh(x):
    return 0.5 * jnp.tanh(x)


def linear(x):
    return 1.0 * x


def test_golden_table(times, table):
    exact = ("Delta0", "C0", "gain", "phip2")
    for row in table["iid_single_site"]["rows"]:
        found = times(row["g"], PHI[row["phi"]])
        for name in (*exact, "half", "efold", "integral", "tail"):
            rtol = 1e-5 if name in exact else table["iid_single_site"]["rtol"]
            np.testing.assert_allclose(found[name], row[name], rtol=rtol, err_msg=f"{row} {name}")


def test_golden_time_course(site, times, table):
    row = table["Cphi_normalised"]["rows"][0]
    rates = site[row["g"]].rate_at(np.array(row["tau"], float)) / site[row["g"]].variance_rate
    np.testing.assert_allclose(rates, row["ratio"], rtol=table["Cphi_normalised"]["rtol"])
    rows = [row for row in table["finite_sample"]["rows"] if "phi" in row]
    assert len(rows) == 3
    for row in rows:
        found = times(row["g"], PHI[row["phi"]])["sampling"]
        np.testing.assert_allclose(found, row["T_over_Teff"], rtol=table["finite_sample"]["rtol"])


def test_gauss_hermite_is_not_good_enough_but_ours_is(times, table):
    row = table["quadrature_trap"]["rows"][0]
    found = times(row["g"], jnp.tanh)
    y, w = special.roots_hermitenorm(160)
    std = np.sqrt(float(found["Delta0"]))
    trapped = np.sum(w * (1 - np.tanh(std * y) ** 2)) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(found["gain"], row["gain_true"], rtol=5e-5)
    assert abs(trapped / row["gain_true"] - 1) > 1e-3
    z = np.linspace(-8.5, 8.5, 301)
    density = np.exp(-0.5 * z**2) / np.sum(np.exp(-0.5 * z**2))
    trapezoid = np.sum(density * (1 - np.tanh(std * z) ** 2))
    np.testing.assert_allclose(found["gain"], trapezoid, rtol=1e-12)


@pytest.mark.parametrize("gain", [1.1, 3.0, 30.0])
def test_own_function_gives_what_closed_forms_give(times, gain):
    closed, numerical = times(gain, unit_slope_erf), times(gain, own_erf)
    for name, value in closed.items():
        np.testing.assert_allclose(numerical[name], value, rtol=1e-10, err_msg=name)


def test_plain_erf_is_the_unit_slope_one_in_other_units(times):
    """erf(x) = phi(2 x / sqrt pi): a smaller gain, a smaller current, the same rates."""
    scale = 2 / np.sqrt(np.pi)
    unit, plain = times(3.0, unit_slope_erf), times(3.0 / scale, jax.scipy.special.erf)
    np.testing.assert_allclose(plain["Delta0"] * scale**2, unit["Delta0"], rtol=1e-12)
    for name in ("C0", "half", "integral", "sampling"):
        np.testing.assert_allclose(plain[name], unit[name], rtol=1e-12, err_msg=name)


def test_amplitude_with_an_adaptive_quadrature(times):
    """Var(antiderivative) = Delta0^2 / (2 g^2), for tanh and for an algebraic function."""

    def average(fn, variance):
        density = lambda y: np.exp(-0.5 * y * y) / np.sqrt(2 * np.pi)
        at = lambda y: float(fn(np.sqrt(variance) * y)) * density(y)
        return 2 * integrate.quad(at, 0, 12, points=[0.3, 1, 4], epsabs=1e-13, limit=200)[0]

    algebraic = lambda x: np.sqrt(1 + x * x)
    cosh = lambda x: np.logaddexp(x, -x) - np.log(2)
    np.testing.assert_allclose(log_cosh(jnp.array([0.3, 20.0])), cosh(np.array([0.3, 20.0])))
    for phi, antiderivative in ((jnp.tanh, cosh), (soft_sign, algebraic)):

        def excess(d, antiderivative=antiderivative):
            mean = average(antiderivative, d)
            return average(lambda x: (antiderivative(x) - mean) ** 2, d) - d**2 / 8

        expected = float(optimize.brentq(excess, 0.2, 8.0, xtol=1e-12))  # pyright: ignore[reportArgumentType]
        np.testing.assert_allclose(times(2.0, phi)["Delta0"], expected, rtol=1e-10)


def test_time_course_solves_its_equation(site):
    """Second difference of C_x against C_x - g^2 C_phi, and evenness."""
    lags, h = np.linspace(0.0, 12.0, 25), 1e-3
    x = lambda t: np.asarray(site[3.0].current_at(t))
    curvature = (x(lags + h) - 2 * x(lags) + x(lags - h)) / h**2
    balance = x(lags) - 9.0 * np.asarray(site[3.0].rate_at(lags))
    np.testing.assert_allclose(curvature, balance, atol=2e-6)  # h^2 and rounding / h^2
    np.testing.assert_array_equal(x(-lags), x(lags))
    np.testing.assert_allclose(x(0.0), site[3.0].variance_current, rtol=1e-14)
    closed = (2 / np.pi) * np.arcsin(x(lags) / (site[3.0].variance_current + 2 / np.pi))
    np.testing.assert_allclose(site[3.0].rate_at(lags), closed, rtol=1e-10)


def test_interpolation_passes_through_the_nodes_and_the_tail_continues(site):
    for one in site.values():
        np.testing.assert_allclose(
            one.current_at(one.lags), one.autocovariance_current, rtol=1e-8, atol=1e-14
        )
        far = one.lag_edges[-1] + jnp.array([0.0, 3.0]) * one.tail_time
        far = one.current_at(far)
        np.testing.assert_allclose(far[1] / far[0], np.exp(-3.0), rtol=1e-9)


def test_spectra_obey_the_equation_of_motion(site):
    """C_phi(w) = (1 + w^2) C_x(w) / g^2."""
    one = site[3.0]
    w = np.linspace(0.0, 1.0, 11)[:, None]
    cosine = 2 * np.cos(w * np.asarray(one.lags)) * np.asarray(one.lag_weights)
    rate = cosine @ np.asarray(one.autocovariance_rate)
    current = cosine @ np.asarray(one.autocovariance_current)
    np.testing.assert_allclose(rate, (1 + w[:, 0] ** 2) * current / 9.0, rtol=1e-9)


def test_large_gain(site, table):
    limits = {row["name"]: row["value"] for row in table["limits"]["rows"]}
    one, rtol = site[1000.0], table["limits"]["rtol"]
    np.testing.assert_allclose(
        one.variance_current / 1e6, limits["ising_Delta0_over_g2"], rtol=rtol
    )
    np.testing.assert_allclose(
        (1e3 * one.mean_slope) ** 2, limits["ising_gain_squared_g2"], rtol=rtol
    )
    relative = one.autocovariance_current / one.variance_current
    np.testing.assert_allclose(
        one.autocovariance_rate,
        (2 / np.pi) * jnp.arcsin(relative),
        atol=2e-3,  # of order 1/g
    )


def test_onset(times):
    """1 - (g <phi'>)^2 -> eps^2/3; Delta0 -> 4 eps/pi (erf), eps (tanh); sech for tanh."""
    for phi, amplitude in ((unit_slope_erf, 4 / np.pi), (jnp.tanh, 1.0)):
        gaps = []
        for eps in (0.002, 0.001):
            found = times(1 + eps, phi)
            gaps.append(
                (3 / (found["tail"] * eps) ** 2 - 1, found["Delta0"] / (amplitude * eps) - 1)
            )
        gaps = np.abs(np.array(gaps))
        assert np.all(gaps[1] < 5e-3)
        np.testing.assert_allclose(gaps[0] / gaps[1], 2.0, rtol=0.02)  # the gap is of order eps
    half = np.sqrt(3) / 0.001 * np.arccosh(2.0)
    np.testing.assert_allclose(times(1.001, jnp.tanh)["half"], half, rtol=2e-3)


def test_derivatives_in_the_gain(times):
    phi = jnp.tanh
    slopes = jax.jvp(lambda gain: times(gain, phi), (3.0,), (1.0,))[1]
    for name, slope in slopes.items():
        difference = central_difference(lambda gain, name=name: times(gain, phi)[name], 3.0)
        np.testing.assert_allclose(slope, difference, rtol=1e-7, err_msg=name)


def test_amplitude_slope_by_the_implicit_function_theorem():
    """dDelta0/dg = -V_g / V_Delta0 with V = -Delta0^2/2 + g^2 Phi(Delta0), closed for erf."""

    def potential(d):
        total = 1 + np.pi * d / 2
        u = 1 - 1 / total
        return (4 / np.pi**2) * total * (u * np.arcsin(u) - 1 + np.sqrt(1 - u * u))

    d = float(single_site(2.0).variance_current)
    slope = -4.0 * potential(d) / (-d + 4.0 * central_difference(potential, d))
    found = jax.grad(lambda gain: single_site(gain).variance_current)(2.0)
    np.testing.assert_allclose(found, slope, rtol=1e-8)


@pytest.mark.parametrize(("phi", "gain"), [(unit_slope_erf, 0.99), (half_tanh, 1.9)])
def test_quiescent_phase_is_nan_with_a_reason(phi, gain):
    below = single_site(gain, phi)
    for name in ("variance_current", "variance_rate", "decay_rate", "half_time", "integral_time"):
        assert np.isnan(getattr(below, name)), name
    assert np.all(np.isnan(below.rate_at(jnp.array([0.0, 1.0]))))
    assert bool(below.is_quiescent)
    assert below.reason.startswith("Quiescent")
    above = single_site(gain + 0.2, phi)
    assert above.reason == ""
    assert above.variance_current > 0


def test_unbounded_rates_have_no_amplitude():
    unstable = single_site(1.5, linear)
    assert np.isnan(unstable.variance_current)
    assert unstable.reason.startswith("No amplitude")


def test_refuses_a_nonlinearity_that_is_not_odd():
    for phi in (jax.nn.relu, jax.nn.sigmoid, lambda x: jnp.tanh(x - 0.1)):
        with pytest.raises(ValueError, match="`nonlinearity` must be odd"):
            single_site(2.0, phi)


def test_a_batch_is_a_loop():
    gains = jnp.array([0.9, 1.2, 7.0])
    batch = eqx.filter_vmap(single_site)(gains)
    singles = [single_site(gain) for gain in gains]
    for name in ("variance_current", "lags", "autocovariance_rate"):
        stacked = np.stack([getattr(one, name) for one in singles])
        np.testing.assert_allclose(getattr(batch, name), stacked, rtol=1e-12, err_msg=name)


def test_gains_do_not_recompile():
    traces = []

    def counted(x):
        traces.append(x)
        return jnp.tanh(x)

    single_site(2.0, counted)
    before = len(traces)
    single_site(3.0, counted)
    assert len(traces) == before > 0
