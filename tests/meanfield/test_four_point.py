"""Four-point theory: golden tables, brute double sums, random matrices, limits."""

import json
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_mean_matches, central_difference
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from rnngeo.meanfield import (
    FourPoint,
    Observable,
    activity_participation_ratio,
    four_point,
    four_point_at_lags,
    four_point_function,
    four_point_value,
    participation_ratio_curves,
    single_site,
    unit_slope_erf,
)

PHI = {"erf": unit_slope_erf, "tanh": jnp.tanh}
ratio = activity_participation_ratio


@pytest.fixture(scope="module")
def table():
    path = Path(__file__).parents[1] / "golden" / "random_modes.json"
    return {group["id"]: group for group in json.loads(path.read_text())["golden"]}


@pytest.fixture(scope="module")
def parts():
    """Equal-time parts at a gain."""
    compute = eqx.filter_jit(lambda gain, phi: four_point(single_site(gain, phi)))
    return lambda gain, phi=unit_slope_erf: compute(jnp.asarray(gain), phi)


def inverse(effective_rank):
    return 0.0 if effective_rank == "inf" else 1.0 / effective_rank


def assert_printed(found, expected, rtol, digits):
    """Within the tolerance of the table, and half a unit of the last digit that it prints."""
    expected = np.asarray(expected)
    unit = 10.0 ** (np.floor(np.log10(np.abs(expected))) + 1 - digits)
    gap = np.abs(np.asarray(found) - expected)
    assert np.all(gap <= np.maximum(rtol * np.abs(expected), 0.5 * unit)), (found, expected)


def test_golden_integrals(parts, table):
    for row in table["four_point_integrals"]["rows"]:
        p = parts(row["g"])
        i0 = p.rate_local + p.rate_cross + p.rate_collective
        found = (i0, p.rate_collective, p.current_collective, p.current_cross)
        expected = [row[name] for name in ("I0", "I1", "J1", "J2")]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        small = p.rate_local / p.rate_collective
        found = (small, p.current_local / p.current_collective, small / ratio(p))
        expected = [row[name] for name in ("K_phi", "K_x", "K_phi_over_PR_iid")]
        np.testing.assert_allclose(found, expected, rtol=3e-4)  # 1.170 has four digits


def test_golden_participation_ratios(parts, table):
    for row in table["iid_single_site"]["rows"]:
        p = parts(row["g"], PHI[row["phi"]])
        found = ratio(p), ratio(p, observable=Observable.CURRENT)
        np.testing.assert_allclose(found, (row["PR_phi"], row["PR_x"]), rtol=2e-4)
    group = table["pr_vs_effective_rank"]
    for row in group["rows"]:
        observable = {"phi": Observable.RATE, "x": Observable.CURRENT}[row["observable"]]
        ranks = np.array([inverse(er) for er in row["er"]] + [-1.0])
        found = ratio(parts(row["g"]), ranks, observable=observable)
        np.testing.assert_allclose(found, [*row["PR"], row["PR_orthogonal"]], rtol=group["rtol"])
    group = table["connectome_rank"]
    for row in group["rows"]:
        found = ratio(parts(row["g"]), 1 / row["PR_S"] - 2)
        np.testing.assert_allclose(found, row["PR_phi"], rtol=group["rtol"])


@pytest.mark.float32
def test_single_precision_keeps_the_digits_of_the_table(table):
    for row in table["iid_single_site"]["rows"]:
        if row["phi"] == "erf":
            p = four_point(single_site(jnp.asarray(row["g"], jnp.float32)))
            found = jnp.stack([ratio(p), ratio(p, observable=Observable.CURRENT)])
            assert found.dtype == jnp.float32
            np.testing.assert_allclose(found, (row["PR_phi"], row["PR_x"]), rtol=2e-4)


