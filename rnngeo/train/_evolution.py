"""Evolution of matrices: the best of parents and children become the next parents."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rnngeo._types import Key, Scalar

Objective = Callable[[Float[Array, "n_units n_units"], Int[Array, ""]], Float[Array, " objective"]]
Projection = Callable[[Float[Array, "n_units n_units"]], Float[Array, "n_units n_units"]]


def _array(value) -> Array:
    return jnp.asarray(value, float)


class Mutation(eqx.Module):
    r"""How a child differs from its parent: $s\,\eta_{nm}$ on a random part of the entries.

    $s = s_0 10^U$ with U uniform, $\eta$ normal; each entry changes with a probability that is
    drawn for every child from a short list.

    Attributes:
        size: $s_0$, in the unit of the matrix.
        low: Least U.
        high: Largest U.
        densities: The list, each equally likely, shape `(choice,)`.

    Reference: derived here; the constants of Metzner et al., Neural Comput. 36, 351 (2024) are not
    known.
    """

    size: Scalar = eqx.field(converter=_array, default=0.1)
    low: Scalar = eqx.field(converter=_array, default=-1.5)
    high: Scalar = eqx.field(converter=_array, default=0.3)
    densities: Float[Array, " choice"] = eqx.field(converter=_array, default=(1.0, 0.3, 0.08))

    def __call__(
        self, parents: Float[Array, "child n_units n_units"], *, key: Key
    ) -> Float[Array, "child n_units n_units"]:
        """One child of each parent."""
        key_child, key_entry, key_step = jr.split(key, 3)
        shape = (parents.shape[0], 1, 1)
        u = jr.uniform(key_child, (2, *shape), parents.dtype)
        n_densities = self.densities.size
        choice = jnp.minimum((n_densities * u[0]).astype(int), n_densities - 1)
        is_changed = jr.uniform(key_entry, parents.shape, parents.dtype) < self.densities[choice]
        power = self.low + (self.high - self.low) * u[1]
        step = self.size * 10.0**power * jr.normal(key_step, parents.shape, parents.dtype)
        return parents + jnp.where(is_changed, step, 0.0)


class Population(eqx.Module):
    """The parents of one run; with one objective in order of merit.

    Attributes:
        weights: Their matrices.
        scores: Their objectives; minus infinity where one was not finite.
        generation: Generations done.
    """

    weights: Float[Array, "parent n_units n_units"]
    scores: Float[Array, "parent objective"]
    generation: Int[Array, ""]


def n_dominators(scores: Float[Array, "point objective"]) -> Int[Array, " point"]:
    """How many others are at least as good in all objectives and better in one.

    Of equals the first dominates the others, so with one objective this is the rank.

    Args:
        scores: Objectives, larger is better.

    Returns:
        The number for each point; zero for the non-dominated.
    """
    order = jnp.arange(scores.shape[0])
    as_good = jnp.all(scores[:, None] >= scores[None], axis=-1)
    better = jnp.any(scores[:, None] > scores[None], axis=-1)
    return jnp.sum(as_good & (better | (order[:, None] < order)), axis=0)


def is_non_dominated(scores: Float[Array, "point objective"]) -> Bool[Array, " point"]:
    """Whether no other point is better, or equal and earlier: the Pareto front."""
    return n_dominators(scores) == 0


def _spread(scores: Array, rank: Array, n_kept: int) -> Array:
    """The points of lowest rank; of equal ones the ends of the front, then always the farthest."""
    finite = jnp.isfinite(scores)
    low = jnp.min(jnp.where(finite, scores, jnp.inf), axis=0)
    high = jnp.max(jnp.where(finite, scores, -jnp.inf), axis=0)
    scaled = jnp.where(finite, (scores - low) / jnp.where(high > low, high - low, 1.0), -1.0)
    gaps = jnp.max(jnp.abs(scaled[:, None] - scaled[None]), axis=-1)  # 2 at most
    is_end = (rank == 0) & jnp.any(scores == high, axis=1)

    def choose(i, carry):
        merit, kept = carry
        j = jnp.argmax(merit)
        within = jnp.minimum(merit, gaps[j] - 4.0 * rank)
        return within.at[j].set(-jnp.inf), kept.at[i].set(j.astype(jnp.int32))

    merit = jnp.where(is_end, 3.5, 3.0) - 4.0 * rank
    kept = jnp.zeros(n_kept, jnp.int32)
    return jax.lax.fori_loop(0, n_kept, choose, (merit, kept))[1]


def _evaluate(objective: Objective, weights: Array, generation: Array) -> Array:
    scores = jax.vmap(lambda w: objective(w, generation))(weights)
    return jnp.where(jnp.isfinite(scores), scores, -jnp.inf)


def _select(weights: Array, scores: Array, n_parents: int) -> tuple[Array, Array]:
    rank = n_dominators(scores)
    if scores.shape[1] == 1:
        kept = jnp.argsort(rank)[:n_parents]
    else:
        kept = _spread(scores, rank, n_parents)
    return weights[kept], scores[kept]


def found_population(
    objective: Objective, weights: Float[Array, "parent n_units n_units"]
) -> Population:
    """The first parents.

    Args:
        objective: As in `evolve`.
        weights: Their matrices, within the limits.

    Returns:
        `Population`.
    """
    start = jnp.zeros((), jnp.int32)
    scores = _evaluate(objective, weights, start)
    return Population(*_select(weights, scores, weights.shape[0]), start)


@eqx.filter_jit
def evolve(
    objective: Objective,
    population: Population,
    *,
    n_generations: int,
    n_children: int = 32,
    mutation: Mutation | None = None,
    project: Projection | None = None,
    is_moving: bool = False,
    key: Key,
) -> tuple[Population, Float[Array, "generation objective"]]:
    r"""($\mu + \lambda$) evolution: $\lambda$ children of random parents; the best $\mu$ stay.

    With several objectives the best are those with the fewest dominators; where there are more of
    these than room, the ends of the front stay, then always the farthest from those that stay.
    Generation i draws from `fold_in(key, i)`, so two calls of n generations do what one of 2n does.
    One population; for restarts `vmap` over populations and keys.

    Args:
        objective: Function of a matrix and the generation; its values are to be large.
        population: The parents, as from `found_population`.
        n_generations: Generations to add.
        n_children: $\lambda$; half or more of the parents' number is sensible.
        mutation: Default `Mutation()`.
        project: Brings a child within the limits. Default: none.
        is_moving: Whether the objective depends on the generation, so that parents are judged anew.
        key: Random key of the run.

    Returns:
        The parents after, and the best of each objective in each generation.

    Cost: `n_children` evaluations a generation, and one a parent if `is_moving`.

    Reference: constants derived here. CMA-ES (package `cma`) with as many fluxes, N = 5 and w = 5,
    brings 0.19 of 32 runs to rooks in a box and 1.00 under `ROW_L2`; this 0.53 and 0.84, and 0.62
    and 0.94 with the ascent of `maximize_flux` after it (`benchmarks/test_maximum.py`).
    """
    mutation = Mutation() if mutation is None else mutation
    n_parents = population.weights.shape[0]

    def generation(population: Population, _):
        weights, scores, i = population.weights, population.scores, population.generation
        key_parent, key_child = jr.split(jr.fold_in(key, i))
        u = jr.uniform(key_parent, (n_children,), weights.dtype)
        parents = weights[jnp.minimum((n_parents * u).astype(int), n_parents - 1)]
        children = mutation(parents, key=key_child)
        if project is not None:
            children = jax.vmap(project)(children)
        everyone = jnp.concatenate([weights, children])
        if is_moving:
            scores = _evaluate(objective, everyone, i + 1)
        else:
            scores = jnp.concatenate([scores, _evaluate(objective, children, i + 1)])
        after = Population(*_select(everyone, scores, n_parents), i + 1)
        return after, jnp.max(after.scores, axis=0)

    return jax.lax.scan(generation, population, length=n_generations)


def pareto_front(scores: np.ndarray) -> np.ndarray:
    """Indices of the non-dominated points, in descending order of the first objective.

    Args:
        scores: Shape `(point, objective)`; rows that are not finite are left out.

    Returns:
        The indices.

    Cost: the square of the number of points.
    """
    finite = np.flatnonzero(np.isfinite(scores).all(axis=1))
    front = finite[np.asarray(is_non_dominated(jnp.asarray(scores[finite])))]
    return front[np.argsort(-scores[front, 0], kind="stable")]
