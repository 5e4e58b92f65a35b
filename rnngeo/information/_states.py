"""States of N binary units, in order, and entropies in bits."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

LN2 = math.log(2.0)


def state_table(n_units: int) -> Float[Array, "state n_units"]:
    r"""All states of N units as rows of -1 and 1.

    Unit 0 is the most significant binary digit of the row's index, a digit 1 means +1; the
    opposite of state k is state $2^N - 1 - k$.

    Args:
        n_units: Number of units N.

    Returns:
        The table, shape `(2^N, N)`, default float type.

    Cost: $2^N N$ numbers.
    """
    return states_at(jnp.arange(2**n_units), n_units)


def states_at(indices: Int[Array, " state"], n_units: int) -> Float[Array, "state n_units"]:
    """The states of some indices."""
    digits = (indices[:, None] >> jnp.arange(n_units)[::-1]) & 1
    return 2.0 * digits - 1.0


def state_index(x: Float[Array, "*b n_units"]) -> Int[Array, "*b"]:
    """Index of a state; the inverse of `state_table`."""
    digits = (x > 0).astype(int)
    return jnp.sum(digits << jnp.arange(x.shape[-1])[::-1], axis=-1)


def _log(p: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Logarithm that is finite at zero, as is its derivative: there $p \\ln p$ and what a step of
    the law adds to it are zero."""
    return jnp.log(jnp.maximum(p, jnp.finfo(p.dtype).tiny))


def entropy(law: Float[Array, " state"]) -> Float[Array, ""]:
    r"""Entropy $-\sum_k p_k \log_2 p_k$ in bits; zeros count nothing."""
    return -jnp.sum(law * _log(law)) / LN2


def binary_entropy(p: Float[Array, "*b"], q: Float[Array, "*b"]) -> Float[Array, "*b"]:
    r"""Entropy in bits of one unit that is up with probability p and down with $q = 1 - p$.

    The smaller one carries the digits, so both are asked for.
    """
    small = jnp.where(p <= q, p, q)
    return -(small * _log(small) + (1.0 - small) * jnp.log1p(-small)) / LN2
