"""Information flux from recorded states."""

import enum

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rnngeo._types import Scalar
from rnngeo.models import BinaryNetwork

from ._states import LN2, binary_entropy, entropy, state_index
from ._trajectories import are_stuck, as_replicas, mean_and_error

_MOST_CELLS = 2**26
_BLOCK = 4096  # states at once


class FluxEstimator(enum.Enum):
    r"""How to turn n transitions into a flux; K are numbers of occupied cells.

    Attributes:
        PLUG_IN: $H(x) + H(x') - H(x, x')$ of the counts. Biased upwards by about $4^N/(2n\ln 2)$.
        MILLER_MADOW: The same less $(K_{xx'} - K_x - K_{x'} + 1)/(2n\ln 2)$.
        RAO_BLACKWELL: $H(x) - \langle g(x)\rangle$ with the known entropy g of a step; only the
            states are counted. Biased downwards by about $2^N/(2n\ln 2)$.
        RAO_BLACKWELL_CORRECTED: The same plus $(K_x - 1)/(2n\ln 2)$.

    The corrections take samples for independent: strong autocorrelation leaves a bias.
    """

    PLUG_IN = "plug_in"
    MILLER_MADOW = "miller_madow"
    RAO_BLACKWELL = "rao_blackwell"
    RAO_BLACKWELL_CORRECTED = "rao_blackwell_corrected"

    @property
    def counts_pairs(self) -> bool:
        """Whether pairs of states are counted, in $4^N$ cells, rather than states alone."""
        return self in (FluxEstimator.PLUG_IN, FluxEstimator.MILLER_MADOW)

    @property
    def is_corrected(self) -> bool:
        """Whether the first order of the bias is taken off."""
        return self in (FluxEstimator.MILLER_MADOW, FluxEstimator.RAO_BLACKWELL_CORRECTED)


class FluxEstimate(eqx.Module):
    r"""Flux of a window of T states, in bits: *not* the ergodic flux of `information_flux`.

    Each replica is a window of its own, with the law of the states it has visited. The two fluxes
    agree where the window is many relaxation times long. A strongly coupled network is trapped in a
    part of its states for the whole window, whose flux is then smaller, whatever the estimator; the
    spread over replicas shows it.

    Attributes:
        flux: Mean over replicas.
        error: Its standard error, from the spread over replicas; NaN for a single one.
        by_replica: The estimates, shape `(replica,)`.
        n_visited: Numbers of states visited, shape `(replica,)`.
        is_stuck: Units that keep one sign in a window, shape `(replica, n_units)`.
        n_transitions: Transitions in a window.
    """

    flux: Scalar
    error: Scalar
    by_replica: Float[Array, " replica"]
    n_visited: Float[Array, " replica"]
    is_stuck: Bool[Array, "replica n_units"]
    n_transitions: int = eqx.field(static=True)


