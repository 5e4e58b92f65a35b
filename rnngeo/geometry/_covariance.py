"""Second moments of activity in blocks, and the few numbers the estimators need of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from rnngeo._types import Scalar

Duration = float | int


class Covariances(eqx.Module):
    r"""Second moments of one observable $a$, block by block.

    A block is a stretch of time of one run. Every average over its samples $t$ pairs $a(t - \tau)$
    with $a(t)$, so all lags have the same number of pairs; the earlier partner may lie before the
    block.

    Attributes:
        moment: $n^{-1}\sum_t a_i(t-\tau) a_j(t)$, shape `(block, lag, n_units, n_units)`.
        mean: $n^{-1}\sum_t a_i(t-\tau)$, shape `(block, lag, n_units)`.
        autocovariance: $(nN)^{-1}\sum_{t,i} a_i(t-\tau) a_i(t)$ at every multiple of `interval`,
            shape `(block, delay)`.
        lags: Lags of `moment`, ascending, the first is zero, shape `(lag,)`.
        interval: Time between samples.
        n_samples: Samples of a block, n.
    """

    moment: Float[Array, "block lag n_units n_units"]
    mean: Float[Array, "block lag n_units"]
    autocovariance: Float[Array, "block delay"]
    lags: Float[Array, " lag"]
    interval: Scalar
    n_samples: int = eqx.field(static=True)

    @property
    def total(self) -> Float[Array, "lag n_units n_units"]:
        """Moments over all blocks together."""
        return jnp.mean(self.moment, axis=0)


class BlockProducts(eqx.Module):
    r"""All that the estimators need of the covariances of many blocks.

    Attributes:
        traces: $N^{-1} \mathrm{tr}\, C_a(\tau)$, shape `(block, lag)`.
        products: $N^{-1}\sum_{ij} C_{a,ij}(\tau_k) C_{b,ij}(\tau_l)$, shape
            `(block, block, lag, lag)`.
        autocovariance: As in `Covariances`, shape `(block, delay)`.
        lags: Lags of `products`, shape `(lag,)`.
        interval: Time between samples.
        n_samples: Samples of a block.
        n_units: Number of units N.
    """

    traces: Float[Array, "block lag"]
    products: Float[Array, "block block lag lag"]
    autocovariance: Float[Array, "block delay"]
    lags: Float[Array, " lag"]
    interval: Scalar
    n_samples: int = eqx.field(static=True)
    n_units: int = eqx.field(static=True)


def whole_number(name: str, value: Duration, unit: Duration, least: int = 0) -> int:
    """`value` counted in `unit`, or a `ValueError` that says why it is no whole number."""
    count = round(float(value) / float(unit))
    if abs(count * unit - value) > 1e-6 * unit or count < least:
        raise ValueError(
            f"`{name}` must be a whole multiple, at least {least}, of {unit}, got {value}."
        )
    return count


def lag_counts(lags, interval: Duration) -> tuple[int, ...]:
    """Lags counted in samples."""
    counts = tuple(whole_number("lags", lag, interval) for lag in lags)
    if counts != tuple(sorted({0, *counts})):
        raise ValueError(f"`lags` must ascend from zero, got {tuple(float(lag) for lag in lags)}.")
    return counts


def moment_sums(
    extended: Float[Array, "time n_units"],
    is_counted: Bool[Array, " now"],
    counts: tuple[int, ...],
    n_delays: int,
):
    """Sums over the last samples of a stretch: moments and means at some lags, traces at all.

    `extended` holds as many earlier samples as the longest lag needs, then one sample for each
    entry of `is_counted`. One matrix product per lag.
    """
    n_now = is_counted.size
    n_past = extended.shape[0] - n_now
    now = jnp.where(is_counted[:, None], extended[n_past:], 0.0)
    product = lambda a, b: jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
    earlier = [extended[n_past - k : n_past - k + n_now] for k in counts]
    moment = jnp.stack([product(before.T, now) for before in earlier])
    mean = jnp.stack([is_counted.astype(now.dtype) @ before for before in earlier])
    first = n_past - n_delays + 1
    pairs = product(extended[first:], now.T)  # time by time, only the diagonals are used
    place = jnp.arange(n_now)
    rows = n_delays - 1 + place[None] - jnp.arange(n_delays)[:, None]
    return moment, mean, jnp.sum(pairs[rows, place[None]], axis=1)


def _checked(samples: Array, interval: Duration, lags, max_delay: Duration):
    if samples.ndim != 3:
        raise ValueError(
            f"`samples` must have the axes (block, time, unit), got shape {samples.shape}."
        )
    counts = lag_counts(lags, interval)
    n_delays = 1 + whole_number("max_delay", max_delay, interval)
    n_past = max(counts[-1], n_delays - 1)
    if samples.shape[1] - n_past < 2:
        raise ValueError(
            f"`samples` must hold at least two samples beyond the longest lag or delay, {n_past} "
            f"samples, got {samples.shape[1]}."
        )
    return counts, n_delays, n_past


@eqx.filter_jit
def _covariances(samples, interval, counts, n_delays: int, n_past: int) -> Covariances:
    n_samples, n_units = samples.shape[1] - n_past, samples.shape[2]
    is_counted = jnp.ones(n_samples, bool)
    one = lambda block: moment_sums(block, is_counted, counts, n_delays)
    moment, mean, traces = jax.lax.map(one, samples)
    return Covariances(
        moment=moment / n_samples,
        mean=mean / n_samples,
        autocovariance=traces / (n_samples * n_units),
        lags=jnp.asarray(counts, samples.dtype) * interval,
        interval=interval,
        n_samples=n_samples,
    )


def covariances(
    samples: Float[ArrayLike, "..."],
    interval: Duration = 1.0,
    *,
    lags: tuple[Duration, ...] = (0.0,),
    max_delay: Duration = 0.0,
) -> Covariances:
    r"""Second moments of recorded activity.

    $C_{ij}(\tau) = n^{-1}\sum_t a_i(t-\tau) a_j(t)$ in each block. The first samples of a block, as
    many as the longest lag or delay takes, serve as earlier partners only.

    Args:
        samples: Activity, shape `(block, time, n_units)`; float64 is advised.
        interval: Time between samples.
        lags: Lags of the matrices, whole multiples of `interval`, ascending from zero.
        max_delay: Longest delay of the neuron-averaged autocovariance.

    Returns:
        `Covariances`.

    Raises:
        ValueError: Wrong axes, a lag that is no multiple, blocks shorter than the lags.

    Cost: one matrix product, n N^2, per block and lag; memory N^2 per block and lag.
    """
    samples = jnp.asarray(samples)
    counts, n_delays, n_past = _checked(samples, interval, lags, max_delay)
    return _covariances(samples, jnp.asarray(interval, samples.dtype), counts, n_delays, n_past)


@eqx.filter_jit
def block_products(covariances: Covariances, *, is_centred: bool = False) -> BlockProducts:
    r"""Traces of covariances and of their products, $N^{-1}\sum_{ij} C_{a,ij} C_{b,ij}$.

    Args:
        covariances: Second moments in blocks.
        is_centred: Subtract the mean of every block. Leave it out for odd nonlinearities, whose
            means vanish: subtracting them removes slow modes from short runs.

    Returns:
        `BlockProducts`.

    Cost: (blocks x lags)^2 N^2.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, Phys. Rev. X 15, 041019 (2025), Eqs.
    (20)-(26).
    """
    matrix, delayed = covariances.moment, covariances.autocovariance
    n_blocks, n_lags, n_units, _ = matrix.shape
    if is_centred:
        mean = covariances.mean
        matrix = matrix - mean[..., :, None] * mean[:, :1, None, :]
        delayed = delayed - jnp.mean(mean[:, 0] ** 2, axis=-1)[:, None]
    flat = matrix.reshape(n_blocks * n_lags, -1)
    products = jnp.matmul(flat, flat.T, precision=jax.lax.Precision.HIGHEST) / n_units
    products = products.reshape(n_blocks, n_lags, n_blocks, n_lags).transpose(0, 2, 1, 3)
    return BlockProducts(
        traces=jnp.trace(matrix, axis1=-2, axis2=-1) / n_units,
        products=products,
        autocovariance=delayed,
        lags=covariances.lags,
        interval=covariances.interval,
        n_samples=covariances.n_samples,
        n_units=n_units,
    )


@eqx.filter_jit
def _dual(samples, interval, counts, n_delays: int, n_past: int) -> BlockProducts:
    n_blocks, n_time, n_units = samples.shape
    n_samples = n_time - n_past
    window = lambda pairs, k, l: jax.lax.dynamic_slice(
        pairs, (n_past - k, n_past - l), (n_samples, n_samples)
    )

    def pair(a, b):
        pairs = jnp.matmul(samples[a], samples[b].T, precision=jax.lax.Precision.HIGHEST)
        now = window(pairs, 0, 0)
        return jnp.stack(
            [jnp.stack([jnp.vdot(window(pairs, k, l), now) for l in counts]) for k in counts]
        )

    index = jnp.arange(n_blocks)
    first, second = (i.ravel() for i in jnp.meshgrid(index, index, indexing="ij"))
    products = jax.lax.map(lambda ab: pair(*ab), (first, second))
    products = products.reshape(n_blocks, n_blocks, len(counts), len(counts))

    def delayed(block, k):
        return jnp.vdot(block[n_past - k : n_past - k + n_samples], block[n_past:])

    reach = max(n_delays, counts[-1] + 1)
    traces = jnp.stack([jax.vmap(lambda x, k=k: delayed(x, k))(samples) for k in range(reach)], 1)
    traces = traces / (n_samples * n_units)
    return BlockProducts(
        traces=traces[:, jnp.asarray(counts)],
        products=products / (n_samples**2 * n_units),
        autocovariance=traces[:, :n_delays],
        lags=jnp.asarray(counts, samples.dtype) * interval,
        interval=interval,
        n_samples=n_samples,
        n_units=n_units,
    )


def block_products_by_duality(
    samples: Float[ArrayLike, "..."],
    interval: Duration = 1.0,
    *,
    lags: tuple[Duration, ...] = (0.0,),
    max_delay: Duration = 0.0,
) -> BlockProducts:
    r"""The same numbers from time-by-time covariances, without any matrix of units by units.

    With $K_{st} = a(s)\cdot a(t)$ between two blocks, $\sum_{ij} C_{a,ij}(\tau_k) C_{b,ij}(\tau_l)
    = n^{-2}\sum_{st} K_{s-\tau_k,\,t-\tau_l} K_{st}$.

    Args:
        samples: Activity, shape `(block, time, n_units)`, not centred; float64 is advised.
        interval: Time between samples.
        lags: Lags, whole multiples of `interval`, ascending from zero.
        max_delay: Longest delay of the neuron-averaged autocovariance.

    Returns:
        `BlockProducts`, equal to those of `covariances(samples, ...)` up to rounding.

    Raises:
        ValueError: As `covariances`.

    Cost: T^2 N for T samples in all, memory of one pair of blocks; cheaper than `covariances` where
        T < N.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), space-time duality.
    """
    samples = jnp.asarray(samples)
    counts, n_delays, n_past = _checked(samples, interval, lags, max_delay)
    return _dual(samples, jnp.asarray(interval, samples.dtype), counts, n_delays, n_past)
