"""Independent Gaussian couplings."""

import jax.numpy as jnp
import jax.random as jr
import lineax as lx

from rnngeo._types import Key, ScalarLike


def gaussian_bulk(n_units: int, gain: ScalarLike, *, key: Key) -> lx.MatrixLinearOperator:
    r"""Draw the random bulk $g\chi$ with $\chi_{ij} \sim N(0, 1/N)$ independent.

    Its eigenvalues fill the disc of radius `gain` as $N \to \infty$ (Girko).

    Args:
        n_units: Number of units N.
        gain: Synaptic gain g; differentiable, and its dtype is the dtype of the weights.
        key: Random key.

    Returns:
        The operator of the matrix, shape `(n_units, n_units)`.

    Raises:
        ValueError: `n_units` below 1.

    Cost: N^2 normal deviates and N^2 memory.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), Eq. (1).
    """
    if n_units < 1:
        raise ValueError(f"`n_units` must be at least 1, got {n_units}.")
    gain = jnp.asarray(gain, jnp.result_type(float, gain))
    chi = jr.normal(key, (n_units, n_units), gain.dtype) / jnp.sqrt(
        jnp.asarray(n_units, gain.dtype)
    )
    return lx.MatrixLinearOperator(gain * chi)
