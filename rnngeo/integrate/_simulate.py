"""One trajectory, with or without noise."""

import math

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
from jaxtyping import Array, Float, PyTree

from rnngeo._results import RESULTS
from rnngeo._types import Key, ScalarLike, State
from rnngeo.models import AbstractMap, AbstractNetwork
from rnngeo.numerics import is_concrete

from ._inputs import (
    Input,
    Velocity,
    as_input,
    as_state,
    check_network,
    check_times,
    path_controller,
)


class Trajectory(eqx.Module):
    """States at the saved times.

    Attributes:
        ts: Times, shape `(time,)`.
        xs: States, shape `(time, n_units)`; times the run did not reach hold `inf`.
        result: A member of `RESULTS`.
        stats: `num_steps`, and for an adaptive run accepted and rejected steps.
    """

    ts: Float[Array, " time"]
    xs: Float[Array, "time n_units"]
    result: RESULTS
    stats: dict[str, PyTree]


class _FixedStepNoise(dfx.AbstractBrownianPath):
    """Brownian increments for fixed steps: one draw per step, the same whenever it is redone.

    The draw depends on nothing but the key and the start of the step, so a reverse pass that
    repeats a step repeats its noise, and noise costs one draw (diffrax's own path of this kind
    refuses reverse mode, its tree costs a logarithm of the precision per step).
    """

    key: Key
    shape: tuple[int, ...] = eqx.field(static=True)
    levy_area = dfx.BrownianIncrement

    @property
    def t0(self):
        return None

    @property
    def t1(self):
        return None

    def evaluate(self, t0, t1=None, left=True, use_levy=False):
        if t1 is None or use_levy:
            raise ValueError("noise needs a solver that asks for plain increments, as dfx.Euler()")
        key = self.key
        for word in jnp.atleast_1d(jax.lax.bitcast_convert_type(t0, jnp.uint32)):
            key = jr.fold_in(key, word)
        return jnp.sqrt(t1 - t0) * jr.normal(key, self.shape, jnp.result_type(t0))


def _noise(network: AbstractNetwork, noise_std, key: Key | None, dtype) -> Array | None:
    if noise_std is None:
        return None
    if key is None:
        raise ValueError("`key` must be given with `noise_std`, got None.")
    noise_std = jnp.asarray(noise_std, dtype)
    if noise_std.shape not in ((), (network.n_units,)):
        raise ValueError(
            f"`noise_std` must be a number or have shape ({network.n_units},), got shape "
            f"{noise_std.shape}."
        )
    return jnp.broadcast_to(noise_std, (network.n_units,))


def _flow(differentiable, *, solver, controller, key, adjoint, max_steps) -> Trajectory:
    network, x0, t0, t1, ts, u, dt, noise_std = differentiable
    terms = dfx.ODETerm(Velocity(network, as_input(network, u, x0.dtype)))
    if noise_std is not None:
        path = _FixedStepNoise(key, x0.shape)  # pyright: ignore[reportCallIssue]
        diffusion = lambda t, x, args: lx.DiagonalLinearOperator(noise_std)
        terms = dfx.MultiTerm(terms, dfx.ControlTerm(diffusion, path))
    solution = dfx.diffeqsolve(
        terms,
        solver,
        t0,
        t1,
        dt,
        x0,
        saveat=dfx.SaveAt(t1=True) if ts is None else dfx.SaveAt(ts=ts),
        stepsize_controller=controller,
        adjoint=adjoint,
        max_steps=max_steps,
        throw=False,
    )
    result = RESULTS.promote(solution.result)
    saved_ts, xs = solution.ts, solution.ys
    assert saved_ts is not None  # for the type checker: something is always saved
    assert xs is not None
    # Rows that were not reached hold inf in `ts` too; only those reached can have diverged.
    is_bad = jnp.isfinite(saved_ts)[:, None] & ~jnp.isfinite(xs)
    result = RESULTS.where(jnp.any(is_bad), RESULTS.trajectory_diverged, result)
    names = ("num_steps", "num_accepted_steps", "num_rejected_steps")
    stats = {name: solution.stats[name] for name in names}
    return Trajectory(saved_ts, xs, result, stats)


@eqx.filter_custom_vjp
def _flow_two_ways(differentiable, **options) -> Trajectory:
    """A plain loop when nothing is differentiated, diffrax's checkpoints when something is.

    The checkpointed loop costs 40 microseconds a step on a CPU even if no gradient is taken: four
    times a small network's own step.
    """
    return _flow(differentiable, adjoint=dfx.ForwardMode(), **options)


