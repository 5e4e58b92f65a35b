"""Weights that carry the most information from one state to the next."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from rnngeo._progress import Progress, silent
from rnngeo._types import Key, Scalar
from rnngeo.files import provenance
from rnngeo.information import attractor_cycles, information_flux, row_norm_bound
from rnngeo.models import BinaryNetwork

from ._ascent import ascend
from ._evolution import Mutation, Population, evolve, found_population, pareto_front
from ._rookness import NearestRooks, nearest_rooks
from ._search import Keeper, Search
from ._training import check_count
from ._weight_limits import WeightLimit, largest_row_sum, limit_weights

_MOST_UNITS = 10
_CHUNK = 25  # generations between two looks at the clock, at most
_OPERATIONS = 1e10  # of elimination, between two looks at the clock
_MEMORY = 2**30  # bytes of the transition matrices that are worked on at once
_WEAKEST = 0.3  # share of the limit at which annealing begins
_ANNEALED = 0.7  # share of the generations or steps until the limit is reached
_N_FOUNDERS = 8  # first parents of each restart from which the ascent starts, too
_LOST = 1e-3  # bits within which a restart counts as having reached rooks


class FluxMaximum(eqx.Module):
    r"""The best matrix found, all others, and rooks to compare with; information in bits.

    Attributes:
        weights: W of the largest flux; jointly with cycles, of the largest merit.
        flux: I of it.
        mean_period: Mean length of the cycle reached without noise, over all starts, of it.
        restart_weights: The best of each restart.
        restart_flux: Its flux.
        restart_period: Its mean period.
        evolved_flux: Flux of the best parent of each restart before the ascent.
        history: Largest flux (and, jointly, mean period) among the parents after each generation;
            while weights are annealed, at their limit of the moment.
        front_weights: Jointly, the matrices that no other beats in both flux and period, else none.
        front_flux: Their fluxes, descending.
        front_period: Their mean periods.
        rooks: The rooks matrix nearest to `weights`.
        rooks_flux: Flux of rooks at the same limit, $N(1 - h_2(\sigma(w)))$.
        bound: What no matrix within the limit exceeds; under `ROW_L1` it is the flux of rooks.
        limit: w.
        constraint: What w limits.
    """

    weights: Float[np.ndarray, "n_units n_units"]
    flux: float
    mean_period: float
    restart_weights: Float[np.ndarray, "restart n_units n_units"]
    restart_flux: Float[np.ndarray, " restart"]
    restart_period: Float[np.ndarray, " restart"]
    evolved_flux: Float[np.ndarray, " restart"]
    history: Float[np.ndarray, "restart generation objective"]
    front_weights: Float[np.ndarray, "point n_units n_units"]
    front_flux: Float[np.ndarray, " point"]
    front_period: Float[np.ndarray, " point"]
    rooks: NearestRooks
    rooks_flux: float
    bound: float
    limit: float
    constraint: WeightLimit = eqx.field(static=True)

    @property
    def n_units(self) -> int:
        """Number of units N."""
        return len(self.weights)

    @property
    def rookness(self) -> float:
        """Share of the moduli of `weights` that the nearest rooks carry."""
        return self.rooks.share

    @property
    def merit(self) -> float:
        r"""$(I + \log_2 L)/N$ with the mean period L, at most 2."""
        return float(merit(self.n_units, self.flux, self.mean_period))

    @property
    def n_at_rooks(self) -> int:
        """Restarts within a thousandth of a bit of rooks, or above."""
        return int(np.sum(self.restart_flux >= self.rooks_flux - _LOST))


def merit(n_units: int, flux, mean_period):
    r"""One number for both aims, $F = I/N + \log_2(L)/N$.

    Args:
        n_units: N.
        flux: I in bits.
        mean_period: L.

    Returns:
        F, at most 2.

    Reference: derived here; the scalarisation of Metzner et al. (2024) is not known.
    """
    return (flux + np.log2(mean_period)) / n_units


class _Aim(eqx.Module):
    """Flux, and period if asked, of a matrix in units of the limit."""

    limit: Scalar
    first_share: Scalar
    n_moving: Scalar
    is_joint: bool = eqx.field(static=True)

    def flux(self, weights, i) -> Scalar:
        share = self.first_share + (1.0 - self.first_share) * i / self.n_moving
        network = BinaryNetwork(self.limit * jnp.minimum(share, 1.0) * weights)
        return information_flux(network).flux

    def __call__(self, weights, i) -> Array:
        flux = self.flux(weights, i)
        return jnp.stack([flux, _mean_period(weights)] if self.is_joint else [flux])


class _Limit(eqx.Module):
    constraint: WeightLimit = eqx.field(static=True)

    def __call__(self, weights):
        return limit_weights(weights, 1.0, self.constraint)


def _mean_period(weights) -> Scalar:
    return attractor_cycles(BinaryNetwork(weights)).mean_over_starts


def _over_restarts(function, rows, n_matrices: int, n_units: int):
    """`vmap`, in batches whose transition matrices fit into memory."""
    size = max(1, _MEMORY // (32 * n_matrices * 4 ** (n_units - 1)))
    return jax.lax.map(function, rows, batch_size=min(size, jax.tree.leaves(rows)[0].shape[0]))


@eqx.filter_jit
def _begin(aim, limit, n_units: int, n_parents: int, spread, keys) -> Population:
    def found(key):
        weights = spread * jr.normal(key, (n_parents, n_units, n_units))
        return found_population(aim, jax.vmap(limit)(weights))

    return _over_restarts(found, keys, n_parents, n_units)


@eqx.filter_jit
def _advance(aim, limit, populations, mutation, n_children: int, n: int, is_moving: bool, keys):
    def grow(row):
        return evolve(
            aim, row[0], n_generations=n, n_children=n_children, mutation=mutation, project=limit,
            is_moving=is_moving, key=row[1],
        )  # fmt: skip

    _, n_parents, n_units, _ = populations.weights.shape
    return _over_restarts(grow, (populations, keys), n_parents + n_children, n_units)


@eqx.filter_jit
def _climb(aim, limit, weights, n_steps: int, step, n_moving: int):
    climb = lambda w: ascend(
        aim.flux, w, n_steps=n_steps, step=step, n_moving=n_moving, project=limit
    )[0]
    return _over_restarts(climb, weights, 1, weights.shape[-1])


@eqx.filter_jit
def _judge(weights, limit):
    """Flux at the full limit and mean period of many matrices."""
    judge = lambda w: (information_flux(BinaryNetwork(limit * w)).flux, _mean_period(w))
    return _over_restarts(judge, weights, 1, weights.shape[-1])


def _n_at_once(n_fluxes: int, n_units: int, most: int) -> int:
    """Generations or starts, of so many fluxes each, between two looks at the clock."""
    return int(np.clip(_OPERATIONS / (n_fluxes * 8.0 ** (n_units - 1)), 1, most))


def _evolved(aim, project, search, n_generations, settings, keys, progress, keeper) -> Search:
    """All generations, in chunks."""
    mutation, n_children, is_moving = settings
    n_restarts, _, n_units, _ = search.population.weights.shape
    most = _n_at_once(n_restarts * n_children, n_units, _CHUNK)
    done = int(search.population.generation[0])
    left = n_generations - done
    chunk = next(n for n in range(most, 0, -1) if left % n == 0)  # compiled once
    progress("generations", done, n_generations)
    while done < n_generations:
        population, best = _advance(
            aim, project, search.population, mutation, n_children, chunk, is_moving, keys
        )
        history = search.history.at[:, done : done + chunk].set(best)
        search = search._replace(population=population, history=history)
        done += chunk
        keeper.keep(search, done == n_generations)
        progress("generations", done, n_generations)
    return search


def _ascended(climb, starts, n_steps: int, search, progress, keeper) -> Search:
    """The ascent from every start, in chunks of starts."""
    n_starts, n_units, _ = starts.shape
    size = _n_at_once(n_steps, n_units, n_starts)
    done = int(search.n_climbed)
    progress("ascents", done, n_starts)
    while done < n_starts:
        place = jnp.minimum(done + jnp.arange(size), n_starts - 1)  # one shape for all chunks
        n = min(size, n_starts - done)
        climbed = search.climbed.at[done : done + n].set(climb(starts[place])[:n])
        done += n
        search = search._replace(climbed=climbed, n_climbed=jnp.asarray(done))
        keeper.keep(search, done == n_starts)
        progress("ascents", done, n_starts)
    return search


def _check(n_units, limit, counts: dict[str, int]):
    if not 1 <= n_units <= _MOST_UNITS:
        raise ValueError(
            f"`n_units` must be from 1 to {_MOST_UNITS}, got {n_units}: every matrix on the way "
            f"asks for the exact flux, {8.0 ** (n_units - 1):.2g} operations each."
        )
    if not (np.isfinite(limit) and limit > 0):
        raise ValueError(f"`limit` must be a positive finite number, got {limit}.")
    for name in ("n_restarts", "n_parents", "n_children"):
        check_count(name, counts[name])
    for name in ("n_generations", "n_steps"):
        if counts[name] < 0:
            raise ValueError(f"`{name}` must be at least 0, got {counts[name]}.")
    if counts["n_generations"] + counts["n_steps"] == 0:
        raise ValueError("`n_generations` or `n_steps` must be at least 1, got 0 and 0.")
    if not jax.config.jax_enable_x64:
        raise ValueError(
            "`maximize_flux` needs float64 (`with jax.enable_x64(True):`), got float32: strong "
            "weights lose their stationary law there, and the search would avoid them."
        )


def maximize_flux(
    n_units: int,
    limit: float | int,
    *,
    constraint: WeightLimit = WeightLimit.BOX,
    is_joint: bool = False,
    n_restarts: int | None = None,
    n_generations: int = 500,
    n_parents: int | None = None,
    n_children: int | None = None,
    mutation: Mutation | None = None,
    start_std: float | int = 0.5,
    is_annealed: bool | None = None,
    n_steps: int = 300,
    step: float = 0.03,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
    key: Key,
) -> FluxMaximum:
    r"""Search the weights of largest information flux within a limit.

    Evolution of independent restarts, then projected gradient ascent from the best of each, and
    from its first parents: in a box the two come to rest at different optima. Without generations
    it is the ascent alone, without steps the evolution alone. Matrices are kept in units of the
    limit.

    Jointly with cycles the flux I and the mean period L over all starts of the map
    $x \to \mathrm{sign}(Wx)$ are both objectives; what no other matrix beats in both is kept
    through evolution. The ascent raises I of all parents, L is read again after it, and the front
    is taken of what was there before and after.

    Annealing begins at 0.3 of the limit and ends after 0.7 of the generations (of the steps, where
    there are no generations). Weak weights prefer dense rows inside a box, so it helps under limits
    on rows and harms in a box: with N = 5 and w = 5, of 64 restarts evolution brings 61 to rooks
    or above instead of 52 under `ROW_L2`, and none instead of 39 under `BOX`.

    Args:
        n_units: N, up to 10.
        limit: w.
        constraint: What w limits. Rooks are optimal under `ROW_L1` alone.
        is_joint: Whether long cycles are an objective too.
        n_restarts: Restarts, independent of each other and of their number. Default 32 up to six
            units, 16 above.
        n_generations: Generations.
        n_parents: Default 8, jointly 32.
        n_children: Default 32, jointly 64.
        mutation: How children differ, in units of the limit. Default `Mutation()`.
        start_std: Standard deviation of the first weights.
        is_annealed: Whether the limit is raised on the way. Default: not in a box.
        n_steps: Steps of the ascent.
        step: Their first size, in units of the limit.
        progress: Called along the way.
        checkpoint: `.npz` file that the search saves to, and resumes from bit for bit.
        key: Random key.

    Returns:
        `FluxMaximum`.

    Raises:
        ValueError: A bad argument, or float32.

    Cost: `n_restarts * n_generations * n_children` exact fluxes, a quarter more when annealed; of
    20 microseconds each for N = 5 on two cores, $8^N$ operations.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024); the algorithm is chosen here.
    """
    n_restarts = (32 if n_units <= 6 else 16) if n_restarts is None else n_restarts
    n_parents = (32 if is_joint else 8) if n_parents is None else n_parents
    n_children = (64 if is_joint else 32) if n_children is None else n_children
    counts = {"n_restarts": n_restarts, "n_generations": n_generations, "n_parents": n_parents,
              "n_children": n_children, "n_steps": n_steps}  # fmt: skip
    _check(n_units, limit, counts)
    for name, value in (("start_std", start_std), ("step", step)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be a positive finite number, got {value}.")
    is_annealed = constraint != WeightLimit.BOX if is_annealed is None else is_annealed
    mutation = Mutation() if mutation is None else mutation
    project, w = _Limit(constraint), jnp.asarray(limit, float)
    number = lambda value: jnp.asarray(value, float)
    moving = lambda share, n: _Aim(w, number(share), number(max(1, n)), is_joint)
    is_evolving = is_annealed and n_generations > 0
    aim = moving(_WEAKEST if is_evolving else 1.0, _ANNEALED * n_generations)
    keys = jax.vmap(lambda i: jr.split(jr.fold_in(key, i)))(jnp.arange(n_restarts))
    founders = _begin(aim, project, n_units, n_parents, start_std / w, keys[:, 0])
    n_first = n_parents if is_joint else 1  # parents of each restart that are looked at
    n_starts = n_first + min(_N_FOUNDERS, n_parents) if n_steps else 0
    history = jnp.full((n_restarts, n_generations, founders.scores.shape[-1]), jnp.nan)
    climbed = jnp.full((n_restarts * n_starts, n_units, n_units), jnp.nan)
    stamp = {"key": jr.key_data(key).tolist(), "limit": limit, "constraint": str(constraint),
             "n_units": n_units, "start_std": start_std, "step": step, "is_joint": is_joint,
             "is_annealed": is_annealed, **counts,
             "mutation": [np.asarray(value).tolist() for value in jax.tree.leaves(mutation)],
             }  # fmt: skip
    keeper = Keeper(checkpoint, provenance(stamp))
    search = keeper.restore(Search(founders, history, climbed, jnp.asarray(0)))
    settings = (mutation, n_children, is_evolving)
    search = _evolved(aim, project, search, n_generations, settings, keys[:, 1], progress, keeper)

    # all matrices, before and after the ascent; shape (restart, kind and parent, unit, unit)
    candidates = search.population.weights[:, :n_first]
    if n_steps:
        is_climbing = is_annealed and n_generations == 0
        n_moving = int(_ANNEALED * n_steps) if is_climbing else 0
        climbing = moving(_WEAKEST if is_climbing else 1.0, n_moving)
        starts = jnp.concatenate([candidates, founders.weights[:, :_N_FOUNDERS]], axis=1)
        climb = lambda rows: _climb(climbing, project, rows, n_steps, jnp.asarray(step), n_moving)
        flat = starts.reshape(-1, n_units, n_units)
        search = _ascended(climb, flat, n_steps, search, progress, keeper)
        candidates = jnp.concatenate([candidates, search.climbed.reshape(starts.shape)], axis=1)
    flat = candidates.reshape(-1, n_units, n_units)
    flux, period = (np.asarray(v).reshape(n_restarts, -1) for v in _judge(flat, w))
    every = np.asarray(limit * candidates)
    value = merit(n_units, flux, period) if is_joint else flux
    value = np.where(np.isfinite(value), value, -np.inf)
    rows, chosen = np.arange(n_restarts), np.argmax(value, axis=1)
    best = int(np.argmax(value[rows, chosen]))
    place = (best, chosen[best])
    front = np.zeros(0, int)
    if is_joint:
        front = pareto_front(np.stack([flux.ravel(), period.ravel()], axis=1))
    return FluxMaximum(
        weights=every[place],
        flux=float(flux[place]),
        mean_period=float(period[place]),
        restart_weights=every[rows, chosen],
        restart_flux=flux[rows, chosen],
        restart_period=period[rows, chosen],
        evolved_flux=flux[:, :n_first].max(axis=1),
        history=np.asarray(search.history),
        front_weights=every.reshape(-1, n_units, n_units)[front],
        front_flux=flux.ravel()[front],
        front_period=period.ravel()[front],
        rooks=nearest_rooks(every[place]),
        rooks_flux=_row_value(n_units, limit),
        bound=_row_value(n_units, largest_row_sum(n_units, limit, constraint)),
        limit=float(limit),
        constraint=constraint,
    )


def _row_value(n_units: int, field: float) -> float:
    """Flux of N units that all see fields of one modulus."""
    return float(row_norm_bound(BinaryNetwork(field * jnp.eye(n_units))))
