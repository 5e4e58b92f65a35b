"""The claims on the dimension of activity hold; simulation at reduced size."""

import dataclasses
import json
import math
from pathlib import Path

import jax.random as jr
import numpy as np
import pytest

from rnngeo._progress import silent
from rnngeo.connectivity import balance_signed, power_law_strengths
from rnngeo.experiments import reproduce
from rnngeo.experiments.random_modes import (
    EXPERIMENTS,
    _components,
    _connectome,
    _duality,
    _gains,
    _independent,
    _networks,
    _outliers,
    _overlaps,
    _ranks,
    _sampling,
    _singular_values,
    _timescales,
)
from rnngeo.geometry import block_products, covariances

GOLDEN = Path(__file__).parents[1] / "golden" / "random_modes.json"


@pytest.fixture(scope="module")
def table():
    """Rows of the reference table of random-mode networks, by name."""
    return {entry["id"]: entry["rows"] for entry in json.loads(GOLDEN.read_text())["golden"]}


def assert_all_hold(claims):
    failures = [claim for claim in claims if not claim.holds]
    assert not failures, "\n".join(str(claim.as_row()) for claim in failures)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        pytest.param("PRL2", 48, marks=pytest.mark.slow),
        pytest.param("PRL3", 33, marks=pytest.mark.slow),
        pytest.param("PRX4", 46, marks=pytest.mark.slow),
        ("PRX5", 21),
    ],
)
def test_claims_of_the_theory_hold(name, least):
    reproduction = reproduce("random-modes", [name])
    assert len(reproduction.claims) >= least
    assert_all_hold(reproduction.claims)
    assert {claim.experiment for claim in reproduction.claims} == {name}
    for claim in reproduction.claims:  # sharp enough to fail
        assert claim.tolerance <= 0.01 * abs(claim.expected) or abs(claim.expected) in (0, 1)
    ax = reproduction.figures[name]()
    assert all(panel.get_xlabel() or panel.get_ylabel() for panel in ax.figure.axes)


def test_expected_numbers_are_those_of_the_table(table):
    """What an experiment expects is copied by hand; the table is not."""
    names = {"Delta0": 0, "C0": 1, "gain": 2, "phip2": 3, "PR_phi": 4, "PR_x": 5}
    times = {"half": 0, "efold": 1, "integral": 2, "tail": 3}
    for row in table["iid_single_site"]:
        place = row["phi"], row["g"]
        assert all(_independent._ROWS[place][k] == row[name] for name, k in names.items())
        assert all(_independent._TIMES[place][k] == row[name] for name, k in times.items())
    kinds = {"phi": "rates", "x": "currents"}
    ratios = {(_ranks._NAMES[kind], gain): v for (kind, gain), v in _ranks._RATIOS.items()}
    for row in table["pr_vs_effective_rank"]:
        expected = (*row["PR"], row["PR_orthogonal"])
        assert ratios[kinds[row["observable"]], row["g"]] == expected
        assert row["er"] == [*_ranks._RANKS, "inf"]
    for row in table["pc_autocorrelation"]:
        place = row["g"], 0.0 if row["er"] == "inf" else 1 / row["er"]
        assert _ranks._COURSES[place] == tuple(row["ratio"])
        assert row["tau"] == _ranks._LAGS.tolist()
    for row in table["connectome_rank"]:
        assert _connectome._RATIOS[row["g"]] == row["PR_phi"]
    for row in table["gain_heterogeneity"]:
        numbers = row["PR_G_phi"], row["PR_phi"], row["PR_readout"]
        assert _gains._ROWS[row["g"], row["er"], row["PR_G"]] == numbers
    for row in table["four_point_integrals"]:
        assert _components._SLOPES[row["g"]] == (row["K_phi"], row["K_x"])
        assert _components._GROWTH[row["g"]] == row["K_phi_over_PR_iid"]
    for row in table["finite_sample"]:
        if "g" in row:
            assert _duality._SAMPLING[row["g"]] == row["T_over_Teff"]
    simulated = next(row for row in table["network_simulations"] if "overlap" in row["case"])
    for k, expected in enumerate(_overlaps._REFERENCES.values()):  # solved, then simulated
        pairs = (simulated[name] for name in ("C0", "Cx0", "PR_phi"))
        assert expected == tuple(pair[1 - k] for pair in pairs)
    for row in table["singular_values"]:
        if "alpha" in row:
            assert _singular_values._EDGES[row["alpha"]] == (row["lower"], row["upper"])
            assert _singular_values._RATIOS[row["alpha"]] == row["PR_S"]


