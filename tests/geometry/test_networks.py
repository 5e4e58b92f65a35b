"""Networks of known dimension, from couplings to the estimate."""

import json
from functools import lru_cache
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.optimize import brentq

from rnngeo.connectivity import orthogonal_bulk
from rnngeo.geometry import (
    accumulate_covariances,
    autocovariance,
    block_products,
    corrected_participation_ratio,
    cross_participation_ratio,
    harmonic_mean,
    independent_samples,
    naive_participation_ratio,
)
from rnngeo.models import RateFlow, RateMap


def _erf(x):
    return jax.scipy.special.erf(0.5 * jnp.sqrt(jnp.pi) * x)


@lru_cache
def _golden(group):
    path = Path(__file__).parents[1] / "golden" / "random_modes.json"
    (entry,) = (e for e in json.loads(path.read_text())["golden"] if e["id"] == group)
    return entry["rows"]


def _discrete_theory(gain):
    """r = (g <phi'>)^4 of x' = J phi(x) with erf: PR of rates 1 - r, of currents (1-r)/(2-r)."""
    variance_of_rate = lambda d: 2 / np.pi * np.arcsin(np.pi / 2 * d / (1 + np.pi / 2 * d))
    d = brentq(lambda d: d - gain**2 * variance_of_rate(d), 1e-3, gain**2)
    slope = (1 + np.pi * d / 2) ** -0.5
    return variance_of_rate(d), d, (gain * slope) ** 4


@pytest.mark.theory
def test_chaotic_map_with_independent_couplings(key):
    """Discrete time has no memory beyond one step: every estimator has a closed prediction."""
    n_units, n_networks, gain = 300, 6, 3.0
    variance, d, r = _discrete_theory(gain)
    theory = {"rates": 1 - r, "currents": (1 - r) / (2 - r)}
    estimates = {name: [] for name in theory}
    for i in range(n_networks):
        key_weights, key_start = jr.split(jr.fold_in(key, i))
        weights = gain * jr.normal(key_weights, (n_units, n_units)) / n_units**0.5
        run = accumulate_covariances(
            RateMap(weights, nonlinearity=_erf), gain * jr.normal(key_start, (8, n_units)),
            block_time=100, n_blocks=1, transient=50, max_delay=4,
        )  # fmt: skip
        for name in theory:
            products = block_products(getattr(run, name))
            estimates[name].append(
                [
                    f(products)
                    for f in (
                        cross_participation_ratio, corrected_participation_ratio,
                        naive_participation_ratio, independent_samples, autocovariance,
                    )
                ]
            )  # fmt: skip
    for name, expected in theory.items():
        cross, corrected, naive, samples, delayed = (
            [e[k].value for e in estimates[name]] for k in range(5)
        )
        mean = harmonic_mean(jnp.asarray(cross))
        assert mean.error < 0.02 * expected
        assert abs(mean.value - expected) < 4 * mean.error + 2 / n_units * expected
        # 800 samples, all independent: the naive estimate and the number of samples follow.
        predicted = 1 / (1 / expected + n_units / 800)
        assert abs(np.mean(naive) / predicted - 1) < 0.03
        gap = np.asarray(cross) - np.asarray(naive)  # of the same networks
        assert gap.mean() > 10 * gap.std(ddof=1) / n_networks**0.5
        assert abs(np.mean(corrected) / np.mean(cross) - 1) < 0.02
        assert abs(np.mean(samples) / 800 - 1) < 0.02
        exact = variance if name == "rates" else d
        assert abs(np.mean(delayed, axis=0)[0] / exact - 1) < 0.01
        # At other delays C vanishes on average over networks, not in each.
        error = np.std(delayed, axis=0, ddof=1)[1:] / n_networks**0.5
        assert np.all(error < 0.04 * exact)
        assert np.all(np.abs(np.mean(delayed, axis=0)[1:]) < 4 * error)


@pytest.mark.slow
@pytest.mark.theory
def test_orthogonal_couplings_at_gain_three(key):
    """PR, variance, autocovariance and number of samples of a chaotic flow: the published run."""
    n_units, n_replicas, time = 800, 16, 400.0
    (row,) = (r for r in _golden("network_simulations") if r["case"] == "orthogonal g=3")
    key_weights, key_start = jr.split(key)
    network = RateFlow(orthogonal_bulk(n_units, 3.0, key=key_weights), nonlinearity=_erf)
    run = accumulate_covariances(
        network, 3 * jr.normal(key_start, (n_replicas, n_units)), block_time=time, n_blocks=1,
        transient=60.0, dt=0.2, max_delay=20.0,
    )  # fmt: skip
    for products, variance, pr in (
        (block_products(run.rates), row["C0"][1], row["PR_phi"][1]),
        (block_products(run.currents), row["Cx0"][1], row["PR_x"][1]),
    ):
        cross = cross_participation_ratio(products)
        assert cross.error < 0.015 * pr
        # Offset -12.3(1.6)/N, from 10, 6 and 3 Haar matrices of N = 150, 300 and 600; matrices of
        # 300 and 600 scatter by 1.6 and 1.3 percent.
        expected = pr * (1 - 12.3 / n_units)
        assert abs(cross.value - expected) < 3 * np.hypot(cross.error, 0.013 * pr)
        corrected = corrected_participation_ratio(products)
        assert abs(corrected.value / cross.value - 1) < 0.01
        naive = naive_participation_ratio(products)
        assert pr - naive.value > 15 * naive.error
        samples = independent_samples(products)
        predicted = 1 / (1 / cross.value + n_units / samples.value)
        assert abs(naive.value / predicted - 1) < 0.01
        single = autocovariance(products)
        assert abs(single.value[0] / variance - 1) < 0.01
    rates = block_products(run.rates)
    first = lambda a: a[:8] if a.shape[:1] == (n_replicas,) else a
    eight = block_products(jax.tree.map(first, run.rates))  # as in the published run
    assert abs(naive_participation_ratio(eight).value / row["PR_phi_naive"] - 1) < 0.03
    (ratio,) = (r["T_over_Teff"] for r in _golden("finite_sample") if r.get("g") == 3.0)
    samples = independent_samples(rates)
    assert abs(n_replicas * time / samples.value / ratio - 1) < 0.03
    (course,) = _golden("Cphi_normalised")
    c = autocovariance(rates)
    lags = np.array(course["tau"])
    assert np.all(np.abs(c.value[lags] / c.value[0] - np.array(course["ratio"])) < 0.02)