def test_golden_gain_heterogeneity(parts, table):
    names = {"PR_G_phi": Observable.OUTPUT, "PR_phi": Observable.RATE}
    names["PR_readout"] = Observable.READOUT
    group = table["gain_heterogeneity"]
    for row in group["rows"]:
        for name, observable in names.items():
            found = ratio(
                parts(row["g"]), 1 / row["er"], observable=observable, gain_ratio=row["PR_G"]
            )
            assert_printed(found, row[name], group["rtol"], group["digits"])


def test_golden_time_scales(table):
    at_lags = eqx.filter_jit(
        lambda gain, lags, rank: four_point_function(single_site(gain), lags, rank)
    )
    sections = {
        "pc_autocorrelation": "principal_autocorrelation",
        "equal_lag_root": "pair_autocorrelation",
    }
    for name, section in sections.items():
        for row in table[name]["rows"]:
            lags, rank = jnp.array(row["tau"], float), jnp.asarray(inverse(row["er"]))
            found = getattr(at_lags(jnp.asarray(row["g"]), lags, rank), section)
            np.testing.assert_allclose(found, row["ratio"], rtol=table[name]["rtol"])


class DoubleSum:
    """The theory as published: an initial value problem, and double sums over frequencies."""

    def __init__(self, gain, half_window=240.0, step=0.1):
        c, g2 = np.pi / 2, gain**2
        phi2 = lambda d: (2 / np.pi) * np.arcsin(c * d / (1 + c * d0))

        def potential(d):
            u = c * d / (1 + c * d0)
            inner = u * np.arcsin(u) - u * u / (1 + np.sqrt(1 - u * u))
            return -d * d / 2 + g2 * (2 / np.pi) * (1 + c * d0) / c * inner

        d0 = float(single_site(gain).variance_current)
        assert abs(potential(d0)) < 1e-12 * d0**2  # the amplitude, with the published potential
        curvature = d0 - g2 * phi2(d0)
        slope2 = 1 / np.sqrt((1 + c * d0) ** 2 - (c * d0) ** 2)
        h = 1e-2
        start = np.sqrt(
            -np.log1p((curvature * h**2 / 2 + (1 - g2 * slope2) * curvature * h**4 / 24) / d0)
        )

        def rise(_, s):  # Delta = Delta0 exp(-s^2)
            d = d0 * np.exp(-(s**2))
            return np.sqrt(-2 * potential(d)) / d / (2 * s)

        lags = step * np.arange(round(half_window / step) + 1)
        course = integrate.solve_ivp(
            rise, (h, 40.0), [start], "DOP853", rtol=1e-12, atol=1e-12, t_eval=lags[1:401]
        )
        kappa = np.sqrt(1 - g2 / (1 + c * d0))
        depth = np.concatenate([[0.0], course.y[0] ** 2])
        current = d0 * np.exp(-depth)
        tail = current[-1] * np.exp(-kappa * (lags[401:] - lags[400]))
        current = np.concatenate([current, tail])
        rate = phi2(current)
        even = lambda f: np.concatenate([f, f[-2:0:-1]])
        self.w = 2 * np.pi * np.fft.fftfreq(2 * lags.size - 2, step)
        x, r = (np.fft.fft(even(f)).real * step for f in (current, rate))
        kept = x > 1e-12 * x.max()
        self.w, x, r = self.w[kept], x[kept], r[kept]
        slope = 1 / np.sqrt(1 + c * d0)
        response = 1 / ((1 + 1j * self.w[:, None]) * (1 + 1j * self.w))
        z = g2 * slope**2 * response
        u = g2 * response / (1 - z)
        rr = r[:, None] * r
        self.measure = 1 / (2 * half_window) ** 2
        self.rate = (rr, 2 * (z / (1 - z)).real * rr, np.abs(z / (1 - z)) ** 2 * rr)
        xx = x[:, None] * x
        self.current = (xx, 2 * u.real * slope**2 * xx, np.abs(u) ** 2 * rr)

    def at(self, lag_1, lag_2):
        phase = np.exp(1j * (self.w[:, None] * lag_1 + self.w * lag_2))
        return [self.measure * np.sum(phase * f).real for f in (*self.rate, *self.current)]


