"""The report of information flux: golden numbers, conventions, gradients, limits."""

import itertools
import json
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr

import rnngeo.reports._flux as flux_module
from rnngeo._progress import silent
from rnngeo.connectivity import signed_ensemble
from rnngeo.experiments.information_flux._setting import rank_claim
from rnngeo.information import Krylov
from rnngeo.models import BinaryNetwork
from rnngeo.reports import Sampling, Units, flux_ensemble_report, flux_report

TABLE = json.loads((Path(__file__).parents[1] / "golden" / "information_flux.json").read_text())
NAMES = {"entropy": "H", "divergence": "D", "flux": "I", "correlation": "C",
         "correlation_lag0": "C0", "pair_information": "Ipair"}  # fmt: skip


def matrix(name, scale=1.0):
    return scale * np.array(TABLE["matrices"]["items"][name]["W"], float)


def binary_entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def unit_flux(w):
    """Flux of a unit that drives one unit with weight w."""
    return 1 - binary_entropy(1 / (1 + np.exp(-np.asarray(w, float))))


def double_sum(w):
    """Flux as a sum over all transitions, the law from an eigenvector, in NumPy."""
    states = np.array(list(itertools.product((-1, 1), repeat=len(w))))
    up = 1 / (1 + np.exp(-states @ np.asarray(w).T))
    step = np.prod(np.where(states[None] > 0, up[:, None], 1 - up[:, None]), axis=-1)
    values, vectors = np.linalg.eig(step.T)
    law = np.real(vectors[:, np.argmax(np.real(values))])
    law = law / law.sum()
    return np.sum(law[:, None] * step * np.log2(step / (law @ step)))


def rooks(weight, n=5):
    """A permutation with signs: five units run through cycles of 12, 12, 4 and 4 states."""
    to, signs = {3: ([1, 2, 0], [1, 1, -1]), 5: ([1, 2, 0, 4, 3], [1, 1, -1, 1, -1])}[n]
    w = np.zeros((n, n))
    w[np.arange(n), to] = weight * np.array(signs)
    return w


def assert_golden(report, item):
    found = report.summary()
    for name, letter in NAMES.items():
        assert abs(found[name] - item[letter]) < 1e-10


def test_bias_and_units():
    (item,) = TABLE["bias"]["items"]
    report = flux_report(np.array(item["W"]), bias=np.array(item["b"]))
    assert_golden(report, item)
    largest = np.abs(item["W"]).sum(1) + np.abs(item["b"])
    assert report.bound == pytest.approx(unit_flux(largest).sum(), abs=1e-13)
    np.testing.assert_allclose(
        report.law @ [[-1, -1], [-1, 1], [1, -1], [1, 1]], item["means"], atol=1e-11
    )
    for item in TABLE["binary_units"]["items"]:
        weights = np.array(item["W"], float)
        report = flux_report(weights, units=Units.ZERO_ONE)
        assert_golden(report, item)
        assert report.bound == pytest.approx(
            unit_flux(0.5 * np.abs(weights).sum(1) + 0.5 * np.abs(weights.sum(1))).sum(), abs=1e-13
        )
        if len(weights) == 2:
            same = flux_report(0.5 * weights, bias=0.5 * weights.sum(1))
            assert same.cycles.lengths.tolist() == report.cycles.lengths.tolist()
            assert same.flux == pytest.approx(report.flux, abs=1e-13)


def test_noise_leaves_cycles_and_lowers_flux_and_bound():
    for noise in ("2", "10"):
        expected = TABLE["noise"]["rooks5_w10"][noise]
        report = flux_report(rooks(10.0), noise_std=float(noise))
        assert report.flux == pytest.approx(expected, abs=2e-9)
        # rooks attain the bound, with noise too
        assert report.bound == pytest.approx(report.flux, abs=1e-12)
        assert report.cycles.lengths.tolist() == [12, 12, 4, 4]
    silent = flux_report(matrix("C2"), noise_std=0)
    assert silent.summary() == flux_report(matrix("C2")).summary()


def test_ties_follow_the_rule():
    ties = {tie: flux_report(matrix("A2"), tie=tie).summary()["cycles"] for tie in (1, -1)}
    assert ties[1] == {"lengths": [1, 1], "mean_over_starts": 1.0, "mean_over_cycles": 1.0,
                       "ties": True}  # fmt: skip
    one_sided = np.array([[1.0, 1.0], [0.0, 0.0]])  # the second field is always zero
    up, down = (flux_report(one_sided, tie=tie) for tie in (1, -1))
    assert up.cycles.next_state.tolist() == [1, 3, 3, 3]
    assert down.cycles.next_state.tolist() == [0, 0, 0, 2]


