"""Correlations of units, and what pairs of them say about each other."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rnngeo.models import BinaryNetwork

from ._states import binary_entropy, state_table

_PAIRS = (-2, -1)


class Correlations(eqx.Module):
    r"""Second-order statistics of a stationary network, or of each network of a batch.

    Attributes:
        mean: $m_n = E x_n$.
        next: Pearson correlation of $x_n(t+1)$ and $x_m(t)$, shape `(n, m)`.
        equal_time: The same of $x_n(t)$ and $x_m(t)$; one on the diagonal.
        pair_information: Mutual information of $x_n(t+1)$ and $x_m(t)$ in bits, shape `(n, m)`.
        is_stuck: Units that never change; their correlations are set to zero.
    """

    mean: Float[Array, " n_units"]
    next: Float[Array, "n_units n_units"]
    equal_time: Float[Array, "n_units n_units"]
    pair_information: Float[Array, "n_units n_units"]
    is_stuck: Bool[Array, " n_units"]

    @property
    def rms(self) -> Float[Array, "*batch"]:
        r"""Root mean square of `next` over all $N^2$ ordered pairs, autopairs included."""
        return jnp.sqrt(jnp.mean(self.next**2, axis=_PAIRS))

    @property
    def rms_off_diagonal(self) -> Float[Array, "*batch"]:
        """Root mean square of `next` over pairs of different units; NaN for a single unit."""
        n = self.mean.shape[-1]
        other = jnp.where(jnp.eye(n, dtype=bool), 0.0, self.next)
        return jnp.sqrt(jnp.sum(other**2, axis=_PAIRS) / (n * (n - 1) if n > 1 else jnp.nan))

    @property
    def mean_modulus(self) -> Float[Array, "*batch"]:
        """Mean modulus of `next` over all ordered pairs."""
        return jnp.mean(jnp.abs(self.next), axis=_PAIRS)

    @property
    def rms_equal_time(self) -> Float[Array, "*batch"]:
        """Root mean square of `equal_time` over all ordered pairs, the diagonal included."""
        return jnp.sqrt(jnp.mean(self.equal_time**2, axis=_PAIRS))

    @property
    def mean_pair_information(self) -> Float[Array, "*batch"]:
        """Mean of `pair_information` over all ordered pairs, in bits."""
        return jnp.mean(self.pair_information, axis=_PAIRS)


def pearson(
    products: Float[Array, "n_units n_units"],
    mean_after: Float[Array, " n_units"],
    mean_before: Float[Array, " n_units"],
) -> Float[Array, "n_units n_units"]:
    """Pearson correlations from mean products of units in {-1, 1}; zero where a unit is stuck."""
    variance = jnp.outer(1.0 - mean_after**2, 1.0 - mean_before**2)
    safe = jnp.where(variance > 0, variance, 1.0)
    covariance = products - jnp.outer(mean_after, mean_before)
    return jnp.where(variance > 0, covariance / jnp.sqrt(safe), 0.0)


def _pair_information(products: Array, mean: Array) -> Array:
    """Mutual information of two units from their joint law, which three means determine."""
    after, before = mean[:, None], mean[None, :]
    up = 0.25 * (1.0 + before + after + products), 0.25 * (1.0 + before - after - products)
    down = 0.25 * (1.0 - before + after - products), 0.25 * (1.0 - before - after + products)
    total = binary_entropy(0.5 * (1.0 + after), 0.5 * (1.0 - after))
    given = 0.0
    for (yes, no), weight in ((up, 0.5 * (1.0 + before)), (down, 0.5 * (1.0 - before))):
        safe = jnp.where(weight > 0, weight, 1.0)
        yes, no = jnp.clip(yes / safe, 0.0, 1.0), jnp.clip(no / safe, 0.0, 1.0)
        given = given + weight * binary_entropy(yes, no)
    return jnp.maximum(total - given, 0.0)


@eqx.filter_jit
def correlations(network: BinaryNetwork, law: Float[Array, " state"]) -> Correlations:
    r"""Exact correlations of the units of a stationary network, at equal times and one step apart.

    $R_{nm} = (E[x_n' x_m] - m_n m_m)/(s_n s_m)$ with $E[x_n'|x]$ in closed form.

    Args:
        network: The network.
        law: Its stationary law over all states, as in `Flux.law`.

    Returns:
        `Correlations`.

    Cost: $2^N N^2$ operations.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024); estimator derived here.
    """
    states = state_table(network.n_units).astype(law.dtype)
    after = jax.vmap(network.mean_update)(states)
    mean = law @ states
    products = (law[:, None] * after).T @ states
    equal = (law[:, None] * states).T @ states
    is_stuck = 1.0 - mean**2 <= 0
    return Correlations(
        mean=mean,
        next=pearson(products, mean, mean),
        equal_time=pearson(equal, mean, mean),
        pair_information=_pair_information(products, mean),
        is_stuck=is_stuck,
    )
