"""Estimators from trajectories, the bracket and the gap, against exact values and the table."""

from collections import Counter

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean_matches, central_difference

from rnngeo.information import (
    CorrelationEstimator,
    FluxEstimator,
    correlations,
    estimate_correlations,
    estimate_flux,
    flux_bracket,
    information_flux,
    spectral_gap,
    state_table,
    stationary_law,
)
from rnngeo.models import BinaryNetwork

ROOKS5 = np.zeros((5, 5))
ROOKS5[np.arange(5), [1, 2, 0, 4, 3]] = [1, 1, -1, 1, -1]
NAMES = dict(zip(FluxEstimator, ("plugin", "miller_madow", "rb", "rb_mm"), strict=True))


@eqx.filter_jit
def run(network, n_replicas, n_steps, *, key):
    """Trajectories from random states, after 100 steps more."""
    key_start, key_steps = jr.split(key)
    starts = jr.rademacher(key_start, (n_replicas, network.n_units), jnp.float64)

    def step(x, key):
        new = jax.vmap(lambda x, key: network.sample(x, key=key))(x, jr.split(key, n_replicas))
        return new, new

    _, xs = jax.lax.scan(step, starts, jr.split(key_steps, n_steps + 100))
    return xs[100:].swapaxes(0, 1)


@pytest.fixture
def k5(flux_golden):
    """The table's network of five units."""
    return BinaryNetwork(jnp.asarray(flux_golden["matrices"]["items"]["K5"]["W"], float))


def stationary_pairs(network, n_draws, n_pairs, key):
    """Independent pairs: states from the exact law, then one step."""
    law = stationary_law(network).law
    key_state, key_step = jr.split(key)
    index = jr.choice(key_state, law.size, (n_draws, n_pairs), p=law)
    x = state_table(network.n_units)[index]
    keys = jr.split(key_step, (n_draws, n_pairs))
    return x, jax.vmap(jax.vmap(lambda x, key: network.sample(x, key=key)))(x, keys)


def test_listed_states(flux_golden):
    for row in flux_golden["trajectory_estimate"]["items"]:
        network = BinaryNetwork(jnp.asarray(row["W"]))
        xs = state_table(2)[jnp.asarray(row["states"])]
        for estimator, name in NAMES.items():
            found = estimate_flux(network, xs, estimator=estimator)
            np.testing.assert_allclose(found.flux, row[name], rtol=0, atol=1e-10)
            assert np.isnan(found.error)
            assert found.n_transitions == row["n_transitions"]
        pairs = Counter(zip(row["states"][:-1], row["states"][1:], strict=True))
        assert [len(pairs), found.n_visited[0], 4] == row["K"]
        plain = estimate_correlations(network, xs, estimator=CorrelationEstimator.PLAIN)
        np.testing.assert_allclose(plain.rms_raw, row["C_plain"], rtol=0, atol=1e-10)
        x, y = np.asarray(xs[:-1]), np.asarray(xs[1:])
        by_numpy = np.corrcoef(y.T, x.T)[:2, 2:]
        np.testing.assert_allclose(plain.next, by_numpy, rtol=1e-12)


def assert_errors_match(estimates, errors, n_replicas):
    """Errors stated by many sets of replicas against the spread of what the sets find.

    A standard deviation of n numbers is known to 1/sqrt(2(n - 1)) of itself.
    """
    n = len(estimates)
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / np.std(estimates, axis=0, ddof=1)
    allowed = 4 * np.sqrt(1 / (2 * (n - 1)) + 1 / (2 * n * (n_replicas - 1)))
    assert allowed < 0.35
    assert np.max(np.abs(ratio - 1)) < allowed


def test_ladder_of_biases(flux_golden, k5, key):
    """Runs of two lengths: each estimator has the bias of the table, the last one none."""
    table = flux_golden["estimator_bias"]
    n_table = table["runs"]
    long = run(k5, 20, 10_000, key=key)
    windows = long[:, :9900].reshape(660, 300, 5)
    for row, xs in zip(table["items"], (windows, long), strict=True):
        n = len(xs)
        allowed = {
            name: 4 * row[name][1] * np.sqrt(1 / n_table + 1 / n) for name in (*NAMES.values(), "C")
        }
        for estimator, name in NAMES.items():
            found = estimate_flux(k5, xs, estimator=estimator, is_undersampling_allowed=True)
            assert abs(found.flux - row[name][0]) < allowed[name], name
            spread = found.error * np.sqrt(n)
            assert 0.5 < spread / row[name][1] < 1.8, name
        plain = estimate_correlations(k5, xs, estimator=CorrelationEstimator.PLAIN)
        assert abs(plain.rms_raw - row["C"][0]) < allowed["C"]
    # what the correction takes off is 31/(2 n ln 2), far more than four errors
    sets = eqx.filter_vmap(lambda x: estimate_flux(k5, x))(windows.reshape(165, 4, 300, 5))
    error = sets.flux.std(ddof=1) / np.sqrt(165)
    assert 4 * error < 0.2 * 31 / (2 * 299 * np.log(2))
    assert abs(sets.flux.mean() - table["exact"]) < 4 * error
    assert_errors_match(sets.flux, sets.error, 4)


