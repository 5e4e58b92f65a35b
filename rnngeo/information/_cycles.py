"""Where a network goes when its noise is taken away: the cycles of the sign map."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rnngeo.models import BinaryNetwork

from ._states import state_index, states_at

_BLOCK = 2**16  # states whose fields are in memory at once
_MOST_UNITS = 28


class Cycles(eqx.Module):
    r"""Cycles that the $2^N$ states of a deterministic map end on, in the order of `state_table`.

    Results of `vmap` carry leading axes; the means, `longest` and `n_cycles` follow them, the
    lists `lengths` and `basin_sizes` need a single network.

    Attributes:
        next_state: Index of the following state.
        period: Length of the cycle reached.
        label: Smallest index of a state on the cycle reached.
        has_ties: Whether a field is exactly zero in some state, so that the tie rule matters.
    """

    next_state: Int[Array, " state"]
    period: Int[Array, " state"]
    label: Int[Array, " state"]
    has_ties: Bool[Array, ""]

    @property
    def _is_first(self) -> Bool[Array, "*batch state"]:
        """One state a cycle, the one that names it."""
        return self.label == jnp.arange(self.label.shape[-1])

    @property
    def n_cycles(self) -> Int[Array, "*batch"]:
        """Number of distinct cycles."""
        return jnp.sum(self._is_first, axis=-1)

    @property
    def mean_over_starts(self) -> Float[Array, "*batch"]:
        r"""Mean length over all starts, $2^{-N} \sum_x L(x)$: large basins count more."""
        return jnp.mean(self.period.astype(float), axis=-1)

    @property
    def mean_over_cycles(self) -> Float[Array, "*batch"]:
        """Mean length over the distinct cycles, each counted once."""
        return jnp.sum(jnp.where(self._is_first, self.period, 0), axis=-1) / self.n_cycles

    @property
    def longest(self) -> Int[Array, "*batch"]:
        """Length of the longest cycle."""
        return jnp.max(self.period, axis=-1)

    @property
    def lengths(self) -> np.ndarray:
        """Length of every cycle, descending."""
        return self._table()[0]

    @property
    def basin_sizes(self) -> np.ndarray:
        """Number of states that end on each cycle, itself included; in the order of `lengths`."""
        return self._table()[1]

    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        label, period = np.asarray(self.label), np.asarray(self.period)
        if label.ndim != 1:
            raise ValueError(f"`lengths` are of one network, got batch shape {label.shape[:-1]}.")
        names, sizes = np.unique(label, return_counts=True)
        lengths = period[names]
        order = np.lexsort((names, -sizes, -lengths))
        return lengths[order], sizes[order]


def _follow(network: BinaryNetwork, tie: int) -> tuple[Array, Array]:
    """The sign map on indices of states, a block at a time, and whether any field is zero."""
    n = network.n_units

    def block(indices):
        with jax.default_matmul_precision("highest"):
            fields = jax.vmap(network.field)(states_at(indices, n))
        is_up = fields >= 0 if tie == 1 else fields > 0
        return state_index(jnp.where(is_up, 1.0, -1.0)).astype(jnp.int32), jnp.any(fields == 0)

    indices = jnp.arange(2**n, dtype=jnp.int32).reshape(-1, min(_BLOCK, 2**n))
    following, has_ties = jax.lax.map(block, indices)
    return following.reshape(-1), jnp.any(has_ties)


def orbit_labels(following: Int[Array, " state"]) -> tuple[Array, Array]:
    r"""Period and smallest member of the cycle that each state of a map ends on.

    Pointer doubling: after N rounds of $f \leftarrow f \circ f$ every state has landed on its
    cycle, and the running minimum has gone once around it.
    """
    size = following.size
    least = jnp.arange(size, dtype=following.dtype)

    def double(_, carry):
        jump, least = carry
        return jump[jump], jnp.minimum(least, least[jump])

    n_rounds = (size - 1).bit_length()
    landed, least = jax.lax.fori_loop(0, n_rounds, double, (following, least))
    label = least[landed]
    is_cyclic = jnp.zeros(size, bool).at[landed].set(True)
    count = jnp.zeros(size, following.dtype).at[label].add(is_cyclic.astype(following.dtype))
    return count[label], label


@eqx.filter_jit
def _cycles(network: BinaryNetwork, tie: int) -> Cycles:
    following, has_ties = _follow(network, tie)
    period, label = orbit_labels(following)
    return Cycles(following, period, label, has_ties)


def attractor_cycles(network: BinaryNetwork, *, tie: int = 1) -> Cycles:
    r"""Cyclic attractors of the network without noise, $f(x) = \mathrm{sign}(W x + b)$.

    Every state ends on a cycle of some period L(x). A common factor of weights and bias changes
    nothing, unless rounding turns a field that is zero into one that is not, or back.

    Args:
        network: The network, N units; input noise is ignored.
        tie: Sign given to a field that is exactly zero, 1 or -1. Without bias the two maps mirror
            each other, and their cycles have the same lengths.

    Returns:
        `Cycles`; under `jit` and `vmap` too, but for its lists.

    Raises:
        ValueError: Another tie, or more than 28 units.

    Cost: $2^N N^2$ operations for the fields, $2N$ gathers and two scatters of $2^N$ numbers;
    memory some 20 bytes a state.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024); the two means and the algorithm are
    chosen here.
    """
    if tie not in (1, -1):
        raise ValueError(f"`tie` must be 1 or -1, got {tie}.")
    if network.n_units > _MOST_UNITS:
        raise ValueError(
            f"`network` has {network.n_units} units, all cycles can be listed up to "
            f"{_MOST_UNITS}; for rooks see `rooks_cycle_counts`."
        )
    return _cycles(network, tie)
