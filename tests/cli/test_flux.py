"""`rnngeo flux`: the golden table through the command, its conventions, one-line errors."""

import json
from pathlib import Path

import numpy as np
import pytest

from rnngeo.cli import main

TABLE = json.loads((Path(__file__).parents[1] / "golden" / "information_flux.json").read_text())
KEYS = ["entropy", "divergence", "flux", "correlation", "correlation_lag0", "pair_information",
        "bound", "cycles", "method", "residual"]  # fmt: skip
LETTERS = {"entropy": "H", "divergence": "D", "flux": "I", "correlation": "C",
           "correlation_lag0": "C0", "pair_information": "Ipair"}  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(capsys, *words):
    code = main(["flux", *words, "--json", "-"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize("name", list(TABLE["matrices"]["items"]))
def test_golden_table(capsys, name):
    item = TABLE["matrices"]["items"][name]
    np.save("weights.npy", np.array(item["W"], float))
    found = run(capsys, "weights.npy")
    assert list(found) == KEYS
    for key, letter in LETTERS.items():
        assert abs(found[key] - item[letter]) < 1e-10
    cycles = found["cycles"]
    assert list(cycles) == ["lengths", "mean_over_starts", "mean_over_cycles", "ties"]
    assert cycles["lengths"] == sorted(item["cycles"], reverse=True)
    assert abs(cycles["mean_over_starts"] - item["Lstart"]) < 1e-11
    assert abs(cycles["mean_over_cycles"] - item["Lcyc"]) < 1e-11
    assert cycles["ties"] is not item["strict"]
    assert found["method"] == "elimination"
    assert found["residual"] < 1e-14
    up = 1 / (1 + np.exp(-np.abs(item["W"]).sum(1)))
    bound = len(up) + np.sum(up * np.log2(up) + (1 - up) * np.log2(1 - up))
    assert abs(found["bound"] - bound) < 1e-12
    assert found["flux"] < found["bound"] + 1e-12
    written = {path.name for path in Path("rnngeo-flux").iterdir()}
    assert written == {"report.png", "result.nc", "summary.json"}


def test_every_option(capsys, monkeypatch):
    weights = np.array([[0.5, -1.5], [2.0, 1.0]])
    np.savetxt("weights.csv", weights, delimiter=",")
    np.savetxt("bias.csv", [0.5, -1.0])
    np.save("bias.npy", np.array([[0.5], [-1.0]]))
    found = run(capsys, "weights.csv", "--units", "01", "--gradient", "--tie", "-1")
    assert list(found) == [*KEYS, "gradient", "gradient_bias"]
    expected = TABLE["binary_units"]["items"][0]["I"]
    assert abs(found["flux"] - expected) < 1e-10
    # no field in (0, 0): it stays, or goes to (1, 1) and on to the other fixed point, (0, 1)
    assert found["cycles"]["ties"] is True
    assert found["cycles"]["lengths"] == [1, 1]
    # files of bias and gradient are written by now, no other option changes them
    monkeypatch.setattr("rnngeo.reports._flux_report.save_report", lambda *_: [])
    (item,) = TABLE["bias"]["items"]
    for file in ("bias.csv", "bias.npy"):
        assert abs(run(capsys, "weights.csv", "--bias", file)["flux"] - item["I"]) < 1e-10
    found = run(capsys, "weights.csv", "--gradient")
    golden = TABLE["gradient"]["C2"]["dI_dW"]
    np.testing.assert_allclose(found["gradient"], golden, atol=1e-9)
    clear, noisy = (run(capsys, "weights.csv", "--noise", r) for r in ("0", "2"))
    assert noisy["flux"] < clear["flux"]
    assert noisy["bound"] < clear["bound"]
    assert noisy["cycles"] == clear["cycles"]
    power = run(capsys, "weights.csv", "--method", "power")
    assert power["method"] == "power iteration"
    assert abs(power["flux"] - clear["flux"]) < 1e-12
    krylov = run(capsys, "weights.csv", "--units", "01", "--tie", "1", "--method", "krylov")
    assert krylov["method"] == "krylov"
    assert abs(krylov["flux"] - expected) < 1e-10
    assert krylov["cycles"]["lengths"] == [1]


def test_a_single_unit(capsys):
    Path("one.csv").write_text("2\n")
    found = run(capsys, "one.csv")
    assert abs(found["flux"] - TABLE["rooks_per_neuron"]["items"]["2"]) < 1e-11
    assert found["cycles"]["lengths"] == [1, 1]


def test_random_networks(capsys, monkeypatch):
    words = ["--n-units", "3", "--widths", "0.2", "1", "5", "--n-networks", "50", "--seed", "4"]
    found = run(capsys, *words, "--out", "out")
    assert [row["width"] for row in found["widths"]] == [0.2, 1.0, 5.0]
    assert found["spearman_weak"] > 0.9
    assert found["parameters"]["seed"] == 4
    assert {path.name for path in Path("out").iterdir()} == {
        "report.png", "result.nc", "summary.json"
    }  # fmt: skip
    monkeypatch.setattr("rnngeo.reports._flux_ensemble.save_report", lambda *_: [])
    noisy = run(capsys, *words, "--noise", "2")
    gaps = [c["flux"] - n["flux"] for c, n in zip(found["widths"], noisy["widths"], strict=True)]
    errors = [row["flux_std"] / np.sqrt(50) for row in found["widths"]]
    assert min(gaps) > 0  # of the same matrices
    assert gaps[0] > 4 * errors[0]
    assert gaps[1] > 4 * errors[1]


def test_ensembles_are_those_asked_for(capsys, monkeypatch):
    monkeypatch.setattr("rnngeo.reports._flux_ensemble.save_report", lambda *_: [])
    n = 100

    def drawn(*words):
        return run(capsys, "--n-networks", str(n), "--seed", "1", *words)["widths"]

    def is_as_in_table(found, table, name):
        row = TABLE[table]["items"][name]
        scatter = 4 * np.sqrt(1 / n + 1 / TABLE[table]["n"])
        return [
            abs(found[key] - row[letter]) < scatter * row[f"{letter}_sd"]
            for key, letter in LETTERS.items()
            if letter in row
        ]

    weak, strong = drawn("--widths", "1", "5")
    [sparse] = drawn("--widths", "5", "--density", "0.3")
    [negative] = drawn("--widths", "1", "--balance", "-1")
    for found, plain, table, name in (
        (weak, strong, "width_sweep", "1"),
        (strong, weak, "width_sweep", "5"),
        (sparse, strong, "density_sweep", "w=5,d=0.3"),
        (negative, weak, "balance_sweep", "w=1,b=-1"),
    ):
        assert all(is_as_in_table(found, table, name)), name
        assert not any(is_as_in_table(plain, table, name)), name


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere.npy"], "nowhere.npy"),
        (["wide.csv"], "must be a square matrix"),
        (["nan.npy"], "must be finite"),
        (["good.npy", "--noise", "-1"], "`noise_std` must be a finite number >= 0"),
        (["good.npy", "--noise", "nan"], "`noise_std` must be a finite number >= 0"),
        (["good.npy", "--bias", "long.txt"], "`bias` must have shape (2,)"),
        (["good.npy", "--bias", "words.txt"], "`bias` cannot be read from words.txt"),
        (["good.npy", "--bias", "nowhere.txt"], "`bias` must name a file"),
        (["good.npy", "--bias", "good.xlsx"], "`bias` must be a file that ends in"),
        (["good.npy", "--bias", "nan.txt"], "`bias` in nan.txt must be finite"),
        (["good.npy", "--tie", "0"], "--tie"),
        (["good.npy", "--units", "02"], "--units"),
        (["good.npy", "--n-units", "3"], "`n_units` is of random networks"),
        (["large.npy", "--method", "elimination"], "`Krylov()` would do"),
        (["huge.npy", "--method", "krylov"], "`flux_bracket` bounds the flux"),
        (["strong.npy", "--precision", "float32"], "`precision` must be float64"),
        (["good.npy", "--seed", "-1"], "`seed` must be at least 0"),
        (["--gradient"], "MATRIX must be given"),
        (["--bias", "long.txt"], "MATRIX must be given"),
        (["--n-units", "40"], "`n_units` must be from 1 to 11"),
        (["--n-units", "0"], "`n_units` must be from 1 to 11"),
        (["--n-networks", "2"], "`n_networks` must be at least 3"),
        (["--widths", "1", "-2"], "`widths` must be positive"),
        (["--density", "1.5"], "`density` must lie in [0, 1]"),
        (["--balance", "-2"], "`balance` must lie in [-1, 1]"),
        (["--noise", "-2"], "`noise_std` must be a finite number >= 0"),
    ],
)
def test_errors_are_one_line(capsys, words, expected):
    Path("wide.csv").write_text("1,2,3\n4,5,6\n")
    Path("long.txt").write_text("1\n2\n3\n")
    Path("words.txt").write_text("a b\n")
    Path("nan.txt").write_text("1 nan\n")
    np.save("nan.npy", np.array([[1.0, np.nan], [0.0, 1.0]]))
    np.save("good.npy", np.eye(2))
    np.save("large.npy", np.eye(15))
    np.save("huge.npy", np.eye(25))
    np.save("strong.npy", 500.0 * np.eye(3))
    assert main(["flux", *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert expected in lines[0]
