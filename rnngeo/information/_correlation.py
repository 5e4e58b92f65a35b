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
    covariance: Float[Array, "n_units n_units"],
    variance_after: Float[Array, " n_units"],
    variance_before: Float[Array, " n_units"],
) -> Float[Array, "n_units n_units"]:
    """Pearson correlations; zero where a unit is stuck."""
    is_free = jnp.outer(variance_after > 0, variance_before > 0)
    safe = jnp.where(is_free, jnp.outer(variance_after, variance_before), 1.0)
    return jnp.where(is_free, covariance / jnp.sqrt(safe), 0.0)


def _pair_information(joint_up: Array, joint_down: Array, up: Array, down: Array) -> Array:
    """Mutual information of units that come up, or go down, with units that are up."""
    total = binary_entropy(up, down)[:, None]
    given = 0.0
    for is_up, weight in ((True, up), (False, down)):
        yes, no = (j if is_up else m[:, None] - j for j, m in ((joint_up, up), (joint_down, down)))
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
    with jax.default_matmul_precision("highest"):
        fields = jax.vmap(network.field)(states)
        up, down = network.response(fields), network.response(-fields)
        is_up = (states > 0).astype(law.dtype)
        p_up, p_down = law @ is_up, law @ (1.0 - is_up)
        # Deviations from the mean without a difference of nearly equal numbers.
        before = jnp.where(states > 0, 2.0 * p_down, -2.0 * p_up)
        after = 2.0 * jnp.where(p_up < p_down, up - p_up, p_down - down)
        variance = 4.0 * p_up * p_down
        weighted = law[:, None] * before
        return Correlations(
            mean=p_up - p_down,
            next=pearson(after.T @ weighted, variance, variance),
            equal_time=pearson(before.T @ weighted, variance, variance),
            pair_information=_pair_information(
                up.T @ (law[:, None] * is_up), down.T @ (law[:, None] * is_up), p_up, p_down
            ),
            is_stuck=variance <= 0,
        )
