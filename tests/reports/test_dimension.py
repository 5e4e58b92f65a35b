"""Dimension of activity: theory by its tables, and a matrix from file to picture."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from rnngeo.connectivity import orthogonal_bulk
from rnngeo.reports import dimension_report, dimension_theory


@pytest.fixture(scope="module")
def tables():
    """Rows of the reference table of random modes, by group."""
    path = Path(__file__).parents[1] / "golden" / "random_modes.json"
    return {group["id"]: group for group in json.loads(path.read_text())["golden"]}


@pytest.fixture(scope="module")
def rotation():
    return np.asarray(orthogonal_bulk(150, key=jax.random.key(0)).as_matrix())


def test_theory_of_independent_couplings(tables):
    for row in tables["iid_single_site"]["rows"]:
        theory = dimension_theory(gain=row["g"], nonlinearity=row["phi"])
        for name, column in (
            ("variance_current", "Delta0"), ("variance_rate", "C0"), ("mean_slope", "gain"),
        ):  # fmt: skip
            assert np.isclose(getattr(theory, name), row[column], rtol=1e-5)
        for name, column in (
            ("tail_time", "tail"), ("half_time", "half"), ("dimension_rate", "PR_phi"),
            ("dimension_current", "PR_x"),
        ):  # fmt: skip
            assert np.isclose(getattr(theory, name), row[column], rtol=2e-4)


def test_theory_of_structured_couplings(tables):
    # four digits are printed: half a unit of the last is up to 5e-4 of the value
    for row in tables["pr_vs_effective_rank"]["rows"]:
        name = {"phi": "dimension_rate", "x": "dimension_current"}[row["observable"]]
        for rank, expected in zip(row["er"], row["PR"], strict=True):
            theory = dimension_theory(gain=row["g"], effective_rank=float(rank))
            assert np.isclose(getattr(theory, name), expected, rtol=3e-4)
        orthogonal = dimension_theory(gain=row["g"], inverse_effective_rank=-1.0)
        assert np.isclose(getattr(orthogonal, name), row["PR_orthogonal"], rtol=3e-4)
    for row in tables["connectome_rank"]["rows"]:
        theory = dimension_theory(gain=row["g"], singular_value_ratio=row["PR_S"])
        assert np.isclose(theory.dimension_rate, row["PR_phi"], rtol=3e-4)
    for row in tables["gain_heterogeneity"]["rows"]:
        theory = dimension_theory(gain=row["g"], effective_rank=row["er"], gain_ratio=row["PR_G"])
        found = theory.dimension_scaled_rate, theory.dimension_rate, theory.dimension_readout
        assert np.allclose(found, [row[c] for c in ("PR_G_phi", "PR_phi", "PR_readout")], rtol=5e-4)
        assert theory.summary()["dimension_current"] is None
    for row in tables["pc_autocorrelation"]["rows"]:
        rank = {} if row["er"] == "inf" else {"effective_rank": row["er"]}
        found = dimension_theory(gain=row["g"], lags=row["tau"], **rank).summary()["psi_ratio"]
        assert np.allclose(found, row["ratio"], rtol=1e-3)


@pytest.mark.parametrize("nonlinearity", ["erf", "tanh"])
def test_every_gain_above_the_transition_works_and_none_below(nonlinearity):
    found = [
        dimension_theory(gain=gain, nonlinearity=nonlinearity).dimension_rate
        for gain in (1.1, 2.0, 50.0, 1000.0)
    ]
    assert all(np.diff(found) > 0)
    assert abs(found[-1] - 0.126) < 1e-3  # published limit of large gain
    summary = dimension_theory(gain=1.0, nonlinearity=nonlinearity).summary()
    assert summary["dimension_rate"] is None
    assert summary["variance_rate"] is None
    assert summary["reason"].startswith("Quiescent")


def test_a_matrix_is_predicted_simulated_and_kept(rotation, tmp_path):
    np.save(tmp_path / "rotation.npy", 0.5 * rotation)
    report = dimension_report(tmp_path / "rotation.npy", gain=3.0, duration=400)
    assert np.isclose(report.measured_gain, 0.5)
    assert np.isclose(report.inverse_effective_rank, -1.0)
    assert np.isclose(report.predicted.dimension_rate, 0.222, atol=1e-4)
    value, error = report.simulated.values["dimension_rate"]
    # Offset -12.3(1.6)/N, from Haar matrices of N = 150, 300 and 600; ten matrices of 150 units
    # scatter by 7 percent.
    expected = 0.222 * (1 - 12.3 / 150)
    assert abs(value - expected) < 3 * np.hypot(error, 0.07 * 0.222)
    assert abs(value / 0.222 - 1) < 4 * error / 0.222 + 20 / 150  # and this one matrix nearer still
    assert error < 0.02
    naive = report.simulated.values["dimension_rate_naive"][0]
    assert naive < value - 2 * error  # sampling bias is there, and taken out
    summary = report.summary()
    assert summary["effective_rank"] is None
    assert "effective_rank" in summary["reason"]
    files = report.save(tmp_path / "out")
    assert [path.name for path in files] == ["report.png", "result.nc", "summary.json"]
    assert json.loads(files[2].read_text())["simulated"]["dimension_rate"]["value"] == value
    again = dimension_report(0.5 * rotation, gain=3.0, duration=400)
    assert again.simulated.values == report.simulated.values


def test_silence_and_rest_are_said(rotation, tmp_path):
    quiet = dimension_report(rotation, gain=0.9, duration=50)
    assert all(path.exists() for path in quiet.save(tmp_path))
    assert quiet.simulated is None
    assert quiet.summary()["predicted"]["dimension_rate"] is None
    assert "no chaotic activity" in quiet.verdict
    ferromagnet = dimension_report(np.ones((20, 20)) / 20, gain=1.5, duration=50)
    assert "came to rest" in ferromagnet.reason


@pytest.mark.parametrize(
    ("weights", "options", "words"),
    [
        (np.ones((2, 3)), {}, "`weights` must be square.*\\(2, 3\\)"),
        (np.zeros((0, 0)), {}, "at least one neuron"),
        (np.full((2, 2), np.nan), {}, "`weights` must be finite, got 4"),
        (np.zeros((2, 2)), {}, "must not all be zero"),
        (np.eye(3), {"gain": -1.0}, "`gain` must be a positive finite number, got -1.0"),
        (np.eye(3), {"duration": 1.0}, "`duration` must be at least 20"),
        (np.eye(3), {"nonlinearity": "relu"}, "`nonlinearity` must be one of erf, tanh"),
        (np.eye(3), {"is_signed": True}, "needs a file that names transmitters"),
        (np.eye(3), {"is_balanced": True}, "rows without negative entries"),
        (np.eye(3), {"drop": True}, "`drop` belongs to `is_balanced`"),
        ("absent.npy", {}, "absent.npy"),
    ],
)
def test_bad_matrices_are_named(weights, options, words):
    with pytest.raises(ValueError, match=words):
        dimension_report(weights, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gain": 0.0}, "`gain` must be a positive finite number, got 0.0"),
        ({"gain": 2.0, "effective_rank": -1.0}, "`effective_rank` must be positive, got -1.0"),
        ({"gain": 2.0, "inverse_effective_rank": -1.5}, "at least -1, got -1.5"),
        (
            {"gain": 2.0, "singular_value_ratio": 1.5},
            r"`singular_value_ratio` must lie in \(0, 1\]",
        ),
        ({"gain": 2.0, "gain_ratio": 0.0}, r"`gain_ratio` must lie in \(0, 1\], got 0.0"),
        ({"gain": 2.0, "effective_rank": 1.0, "singular_value_ratio": 0.2}, "exclude one another"),
        ({"gain": 2.0, "lags": [float("nan")]}, "`lags` must be finite numbers"),
    ],
)
def test_bad_parameters_of_the_theory_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        dimension_theory(**options)
