"""Accumulated covariances against naive loops and an independent integration."""

import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import pytest
from helpers import machine_epsilon
from scipy.integrate import solve_ivp

from rnngeo._results import RESULTS
from rnngeo.geometry import (
    _streaming,
    accumulate_covariances,
    block_products,
    block_products_by_duality,
    covariances,
)
from rnngeo.models import AbstractFlow, RateFlow, RateMap


def _brute(samples, counts, n_delays):
    """Moments, means and autocovariances of one block, one sample and one pair at a time."""
    n_past = max(counts[-1], n_delays - 1)
    times = range(n_past, len(samples))
    moment = [sum(np.outer(samples[t - k], samples[t]) for t in times) for k in counts]
    mean = [sum(samples[t - k] for t in times) for k in counts]
    traces = [sum(samples[t - k] @ samples[t] for t in times) for k in range(n_delays)]
    n = len(times)
    return np.array(moment) / n, np.array(mean) / n, np.array(traces) / (n * samples.shape[1])


def _coloured(key, n_blocks, n_time, n_units):
    """Recordings with structure in space, time and mean."""
    key_mix, key_noise, key_mean = jr.split(key, 3)
    mix = jr.normal(key_mix, (n_units, n_units)) / n_units**0.5
    raw = jr.normal(key_noise, (n_blocks, n_time, n_units)) @ mix
    return raw[:, 1:] + 0.7 * raw[:, :-1] + jr.normal(key_mean, (n_units,))


def test_moments_equal_naive_sums(key):
    samples = _coloured(key, 3, 40, 5)
    measured = covariances(samples, 0.5, lags=(0.0, 1.0, 3.0), max_delay=2.0)
    assert np.allclose(measured.lags, [0.0, 1.0, 3.0])
    assert measured.n_samples == 39 - 6
    for b in range(3):
        expected = _brute(np.asarray(samples[b]), (0, 2, 6), 5)
        for got, want in zip(
            (measured.moment, measured.mean, measured.autocovariance), expected, strict=True
        ):
            assert np.allclose(got[b], want, rtol=0, atol=1e-13)


@pytest.mark.parametrize("delay", [0.0, 3.0])
def test_products_of_covariances_and_their_dual(key, delay):
    """Units by units and times by times give the same numbers, and both equal naive sums."""
    samples = _coloured(key, 3, 30, 7)
    measured = covariances(samples, lags=(0.0, 2.0), max_delay=delay)
    direct, dual = block_products(measured), block_products_by_duality(
        samples, lags=(0.0, 2.0), max_delay=delay
    )  # fmt: skip
    naive = np.einsum("akij,blij->abkl", measured.moment, measured.moment) / 7
    assert np.allclose(direct.products, naive, rtol=1e-13)
    for a, b in zip(jax.tree.leaves(direct), jax.tree.leaves(dual), strict=True):
        assert np.allclose(a, b, rtol=1e-12)
    assert (direct.n_samples, direct.n_units) == (dual.n_samples, dual.n_units)


def test_centred_products_equal_numpy_covariances(key):
    samples = _coloured(key, 3, 30, 7)
    products = block_products(covariances(samples), is_centred=True)
    cov = [np.cov(np.asarray(block), rowvar=False, bias=True) for block in samples]
    expected = np.einsum("aij,bij->ab", cov, cov) / 7
    assert np.allclose(products.products[:, :, 0, 0], expected, rtol=1e-12)
    assert np.allclose(products.autocovariance[:, 0], [np.trace(c) / 7 for c in cov], rtol=1e-12)


def _factored(key, n_units, n_modes, gain):
    key_left, key_right = jr.split(key)
    left, right = (jr.normal(k, (n_units, n_modes)) / n_units**0.5 for k in (key_left, key_right))
    d = gain * jnp.linspace(2.0, 0.5, n_modes)
    operator = lx.MatrixLinearOperator(left) @ lx.DiagonalLinearOperator(d)
    return operator @ lx.MatrixLinearOperator(right.T)


