"""The rate network, as a flow and as a map."""

import equinox as eqx
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Float

from rnngeo._types import Nonlinearity, State, Time
from rnngeo.connectivity import as_operator

from ._base import AbstractFlow, AbstractMap


def _check(weights: lx.AbstractLinearOperator, bias: Array, tau: Array) -> None:
    n_post, n_pre = weights.out_structure().shape[0], weights.in_structure().shape[0]
    if n_post != n_pre:
        raise ValueError(f"`weights` must be square, got shape ({n_post}, {n_pre}).")
    for name, value in (("bias", bias), ("tau", tau)):
        if value.shape not in ((), (n_post,)):
            raise ValueError(
                f"`{name}` must be a number or have shape ({n_post},), got shape {value.shape}."
            )


class RateFlow(AbstractFlow):
    r"""Rate network in continuous time, $\tau \dot x = -x + J\phi(x) + b + u$.

    Attributes:
        weights: J, a `lineax` operator (a matrix is wrapped); row = postsynaptic.
        bias: b, constant input, a number or shape `(n_units,)`.
        tau: Time constant, a number or shape `(n_units,)`.
        nonlinearity: phi, elementwise.
    """

    weights: lx.AbstractLinearOperator = eqx.field(converter=as_operator)
    bias: Float[Array, "..."] = eqx.field(converter=jnp.asarray, default=0.0)
    tau: Float[Array, "..."] = eqx.field(converter=jnp.asarray, default=1.0)
    nonlinearity: Nonlinearity = eqx.field(static=True, default=jnp.tanh)

    def __check_init__(self):
        _check(self.weights, self.bias, self.tau)

    @property
    def n_units(self) -> int:
        return self.weights.out_structure().shape[0]

    def drift(self, t: Time, x: State, u: State) -> State:
        return (-x + self.weights.mv(self.nonlinearity(x)) + self.bias + u) / self.tau


class RateMap(AbstractMap):
    r"""Rate network in discrete time, $x' = (1 - 1/\tau) x + (J\phi(x) + b + u)/\tau$.

    With tau = 1 the network forgets in one step, $x' = J\phi(x) + b + u$. Fields as in `RateFlow`;
    tau is counted in steps.
    """

    weights: lx.AbstractLinearOperator = eqx.field(converter=as_operator)
    bias: Float[Array, "..."] = eqx.field(converter=jnp.asarray, default=0.0)
    tau: Float[Array, "..."] = eqx.field(converter=jnp.asarray, default=1.0)
    nonlinearity: Nonlinearity = eqx.field(static=True, default=jnp.tanh)

    def __check_init__(self):
        _check(self.weights, self.bias, self.tau)

    @property
    def n_units(self) -> int:
        return self.weights.out_structure().shape[0]

    def update(self, t: Time, x: State, u: State) -> State:
        drive = self.weights.mv(self.nonlinearity(x)) + self.bias + u
        return x + (drive - x) / self.tau
