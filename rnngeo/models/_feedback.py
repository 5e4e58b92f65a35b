"""A network whose readout is fed back: open and closed loop as two views of one value."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo._types import Scalar, State
from rnngeo.connectivity import low_rank

from ._rate import RateFlow, RateMap


def _columns(vectors) -> Float[Array, "n_units n_outputs"]:
    vectors = jnp.asarray(vectors)
    return vectors[:, None] if vectors.ndim == 1 else vectors


def _vector(values) -> Float[Array, " n_outputs"]:
    return jnp.atleast_1d(jnp.asarray(values))


class FeedbackNetwork(eqx.Module):
    r"""A rate network with outputs $z = n^\top\phi(x)$ fed back along m,

    $$\tau \dot x = -x + g\chi\,\phi(x) + m z + I + b.$$

    `open_loop(z)` clamps the outputs, `closed_loop` feeds them back, $J = g\chi + m n^\top$. Both
    are plain `RateFlow` or `RateMap` networks, so everything that analyses a network analyses them.

    Attributes:
        recurrent: Bulk, bias, time constant and nonlinearity; its type says flow or map.
        feedback_weights: m, shape `(n_units, n_outputs)`; one vector is taken as one column.
        readout_weights: n, the same shape.
        input_weights: I, the constant input of the task, shape `(n_units,)`.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), Eq. (1)-(2).
    """

    recurrent: RateFlow | RateMap
    feedback_weights: Float[Array, "n_units n_outputs"] = eqx.field(converter=_columns)
    readout_weights: Float[Array, "n_units n_outputs"] = eqx.field(converter=_columns)
    input_weights: Float[Array, " n_units"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self):
        n_units = self.n_units
        for name in ("feedback_weights", "readout_weights"):
            shape = getattr(self, name).shape
            if len(shape) != 2 or shape[0] != n_units or shape != self.feedback_weights.shape:
                raise ValueError(
                    f"`{name}` must have shape ({n_units},) or ({n_units}, n_outputs), one shape "
                    f"for feedback and readout, got {shape}."
                )
        if self.input_weights.shape != (n_units,):
            raise ValueError(
                f"`input_weights` must have shape ({n_units},), got {self.input_weights.shape}."
            )

    @property
    def n_units(self) -> int:
        return self.recurrent.n_units

    @property
    def n_outputs(self) -> int:
        return self.feedback_weights.shape[1]

    @property
    def closed_loop(self) -> RateFlow | RateMap:
        """The network as it runs, J = bulk + m nᵀ (kept as a sum)."""
        loop = low_rank(self.feedback_weights, self.readout_weights)
        return self._with(weights=self.recurrent.weights + loop, drive=self.input_weights)

    def open_loop(self, z: Float[Array, " n_outputs"] | Scalar | float) -> RateFlow | RateMap:
        """The network with its outputs clamped at `z`."""
        drive = self.feedback_weights @ _vector(z) + self.input_weights
        return self._with(weights=self.recurrent.weights, drive=drive)

    def outputs(self, x: State) -> Float[Array, " n_outputs"]:
        """z = nᵀ phi(x)."""
        return self.readout_weights.T @ self.recurrent.nonlinearity(x)

    def with_readout(self, readout_weights: Float[Array, "..."]) -> "FeedbackNetwork":
        """The same network with another readout: what training changes."""
        return FeedbackNetwork(
            self.recurrent, self.feedback_weights, readout_weights, self.input_weights
        )

    def _with(self, weights, drive) -> RateFlow | RateMap:
        base = self.recurrent
        return type(base)(weights, base.bias + drive, base.tau, base.nonlinearity)