def test_double_sums_over_frequencies():
    """Contour integrals against the published formulas, at lags of all kinds."""
    lags = np.array([0.0, 2.0, -5.0, 0.3, 11.0])
    brute = DoubleSum(2.0)  # of error exp(-2 kappa^2 half_window) = 1e-12
    found = four_point_at_lags(single_site(2.0), lags)
    for i, j in ((0, 0), (1, 0), (1, 1), (1, 2), (3, 4), (2, 4), (4, 4)):
        expected = brute.at(lags[i], lags[j])
        values = [part[i, j] for part in jax.tree.leaves(found)]
        np.testing.assert_allclose(values, expected, rtol=1e-9, err_msg=f"{i} {j}")


def test_lag_zero_of_the_function_is_the_equal_time_value(parts):
    at_lags = four_point_at_lags(single_site(2.0), np.array([0.0, 2.0, -2.0, 1e4, 0.3]))
    for long, short in zip(jax.tree.leaves(at_lags), jax.tree.leaves(parts(2.0)), strict=True):
        np.testing.assert_allclose(long[0, 0], short, rtol=1e-11)
        np.testing.assert_allclose(long, long.T, rtol=1e-12, atol=1e-14 * short)
        np.testing.assert_allclose(long[1, 1], long[2, 2], rtol=1e-12)  # Psi(-t,-t) = Psi(t,t)
        assert np.all(np.abs(long[:3, 3]) < 1e-12 * short)  # decayed at a lag of 1e4


def test_currents_under_output_gains_in_random_matrices(key):
    """A linear network with the same second-order statistics, at one pair of frequencies."""
    s0, w, gains = 0.5, (0.5, -1.0), np.array([0.5, 1.8])
    q2 = np.mean(gains**2)
    gain_ratio = q2**2 / np.mean(gains**4)
    z = s0**2 / ((1 + 1j * w[0]) * (1 + 1j * w[1]))
    own = [1 / (1 + v * v) for v in w]  # C_x(w) for C_phi = 1 and g = 1
    u = (z / s0**2) / (1 - z)
    parts = FourPoint(
        *(jnp.zeros(()),) * 3,
        current_local=jnp.asarray(own[0] * own[1]),
        current_cross=jnp.asarray(2 * u.real * s0**2 * own[0] * own[1]),
        current_collective=jnp.asarray(np.abs(u) ** 2),
    )
    theory = float(four_point_value(parts, observable=Observable.CURRENT, gain_ratio=gain_ratio))
    equal = float(four_point_value(parts, observable=Observable.CURRENT))
    assert theory > 1.1 * equal  # further apart than the error that is allowed below

    def sample(k, n):
        weights = np.asarray(jax.random.normal(k, (n, n))) * np.sqrt(1 / (n * q2))
        weights = weights * np.resize(gains, n)
        spectra = []
        for v in w:
            s = s0 / (1 + 1j * v)
            a = np.linalg.solve(np.eye(n) - s * weights, weights).T  # commutes
            spectra.append((1 - abs(s) ** 2) / (1 + v * v) * (a.T @ a.conj()))
        return np.sum(spectra[0] * spectra[1]).real / n

    samples = [sample(k, 300) for k in jax.random.split(key, 16)]
    assert_mean_matches(
        samples, theory, n_sigma=4.0, finite_size=3 / 300 * theory, max_error=0.015 * theory
    )


def test_onset_constant(parts, table):
    """eps^3 / PR -> c for i.i.d., and PR / PR_iid -> 1/(1 + 1/er)."""
    limits = {row["name"]: row["value"] for row in table["limits"]["rows"]}
    width = np.sqrt(3) * np.pi / 2**1.5
    kernel = lambda w: np.cosh(width * w) ** -2 * np.pi / (np.sqrt(2) * (1 / 3 + w * w / 2))
    c = 0.75 * 2 * integrate.quad(kernel, 0, 30, epsabs=1e-12)[0]
    np.testing.assert_allclose(c, limits["onset_constant_c"], rtol=1e-5)
    eps = np.array([0.01, 0.015, 0.02, 0.03, 0.04])
    for observable in (Observable.RATE, Observable.CURRENT):
        for rank in (0.0, 2.0):
            value = [e**3 / ratio(parts(1 + e), rank, observable=observable) for e in eps]
            limit = np.polynomial.Polynomial.fit(eps, value, eps.size - 1)(0.0)
            np.testing.assert_allclose(limit, c * (1 + rank), rtol=2e-4)


