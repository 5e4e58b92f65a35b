"""What drives a network, and how it moves: checks and defaults shared by the room."""

from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float

from rnngeo._types import State, Time
from rnngeo.models import AbstractFlow, AbstractMap, AbstractNetwork
from rnngeo.numerics import is_concrete

Input = Array | Callable[[Time], Array]


def rms(x: Float[Array, "..."]) -> Float[Array, ""]:
    """Root mean square; every test of rest in this room measures with it."""
    return optx.rms_norm(x)


def as_state(network: AbstractNetwork, x0: Array, name: str = "x0") -> State:
    """`x0` as a floating state of this network, or a `ValueError` that says what is wrong."""
    x0 = jnp.asarray(x0)
    if not jnp.issubdtype(x0.dtype, jnp.inexact):
        x0 = x0.astype(float)
    if x0.shape != (network.n_units,):
        raise ValueError(f"`{name}` must have shape ({network.n_units},), got shape {x0.shape}.")
    return x0


class _Constant(eqx.Module):
    value: State

    def __call__(self, t: Time) -> State:
        return self.value


class _Function(eqx.Module):
    function: Callable[[Time], Array]
    dtype: Any = eqx.field(static=True)

    def __call__(self, t: Time) -> State:
        return jnp.asarray(self.function(t), self.dtype)


class Velocity(eqx.Module):
    """F(t, x, u(t)) of a flow, F(t, x, u(t)) - x of a map, as diffrax calls it.

    A pytree rather than a closure, so that the implicit function theorem finds the parameters.
    """

    network: AbstractNetwork
    u: Callable[[Time], Array]

    def __call__(self, t: Any, x: State, args: Any) -> State:
        if isinstance(self.network, AbstractFlow):
            return self.network.drift(t, x, self.u(t))
        return self.following(t, x) - x

    def following(self, t: Time, x: State) -> State:
        """The next state of a map."""
        assert isinstance(self.network, AbstractMap)
        return self.network.update(t, x, self.u(t))


def as_input(network: AbstractNetwork, u: Input | None, dtype) -> Callable[[Time], Array]:
    """The input as a function of time; a constant and `None` are functions too."""
    shape = (network.n_units,)
    if callable(u):
        struct = eqx.filter_eval_shape(u, jax.ShapeDtypeStruct((), dtype))
        if struct.shape != shape:
            raise ValueError(f"`u` must return shape {shape}, got shape {struct.shape}.")
        return _Function(u, dtype)
    value = jnp.zeros(shape, dtype) if u is None else jnp.asarray(u, dtype)
    if value.shape != shape:
        raise ValueError(f"`u` must have shape {shape}, got shape {value.shape}.")
    return _Constant(value)


def check_network(network: AbstractNetwork) -> None:
    """`ValueError` unless the network says of which kind it is."""
    if not isinstance(network, AbstractFlow | AbstractMap):
        raise ValueError(
            f"`network` must be an AbstractFlow or an AbstractMap, got {type(network).__name__}."
        )


def check_times(t0, t1, dt=None) -> None:
    """`ValueError` unless t1 > t0 and dt > 0, as far as the numbers are known while tracing."""
    for name, value in (("t0", t0), ("t1", t1), ("dt", dt)):
        if value is not None and jnp.shape(value) != ():
            raise ValueError(f"`{name}` must be a number, got shape {jnp.shape(value)}.")
    if is_concrete(t0, t1) and not t1 > t0:
        raise ValueError(f"`t1` must be later than `t0` = {t0}, got {t1}.")
    if dt is not None and is_concrete(dt) and not dt > 0:
        raise ValueError(f"`dt` must be positive, got {dt}.")


def path_controller(dtype) -> dfx.PIDController:
    """Step control for trajectories: 1e-6 and 1e-9 in float64, 1e-4 and 1e-6 in float32."""
    if jnp.finfo(dtype).eps < 1e-12:
        return dfx.PIDController(rtol=1e-6, atol=1e-9)
    return dfx.PIDController(rtol=1e-4, atol=1e-6)
