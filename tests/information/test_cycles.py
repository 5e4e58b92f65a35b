"""Cycles of the sign map: plain enumeration, the table, the law of rooks, random networks."""

import itertools
import json
from collections import Counter
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngeo.connectivity import rooks, signed_ensemble
from rnngeo.information import (
    CycleObjective,
    attractor_cycles,
    longest_rooks,
    rooks_cycle_counts,
    rooks_cycles,
)
from rnngeo.information._cycles import orbit_labels
from rnngeo.models import BinaryNetwork

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/information_flux.json").read_text())
MATRICES = GOLDEN["matrices"]["items"]


def _sign_map(weights, bias=None, tie=1):
    """Next states, written plainly: unit 0 first, the most significant digit."""
    weights = np.asarray(weights, float)
    states = list(itertools.product([-1, 1], repeat=len(weights)))
    bias = np.zeros(len(weights)) if bias is None else bias
    after = [np.where(u > 0, 1, np.where(u < 0, -1, tie)) for u in states @ weights.T + bias]
    return [states.index(tuple(x)) for x in after]


def _orbits(following):
    """Period and smallest state of the cycle reached, by walking."""
    period, label = [], []
    for x in range(len(following)):
        for _ in following:
            x = following[x]
        cycle = [x]
        while following[cycle[-1]] != x:
            cycle.append(following[cycle[-1]])
        period.append(len(cycle))
        label.append(min(cycle))
    return period, label


def _lengths(following):
    period, label = _orbits(following)
    return sorted((period[k] for k in set(label)), reverse=True)


@pytest.mark.parametrize("name", list(MATRICES))
@pytest.mark.parametrize("tie", [1, -1])
def test_reference_matrices(name, tie):
    """The table and walking; without bias either tie rule gives the other's map mirrored."""
    case = MATRICES[name]
    cycles = attractor_cycles(BinaryNetwork(np.array(case["W"], float)), tie=tie)
    following = _sign_map(case["W"], tie=tie)
    period, label = _orbits(following)
    np.testing.assert_array_equal(cycles.next_state, following)
    np.testing.assert_array_equal(cycles.period, period)
    np.testing.assert_array_equal(cycles.label, label)
    assert bool(cycles.has_ties) == (not case["strict"])
    assert cycles.lengths.tolist() == case["cycles"]
    assert float(cycles.mean_over_starts) == pytest.approx(case["Lstart"], abs=1e-11)
    assert float(cycles.mean_over_cycles) == pytest.approx(case["Lcyc"], abs=1e-11)
    assert int(cycles.longest) == max(case["cycles"])
    assert int(cycles.n_cycles) == len(case["cycles"])
    basins = Counter(label)
    reached = sorted(((period[k], size) for k, size in basins.items()), reverse=True)
    assert list(zip(cycles.lengths, cycles.basin_sizes, strict=True)) == reached


def test_the_tie_rule_matters():
    # The units agree only by the rule; with a bias the rules differ in more than a mirror.
    loop = BinaryNetwork(np.array([[1.0]]), bias=np.array([-1.0]))
    up, down = attractor_cycles(loop), attractor_cycles(loop, tie=-1)
    assert up.next_state.tolist() == [0, 1]
    assert down.next_state.tolist() == [0, 0]
    assert bool(up.has_ties)
    assert bool(down.has_ties)
    a2 = BinaryNetwork(np.array(MATRICES["A2"]["W"], float))
    assert attractor_cycles(a2).next_state.tolist() == [0, 3, 3, 3]
    assert attractor_cycles(a2, tie=-1).next_state.tolist() == [0, 0, 0, 3]


def test_bias_moves_the_cycles(key):
    w = jr.normal(key, (5, 5))
    b = 2.0 * jr.normal(jr.fold_in(key, 1), (5,))
    cycles = attractor_cycles(BinaryNetwork(w, bias=b))
    assert cycles.next_state.tolist() == _sign_map(w, np.asarray(b))
    assert cycles.next_state.tolist() != attractor_cycles(BinaryNetwork(w)).next_state.tolist()


