"""Correlations of units one step apart, from recorded states."""

import enum

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rnngeo._types import Scalar
from rnngeo.models import BinaryNetwork

from ._correlation import pearson
from ._trajectories import are_stuck, as_replicas, mean_and_error

_BLOCK = 4096  # states at once


class CorrelationEstimator(enum.Enum):
    """Which products are averaged.

    Attributes:
        PLAIN: Next state times present state.
        RAO_BLACKWELL: Expected next state, given the present one, times present state.
    """

    PLAIN = "plain"
    RAO_BLACKWELL = "rao_blackwell"


class CorrelationEstimate(eqx.Module):
    r"""Correlations of a window, averaged over replicas, with errors from their spread.

    Noise adds to every squared correlation: $1/n$ for plain products of n transitions, and
    $\mathrm{Var}\,E[x_m'|x]/(n s_m^2)$, averaged over units, for Rao-Blackwell ones. It is taken
    off `rms`, not off `next`, as if samples were independent.

    Attributes:
        next: Pearson correlation of $x_n(t+1)$ and $x_m(t)$, shape `(n, m)`; zero where a unit is
            stuck.
        next_error: Its standard error; NaN for a single replica.
        rms: Root mean square of `next` over all $N^2$ ordered pairs, free of the noise; the root of
            the mean over replicas of what is left, zero if negative.
        rms_error: Its standard error, by propagation; NaN for a single replica, or if `rms` is 0.
        rms_raw: The same with the noise, the mean over replicas.
        noise_floor: What was taken off the mean square.
        is_stuck: Units that keep one sign in a window, shape `(replica, n_units)`.
    """

    next: Float[Array, "n_units n_units"]
    next_error: Float[Array, "n_units n_units"]
    rms: Scalar
    rms_error: Scalar
    rms_raw: Scalar
    noise_floor: Scalar
    is_stuck: Bool[Array, "replica n_units"]


def _window(network: BinaryNetwork, x: Array, is_plain: bool) -> tuple[Array, Array]:
    """Correlations of one window and their noise."""
    before = x[:-1]
    n = before.shape[0]
    after = x[1:] if is_plain else jax.lax.map(network.mean_update, before, batch_size=_BLOCK)
    mean_after, mean_before = jnp.mean(after, axis=0), jnp.mean(before, axis=0)
    products = jnp.matmul(after.T, before, precision=jax.lax.Precision.HIGHEST) / n
    is_free = ~jnp.all(x == x[0], axis=0)
    covariance = products - jnp.outer(mean_after, mean_before)
    variance, variance_before = (
        jnp.where(is_free, 1.0 - m**2, 0.0) for m in (mean_after, mean_before)
    )
    found = pearson(covariance, variance, variance_before)
    share = jnp.var(after, axis=0) / jnp.where(variance > 0, variance, 1.0)
    floor = jnp.mean(jnp.where(is_free, share, 0.0)) * jnp.mean(1.0 * is_free) / n
    return found, floor


@eqx.filter_jit
def _estimate(network, xs, estimator) -> CorrelationEstimate:
    n_replicas, _, n_units = xs.shape

    def add(moments, row):  # by Welford's rule: one matrix for all replicas
        k, x = row
        mean, scatter = moments
        found, floor = _window(network, x, estimator is CorrelationEstimator.PLAIN)
        change = found - mean
        mean = mean + change / (k + 1)
        return (mean, scatter + change * (found - mean)), (jnp.mean(found**2), floor)

    zero = jnp.zeros((n_units, n_units), xs.dtype)
    rows = (jnp.arange(n_replicas), xs)
    (mean, scatter), (square, floor) = jax.lax.scan(add, (zero, zero), rows)
    n_free = n_replicas * (n_replicas - 1)
    error = jnp.sqrt(scatter / n_free) if n_free else jnp.full_like(mean, jnp.nan)
    clean, clean_error = mean_and_error(square - floor)
    rms = jnp.sqrt(jnp.maximum(clean, 0.0))
    return CorrelationEstimate(
        next=mean,
        next_error=error,
        rms=rms,
        rms_error=jnp.where(rms > 0, clean_error / (2.0 * jnp.where(rms > 0, rms, 1.0)), jnp.nan),
        rms_raw=jnp.mean(jnp.sqrt(square)),
        noise_floor=jnp.mean(floor),
        is_stuck=are_stuck(xs),
    )


def estimate_correlations(
    network: BinaryNetwork,
    xs: Float[Array, "*replica time n_units"],
    *,
    estimator: CorrelationEstimator = CorrelationEstimator.RAO_BLACKWELL,
) -> CorrelationEstimate:
    r"""Correlations one step apart from recorded windows, for networks of any size.

    $R_{nm} = (\langle y_n x_m\rangle - \langle y_n\rangle\langle x_m\rangle)/(s_n s_m)$ with the
    next state $y = x'$, or its expectation $y = E[x'|x]$, which has less noise and the same mean.

    Args:
        network: The network that was recorded.
        xs: States of -1 and 1, shape `(time, n_units)` or `(replica, time, n_units)`, without the
            transient.
        estimator: See `CorrelationEstimator`.

    Returns:
        `CorrelationEstimate`, of the window as in `FluxEstimate`.

    Raises:
        ValueError: Another shape, states other than -1 and 1, or fewer than 2 transitions.

    Cost: $2 N^2$ operations a transition; $N^2$ numbers, whatever the number of replicas.

    Reference: derived here; correlations as in Metzner et al., Neural Comput. 36, 351 (2024).
    """
    return _estimate(network, as_replicas(network, xs), estimator)