def test_bias_of_independent_samples_is_what_theory_says(key):
    """White noise: C = 1, so 1/PR of T samples exceeds the true 1/PR by (N + 1)/T on average."""
    n_blocks, n_samples, n_units = 40, 25, 60
    samples = jr.normal(key, (n_blocks, n_samples, n_units))
    bias, error = _sampling.sampling_bias(block_products(covariances(samples)))
    expected = (n_units + 1) / (n_blocks * n_samples)
    assert error < 0.02 * expected
    assert abs(bias - expected) < 4 * error


def test_summary_averages_the_inverse_of_ratios():
    values = np.array([[1.0, 2.0, 0.1, 0.2], [3.0, 2.0, 0.3, 0.2]])
    errors = np.full((2, 2), 0.03)
    nothing = np.zeros((2, 2))
    found = _networks._Found(values, errors, values[:, 2], nothing, nothing, 10)
    mean, error, variance = _networks.summarise(found)
    np.testing.assert_allclose(mean, [2.0, 2.0, 0.15, 0.2])
    np.testing.assert_allclose(error[3], 0.03 / math.sqrt(2))  # no scatter: that of the blocks
    spread = np.std([10.0, 1 / 0.3], ddof=1)
    np.testing.assert_allclose(error[2], 0.15**2 * spread / math.sqrt(2))
    np.testing.assert_allclose(variance, [0.5, 0.0, (0.15 * spread) ** 2, 0.0], atol=1e-15)


def test_slow_growth_is_told_from_none_and_from_a_root():
    sizes, errors = np.array([100.0, 200.0, 400.0, 800.0]), np.full(4, 0.04)
    logs = np.log(sizes)
    verdict = lambda y: _timescales.grows_slowly(*_timescales.fit_line(logs, y, errors)[:2])
    times = 1.0 + 0.7 * np.log(sizes / 20)
    assert verdict(np.log(times))
    assert not verdict(np.log(times[[2, 0, 3, 1]]))  # sizes shuffled
    assert not verdict(np.full(4, 1.3))
    assert not verdict(0.5 * logs)
    slope, error, misfit = _timescales.fit_line(logs, times, errors)
    np.testing.assert_allclose([slope, misfit], [0.7, 0.0], atol=1e-12)
    np.testing.assert_allclose(error, 0.04 / (2 * np.std(logs)))
    assert _timescales.fit_line(logs, 3 * sizes**0.5, errors)[2] > 100  # no logarithm


def test_half_times_are_those_of_the_courses():
    """Two networks: logarithms are averaged; what never decays is censored."""
    times = np.array([[2.0, 8.0, 1.0], [4.0, np.nan, 2.0]])
    mean, error = _timescales.summarise(times, 16.0)
    expected = np.log([[4.0, 2.0, 1.0, 4.0], [8.0, 4.0, 2.0, 4.0]])
    np.testing.assert_allclose(mean, expected.mean(axis=0))
    np.testing.assert_allclose(error, np.abs(expected[1] - expected[0]) / 2, atol=1e-15)


def test_components_of_oscillations_have_their_half_time():
    """cos(w t) falls to half of its autocovariance at pi/(3 w)."""
    t = np.arange(4000.0)
    course = np.stack([np.cos(0.1 * t), np.sin(0.1 * t)])[:, :, None]
    lags = np.arange(41.0)
    found = np.asarray(_timescales._autocovariance(course, 41))[0]
    np.testing.assert_allclose(found, 0.5 * np.cos(0.1 * lags), atol=2e-3)


def test_outliers_of_other_matrices_are_refused(key):
    """Matrices without overlaps, or outliers without their strength, do not pass for D rho."""
    n_strong = len(_outliers.OVERLAPS)
    strengths = power_law_strengths(_outliers.N_UNITS, _outliers.RANK)
    d = np.asarray(strengths)
    found, blocks = {0: [], 2: []}, []
    for ensemble, rows in found.items():
        for k in range(3):
            matrix, overlaps = _outliers._sample(strengths, ensemble, jr.fold_in(key, k))
            values = np.linalg.eigvals(matrix)
            rows.append(np.sort(values[np.argsort(-np.abs(values))[:n_strong]].real))
            if ensemble == 0:
                blocks.append(overlaps[:n_strong, :n_strong] * d[:n_strong])
    compare = lambda rows: _outliers.compare_outliers(
        np.array(rows), np.array(blocks), d[:n_strong], 0.92
    )
    assert_all_hold(compare(found[0]))
    assert not any(claim.holds for claim in compare(found[2]))
    weaker = compare(0.7 * np.array(found[0]))
    assert not any(claim.holds for claim in weaker[1::2])


