"""The claims on information flux hold; those of samples at reduced size; each can fail."""

import dataclasses
import itertools
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from rnngeo._progress import silent
from rnngeo.experiments import reproduce
from rnngeo.experiments.information_flux import (
    EXPERIMENTS,
    _brackets,
    _cycles,
    _experiments,
    _maximum,
    _proxies,
    _rooks,
    _setting,
    _sweeps,
    _windows,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "information_flux.json").read_text())


def assert_all_hold(claims):
    failures = [claim for claim in claims if not claim.holds]
    assert not failures, "\n".join(str(claim.as_row()) for claim in failures)


def numbers(entry, *names):
    """Means and standard deviations in turn."""
    return tuple(entry[name + end] for name in names for end in ("", "_sd"))


def test_expected_numbers_of_random_ensembles_are_those_of_the_table():
    """What an experiment expects is copied by hand; the table is not."""
    measures = ("H", "D", "I", "C")
    widths = {float(w): e for w, e in GOLDEN["width_sweep"]["items"].items()}
    for width, entry in widths.items():
        assert _sweeps._BY_WIDTH[width] == numbers(entry, *measures)
        assert _proxies._PAIRS[width] == numbers(entry, "Ipair", "Cabs")
        assert _proxies._RANKS[width] == entry["spearman_I_C"]
        assert _proxies._PAIR_RANKS[width] == entry["spearman_I_Ipair"]
        assert _proxies._RATIOS[width] == entry["ratio_quadratic"]
    assert len(widths) == len(_sweeps._BY_WIDTH) == len(_proxies._PAIRS)
    place = lambda name: tuple(float(part.split("=")[1]) for part in name.split(","))
    for name, entry in GOLDEN["density_sweep"]["items"].items():
        assert _sweeps._BY_DENSITY[place(name)] == numbers(entry, *measures)
        assert _proxies._BY_DENSITY[place(name)] == entry["spearman_I_C"]
    for name, entry in GOLDEN["balance_sweep"]["items"].items():
        assert _sweeps._BY_BALANCE[place(name)] == numbers(entry, *measures)
    pooled = [(tuple(e["widths"]), e["spearman"]) for e in GOLDEN["pooled_spearman"]["items"]]
    assert pooled == list(_proxies._POOLED.values())
    for size, entry in GOLDEN["size_sweep"]["items"].items():
        assert _proxies._SIZES[int(size)] == (entry["spearman_I_C"], entry["n"])
    for width, e in GOLDEN["weak_coupling"]["items"].items():
        row = e["ratio_I_to_C_law"], e["sd"], e["ratio_I_to_W_law"], e["sd_W"]
        assert _proxies._WEAK[float(width)] == row
        assert _proxies._PAIR_SUMS[float(width)] == e["pairsum_over_I"]
    counts = [GOLDEN[name]["n"] for name in ("width_sweep", "density_sweep", "balance_sweep")]
    assert {_setting.N_REFERENCE} == set(counts)
    assert GOLDEN["weak_coupling"]["n"] == _proxies._N_WEAK


def test_expected_numbers_of_constructed_matrices_are_those_of_the_table():
    per_unit = {float(w): v for w, v in GOLDEN["rooks_per_neuron"]["items"].items()}
    assert per_unit == _rooks._PER_UNIT
    for entry in GOLDEN["rooks_table"]["items"]:
        for w in (5, 10, 20):
            assert _rooks._TABLE[entry["N"], float(w)] == entry[f"I_w{w}"]
        assert _rooks._CORRELATIONS[entry["N"]] == entry["C_w10"]
    noise = GOLDEN["noise"]["rooks5_w10"]
    assert {float(r): v for r, v in noise.items() if r != "0"} == _rooks._NOISE
    assert (GOLDEN["noise"]["rooks"]["perm"], GOLDEN["noise"]["rooks"]["sign"]) == tuple(
        map(list, _rooks._ROOKS[5])
    )
    (unequal,) = GOLDEN["rooks_unequal"]["items"]
    assert (unequal["I"], unequal["C"]) == _rooks._UNEQUAL
    for name, entry in GOLDEN["dense_optima"]["items"].items():
        np.testing.assert_array_equal(_rooks.dense_matrix(name), entry["W"])
        for w in ("5", "10"):
            assert _rooks._DENSE[name, float(w)] == (entry["at"][w]["H"], entry["at"][w]["I"])
        assert tuple(entry["cycles"]) == _cycles._DENSE[name][1]
    listed = {(tuple(e["perm"]), tuple(e["sign"])): e for e in GOLDEN["rooks_cycles"]["items"]}
    for permutation, signs, lengths, over_starts, over_cycles in _cycles._ROOKS.values():
        entry = listed[permutation, signs]
        assert (tuple(entry["cycles"]), entry["Lstart"], entry["Lcyc"]) == (
            lengths, over_starts, over_cycles)  # fmt: skip
    for entry in GOLDEN["rooks_best_periods"]["items"]:
        row = entry["best_Lstart"], entry["best_Lcyc"], entry["longest"]
        np.testing.assert_allclose(_cycles._BEST[entry["N"]], row, atol=1e-11)


