"""Measured two- and four-point functions of time."""

import equinox as eqx
import jax.numpy as jnp

from ._covariance import BlockProducts
from ._dimension import Estimate, cross_average, jackknife


@eqx.filter_jit
def autocovariance(products: BlockProducts) -> Estimate:
    r"""Neuron-averaged autocovariance $C(\tau) = N^{-1}\sum_i \langle a_i(t) a_i(t+\tau)\rangle$.

    Args:
        products: From `block_products`.

    Returns:
        `Estimate` at every multiple of the sampling interval up to `max_delay`, shape `(delay,)`.

    Raises:
        ValueError: Fewer than two blocks.

    Reference: Clark, Abbott & Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023), definition of C.
    """
    average = lambda w: w @ products.autocovariance / jnp.sum(w)
    return jackknife(average, products)


@eqx.filter_jit
def four_point_function(products: BlockProducts, *, is_normalised: bool = False) -> Estimate:
    r"""$\Psi(\tau_1,\tau_2) = N^{-1}\sum_{ij} C_{ij}(\tau_1) C_{ij}(\tau_2)$, diagonal included.

    Products of covariances of two different blocks, so sampling noise adds no bias. $\Psi(\tau,0)$
    is the autocovariance of the principal components weighted by their variance.

    Args:
        products: From `block_products` at some lags.
        is_normalised: Divide by $\Psi(0,0)$.

    Returns:
        `Estimate`, shape `(lag, lag)`, symmetric.

    Raises:
        ValueError: Fewer than two blocks.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (20)-(26).
    """

    def statistic(w):
        psi = cross_average(w, products.products)
        return psi / psi[0, 0] if is_normalised else psi

    return jackknife(statistic, products)
