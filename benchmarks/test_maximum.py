"""How often the search for the largest flux reaches rooks, how long it takes, and how CMA-ES does.

Run with `pytest benchmarks/test_maximum.py -n 0 --benchmark-only -s`; RNNGEO_BENCH_SMALL=1 shrinks
every size.
"""

import time

import cma
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from rnngeo.information import information_flux
from rnngeo.models import BinaryNetwork
from rnngeo.train import WeightLimit, limit_weights, maximize_flux


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


def _by_cma(n_units, constraint, n_restarts, n_generations, n_children):
    """Largest flux of each run of package `cma`, in units of the limit 5, all in step."""
    n = n_units**2

    @jax.jit
    def fluxes(rows):
        weights = rows.reshape(-1, n_units, n_units)
        limited = jax.vmap(lambda w: limit_weights(w, 1.0, constraint))(weights)
        flux = lambda w: information_flux(BinaryNetwork(5.0 * w)).flux
        found = jax.lax.map(flux, limited, batch_size=128)
        # those beyond the limit count as what they are moved to, less the way
        return found - jnp.sum((weights - limited) ** 2, axis=(1, 2)), found

    runs = [
        cma.CMAEvolutionStrategy(
            0.1 * np.random.default_rng(seed).normal(size=n), 0.3,
            {"popsize": n_children, "seed": seed + 1, "verbose": -9, "maxiter": n_generations},
        )
        for seed in range(n_restarts)
    ]  # fmt: skip
    best = np.full(n_restarts, -np.inf)
    for _ in range(n_generations):
        asked = np.array([run.ask() for run in runs])
        merit, found = (np.asarray(v).reshape(n_restarts, -1) for v in fluxes(asked))
        for run, rows, values in zip(runs, asked, merit, strict=True):
            run.tell(list(rows), list(-values))
        best = np.maximum(best, found.max(axis=1))
    return best


def test_beside_cma_es(benchmark, pick):
    """Share of the runs of N = 5, w = 5 at rooks or above, of as many fluxes each, no ascent."""
    n_units, *numbers = pick((5, 32, 500, 32), (2, 2, 20, 8))
    names = ("n_restarts", "n_generations", "n_children")
    with jax.enable_x64(True):
        for constraint in pick((WeightLimit.BOX, WeightLimit.ROW_L2), (WeightLimit.BOX,)):
            start = time.perf_counter()
            found = maximize_flux(
                n_units, 5.0, constraint=constraint, n_steps=0, key=jr.key(0),
                **dict(zip(names, numbers, strict=True)),
            )  # fmt: skip
            middle = time.perf_counter()
            by_cma = _by_cma(n_units, constraint, *numbers)
            end = time.perf_counter()
            print(f"\n{constraint}, N = {n_units}, {dict(zip(names, numbers, strict=True))}")
            for name, flux, seconds in (
                ("evolution", found.restart_flux, middle - start),
                ("CMA-ES", by_cma, end - middle),
            ):
                reached = np.mean(flux >= found.rooks_flux - 1e-3)
                print(f"  {name:9s} {reached:.2f} at rooks, best {flux.max():.6f}, {seconds:.0f} s")
        benchmark.pedantic(lambda: _by_cma(2, WeightLimit.BOX, 2, 20, 8), rounds=1)
