"""Bounds of the flux from pairs of successive states, for networks of any size."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rnngeo._types import Scalar
from rnngeo.models import BinaryNetwork
from rnngeo.numerics import is_concrete

from ._states import LN2

_ENTRIES = 2**22  # log-probabilities held at once


class Bracket(eqx.Module):
    r"""Two averages over sampled pairs between which the flux lies in expectation, in bits.

    Attributes:
        lower: At most $\log_2 K$ with K pairs, and biased downwards.
        upper: Biased upwards; infinite for a single pair.
        error: Standard error of either from the spread of its K terms, the larger of both. It
            takes the pairs for independent, and is NaN for a single one.
    """

    lower: Scalar
    upper: Scalar
    error: Scalar


def _log_responses(network: BinaryNetwork, u: Array) -> tuple[Array, Array]:
    """Logarithms of the probabilities of 1 and -1."""
    if network.noise_std is None:
        return jax.nn.log_sigmoid(u), jax.nn.log_sigmoid(-u)
    smallest = jnp.finfo(u.dtype).tiny
    log = lambda q: jnp.log(jnp.maximum(q, smallest))
    return log(network.response(u)), log(network.response(-u))


def _log_table(network: BinaryNetwork, x: Array) -> Array:
    """Logarithms for units that come up, then for units that go down: `(pair, 2 n_units)`."""
    return jnp.concatenate(_log_responses(network, jax.vmap(network.field)(x)), axis=1)


def flux_bracket(
    network: BinaryNetwork, x: Float[Array, "pair n_units"], x_next: Float[Array, "other n_units"]
) -> Bracket:
    r"""Bounds of the flux from K sampled pairs of a state and its successor.

    With $L_{kl} = \ln T(x_k, x_l')$ the law of the next state is replaced by an average over the
    sampled states, the own one included or not:
    $I_{lower} = \langle L_{kk} - \ln\langle L_{lk}\rangle^{\exp}_l\rangle_k$ and
    $I_{upper} = \langle L_{kk} - \ln\langle L_{lk}\rangle^{\exp}_{l\ne k}\rangle_k$, with
    $\langle\cdot\rangle^{\exp}$ the logarithm of a mean of exponentials. In expectation
    $I_{lower} \le I \le I_{upper}$ for independent stationary pairs; single draws scatter by
    `error`. The bounds are close where $I \ll \log_2 K$.

    Pairs of one trajectory are not independent: take them several relaxation times apart, or
    from many replicas. If the replicas have not reached the stationary law, the bounds belong to
    the law they have.

    Args:
        network: The network; differentiable.
        x: States, shape `(pair, n_units)`.
        x_next: Their successors, the same shape.

    Returns:
        `Bracket`.

    Raises:
        ValueError: Shapes that differ, states of another size than the network, or of other
            values than -1 and 1.

    Cost: $4 K^2 N$ operations, at most 4 million log-probabilities or 2 K of them at once.

    Reference: derived here; contrastive bounds as in Poole et al., ICML 97, 5171 (2019).
    """
    n_pairs, n = x.shape
    if x_next.shape != x.shape:
        raise ValueError(f"`x_next` must have the shape {x.shape} of `x`, got {x_next.shape}.")
    if n != network.n_units or n_pairs < 1:
        raise ValueError(
            f"`x` must hold states of {network.n_units} units, at least one, got shape {x.shape}."
        )
    for name, states in (("x", x), ("x_next", x_next)):
        if is_concrete(states) and not np.all(np.abs(np.asarray(states)) == 1):
            raise ValueError(f"`{name}` must hold states of -1 and 1, got others.")
    return _bracket(network, x, x_next)


@eqx.filter_jit
def _bracket(network: BinaryNetwork, x: Array, x_next: Array) -> Bracket:
    n_pairs = x.shape[0]
    logs = _log_table(network, x)

    def one(pair):
        k, after = pair
        # Terms of one sign are added, which holds its digits however large the fields.
        columns = jnp.concatenate([after > 0, after <= 0]).astype(logs.dtype)
        column = jnp.matmul(logs, columns, precision=jax.lax.Precision.HIGHEST)
        own = column[k]
        rest = jax.nn.logsumexp(jnp.where(jnp.arange(n_pairs) == k, -jnp.inf, column))
        every = jnp.logaddexp(rest, own)
        return own - every + jnp.log(1.0 * n_pairs), own - rest + jnp.log(n_pairs - 1.0)

    block = max(1, min(n_pairs, _ENTRIES // n_pairs))
    lower, upper = jax.lax.map(one, (jnp.arange(n_pairs), x_next), batch_size=block)
    if n_pairs == 1:
        zero = jnp.zeros((), logs.dtype)
        return Bracket(zero, zero + jnp.inf, zero + jnp.nan)
    spread = jnp.maximum(jnp.std(lower, ddof=1), jnp.std(upper, ddof=1))
    error = spread / n_pairs**0.5
    return Bracket(jnp.mean(lower) / LN2, jnp.mean(upper) / LN2, error / LN2)
