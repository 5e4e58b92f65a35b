"""Dimension of activity: estimators from finite data, each with its error."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo._types import Scalar

from ._covariance import BlockProducts


class Estimate(eqx.Module):
    """A measured number and its standard error.

    Attributes:
        value: The estimate.
        error: Standard error, of the same shape; NaN where the data cannot tell it.
    """

    value: Float[Array, "..."]
    error: Float[Array, "..."]


def jackknife(statistic: Callable[[Array], Array], products: BlockProducts) -> Estimate:
    """The statistic of all blocks, and its error from leaving out one block at a time.

    `statistic` takes the weight of every block, one or zero.
    """
    n_blocks, dtype = products.traces.shape[0], products.traces.dtype
    if n_blocks < 2:
        raise ValueError(
            f"`products` must hold at least 2 blocks or replicas, got {n_blocks}: measure with "
            "more blocks."
        )
    values = jax.vmap(statistic)(1 - jnp.eye(n_blocks, dtype=dtype))
    spread = jnp.sum((values - jnp.mean(values, axis=0)) ** 2, axis=0)
    error = jnp.sqrt((n_blocks - 1) / n_blocks * spread)
    return Estimate(statistic(jnp.ones(n_blocks, dtype)), error)


def cross_average(weights: Array, products: Float[Array, "block block *rest"]) -> Array:
    """Average over pairs of two different blocks."""
    pairs = jnp.outer(weights, weights) * (1 - jnp.eye(weights.size, dtype=weights.dtype))
    return jnp.tensordot(pairs, products, axes=2) / jnp.sum(pairs)


def participation_ratio(covariance: Float[Array, "n_units n_units"]) -> Scalar:
    r"""Participation ratio of a covariance matrix, $(\mathrm{tr}\,C)^2/(N\,\mathrm{tr}\,C^2)$.

    Intensive: 1/N for one direction, 1 for a multiple of the identity. Of a measured covariance it
    is biased downwards; see `cross_participation_ratio`.

    Args:
        covariance: C, symmetric, shape `(n_units, n_units)`.

    Returns:
        The ratio; NaN for a zero matrix.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (20)-(26).
    """
    n_units = covariance.shape[-1]
    return jnp.trace(covariance) ** 2 / (n_units * jnp.sum(covariance**2))


def entropy_dimension(covariance: Float[Array, "n_units n_units"]) -> Scalar:
    r"""Exponential of the entropy of the spectrum, $N^{-1}\exp(-\sum_m p_m \ln p_m)$.

    $p_m$ are the eigenvalues over their sum. Never below the participation ratio, which is the same
    with the second Renyi entropy. Of a measured covariance it is biased downwards.

    Args:
        covariance: C, symmetric and nonnegative, shape `(n_units, n_units)`.

    Returns:
        The dimension over N, in [1/N, 1]; NaN for a zero matrix.

    Cost: one symmetric eigenvalue problem.

    Reference: derived here.
    """
    variances = jnp.maximum(jnp.linalg.eigvalsh(covariance), 0.0)
    p = variances / jnp.sum(variances)
    return jnp.exp(jnp.sum(jax.scipy.special.entr(p))) / variances.size


def _naive(weights: Array, products: BlockProducts) -> Array:
    share = weights / jnp.sum(weights)
    return (share @ products.traces[:, 0]) ** 2 / (share @ products.products[:, :, 0, 0] @ share)


@eqx.filter_jit
def naive_participation_ratio(products: BlockProducts) -> Estimate:
    r"""Participation ratio of the covariance over all samples, with its sampling bias.

    $(\mathrm{tr}\,C)^2/(N\,\mathrm{tr}\,C^2)$ of the average C over blocks is biased downwards
    by the noise of C: $1/(N\,PR_{naive}) = 1/(N\,PR) + 1/T_{eff}$.

    Args:
        products: From `block_products`.

    Returns:
        `Estimate`; the error does not cover the bias.

    Raises:
        ValueError: Fewer than two blocks.

    Reference: derived here.
    """
    return jackknife(lambda w: _naive(w, products), products)


def _independent_samples(weights: Array, products: BlockProducts) -> Array:
    c = weights @ products.autocovariance / jnp.sum(weights)
    n = products.n_samples
    fewer = jnp.maximum(1 - jnp.arange(1, c.size) / n, 0.0)
    return n * jnp.sum(weights) * c[0] ** 2 / (c[0] ** 2 + 2 * jnp.sum(fewer * c[1:] ** 2))


def _check_delays(products: BlockProducts) -> None:
    if products.autocovariance.shape[1] < 2:
        raise ValueError(
            "`products` must hold the autocovariance at more than delay zero, got that alone: "
            "measure with a `max_delay` at which it has decayed."
        )


@eqx.filter_jit
def independent_samples(products: BlockProducts) -> Estimate:
    r"""Number of independent samples that the data are worth, $T_{eff}$.

    $T_{eff} = T\,C(0)^2/\int C(\tau)^2 d\tau$ with the neuron-averaged autocovariance C, summed
    over the sampled delays of both signs with the weight $1 - |k|/n$ of a block of n samples.

    Args:
        products: From `block_products`, with a `max_delay` at which C has decayed.

    Returns:
        `Estimate`.

    Raises:
        ValueError: Fewer than two blocks, or no delay but zero.

    Reference: derived here.
    """
    _check_delays(products)
    return jackknife(lambda w: _independent_samples(w, products), products)


@eqx.filter_jit
def corrected_participation_ratio(products: BlockProducts) -> Estimate:
    r"""Participation ratio freed of its sampling bias, $1/PR = 1/PR_{naive} - N/T_{eff}$.

    Leaves a relative error of order $1/T_{eff}$. Where N exceeds $T_{eff}$ by far, the difference
    of two large numbers is noisy and `cross_participation_ratio` is safer.

    Args:
        products: From `block_products`, with a `max_delay` at which C has decayed.

    Returns:
        `Estimate`.

    Raises:
        ValueError: Fewer than two blocks, or no delay but zero.

    Reference: derived here.
    """
    _check_delays(products)

    def statistic(w):
        return 1 / (1 / _naive(w, products) - products.n_units / _independent_samples(w, products))

    return jackknife(statistic, products)


@eqx.filter_jit
def cross_participation_ratio(products: BlockProducts) -> Estimate:
    r"""Participation ratio from pairs of different blocks, without sampling bias.

    $PR = \langle \mathrm{tr}\,C_a\,\mathrm{tr}\,C_b\rangle/(N\langle\mathrm{tr}\,C_a
    C_b\rangle)$ over $a \ne b$: the noise of independent blocks has no product on average. Where
    noise swamps the signal the value may leave (0, 1]; the error says so.

    Args:
        products: From `block_products`; blocks must be independent (replicas, or stretches well
            apart).

    Returns:
        `Estimate`; the error needs three blocks, and is conservative, by up to a factor
        sqrt(2), where the noise of the blocks' covariances exceeds the covariance.

    Raises:
        ValueError: Fewer than two blocks.

    Reference: derived here.
    """
    traces = products.traces[:, 0]

    def statistic(w):
        square = cross_average(w, products.products[:, :, 0, 0])
        return cross_average(w, jnp.outer(traces, traces)) / square

    return jackknife(statistic, products)


def harmonic_mean(values: Float[Array, " network"]) -> Estimate:
    r"""Average over networks of what self-averages, $1/\langle 1/PR\rangle$.

    Arithmetic means of participation ratios are biased upwards.

    Args:
        values: One value per network, shape `(network,)`.

    Returns:
        `Estimate` with the error from the spread of 1/PR.

    Raises:
        ValueError: Fewer than two values.

    Reference: derived here.
    """
    values = jnp.asarray(values)
    if values.ndim != 1 or values.size < 2:
        raise ValueError(f"`values` must be a list of at least 2, got shape {values.shape}.")
    inverse = 1 / values
    mean = 1 / jnp.mean(inverse)
    return Estimate(mean, mean**2 * jnp.std(inverse, ddof=1) / jnp.sqrt(values.size * 1.0))