SCHEDULE = dict(
    block_time=6.7, n_blocks=2, transient=3.0, gap=2.0, interval=0.1, dt=0.02,
    lags=(0.0, 0.3), max_delay=0.5,
)  # fmt: skip


def test_accumulation_equals_stored_trajectory(key):
    """Blocks of 67 samples are two batches of 34, the last one cut; SciPy integrates the same."""
    key_weights, key_start = jr.split(key)
    weights = _factored(key_weights, 12, 4, 2.0)
    x0 = jr.normal(key_start, (2, 12))
    u = jnp.linspace(-0.5, 0.5, 12)
    run = accumulate_covariances(RateFlow(weights), x0, u=u, **SCHEDULE)
    assert run.rates.n_samples == 67
    matrix = np.asarray(weights.as_matrix())
    # 30 samples of transient fill one batch of 34, a gap of 20 samples another.
    starts = [34, 34 + 68 + 34]
    ts = 0.1 * np.arange(1, starts[1] + 68 + 1)
    for replica in range(2):
        drift = lambda t, x: -x + matrix @ np.tanh(x) + np.asarray(u)
        xs = solve_ivp(
            drift, (0, ts[-1]), np.asarray(x0[replica]), t_eval=ts, rtol=1e-11, atol=1e-12
        ).y.T
        assert np.allclose(run.x[replica], xs[-1], atol=3e-6)
        for block, start in enumerate(starts):
            stretch = xs[start - 5 : start + 67]
            for measured, activity in ((run.rates, np.tanh(stretch)), (run.currents, stretch)):
                b = 2 * replica + block
                expected = _brute(activity, (0, 3), 6)
                got = (measured.moment[b], measured.mean[b], measured.autocovariance[b])
                for a, e in zip(got, expected, strict=True):
                    assert np.allclose(a, e, rtol=0, atol=3e-6)


@pytest.mark.float32
def test_factored_weights_equal_their_matrix(key):
    key_weights, key_start = jr.split(key)
    weights = _factored(key_weights, 12, 4, 2.0)
    x0 = jr.normal(key_start, (2, 12))
    factored = accumulate_covariances(RateFlow(weights), x0, **SCHEDULE)
    dense = accumulate_covariances(RateFlow(weights.as_matrix()), x0, **SCHEDULE)
    assert factored.rates.moment.dtype == x0.dtype
    gap = np.abs(np.asarray(factored.rates.moment) - np.asarray(dense.rates.moment))
    assert gap.max() < 1e4 * machine_epsilon()  # 1000 steps of a growing difference


def test_a_map_is_sampled_every_interval(key):
    key_weights, key_start = jr.split(key)
    matrix = 1.5 * jr.normal(key_weights, (6, 6)) / 6**0.5
    x0 = jr.normal(key_start, (1, 6))
    run = accumulate_covariances(
        RateMap(matrix, tau=2.0), x0, block_time=6, n_blocks=1, transient=3, gap=0, interval=3,
        has_currents=False,
    )  # fmt: skip
    x, kept = np.asarray(x0[0]), []
    for i in range(12):  # one batch of two samples before the block of two
        x = x + (np.asarray(matrix) @ np.tanh(x) - x) / 2
        if i in (8, 11):
            kept.append(np.tanh(x))
    assert run.currents is None
    assert np.allclose(run.rates.moment[0, 0], np.mean([np.outer(r, r) for r in kept], axis=0))


class _Stopped(Exception):
    pass


