"""The report on a search for the largest flux: its numbers, its tables, its files."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import xarray as xr

from rnngeo.files import load_connectome
from rnngeo.information import correlations, information_flux
from rnngeo.models import BinaryNetwork
from rnngeo.reports import flux_maximum_report
from rnngeo.train import WeightLimit, maximize_flux

SMALL = {"n_restarts": 3, "n_generations": 25}


@pytest.fixture(scope="module")
def report():
    return flux_maximum_report(2, 5.0, constraint=WeightLimit.ROW_L2, is_joint=True, **SMALL)


def test_it_says_what_the_search_found(report):
    found = maximize_flux(
        2, 5.0, constraint=WeightLimit.ROW_L2, is_joint=True, key=jax.random.key(0), **SMALL
    )
    assert np.array_equal(report.maximum.weights, found.weights)
    network = BinaryNetwork(found.weights)
    flux = information_flux(network)
    summary = report.summary()
    assert summary["flux"] == pytest.approx(float(flux.flux), abs=1e-12)
    assert summary["entropy"] - summary["divergence"] == pytest.approx(summary["flux"], abs=1e-12)
    assert summary["correlation"] == pytest.approx(float(correlations(network, flux.law).rms))
    # rooks of two units with one sign turned: one cycle through all four states
    assert summary["flux"] == pytest.approx(2 * 0.942033085848, abs=1e-5)
    assert summary["rooks_flux"] == pytest.approx(2 * 0.942033085848, abs=1e-11)
    assert summary["cycles"]["lengths"].tolist() == [4]
    assert summary["cycles"]["mean_over_cycles"] == 4
    assert summary["cycles"]["ties"] is False
    assert summary["cycles"]["mean_over_starts"] == 4 == summary["longest_rooks_period"]
    assert sorted(summary["permutation"].tolist()) == [0, 1]
    assert np.allclose(report.rooks_weights, found.weights, atol=0.02)
    assert np.array_equal(report.maximum.restart_weights[report.best], found.weights)
    assert [point["mean_period"] for point in summary["front"]] == found.front_period.tolist()


def test_tables_and_verdict_hold_the_numbers(report):
    titles = [title for title, _, _ in report.tables()]
    assert titles == ["How much does one state say about the next?", "What is the matrix?",
                      "What cannot be improved in both?"]  # fmt: skip
    rows = {row[0]: row[1:] for row in report.tables()[0][2]}
    assert float(rows["flux I (bits)"][1]) == pytest.approx(1.88407, abs=1e-5)
    assert float(rows["correlation C"][1]) == pytest.approx(np.tanh(2.5) / np.sqrt(2), abs=1e-5)
    assert all(len(row) == 3 for row in report.tables()[0][2])
    n_front = len(report.maximum.front_flux)
    assert (
        f"{n_front} {'matrix is' if n_front == 1 else 'matrices are'} on the front"
        in report.verdict
    )
    assert "Euclidean norm of every row" in report.verdict


def test_units_and_restarts_are_counted(report):
    found, rooks = report.maximum, report.maximum.rooks_flux

    def words(n_units, *flux):
        sized = lambda array: np.full((*array.shape[:-2], n_units, n_units), 5.0)
        names = ("weights", "restart_weights", "front_weights")
        arrays = {name: sized(getattr(found, name)) for name in names}
        maximum = dataclasses.replace(found, **arrays, restart_flux=np.array(flux))
        return dataclasses.replace(report, is_joint=False, maximum=maximum).verdict

    two, one = words(2, rooks, rooks, 0.0), words(1, rooks, 0.0, 0.0)
    assert " 2 units carry " in two
    assert two.endswith(", 2 of 3 restarts reach rooks.")
    assert " 1 unit carries " in one
    assert one.endswith(", 1 of 3 restarts reaches rooks.")


def test_the_picture_shows_the_data(report):
    axes = report.plot().figure.axes
    by_title = {ax.get_title(): ax for ax in axes}
    shown = by_title["Best weights"].get_images()[0].get_array()
    assert np.array_equal(shown, report.maximum.weights)
    lines = by_title["The way there"].get_lines()
    assert np.array_equal(lines[0].get_ydata(), report.maximum.history[0, :, 0])
    front = by_title["Flux and cycles together"].get_lines()
    drawn = [line for line in front if line.get_label() == "Pareto front"]
    assert np.array_equal(drawn[0].get_xdata(), report.maximum.front_period)


def test_files(report, tmp_path):
    files = report.save(tmp_path)
    names = ["report.png", "result.nc", "weights.csv", "summary.json"]
    assert [path.name for path in files] == names
    assert np.array_equal(load_connectome(tmp_path / "weights.csv").weights, report.maximum.weights)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["flux"] == report.maximum.flux
    with xr.open_dataset(tmp_path / "result.nc", engine="h5netcdf") as data:
        assert np.array_equal(data["history"], report.maximum.history)
        assert data["front_flux"].attrs["units"] == "bits"


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="`precision` must be float64"):
        flux_maximum_report(2, 5.0, precision="float32")
    with pytest.raises(ValueError, match="`seed`"):
        flux_maximum_report(2, 5.0, seed=-1)
    with pytest.raises(ValueError, match="`limit`"):
        flux_maximum_report(2, -5.0)