@given(following=st.lists(st.integers(0, 15), min_size=16, max_size=16))
def test_orbits_of_any_map(following):
    period, label = jax.jit(orbit_labels)(jnp.asarray(following, jnp.int32))
    assert (period.tolist(), label.tolist()) == _orbits(following)


@given(seed=st.integers(0, 2**16))
def test_the_skeleton_knows_no_scale_and_no_gauge(seed):
    """Rows scaled one by one: the same map. Gauge, relabelling and sign: the same lengths."""
    key_weights, key_scale, key_gauge, key_order = jr.split(jr.key(seed), 4)
    w = jr.normal(key_weights, (4, 4))
    scale = jnp.exp(3.0 * jr.normal(key_scale, (4, 1)))
    s = jr.rademacher(key_gauge, (4,)) * 1.0
    q = jr.permutation(key_order, 4)
    family = jnp.stack([w, scale * w, s[:, None] * w * s, w[q][:, q], -w])
    cycles = attractor_cycles(BinaryNetwork(w))
    others = _many(family)
    np.testing.assert_array_equal(others.next_state[:2], [cycles.next_state] * 2)
    for k in (2, 3):
        assert sorted(others.period[k].tolist()) == sorted(cycles.period.tolist())
        assert float(others.mean_over_cycles[k]) == float(cycles.mean_over_cycles)
    # -W: x -> -f(x) is the mirrored map of every second step.
    twice = np.asarray(cycles.next_state)
    minus = np.asarray(others.next_state[4])
    np.testing.assert_array_equal(minus, 15 - twice)
    np.testing.assert_array_equal(minus[minus], twice[twice])


_many = eqx.filter_jit(lambda ws: eqx.filter_vmap(lambda w: attractor_cycles(BinaryNetwork(w)))(ws))


def test_batches_are_loops(key):
    ws = jr.normal(key, (6, 5, 5))
    many = _many(ws)
    for k, w in enumerate(ws):
        one = attractor_cycles(BinaryNetwork(w))
        np.testing.assert_array_equal(many.period[k], one.period)
        np.testing.assert_array_equal(many.label[k], one.label)
        for name in ("mean_over_starts", "mean_over_cycles", "longest", "n_cycles"):
            assert float(getattr(many, name)[k]) == float(getattr(one, name))
        lengths = np.asarray(one.lengths)
        assert float(one.mean_over_cycles) == pytest.approx(lengths.mean())
        weighted = (lengths * one.basin_sizes).sum() / one.basin_sizes.sum()
        assert float(one.mean_over_starts) == pytest.approx(weighted)
    with pytest.raises(ValueError, match="`lengths` are of one network"):
        _ = many.lengths


@pytest.mark.parametrize("case", GOLDEN["rooks_cycles"]["items"])
def test_rooks_in_the_table(case):
    assert rooks_cycles(case["perm"], case["sign"]).tolist() == case["cycles"]
    cycles = attractor_cycles(BinaryNetwork(rooks(case["perm"], case["sign"], 3.0)))
    assert cycles.lengths.tolist() == case["cycles"]
    assert float(cycles.mean_over_starts) == pytest.approx(case["Lstart"], abs=1e-11)
    assert float(cycles.mean_over_cycles) == pytest.approx(case["Lcyc"], abs=1e-11)


def _all_rooks(n):
    permutations = itertools.permutations(range(n))
    return list(itertools.product(permutations, itertools.product([1, -1], repeat=n)))


def test_the_law_of_rooks_by_enumeration():
    """All 384 signed permutations of four units, by law, by walking and by doubling."""
    signed = _all_rooks(4)
    matrices = jnp.stack([rooks(p, s, 1.0).as_matrix() for p, s in signed])
    many = _many(matrices)
    for k, (permutation, signs) in enumerate(signed):
        lengths = rooks_cycles(permutation, signs).tolist()
        assert lengths == _lengths(_sign_map(matrices[k]))
        # Rooks are one to one: each cycle is its own basin.
        period = np.asarray(many.period[k])
        assert sorted(period.tolist()) == sorted(l for l in lengths for _ in range(l))