def _check_samples(n_transitions, n_units, estimator, units, is_undersampling_allowed) -> None:
    n_cells = 4**n_units if estimator.counts_pairs else 2**n_units
    if n_cells > _MOST_CELLS:
        raise ValueError(
            f"`estimator` {estimator.name} counts {n_cells:.3g} cells of {n_units} units, at most "
            f"{_MOST_CELLS:.3g} are taken. `flux_bracket` bounds the flux of large networks."
        )
    if n_transitions >= n_cells or is_undersampling_allowed:
        return
    most = max(0, (n_transitions.bit_length() - 1) // 2)
    if estimator.counts_pairs and n_transitions >= 2**n_units and units is None:
        other = "`FluxEstimator.RAO_BLACKWELL_CORRECTED` would do with this window"
    else:
        other = "`flux_bracket` would do, from many independent pairs"
    if most > 0:
        other += f", or a plug-in lower bound from at most {most} of the `units`"
    raise ValueError(
        f"`xs` has {n_transitions} transitions in a window, fewer than the {n_cells} cells that "
        f"{estimator.name} counts for {n_units} units. {other}."
    )


def _law(cells: Array, n_cells: int) -> tuple[Array, Array]:
    """Relative counts and the number of occupied cells."""
    counts = jnp.bincount(cells, length=n_cells)
    return counts / (1.0 * cells.size), jnp.sum(counts > 0)


def _from_pairs(x: Array, is_corrected: bool) -> tuple[Array, Array]:
    """Plug-in flux of one window, and the number of states visited."""
    n = 2 ** x.shape[1]
    codes = state_index(x)
    before, after = codes[:-1], codes[1:]
    p, k_before = _law(before, n)
    q, k_after = _law(after, n)
    joint, k_joint = _law(before * n + after, n**2)
    flux = entropy(p) + entropy(q) - entropy(joint)
    if is_corrected:
        flux = flux - (k_joint - k_before - k_after + 1) / (2.0 * before.size * LN2)
    return flux, 1.0 * k_before


def _from_states(network, x: Array, is_corrected: bool) -> tuple[Array, Array]:
    """Rao-Blackwell flux of one window; the law is counted over the states that start a step."""
    before = x[:-1]
    p, k = _law(state_index(before), 2 ** x.shape[1])

    def step_entropy(state):
        u = network.field(state)
        return jnp.sum(binary_entropy(network.response(u), network.response(-u)))

    flux = entropy(p) - jnp.mean(jax.lax.map(step_entropy, before, batch_size=_BLOCK))
    if is_corrected:
        flux = flux + (k - 1) / (2.0 * before.shape[0] * LN2)
    return flux, 1.0 * k


@eqx.filter_jit
def _estimate(network, xs, estimator, units) -> FluxEstimate:
    if estimator.counts_pairs:
        some = xs if units is None else xs[:, :, jnp.asarray(units)]
        one = lambda x: _from_pairs(x, estimator.is_corrected)
    else:
        some = xs
        one = lambda x: _from_states(network, x, estimator.is_corrected)
    by_replica, n_visited = jax.lax.map(one, some)
    flux, error = mean_and_error(by_replica)
    return FluxEstimate(flux, error, by_replica, n_visited, are_stuck(xs), xs.shape[1] - 1)


def estimate_flux(
    network: BinaryNetwork,
    xs: Float[Array, "*replica time n_units"],
    *,
    estimator: FluxEstimator = FluxEstimator.RAO_BLACKWELL_CORRECTED,
    units: tuple[int, ...] | None = None,
    is_undersampling_allowed: bool = False,
) -> FluxEstimate:
    r"""Information flux of recorded windows, from counts of the states visited.

    Ergodic only where the windows are long; see `FluxEstimate`. Cut off the transient before.

    Args:
        network: The network that was recorded. Plug-in estimates use its number of units alone.
        xs: States of -1 and 1, shape `(time, n_units)` or `(replica, time, n_units)`.
        estimator: See `FluxEstimator`.
        units: Indices of some units, for plug-in estimates: their flux is a lower bound of the
            whole one, since they are a function of the state. Default all.
        is_undersampling_allowed: Count in more cells than there are transitions; for studies of
            the bias.

    Returns:
        `FluxEstimate`.

    Raises:
        ValueError: Another shape, states other than -1 and 1, fewer than 2 transitions, fewer
            transitions in a window than cells ($4^N$ for plug-in, $2^N$ for Rao-Blackwell), units
            that do not exist or repeat, or `units` for a Rao-Blackwell estimate, whose known step
            belongs to the whole state.

    Cost: one pass over the states; $4^N$ or $2^N$ numbers.

    Reference: bias of counted entropies by Miller (1955); Rao-Blackwell form derived here.
    """
    xs = as_replicas(network, xs)
    n_units = network.n_units
    if units is not None:
        if not estimator.counts_pairs:
            raise ValueError(
                f"`units` needs a plug-in estimator, got {estimator.name}: the other units drive "
                "these, and their step has no closed form."
            )
        if not units or len(set(units)) < len(units) or not all(0 <= n < n_units for n in units):
            raise ValueError(f"`units` must be different and in 0..{n_units - 1}, got {units}.")
    n_counted = n_units if units is None else len(units)
    _check_samples(xs.shape[1] - 1, n_counted, estimator, units, is_undersampling_allowed)
    return _estimate(network, xs, estimator, units)