@_flow_two_ways.def_fwd
def _two_ways_forward(perturbed, differentiable, **options):
    arrays, rest = eqx.partition(differentiable, perturbed)
    _, _, _, _, ts, _, dt, _ = differentiable
    # A step that the reverse pass repeats may round its end differently; a time saved exactly at
    # the end of a fixed step would then drop out of the gradient. So keep every fixed step.
    is_aligned = dt is not None and ts is not None
    checkpoints = options["max_steps"] if is_aligned else None

    def run(arrays):
        adjoint = dfx.RecursiveCheckpointAdjoint(checkpoints)
        trajectory = _flow(eqx.combine(arrays, rest), adjoint=adjoint, **options)
        return trajectory.xs, trajectory

    _, pull_back, trajectory = jax.vjp(run, arrays, has_aux=True)
    return trajectory, pull_back


@_flow_two_ways.def_bwd
def _two_ways_backward(pull_back, cotangent, perturbed, differentiable, **options):
    if cotangent.xs is None:
        return jax.tree.map(jnp.zeros_like, eqx.filter(differentiable, perturbed))
    return pull_back(cotangent.xs)[0]


def _without_tangent(x: Array) -> Array:
    """Twice `not`: an integer that came out of a custom derivative loses its empty tangent.

    Equinox's error checks have no rule for such tangents.
    """
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else ~~x


@eqx.filter_jit
def _run_flow(differentiable, adjoint, **options) -> Trajectory:
    if adjoint is None:
        return jax.tree.map(_without_tangent, _flow_two_ways(differentiable, **options))
    return _flow(differentiable, adjoint=adjoint, **options)


@eqx.filter_jit
def _map(network, x0, t0, saved, u, noise_std, key, n_steps: int) -> Trajectory:
    dtype = x0.dtype
    u = as_input(network, u, dtype)

    def step(x, i):
        x = network.update(t0 + i.astype(dtype), x, u(t0 + i.astype(dtype)))
        if noise_std is not None:
            x = x + noise_std * jr.normal(jr.fold_in(key, i), x.shape, dtype)
        return x, (jnp.zeros((0,), dtype) if saved is None else x)

    last, xs = jax.lax.scan(step, x0, jnp.arange(n_steps))
    if saved is None:
        ts, xs = jnp.asarray([t0 + n_steps]), last[None]
    else:
        ts, xs = t0 + saved.astype(dtype), jnp.concatenate([x0[None], xs])[saved]
    is_bad = ~jnp.all(jnp.isfinite(last))
    result = RESULTS.where(is_bad, RESULTS.trajectory_diverged, RESULTS.successful)
    return Trajectory(ts.astype(dtype), xs, result, {"num_steps": jnp.asarray(n_steps)})


def _simulate_map(network, x0, t0, t1, ts, u, noise_std, key) -> Trajectory:
    """Steps t0, t0 + 1, ..., t1; every number of steps must be known while tracing."""
    if not is_concrete(t0, t1, *(() if ts is None else (ts,))):
        raise ValueError("`t0`, `t1` and `ts` of a map must be known numbers, got traced ones.")
    n_steps = int(t1 - t0)
    if n_steps != t1 - t0:
        raise ValueError(f"`t1` - `t0` of a map must be a whole number, got {t1 - t0}.")
    saved = None
    if ts is not None:
        offsets = np.asarray(ts, float) - float(t0)
        if np.any(offsets != np.round(offsets)) or offsets.min() < 0 or offsets.max() > n_steps:
            raise ValueError("`ts` of a map must be whole steps between `t0` and `t1`.")
        saved = jnp.asarray(offsets.astype(int))
    return _map(network, x0, jnp.asarray(t0, x0.dtype), saved, u, noise_std, key, n_steps)


def _step_limit(t0, t1, dt) -> int:
    """Enough fixed steps, rounded up to a power of two so that few lengths compile."""
    if not is_concrete(t0, t1, dt):
        return 2**16
    n_steps = float(t1 - t0) / float(dt)
    return 2 ** math.ceil(math.log2(1.01 * n_steps + 16))