@pytest.mark.parametrize("units", list(Units))
def test_gradient_is_of_the_weights_as_given(units):
    rng = np.random.default_rng(1)
    weights, bias = rng.normal(size=(2, 2)), rng.normal(size=2)
    found = flux_report(weights, bias=bias, units=units, has_gradient=True).summary()
    flux = lambda w, b: flux_report(w, bias=b, units=units).flux
    step = 1e-5
    for n in range(2):
        e = step * np.eye(2)[n]
        slope = (flux(weights, bias + e) - flux(weights, bias - e)) / (2 * step)
        assert found["gradient_bias"][n] == pytest.approx(slope, abs=1e-9)
        for m in range(2):
            e = step * np.outer(np.eye(2)[n], np.eye(2)[m])
            slope = (flux(weights + e, bias) - flux(weights - e, bias)) / (2 * step)
            assert found["gradient"][n][m] == pytest.approx(slope, abs=1e-9)


def test_gradient_without_bias():
    found = flux_report(matrix("C2"), has_gradient=True).summary()
    np.testing.assert_allclose(found["gradient"], TABLE["gradient"]["C2"]["dI_dW"], atol=1e-9)
    assert found["gradient_bias"] == [0.0, 0.0]
    # units in {0, 1} have a bias of their own even where none is given
    zero_one = flux_report(matrix("C2"), units=Units.ZERO_ONE, has_gradient=True).summary()
    flux = lambda b: flux_report(matrix("C2"), bias=b, units=Units.ZERO_ONE).flux
    slope = (flux(np.array([1e-5, 0.0])) - flux(np.array([-1e-5, 0.0]))) / 2e-5
    assert zero_one["gradient_bias"][0] == pytest.approx(slope, abs=1e-9)
    assert abs(slope) > 1e-3


def test_one_unit():
    found = flux_report(np.array([[2.0]])).summary()
    assert found["flux"] == pytest.approx(unit_flux(2.0), abs=1e-14)
    assert found["flux"] == pytest.approx(found["bound"], abs=1e-14)
    assert found["correlation"] == pytest.approx(np.tanh(1.0), abs=1e-14)
    assert found["correlation_lag0"] == 1.0
    assert found["pair_information"] == pytest.approx(found["flux"], abs=1e-14)
    assert found["cycles"]["lengths"] == [1, 1]
    found = flux_report(np.array([[-2.0]]), bias=np.array([0.5]), units=Units.ZERO_ONE).summary()
    up = 1 / (1 + np.exp([-0.5, 1.5]))  # from z = 0 and from z = 1
    p = up[0] / (1 - up[1] + up[0])
    divergence = (1 - p) * binary_entropy(up[0]) + p * binary_entropy(up[1])
    assert found["entropy"] == pytest.approx(binary_entropy(p), abs=1e-14)
    assert found["divergence"] == pytest.approx(divergence, abs=1e-14)
    assert found["correlation"] == pytest.approx(up[0] - up[1], abs=1e-14)
    assert found["cycles"]["lengths"] == [2]
    silent = flux_report(np.array([[0.0]])).summary()
    assert silent["flux"] == silent["correlation"] == 0.0
    assert abs(silent["bound"]) < 1e-15


def test_a_network_brings_its_own_bias_and_noise():
    network = BinaryNetwork(rooks(10.0), None, 2.0)
    report = flux_report(network)
    assert report.summary() == flux_report(rooks(10.0), noise_std=2.0).summary()
    assert report.parameters["noise_std"] == 2.0
    assert report.parameters["bias"] == "none"
    for other in ({"bias": np.ones(5)}, {"units": Units.ZERO_ONE}, {"noise_std": 1.0}):
        with pytest.raises(ValueError, match="of its own"):
            flux_report(network, **other)


def test_float32_agrees_or_refuses():
    weak = flux_report(matrix("C2"), precision="float32")
    assert weak.flux == pytest.approx(TABLE["matrices"]["items"]["C2"]["I"], abs=2e-6)
    assert jax.numpy.zeros(1).dtype == np.float64  # the caller's setting is back
    with pytest.raises(ValueError, match="`precision` must be float64"):
        flux_report(200.0 * np.eye(2), precision="float32")
    assert flux_report(200.0 * np.eye(2)).flux == pytest.approx(2.0, abs=1e-12)


def test_weights_beyond_every_method_keep_what_they_can():
    report = flux_report(3000.0 * np.eye(2), has_gradient=True)
    found = report.summary()
    assert all(found[name] is None for name in (*NAMES, "gradient", "gradient_bias"))
    assert found["reason"].startswith("entropy, divergence, flux, correlations: elimination")
    assert found["bound"] == pytest.approx(2.0)
    assert found["cycles"]["lengths"] == [1, 1, 1, 1]
    assert report.verdict.startswith("No flux found")


