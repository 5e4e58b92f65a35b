"""Information flux from samples, for networks beyond exact methods."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key, Keys
from rnngeo.information import (
    CorrelationEstimate,
    binary_entropy,
    estimate_correlations,
    flux_bracket,
)
from rnngeo.integrate import simulate_binary
from rnngeo.models import BinaryNetwork

from ._flux_report import SampledFlux
from ._words import counted

_BLOCK = 32  # steps between batches
_FORGOTTEN = 5.0  # standard errors between replicas from different starts
_SHARE, _WINDOW = 16, 512  # of the replicas, one in so many is followed this long for correlations


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How to sample the flux where no exact method reaches.

    Half of the replicas start at random, half from one state; unless the two halves agree at the
    first batch and at the end, the chain has not forgotten its starts and no flux is reported.
    Errors take replicas for independent, and batches of one replica not.

    Attributes:
        n_replicas: Independent runs, and states contrasted with each other: no lower value exceeds
            their logarithm.
        n_burn: Steps before the first batch.
        n_batches: Batches, 32 steps apart, that are averaged.
    """

    n_replicas: int = 1024
    n_burn: int = 512
    n_batches: int = 16

    def __post_init__(self):
        for name, least in (("n_replicas", 16), ("n_burn", 1), ("n_batches", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}, got {getattr(self, name)}.")


@eqx.filter_jit
def _advance(
    network: BinaryNetwork, xs: Float[Array, "replica n_units"], n_steps: int, keys: Keys
) -> tuple[Array, Array]:
    """The last two states of every replica, some steps on."""
    run = lambda x, key: simulate_binary(network, x, 1, n_burn=n_steps - 1, key=key)
    last = jax.vmap(run)(xs, keys)
    return last[:, 0], last[:, 1]


@eqx.filter_jit
def _record(network: BinaryNetwork, xs: Array, keys: Keys) -> Float[Array, "replica time n_units"]:
    return jax.vmap(lambda x, key: simulate_binary(network, x, _WINDOW, key=key))(xs, keys)


@eqx.filter_jit
def _step_entropies(network: BinaryNetwork, xs: Array) -> Float[Array, " replica"]:
    """Entropy of each replica's next state, in bits."""
    fields = jax.vmap(network.field)(xs)
    return jnp.sum(binary_entropy(network.response(fields), network.response(-fields)), axis=1)


def _largest_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Of two sets of means, in standard errors; infinite where constants differ."""
    apart = np.abs(first.mean(0) - second.mean(0))
    error = np.sqrt(first.var(0) / len(first) + second.var(0) / len(second))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nan_to_num(apart / error, nan=0.0, posinf=np.inf).max())


def sample_flux(
    network: BinaryNetwork, sampling: Sampling, progress: Progress, *, key: Key
) -> tuple[SampledFlux, float, CorrelationEstimate, str]:
    """Both sides of the flux, the divergence and correlations, from independent replicas.

    Args:
        network: The network.
        sampling: How much.
        progress: Called after every block of steps.
        key: Random key.

    Returns:
        The bracket, the divergence, the correlations, and why the samples are not stationary
        (empty if nothing speaks against it).
    """
    k, n_burn = sampling.n_replicas, -(-sampling.n_burn // _BLOCK)
    key_start, key_run = jr.split(key)
    xs = jr.rademacher(key_start, (k, network.n_units), jnp.result_type(float))
    x = xs = xs.at[: k // 2].set(1.0)
    total = n_burn + sampling.n_batches + 1
    brackets, divergences, apart = [], [], 0.0
    progress("samples", 0, total)
    for i in range(total - 1):
        x, xs = _advance(network, xs, _BLOCK, jr.split(jr.fold_in(key_run, i), k))
        if i >= n_burn:
            found = flux_bracket(network, x, xs)
            brackets.append([float(v) for v in (found.lower, found.upper, found.error)])
            divergences.append(np.asarray(_step_entropies(network, x)))
            if i in (n_burn, total - 2):
                features = np.column_stack([x, divergences[-1]])
                halves = features[: k // 2], features[k // 2 :]
                apart = max(apart, _largest_difference(*halves))
        progress("samples", i + 1, total)
    lower, upper, error = (float(v) for v in np.mean(brackets, axis=0))
    by_replica = np.mean(divergences, axis=0)
    sampled = SampledFlux(
        lower=(lower, error),  # batches may repeat each other: no more than one of them counts
        upper=(upper, error),
        divergence_error=float(np.std(by_replica, ddof=1) / np.sqrt(k)),
        n_pairs=k * sampling.n_batches,
    )
    keys = jr.split(jr.fold_in(key_run, total), k)[::_SHARE]
    correlations = estimate_correlations(network, _record(network, xs[::_SHARE], keys))
    progress("samples", total, total)
    reason = ""
    if apart > _FORGOTTEN:
        reason = (
            f"after {counted(sampling.n_burn, 'step')} replicas from different starts still differ "
            f"by {apart:.3g} standard errors, so the samples are not stationary"
        )
    return sampled, float(np.mean(by_replica)), correlations, reason
