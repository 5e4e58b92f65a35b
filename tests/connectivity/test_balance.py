"""Signed balance: its own conditions, a naive loop, invariance, and clear refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnngeo.connectivity import as_operator, balance_signed, effective_gain

N = 24


def _raw(seed=0, is_dale=False, n_excitatory=16):
    rng = np.random.default_rng(seed)
    counts = rng.lognormal(size=(N, N)) * (rng.random((N, N)) < 0.7)
    if is_dale:
        return counts * np.where(np.arange(N) < n_excitatory, 1.0, -1.0)
    return counts * rng.choice([-1.0, 1.0], size=(N, N))


def _norms(weights, axis):
    weights = np.asarray(weights)
    parts = np.maximum(weights, 0), np.maximum(-weights, 0)
    return [(part**2).sum(axis=axis) for part in parts]


def test_rows_and_columns_are_balanced():
    raw = _raw()
    balanced = balance_signed(raw, rtol=1e-12)
    for axis in (0, 1):
        assert np.allclose(_norms(balanced.weights, axis), 0.5, rtol=2e-12, atol=0)
    assert balanced.residual < 1e-12
    assert balanced.is_successful
    assert np.isclose(effective_gain(balanced.weights), 1.0)
    assert np.array_equal(np.sign(balanced.weights), np.sign(raw))
    assert np.array_equal(balanced.kept, np.arange(N))
    # what is left of the raw matrix: each sign has its own row and column factors
    for sign in (1, -1):
        mask = sign * raw > 0
        i, j = np.nonzero(mask)
        logs = np.log(np.asarray(balanced.weights)[mask] / raw[mask])
        design = np.zeros((i.size, 2 * N))
        design[np.arange(i.size), i] = design[np.arange(i.size), N + j] = 1
        fit = np.linalg.lstsq(design, logs, rcond=None)[0]
        assert np.allclose(design @ fit, logs, atol=1e-9)


@pytest.mark.parametrize("is_dale", [False, True])
def test_the_naive_alternation_agrees(is_dale):
    raw = _raw(1, is_dale)
    weights = raw.copy()
    for _ in range(400):
        for axis in (0, 1):  # columns to the norm 1/sqrt 2 for each sign, then rows
            positive, negative = (np.sqrt(2 * norm) for norm in _norms(weights, axis))
            shape = (1, N) if axis == 0 else (N, 1)
            safe = [np.where(v > 0, v, 1).reshape(shape) for v in (positive, negative)]
            weights = np.where(weights > 0, weights / safe[0], weights / safe[1])
    assert np.allclose(balance_signed(raw, rtol=1e-13).weights, weights, rtol=1e-10)


def test_under_dales_law_columns_of_a_sign_share_evenly():
    balanced = balance_signed(_raw(2, True, n_excitatory=16), rtol=1e-12).weights
    assert np.allclose(_norms(balanced, 1), 0.5, atol=1e-12)
    positive, negative = _norms(balanced, 0)
    assert np.allclose(positive[:16], N / (2 * 16))
    assert np.allclose(negative[16:], N / (2 * 8))


def test_balance_forgets_the_scales_of_rows_and_columns():
    rng = np.random.default_rng(3)
    raw = _raw(3)
    scaled = 1e-3 * np.diag(rng.lognormal(size=N)) @ raw @ np.diag(rng.lognormal(size=N))
    first, second = (balance_signed(as_operator(w), rtol=1e-12).weights for w in (raw, scaled))
    assert np.allclose(first, second, rtol=1e-10)


def _chain():
    """Neuron 0 has no input; 1 is excited by 0 alone; the other 22 are fine without them."""
    raw = _raw(4)
    raw[0] = 0
    raw[1] = -np.abs(raw[1])
    raw[1, 0] = 2.0
    raw[:, 0] = np.abs(raw[:, 0])
    return raw


def test_neurons_that_cannot_be_balanced_are_named_or_dropped_in_turn():
    raw = _chain()
    raw[5] = np.abs(raw[5])
    raw[:, 7] = 0
    words = (
        r"1 rows of zeros \(0\); 1 rows without negative entries \(5\); 1 columns of zeros \(7\)"
    )
    with pytest.raises(ValueError, match=words):
        balance_signed(raw)
    balanced = balance_signed(raw, drop=True, rtol=1e-12)
    assert np.array_equal(balanced.kept, np.setdiff1d(np.arange(N), [0, 1, 5, 7]))
    kept = np.ix_(balanced.kept, balanced.kept)
    again = balance_signed(raw[kept], rtol=1e-12).weights
    assert np.allclose(balanced.weights, again, rtol=1e-12)


def test_many_neurons_are_counted_and_the_first_are_listed():
    with pytest.raises(ValueError, match=r"24 rows without negative.*\(0, 1, .* 7, ...\)"):
        balance_signed(np.ones((N, N)))
    with pytest.raises(ValueError, match="no neurons left.*24 rows without negative entries"):
        balance_signed(np.ones((N, N)), drop=True)


def _without_a_balance():
    """Excitation onto rows 0 and 1 comes from column 0 alone: it cannot give 1/2 to both."""
    raw = np.where(np.eye(N, dtype=bool), -1.0, 1.0) * np.abs(_raw(5))
    raw[np.arange(N), (np.arange(N) + 1) % N] = 1.0
    raw[np.arange(N), (np.arange(N) + 2) % N] = -1.0
    raw[:2] = np.where(np.arange(N) == 0, 1.0, -1.0)
    return raw


def test_a_matrix_without_a_balance_is_reported():
    result = balance_signed(_without_a_balance(), max_steps=200, throw=False)
    assert not result.is_successful
    assert result.residual > 0.01
    assert result.n_iterations == 200
    with pytest.raises(RuntimeError, match="did not reach its tolerance"):
        balance_signed(_without_a_balance(), max_steps=200)


def test_other_matrices_do_not_recompile(caplog):
    balance_signed(_raw(7))
    with jax.log_compiles():
        balance_signed(_raw(8), rtol=1e-10)
        assert "_alternate" not in caplog.text
        jax.clear_caches()
        balance_signed(_raw(8))
    assert "_alternate" in caplog.text


@pytest.mark.float32
def test_single_precision_is_kept():
    balanced = balance_signed(_raw(6).astype(np.float32))
    assert balanced.weights.dtype == jnp.float32
    assert balanced.is_successful
    assert np.allclose(_norms(balanced.weights, 0), 0.5, rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: balance_signed(np.ones((2, 3))), r"must be square.*\(2, 3\)"),
        (lambda: balance_signed(np.ones((0, 0))), r"at least one unit, got shape \(0, 0\)"),
        (lambda: balance_signed(np.ones(3)), "must be a matrix"),
        (lambda: balance_signed(np.array([[1.0, np.nan], [np.inf, 1]])), "got 2 NaN or infinite"),
        (lambda: balance_signed(_raw(), max_steps=0), "`max_steps` must be at least 1, got 0"),
        (lambda: balance_signed(_raw(), rtol=0.0), "`rtol` must be positive, got 0.0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
