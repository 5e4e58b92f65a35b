"""The Markov chain of a network's states, its transition matrix never stored."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo.models import BinaryNetwork

from ._states import binary_entropy, states_at

_BLOCK = 4096  # states whose rows are worked on at once
_HIGHEST = jax.lax.Precision.HIGHEST


def _factor(up: Array, down: Array) -> Array:
    """Probabilities of all joint states of some units, the first the most significant digit."""
    rows = jnp.ones((up.shape[0], 1), up.dtype)
    for n in range(up.shape[1]):
        pair = jnp.stack([down[:, n], up[:, n]], axis=1)
        rows = (rows[:, :, None] * pair[:, None, :]).reshape(up.shape[0], -1)
    return rows


class StateChain(eqx.Module):
    r"""Transition probabilities $T(x, x') = \prod_n P(x_n'|x)$ as products of two factors.

    With the units cut into halves h and l, $T(x, (h, l)) = A(x, h) B(x, l)$, so that laws and
    functions are carried over by matrix products with A and B, a block of states at a time, and
    the $2^N \times 2^N$ matrix is never needed. A network without bias is symmetric under
    $x \to -x$; its chain is *folded*: state k stands for $\{x, -x\}$, and there are half as many.

    Attributes:
        up: $P(x_n' = 1|x)$, shape `(state, n_units)`.
        down: $P(x_n' = -1|x)$, likewise.
        is_folded: Whether a state stands for a pair.

    Cost: $2^{N+1} N$ numbers; each product $2\cdot 4^N$ operations; half of both when folded.

    Reference: derived here.
    """

    up: Float[Array, "state n_units"]
    down: Float[Array, "state n_units"]
    is_folded: bool = eqx.field(static=True)

    @property
    def n_units(self) -> int:
        return self.up.shape[1]

    @property
    def n_states(self) -> int:
        return self.up.shape[0]

    def _blocks(self) -> tuple[Array, Array]:
        shape = (-1, min(_BLOCK, self.n_states), self.n_units)
        return self.up.reshape(shape), self.down.reshape(shape)

    def _factors(self, up: Array, down: Array) -> tuple[Array, Array]:
        half = self.n_units // 2
        return _factor(up[:, :half], down[:, :half]), _factor(up[:, half:], down[:, half:])

    def push(self, law: Float[Array, " state"]) -> Float[Array, " state"]:
        """Law one step later, $p T$."""
        shape = (2 ** (self.n_units // 2), 2 ** (self.n_units - self.n_units // 2))

        def add(total, block):
            up, down, p = block
            a, b = self._factors(up, down)
            return total + jnp.matmul((p[:, None] * a).T, b, precision=_HIGHEST), None

        up, down = self._blocks()
        start = jnp.zeros(shape, law.dtype)
        total, _ = jax.lax.scan(add, start, (up, down, law.reshape(up.shape[:2])))
        return self._fold(total.reshape(-1))

    def pull(self, values: Float[Array, " state"]) -> Float[Array, " state"]:
        """Expected value one step later, $T f$."""
        table = self.unfold(values).reshape(2 ** (self.n_units // 2), -1)

        def expect(_, block):
            a, b = self._factors(*block)
            return None, jnp.sum(jnp.matmul(a, table, precision=_HIGHEST) * b, axis=1)

        return jax.lax.scan(jax.checkpoint(expect), None, self._blocks())[1].reshape(-1)

    def as_matrix(self) -> Float[Array, "state state"]:
        """The transition matrix; $4^N$ numbers, a quarter of it when folded."""
        a, b = self._factors(self.up, self.down)
        full = (a[:, :, None] * b[:, None, :]).reshape(self.n_states, -1)
        return (
            full[:, : self.n_states] + full[:, : self.n_states - 1 : -1] if self.is_folded else full
        )

    def _fold(self, law: Array) -> Array:
        n = self.n_states
        return law[:n] + law[: n - 1 : -1] if self.is_folded else law

    def unfold(self, values: Float[Array, " state"]) -> Float[Array, " full_state"]:
        """The even function on all states that has these values."""
        return jnp.concatenate([values, values[::-1]]) if self.is_folded else values

    def unfold_law(self, law: Float[Array, " state"]) -> Float[Array, " full_state"]:
        """The even law on all states: each state of a pair has half."""
        return self.unfold(0.5 * law) if self.is_folded else law

    def step_entropy(self) -> Float[Array, " state"]:
        r"""Entropy of the next state given the present one, $g(x) = \sum_n h_2$, in bits."""
        return jnp.sum(binary_entropy(self.up, self.down), axis=1)


def state_chain(network: BinaryNetwork) -> StateChain:
    """The chain of a network's states; folded if it has no bias.

    Args:
        network: The network.

    Returns:
        `StateChain`.

    Cost: $2^N N^2$ operations, half of it when folded.
    """
    is_folded = network.bias is None
    n = network.n_units
    states = states_at(jnp.arange(2 ** (n - 1) if is_folded else 2**n), n)
    with jax.default_matmul_precision("highest"):
        fields = jax.vmap(network.field)(states)
    return StateChain(network.response(fields), network.response(-fields), is_folded)