def test_finite_windows_are_trapped(flux_golden, key):
    table = flux_golden["finite_window"]
    n, rows = table["runs"], table["items"]
    widths = jnp.asarray([float(row["w"]) for row in rows])
    simulate = lambda w: run(BinaryNetwork(w * ROOKS5), n, table["T"], key=key)
    for row, xs in zip(rows, jax.vmap(simulate)(widths), strict=True):
        network = BinaryNetwork(row["w"] * ROOKS5)
        np.testing.assert_allclose(information_flux(network).flux, row["I_exact"], atol=1e-6)
        found = estimate_flux(network, xs, estimator=FluxEstimator.PLUG_IN)
        assert abs(found.flux - row["I_T"]) < 4 * row["sd"] * np.sqrt(2 / n)
    # An escape of five units at w = 15 takes 1/(5 sigma(-15)) = 650 000 steps, so nearly every
    # window runs round one cycle of 4 or 12, all states alike but for the last round.
    is_trapped = np.isin(found.n_visited, (4, 12))
    assert is_trapped.sum() >= n - 1
    np.testing.assert_allclose(
        found.by_replica[is_trapped], np.log2(found.n_visited[is_trapped]), rtol=0, atol=1e-5
    )
    assert found.flux < row["I_exact"] - 1  # trapped at the largest weights, and so is
    better = estimate_flux(network, xs)  # the other estimator: it is the window
    assert better.flux < row["I_exact"] - 1


def information_of_units(chain, units):
    """Mutual information of some units one step apart, in bits, by sums over all states."""
    codes = (chain.states[:, list(units)] > 0) @ (1 << np.arange(len(units)))
    some = np.zeros((chain.matrix.shape[0], 2 ** len(units)))
    some[np.arange(len(codes)), codes] = 1.0
    joint = some.T @ (chain.law()[:, None] * chain.matrix) @ some
    ratio = joint / np.outer(joint.sum(axis=1), joint.sum(axis=0))
    return np.sum(joint * np.log2(ratio))


def test_some_units_give_a_lower_bound(flux_golden, k5, key, brute_force):
    xs = run(k5, 8, 20_000, key=key)
    table = flux_golden["estimator_bias"]
    chain = brute_force(np.asarray(k5.weights.as_matrix()))
    some = estimate_flux(k5, xs, estimator=FluxEstimator.MILLER_MADOW, units=(0, 2, 4))
    # all of the bias, taken off or not, is (8 - 1)^2/(2 n ln 2)
    allowed = 4 * some.error + 49 / (2 * 20_000 * np.log(2))
    exact = information_of_units(chain, (0, 2, 4))
    assert abs(some.flux - exact) < allowed
    for others in ((0, 1, 2), (0, 2, 3), (1, 3, 4), range(5)):
        assert abs(information_of_units(chain, others) - exact) > 2 * allowed
    every = estimate_flux(k5, xs, estimator=FluxEstimator.MILLER_MADOW)
    mean, sd = table["items"][1]["miller_madow"]  # runs of half the length have twice the bias
    rest = (mean - table["exact"]) / 2
    error = np.hypot(every.error, sd / np.sqrt(table["runs"]) / 2)
    assert abs(every.flux - table["exact"] - rest) < 4 * error


@pytest.mark.parametrize("estimator", list(CorrelationEstimator))
def test_noise_floor_and_errors(estimator, key):
    """Mean squares are right after the floor is off, and wrong before."""
    network = BinaryNetwork(0.2 * jr.normal(key, (8, 8)))
    xs = run(network, 400, 200, key=jr.fold_in(key, 1))
    law = information_flux(network).law
    exact = correlations(network, law).rms
    found = estimate_correlations(network, xs, estimator=estimator)
    assert abs(found.rms - exact) < 4 * found.rms_error + 0.02 * exact
    assert found.rms_error < 0.02 * exact
    biased = np.sqrt(found.rms**2 + found.noise_floor)
    assert biased > exact + 4 * found.rms_error
    sets = eqx.filter_vmap(lambda x: estimate_correlations(network, x, estimator=estimator))(
        xs.reshape(100, 4, 200, 8)
    )
    if estimator is CorrelationEstimator.PLAIN:
        np.testing.assert_allclose(found.noise_floor, 1 / 199, rtol=1e-12)
    else:
        tanh = np.tanh(0.5 * np.asarray(state_table(8) @ network.weights.as_matrix().T))
        floor = np.mean(law @ tanh**2) / 199
        error = sets.noise_floor.std(ddof=1) / 10
        # a window's own mean takes 1/199 of the variance, correlated steps as much again
        assert abs(found.noise_floor - floor) < 4 * error + 2 / 199 * floor
        assert 4 * error < 0.1 * floor
    assert_errors_match(sets.rms, sets.rms_error, 4)
    assert_errors_match(sets.next, sets.next_error, 4)


