"""Random modes and their relatives: exact finite-size moments, overlaps, gains, invariance."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import pytest
from helpers import assert_mean_matches, central_difference, machine_epsilon

from rnngeo.connectivity import (
    effective_gain,
    exponential_strengths,
    orthogonal_bulk,
    partially_symmetric_bulk,
    participation_ratio,
    random_modes,
    rotational_bulk,
    singular_value_ratio,
    singular_value_ratio_from_rank,
    with_gains,
)


def _matrices(draw, key, n_networks, *arguments):
    """Independent draws; further arguments of `draw` are the same for all."""
    keys = jr.split(key, n_networks)
    axes = (0, *(None for _ in arguments))
    many = jax.jit(jax.vmap(lambda k, *a: draw(k, *a).as_matrix(), axes))
    return np.asarray(many(keys, *arguments))


def _sums(matrices):
    """Sums of the second and fourth powers of the singular values."""
    squares = matrices @ matrices.transpose(0, 2, 1)
    return np.trace(squares, axis1=1, axis2=2), (squares**2).sum(axis=(1, 2))


def _expected_fourth(strengths, columns, rows):
    r"""Mean of $\sum s^4$ of diag(a) L D R^T diag(G) at finite N, by Wick's theorem.

    With $A = R^\top G^2 R$ and $B = L^\top a^2 L$ it is the mean of tr D A D B D A D B, and the
    average over either factor is that of a weighted Wishart matrix.
    """
    n = len(columns)
    squares, fourths = np.sum(strengths**2), np.sum(strengths**4)
    q2, q4 = np.mean(columns**2), np.mean(columns**4)
    p2, p4 = np.mean(rows**2), np.mean(rows**4)
    one = (q2**2 + q4 / n) * (fourths * (p2**2 + p4 / n) + p4 * squares**2 / n)
    return one + q4 / n * (p2**2 * squares**2 + 2 * p4 * fourths / n)


@pytest.mark.float32
def test_factored_and_formed_are_one_matrix(key):
    n, strengths = 20, exponential_strengths(20, 0.2, 1.5, n_modes=6)
    x = jnp.cos(jnp.arange(n) * 1.0)
    for overlaps in (None, jnp.linspace(-1, 1, 6)):
        both = [
            random_modes(n, strengths, overlaps=overlaps, is_factored=is_factored, key=key)
            for is_factored in (True, False)
        ]
        matrices = [np.asarray(operator.as_matrix()) for operator in both]
        assert np.allclose(*matrices, atol=1e2 * machine_epsilon())
        assert np.allclose(both[0].mv(x), matrices[1] @ x, atol=1e3 * machine_epsilon())
    left, right = (np.asarray(part.as_matrix()) for part in (both[0].operator1, both[0].operator2))
    assert (left.shape, right.shape) == ((n, 6), (6, n))  # 2 N M numbers are kept
    # overlaps of -1 and 1 tie the two sides of a mode to each other
    for mode, sign in ((0, -1), (5, 1)):
        assert np.allclose(left[:, mode], sign * strengths[mode] * right[mode], rtol=1e-5)


def test_thin_factors_are_kept_below_half_the_units(key):
    draw = lambda m: eqx.filter_eval_shape(random_modes, 20, jnp.ones(m), key=key)
    assert isinstance(draw(9), lx.ComposedLinearOperator)
    assert isinstance(draw(10), lx.MatrixLinearOperator)


def test_moments_of_modes_and_gains_are_exact_at_finite_size(key):
    n = 40
    strengths = exponential_strengths(n, 0.3, 1.4)
    laws = [(np.ones(n),) * 2, (np.asarray(exponential_strengths(n, 0.3)), np.linspace(0, 1.7, n))]
    draw = lambda k, columns, rows: with_gains(
        random_modes(n, strengths, key=k), column_gains=columns, row_gains=rows
    )
    many = jax.jit(jax.vmap(lambda k, *gains: draw(k, *gains).as_matrix(), (0, None, None)))
    for columns, rows in laws:
        second, fourth = _sums(np.asarray(many(jr.split(key, 600), columns, rows)))
        theory = 1.4**2 * np.mean(columns**2) * np.mean(rows**2)
        assert_mean_matches(second / n / theory, 1.0, max_error=0.02)
        expected = _expected_fourth(np.asarray(strengths), columns, rows)
        assert_mean_matches(fourth / expected, 1.0, max_error=0.03)


def test_golden_singular_value_ratios_are_the_limit_of_the_moments():
    path = Path(__file__).parents[1] / "golden" / "random_modes.json"
    tables = {entry["id"]: entry for entry in json.loads(path.read_text())["golden"]}
    rows = [row for row in tables["singular_values"]["rows"] if "er" in row]
    assert len(rows) == 2
    for row in rows:
        gaps = []
        for n in (400, 1600):
            gains = np.ones(n)
            if "PR_G" in row:
                gains = np.asarray(exponential_strengths(n, row["PR_G"]))
            strengths = np.asarray(exponential_strengths(n, row["er"]))
            ratio = n / _expected_fourth(strengths, gains, np.ones(n))  # sum s^2 = N
            gaps.append(row["PR_S"] - ratio)
        assert np.isclose(gaps[0] / gaps[1], 4.0, rtol=0.02)  # a correction of order 1/N
        assert abs(gaps[1]) < 1e-3
        inverse = 1 / row["er"]
        theory = singular_value_ratio_from_rank(inverse, gain_ratio=row.get("PR_G", 1.0))
        # the 1/N term vanishes in this combination of the two sizes
        extrapolated = row["PR_S"] - (4 * gaps[1] - gaps[0]) / 3
        assert np.isclose(theory, extrapolated, rtol=1e-5)


def test_overlaps_have_their_correlation(key):
    n, rho = 20_000, np.array([0.7, -0.4, 0.0])
    operator = random_modes(n, jnp.ones(3), overlaps=rho, key=key)
    left, right = operator.operator1.as_matrix(), operator.operator2.as_matrix().T
    got = np.asarray(left.T @ right)  # covariances between all modes, standard error 1/sqrt N
    assert np.allclose(got, np.diag(rho), atol=4.5 / np.sqrt(n))
    norms = np.sum(np.asarray(right) ** 2, axis=0)
    assert np.allclose(norms, 1.0, atol=4.5 * np.sqrt(2 / n))


def _balanced_overlaps(strengths):
    """Positive on the strongest quarter, negative on the rest, with sum D rho = 0."""
    quarter = len(strengths) // 4
    weak = -0.8 * strengths[:quarter].sum() / strengths[quarter:].sum()
    return np.where(np.arange(len(strengths)) < quarter, 0.8, weak)


def test_balanced_overlaps_leave_the_singular_values_as_they_are(key):
    r"""At finite N, $N^{-1}E\sum s^2 = \langle D^2\rangle + \langle D\rho\rangle^2 + \langle
    D^2\rho^2\rangle/N$; and with $\langle D\rho\rangle = 0$ the ratio $PR^S$ has no new term."""
    gaps, errors = {}, {}
    for n, n_networks in ((40, 200), (160, 60)):
        strengths = np.asarray(exponential_strengths(n, 0.5))
        balanced = _balanced_overlaps(strengths)
        assert abs(np.sum(strengths * balanced)) < 1e-12
        assert np.abs(balanced).max() <= 1
        draw = lambda k, rho, n=n, d=strengths: random_modes(n, d, overlaps=rho, key=k)
        many = jax.jit(jax.vmap(lambda k, rho, f=draw: f(k, rho).as_matrix(), (0, None)))
        for name, rho in (("balanced", balanced), ("all alike", np.full(n, 0.8))):
            matrices = np.asarray(many(jr.split(key, n_networks), rho))
            self_coupling = np.trace(matrices, axis1=1, axis2=2) / n
            assert_mean_matches(self_coupling, np.mean(strengths * rho), max_error=0.01)
            second, fourth = _sums(matrices)
            exact = 1 + np.mean(strengths * rho) ** 2 + np.mean((strengths * rho) ** 2) / n
            assert_mean_matches(second / n, exact, max_error=0.03)
            inverse = n * fourth / second**2
            gaps[name, n] = inverse.mean() - (2 + 1 / 0.5)
            errors[name, n] = inverse.std(ddof=1) / np.sqrt(n_networks)
    assert errors["balanced", 160] < 0.03
    spread = np.hypot(errors["balanced", 160], errors["balanced", 40] / 4)
    assert abs(gaps["balanced", 160] - gaps["balanced", 40] / 4) < 4 * spread  # of order 1/N
    assert gaps["all alike", 160] > 10 * errors["all alike", 160]  # the sum rule is needed


def test_gains_are_diagonal_factors(key):
    n = 6
    weights, rows, columns = jr.normal(key, (n, n)), jnp.arange(1.0, 7.0), jnp.linspace(-1, 1, n)
    x = jnp.ones(n)
    operator = with_gains(weights, column_gains=columns, row_gains=rows)
    matrix = np.diag(rows) @ np.asarray(weights) @ np.diag(columns)
    assert np.allclose(operator.as_matrix(), matrix)
    assert np.allclose(operator.mv(x), matrix @ np.ones(n))
    assert np.allclose(with_gains(weights, row_gains=rows).mv(x), np.diag(rows) @ weights @ x)
    assert with_gains(operator) is operator


def test_weights_are_differentiable_in_gain_and_strengths(key):
    gain_of = lambda g: effective_gain(random_modes(12, exponential_strengths(12, 0.4, g), key=key))
    value, slope = jax.jit(jax.value_and_grad(gain_of))(2.0)
    assert np.isclose(slope, value / 2.0)


def test_orthogonal_bulk_is_uniform_over_the_group(key):
    n = 6
    matrices = _matrices(lambda k: orthogonal_bulk(n, 1.3, key=k), key, 4000) / 1.3
    assert np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(n), atol=1e-13)
    # Diaconis & Shahshahani: E tr O = 0, E (tr O)^2 = 1, E tr O^2 = 1; E O_ij^4 = 3/(N(N + 2))
    trace = np.trace(matrices, axis1=1, axis2=2)
    assert_mean_matches(trace, 0.0, max_error=0.02)
    assert_mean_matches(trace**2, 1.0, max_error=0.03)
    assert_mean_matches(np.trace(matrices @ matrices, axis1=1, axis2=2), 1.0, max_error=0.04)
    assert_mean_matches(np.mean(matrices**4, axis=(1, 2)), 3 / (n * (n + 2)), max_error=1e-3)


def test_uniform_eigenangles_are_not_those_of_plain_qr(key):
    """Without the signs of diag R the angles crowd around pi: tr O is of order root N below 0."""
    n, n_matrices = 64, 200
    ours = _matrices(lambda k: orthogonal_bulk(n, key=k), key, n_matrices)
    plain = np.linalg.qr(np.random.default_rng(4).standard_normal((n_matrices, n, n))).Q
    for matrices, is_uniform in ((ours, True), (plain, False)):
        trace = np.trace(matrices, axis1=1, axis2=2)
        # Haar: mean 0, variance 1
        assert (abs(np.mean(trace)) < 4 / n_matrices**0.5) == is_uniform


def test_rotational_bulk_keeps_its_singular_values_and_nothing_else(key):
    s = np.array([2.0, 1.5, 1.0, 0.5, 0.0])
    matrices = _matrices(lambda k: rotational_bulk(s, key=k), key, 3000)
    assert np.allclose(np.linalg.svd(matrices[:20], compute_uv=False), s, atol=1e-13)
    # the two sides turn independently: tr J has mean 0 and variance mean(s^2)
    trace = np.trace(matrices, axis1=1, axis2=2)
    assert_mean_matches(trace, 0.0, max_error=0.04)
    assert_mean_matches(trace**2, np.mean(s**2), max_error=0.05)
    assert np.isclose(singular_value_ratio(matrices[0]), participation_ratio(s**2))


@pytest.mark.parametrize("symmetry", [-1.0, -0.4, 0.3, 1.0])
def test_partial_symmetry_has_its_moments(key, symmetry):
    n, gain = 12, 1.4
    draw = lambda k, rho: partially_symmetric_bulk(n, gain, rho, key=k)
    matrices = _matrices(draw, key, 400, symmetry)
    off = ~np.eye(n, dtype=bool)
    transposed = matrices.transpose(0, 2, 1)
    square = np.mean(matrices[:, off] ** 2, axis=1) * n
    assert_mean_matches(square, gain**2, max_error=0.03)
    product = np.mean((matrices * transposed)[:, off], axis=1) * n
    assert_mean_matches(product, gain**2 * symmetry, max_error=0.03)
    diagonal = np.mean(np.diagonal(matrices, axis1=1, axis2=2) ** 2, axis=1) * n
    if symmetry == -1:
        assert not diagonal.any()
    else:
        assert_mean_matches(diagonal, gain**2 * (1 + symmetry), max_error=0.15)
    if abs(symmetry) == 1:
        assert np.array_equal(matrices, symmetry * transposed)


def test_partial_symmetry_is_differentiable(key):
    entry = lambda rho: partially_symmetric_bulk(4, 1.0, rho, key=key).as_matrix()[0, 1]
    assert np.isclose(jax.grad(entry)(0.3), central_difference(entry, 0.3), rtol=1e-7)


@pytest.mark.float32
def test_precision_follows_the_strengths(key):
    strengths = jnp.ones(4, jnp.float32)
    drawn = random_modes(5, strengths, overlaps=np.full(4, 0.5), key=key)
    assert drawn.as_matrix().dtype == jnp.float32
    assert rotational_bulk(strengths, key=key).as_matrix().dtype == jnp.float32
    assert orthogonal_bulk(4, jnp.float32(2), key=key).as_matrix().dtype == jnp.float32
    both = jnp.float32(1), jnp.float32(0.5)
    assert partially_symmetric_bulk(4, *both, key=key).as_matrix().dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda k: random_modes(0, jnp.ones(2), key=k), "`n_units` must be at least 1, got 0"),
        (lambda k: random_modes(5, jnp.ones((2, 2)), key=k), r"`strengths` must be a list.*2, 2"),
        (lambda k: random_modes(5, -jnp.ones(2), key=k), "`strengths` must not be negative, got 2"),
        (lambda k: random_modes(5, jnp.ones(2), overlaps=jnp.ones(3), key=k), r"\(2,\), got \(3,"),
        (lambda k: random_modes(5, jnp.ones(2), overlaps=1.5, key=k), r"lie in \[-1, 1\].*1.5"),
        (lambda k: with_gains(jnp.eye(3), row_gains=jnp.ones(2)), r"`row_gains`.*\(3,\), got \(2"),
        (lambda k: with_gains(jnp.eye(2), column_gains=np.array([1, np.nan])), "`column_gains`"),
        (lambda k: rotational_bulk(jnp.array([1.0, -1.0]), key=k), "`singular_values` must not be"),
        (lambda k: orthogonal_bulk(0, key=k), "`n_units` must be at least 1, got 0"),
        (lambda k: partially_symmetric_bulk(3, 1.0, 1.1, key=k), r"`symmetry` must lie.*got 1.1"),
    ],
)
def test_bad_input_is_named(key, call, words):
    with pytest.raises(ValueError, match=words):
        call(key)