def test_elimination_stands_in_where_krylov_fails(monkeypatch):
    monkeypatch.setattr(flux_module, "default_method", lambda *_: Krylov())
    weak = flux_report(rooks(3.0, 3))
    assert weak.method == "krylov"
    assert weak.flux == pytest.approx(3 * unit_flux(3.0), abs=1e-11)
    strong = flux_report(rooks(60.0, 3))
    assert strong.method == "elimination"
    assert strong.flux == pytest.approx(3.0, abs=1e-10)


def test_large_networks_are_sampled():
    n, w = 17, 1.0
    report = flux_report(w * np.eye(n), has_gradient=True)
    found = report.summary()
    exact = n * unit_flux(w)
    # ln T(x, x')/p(x') of one pair has the variance of n independent units; 1024 pairs count, not
    # their 16 batches. A deviation of 16 * 1024 numbers is known to 0.6 percent, and the average
    # that stands for p adds 0.4.
    p = 1 / (1 + np.exp(-w))
    spread = np.log2(p / (1 - p)) * np.sqrt(n * p * (1 - p))
    assert found["upper_error"] == pytest.approx(spread / np.sqrt(1024), rel=0.028)
    assert found["upper"] - found["lower"] < 0.1
    assert found["lower"] - 4 * found["lower_error"] < exact
    assert exact < found["upper"] + 4 * found["upper_error"]
    assert abs(found["divergence"] - (n - exact)) < 4 * found["divergence_error"] + 1e-12
    # 64 windows of T = 512 steps. With r = tanh(w/2) a window's own mean has the square
    # m2 = (1 + r)/(1 - r)/T, which takes (1 - r^2) m2 of r^2 on the diagonal; off it are squares
    # r^2 ((1 + r^2)/(1 - r^2)/T - m2^2), of which r^2/T is taken off as noise, on it as well.
    r, t = np.tanh(w / 2), 512
    m2, noise = (1 + r) / (1 - r) / t, (1 + r**2) / (1 - r**2) / t
    square = r**2 / n * (1 - (1 - r**2) * m2) + (1 - 1 / n) * r**2 * (noise - m2**2) - r**2 / t
    # Squares of n (n - 1)/2 pairs, those of (n, m) and (m, n) are the same; and of next order m2.
    spread = r**2 * noise * np.sqrt(2 / (64 * n * (n - 1) / 2))
    assert abs(found["correlation"] ** 2 - square) < 4 * spread + m2 * r**2 * (noise + 1 / t)
    assert spread < 1e-3 * r**2 / n
    names = ("entropy", "flux", "residual", "correlation_lag0", "pair_information", "gradient")
    assert all(found[name] is None for name in names)
    assert "gradient: needs an exact method" in found["reason"]
    assert found["cycles"]["lengths"] == [1] * 2**n
    assert report.bound == pytest.approx(exact)
    # a chain with two wells does not forget where it began
    found = flux_report(np.ones((n, n)), method=Sampling()).summary()
    assert found["divergence"] is None
    assert "lower" not in found
    assert "not stationary" in found["reason"]