def test_stuck_units(key):
    w = jnp.diag(jnp.array([0.5, 80.0]))
    network = BinaryNetwork(w)
    xs = run(network, 3, 400, key=key)
    found = estimate_correlations(network, xs)
    np.testing.assert_array_equal(found.is_stuck, [[False, True]] * 3)
    np.testing.assert_array_equal(found.next[1], 0.0)
    np.testing.assert_array_equal(found.next[:, 1], 0.0)
    assert np.isfinite(found.rms)
    # one pair of four has noise, that of the free unit with itself
    plain = estimate_correlations(network, xs, estimator=CorrelationEstimator.PLAIN)
    np.testing.assert_allclose(plain.noise_floor, 0.25 / 399, rtol=1e-12)
    np.testing.assert_array_equal(estimate_flux(network, xs).is_stuck, [[False, True]] * 3)


def test_bad_trajectories():
    network, rng = BinaryNetwork(jnp.eye(5)), np.random.default_rng(0)
    xs = jnp.asarray(rng.choice([-1.0, 1.0], (300, 5)))
    with pytest.raises(ValueError, match="`xs` must have shape"):
        estimate_flux(network, xs[:, :4])
    with pytest.raises(ValueError, match="at least 3 states"):
        estimate_correlations(network, xs[:2])
    with pytest.raises(ValueError, match="states of -1 and 1"):
        estimate_flux(network, 0.5 * (xs + 1))
    with pytest.raises(ValueError, match="RAO_BLACKWELL_CORRECTED` would do.*at most 4 of"):
        estimate_flux(network, xs, estimator=FluxEstimator.PLUG_IN)
    with pytest.raises(ValueError, match="299 transitions.*512 cells.*`flux_bracket`"):
        estimate_flux(BinaryNetwork(jnp.eye(9)), jnp.ones((300, 9)))
    with pytest.raises(ValueError, match="`units` needs a plug-in"):
        estimate_flux(network, xs, units=(0, 1))
    with pytest.raises(ValueError, match="`units` must be different"):
        estimate_flux(network, xs, estimator=FluxEstimator.PLUG_IN, units=(0, 0))
    with pytest.raises(ValueError, match="`x_next` must have the shape"):
        flux_bracket(network, xs, xs[1:])
    with pytest.raises(ValueError, match="`x` must hold states of 5 units"):
        flux_bracket(network, xs[:, :4], xs[:, :4])


def test_bracket_holds_on_average(flux_golden, k5, key):
    row = flux_golden["bracket"]["items"][0]
    x, y = stationary_pairs(k5, 60, row["K"], key)
    found = jax.jit(lambda x, y: jax.lax.map(lambda p: flux_bracket(k5, *p), (x, y)))(x, y)
    n = len(found.lower)
    for name in ("lower", "upper"):
        values = getattr(found, name)
        assert_mean_matches(
            values, row[name], finite_size=4 * row["sd"] / np.sqrt(n), max_error=0.02
        )
    gap = found.upper - found.lower
    assert np.all(gap > 0)
    assert abs(gap.mean() - (row["upper"] - row["lower"])) < 4 * np.std(gap) / np.sqrt(n) + 1e-3
    # the deviation of 60 numbers is known to 1/sqrt(2 * 59)
    for values in (found.lower, found.upper):
        np.testing.assert_allclose(found.error.mean(), values.std(ddof=1), rtol=4 / np.sqrt(118))


@pytest.mark.parametrize("n_pairs", [8, 32])
def test_few_pairs_hold_the_flux_between_their_averages(n_pairs, flux_golden, k5, key):
    """Few enough that both sides are many standard errors away."""
    x, y = stationary_pairs(k5, 2000, n_pairs, key)
    found = jax.jit(jax.vmap(lambda x, y: flux_bracket(k5, x, y)))(x, y)
    exact = flux_golden["bracket"]["items"][0]["exact"]
    for below, above in ((found.lower, exact), (exact, found.upper)):
        apart = above - below
        assert apart.mean() > 4 * apart.std(ddof=1) / np.sqrt(2000)
        assert apart.mean() > 0.02


