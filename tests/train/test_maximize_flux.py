"""Maximal flux where the optimum is known: the bound by row sums, rooks, dense rows in a box."""

import dataclasses
import inspect
import json
from pathlib import Path

import jax
import jax.random as jr
import numpy as np
import pytest

from rnngeo.information import attractor_cycles, information_flux
from rnngeo.models import BinaryNetwork
from rnngeo.train import (
    Mutation,
    WeightLimit,
    _flux,
    _search,
    ascend,
    limit_weights,
    maximize_flux,
)

SMALL = {"n_restarts": 4, "n_generations": 75, "n_steps": 150}
TINY = {"n_units": 1, "limit": 5.0, "n_parents": 1, "n_children": 2, "n_generations": 2,
        "n_steps": 1, "is_annealed": False}  # fmt: skip


@pytest.fixture(scope="module")
def golden():
    path = Path(__file__).parents[1] / "golden" / "information_flux.json"
    return json.loads(path.read_text())


class StoppedError(Exception):
    """Raised by a test once it knows enough."""


@pytest.fixture(scope="module")
def joint():
    return maximize_flux(3, 10.0, is_joint=True, key=jax.random.key(3), **SMALL)


def exact(weights):
    return float(information_flux(BinaryNetwork(weights)).flux)


def value_of_fields(n_units, u):
    """N (1 - h2(sigma(u))) without cancellation."""
    q = np.exp(-u)
    return n_units * (1 - (np.log1p(q) + u * q / (1 + q)) / np.log(2))


def row_size(weights, constraint):
    size = np.abs(weights)
    return {
        WeightLimit.BOX: size.max(axis=1),
        WeightLimit.ROW_L2: np.sqrt((size**2).sum(axis=1)),
        WeightLimit.ROW_L1: size.sum(axis=1),
    }[constraint]


@pytest.mark.parametrize(
    ("constraint", "options"),
    [
        (WeightLimit.ROW_L1, SMALL),
        (
            WeightLimit.ROW_L2,
            SMALL | {"n_generations": 0, "n_steps": 600},
        ),  # the ascent alone, annealed
    ],
)
def test_under_limits_on_rows_rooks_are_found(constraint, options, golden, key):
    found = maximize_flux(3, 5.0, constraint=constraint, key=key, **options)
    [expected] = [row["I_w5"] for row in golden["rooks_table"]["items"] if row["N"] == 3]
    assert found.rooks_flux == pytest.approx(expected, abs=1e-10)
    assert found.flux == pytest.approx(expected, abs=1e-6)
    assert found.rookness > 0.999
    rooks = np.zeros((3, 3))
    rooks[range(3), found.rooks.permutation] = 5.0 * found.rooks.signs
    assert np.allclose(found.weights, rooks, atol=0.02)
    for weights in (found.weights, *found.restart_weights):
        assert row_size(weights, constraint).max() <= 5.0 * (1 + 1e-12)
    assert found.flux == pytest.approx(exact(found.weights), abs=1e-12)
    assert found.flux == found.restart_flux.max() <= found.bound + 1e-12
    assert np.all(found.restart_flux >= found.evolved_flux)
    assert found.mean_period == attractor_cycles(BinaryNetwork(found.weights)).mean_over_starts
    assert found.history.shape == (4, options["n_generations"], 1)
    if constraint == WeightLimit.ROW_L1:
        assert found.bound == found.rooks_flux
        assert found.evolved_flux.max() > expected - 0.05  # the evolution alone is close
        assert found.n_at_rooks == np.sum(found.restart_flux > expected - 1e-3) >= 1
    else:
        expected = value_of_fields(3, np.sqrt(3) * 5.0)  # three equal weights
        assert found.bound == pytest.approx(expected, abs=1e-13)


def test_in_a_box_dense_rows_carry_more_than_rooks(golden, key):
    found = maximize_flux(3, 5.0, n_restarts=6, n_generations=0, key=key)
    best = golden["dense_optima"]["items"]["W8"]
    assert found.flux == pytest.approx(best["at"]["5"]["I"], abs=1e-9)
    assert found.mean_period == best["Lstart"]
    assert np.allclose(np.abs(found.weights), 5.0, atol=1e-6)
    assert found.rookness == pytest.approx(1 / 3, abs=1e-6)
    assert found.rooks_flux + 0.04 < found.flux < found.bound
    assert found.bound == pytest.approx(value_of_fields(3, 15.0), abs=1e-13)