def test_large_gain(parts, table):
    limits = {row["name"]: row for row in table["limits"]["rows"]}
    p = parts(1000.0)
    small = p.rate_local / p.rate_collective / ratio(p)
    found = {
        "ising_PR_phi": ratio(p),
        "ising_PR_x": ratio(p, observable=Observable.CURRENT),
        "K_phi_over_PR_iid_large_g": small,
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, limits[name]["value"], rtol=limits[name]["rtol"])


def test_small_effective_rank(parts):
    p = parts(3.0)
    np.testing.assert_allclose(ratio(p, 1e6), 1e-6 * p.rate_local / p.rate_collective, rtol=1e-5)


@given(st.floats(-1.0, 50.0), st.floats(0.01, 0.99), st.floats(0.05, 1.0))
def test_order_of_observables(parts, rank, more, gain_ratio):
    """Raw < readout < normalised, decreasing in 1/er, and alike without heterogeneity."""
    p = parts(3.0)
    at = partial(ratio, p, gain_ratio=gain_ratio)
    raw, read, plain = (
        float(at(rank, observable=o))
        for o in (Observable.OUTPUT, Observable.READOUT, Observable.RATE)
    )
    assert raw <= read * (1 + 1e-12)
    assert read <= plain * (1 + 1e-12)
    assert 0 < float(at(rank + more)) < plain <= 1
    equal = [ratio(p, rank, observable=o) for o in list(Observable)[1:]]
    np.testing.assert_allclose(equal, equal[0], rtol=1e-13)
    swapped = ratio(p, 1 / gain_ratio - 1, gain_ratio=1 / (rank + 2))  # symmetric in both
    np.testing.assert_allclose(swapped, ratio(p, rank + 1, gain_ratio=gain_ratio), rtol=1e-12)


def test_curves_and_their_derivatives(parts):
    gains, ranks = np.array([0.8, 1.5, 3.0]), np.array([-1.0, 0.0, 3.0])
    curves = participation_ratio_curves(gains, ranks, observable=Observable.CURRENT)
    assert curves.shape == (3, 3)
    assert np.all(np.isnan(curves[0]))  # quiescent
    for row, gain in zip(curves[1:], gains[1:], strict=True):
        expected = ratio(parts(gain), ranks, observable=Observable.CURRENT)
        np.testing.assert_allclose(row, expected, rtol=1e-12)

    at = lambda gain, rank: ratio(parts(gain), rank)
    slopes = jax.grad(at, argnums=(0, 1))(3.0, 0.5)
    np.testing.assert_allclose(slopes[0], central_difference(lambda g: at(g, 0.5), 3.0), rtol=1e-7)
    np.testing.assert_allclose(slopes[1], central_difference(lambda r: at(3.0, r), 0.5), rtol=1e-7)


def test_refuses_what_no_connectivity_has(parts):
    p = parts(3.0)
    with pytest.raises(ValueError, match="`inverse_effective_rank` must lie between -1"):
        ratio(p, -1.01)
    for bad in (0.0, 1.5, np.nan):
        with pytest.raises(ValueError, match="`gain_ratio` must lie between"):
            ratio(p, gain_ratio=bad)
    traced = jax.jit(lambda rank: ratio(p, rank))(jnp.array([-1.01, 0.0]))
    assert np.isnan(traced[0])
    np.testing.assert_allclose(traced[1], ratio(p), rtol=1e-14)


def test_unresolved_onset_is_nan_not_a_number_of_few_digits(parts):
    assert np.isnan(ratio(parts(1.004)))
    assert ratio(parts(1.006)) > 0
    assert np.isnan(ratio(parts(0.9)))