def test_an_interrupted_run_resumes_bit_for_bit(key, tmp_path, monkeypatch):
    key_weights, key_start = jr.split(key)
    network = RateFlow(_factored(key_weights, 12, 4, 2.0))
    x0 = jr.normal(key_start, (2, 12))
    whole = accumulate_covariances(network, x0, **SCHEDULE)
    monkeypatch.setattr(_streaming, "_CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(_streaming, "_SAVING_SHARE", np.inf)
    monkeypatch.setattr(_streaming, "_N_ADVANCE", 1)
    path = tmp_path / "run.npz"

    def stop(stage, done, total):
        assert stage == "batches"
        assert total == 6
        if done == 4:
            raise _Stopped

    with pytest.raises(_Stopped):
        accumulate_covariances(network, x0, **SCHEDULE, checkpoint=path, progress=stop)
    assert path.exists()
    saved = path.read_bytes()
    steps = []
    count = lambda stage, done, total: steps.append(done)
    resumed = accumulate_covariances(network, x0, **SCHEDULE, checkpoint=path, progress=count)
    assert steps == [4, 5, 6]  # three batches were in the file
    assert not path.exists()
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        assert np.array_equal(a, b)
    # The file of another start begins anew.
    path.write_bytes(saved)
    steps.clear()
    accumulate_covariances(network, x0 + 1.0, **SCHEDULE, checkpoint=path, progress=count)
    assert steps == [1, 2, 3, 4, 5, 6]


def test_divergence_is_reported():
    unstable = RateFlow(jnp.full((2, 2), 1e200), nonlinearity=_cube)
    options = dict(block_time=5.0, n_blocks=1, transient=0.0, gap=0.0)
    run = accumulate_covariances(unstable, jnp.ones((1, 2)), **options, throw=False)
    assert run.result == RESULTS.trajectory_diverged
    with pytest.raises(RuntimeError, match="left the finite range"):
        accumulate_covariances(unstable, jnp.ones((1, 2)), **options)


def _cube(x):
    return x**3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(block_time=0.15), "`block_time` must be a whole multiple"),
        (dict(block_time=0.1), "`block_time` must be a whole multiple, at least 2"),
        (dict(n_blocks=0), "`n_blocks` must be at least 1"),
        (dict(lags=(0.3,)), "`lags` must ascend from zero"),
        (dict(lags=(0.0, 0.05)), "`lags` must be a whole multiple"),
        (dict(max_delay=3.0), "`gap` must be at least the longest lag or delay"),
        (dict(dt=0.0), "`dt` must be positive"),
        (dict(transient=-1.0), "`transient` must not be negative"),
        (dict(u=jnp.zeros(3)), "`u` must have shape"),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused(change, message):
    network, x0 = RateFlow(jnp.eye(12)), jnp.ones((2, 12))
    with pytest.raises(ValueError, match=message):
        accumulate_covariances(network, x0, **{**SCHEDULE, **change})


class _Leak(AbstractFlow):
    """A flow without a transfer function."""

    n_units: int = 12

    def drift(self, t, x, u):
        return -x + u


def test_wrong_arrays_are_refused():
    network = RateFlow(jnp.eye(12))
    with pytest.raises(ValueError, match="`x0` must have shape"):
        accumulate_covariances(network, jnp.ones(12), **SCHEDULE)
    with pytest.raises(ValueError, match="`network` must be a flow or a map"):
        accumulate_covariances(_Leak(), jnp.ones((1, 12)), **SCHEDULE)
    with pytest.raises(ValueError, match="`dt` and `solver` are for flows"):
        accumulate_covariances(RateMap(jnp.eye(2)), jnp.ones((1, 2)), block_time=3, dt=0.1)
    with pytest.raises(ValueError, match="`samples` must have the axes"):
        covariances(jnp.ones((4, 3)))
    with pytest.raises(ValueError, match="`samples` must hold at least two samples"):
        covariances(jnp.ones((2, 4, 3)), lags=(0.0, 3.0))


def test_another_network_of_the_same_shape_does_not_recompile(key):
    n_traces = 0

    def counting(x):
        nonlocal n_traces
        n_traces += 1
        return jnp.tanh(x)

    options = dict(block_time=5.0, n_blocks=1, transient=0.0, gap=0.0)
    x0 = jnp.ones((1, 4))
    accumulate_covariances(RateFlow(jnp.eye(4), nonlinearity=counting), x0, **options)
    first = n_traces
    accumulate_covariances(RateFlow(2 * jnp.eye(4), nonlinearity=counting), 2 * x0, **options)
    assert n_traces - first <= 1  # the solver's first stage, outside the compiled program
