"""Pointwise four-point formulas: golden digits, reductions, and random matrices in NumPy."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_mean_matches

from rnngeo.meanfield import (
    Observable,
    activity_participation_ratio,
    four_point,
    single_site,
)
from rnngeo.meanfield._pair_integrals import integrated_four_point, sample_spectra
from rnngeo.meanfield._self_coupling import overlap_profile
from rnngeo.meanfield._structured import (
    ObservedSpectra,
    hessian_four_point,
    overlap_four_point,
    partially_symmetric_four_point,
    random_mode_four_point,
    row_column_four_point,
    unit_parameter_four_point,
)

PAIR = (0.5, -1.0)


@pytest.fixture(scope="module")
def table():
    path = Path(__file__).parents[1] / "golden" / "random_modes.json"
    return {group["id"]: group for group in json.loads(path.read_text())["golden"]}


def draws(seed, *shape):
    """Responses, product of spectra and a list of units, away from resonance."""
    rng = np.random.default_rng(seed)
    complex_draw = lambda: 0.6 * (rng.uniform(-1, 1, shape) + 1j * rng.uniform(-1, 1, shape))
    return complex_draw(), complex_draw(), rng.uniform(0.2, 1, shape), rng.uniform(0.2, 1, shape)


def test_golden_pointwise(table):
    group = table["pointwise"]
    number = lambda pair: complex(*pair)
    for row in group["rows"]:
        if row["formula"] == "random_mode":
            arguments = number(row["S12"]), 1.0, row["C12"], row["g2"] ** 0.5, 1 / row["er"]
            found = [random_mode_four_point(*arguments), hessian_four_point(*arguments)]
            expected = [row["Psi"]] * 2
        elif row["formula"] == "partial_symmetry":
            s1, s2 = number(row["S1"]), number(row["S2"])
            found = [partially_symmetric_four_point(s1, s2, row["C12"], row["g"], row["rho"])]
            expected = [row["Psi"]]
        else:
            spectra = number(row["S1"]), number(row["S2"]), row["C12"], np.array(row["D"])
            options = {"modes_per_unit": row["alpha"], "fractions": np.array(row["fraction"])}
            rho = np.array(row["rho"])
            found = [overlap_four_point(*spectra, r, **options) for r in (rho, 0 * rho)]
            expected = [row["Psi"], row["Psi_rho0"]]
        np.testing.assert_allclose(found, expected, rtol=group["rtol"])


def test_hessian_inverts_to_the_closed_form():
    s1, s2, c12, _ = draws(1, 6, 5)
    gain, rank = np.linspace(0.5, 1.3, 5), np.array([[-1.0], [-0.5], [0.0], [1.0], [3.0], [30.0]])
    closed = random_mode_four_point(s1, s2, c12, gain, rank)
    assert closed.shape == (6, 5)
    np.testing.assert_allclose(hessian_four_point(s1, s2, c12, gain, rank), closed, rtol=1e-10)


def test_overlaps_and_symmetry_of_zero():
    s1, s2, c12, _ = draws(2, 4, 3)
    d = np.array([1.1, 0.7, 0.2])
    alpha, shares = 0.6, np.array([0.2, 0.3, 0.5])
    g2 = alpha * np.sum(shares * d**2)
    rank = alpha * np.sum(shares * d**4) / g2**2
    found = overlap_four_point(s1, s2, c12, d, np.zeros(3), modes_per_unit=alpha, fractions=shares)
    np.testing.assert_allclose(
        found, random_mode_four_point(s1, s2, c12, g2**0.5, rank), rtol=1e-12
    )
    found = partially_symmetric_four_point(s1, s2, c12, 0.9, 0.0)
    np.testing.assert_allclose(found, random_mode_four_point(s1, s2, c12, 0.9), rtol=1e-12)


def test_formulas_broadcast_over_frequency_pairs():
    s, _, c, _ = draws(3, 7)
    d, rho = np.array([1.3, 0.5]), np.array([0.1, -0.26])
    grid = overlap_four_point(s[:, None], s[None, :], c[:, None] * c, d, rho)
    one = [[overlap_four_point(s[i], s[j], c[i] * c[j], d, rho) for j in range(3)] for i in (2, 5)]
    np.testing.assert_allclose(grid[jnp.array([2, 5]), :3], one, rtol=1e-12)
    np.testing.assert_allclose(grid, grid.T, rtol=1e-12)  # exchange of the frequencies
    mirrored = overlap_four_point(s.conj()[:, None], s.conj(), c[:, None] * c, d, rho)
    np.testing.assert_allclose(mirrored, grid, rtol=1e-12)  # real functions of time


def test_gains_of_one_kind_reduce_to_random_modes():
    s1, s2, c1, c2 = draws(4, 1, 6)
    same = lambda a: np.repeat(a, 3, axis=0)
    plain = random_mode_four_point(s1[0], s2[0], c1[0] * c2[0], 0.8, 2.0)
    lists = same(s1), same(s2), same(c1), same(c2)
    np.testing.assert_allclose(unit_parameter_four_point(*lists, 0.8, 2.0), plain, rtol=1e-12)
    ones = np.ones(3)
    found = row_column_four_point(*lists, ones, ones, 0.8, 2.0)
    np.testing.assert_allclose(found, plain, rtol=1e-12)


def test_row_and_column_gains_reduce_to_unit_gains():
    s1, s2, c1, c2 = draws(5, 4, 6)
    gains, shares = np.array([0.3, 0.8, 1.2, 1.7]), np.array([0.1, 0.4, 0.3, 0.2])
    ones, b = np.ones(4), gains[:, None]
    rates = row_column_four_point(s1, s2, c1, c2, ones, gains, 0.4, 1.5, fractions=shares)
    outputs = row_column_four_point(
        s1, s2, c1, c2, ones, gains, 0.4, 1.5, observation=gains**2, fractions=shares
    )
    # The output is b phi: its response and its cross-spectrum with the rate carry b once.
    sent = b * s1, b * s2, b**2 * c1, b**2 * c2
    one, two = ObservedSpectra(s1, c1, b * c1), ObservedSpectra(s2, c2, b * c2)
    found = unit_parameter_four_point(*sent, 0.4, 1.5, fractions=shares)
    np.testing.assert_allclose(found, outputs, rtol=1e-12)
    found = unit_parameter_four_point(
        *sent, 0.4, 1.5, fractions=shares, observed_1=one, observed_2=two
    )
    np.testing.assert_allclose(found, rates, rtol=1e-12)


@pytest.fixture(scope="module")
def solved():
    """Single site at g = 3, its parts from residues, and its spectra on a grid."""
    site = single_site(3.0)
    return site, four_point(site), sample_spectra(site, window=280.0, step=0.2)


def test_double_sums_meet_residues(solved):
    site, parts, spectra = solved
    pair = spectra.response, spectra.spectrum_rate
    variance = 2.0 * jnp.sum(spectra.weights * spectra.spectrum_rate)
    np.testing.assert_allclose(variance, site.variance_rate, rtol=1e-9)

    def ratio(rank):
        plain = lambda one, two: random_mode_four_point(one[0], two[0], one[1] * two[1], 3.0, rank)
        return variance**2 / integrated_four_point(plain, pair, spectra.weights)

    for rank in (1.0, -1.0):
        expected = activity_participation_ratio(parts, rank)
        np.testing.assert_allclose(ratio(rank), expected, rtol=1e-8)


def test_golden_gain_heterogeneity_from_a_law_of_gains(solved, table):
    _, parts, spectra = solved
    for row in table["gain_heterogeneity"]["rows"][1:3]:  # printed to 1e-5
        assert row["g"] == 3.0
        # Two kinds of units, one silent: <G^2>^2/<G^4> is the share of the others.
        gains, shares = np.array([1.0, 0.0]), np.array([row["PR_G"], 1 - row["PR_G"]])
        bare = 3.0 / row["PR_G"] ** 0.5  # of the couplings alone

        def pointwise(one, two, observation=None, bare=bare, gains=gains, shares=shares, row=row):
            both = lambda a: jnp.broadcast_to(a, (2,))
            lists = both(one[0]), both(two[0]), both(one[1]), both(two[1])
            return row_column_four_point(
                *lists, np.ones(2), gains, bare, 1 / row["er"],
                observation=observation, fractions=shares,
            )  # fmt: skip

        variance = float(2.0 * jnp.sum(spectra.weights * spectra.spectrum_rate))
        pair = spectra.response, spectra.spectrum_rate
        psi = integrated_four_point(pointwise, pair, spectra.weights)
        np.testing.assert_allclose(variance**2 / psi, row["PR_phi"], atol=6e-6)
        outputs = lambda one, two, f=pointwise, w=gains**2: f(one, two, w)
        psi = integrated_four_point(outputs, pair, spectra.weights)
        found = (variance * row["PR_G"]) ** 2 / psi
        np.testing.assert_allclose(found, row["PR_G_phi"], atol=6e-6)
        expected = activity_participation_ratio(
            parts, 1 / row["er"], observable=Observable.OUTPUT, gain_ratio=row["PR_G"]
        )
        np.testing.assert_allclose(found, expected, rtol=1e-8)


# ---- The linear network with independent noise that has the same covariances, in plain NumPy ----


def covariance(j, bare, noise):
    inverse = np.linalg.inv(np.eye(len(j)) - np.broadcast_to(bare, len(j))[:, None] * j)
    return (inverse * noise) @ inverse.conj().T


def extrapolated(draw, spectra, observation=lambda n: np.ones(n), n_matrices=128):
    """Samples of Psi at N = 200 and N = 100, combined so that the offset in 1/N cancels."""
    rng = np.random.default_rng(7)

    def sample(n):
        j = draw(rng, n)
        one, two = (covariance(j, *spectra(n, w)) for w in PAIR)
        w = observation(n)
        return np.sum(w[:, None] * w * one * two).real / n

    return [2 * sample(200) - sample(100) for _ in range(n_matrices)]


def assert_oracle(samples, theory, wrong, max_error):
    """The formula holds, and the nearest wrong formula would have been noticed."""
    samples = np.asarray(samples)
    error = samples.std(ddof=1) / np.sqrt(samples.size)
    assert abs(samples.mean() - wrong) > 5 * error, (samples.mean(), wrong, error)
    assert_mean_matches(samples, float(theory), max_error=max_error)


def modes(strengths, overlaps=None):
    def draw(rng, n):
        d = strengths(n)
        left, fresh = rng.standard_normal((2, n, d.size)) / np.sqrt(n)
        rho = np.zeros(d.size) if overlaps is None else overlaps(d)
        return (left * d) @ (rho * left + np.sqrt(1 - rho**2) * fresh).T

    return draw


def decaying(n, beta=1.7):
    d = np.exp(-beta * np.arange(n) / n)
    return d / np.sqrt(np.mean(d**2))


def filtered(scale):
    return lambda w: scale / (1 + 1j * w)


def test_random_matrices_random_modes():
    s = filtered(0.6)
    equal_noise = lambda n, w: (s(w), 1 - abs(s(w)) ** 2)
    rank = np.mean(decaying(200) ** 4)
    theory = random_mode_four_point(s(PAIR[0]), s(PAIR[1]), 1.0, 1.0, rank)
    wrong = random_mode_four_point(s(PAIR[0]), s(PAIR[1]), 1.0, 1.0)  # as if i.i.d.
    assert_oracle(extrapolated(modes(decaying), equal_noise), theory, wrong, 0.025)


def test_random_matrices_partial_symmetry():
    rho, s = 0.3, filtered(0.525)

    def draw(rng, n):
        a, b = rng.standard_normal((2, n, n))
        even, odd = (a + a.T) / 2**0.5, (b - b.T) / 2**0.5
        return (np.sqrt((1 + rho) / 2) * even + np.sqrt((1 - rho) / 2) * odd) / np.sqrt(n)

    def spectra(n, w):
        loop = 1 + rho * s(w) ** 2
        return s(w) / loop, (1 - abs(s(w)) ** 2) / abs(loop) ** 2

    pair = s(PAIR[0]), s(PAIR[1])
    theory = partially_symmetric_four_point(*pair, 1.0, 1.0, rho)
    wrong = partially_symmetric_four_point(*pair, 1.0, 1.0, 0.0)
    assert_oracle(extrapolated(draw, spectra), theory, wrong, 0.006)


def test_random_matrices_overlaps():
    gamma, s = -0.4, filtered(0.55)
    profiles = {n: np.asarray(overlap_profile(decaying(n), gamma)) for n in (100, 200)}
    profile = lambda d: profiles[d.size]

    def spectra(n, w):
        d = decaying(n)
        loop = 1 - d * profile(d) * s(w)
        r = np.mean(d * profile(d) / loop)
        q = np.mean(d**2 / abs(loop) ** 2)
        bare = s(w) / (1 + r * s(w))
        return bare, (1 - abs(s(w)) ** 2 * q) * abs(1 - r * bare) ** 2

    d = decaying(200)
    pair = s(PAIR[0]), s(PAIR[1]), 1.0, d
    theory = overlap_four_point(*pair, profile(d))
    wrong = overlap_four_point(*pair, -profile(d))
    assert_oracle(extrapolated(modes(decaying, profile), spectra), theory, wrong, 0.01)


KINDS = np.arange(10)
ROW = 0.6 + 0.8 * (KINDS % 2)
COLUMN = 0.5 + 0.2 * (KINDS % 5)
SIZE = 1.0 + 0.3 * np.cos(KINDS)  # of the spectrum of a kind
DELAY = 1.0 + 0.9 * np.sin(KINDS)  # its time constant


def test_random_matrices_row_and_column_gains():
    response = lambda w: 0.5 * np.sqrt(SIZE) / (1 + 1j * w * DELAY)
    tiled = lambda values, n: np.tile(values, n // 10)
    inner = modes(decaying)
    draw = lambda rng, n: tiled(ROW, n)[:, None] * inner(rng, n) * tiled(COLUMN, n)

    def spectra(n, w):
        drive = ROW**2 * np.mean(COLUMN**2 * SIZE)
        noise = SIZE - abs(response(w)) ** 2 * drive
        assert np.all(noise > 0)
        return tiled(response(w), n), tiled(noise, n)

    rank = np.mean(decaying(200) ** 4)
    lists = response(PAIR[0]), response(PAIR[1]), SIZE, SIZE
    for weights, max_error in ((np.ones(10), 0.01), (1 / SIZE, 0.01)):
        options = {"observation": weights}
        theory = row_column_four_point(*lists, ROW, COLUMN, 1.0, rank, **options)
        equal = np.full(10, np.sqrt(np.mean(COLUMN**2)))
        wrong = row_column_four_point(*lists, ROW, equal, 1.0, rank, **options)
        samples = extrapolated(draw, spectra, lambda n, v=weights: tiled(v, n))
        assert_oracle(samples, theory, wrong, max_error)


def test_random_matrices_time_constants():
    response = lambda w: 0.6 / (1 + 1j * w * DELAY)
    tiled = lambda values, n: np.tile(values, n // 10)

    def spectra(n, w):
        noise = SIZE - abs(response(w)) ** 2 * np.mean(SIZE)
        assert np.all(noise > 0)
        return tiled(response(w), n), tiled(noise, n)

    rank = np.mean(decaying(200) ** 4)
    lists = response(PAIR[0]), response(PAIR[1]), SIZE, SIZE
    theory = unit_parameter_four_point(*lists, 1.0, rank)
    mean = [np.mean(a) * np.ones(10) for a in lists]
    wrong = unit_parameter_four_point(*mean, 1.0, rank)  # factors averaged, not products
    assert_oracle(extrapolated(modes(decaying), spectra), theory, wrong, 0.025)


def test_refusals(solved):
    spectra = solved[2]
    with pytest.raises(ValueError, match="`inverse_effective_rank` must be at least -1"):
        random_mode_four_point(0.1, 0.1, 1.0, 1.0, -1.5)
    assert jnp.isnan(jax.jit(random_mode_four_point)(0.1, 0.1, 1.0, 1.0, -1.5))
    with pytest.raises(ValueError, match="`overlaps`"):
        overlap_four_point(0.1, 0.1, 1.0, np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="`fractions` must have shape"):
        overlap_four_point(0.1, 0.1, 1.0, np.ones(3), np.ones(3), fractions=np.ones(2))
    two = np.ones(2)
    with pytest.raises(ValueError, match="`spectra_1` must have one row per unit"):
        row_column_four_point(two, two, np.ones(3), two, two, two, 1.0)
    with pytest.raises(ValueError, match="`spectra` must have"):
        integrated_four_point(lambda a, b: a * b, spectra.response[1:], spectra.weights)
    with pytest.raises(ValueError, match="`window`"):
        sample_spectra(solved[0], window=0.5)
