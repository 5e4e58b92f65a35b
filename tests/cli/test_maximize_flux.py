"""The command: the same numbers as its function, clean JSON, one-line errors."""

import json

import numpy as np
import pytest

from rnngeo.cli import main


def run(capsys, *words):
    code = main(["maximize-flux", *words, "--json", "-"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if code == 0 else err


def test_it_finds_rooks(capsys, tmp_path):
    code, found = run(
        capsys, "--n-units", "2", "--limit", "5", "--constraint", "row-l1", "--restarts", "2",
        "--generations", "25", "--seed", "3", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert code == 0
    assert found["flux"] == pytest.approx(1.884066171695, abs=1e-5)
    assert found["flux"] <= found["bound"] + 1e-14
    assert found["bound"] == found["rooks_flux"]
    assert found["rookness"] > 0.99
    assert found["constraint"] == "row-l1"
    assert found["parameters"]["seed"] == 3
    assert len(found["restarts"]["flux"]) == 2
    assert "front" not in found
    files = {path.name for path in (tmp_path / "out").iterdir()}  # no checkpoint is left
    assert files == {"report.png", "result.nc", "weights.csv", "summary.json"}
    weights = np.loadtxt(tmp_path / "out" / "weights.csv", delimiter=",")
    assert np.array_equal(weights, found["weights"])
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == found


def test_long_cycles_are_an_aim_too(capsys, tmp_path, monkeypatch):
    """A unit that inhibits itself carries as much as one that excites itself, on a longer cycle."""
    monkeypatch.setattr("rnngeo.reports._maximum.save_report", lambda *_: [])
    code, found = run(
        capsys, "--n-units", "1", "--limit", "5", "--joint-cycles", "--restarts", "1",
        "--generations", "0", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert code == 0
    [best] = found["front"]
    assert best["weights"] == [[pytest.approx(-5.0, abs=1e-6)]]
    assert best["flux"] == pytest.approx(0.942033085848, abs=1e-9)
    assert best["mean_period"] == 2 == found["cycles"]["mean_over_starts"]
    assert found["merit"] == pytest.approx(best["flux"] + 1)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "--n-units"),
        (["--n-units", "3"], "--limit"),
        (["--n-units", "3", "--limit", "-1"], "`limit` must be a positive finite number"),
        (["--n-units", "30", "--limit", "5"], "`n_units` must be from 1 to 10"),
        (["--n-units", "3", "--limit", "5", "--constraint", "sphere"], "sphere"),
        (["--n-units", "3", "--limit", "5", "--restarts", "0"], "`n_restarts`"),
        (["--n-units", "3", "--limit", "5", "--generations", "-1"], "`n_generations`"),
        (["--n-units", "3", "--limit", "5", "--seed", "-1"], "`seed`"),
        (["--n-units", "3", "--limit", "5", "--precision", "float32"], "must be float64"),
    ],
)
def test_errors_are_one_line(capsys, tmp_path, words, expected):
    code, error = run(capsys, *words, "--out", str(tmp_path))
    assert code == 2
    assert expected in error
    assert len(error.strip().splitlines()) == 1
