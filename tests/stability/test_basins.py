"""Basins against systems whose basins are known exactly."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from networks import least_squares_network
from scipy.integrate import solve_ivp
from scipy.stats import binomtest

from rnngeo.models import FeedbackNetwork, RateFlow, RateMap
from rnngeo.stability import (
    DIVERGED,
    UNDECIDED,
    WideStarts,
    is_stable_state,
    loop_fixed_points,
    sweep_basins,
)


def _single(weight, kind=RateFlow, nonlinearity=jnp.tanh):
    """One unit without loop, read out by its rate."""
    recurrent = kind(jnp.asarray([[weight]]), nonlinearity=nonlinearity)
    return FeedbackNetwork(recurrent, jnp.zeros(1), jnp.ones(1), jnp.zeros(1))


def _starts(key, reach=(0.0, 0.0), n_units=1):
    return WideStarts(jnp.ones(n_units), jnp.asarray(reach), key)


@pytest.mark.float32
@pytest.mark.parametrize("kind", [RateFlow, RateMap])
def test_two_wells_split_at_the_origin(key, kind):
    """x = 2 tanh x: a start belongs to the well of its own sign, one by one."""
    start = _starts(key)
    basins = sweep_basins(_single(2.0, kind), 200, start=start)
    signs = np.asarray(jax.vmap(start)(jnp.arange(200))[:, 0] > 0)
    assert np.array_equal(np.asarray(basins.label), signs.astype(int))
    assert np.allclose(np.abs(basins.state[:, 0]), 1.9150080, atol=1e-5)
    for k, share in enumerate((~signs).sum() if k == 0 else signs.sum() for k in range(2)):
        expected = binomtest(int(share), 200).proportion_ci(method="wilson")
        assert int(basins.count[k]) == share
        assert np.allclose([basins.low[k], basins.high[k]], expected, atol=1e-5)


def test_every_label_equals_an_independent_integration(key):
    network = least_squares_network(key, 40, target=2.0)
    start = WideStarts(network.feedback_weights[:, 0], jnp.asarray([-3.0, 3.0]), key)
    basins = sweep_basins(network, 48, start=start)
    j = np.asarray(network.closed_loop.weights.as_matrix())
    drive = np.asarray(network.input_weights)
    for i in range(48):
        x0 = np.asarray(start(jnp.asarray(i)))
        end = solve_ivp(lambda t, x: -x + j @ np.tanh(x) + drive, (0, 200), x0, "LSODA").y[:, -1]
        nearest = np.argmin(np.abs(np.asarray(basins.state) - end).max(axis=1))
        assert basins.label[i] == nearest
        assert np.abs(basins.state[nearest] - end).max() < 1e-2
    known = np.asarray(loop_fixed_points(network).output)
    assert all(np.abs(known - z).min() < 1e-8 for z in np.asarray(basins.output)[:, 0])


def test_known_points_change_nothing(key):
    network = least_squares_network(key, 40)
    start = WideStarts(network.feedback_weights[:, 0], jnp.asarray([-3.0, 3.0]), key)
    alone = sweep_basins(network, 60, start=start)
    states = jnp.asarray(loop_fixed_points(network).state)
    told = sweep_basins(network, 60, start=start, known_states=states)
    assert np.array_equal(alone.label, told.label)
    assert np.allclose(alone.state, told.state, atol=1e-10)
    judged = [is_stable_state(network.closed_loop, x) for x in states]
    assert sum(judged) == len(alone.count)
    sweep = partial(sweep_basins, network, 60, start=start, known_states=states)
    assert np.array_equal(alone.label, sweep(known_stability=np.array(judged)).label)
    nowhere = sweep(known_stability=np.zeros(len(states), bool))  # it is believed
    assert nowhere.n_undecided == 60
    with pytest.raises(ValueError, match="`known_stability` must have shape"):
        sweep_basins(network, 60, start=start, known_stability=np.ones(1, bool))


def test_a_start_does_not_depend_on_how_many_there_are(key):
    few, many = (sweep_basins(_single(2.0), n, start=_starts(key)).label for n in (20, 150))
    assert np.array_equal(few, many[:20])


def test_what_diverges_or_never_rests_is_counted(key):
    # dx/dt = -x + x^2 escapes in finite time from x > 1 and decays to the origin below
    runaway = sweep_basins(_single(1.0, nonlinearity=jnp.square), 100, start=_starts(key))
    escapes = np.asarray(jax.vmap(_starts(key))(jnp.arange(100))[:, 0] > 1)
    assert np.array_equal(np.asarray(runaway.label) == DIVERGED, escapes)
    assert runaway.n_diverged == escapes.sum() > 5
    assert runaway.count.sum() == 100 - escapes.sum()
    turning = FeedbackNetwork(
        RateFlow(jnp.asarray([[1.0, -1.0], [1.0, 1.0]]), nonlinearity=lambda x: x),
        jnp.zeros((2, 0)), jnp.zeros((2, 0)), jnp.zeros(2),
    )  # fmt: skip
    circles = sweep_basins(turning, 30, start=_starts(key, n_units=2), t1=50.0)
    assert circles.n_undecided == 30
    assert np.all(np.asarray(circles.label) == UNDECIDED)
    assert len(circles.count) == 0


def test_resting_on_a_saddle_is_undecided():
    class Origin(WideStarts):
        def __call__(self, i):
            return jnp.zeros(1)

    start = Origin(jnp.ones(1), jnp.zeros(2), jr.key(0))
    basins = sweep_basins(_single(2.0), 5, start=start)
    assert (basins.n_undecided, len(basins.count)) == (5, 0)


class _Killed(Exception):
    pass


def test_a_killed_sweep_resumes_bit_for_bit(key, tmp_path, monkeypatch):
    monkeypatch.setattr("rnngeo.stability._basins._CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("rnngeo.stability._basins._N_ADVANCE", 4)
    network = least_squares_network(key, 30)
    run = lambda **more: sweep_basins(network, 300, key=key, **more)
    whole, path = run(), tmp_path / "sweep.npz"
    calls = []

    def kill(stage, done, total):
        calls.append(done)
        if len(calls) == 4:
            raise _Killed

    with pytest.raises(_Killed):
        run(checkpoint=path, provenance={"seed": 1}, progress=kill)
    assert path.exists()
    resumed_from = []
    again = run(
        checkpoint=path, provenance={"seed": 1}, progress=lambda s, d, t: resumed_from.append(d)
    )
    assert resumed_from[0] >= calls[-2] > 0
    assert not path.exists()
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(again), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_bad_input_is_named(key):
    with pytest.raises(ValueError, match="`n_starts` must be at least 1, got 0"):
        sweep_basins(_single(2.0), 0, key=key)
    with pytest.raises(ValueError, match="`key` must be given where `start` is not"):
        sweep_basins(_single(2.0), 5)
