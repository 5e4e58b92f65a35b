"""Ensembles against their moments, operators against matrices."""

import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import pytest
from helpers import assert_mean_matches, machine_epsilon

from rnngeo.connectivity import as_operator, draw_vectors, gaussian_bulk, low_rank


@pytest.mark.float32
def test_bulk_has_the_variance_and_the_radius_of_its_gain(key):
    keys = jr.split(key, 24)
    bulks = jax.vmap(lambda k: gaussian_bulk(80, 1.3, key=k).as_matrix())(keys)
    # sum_j J_ij^2 has mean g^2 exactly; 24 x 80 rows of standard deviation g^2 sqrt(2/80)
    rows = np.mean(np.sum(np.asarray(bulks) ** 2, axis=2), axis=1)
    assert_mean_matches(rows, 1.3**2, max_error=0.02)
    radius = np.abs(np.linalg.eigvals(np.asarray(bulks))).max(axis=1)
    assert abs(np.median(radius) - 1.3) < 0.15  # circular law, edge fluctuation ~ N^-1/2


def test_bulk_is_differentiable_in_its_gain(key):
    entry = lambda g: gaussian_bulk(5, g, key=key).as_matrix()[0, 1]
    assert np.isclose(jax.grad(entry)(2.0), entry(2.0) / 2.0)


@pytest.mark.parametrize("is_exact", [True, False])
def test_vectors_have_their_moments(key, is_exact):
    n = 4000
    v = draw_vectors(n, 1.2, 0.5, 0.6, key=key, is_exact=is_exact)
    got = np.array([v.feedback @ v.feedback, v.input @ v.input, v.feedback @ v.input]) / n
    expected = np.array([1.44, 0.25, 1.2 * 0.5 * 0.36])
    # sampling error of a second moment is at most sqrt(2/N) of it, here 4 standard errors
    allowed = 100 * machine_epsilon() if is_exact else 4 * expected * np.sqrt(2 / n) + 4 * 0.6 / 63
    assert np.all(np.abs(got - expected) < allowed)


def test_exact_vectors_are_orthogonal_and_keep_their_direction(key):
    exact, drawn = (draw_vectors(50, 1, 1, 0.5, key=key, is_exact=e) for e in (True, False))
    triple = jnp.stack([exact.shared, exact.feedback_private, exact.input_private])
    assert np.allclose(triple @ triple.T / 50, np.eye(3), atol=1e3 * machine_epsilon())
    assert exact.shared @ drawn.shared > 0.99 * jnp.linalg.norm(drawn.shared) * np.sqrt(50)


def test_readout_by_geometry_has_its_overlaps(key):
    v = draw_vectors(60, 1.2, 0.5, 0.5, key=key, is_exact=True)
    n = v.readout(1.0, 1.0, 0.3, scale=2.0)
    # a_m = s_m (p rho + p_m sqrt(1 - rho^2)), a_I = s_I (p rho + p_I sqrt(1 - rho^2))
    assert np.isclose(n @ v.feedback, 2 * 1.2 * (0.5 + np.sqrt(0.75)))
    assert np.isclose(n @ v.input, 2 * 0.5 * (0.5 + 0.3 * np.sqrt(0.75)))


@pytest.mark.parametrize("rank", [None, 1, 3])
def test_low_rank_equals_its_matrix(key, rank):
    shape = (7,) if rank is None else (7, rank)
    left, right, x = jr.normal(key, (2, *shape))[0], jr.normal(key, shape), jnp.arange(7.0)
    matrix = np.asarray(left).reshape(7, -1) @ np.asarray(right).reshape(7, -1).T
    operator = low_rank(left, right)
    assert np.allclose(operator.as_matrix(), matrix)
    assert np.allclose(operator.mv(x), matrix @ np.asarray(x))
    total = as_operator(jnp.eye(7)) + operator @ operator
    assert np.allclose(total.mv(x), x + matrix @ (matrix @ np.asarray(x)))
    assert isinstance(total, lx.AbstractLinearOperator)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda key: gaussian_bulk(0, 1.0, key=key), "`n_units` must be at least 1, got 0"),
        (lambda key: draw_vectors(0, 1, 1, 0, key=key), "`n_units` must be at least 1, got 0"),
        (lambda key: draw_vectors(2, 1, 1, 0, key=key, is_exact=True), "at least 3 with"),
        (lambda key: low_rank(jnp.ones(3), jnp.ones(4)), r"one shape.*\(3,\) and \(4,\)"),
        (lambda key: as_operator(jnp.ones(3)), r"must be a matrix, got shape \(3,\)"),
    ],
)
def test_bad_input_is_named(key, call, words):
    with pytest.raises(ValueError, match=words):
        call(key)
