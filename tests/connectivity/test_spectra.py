"""Spectra: families against their definition, conversions against matrices and the tables."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import central_difference, machine_epsilon

from rnngeo.connectivity import (
    effective_gain,
    effective_rank,
    exponential_strengths,
    inverse_effective_rank,
    low_rank,
    participation_ratio,
    power_law_strengths,
    scaled_strengths,
    singular_value_density,
    singular_value_edges,
    singular_value_ratio,
    singular_value_ratio_from_rank,
    step_strengths,
    strength_participation_ratio,
    two_level_strengths,
)

N = 40
TWO_LEVEL = lambda n, e, g=1.0, **kw: two_level_strengths(n, e, g, n_strong=3, **kw)
STEP = lambda n, e, g=1.0, **kw: step_strengths(n, e, g)
FAMILIES = {
    "exponential": exponential_strengths,
    "power law": power_law_strengths,
    "two-level": TWO_LEVEL,
    "step": STEP,
}


@pytest.fixture(scope="module")
def table():
    path = Path(__file__).parents[1] / "golden" / "random_modes.json"
    return {entry["id"]: entry for entry in json.loads(path.read_text())["golden"]}


def _rank_and_gain(strengths, n_units):
    """The definitions, written naively."""
    squares = [float(d) ** 2 for d in strengths]
    rank = sum(squares) ** 2 / (n_units * sum(s**2 for s in squares))
    return rank, np.sqrt(sum(squares) / n_units)


@pytest.mark.float32
@pytest.mark.parametrize("rank", [0.08, 0.77, 1.0, 1.31])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_the_rank_and_the_gain_asked_for(family, rank):
    strengths = FAMILIES[family](N, rank, 1.7)
    got = _rank_and_gain(strengths, N)
    assert np.allclose(got, (rank, 1.7), rtol=40 * machine_epsilon())
    assert np.isclose(effective_rank(strengths, N), rank, rtol=40 * machine_epsilon())
    assert np.array_equal(strengths, np.sort(strengths)[::-1])
    assert strengths[-1] >= 0
    least = N * rank if family == "step" else max(N, N * rank)
    assert len(strengths) == np.ceil(least - 1e-6)


def test_families_have_their_form():
    n, beta = 400, 2.5
    exponential = np.asarray(exponential_strengths(n, np.tanh(beta) / beta))
    slopes = n * np.diff(np.log(exponential))
    assert np.ptp(slopes) < 1e-9
    # the continuum law of the rank, PR^D = tanh(beta)/beta, has corrections beta^2/(3 M^2)
    assert np.isclose(-slopes[0], beta, rtol=3 * beta**2 / n**2)
    assert np.isclose(strength_participation_ratio(exponential), np.tanh(beta) / beta, rtol=1e-12)

    power = np.asarray(power_law_strengths(n, 0.2))
    exponents = np.diff(np.log(power)) / np.diff(np.log(np.arange(1, n + 1)))
    assert np.ptp(exponents) < 1e-9

    two_level = np.asarray(TWO_LEVEL(N, 0.4))
    assert np.unique(two_level.round(12)).size == 2
    assert (two_level == two_level[0]).sum() == 3

    step = np.asarray(step_strengths(N, 0.2, 3.0))
    assert np.allclose(step, 3.0 / np.sqrt(0.2), rtol=1e-14)
    assert step.shape == (8,)
    measured = np.array([5.0, 0.0, 2.5])
    assert np.allclose(scaled_strengths(measured, 3, 2.0) / measured[0] * 5, np.array([5, 0, 2.5]) *
                       2.0 / np.sqrt(31.25 / 3))  # fmt: skip


@pytest.mark.parametrize("family", ["exponential", "power law", "two-level"])
def test_strengths_are_differentiable_in_rank_and_gain(family):
    probe = jnp.sin(jnp.arange(N) * 1.0)
    value = jax.jit(lambda e, g: FAMILIES[family](N, e, g, n_modes=N) @ probe)
    by_rank, by_gain = jax.jit(jax.grad(value, argnums=(0, 1)))(0.3, 1.7)
    assert np.isclose(by_rank, central_difference(lambda e: value(e, 1.7), 0.3), rtol=1e-7)
    assert np.isclose(by_gain, value(0.3, 1.7) / 1.7, rtol=1e-12)
    if family != "two-level":  # a traced rank that the family cannot reach
        assert np.isnan(value(1.2, 1.7))


def test_golden_edges_and_ratios(table):
    entry = table["singular_values"]
    edges = [row for row in entry["rows"] if "alpha" in row]
    for row in edges:
        lower, upper = singular_value_edges(row["alpha"])
        assert np.isclose(lower, row["lower"], rtol=entry["rtol"], atol=0)
        assert np.isclose(upper, row["upper"], rtol=entry["rtol"])
    n_ratios = 0
    for row in entry["rows"]:
        inverse = 1 / row["er"] if "er" in row else 1 / row["alpha"]
        ratio = singular_value_ratio_from_rank(inverse, gain_ratio=row.get("PR_G", 1.0))
        assert np.isclose(ratio, row["PR_S"], rtol=entry["rtol"])
        n_ratios += 1
    assert (len(edges), n_ratios) == (2, 4)
    (published, *_) = table["published"]["rows"]
    assert np.isclose(singular_value_ratio_from_rank(0.0), published["PR_S_iid"])
    assert np.isclose(1 / inverse_effective_rank(published["PR_S"]), published["er"], rtol=1e-3)


def test_conversions_are_inverse_and_reach_the_orthogonal_matrix():
    inverse = jnp.array([-1.0, -0.3, 0.0, 1.0, 40.0])
    for gains in ({}, {"gain_ratio": 0.3}, {"gain_ratio": 0.4, "row_ratio": 0.7}):
        ratio = singular_value_ratio_from_rank(inverse, **gains)
        assert np.allclose(inverse_effective_rank(ratio, **gains), inverse, atol=1e-13)
    assert singular_value_ratio_from_rank(-1.0) == 1.0
    assert np.isclose(jax.grad(inverse_effective_rank)(0.2), -25.0)


def test_edges_and_density_are_differentiable():
    edges = lambda a: sum(singular_value_edges(a))
    assert np.isclose(jax.grad(edges)(0.4), central_difference(edges, 0.4), rtol=1e-7)
    assert np.isclose(jax.grad(edges)(2.0), central_difference(edges, 2.0), rtol=1e-7)
    density = lambda a: singular_value_density(1.1, a)
    assert np.isclose(jax.grad(density)(0.4), central_difference(density, 0.4), rtol=1e-7)


def test_other_ranks_do_not_recompile(caplog):
    exponential_strengths(N, 0.31)
    with jax.log_compiles():
        exponential_strengths(N, 0.52, 2.0)
        exponential_strengths(N, 0.2, 3.0)
        assert "_exponential_rate" not in caplog.text
        jax.clear_caches()
        exponential_strengths(N, 0.2, 3.0)
    assert "_exponential_rate" in caplog.text


@pytest.mark.parametrize("alpha", [0.25, 1.0, 3.0])
def test_density_is_normalised_and_has_its_moments(alpha):
    lower, upper = singular_value_edges(alpha)
    x, w = np.polynomial.legendre.leggauss(200)
    angle = np.pi / 4 * (x + 1)
    # s^(-1/3) at the lower edge for alpha = 1, square roots at the others
    s = np.asarray(lower + (upper - lower) * np.sin(angle) ** 6)
    width = (upper - lower) * 6 * np.sin(angle) ** 5 * np.cos(angle) * np.pi / 4
    mass = np.asarray(w * width * singular_value_density(s, alpha))
    # sum s^2 = M and sum s^4 = M (1 + 2 alpha), over min(M, N) values
    share = max(alpha, 1.0)
    got = [mass.sum(), (mass * s**2).sum(), (mass * s**4).sum()]
    assert np.allclose(got, [1.0, share, share * (1 + 2 * alpha)], rtol=1e-12, atol=0)
    outside = np.array([upper * 1.001, upper * 3] + ([lower * 0.99] if alpha < 1 else []))
    assert not np.any(singular_value_density(outside, alpha))


def test_density_solves_its_equation_and_matches_sampled_matrices(key):
    alpha, n = 0.25, 240
    for s in (0.4, 1.0, 1.7):  # z m = (1 + m)(1 + alpha m)^2, by eigenvalues of the companion
        cubic = np.polymul([1, 1], np.polymul([alpha, 1], [alpha, 1]))
        m = np.roots(np.polysub(cubic, [s**2, 0]))
        expected = 2 * np.abs(m.imag).max() / (np.pi * s)
        assert np.isclose(singular_value_density(s, alpha), expected, rtol=1e-10)
    left, right = np.asarray(jr.normal(key, (2, n, n // 4))) / np.sqrt(n)
    values = np.linalg.svd(left @ right.T, compute_uv=False)[: n // 4]
    lower, upper = map(float, singular_value_edges(alpha))
    grid = np.linspace(lower, upper, 4001)
    cumulative = np.cumsum(np.asarray(singular_value_density(grid, alpha))) * (grid[1] - grid[0])
    counted = np.searchsorted(np.sort(values), grid) / values.size
    # rigid eigenvalues: counts fluctuate by order log M, here three of 60
    assert np.abs(counted - cumulative).max() < 3 / values.size
    # the edges fluctuate on the scale M^(-2/3) of the spacing there
    assert abs(values.max() - upper) < 2 * upper * values.size ** (-2 / 3) / 2
    assert abs(values.min() - lower) < 2 * upper * values.size ** (-2 / 3) / 2


@pytest.mark.float32
def test_ratio_and_gain_of_matrices_operators_and_lists(key):
    left, right = jr.normal(key, (2, N, 7))
    matrix = np.asarray(left, np.float64) @ np.asarray(right, np.float64).T
    s = np.linalg.svd(matrix, compute_uv=False)
    ratio, gain = (s**2).sum() ** 2 / (N * (s**4).sum()), np.sqrt((s**2).mean())
    forms = (jnp.asarray(left @ right.T), low_rank(left, right), jnp.asarray(s))
    for weights in forms:
        assert np.isclose(singular_value_ratio(weights), ratio, rtol=1e3 * machine_epsilon())
        assert np.isclose(effective_gain(weights), gain, rtol=1e3 * machine_epsilon())
    nonzero = jnp.asarray(s[:7])
    assert np.isclose(singular_value_ratio(nonzero, n_units=N), ratio, rtol=1e-4)
    assert np.isclose(effective_gain(nonzero, n_units=N), gain, rtol=1e-4)
    assert np.isclose(participation_ratio(nonzero**2) * 7 / N, ratio, rtol=1e-4)


def test_ratio_is_differentiable(key):
    matrix, direction = jr.normal(key, (2, 5, 5))
    along = jax.jit(lambda t: singular_value_ratio(matrix + t * direction))
    assert np.isclose(jax.grad(along)(0.3), central_difference(along, 0.3), rtol=1e-7)


@pytest.mark.float32
def test_precision_follows_the_input():
    strengths = exponential_strengths(N, jnp.float32(0.3), jnp.float32(2), n_modes=N)
    assert strengths.dtype == jnp.float32
    assert np.isclose(_rank_and_gain(strengths, N)[0], 0.3, rtol=1e-5)
    assert scaled_strengths(jnp.ones(3, jnp.float32), 3, 2.0).dtype == jnp.float32
    assert singular_value_density(jnp.float32(1), jnp.float32(0.3)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: exponential_strengths(N, 0.0), r"exponential.*lie in \(0.025, 1\], got 0.0"),
        (lambda: exponential_strengths(N, -0.1), r"\(0.025, 1\], got -0.1"),
        (lambda: exponential_strengths(N, 0.5, n_modes=10), r"10 modes.*0.25\], got 0.5"),
        (lambda: exponential_strengths(N, float("inf")), r"lie in .* got inf"),
        (lambda: exponential_strengths(N, float("nan")), r"lie in .* got nan"),
        (lambda: power_law_strengths(N, 0.025), r"power-law.*lie in \(0.025, 1\]"),
        (lambda: TWO_LEVEL(N, 0.05), r"two-level.*lie in \[0.075, 1\], got 0.05"),
        (lambda: two_level_strengths(N, 0.5, n_strong=0), "`n_strong` must be at least 1"),
        (lambda: step_strengths(N, 0.02), r"step.*at least 0.025, got 0.02"),
        (lambda: step_strengths(N, 0.5, 0.0), "`gain` must be positive and finite, got 0.0"),
        (lambda: step_strengths(0, 0.5), "`n_units` must be at least 1, got 0"),
        (
            lambda: scaled_strengths(np.array([1.0, -2.0]), 2),
            "`strengths` .*negative.* 1 negative of 2",
        ),
        (lambda: scaled_strengths(np.zeros(2), 2), "`strengths` must not all be zero"),
        (
            lambda: scaled_strengths(np.array([1.0, np.nan]), 2),
            "`strengths` must be finite, got 1 of 2",
        ),
        (lambda: effective_rank(jnp.ones((2, 2)), 2), r"`strengths` must be a list.*\(2, 2\)"),
        (lambda: participation_ratio(np.ones(0)), r"`values` must be a list.*\(0,\)"),
        (lambda: singular_value_ratio(jnp.ones((2, 3))), r"must be square, got shape \(2, 3\)"),
        (lambda: singular_value_ratio(jnp.ones(3), n_units=2), "`n_units` must be at least 3"),
        (lambda: inverse_effective_rank(1.2), r"`singular_value_ratio` must lie in \(0, 1\]"),
        (lambda: inverse_effective_rank(0.2, gain_ratio=0.0), r"`gain_ratio` must lie in"),
        (lambda: singular_value_ratio_from_rank(-1.1), "must be at least -1"),
        (lambda: singular_value_edges(0.0), "`modes_per_unit` must be positive, got 0.0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_traced_rank_needs_a_number_of_modes():
    with pytest.raises(ValueError, match="`n_modes` must be given where `effective_rank` is"):
        jax.jit(lambda e: exponential_strengths(N, e))(0.3)
