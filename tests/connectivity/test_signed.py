"""Signed ensembles: moments of every law, exact counts, symmetry, and flux against the table."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean_matches, machine_epsilon

from rnngeo.connectivity import Magnitude, signed_ensemble
from rnngeo.information import information_flux
from rnngeo.models import BinaryNetwork

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/information_flux.json").read_text())
N = 20


def _matrices(key, n_networks, **options):
    draw = lambda k: signed_ensemble(N, 1.5, key=k, **options).as_matrix()
    return np.asarray(jax.jit(jax.vmap(draw))(jr.split(key, n_networks)))


@pytest.mark.parametrize(
    ("law", "kurtosis", "modulus"),
    [
        (Magnitude.HALF_NORMAL, 3.0, np.sqrt(2 / np.pi)),
        (Magnitude.CONSTANT, 1.0, 1.0),
        (Magnitude.UNIFORM, 9 / 5, np.sqrt(3) / 2),
        (Magnitude.LOG_NORMAL, np.exp(4 * 0.3**2), np.exp(-0.5 * 0.3**2)),
    ],
)
def test_moments_of_every_law(key, law, kurtosis, modulus):
    d, b = 0.4, 0.5
    w = _matrices(key, 200, density=d, balance=b, magnitude=law, log_std=0.3) / 1.5
    means = [np.mean(w**power, axis=(1, 2)) for power in (1, 2, 4)]
    assert_mean_matches(means[0], d * b * modulus, max_error=4e-3)
    assert_mean_matches(means[1], d, max_error=4e-3)
    assert_mean_matches(means[2], d * kurtosis, max_error=3e-2)
    assert_mean_matches(np.mean(w != 0, axis=(1, 2)), d, max_error=4e-3)
    up = (w > 0).sum(axis=(1, 2)) / (w != 0).sum(axis=(1, 2))
    assert_mean_matches(up, (1 + b) / 2, max_error=4e-3)
    if law is Magnitude.CONSTANT:
        np.testing.assert_allclose(np.abs(w[w != 0]), 1.0, rtol=4 * machine_epsilon())
    if law is Magnitude.UNIFORM:
        assert np.sqrt(3) * 0.99 < np.abs(w).max() <= np.sqrt(3)


def test_dense_balanced_weights_are_normal(key):
    """Kolmogorov distance to N(0, w^2) against its 1e-4 quantile, 2.23/sqrt(n)."""
    from scipy.stats import norm

    w = np.sort(_matrices(key, 50).ravel())
    steps = np.arange(w.size) / w.size
    distance = lambda width: np.max(np.abs(norm.cdf(w / width) - steps))
    assert distance(1.5) < 2.23 / np.sqrt(w.size)
    assert distance(1.6) > 2.23 / np.sqrt(w.size)  # it could fail


@pytest.mark.parametrize("has_autapses", [True, False])
def test_exact_counts(key, has_autapses):
    w = _matrices(key, 30, density=0.31, balance=-0.2, is_exact=True, has_autapses=has_autapses)
    possible = N * N if has_autapses else N * (N - 1)
    present = round(0.31 * possible)
    assert set((w != 0).sum(axis=(1, 2))) == {present}
    assert set((w > 0).sum(axis=(1, 2))) == {round(0.4 * present)}
    places = (w != 0).mean(axis=0)
    assert_mean_matches(places[~np.eye(N, dtype=bool)], present / possible, max_error=6e-3)
    assert np.all(np.diagonal(w, axis1=1, axis2=2) == 0) == (not has_autapses)


def test_symmetry_is_the_correlation_and_keeps_the_law_of_entries(key):
    """One program for all settings; the correlation at c < 0 in closed form for any balance."""
    settings = np.array(
        [[c, d, b] for c in (-1, -0.5, 0.5, 1) for d, b in ((1, 0), (0.6, 0), (0.6, 0.7))]
    )
    n_traces = 0

    def draw(row, k):
        nonlocal n_traces
        n_traces += 1
        c, d, b = row
        return signed_ensemble(N, 1.0, density=d, balance=b, symmetry=c, key=k).as_matrix()

    many = jax.jit(jax.vmap(jax.vmap(draw, (None, 0)), (0, None)))
    matrices = np.asarray(many(jnp.asarray(settings), jr.split(key, 200)))
    assert n_traces == 1
    rows, columns = np.triu_indices(N, 1)
    for (c, d, b), w in zip(settings, matrices, strict=True):
        above, below = w[:, rows, columns], w[:, columns, rows]
        mean = d * b * np.sqrt(2 / np.pi)
        shared = d if c > 0 else d * (2 * abs(b) - 1)  # mean product of a pair of one draw
        covariance = abs(c) * (shared - mean**2)
        products = np.mean((above - mean) * (below - mean), axis=1)
        assert_mean_matches(products, covariance, max_error=0.012)
        for side in (above, below):
            assert_mean_matches(np.mean(side, axis=1), mean, max_error=6e-3)
            assert_mean_matches(np.mean(side**2, axis=1), d, max_error=9e-3)
        if c == 1:
            assert np.array_equal(above, below)
        if c == -1 and b == 0:
            assert np.array_equal(above, -below)
        if b == 0:  # the correlation is c itself
            assert covariance == pytest.approx(c * d)


def test_the_ends_of_the_ranges(key):
    # At b = 1 no draw may come out negative, mirrored or not; at d = 0 nothing is left.
    for c in (-1.0, 0.0, 1.0):
        up = signed_ensemble(N, 1.0, balance=1.0, symmetry=c, key=key).as_matrix()
        down = signed_ensemble(N, 1.0, balance=-1.0, symmetry=c, key=key).as_matrix()
        assert jnp.all(up > 0)
        assert jnp.all(down < 0)
    assert not jnp.any(signed_ensemble(N, 1.0, density=0.0, key=key).as_matrix())
    assert not jnp.any(signed_ensemble(N, 0.0, key=key).as_matrix())
    alone = signed_ensemble(1, 1.0, has_autapses=False, key=key).as_matrix()
    assert np.array_equal(alone, [[0.0]])


def test_gradient_and_dtype(key):
    total = lambda w: jnp.sum(signed_ensemble(N, w, density=0.5, key=key).as_matrix() ** 2)
    assert jax.grad(total)(1.5) == pytest.approx(2 * total(1.5) / 1.5)
    single = signed_ensemble(N, jnp.asarray(1.0, jnp.float32), density=0.5, is_exact=True, key=key)
    assert single.as_matrix().dtype == jnp.float32


def test_flux_of_the_ensemble_against_the_table(key):
    """Means of exact flux and entropy over 1000 networks, within 4 errors of both samples."""
    cases = {
        (1.0, 1.0, 0.0): GOLDEN["width_sweep"]["items"]["1"],
        (4.0, 1.0, 0.0): GOLDEN["width_sweep"]["items"]["4"],
        (1.0, 0.3, 0.0): GOLDEN["density_sweep"]["items"]["w=1,d=0.3"],
        (5.0, 0.3, 0.0): GOLDEN["density_sweep"]["items"]["w=5,d=0.3"],
        (1.0, 1.0, -1.0): GOLDEN["balance_sweep"]["items"]["w=1,b=-1"],
        (5.0, 1.0, 0.5): GOLDEN["balance_sweep"]["items"]["w=5,b=0.5"],
    }

    def flux(row, k):
        w, d, b = row
        network = BinaryNetwork(signed_ensemble(5, w, density=d, balance=b, key=k))
        result = information_flux(network)
        return result.flux, result.entropy

    many = jax.jit(jax.vmap(jax.vmap(flux, (None, 0)), (0, None)))
    values = np.asarray(many(jnp.asarray(list(cases)), jr.split(key, 1000)))
    allowance = 4 * np.sqrt(1 / 400 + 1 / 1000)
    for name, sampled in zip(("I", "H"), values, strict=True):
        table = np.array([case[name] for case in cases.values()])
        errors = np.array([case[name + "_sd"] for case in cases.values()]) * allowance
        assert np.all(np.abs(sampled.mean(axis=1) - table) < errors)
        apart = np.abs(table[:, None] - table)[np.triu_indices(len(table), 1)]
        assert np.median(apart) > 2 * errors.max()  # another setting would be noticed


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"n_units": 0}, "n_units"),
        ({"width": -1.0}, "width"),
        ({"width": np.inf}, "width"),
        ({"width": np.nan}, "width"),
        ({"density": 1.2}, "density"),
        ({"density": -0.1}, "density"),
        ({"balance": -1.5}, "balance"),
        ({"symmetry": 2}, "symmetry"),
        ({"log_std": -0.5}, "log_std"),
        ({"symmetry": 0.5, "is_exact": True}, "symmetry"),
    ],
)
def test_bad_input_is_named(key, options, name):
    arguments = {"n_units": 3, "width": 1.0, **options}
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        signed_ensemble(**arguments, key=key)