def test_spread_of_an_outlier_is_that_of_a_rank_one_mode(key):
    """l r^T on a Gaussian bulk with r.l fixed: exact draws against the derived spread."""
    n, strength, rho, radius = 100, 4.0, 0.7, 0.9
    rng = np.random.default_rng(3)
    rest = []
    for _ in range(200):
        left, other = rng.normal(size=(2, n)) / math.sqrt(n)
        right = rho * left + math.sqrt(1 - rho**2) * other
        bulk = radius * rng.normal(size=(n, n)) / math.sqrt(n)
        values = np.linalg.eigvals(bulk + strength * np.outer(left, right))
        rest.append(values.real.max() - strength * left @ right)
    expected = _outliers.outlier_spread(np.array([4.0]), np.array([2.8]), radius, n)[0]
    error = expected / math.sqrt(2 * len(rest))
    assert abs(np.std(rest) - expected) < 4 * error + expected**2 / 2.8
    assert abs(np.mean(rest)) < 4 * expected / math.sqrt(len(rest)) + expected**2 / 2.8


def test_unbalanced_matrices_are_told(key):
    synapses = _connectome.synthetic_synapses(150, key=key)
    balanced = np.asarray(balance_signed(synapses, drop=True).weights)
    assert_all_hold(_connectome.compare_balance(balanced))
    bent = balanced.copy()
    bent[3] *= 1.001
    assert not any(claim.holds for claim in _connectome.compare_balance(bent))
    raw = np.asarray(synapses, float)
    assert np.all(raw == np.round(raw))  # whole numbers, of one sign in a column
    assert not np.any((raw > 0).any(axis=0) & (raw < 0).any(axis=0))
    counts = np.abs(raw[raw != 0])
    assert 0.1 < counts.size / raw.size < 0.25
    assert counts.max() > 10 * np.median(counts)


def test_a_wrong_course_is_refused(key):
    """C(tau) does not pass for Psi(tau, 0), nor the other way round."""
    lags = np.array([0.0, 2.0, 5.0, 10.0, 15.0, 20.0])
    curves = [
        np.array([1.0, *_ranks._COURSES[3.0, 0.0]]),
        np.array([1.0, *_independent._NEURON[3.0]]),
    ]
    noise = np.asarray(jr.normal(key, (2, 6, lags.size)))
    for k, curve in enumerate(curves):
        size = 2 + 0.2 * noise[0, :, :1]  # of the activity of each network
        samples = size * (curve + 0.02 * noise[1])
        mean, errors, variance = _components.normalised_mean(samples)
        allowed = _components.course_tolerance(curve, errors, variance, 500)
        assert np.all(np.abs(mean - curve) <= allowed)
        assert np.any(np.abs(mean - curves[1 - k]) > allowed)
        assert np.all(allowed < 0.12)


def test_mean_course_has_no_bias_of_ratios():
    """Two networks of sizes 1 and 3 with courses 0 and 1: the ratio of means is 3/4, not 1/2."""
    mean, errors, variance = _components.normalised_mean(np.array([[1.0, 0.0], [3.0, 3.0]]))
    np.testing.assert_allclose(mean, [1.0, 0.75])
    np.testing.assert_allclose(errors, [0.0, 0.5])  # leaving out one: 1 or 0
    np.testing.assert_allclose(variance, 2.0 / 4.0)


def test_a_cutoff_at_the_rank_is_told_from_a_smooth_spectrum():
    variances = np.exp(-0.1 * np.arange(60))
    np.testing.assert_allclose(_components.gap_at_rank(variances, 30), 1.0)
    cut = np.where(np.arange(60) < 30, variances, 1e-9 * variances)
    assert _components.gap_at_rank(cut, 30) > 50 * _components._LARGEST_SPACING
    mild = np.where(np.arange(60) < 30, variances, 0.5 * variances)
    assert _components.gap_at_rank(mild, 30) > _components._LARGEST_SPACING
    # the surmise against spacings in the middle of Gaussian orthogonal matrices
    rng = np.random.default_rng(0)
    matrices = rng.normal(size=(2000, 20, 20))
    levels = np.linalg.eigvalsh(matrices + matrices.transpose(0, 2, 1))
    spacings = levels[:, 10] - levels[:, 9]
    beyond = np.mean(spacings > 2 * spacings.mean())
    assert abs(beyond - math.exp(-math.pi)) < 4 * math.sqrt(math.exp(-math.pi) / 2000)


