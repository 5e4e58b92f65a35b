"""What the sizes of the weights allow."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo._types import Scalar
from rnngeo.models import BinaryNetwork

from ._states import LN2, binary_entropy


def _flux_of_fields(network: BinaryNetwork, sizes: Float[Array, " n_units"]) -> Scalar:
    return jnp.sum(1.0 - binary_entropy(network.response(sizes), network.response(-sizes)))


def row_norm_bound(network: BinaryNetwork) -> Scalar:
    r"""Upper bound of the flux, $I \le N - \sum_n h_2(\sigma(\|w_n\|_1 + |b_n|))$, in bits.

    No field exceeds the norm of its row. It holds for every W and is attained by rooks matrices,
    which are therefore the optimum under limits on the rows' sums of moduli.

    Args:
        network: The network.

    Returns:
        The bound.

    Cost: $N^2$.

    Reference: derived here.
    """
    sizes = jnp.sum(jnp.abs(network.weights.as_matrix()), axis=1)
    if network.bias is not None:
        sizes = sizes + jnp.abs(network.bias)
    return _flux_of_fields(network, sizes)


def euclidean_row_value(network: BinaryNetwork) -> Scalar:
    r"""$N - \sum_n h_2(\sigma(\|w_n\|_2))$, the flux of rooks with the same Euclidean row norms.

    A bound where the stationary law is uniform, since $h_2(\sigma(\sqrt v))$ is convex in v; with
    another law the flux may exceed it at small norms.

    Args:
        network: The network; a bias is ignored.

    Returns:
        The value in bits.

    Reference: derived here.
    """
    return _flux_of_fields(network, jnp.linalg.norm(network.weights.as_matrix(), axis=1))


def weak_coupling_flux(rms_correlation: Float[Array, "*b"], n_units: int) -> Float[Array, "*b"]:
    r"""Flux at weak weights, $I = N^2 C^2/(2\ln 2)$, from the RMS correlation C one step apart.

    Args:
        rms_correlation: C, over all ordered pairs.
        n_units: N.

    Returns:
        The flux in bits.

    Reference: derived here.
    """
    return n_units**2 * rms_correlation**2 / (2.0 * LN2)
