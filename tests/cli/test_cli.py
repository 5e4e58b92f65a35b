"""The command line: exit codes, streams, JSON, numbers as values, and the files it leaves."""

import contextlib
import io
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
import xarray as xr

from rnngeo.cli import main
from rnngeo.reports import feedback_theory, least_squares_theory

SMALL = ["--n-units", "80", "--n-networks", "2", "--n-starts", "60"]


def run(*words) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    assert type(code) is int
    return code, out.getvalue(), err.getvalue()


def strict_json(text: str):
    def refuse(name):
        raise AssertionError(f"{name} in JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """One small run of the main job, shared by the tests that read what it left."""
    folder = tmp_path_factory.mktemp("stability")
    return folder, run("stability", *SMALL, "--out", folder, "--json", "-")


def test_theory_prints_what_its_function_returns():
    code, out, err = run("theory", "feedback", "--gain", 0.3, "--target", -1, "--json", "-")
    assert code == 0
    summary = strict_json(out)  # standard output holds the JSON alone
    assert "Fixed points" in err
    assert summary == feedback_theory(gain=0.3, target=-1.0).summary()
    assert list(summary) == ["scale", "ratio", "critical_ratio", "saddle_node_ratio", "phase",
                             "fixed_points"]  # fmt: skip
    outputs = [point["output"] for point in summary["fixed_points"]]
    assert np.allclose(outputs, [-1, -0.560775, 1.525802], atol=1e-6)  # the paper's E1
    code, out, _ = run("theory", "least-squares", "--json", "-")
    assert strict_json(out) == least_squares_theory().summary()


def test_negative_and_exponent_numbers_are_values():
    code, out, _ = run("theory", "feedback", "--target", "-1e-05", "--readout", "1", "-1e-1",
                       "-.3", "--json", "-")  # fmt: skip
    assert code == 0
    expected = feedback_theory(target=-1e-5, readout=(1.0, -0.1, -0.3)).summary()
    assert strict_json(out) == expected


def test_what_does_not_exist_is_null_with_a_reason():
    code, out, _ = run("theory", "feedback", "--readout", 0, 0, 1, "--json", "-")
    summary = strict_json(out)
    assert code == 0
    assert summary["ratio"] is None
    assert "ratio" in summary["reason"]


def test_json_goes_to_a_file(tmp_path):
    path = tmp_path / "new" / "theory.json"
    code, out, _ = run("theory", "feedback", "--json", path)
    assert code == 0
    assert "Fixed points" in out
    assert strict_json(path.read_text())["phase"] == feedback_theory().phase


def test_the_main_job_leaves_its_four_files(default_run):
    folder, (code, out, err) = default_run
    assert code == 0, err
    summary = strict_json(out)
    assert sorted(os.listdir(folder)) == ["networks.npz", "report.png", "result.nc", "summary.json"]
    assert strict_json((folder / "summary.json").read_text()) == summary
    assert summary["verdict"] in err
    for question in ("Which fixed points", "mean field predict", "Are these all", "How much of"):
        assert question in err
    assert (folder / "report.png").read_bytes()[:4] == b"\x89PNG"


def test_summary_counts_and_labels(default_run):
    summary = strict_json(default_run[1][1])
    assert len(summary["networks"]) == 2
    for network in summary["networks"]:
        counts = sum(basin["count"] for basin in network["basins"])
        assert counts + network["undecided"] + network["diverged"] == network["n_starts"] == 60
        for basin in network["basins"]:
            assert basin["fraction"] == basin["count"] / 60
            assert basin["low"] <= basin["fraction"] <= basin["high"]
        for point in network["fixed_points"]:
            assert point["stable"] == (point["abscissa"] < 0)
            assert point["residual"] < 1e-12
            assert all(np.hypot(*v) > point["bulk_radius"] for v in point["outliers"])
        assert network["completeness"] in ("proved", "unique in all tested", "unknown")
    assert {"exact", "uncorrelated"} <= set(summary["theory"])
    assert summary["theory"]["exact"] == least_squares_theory().summary()


def test_dataset_is_labelled_and_equals_the_summary(default_run):
    folder, (_, out, _) = default_run
    summary = strict_json(out)
    with xr.open_dataset(folder / "result.nc", engine="h5netcdf") as data:
        outputs = data["output"].isel(network=0, readout=0).dropna("point").values
        expected = [point["output"] for point in summary["networks"][0]["fixed_points"]]
        assert np.array_equal(outputs, expected)
        assert data["abscissa"].attrs["units"] == "1/time constant"
        assert data.attrs["seed"] == 0
        assert "jax_version" in data.attrs


def test_networks_can_be_judged_again_from_their_file(default_run, tmp_path):
    folder, (_, out, _) = default_run
    first = strict_json(out)["networks"]
    code, out, err = run("stability", "--weights", folder / "networks.npz", "--n-starts", 40,
                         "--out", tmp_path, "--json", "-")  # fmt: skip
    assert code == 0, err
    again = strict_json(out)
    assert again["theory"]["exact"] is None
    assert again["theory"]["reason"]
    for a, b in zip(first, again["networks"], strict=True):
        got, expected = ([p["output"] for p in n["fixed_points"]] for n in (b, a))
        assert np.allclose(got, expected, atol=1e-9)


def test_a_plain_map_without_readout_is_judged(tmp_path):
    weights = np.random.default_rng(0).normal(size=(20, 20)) * 0.5 / np.sqrt(20)
    np.savez(tmp_path / "map.npz", kind="map", weights=weights, nonlinearity="tanh")
    code, out, err = run("stability", "--weights", tmp_path / "map.npz", "--n-starts", 30,
                         "--out", tmp_path / "out", "--json", "-")  # fmt: skip
    assert code == 0, err
    (network,) = strict_json(out)["networks"]
    (origin,) = network["fixed_points"]  # |J| < 1: the origin is all there is
    assert origin["output"] is None
    assert network["reason"]
    assert origin["spectral_radius"] < 1
    assert network["completeness"] == "proved"
    assert network["basins"][0]["count"] == 30


def test_geometry_calibrates_exactly(tmp_path):
    words = ["stability", *SMALL, "--training", "geometry", "--readout", 1, 1, 0.3, "--gain", 0.3,
             "--target", 1.2, "--json", "-", "--out", tmp_path]  # fmt: skip
    code, out, err = run(*words, "--calibrate")
    assert code == 0, err
    for network in strict_json(out)["networks"]:
        outputs = np.array([point["output"] for point in network["fixed_points"]])
        assert np.abs(outputs - 1.2).min() < 1e-8
    code, out, _ = run(*words)
    gaps = [
        min(abs(point["output"] - 1.2) for point in network["fixed_points"])
        for network in strict_json(out)["networks"]
    ]
    assert 1e-6 < max(gaps) < 8 / np.sqrt(80)  # reported as it is, spread c / sqrt(N)


def test_float32_and_the_users_settings(tmp_path):
    before = jax.config.jax_enable_x64
    code, out, _ = run("theory", "feedback", "--precision", "float32", "--json", "-")
    assert code == 0
    assert jax.config.jax_enable_x64 == before
    single, double = strict_json(out), feedback_theory().summary()
    assert single["scale"] != double["scale"]
    assert np.isclose(single["scale"], double["scale"], rtol=1e-4)


BAD = [
    (["theory", "feedback", "--rho", "1.5"], "`shared_weight`"),
    (["theory", "feedback", "--sigma-m", "-1"], "`feedback_std`"),
    (["theory", "feedback", "--target", "2", "--ratio", "-2"], "no calibrated readout"),
    (["theory", "feedback", "--target", "nan"], "`target`"),
    (["theory", "feedback", "--ratio", "1", "--readout", "1", "1", "1"], "not allowed with"),
    (["theory", "feedback", "--readout", "1", "1"], "--readout"),
    (["theory", "feedback", "--device", "abacus"], "`device`"),
    (["theory", "feedback", "--precision", "float16"], "--precision"),
    (["theory"], "required"),
    (["dance"], "dance"),
    ([], "required"),
    (["stability", "--n-units", "0"], "`n_units` must be at least 1, got 0"),
    (["stability", "--n-units", "x"], "--n-units"),
    (["stability", "--n-starts", "0"], "`n_starts`"),
    (["stability", "--training", "magic"], "--training"),
    (["stability", "--training", "geometry"], "`readout`"),
    (["stability", "--calibrate"], "`calibrate`"),
    (["stability", "--weights", "none.npz"], "which is not there"),
    (["stability", "--weights", "none.npz", "--gain", "1"], "`gain` cannot be given"),
    (["stability", "--seed", "-1"], "`seed`"),
    (["reproduce", "feedback-networks", "E11"], "E11"),
]


@pytest.mark.parametrize(("words", "named"), BAD, ids=[" ".join(words)[:40] for words, _ in BAD])
def test_a_mistake_is_one_line_and_a_code(words, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    lines = [line for line in err.splitlines() if "%|" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("rnngeo: error: ")
    assert named in lines[0]


def test_places_that_cannot_be_written_are_told_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for words in (["--out", tmp_path / "file" / "x"], ["--json", tmp_path / "file" / "x.json"]):
        code, _, err = run("stability", *SMALL, *words)
        assert code == 2
        assert "written" in err
        assert len(err.splitlines()) == 1


def test_help_and_version_return_zero():
    assert run("--version")[:2] == (0, "rnngeo 0.1.0\n")
    code, out, _ = run("stability", "--help")
    assert code == 0
    assert "--weights" in out


def test_the_program_is_installed():
    done = subprocess.run(
        [sys.executable, "-c", "from rnngeo.cli import entry_point; entry_point()", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "rnngeo 0.1.0\n"
