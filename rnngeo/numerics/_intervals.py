"""Uncertainty of a counted fraction."""

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, ArrayLike, Float, Real


def wilson_interval(
    count: Real[ArrayLike, "..."],
    total: Real[ArrayLike, "..."],
    confidence: float = 0.95,
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""Score interval of a success probability, from a count of successes.

    The roots in $p$ of $(\hat p - p)^2 = q^2 p (1-p)/n$, with $\hat p$ = `count/total` and $q$ the
    normal quantile of `confidence`. Unlike $\hat p \pm$ error it never leaves [0, 1] and keeps a
    finite width at 0 and at `total` successes, where one limit is exactly 0 or 1.

    Args:
        count: Successes, any shape that broadcasts with `total`.
        total: Trials, at least 1.
        confidence: Coverage of the two-sided interval, in (0, 1).

    Returns:
        `(low, high)`, in the broadcast shape; NaN where `total` is 0.

    Raises:
        ValueError: `confidence` outside (0, 1).

    Cost: O(1) per entry.

    Reference: Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"`confidence` must lie in (0, 1), got {confidence}.")
    dtype = jnp.result_type(count, total, jnp.float32)
    if not jnp.issubdtype(jnp.result_type(count, total), jnp.floating):
        dtype = jnp.result_type(float)
    return _score_interval(*(jnp.asarray(v, dtype) for v in (count, total, confidence)))


@eqx.filter_jit
def _score_interval(count: Array, total: Array, confidence: Array) -> tuple[Array, Array]:
    k, n = jnp.broadcast_arrays(count, total)
    q2 = ndtri(0.5 + 0.5 * confidence) ** 2
    half_width = jnp.sqrt(q2 * (k * (n - k) / n + q2 / 4))
    low = (k + q2 / 2 - half_width) / (n + q2)
    high = (k + q2 / 2 + half_width) / (n + q2)
    low = jnp.where((k == 0) & (n > 0), 0.0, low)
    high = jnp.where((k == n) & (n > 0), 1.0, high)
    return low, high
