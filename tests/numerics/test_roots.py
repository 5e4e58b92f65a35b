"""Roots against closed forms: simple, double, at nodes, differentiated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import machine_epsilon
from hypothesis import given
from hypothesis import strategies as st

from rnngeo.numerics import bracketed_minimum, bracketed_root, find_roots


def a(x):
    return jnp.asarray(x, jnp.result_type(float))


@pytest.mark.float32
def test_root_to_rounding():
    for fn, low, high, root in (
        (lambda x: x**3 - 2, 0, 2, 2 ** (1 / 3)),
        (lambda x: jnp.cos(x) - x, 0, 1, 0.7390851332151607),
        (lambda x: jnp.expm1(20 * x), -3, 1, 0.0),
        (lambda x: jnp.arctan(1e4 * (x - 0.3)), -5, 5, 0.3),
    ):
        error = abs(float(bracketed_root(fn, a(low), a(high))) - root)
        assert error <= 4 * machine_epsilon() * max(abs(root), 1e-2)


@pytest.mark.float32
def test_ends_of_the_bracket():
    assert float(bracketed_root(lambda x: x - 1, a(1.0), a(3.0))) == 1.0
    assert float(bracketed_root(lambda x: x - 3, a(1.0), a(3.0))) == 3.0
    assert np.isnan(float(bracketed_root(lambda x: x + 1, a(1.0), a(3.0))))
    assert np.isnan(float(bracketed_root(lambda x: x * jnp.nan, a(1.0), a(3.0))))


def test_reversed_bracket():
    np.testing.assert_allclose(bracketed_root(lambda x: x**2 - 2, a(2.0), a(0.0)), np.sqrt(2))


def test_implicit_derivatives_to_second_order():
    root = lambda c: bracketed_root(lambda x: x**3 - c, a(0.0), a(5.0))
    c = 2.0
    np.testing.assert_allclose(jax.grad(root)(c), c ** (-2 / 3) / 3, rtol=1e-12)
    np.testing.assert_allclose(jax.grad(jax.grad(root))(c), -2 / 9 * c ** (-5 / 3), rtol=1e-12)


def test_root_vmap_is_loop():
    root = lambda c: bracketed_root(lambda x: jnp.sinh(x) - c, a(-9.0), a(9.0))
    c = jnp.linspace(-50, 50, 7)
    np.testing.assert_allclose(jax.vmap(root)(c), jnp.arcsinh(c), rtol=1e-14)
    np.testing.assert_allclose(jax.vmap(root)(c), jnp.stack([root(x) for x in c]), rtol=0)


def test_minimum():
    for fn, low, mid, high, place in (
        (lambda x: (x - 0.3) ** 2, -1, 0, 2, 0.3),
        (lambda x: jnp.cosh(x - 1) - 1, -4, 0, 3, 1.0),
        (lambda x: jnp.abs(x + 0.2) ** 1.5, -1, 0, 2, -0.2),
        (lambda x: -1 / (1 + 50 * (x - 0.7) ** 2), 0, 1, 2, 0.7),
    ):
        x, value = bracketed_minimum(fn, a(low), a(mid), a(high))
        assert abs(float(x) - place) < 1e-6
        np.testing.assert_allclose(value, fn(x))


def test_minimum_stops_below():
    x, value = bracketed_minimum(lambda x: x**2 - 1, a(-3.0), a(0.5), a(3.0), stop_below=0.0)
    assert float(value) <= 0
    assert float(value) == float(x) ** 2 - 1


@pytest.mark.float32
def test_close_pair_in_one_cell():
    gap = 1e-5 if machine_epsilon() < 1e-10 else 2e-2
    fn = lambda x: jnp.sin(x) * (x - 1.3) * (x - 1.3 - gap)
    roots, count = jax.jit(lambda g: find_roots(fn, g))(jnp.linspace(a(-5.0), a(6.0), 40))
    expected = [-np.pi, 0.0, 1.3, 1.3 + gap, np.pi]
    assert int(count) == 5
    np.testing.assert_allclose(roots[:5], expected, atol=200 * machine_epsilon() / gap)
    assert np.all(np.isnan(roots[5:]))


@pytest.mark.float32
def test_zeros_on_nodes_count_once():
    grid = jnp.linspace(a(-2.0), a(2.0), 9)
    for fn, expected in (
        (lambda x: x, [0.0]),
        (lambda x: x**2, [0.0]),
        (lambda x: x * (x - 0.5) * (x + 2), [-2.0, 0.0, 0.5]),
        (lambda x: x**2 + 1e-3, []),
    ):
        roots, count = jax.jit(lambda g, fn=fn: find_roots(fn, g, max_roots=4))(grid)
        assert int(count) == len(expected)
        np.testing.assert_allclose(roots[: len(expected)], expected, atol=1e-6)


def test_overflow_of_roots_and_gaps_of_values():
    search = lambda fn, grid: jax.jit(lambda g: find_roots(fn, g, max_roots=3))(grid)
    roots, count = search(jnp.sin, jnp.linspace(0.1, 40.0, 100))
    assert int(count) == 3
    np.testing.assert_allclose(roots, np.pi * np.arange(1, 4))
    roots, count = search(lambda x: jnp.log(x) - 1, jnp.linspace(-1.0, 5.0, 13))
    np.testing.assert_allclose(roots[0], np.e)
    assert int(count) == 1


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=5, unique=True))
def test_roots_of_polynomials(expected):
    expected = np.sort(np.asarray(expected))
    if expected.size > 1 and np.min(np.diff(expected)) < 0.3:
        return
    padded = jnp.asarray(np.concatenate([expected, np.full(5 - expected.size, 1e3)]))
    roots, count = _polynomial_roots(padded)
    assert int(count) == expected.size
    np.testing.assert_allclose(roots[: expected.size], expected, atol=1e-10)


@jax.jit
def _polynomial_roots(zeros):
    return find_roots(lambda x: jnp.prod(x - zeros), jnp.linspace(-4.5, 4.55, 70), max_roots=5)


def test_roots_vmap_and_gradient():
    grid = jnp.linspace(-3.0, 3.0, 20)
    pair = lambda c: find_roots(lambda x: x**2 - c, grid, max_roots=2)[0]
    c = jnp.asarray([0.01, 1.0, 4.0])
    both = lambda c: (pair(c)[1], jax.grad(lambda c: pair(c)[1])(c))
    roots, slopes = jax.jit(jax.vmap(both))(c)
    np.testing.assert_allclose(roots, jnp.sqrt(c), rtol=1e-13)
    np.testing.assert_allclose(slopes, 0.5 / np.sqrt(c), rtol=1e-12)


def test_bad_arguments():
    with pytest.raises(ValueError, match="grid"):
        find_roots(lambda x: x, jnp.zeros(2))
    with pytest.raises(ValueError, match="max_roots"):
        find_roots(lambda x: x, jnp.zeros(4), max_roots=0)