def test_expected_numbers_of_samples_are_those_of_the_table():
    names = ("n_cycles", "Lcyc", "Lstart", "longest")
    row = lambda e: (tuple(e[n] for n in names), tuple(e["sd"][n] for n in names))
    for size, e in GOLDEN["random_cycles"]["by_N"].items():
        assert _cycles._RANDOM[int(size)] == (e["n"], *row(e))
        assert _cycles._BIJECTIVE.get(int(size), 0.0) == e["P_bijective"]
    for name, e in GOLDEN["random_cycles"]["by_balance_N5"].items():
        place = tuple(float(part.split("=")[1]) for part in name.split(","))
        assert _cycles._BALANCED[place] == row(e)
        assert e["n"] == _cycles._N_BALANCED
    for n_units in (2, 3):
        e = GOLDEN["enumeration"][f"N{n_units}"]
        full = e.get("full_cycles", e.get("cycle_types", {}).get("4"))
        assert _cycles._ALL_MAPS[n_units] == (
            e["threshold_functions"], e["bijections"], e["rooks"], full)  # fmt: skip
    for e in GOLDEN["large_N"]["items"]:
        assert _brackets._FIGURES[e["N"], e["g"]] == (e["lower"], e["upper"], e["C_law"])
    window = GOLDEN["finite_window"]
    assert (tuple(window["perm"]), tuple(window["sign"])) == _windows._ROOKS
    assert (window["T"], window["runs"]) == (_windows.N_WINDOW, _windows._N_EXPECTED)
    for e in window["items"]:
        row = e["I_exact"], e["I_T"], e["sd"], e["C_T"]
        assert _windows._WINDOWS[float(e["w"])] == row
    assert GOLDEN["estimator_bias"]["runs"] == _windows._N_LADDER
    for e in GOLDEN["estimator_bias"]["items"]:
        row = tuple(tuple(e[name]) for name in ("plugin", "miller_madow", "rb", "rb_mm", "C"))
        assert _windows._LADDER[e["T"]] == row
    small, large, _ = GOLDEN["evolution"]["items"]
    assert (small["N"], small["wmax"], large["N"], large["wmax"]) == (3, 5, 5, 5)
    ranges = {int(k): tuple(v) for k, v in small["history_ranges"].items()}
    assert ranges == _maximum._HISTORY
    for e in (small, large):
        assert abs(_maximum._ROOKS[e["N"], 5.0] - e["rooks_I"]) < 1e-5
    assert {e["N"]: max(e["F"]) for e in GOLDEN["joint"]["items"]} == _maximum._JOINT
    for n_units, (flux, period) in _maximum._ROOKS_JOINT.items():  # rooks fall short of it
        assert _maximum._JOINT[n_units] - 0.5e-4 > (flux + math.log2(period)) / n_units


@pytest.mark.parametrize(("name", "n_claims"), [pytest.param("E8", 61, marks=pytest.mark.slow)])
def test_laws_of_rooks_hold_and_are_sharp(name, n_claims):
    reproduction = reproduce("information-flux", [name])
    assert len(reproduction.claims) == n_claims
    assert_all_hold(reproduction.claims)
    for claim in reproduction.claims:  # nine decimals under noise, twelve and rounding elsewhere
        step = 1e-9 if "noise" in claim.claim else 1e-12
        assert claim.tolerance < 0.6 * step
        assert not dataclasses.replace(claim, measured=claim.measured + 1.2 * step).holds
    ax = reproduction.figures[name]()
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in ax.figure.axes)


REDUCED = {  # module, sizes, number of claims, of which fail by chance or size
    "E1": (_sweeps, {"N_MATRICES": 200}, 36, ()),
    "E2": (_sweeps, {"N_MATRICES": 200, "N_MANY": 200}, 34, ()),
    "E3": (_sweeps, {"N_MATRICES": 200}, 46, ("w = 5: balance of the smallest C",)),
    "E5": (_proxies, {"N_MATRICES": 200}, 37, ()),
    "E9": (_cycles, {"N_MATRICES": 100, "_RANDOM": {3: _cycles._RANDOM[3]}}, 93, ()),
    "E12": (_windows, {"N_REPEATS": 10}, 12, ()),
}