def test_the_law_of_large_rooks():
    """Several blocks of states at N = 17, and counts no list could hold at N = 200."""
    key = jr.key(5)
    permutation = jr.permutation(key, 17)
    signs = jr.rademacher(jr.fold_in(key, 1), (17,))
    cycles = attractor_cycles(BinaryNetwork(rooks(permutation, signs, 1.0)))
    assert cycles.lengths.tolist() == rooks_cycles(permutation, signs).tolist()
    shift, ones = np.roll(np.arange(200), -1), np.ones(200, int)
    counts = rooks_cycle_counts(shift, ones)
    assert sum(length * n for length, n in counts.items()) == 2**200
    assert all(200 % length == 0 for length in counts)
    ones[3] = -1
    odd = rooks_cycle_counts(shift, ones)
    assert sum(length * n for length, n in odd.items()) == 2**200
    assert sorted(odd) == [16, 80, 400]  # divisors of 400 with an odd cofactor
    with pytest.raises(ValueError, match="`permutation` has"):
        rooks_cycles(shift, ones)


OBJECTIVES = {
    CycleObjective.MEAN_OVER_STARTS: "best_Lstart",
    CycleObjective.MEAN_OVER_CYCLES: "best_Lcyc",
    CycleObjective.LONGEST: "longest",
}


@pytest.mark.parametrize("objective", list(CycleObjective))
def test_the_longest_rooks(objective):
    """The table; the permutation found does reach the value; no other of four units does better."""
    value = {
        CycleObjective.MEAN_OVER_STARTS: lambda lengths: np.sum(lengths**2) / np.sum(lengths),
        CycleObjective.MEAN_OVER_CYCLES: np.mean,
        CycleObjective.LONGEST: np.max,
    }[objective]
    for case in GOLDEN["rooks_best_periods"]["items"]:
        best = longest_rooks(case["N"], objective)
        assert best.value == pytest.approx(case[OBJECTIVES[objective]], abs=1e-11)
        assert value(rooks_cycles(best.permutation, best.signs)) == pytest.approx(best.value)
        assert sum(length for length, _ in best.blocks) == case["N"]
        if objective is CycleObjective.MEAN_OVER_STARTS:
            assert [list(block) for block in best.blocks] == case["parts_best_Lstart"]
    reached = max(value(rooks_cycles(*signed)) for signed in _all_rooks(4))
    assert longest_rooks(4, objective).value == pytest.approx(reached)


def _threshold_rows(n):
    """The sparsest row of weights for each threshold function without bias and ties."""
    states = np.array(list(itertools.product([-1, 1], repeat=n)))
    rows = {}
    candidates = itertools.product(range(-2, 3), repeat=n)
    for row in sorted(candidates, key=lambda row: sum(map(abs, row))):
        fields = states @ row
        if np.all(fields != 0):
            rows.setdefault(tuple(fields > 0), row)
    return np.array(list(rows.values()), float)