def test_signs_of_overlaps_are_compared_within_errors():
    assert _overlaps.compare_signs("", (0.020, 2e-4), (0.0205, 2e-4)).holds
    assert not _overlaps.compare_signs("", (0.020, 2e-4), (0.022, 2e-4)).holds
    assert _overlaps.differs((0.020, 2e-4), (0.022, 2e-4))
    assert not _overlaps.differs((0.020, 2e-4), (0.021, 2e-4))


@pytest.mark.slow
@pytest.mark.theory
def test_orthogonal_networks_follow_the_mean_field(key):
    """Hardly any scatter between networks: sharp at a few small ones, and sharper at larger."""
    names, deviations = _networks._TIGHT[:2], []
    for name in names:
        ensemble = dataclasses.replace(_networks.ENSEMBLES[name], n_networks=2, block_time=100.0)
        found = _networks._measure(ensemble, name, silent, key)
        mean, error, _ = _networks.summarise(found)
        theory = _networks._theory(ensemble)
        assert np.all(error[:2] < 0.02 * theory[:2])
        assert np.all(error[2:] < 0.06 * theory[2:])
        deviations.append((mean / theory - 1, error / theory))
    (small, small_error), (large, large_error) = deviations
    assert np.all(np.abs(large[:2]) < 0.02)  # variances
    assert np.all(np.abs(large) < np.abs(small) / 2 + 4 * np.hypot(small_error / 2, large_error))


REDUCED = {
    "PRX3": (_duality, {"N_UNITS": 60, "N_RUNS": 4, "RUN_TIME": 60}, 7),
    "PRL4": (_timescales, {"SIZES": {20: 4, 40: 4, 80: 4}, "N_RUNS": 4, "RUN_TIME": 60,
                           "LONGEST": 40}, 4),
    "PRL6": (_overlaps, {"N_PATHS_SYMMETRIC": 32, "SAMPLING": {2.0: (32, 80.0, 0.2)},
                         "SYMMETRIES": {2.0: (-0.2, 0.0, 0.2)}}, 4),
    "PRX1": (_connectome, {"N_UNITS": 200, "N_MATRICES": 4}, 12),
    "PRX6": (_outliers, {"N_UNITS": 120, "N_MATRICES": 3}, 15),
    "PRX7": (_overlaps, {"N_MODES": 20, "SAMPLING": {3.0: (32, 80.0, 0.2)}, "EQUAL": {3.0: 0.2},
                         "AMPLITUDES": {(3.0, 0.8): (-0.4, 0.0), (3.0, 0.3): (-0.2, 0.0)}}, 16),
    "PRX8": (_singular_values, {"N_UNITS": 80, "N_MATRICES": 4}, 20),
    "PRX9": (_components, {"SIZES": {"orthogonal": 60, "independent": 60}, "N_NETWORKS": 2,
                           "BLOCK_TIME": 30.0}, 26),
    "PRX10": (_components, {"LOW_RANK_UNITS": 120, "LOW_RANK": 0.25, "LOW_RANK_TIME": 60.0}, 11),
    "networks": (_networks, {"ENSEMBLES": {
        name: dataclasses.replace(e, n_units=round(0.1 * e.n_units), n_networks=2, block_time=30.0)
        for name, e in _networks.ENSEMBLES.items() if e.gain == 3.0}}, 18),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_simulated_experiments_measure_every_claim_and_draw(name, monkeypatch, tmp_path):
    module, sizes, least = REDUCED[name]
    for constant, value in sizes.items():
        monkeypatch.setattr(module, constant, value)
    stages = []
    reproduction = reproduce(
        "random-modes", [name], folder=tmp_path, progress=lambda *call: stages.append(call)
    )
    assert len(reproduction.claims) >= least
    assert all(np.isfinite(claim.measured) for claim in reproduction.claims)
    assert all(np.isfinite(claim.tolerance) for claim in reproduction.claims)
    assert all(0 <= done <= total for _, done, total in stages)
    assert stages[-1][1] == stages[-1][2]
    again = reproduce("random-modes", [name], folder=tmp_path)  # from its file
    assert str(again.claims) == str(reproduction.claims)
    ax = again.figures[name]()
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in ax.figure.axes)


def test_experiments_have_names_of_their_own_and_unknown_ones_are_refused():
    names = [experiment.name for experiment in EXPERIMENTS]
    assert len(set(names)) == len(names) == 14
    with pytest.raises(ValueError, match="`experiments` must be some of PRL2, PRL3"):
        reproduce("random-modes", ["PRX4", "E1"])
