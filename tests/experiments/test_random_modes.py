"""The claims on the dimension of activity hold; simulation at reduced size."""

import dataclasses
import json
import math
from pathlib import Path

import jax.random as jr
import numpy as np
import pytest

from rnngeo._progress import silent
from rnngeo.experiments import reproduce
from rnngeo.experiments.random_modes import (
    EXPERIMENTS,
    _components,
    _duality,
    _gains,
    _independent,
    _networks,
    _overlaps,
    _ranks,
    _sampling,
    _singular_values,
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
        pytest.param("PRX4", 49, marks=pytest.mark.slow),
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
        assert _ranks._CONNECTOME[row["g"]] == row["PR_phi"]
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
    "PRL6": (_overlaps, {"N_PATHS_SYMMETRIC": 32, "WINDOW": 80.0,
                         "SYMMETRIES": {2.0: (-0.2, 0.0, 0.2)}}, 4),
    "PRX7": (_overlaps, {"N_MODES": 20, "N_PATHS": 32, "WINDOW": 80.0,
                         "AMPLITUDES": {0.8: (-0.4, 0.0), 0.3: (-0.2, 0.0)}}, 15),
    "PRX8": (_singular_values, {"N_UNITS": 80, "N_MATRICES": 4}, 20),
    "PRX9": (_components, {"SIZES": {"orthogonal": 60, "independent": 60}, "N_NETWORKS": 2,
                           "BLOCK_TIME": 30.0}, 22),
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
    assert len(set(names)) == len(names) == 11
    with pytest.raises(ValueError, match="`experiments` must be some of PRL2, PRL3"):
        reproduce("random-modes", ["PRX4", "E1"])
