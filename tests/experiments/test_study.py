"""Claims that can fail, and runs that survive being killed."""

import json
import math

import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from rnngeo.experiments import Claim, Experiment, reproduce, run_experiments
from rnngeo.plotting import new_axes


def claim(measured, tolerance=0.1):
    return Claim("E1", "a number", 1.0, measured, tolerance, "derived")


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(1.0, "holds"), (1.09, "holds"), (1.11, "fails"), (0.8, "fails"), (math.nan, "fails"),
     (math.inf, "fails")],
)  # fmt: skip
def test_verdict_is_a_comparison_with_the_tolerance(measured, verdict):
    assert claim(measured).verdict == verdict
    assert claim(measured).holds == (verdict == "holds")


def test_claim_with_zero_tolerance_holds_only_if_exact():
    assert claim(1.0, 0.0).holds
    assert not claim(np.nextafter(1.0, 2.0), 0.0).holds


class Counter:
    """Two small experiments that count how often they are run."""

    def __init__(self, measured=1.0):
        self.runs, self.measured = [], measured

    def experiment(self, name):
        def run(progress, key):
            self.runs.append(name)
            progress("work", 1, 1)
            data = xr.Dataset({"draw": ("x", np.asarray(jr.normal(key, (3,))))})
            return [Claim(name, "a number", 1.0, self.measured, 0.1, "derived")], data

        def draw(data):
            ax = new_axes()[0, 0]
            ax.plot(data["draw"].values)
            return ax

        return Experiment(name, "Some question", run, draw)

    @property
    def experiments(self):
        return [self.experiment(name) for name in ("E1", "E2")]


def test_summary_tables_and_verdict():
    reproduction = run_experiments(Counter(measured=2.0).experiments)
    summary = reproduction.summary()
    assert summary["holds"] is False
    assert not reproduction.holds
    keys = {"experiment", "claim", "expected", "measured", "tolerance", "verdict"}
    assert keys <= summary["claims"][0].keys()
    assert [c["verdict"] for c in summary["claims"]] == ["fails", "fails"]
    titles = [title for title, _, _ in reproduction.tables()]
    assert titles == ["E1. Some question", "E2. Some question", "Which claims hold?"]
    for _, header, rows in reproduction.tables():
        assert all(len(row) == len(header) and all(isinstance(c, str) for c in row) for row in rows)


def test_save_writes_claims_figures_and_data(tmp_path):
    reproduction = run_experiments(Counter().experiments)
    files = reproduction.save(tmp_path / "new")
    assert [path.name for path in files] == ["claims.json", "E1.png", "E1.nc", "E2.png", "E2.nc"]
    assert all(path.stat().st_size > 0 for path in files)
    assert json.loads(files[0].read_text())["holds"] is True
    with xr.open_dataset(files[2], engine="h5netcdf") as data:
        np.testing.assert_array_equal(data["draw"], reproduction.outcomes[0].data["draw"])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        path.name for path in files
    )


def test_a_finished_experiment_is_not_run_again(tmp_path):
    counter = Counter()
    first = run_experiments(counter.experiments[:1], folder=tmp_path)  # killed after the first
    again = run_experiments(counter.experiments, folder=tmp_path)
    assert counter.runs == ["E1", "E2"]
    xr.testing.assert_identical(first.outcomes[0].data, again.outcomes[0].data)
    assert first.claims == again.claims[:1]
    assert again.figures["E1"]().get_lines()  # drawn from what was stored


@pytest.mark.parametrize("change", [{"seed": 1}, {"precision": "float32"}])
def test_another_run_does_not_take_up_this_one(tmp_path, change):
    counter = Counter()
    run_experiments(counter.experiments, folder=tmp_path)
    run_experiments(counter.experiments, folder=tmp_path, **change)
    assert counter.runs == ["E1", "E2", "E1", "E2"]


def test_a_spoilt_file_is_computed_anew(tmp_path):
    counter = Counter()
    (tmp_path / "E1.nc").write_bytes(b"no data at all")
    run_experiments(counter.experiments[:1], folder=tmp_path)
    assert counter.runs == ["E1"]


def test_an_experiment_does_not_depend_on_which_others_run():
    both = run_experiments(Counter().experiments)
    alone = run_experiments(Counter().experiments[1:])
    xr.testing.assert_identical(both.outcomes[1].data, alone.outcomes[0].data)


def test_progress_names_the_experiment():
    calls = []
    run_experiments(Counter().experiments, progress=lambda *call: calls.append(call))
    assert calls == [("E1: work", 1, 1), ("E2: work", 1, 1)]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="E1, E2, .*E10, got 'E11'"):
        reproduce("feedback-networks", ["E1", "E11"])
    with pytest.raises(ValueError, match="`seed` must be at least 0"):
        reproduce("feedback-networks", [], seed=-1)


def test_no_experiments_hold_vacuously():
    assert reproduce("feedback-networks", []).claims == []