@pytest.mark.parametrize("name", REDUCED)
def test_sampled_claims_hold_at_reduced_size(name, monkeypatch, tmp_path):
    module, sizes, n_claims, spared = REDUCED[name]
    for constant, value in sizes.items():
        monkeypatch.setattr(module, constant, value)
    stages = []
    reproduction = reproduce(
        "information-flux", [name], folder=tmp_path, progress=lambda *call: stages.append(call)
    )
    claims = reproduction.claims
    assert len(claims) == n_claims
    assert_all_hold([c for c in claims if not any(words in c.claim for words in spared)])
    assert all(math.isfinite(claim.tolerance) for claim in claims)
    assert stages[-1][1] == stages[-1][2]
    again = reproduce("information-flux", [name], folder=tmp_path)  # from its file
    assert str(again.claims) == str(claims)
    ax = again.figures[name]()
    panels = [panel for panel in ax.figure.axes if panel.get_visible()]
    assert all(panel.get_xlabel() or panel.get_ylabel() for panel in panels if panel.axison)
    assert all(panel.get_title() for panel in panels if not panel.axison)


_ROOKS2 = _rooks._TABLE[2, 10.0]  # at N = 2 every map without merging states is rooks
SMALL = {  # module, sizes, number of claims
    "E4": (_proxies, {"N_MATRICES": 200, "_SIZES": {2: _proxies._SIZES[2]}}, 27),
    "E6": (_brackets, {"N_MATRICES": 6, "N_PAIRS": 256, "N_DRAWS": 8, "N_STEPS": 300,
                       "N_EXACT": 4, "_GAINS": {20: (0.2,), 50: (0.5,)}}, 9),
    "E7": (_maximum, {"N_RUNS": 8, "N_LARGE": 3, "N_RESTARTS": 2, "N_GENERATIONS_LARGE": 60,
                      "N_STEPS": 60}, 9),
    "E10": (_maximum, {"N_RESTARTS_JOINT": 8, "N_GENERATIONS_JOINT": 60, "N_STEPS_JOINT": 100,
                       "_JOINT": {2: (_ROOKS2 + 2) / 2, 3: _maximum._JOINT[3]},
                       "_ROOKS_JOINT": {2: (_ROOKS2, 4.0), 3: _maximum._ROOKS_JOINT[3]}}, 14),
    "E11": (_windows, {"N_RUNS": 8, "N_RUNS_BY_WINDOW": {100: 4, 200: 4, 400: 4}}, 14),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_expensive_claims_hold_at_reduced_size_and_are_drawn(name, monkeypatch):
    """Tolerances of samples grow as sizes fall; searches of five units are left to `reproduce`."""
    module, sizes, n_claims = SMALL[name]
    for constant, value in sizes.items():
        monkeypatch.setattr(module, constant, value)
    reproduction = reproduce("information-flux", [name])
    assert len(reproduction.claims) == n_claims
    assert_all_hold(reproduction.claims)
    assert all(math.isfinite(claim.tolerance) for claim in reproduction.claims)
    ax = reproduction.figures[name]()
    assert all(panel.get_xlabel() or panel.get_ylabel() for panel in ax.figure.axes)


@pytest.mark.parametrize("shift", [math.log(10.0), math.log2(10.0), math.log10(10.0)])
def test_windows_fall_later_by_the_natural_logarithm_of_their_length(shift):
    """Curves of T exp(-w), moved by other logarithms, are told apart."""
    error = np.full(_windows._WIDTHS.size, 0.02)
    curve = lambda k: (5.0 / (1 + np.exp(_windows._WIDTHS - 8.0 - k * shift)), error)
    claims = _windows._fall_claims({10**n: curve(n - 3) for n in (3, 4, 5)})
    assert len(claims) == 2
    assert all(claim.holds is (shift == math.log(10.0)) for claim in claims)


def test_rms_covariance_against_plain_sums(key):
    """E[x' x] of the law and of T as they are written, and C, which is the same without a bias."""
    weights = _setting.draw_matrices(200, 1.5, key=key)
    states = np.array(list(itertools.product((-1.0, 1.0), repeat=5)))
    covariances = np.asarray(_proxies.rms_covariances(weights))
    for matrix, found in zip(np.asarray(weights)[:3], covariances, strict=False):
        up = 1 / (1 + np.exp(-states @ matrix.T))
        step = np.prod(np.where(states[None] > 0, up[:, None], 1 - up[:, None]), axis=-1)
        values, vectors = np.linalg.eig(step.T)
        law = np.real(vectors[:, np.argmax(np.real(values))])
        joint = (law / law.sum())[:, None] * step
        np.testing.assert_allclose(found, np.sqrt(np.mean((states.T @ joint @ states) ** 2)),
                                   rtol=1e-11)  # fmt: skip
    change = covariances - _setting.measure_matrices(weights).rms
    assert np.abs(change).max() < _proxies._ROUNDING < 1e-13


def test_peak_of_the_flux_and_flat_top_are_found():
    place = np.log([2.0, 3.0, 4.0])
    assert _sweeps.top_of_parabola(place, -((place - 1.2) ** 2)) == pytest.approx(1.2)
    rng = np.random.default_rng(0)
    common = rng.normal(size=500)  # the same matrices at every place
    places = [common + 0.1 * rng.normal(size=500) + shift for shift in (-0.3, 0.0, -0.1)]
    assert _sweeps._excess_claim("", places, 1).holds
    higher = [*places[:2], places[2] + 0.15]
    assert not _sweeps._excess_claim("", higher, 1).holds
    assert _sweeps._excess_claim("", higher, 2).measured == 0


def test_matrices_beyond_their_limits_are_found_out():
    box, rows = np.full((5, 5), -5.0), np.full((5, 5), math.sqrt(5.0))
    assert _maximum._beyond_limits(box, rows, 5.0) < _maximum._ROUNDING < 1e-14
    assert _maximum._beyond_limits(box - 1e-13, rows, 5.0) > _maximum._ROUNDING
    assert _maximum._beyond_limits(box, rows + 1e-13, 5.0) > _maximum._ROUNDING


def test_parts_of_an_experiment_draw_from_keys_of_their_own(key, monkeypatch):
    """The fine comparison of E2 shares no key with its table, nor with the keys split from it."""
    drawn = []

    def draw(n_matrices, width, *, density=1.0, key):
        split = np.asarray(jr.key_data(jr.split(key, n_matrices))).tolist()
        drawn.append({tuple(row) for row in [np.asarray(jr.key_data(key)).tolist(), *split]})
        return np.zeros(2)

    n_measures = len(dataclasses.fields(_setting.Measures))
    monkeypatch.setattr(_sweeps, "draw_matrices", draw)
    monkeypatch.setattr(
        _sweeps, "measure_matrices", lambda _: _setting.Measures(*[np.arange(2.0)] * n_measures)
    )
    _sweeps.run_e2(silent, key)
    *table, sparse, full = drawn
    assert not set.union(*table) & (sparse | full)
    assert not sparse & full


def test_a_wrong_ensemble_is_found_out(key):
    """Twice the width, C2's convention sigma(2u), must break the claims on means and ranks."""
    right = _setting.measure_matrices(_setting.draw_matrices(200, 1.0, key=key))
    wrong = _setting.measure_matrices(_setting.draw_matrices(200, 2.0, key=key))
    row = _sweeps._BY_WIDTH[1.0]
    assert_all_hold(_sweeps._claims_on_means("E1", "w = 1", row, right))
    assert not any(c.holds for c in _sweeps._claims_on_means("E1", "w = 1", row, wrong))
    rank = lambda m: _setting.rank_claim("E4", "", _proxies._RANKS[1.0], m.flux, m.rms)
    assert rank(right).holds
    assert not rank(wrong).holds


def test_fisher_interval_of_a_rank_correlation_covers_as_it_says(key):
    """Gaussian pairs: four standard errors around the true coefficient, hardly wider."""
    rho, n, n_expected = 0.6, 200, 400
    x, noise = np.asarray(jr.normal(key, (2, 300, n)))
    y = rho * x + math.sqrt(1 - rho**2) * noise
    true = 6 / math.pi * math.asin(rho / 2)
    found = [
        _setting.rank_claim("E4", "", true, a, b, n_expected=10**9)
        for a, b in zip(x, y, strict=True)
    ]
    measured = np.array([c.measured for c in found])
    sigma = (found[0].tolerance - 0.5e-3) / 4
    assert 0.85 < measured.std() / sigma < 1.15
    wider = _setting.rank_claim("E4", "", true, x[0], y[0], n_expected=n_expected)
    assert wider.tolerance > found[0].tolerance


def test_mean_claim_counts_both_samples():
    values = np.linspace(-1.0, 1.0, 100)
    claim = _setting.mean_claim("E1", "", 0.0, 0.5, values, n_expected=25, rounding=0.0)
    assert claim.tolerance == pytest.approx(4 * 0.5 * math.sqrt(1 / 25 + 1 / 100))
    assert claim.holds
    assert not dataclasses.replace(claim, measured=claim.tolerance * 1.01).holds


def test_a_curve_turns_once_at_a_single_peak():
    assert _sweeps.n_turns(np.array([0.0, 1.0, 3.0, 2.0, 1.0])) == 1
    assert _sweeps.n_turns(np.array([0.0, 1.0, 2.0])) == 0
    assert _sweeps.n_turns(np.array([0.0, 2.0, 1.0, 3.0])) == 2


def test_fall_through_the_level_is_interpolated_with_its_error():
    place, values = np.array([1.0, 2.0, 4.0]), np.array([4.2, 4.5, 3.5])
    found, error = _windows._falls_below(place, values, np.array([0.1, 0.2, 0.2]))
    assert found == pytest.approx(3.0)
    assert error == pytest.approx(math.hypot(0.1, 0.1) / 0.5)
    assert math.isnan(_windows._falls_below(place, values - 2, values)[0])
    assert math.isnan(_windows._falls_below(place, values + 2, values)[0])


def test_matrix_of_five_units_runs_through_all_states():
    """In integers, without the library: every state once, no field near zero."""
    states = np.array([[1 if k >> (4 - n) & 1 else -1 for n in range(5)] for k in range(32)])
    fields = states @ np.array(_cycles.ALL_STATES).T
    assert np.min(np.abs(fields)) == 1
    following = (fields > 0) @ (1 << np.arange(5)[::-1])
    visited, state = set(), 0
    while state not in visited:
        visited.add(state)
        state = int(following[state])
    assert len(visited) == 32
    assert state == 0


def test_broken_matrices_fail_their_claims(monkeypatch):
    """A transposed W30 and rooks with a wrong sign have other cycles."""
    right, _ = _cycles._check_named()
    assert_all_hold(right)
    row = _cycles._ROOKS["rooks, N = 3, ++-"]
    monkeypatch.setitem(_cycles._ROOKS, "rooks, N = 3, ++-", (row[0], (1, 1, 1), *row[2:]))
    monkeypatch.setattr(_cycles, "dense_matrix", lambda name: -_rooks.dense_matrix(name)[::-1])
    wrong, _ = _cycles._check_named()
    failed = {c.claim.split(":")[0] for c in wrong if not c.holds}
    assert "rooks, N = 3, ++-" in failed
    assert any(name.startswith("dense") for name in failed)


def test_exact_flux_outside_the_bounds_is_found_out():
    inside = np.array([[1.0, 1.2, 1.1], [1.1, 1.3, 1.2], [0.9, 1.0, 0.95]])
    assert_all_hold(_brackets._exact_claims(inside))
    outside = inside + np.array([0.3, 0.3, 0.0]) + 0.01 * np.arange(9).reshape(3, 3)
    below, above = _brackets._exact_claims(outside)
    assert not below.holds
    assert above.holds


def test_figures_of_another_gain_are_found_out():
    rng = np.random.default_rng(0)
    scattered = np.array([1.985, 2.002, 2.033]) * (1 + 0.03 * rng.standard_normal((12, 1)))
    assert_all_hold(_brackets._figure_claims(50, 0.5, scattered))
    weaker = _brackets._figure_claims(50, 0.5, (0.45 / 0.5) ** 2 * scattered)
    assert not any(claim.holds for claim in weaker)


def test_a_run_that_stops_below_rooks_fails():
    history = np.tile(np.linspace(1.0, 2.6, 60), (3, 1))
    weights = np.tile(np.eye(3), (3, 1, 1))
    claims = {c.claim: c for c in _maximum._check_evolution(weights, history[:, -1], history)}
    assert not claims["N = 3: median over runs of the final I"].holds
    assert claims["N = 3: median over runs of the final rookness"].holds
    assert _maximum._shortfall(1.0, 0.9) == pytest.approx(0.1)
    assert _maximum._shortfall(1.0, 1.1) == 0.0


def test_exact_fluxes_use_float64_even_where_float32_is_asked():
    seen = []
    experiment = EXPERIMENTS[0]
    probe = lambda progress, key: seen.append(jnp.zeros(()).dtype)
    with jax.enable_x64(False):
        _experiments._in_double(probe)(silent, None)
    assert seen == [jnp.float64]
    assert experiment.run.__wrapped__ is _sweeps.run_e1


def test_experiments_have_names_of_their_own_and_unknown_ones_are_refused():
    assert [e.name for e in EXPERIMENTS] == [f"E{k}" for k in range(1, 13)]
    with pytest.raises(ValueError, match="`experiments` must be some of E1, E2"):
        reproduce("information-flux", ["E13"])