def test_the_budget_by_default(monkeypatch, key):
    """Enough for rooks of five units in 32 of 32 restarts under `ROW_L2`, which takes a minute."""

    def stop(n_units, limit, counts):
        raise StoppedError(counts)

    monkeypatch.setattr(_flux, "_check", stop)
    for n_units, is_joint, *expected in (
        (6, False, 32, 500, 8, 32, 300),
        (7, False, 16, 500, 8, 32, 300),
        (5, True, 32, 500, 32, 64, 300),
    ):
        with pytest.raises(StoppedError) as stopped:
            maximize_flux(n_units, 5.0, is_joint=is_joint, key=key)
        names = ("n_restarts", "n_generations", "n_parents", "n_children", "n_steps")
        assert stopped.value.args == (dict(zip(names, expected, strict=True)),)
    asked = inspect.signature(maximize_flux).parameters
    assert (asked["start_std"].default, asked["step"].default) == (0.5, 0.03)


def test_a_search_begins_with_normal_weights(key):
    """In units of the weights, not of the limit; without a step of mutation it stays there."""
    still = Mutation(size=0.0)
    found = maximize_flux(**(TINY | {"limit": 50.0, "n_steps": 0}), mutation=still, key=key)
    assert found.restart_weights.shape == (32, 1, 1)
    z = found.restart_weights.ravel() / 0.5
    assert abs(np.mean(z)) < 4 / np.sqrt(z.size)
    assert abs(np.mean(z**2) - 1) < 4 * np.sqrt(2 / z.size)


def test_restarts_at_rooks_are_within_a_thousandth(joint):
    around = joint.rooks_flux + np.array([0.05, 0.0, -0.9e-3, -1.1e-3])
    assert dataclasses.replace(joint, restart_flux=around).n_at_rooks == 3


def test_ascent_on_rows_ends_at_rooks_as_often_as_in_the_table(golden, key):
    [row] = [row for row in golden["gradient_ascent_rows"]["items"] if row["N"] == 2]
    project = lambda w: limit_weights(w, float(row["w"]), WeightLimit.ROW_L2)
    flux = lambda w, i: information_flux(BinaryNetwork(w)).flux
    starts = jax.vmap(project)(jr.normal(key, (row["starts"], 2, 2)))
    climb = lambda w: ascend(flux, w, n_steps=300, step=0.1, project=project)
    _, value, history = jax.vmap(climb)(starts)
    rooks = value_of_fields(2, float(row["w"]))
    is_rooks = lambda flux: np.abs(np.asarray(flux) - rooks) < 1e-3
    n, p = row["starts"], (row["hits"] + 1) / (row["starts"] + 2)
    assert abs(is_rooks(value).sum() - row["hits"]) <= 4 * np.sqrt(2 * n * p * (1 - p))
    assert not is_rooks(history[:, 0]).any()


def test_a_restart_does_not_depend_on_their_number(monkeypatch, key):
    monkeypatch.setattr(_flux, "_CHUNK", 10)
    few = maximize_flux(2, 5.0, n_restarts=2, n_generations=10, n_steps=0, key=key)
    more = maximize_flux(2, 5.0, n_restarts=3, n_generations=10, n_steps=0, key=key)
    assert np.allclose(few.restart_flux, more.restart_flux[:2], rtol=1e-10)
    assert few.restart_flux[0] != more.restart_flux[2]
    assert np.abs(more.restart_weights).max() <= 5.0 * (1 + 1e-12)


def test_a_killed_run_resumes_bit_for_bit(tmp_path, monkeypatch, key):
    monkeypatch.setattr(_flux, "_CHUNK", 10)
    monkeypatch.setattr(_search, "_CHECKPOINT_SECONDS", 0.0)
    asked = {"n_restarts": 2, "n_generations": 30, "n_steps": 0, "key": key}
    whole = maximize_flux(2, 5.0, **asked)
    seen = []

    def killed(stage, done, total):
        seen.append((stage, done, total))
        if done == 20:
            raise KeyboardInterrupt

    path = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        maximize_flux(2, 5.0, **asked, progress=killed, checkpoint=path)
    assert seen == [("generations", done, 30) for done in (0, 10, 20)]
    told = []
    resumed = maximize_flux(2, 5.0, **asked, checkpoint=path, progress=lambda *a: told.append(a))
    assert told == [("generations", 20, 30), ("generations", 30, 30)]
    for name in ("weights", "restart_weights", "restart_flux", "history"):
        assert np.array_equal(getattr(whole, name), getattr(resumed, name)), name
    told.clear()
    maximize_flux(2, 4.0, **asked, checkpoint=path, progress=lambda *a: told.append(a))
    assert told[0] == ("generations", 0, 30)  # another run does not take it up


@pytest.fixture(scope="module")
def evolved(tmp_path_factory):
    """Checkpoint of a search whose generations are done."""
    path = tmp_path_factory.mktemp("search") / "state.npz"

    def stop(stage, done, total):
        if done == total:
            raise StoppedError

    with pytest.raises(StoppedError):
        maximize_flux(**TINY, key=jr.key(0), checkpoint=path, progress=stop)
    return path


