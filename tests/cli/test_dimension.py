"""The commands about dimension: the same numbers as the functions, clean JSON, one-line errors."""

import json

import numpy as np
import pytest

from rnngeo.cli import main
from rnngeo.reports import dimension_theory

KEYS = ["variance_current", "variance_rate", "mean_slope", "tail_time", "half_time",
        "dimension_rate", "dimension_current"]  # fmt: skip


def run(capsys, *words):
    code = main([*words, "--json", "-"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if code == 0 else err


def test_theory_prints_what_its_function_returns(capsys):
    code, plain = run(capsys, "theory", "dimension", "--gain", "3")
    assert code == 0
    assert list(plain) == KEYS
    assert plain == dimension_theory(gain=3.0).summary()
    code, full = run(
        capsys, "theory", "dimension", "--gain", "3", "--inverse-effective-rank", "-1e-01",
        "--gain-ratio", "0.3", "--lags", "0", "5", "2",
    )  # fmt: skip
    assert code == 0
    asked = {"inverse_effective_rank": -0.1, "gain_ratio": 0.3, "lags": [0.0, 5.0, 2.0]}
    assert full == dimension_theory(gain=3.0, **asked).summary()
    assert abs(full["psi_ratio"][0] - 1.0) < 1e-15
    assert full["psi_ratio"][1] < full["psi_ratio"][2]  # in the order given
    assert full["dimension_current"] is None


def test_below_the_transition_there_is_a_reason(capsys):
    code, found = run(capsys, "theory", "dimension", "--gain", "0.5")
    assert code == 0
    assert all(found[key] is None for key in KEYS)
    assert found["reason"]


def test_a_matrix_is_judged(capsys, tmp_path):
    matrix = np.random.default_rng(0).normal(size=(40, 40))
    np.savetxt(tmp_path / "weights.csv", matrix, delimiter=",")
    out = tmp_path / "out"
    code, found = run(
        capsys, "dimension", str(tmp_path / "weights.csv"), "--gain", "4", "--duration", "60",
        "--nonlinearity", "tanh", "--out", str(out),
    )  # fmt: skip
    assert code == 0
    assert found["n_units"] == 40
    assert found["predicted"] == dimension_theory(
        gain=4.0, nonlinearity="tanh", inverse_effective_rank=found["inverse_effective_rank"]
    ).summary()  # fmt: skip
    assert {path.name for path in out.iterdir()} == {"report.png", "result.nc", "summary.json"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["theory", "dimension"], "--gain"),
        (["theory", "dimension", "--gain", "-2"], "`gain` must be a positive finite number"),
        (["theory", "dimension", "--gain", "2", "--effective-rank", "0"], "`effective_rank`"),
        (["dimension", "nowhere.npy"], "nowhere.npy"),
        (["dimension", "text.txt"], "must end in .npy"),
    ],
)
def test_errors_are_one_line(capsys, words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert expected in lines[0]