def test_error_of_the_divergence_is_the_spread_of_replicas():
    """Eight copies of C2 and a unit on its own, of which every number is known."""
    w = np.eye(17)
    for k in range(8):
        w[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = matrix("C2")
    found, divergence, _, reason = flux_module.sample_flux(
        BinaryNetwork(jax.numpy.asarray(w)), Sampling(n_burn=64), silent, key=jax.random.key(0)
    )
    assert not reason
    states = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    up = 1 / (1 + np.exp(-states @ matrix("C2").T))
    step = np.prod(np.where(states[None] > 0, up[:, None], 1 - up[:, None]), axis=-1)
    law = np.linalg.matrix_power(step, 64)[0]
    g = binary_entropy(up).sum(axis=1)
    mean = law @ g
    # batches 32 steps apart: 16 of 1024 replicas, as good as independent
    assert np.sort(np.abs(np.linalg.eigvals(step)))[-2] ** 32 < 1e-3
    spread = np.sqrt(8 * (law @ g**2 - mean**2) / (16 * 1024))
    assert found.divergence_error == pytest.approx(spread, rel=4 / np.sqrt(2 * 1023))
    exact = 8 * TABLE["matrices"]["items"]["C2"]["D"] + 1 - unit_flux(1.0)
    assert 8 * mean + 1 - unit_flux(1.0) == pytest.approx(exact, abs=1e-9)
    assert abs(divergence - exact) < 4 * spread


def test_files_are_written_and_labelled(tmp_path):
    (tmp_path / "net.csv").write_text("pre,post,weight\na,b,2\nb,a,-1.5\na,a,0.5\nb,b,1\n")
    (tmp_path / "bias.txt").write_text("0.5 -1\n")
    report = flux_report(tmp_path / "net.csv", bias=tmp_path / "bias.txt", has_gradient=True)
    assert_golden(report, TABLE["bias"]["items"][0])
    files = report.save(tmp_path / "out")
    assert {path.name for path in files} == {"report.png", "result.nc", "summary.json"}
    assert json.loads(files[-1].read_text()) == report.summary()
    with xr.open_dataset(files[1], engine="h5netcdf") as data:
        assert float(data.weights.sel(target="b", source="a")) == 2.0
        assert float(data.law.sum()) == pytest.approx(1.0)
        assert float(data.gradient.sel(target="b", source="a")) == report.gradient[1, 0]
        assert json.loads(data.attrs["parameters"])["bias"].endswith("bias.txt")


@pytest.fixture(scope="module")
def ensemble():
    widths = sorted({w for item in TABLE["pooled_spearman"]["items"] for w in item["widths"]})
    return flux_ensemble_report(widths=widths, n_networks=400)


def test_ensemble_agrees_with_the_table(ensemble):
    n = ensemble.values["flux"].shape[1]
    for i, width in enumerate(ensemble.widths):
        expected = TABLE["width_sweep"]["items"].get(f"{width:g}")
        if expected is None:
            continue
        names = {"entropy": "H", "divergence": "D", "flux": "I", "correlation": "C"}
        for name, letter in names.items():
            gap = ensemble.values[name][i].mean() - expected[letter]
            allowed = 4 * expected[f"{letter}_sd"] * np.sqrt(1 / n + 1 / TABLE["width_sweep"]["n"])
            assert abs(gap) < allowed + 5e-5, (width, name)
        claim = rank_claim(
            "", f"width {width}", expected["spearman_I_C"], ensemble.values["flux"][i],
            ensemble.values["correlation"][i], n_expected=TABLE["width_sweep"]["n"],
        )  # fmt: skip
        assert claim.measured == ensemble.spearman[i]
        assert claim.holds, claim
    for item in TABLE["pooled_spearman"]["items"]:
        found = ensemble.pooled_spearman(min(item["widths"]), max(item["widths"]))
        assert found == pytest.approx(item["spearman"], abs=TABLE["pooled_spearman"]["tolerance"])


def test_ensemble_is_told_and_kept(ensemble, tmp_path):
    summary = ensemble.summary()
    row = summary["widths"][0]
    assert row["flux"] == pytest.approx(ensemble.values["flux"][0].mean())
    assert row["flux_std"] == pytest.approx(ensemble.values["flux"][0].std())
    weak = 25 * ensemble.values["correlation"][0] ** 2 / (2 * np.log(2))
    assert row["weak_coupling_ratio"] == pytest.approx((ensemble.values["flux"][0] / weak).mean())
    for width, j in ((0.5, 0), (1.0, 7), (5.0, 399)):
        i = list(ensemble.widths).index(width)
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), i), j)
        w = signed_ensemble(5, width, density=1.0, balance=0.0, key=key).as_matrix()
        assert ensemble.values["flux"][i, j] == pytest.approx(double_sum(w), abs=1e-9)
    files = ensemble.save(tmp_path)
    with xr.open_dataset(files[1], engine="h5netcdf") as data:
        np.testing.assert_array_equal(data.flux.sel(width=5.0), ensemble.values["flux"][
            list(ensemble.widths).index(5.0)])  # fmt: skip
    assert "reason" not in summary


def test_a_killed_ensemble_goes_on(tmp_path):
    asked = {"n_units": 2, "widths": (0.5, 2.0, 4.0), "n_networks": 5, "seed": 3}
    whole = flux_ensemble_report(**asked)
    path, seen = tmp_path / "ensemble.npz", []

    def stop(stage, done, total):
        seen.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        flux_ensemble_report(**asked, progress=stop, checkpoint=path)
    resumed = []
    again = flux_ensemble_report(
        **asked, progress=lambda stage, done, total: resumed.append(done), checkpoint=path
    )
    assert (seen, resumed) == ([0, 1, 2], [2, 3])
    for name, values in whole.values.items():
        np.testing.assert_array_equal(again.values[name], values)
    assert not path.exists()


def test_float32_ensembles_refuse_strong_weights():
    with pytest.raises(ValueError, match="`precision` must be float64 at width 1000"):
        flux_ensemble_report(n_units=2, widths=[1e3], n_networks=5, precision="float32")
    lost = flux_ensemble_report(n_units=2, widths=[1e4], n_networks=5)
    assert "weights too strong" in lost.summary()["reason"]
    assert lost.verdict