@pytest.mark.parametrize(
    ("other", "n_done"),
    [
        ({}, 2),
        ({"key": jr.key(1)}, 0),
        ({"limit": 4.0}, 0),
        ({"constraint": WeightLimit.ROW_L2}, 0),
        ({"step": 0.04}, 0),
        ({"start_std": 0.6}, 0),
        ({"mutation": Mutation(size=0.2)}, 0),
        ({"mutation": Mutation(densities=(1.0, 0.3, 0.1))}, 0),
        ({"is_joint": True}, 0),
        ({"is_annealed": True}, 0),
        ({"n_children": 3}, 0),
        ({"n_steps": 2}, 0),
    ],
)
def test_another_search_begins_afresh(other, n_done, evolved):
    told = []

    def stop(*done):
        told.append(done)
        raise StoppedError

    with pytest.raises(StoppedError):
        maximize_flux(**(TINY | {"key": jr.key(0)} | other), checkpoint=evolved, progress=stop)
    assert told == [("generations", n_done, 2)]


def test_a_killed_ascent_resumes_bit_for_bit(tmp_path, monkeypatch, key):
    asked = {"n_restarts": 2, "n_parents": 3, "n_generations": 2, "n_steps": 50, "key": key}
    at_once = maximize_flux(2, 5.0, **asked)
    monkeypatch.setattr(_flux, "_OPERATIONS", 150.0 * 8)  # three of eight starts at a time
    monkeypatch.setattr(_search, "_CHECKPOINT_SECONDS", 0.0)
    whole = maximize_flux(2, 5.0, **asked)
    path, told = tmp_path / "state.npz", []

    def killed(stage, done, total):
        if (stage, done) == ("ascents", 6):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        maximize_flux(2, 5.0, **asked, progress=killed, checkpoint=path)
    resumed = maximize_flux(2, 5.0, **asked, checkpoint=path, progress=lambda *a: told.append(a))
    assert told == [("generations", 2, 2), ("ascents", 6, 8), ("ascents", 8, 8)]
    assert np.array_equal(whole.restart_weights, resumed.restart_weights)
    assert np.allclose(whole.restart_flux, at_once.restart_flux, rtol=1e-10)
    assert whole.flux > whole.evolved_flux.max()  # the ascent was not idle


def test_the_front_holds_what_no_other_beats(joint, golden):
    flux, period = joint.front_flux, joint.front_period
    assert np.all(np.diff(flux) < 0)
    assert np.all(np.diff(period) > 0)
    for weights, i, length in zip(joint.front_weights, flux, period, strict=True):
        assert i == pytest.approx(exact(weights), abs=1e-12)
        assert length == attractor_cycles(BinaryNetwork(weights)).mean_over_starts
        assert np.abs(weights).max() <= 10.0 * (1 + 1e-12)
    for i, length in zip(joint.restart_flux, joint.restart_period, strict=True):
        assert not np.any((flux < i) & (period <= length))  # a restart would be on the front
        assert np.any((flux >= i) & (period >= length))
    # one cycle through all eight states and nearly three bits: both at once
    best = golden["joint"]["items"][0]
    assert joint.merit >= max(best["F"]) - 1e-3
    assert joint.mean_period == 8
    assert joint.flux <= golden["dense_optima"]["items"]["W8"]["at"]["10"]["I"] + 1e-9
    assert joint.history.shape == (4, 75, 2)
    assert np.all(np.diff(joint.history[:, :, 0], axis=1) >= 0)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"n_units": 0}, "n_units"),
        ({"n_units": 11}, "n_units"),
        ({"limit": 0.0}, "limit"),
        ({"limit": float("nan")}, "limit"),
        ({"n_restarts": 0}, "n_restarts"),
        ({"n_children": 0}, "n_children"),
        ({"n_parents": 0}, "n_parents"),
        ({"n_generations": -1}, "n_generations"),
        ({"n_generations": 0, "n_steps": 0}, "n_generations"),
        ({"start_std": -1.0}, "start_std"),
        ({"step": 0.0}, "step"),
    ],
)
def test_bad_input_is_named(asked, name, key):
    asked = {"n_units": 2, "limit": 5.0} | asked
    n_units, limit = asked.pop("n_units"), asked.pop("limit")
    with pytest.raises(ValueError, match=f"`{name}`"):
        maximize_flux(n_units, limit, key=key, **asked)


def test_single_precision_is_refused(key):
    with jax.enable_x64(False), pytest.raises(ValueError, match="float64"):
        maximize_flux(2, 5.0, key=key)
