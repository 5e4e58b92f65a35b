"""Anderson mixing: a fixed-point iteration that learns its own slow directions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

DEPTH = 6  # iterates that are remembered


class Memory(NamedTuple):
    """The last iterates u and their residuals F(u) - u in a ring, since the last restart."""

    iterates: Inexact[Array, "depth n"]
    residuals: Inexact[Array, "depth n"]
    size: Array  # squared norm of the last residual
    n_seen: Array


def empty_memory(iterate: Inexact[Array, " n"]) -> Memory:
    """Memory before the first step."""
    blank = jnp.zeros((DEPTH, *iterate.shape), iterate.dtype)
    return Memory(blank, blank, jnp.zeros((), blank.real.dtype), jnp.zeros((), int))


def anderson_step(
    memory: Memory,
    iterate: Inexact[Array, " n"],
    image: Inexact[Array, " n"],
    weights: Float[Array, " n"],
    damping: Array,
) -> tuple[Inexact[Array, " n"], Memory]:
    r"""Next iterate of $u = F(u)$.

    $u + \beta f - \sum_j\gamma_j(\Delta u_j + \beta\Delta f_j)$ with $f = F(u) - u$, where
    $\gamma$ minimises $|f - \sum_j\gamma_j\Delta f_j|^2$ over the differences to earlier steps.
    Where the residual has grown the memory is emptied, and the step is a plain damped one.

    Args:
        memory: From the step before, or `empty_memory`.
        iterate: u.
        image: F(u).
        weights: Of the squares in the norm.
        damping: $\beta$ in (0, 1].

    Returns:
        The next iterate, and the memory for the step after.

    Cost: (depth + 1) n products.

    Reference: Walker & Ni, SIAM J. Numer. Anal. 49, 1715 (2011), Eq. (2.2). The restart is
    ours.
    """
    residual = image - iterate
    size = jnp.sum(weights * jnp.abs(residual) ** 2)
    n_seen = jnp.where(size > memory.size, 0, memory.n_seen)
    slot = n_seen % DEPTH
    us, fs = memory.iterates.at[slot].set(iterate), memory.residuals.at[slot].set(residual)
    is_used = (jnp.arange(DEPTH) <= n_seen)[:, None]
    du, df = jnp.where(is_used, iterate - us, 0.0), jnp.where(is_used, residual - fs, 0.0)
    product = lambda a, b: (
        jnp.matmul((weights * a).conj(), b, precision=jax.lax.Precision.HIGHEST).real
    )
    gram = product(df, df.T)
    # Differences that rounding has eaten may not count.
    eps = float(jnp.finfo(gram.dtype).eps)
    floor = eps**0.5 * jnp.trace(gram) + jnp.finfo(gram.dtype).tiny
    shares = jnp.linalg.solve(gram + floor * jnp.eye(DEPTH), product(df, residual))
    step = damping * residual - shares @ (du + damping * df)
    return iterate + step, Memory(us, fs, size, n_seen + 1)