def simulate(
    network: AbstractNetwork,
    x0: State,
    *,
    t1: ScalarLike,
    t0: ScalarLike = 0.0,
    ts: Array | None = None,
    u: Input | None = None,
    dt: ScalarLike | None = None,
    solver: dfx.AbstractSolver | None = None,
    controller: dfx.AbstractStepSizeController | None = None,
    noise_std: Array | ScalarLike | None = None,
    key: Key | None = None,
    adjoint: dfx.AbstractAdjoint | None = None,
    max_steps: int | None = None,
    throw: bool = True,
) -> Trajectory:
    r"""Follow one network from one state.

    A flow solves $dx = F(t, x, u)\,dt + \sigma\,dW$, a map $x' = F(t, x, u) + \sigma\,\zeta$ with
    $\zeta \sim N(0, 1)$ at every step.

    Args:
        network: Flow or map; differentiable in every array field.
        x0: Starting state, shape `(n_units,)`; its dtype is the dtype of the run.
        t1: Last time, in units of the network's time (steps for a map).
        t0: First time.
        ts: Times to save, increasing, shape `(time,)`. Default: the last state only.
        u: Input: `None`, constant of shape `(n_units,)`, or a function of time returning that
            (an `eqx.Module` if it holds arrays to be differentiated).
        dt: Fixed step of a flow; if it does not divide the time, the rest is cut into equal steps a
            little shorter. Default: adaptive.
        solver: diffrax solver of a flow. Default: Tsit5, with `dt` Euler (Euler-Maruyama with
            noise), so that a fixed step means the scheme everyone writes down.
        controller: Step control of a flow. Default: `PIDController` at 1e-6 and 1e-9 in float64,
            1e-4 and 1e-6 in float32; constant with `dt`.
        noise_std: sigma, a number or shape `(n_units,)`, per square root of time for a flow, per
            step for a map. Needs `key`, and `dt` for a flow.
        key: Random key of the noise.
        adjoint: How a flow is differentiated. Default: reverse mode, by the checkpoints of
            `dfx.RecursiveCheckpointAdjoint`, with a plain loop when nothing is differentiated.
            `dfx.ForwardMode()` for forward mode, `dfx.DirectAdjoint()` for both. Maps know both
            without asking.
        max_steps: Steps of a flow before giving up. Default: what `dt` needs, or 65536.
        throw: Raise on failure; if `False`, read `result`.

    Returns:
        `Trajectory` with one time if `ts` is `None`.

    Raises:
        ValueError: Wrong shape, `t1` not after `t0`, `dt` not positive, noise without key or `dt`.
        RuntimeError: `trajectory_diverged` or too many steps, with `throw=True`.

    Cost: per step one product with the weights and stage. Batch over `x0`, `u` or `key` with
        `vmap` and `throw=False`; shared weights then make one matrix product. A vmapped adaptive
        run lasts as long as its slowest row: use `dt`, or `solve_rows`.

    Reference: Kidger, On Neural Differential Equations (2021), section 5, for the solvers.
    """
    check_network(network)
    x0 = as_state(network, x0)
    check_times(t0, t1, dt)
    if ts is not None and jnp.ndim(ts) != 1:
        raise ValueError(f"`ts` must have one axis, got shape {jnp.shape(ts)}.")
    noise_std = _noise(network, noise_std, key, x0.dtype)
    if isinstance(network, AbstractMap):
        if dt is not None or solver is not None or controller is not None:
            raise ValueError("`dt`, `solver` and `controller` are for flows, got a map.")
        trajectory = _simulate_map(network, x0, t0, t1, ts, u, noise_std, key)
    else:
        if noise_std is not None and dt is None:
            raise ValueError("`dt` must be given with `noise_std`, got None.")
        if noise_std is not None and controller is not None:
            raise ValueError("`controller` must be None with `noise_std`: noise needs fixed steps.")
        if solver is None:
            solver = dfx.Tsit5() if dt is None else dfx.Euler()
        if controller is None:
            controller = path_controller(x0.dtype) if dt is None else dfx.ConstantStepSize()
        if max_steps is None:
            max_steps = 2**16 if dt is None else _step_limit(t0, t1, dt)
        as_time = lambda t: None if t is None else jnp.asarray(t, x0.dtype)
        trajectory = _run_flow(
            (network, x0, as_time(t0), as_time(t1), as_time(ts), u, as_time(dt), noise_std),
            adjoint,
            solver=solver,
            controller=controller,
            key=key,
            max_steps=max_steps,
        )
    if throw:
        is_bad = trajectory.result != RESULTS.successful
        xs = trajectory.result.error_if(trajectory.xs, is_bad)
        trajectory = eqx.tree_at(lambda t: t.xs, trajectory, xs)
    return trajectory
