"""Evolution on functions whose maximum is known; limits against brute force; fronts by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from rnngeo.train import (
    Mutation,
    WeightLimit,
    ascend,
    evolve,
    found_population,
    is_non_dominated,
    limit_weights,
    nearest_rooks,
    rookness,
)

TARGET = jnp.asarray([[0.3, -0.2], [0.5, 0.1]])


def _number(value):
    return jnp.asarray(value, float)


class Distance(eqx.Module):
    """Minus the squared distance to a target that may move away; NaN beyond an edge."""

    speed: jax.Array = eqx.field(converter=_number, default=0.0)
    edge: jax.Array = eqx.field(converter=_number, default=100.0)

    def __call__(self, weights, i):
        value = -jnp.sum((weights - TARGET - self.speed * i) ** 2)
        return jnp.where(weights[0, 0] > self.edge, jnp.nan, value)[None]


class Compromise(eqx.Module):
    """Two squared distances: the front is the segment between the two targets."""

    def __call__(self, weights, i):
        return -jnp.stack([jnp.sum((weights - TARGET) ** 2), jnp.sum((weights + TARGET) ** 2)])


class Within(eqx.Module):
    """A box."""

    limit: jax.Array = eqx.field(converter=_number, default=100.0)

    def __call__(self, weights):
        return limit_weights(weights, self.limit, WeightLimit.BOX)


def grown(objective, key, limit=100.0, n=100, population=None, **options):
    project = Within(limit)
    if population is None:
        start = jax.vmap(project)(0.5 * jr.normal(key, (8, 2, 2)))
        population = found_population(objective, start)
    return evolve(objective, population, n_generations=n, project=project, key=key, **options)


def test_it_finds_the_maximum_and_never_loses_the_best(key):
    after, best = grown(Distance(), key)
    assert best.shape == (100, 1)
    assert np.all(np.diff(np.asarray(best[:, 0])) >= 0)
    assert best[0, 0] < -0.01
    young, first = grown(Distance(), key, n=3)  # not yet all alike
    assert np.array_equal(first, best[:3])
    assert np.array_equal(first[-1], young.scores.max(axis=0))
    assert first[-1, 0] > young.scores.min()
    assert np.allclose(after.weights[0], TARGET, atol=0.02)  # the least step is 0.003
    assert np.all(np.diff(np.asarray(after.scores[:, 0])) <= 0)  # in order of merit
    again = [Distance()(w, 0) for w in after.weights]
    assert np.allclose(after.scores, again, rtol=1e-12)


def test_two_calls_do_what_one_does(key):
    whole, best = grown(Distance(), key, n=200)
    half, first = grown(Distance(), key)
    second_half, second = grown(Distance(), key, population=half)
    assert np.array_equal(whole.weights, second_half.weights)
    assert np.array_equal(best, np.concatenate([first, second]))
    assert int(second_half.generation) == 200
    other, _ = grown(Distance(), jr.fold_in(key, 1), population=half)
    assert not np.array_equal(other.weights, second_half.weights)


def test_parents_are_judged_anew_when_the_objective_moves(key):
    moving = Distance(speed=0.01)
    after, _ = grown(moving, key, is_moving=True)
    target = np.asarray(TARGET) + 1.0
    assert np.allclose(after.weights[0], target, atol=0.1)
    expected = [moving(w, 100) for w in after.weights]
    assert np.allclose(after.scores, expected, rtol=1e-12)
    fooled, _ = grown(moving, key)  # old scores stay too good
    assert np.abs(np.asarray(fooled.weights[0]) - target).max() > 0.3


def test_children_within_limits_only(key):
    after, _ = grown(Distance(), key, limit=0.25)
    assert np.abs(np.asarray(after.weights)).max() <= 0.25
    assert np.allclose(after.weights[0], np.clip(TARGET, -0.25, 0.25), atol=0.02)


def test_values_that_are_not_finite_are_never_parents(key):
    after, _ = grown(Distance(edge=0.1), key)
    assert np.all(np.asarray(after.weights)[:, 0, 0] <= 0.1)
    assert np.all(np.isfinite(after.scores))
    assert after.weights[0, 0, 0] > 0.05


def test_a_front_spreads_along_the_compromises(key):
    after, best = grown(Compromise(), key, n=200)
    assert best.shape == (200, 2)
    assert np.array_equal(best[-1], after.scores.max(axis=0))
    assert np.all(is_non_dominated(after.scores))
    # on the front the roots of the two distances add up to the distance of the targets
    length = 2 * float(jnp.linalg.norm(TARGET))
    roots = np.sqrt(-np.asarray(after.scores))
    detour = roots.sum(axis=1) / length
    assert detour.mean() < 1.05
    assert detour.max() < 1.2  # a lone point may lag behind
    share = np.sort(roots[:, 0]) / length
    assert share[0] < 0.1  # both ends are kept
    assert share[-1] > 0.9
    assert np.diff(share).max() < 0.35  # eight even points are 0.14 apart


@given(points=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=7, max_size=7))
def test_the_front_is_that_of_the_definition(points):
    better = lambda a, b: a[0] >= b[0] and a[1] >= b[1] and a != b
    expected = [
        not any(better(q, p) for q in points) and p not in points[:i] for i, p in enumerate(points)
    ]
    found = is_non_dominated(jnp.asarray(points, float))
    assert np.asarray(found).tolist() == expected


def test_mutation_has_the_law_it_states(key):
    children = np.asarray(Mutation()(jnp.zeros((4000, 10, 10)), key=key))
    density = (children != 0).mean(axis=(1, 2))
    assert (density == 1).mean() == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / 4000))
    mean = 1.38 / 3  # of the densities; their spread of 0.39 dominates the error
    assert density.mean() == pytest.approx(mean, abs=4 * 0.4 / np.sqrt(4000))
    dense = children[density == 1]
    size = np.log10(dense.std(axis=(1, 2)) / 0.1)
    scatter = 4 / np.sqrt(200) / np.log(10)  # of a standard deviation from 100 entries
    assert size.min() > -1.5 - scatter
    assert size.max() < 0.3 + scatter
    assert size.mean() == pytest.approx(-0.6, abs=4 * 1.8 / np.sqrt(12 * len(dense)) + 0.003)
    still = Mutation(size=0.0)(jnp.ones((2, 3, 3)), key=key)
    assert np.array_equal(still, np.ones((2, 3, 3)))


@pytest.mark.parametrize("constraint", list(WeightLimit))
def test_the_limited_matrix_is_the_nearest(constraint, key):
    weights = np.array(2 * jr.normal(key, (40, 3)))
    weights[0] = 0.0
    weights[1] = 0.1
    found = np.asarray(limit_weights(jnp.asarray(weights), 1.5, constraint))
    size = {
        WeightLimit.BOX: lambda w: np.abs(w).max(),
        WeightLimit.ROW_L2: lambda w: np.sqrt(np.sum(w**2)),
        WeightLimit.ROW_L1: lambda w: np.abs(w).sum(),
    }[constraint]
    is_within = np.array([size(row) <= 1.5 for row in weights])
    assert 2 <= is_within.sum() < 40
    assert np.array_equal(found[is_within], weights[is_within])
    for row, limited in zip(weights[~is_within][:6], found[~is_within][:6], strict=True):
        assert size(limited) == pytest.approx(1.5, abs=1e-12)
        inside = lambda w: 1.5 - size(w)
        best = minimize(
            lambda w, row=row: np.sum((w - row) ** 2), limited * 0.5, method="COBYLA",
            constraints={"type": "ineq", "fun": inside}, tol=1e-8, options={"maxiter": 5000},
        )  # fmt: skip
        assert np.sum((limited - row) ** 2) <= best.fun + 1e-6


def test_rookness_against_all_permutations(key):
    from itertools import permutations

    weights = np.asarray(jr.normal(key, (4, 4)))
    size = np.abs(weights)
    best = max(size[range(4), p].sum() for p in permutations(range(4))) / size.sum()
    assert rookness(weights) == pytest.approx(best, rel=1e-12)
    rooks = np.zeros((3, 3))
    rooks[[0, 1, 2], [2, 0, 1]] = [3.0, -4.0, 5.0]
    found = nearest_rooks(rooks)
    assert found.permutation.tolist() == [2, 0, 1]
    assert found.signs.tolist() == [1, -1, 1]
    assert found.share == 1.0
    assert rookness(np.ones((5, 5))) == pytest.approx(0.2)
    assert np.isnan(rookness(np.zeros((2, 2))))
    for bad in (np.ones((2, 3)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match="`weights`"):
            rookness(bad)


def test_ascent_keeps_the_best_and_the_limit(key):
    objective = lambda w, i: -jnp.sum((w - TARGET) ** 2)
    project = lambda w: limit_weights(w, 0.25, WeightLimit.BOX)
    start = project(0.5 * jr.normal(key, (2, 2)))
    best, value, history = ascend(objective, start, n_steps=200, project=project)
    assert np.allclose(best, np.clip(TARGET, -0.25, 0.25), atol=1e-6)
    assert history.shape == (200,)
    assert value == objective(best, 0) == history.max()
    # the best of a moving objective counts after it has come to rest
    moving = lambda w, i: objective(w, i) + jnp.where(i < 50, 100.0, 0.0)
    _, value, history = ascend(moving, start, n_steps=200, n_moving=50, project=project)
    assert value == history[50:].max()
    assert history.max() > 90
    for asked in ({"n_steps": 0}, {"n_steps": 5, "n_moving": 5}):
        with pytest.raises(ValueError, match="`n_"):
            ascend(objective, start, **asked)