@pytest.mark.parametrize("n", [2, 3])
def test_all_networks_without_bias(n):
    """Every map that N units without bias can make: how many, and their cycles."""
    case = GOLDEN["enumeration"][f"N{n}"]
    rows = _threshold_rows(n)
    assert len(rows) == case["threshold_functions"]
    matrices = np.array(list(itertools.product(rows, repeat=n)))
    many = _many(jnp.asarray(matrices))
    following, period = np.asarray(many.next_state), np.asarray(many.period)
    is_bijective = np.all(np.sort(following) == np.arange(2**n), axis=1)
    assert is_bijective.sum() == case["bijections"]
    is_rooks = np.all((matrices != 0).sum(axis=1) == 1, axis=1)
    assert np.sum(is_bijective & is_rooks) == case["rooks"]
    assert np.sum(is_bijective & ~is_rooks) == case.get("dense", 0)
    is_full = np.all(period == 2**n, axis=1)
    assert is_full.sum() == case.get("full_cycles", case.get("cycle_types", {}).get("4"))
    types = Counter()
    for states in period[is_bijective]:
        counts = sorted(Counter(states.tolist()).items(), reverse=True)
        types[",".join(str(length) for length, n in counts for _ in range(n // length))] += 1
    for name, number in case.get("cycle_types", case.get("cycle_types_partial")).items():
        assert types[name] == number, name
    if n == 2:
        # The four functions of a Gaussian row are equally likely: exact means for the table.
        table = GOLDEN["random_cycles"]["by_N"]["2"]
        error = lambda name: 4 * table["sd"][name] / np.sqrt(table["n"])
        assert abs(float(many.mean_over_starts.mean()) - table["Lstart"]) < error("Lstart")
        assert abs(float(many.mean_over_cycles.mean()) - table["Lcyc"]) < error("Lcyc")
        assert abs(float(many.n_cycles.mean()) - table["n_cycles"]) < error("n_cycles")


def _sample(cycles):
    return {
        "n_cycles": cycles.n_cycles,
        "Lcyc": cycles.mean_over_cycles,
        "Lstart": cycles.mean_over_starts,
        "longest": cycles.longest,
    }


N_NETWORKS = 3000


def _gaps_in_errors(sample, table):
    """How far sampled means are from the table's, in standard errors of both together."""
    return {
        name: float(abs(jnp.mean(values) - table[name]))
        / (table["sd"][name] * np.sqrt(1 / table["n"] + 1 / N_NETWORKS))
        for name, values in sample.items()
    }


@pytest.mark.parametrize("n", [2, 3, 5, 6, 8])
def test_random_networks(key, n):
    tables = GOLDEN["random_cycles"]["by_N"]
    many = _many(jr.normal(key, (N_NETWORKS, n, n)))
    gaps = _gaps_in_errors(_sample(many), tables[str(n)])
    assert max(gaps.values()) < 4, gaps
    # Networks of another size would be noticed.
    other = _gaps_in_errors(_sample(many), tables["8" if n < 8 else "5"])
    assert max(other.values()) > 4, other
    share = np.mean(np.all(np.sort(many.next_state) == np.arange(2**n), axis=1))
    expected = tables[str(n)]["P_bijective"]
    spread = np.sqrt(max(expected, 1e-3) * (1 / tables[str(n)]["n"] + 1 / N_NETWORKS))
    assert abs(share - expected) < 4 * spread


def test_balance_decides_between_rest_and_oscillation(key):
    tables = GOLDEN["random_cycles"]["by_balance_N5"]
    settings = [[float(part.split("=")[1]) for part in name.split(",")] for name in tables]

    def cycles(row, k):
        weights = signed_ensemble(5, 1.0, density=row[0], balance=row[1], key=k)
        return _sample(attractor_cycles(BinaryNetwork(weights)))

    many = jax.jit(jax.vmap(jax.vmap(cycles, (None, 0)), (0, None)))
    sample = many(jnp.asarray(settings), jr.split(key, N_NETWORKS))
    for k, name in enumerate(tables):
        gaps = _gaps_in_errors({q: values[k] for q, values in sample.items()}, tables[name])
        assert max(gaps.values()) < 4, (name, gaps)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: attractor_cycles(BinaryNetwork(np.eye(2)), tie=0), "`tie` must be 1 or -1"),
        (
            lambda: attractor_cycles(BinaryNetwork(np.full((2, 2), np.nan))),
            "`weights` must be finite",
        ),
        (lambda: attractor_cycles(BinaryNetwork(np.eye(29))), "`network` has 29 units"),
        (lambda: rooks_cycles([0, 0], [1, 1]), "`permutation` must hold"),
        (lambda: rooks_cycles([1, 0], [1, 1, 1]), "`signs` must hold 2 numbers"),
        (lambda: rooks_cycles([1, 0], [1, 0]), "`signs` must hold"),
        (lambda: longest_rooks(0), "`n_units` must be from 1 to 30"),
        (lambda: longest_rooks(31), "`n_units` must be from 1 to 30"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
