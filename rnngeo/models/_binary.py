"""The stochastic binary network: a Boltzmann network whose units are updated all at once."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from rnngeo._types import Key, ScalarLike, State
from rnngeo.connectivity import as_operator
from rnngeo.numerics import is_concrete, noisy_logistic

from ._base import AbstractNetwork


def _optional(value):
    return None if value is None else jnp.asarray(value)


class BinaryNetwork(AbstractNetwork):
    r"""Units in $\{-1, 1\}$, $P(x_n' = 1 | x) = \sigma(u_n)$, $u = W x + b + r\eta$.

    $\sigma(u) = 1/(1 + e^{-u})$, without a factor of two, so $E[x_n'|x] = \tanh(u_n/2)$ without
    noise. Self-connections (autapses) are allowed and W need not be symmetric.

    Attributes:
        weights: W, a `lineax` operator (a matrix is wrapped); row = the unit that receives.
        bias: b, shape `(n_units,)`. Leave it `None` where there is none: the chain of states is
            then symmetric under $x \to -x$, and exact computations halve it.
        noise_std: r, standard deviation of independent Gaussian input, or `None` for none.

    Raises:
        ValueError: Weights that are not square, a bias of another shape, numbers that are not
            finite, or negative noise.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024).
    """

    weights: lx.AbstractLinearOperator = eqx.field(converter=as_operator)
    bias: Float[Array, " n_units"] | None = eqx.field(converter=_optional, default=None)
    noise_std: Float[Array, ""] | None = eqx.field(converter=_optional, default=None)

    def __check_init__(self):
        n_post, n_pre = self.weights.out_structure().shape[0], self.weights.in_structure().shape[0]
        if n_post != n_pre:
            raise ValueError(f"`weights` must be square, got shape ({n_post}, {n_pre}).")
        if self.bias is not None and self.bias.shape != (n_post,):
            raise ValueError(f"`bias` must have shape ({n_post},), got shape {self.bias.shape}.")
        for name in ("weights", "bias", "noise_std"):
            for value in jax.tree.leaves(eqx.filter(getattr(self, name), eqx.is_array)):
                if is_concrete(value) and not np.isfinite(np.asarray(value)).all():
                    raise ValueError(f"`{name}` must be finite, got NaN or infinity.")
        r = self.noise_std
        if r is not None and is_concrete(r) and not bool(np.asarray(r) >= 0):
            raise ValueError(f"`noise_std` must not be negative, got {r}.")

    @classmethod
    def from_zero_one(
        cls,
        weights: Float[ArrayLike, "n_units n_units"],
        bias: Float[ArrayLike, " n_units"] | None = None,
        noise_std: ScalarLike | None = None,
    ) -> "BinaryNetwork":
        r"""The same network written for units $z = (x + 1)/2$ in $\{0, 1\}$.

        $u = W z + b$ is $u = \frac W2 x + (b + \frac12 W 1)$.
        """
        w = jnp.asarray(weights) * 1.0
        b = 0.0 if bias is None else jnp.asarray(bias)
        return cls(weights=0.5 * w, bias=b + 0.5 * w.sum(axis=1), noise_std=noise_std)

    @property
    def n_units(self) -> int:
        return self.weights.out_structure().shape[0]

    def field(self, x: State) -> State:
        """Local field $u = W x + b$, without the noise."""
        u = self.weights.mv(x)
        return u if self.bias is None else u + self.bias

    def response(self, u: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """Probability of $x_n' = 1$ under a local field; of $x_n' = -1$ it is `response(-u)`."""
        return jax.nn.sigmoid(u) if self.noise_std is None else noisy_logistic(u, self.noise_std)

    def mean_update(self, x: State) -> State:
        """Expected next state $E[x'|x]$."""
        u = self.field(x)
        if self.noise_std is None:
            return jnp.tanh(0.5 * u)
        return self.response(u) - self.response(-u)

    def sample(self, x: State, *, key: Key) -> State:
        """Draw the next state; the noise enters through its effect on the probability.

        The rarer of both signs is drawn, in single precision from two numbers: one has 23 bits,
        too few for what happens once in 10^8 steps.
        """
        key_first, key_second = jr.split(key)
        u = self.field(x)
        up, down = self.response(u), self.response(-u)
        draw = jr.uniform(key_first, x.shape, x.dtype)
        if x.dtype.itemsize < 8:
            finer = jr.uniform(key_second, x.shape, x.dtype)
            draw = draw + float(jnp.finfo(x.dtype).eps) * finer
        is_rare = draw < jnp.minimum(up, down)
        return jnp.where(is_rare == (up <= down), 1.0, -1.0).astype(x.dtype)