@pytest.mark.parametrize("noise_std", [None, 1.5])
def test_bracket_against_its_definition(noise_std, key):
    keys = jr.split(key, 3)
    w, b = 2 * jr.normal(keys[0], (3, 3)), jr.normal(keys[1], (3,))
    network = BinaryNetwork(w, b, noise_std)
    x, y = jr.rademacher(keys[2], (2, 7, 3), jnp.float64)
    up = np.array([[float(q) for q in network.response(network.field(a))] for a in x])
    table = np.prod(np.where(np.asarray(y)[None] > 0, up[:, None], 1 - up[:, None]), axis=-1)
    own = np.diag(table)
    lower = np.log2(own / table.mean(axis=0))
    upper = np.log2(own / ((table.sum(axis=0) - own) / 6))
    found = flux_bracket(network, x, y)
    np.testing.assert_allclose([found.lower, found.upper], [lower.mean(), upper.mean()], rtol=1e-11)
    spreads = lower.std(ddof=1), upper.std(ddof=1)
    np.testing.assert_allclose(found.error, max(spreads) / np.sqrt(7), rtol=1e-11)
    assert max(spreads) > 1.01 * min(spreads)
    value = lambda s: flux_bracket(BinaryNetwork(s * w, b, noise_std), x, y).lower
    np.testing.assert_allclose(jax.grad(value)(1.0), central_difference(value, 1.0), rtol=1e-7)


@pytest.mark.float32
def test_bracket_at_its_limits():
    """One pair, and fields so large that every successor is certain."""
    x = state_table(5)
    one = flux_bracket(BinaryNetwork(ROOKS5), x[:1], x[:1])
    assert one.lower == 0
    assert np.isinf(one.upper)
    network = BinaryNetwork(1e3 * jnp.asarray(ROOKS5))
    y = jax.vmap(lambda x: jnp.sign(network.field(x)))(x)
    found = flux_bracket(network, x, y)
    np.testing.assert_allclose(found.lower, 5.0, rtol=1e-6)
    assert found.upper > 500


@pytest.mark.theory
def test_brackets_of_large_networks(flux_golden, key):
    """Three random matrices each, 1024 replicas; matrices move the values by 5 to 10 %."""
    table = flux_golden["large_N"]
    for n in (20, 50):
        rows = [row for row in table["items"] if row["N"] == n]

        def bracket(g, key, n=n):
            key_weights, key_run = jr.split(key)
            network = BinaryNetwork(g * jr.normal(key_weights, (n, n)) / n**0.5)
            xs = run(network, table["K"], 2, key=key_run)
            return flux_bracket(network, xs[:, 0], xs[:, 1])

        for i, row in enumerate(rows):
            keys = jr.split(jr.fold_in(key, 100 * n + i), table["matrices"])
            found = jax.vmap(lambda k, g: bracket(g, k), (0, None))(keys, jnp.array(row["g"]))
            noise = 4 * jnp.sqrt(jnp.mean(found.error**2) / len(keys))
            for name in ("lower", "upper"):
                bounds = row[name] if isinstance(row[name], list) else [row[name]] * 2
                value = getattr(found, name).mean()
                assert value > 0.88 * bounds[0] - noise, row
                assert value < 1.12 * bounds[1] + noise, row


@pytest.mark.parametrize(("n_units", "width"), [(1, 2.0), (5, 1.0), (10, 0.7), (10, 2.0)])
def test_gap_against_numpy(n_units, width, key, brute_force):
    """Dense, and by Arnoldi steps with a complex or a real second eigenvalue."""
    w = width * jr.normal(key, (n_units, n_units))
    moduli = np.sort(np.abs(np.linalg.eigvals(brute_force(w).matrix)))
    np.testing.assert_allclose(spectral_gap(BinaryNetwork(w)), 1 - moduli[-2], rtol=0, atol=1e-9)


def test_gap_of_independent_units_counts_odd_modes():
    """Units on their own have eigenvalues tanh(w/2), products of which are even."""
    gap = spectral_gap(BinaryNetwork(jnp.diag(jnp.array([1.0, -3.0, 2.0]))))
    np.testing.assert_allclose(gap, 1 - np.tanh(1.5), rtol=1e-12)


def test_residual_over_gap_is_the_size_of_the_error(key, brute_force):
    """Of a law pushed off along its slowest mode."""
    w, b = 1.5 * jr.normal(key, (5, 5)), 0.3 * jnp.ones(5)
    chain = brute_force(w, b)
    p = chain.law()
    start = np.asarray(jr.uniform(jr.fold_in(key, 1), (32,)))
    q = start / start.sum()
    for _ in range(30):
        q = q @ chain.matrix
    residual = np.abs(q @ chain.matrix - q).sum()
    assert np.abs(q - p).sum() <= residual / spectral_gap(BinaryNetwork(w, b)) * (1 + 1e-6)
