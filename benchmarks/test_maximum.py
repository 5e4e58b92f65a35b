"""How often the search for the largest flux reaches rooks, and how long it takes.

Run with `pytest benchmarks/test_maximum.py -n 0 --benchmark-only -s`; RNNGEO_BENCH_SMALL=1 shrinks
every size.
"""

import time

import jax
import jax.random as jr
import numpy as np
import pytest

from rnngeo.train import WeightLimit, maximize_flux


@pytest.mark.parametrize("constraint", [WeightLimit.BOX, WeightLimit.ROW_L2])
def test_seeds_that_reach_rooks(benchmark, pick, constraint):
    """N = 5, w = 5, default budget: ten seeds, of which eight should reach rooks."""
    n_seeds, n_units = pick((10, 5), (2, 2))
    budget = pick({}, {"n_restarts": 4, "n_generations": 50})
    with jax.enable_x64(True):
        found, seconds = [], []
        for seed in range(n_seeds):
            start = time.perf_counter()
            key = jr.key(seed)
            found.append(maximize_flux(n_units, 5.0, constraint=constraint, key=key, **budget))
            seconds.append(time.perf_counter() - start)
        flux = np.array([f.flux for f in found])
        reached = int(np.sum(flux >= found[0].rooks_flux - 1e-3))
        least, most = flux.min(), flux.max()
        print(f"\n{constraint}, N = {n_units}: {reached} of {n_seeds} seeds reach rooks")
        print(f"  rooks {found[0].rooks_flux:.6f}, found {least:.6f} to {most:.6f} bits")
        print(f"  first run {seconds[0]:.1f} s with compiling, then {np.median(seconds[1:]):.1f} s")
        restarts = found[0].restart_flux >= found[0].rooks_flux - 1e-3
        print(f"  of the restarts of the first seed {restarts.mean():.2f}")
        assert reached >= 0.8 * n_seeds
        once = lambda: maximize_flux(n_units, 5.0, constraint=constraint, key=jr.key(0), **budget)
        benchmark.pedantic(once, rounds=1)
