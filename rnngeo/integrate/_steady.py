"""Where one start comes to rest."""

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp

from rnngeo._results import RESULTS, Solution
from rnngeo._types import Scalar, ScalarLike, State
from rnngeo.models import AbstractMap, AbstractNetwork
from rnngeo.numerics import tolerances

from ._inputs import Input, Velocity, as_input, as_state, check_network, check_times, rms
from ._settling import settling_controller


class _AtRest(eqx.Module):
    """diffrax's steady-state event as a pytree: its tolerances may be traced."""

    rtol: Scalar
    atol: Scalar

    def __call__(self, t, y, args, *, terms, solver, **kwargs):
        return rms(solver.func(terms, t, y, args)) < self.atol + self.rtol * rms(y)


@eqx.filter_jit
def _solve(network, x0, t1, u, rtol, atol, solver, controller, adjoint, max_steps) -> Solution:
    field = Velocity(network, as_input(network, u, x0.dtype))
    terms = dfx.ODETerm(field)
    event = dfx.Event(_AtRest(rtol, atol))
    dt = jnp.ones((), x0.dtype) if isinstance(controller, dfx.ConstantStepSize) else None
    solution = dfx.diffeqsolve(
        terms,
        solver,
        jnp.zeros((), x0.dtype),
        t1,
        dt,
        x0,
        stepsize_controller=controller,
        event=event,
        adjoint=adjoint,
        max_steps=max_steps,
        throw=False,
    )
    assert solution.ts is not None  # for the type checker: the end is always saved
    assert solution.ys is not None
    value, time = solution.ys[-1], solution.ts[-1]
    result = RESULTS.promote(solution.result)
    is_rest = result == RESULTS.event_occurred
    result = RESULTS.where(result == RESULTS.successful, RESULTS.not_settled, result)
    result = RESULTS.where(result == RESULTS.max_steps_reached, RESULTS.not_settled, result)
    result = RESULTS.where(is_rest, RESULTS.successful, result)
    is_finite = jnp.all(jnp.isfinite(value))
    result = RESULTS.where(is_finite, result, RESULTS.trajectory_diverged)
    stats = {
        "num_steps": solution.stats["num_steps"],
        "time": time,
        "residual": rms(field(time, value, None)),
    }
    return Solution(value, result, stats)


def steady_state(
    network: AbstractNetwork,
    x0: State,
    *,
    u: Input | None = None,
    t1: ScalarLike = 1e3,
    rtol: ScalarLike | None = None,
    atol: ScalarLike | None = None,
    solver: dfx.AbstractSolver | None = None,
    controller: dfx.AbstractStepSizeController | None = None,
    adjoint: dfx.AbstractAdjoint | None = None,
    max_steps: int = 4096,
    throw: bool = True,
) -> Solution:
    r"""Follow one start until it comes to rest.

    Runs the network until $|F| < a + r |x|$ (root mean square; for a map $|F(x) - x|$).

    Args:
        network: Flow or map; differentiable in every array field.
        x0: Starting state, shape `(n_units,)`.
        u: Input: `None`, constant of shape `(n_units,)`, or a function of time that becomes
            constant (an `eqx.Module` if it holds traced arrays).
        t1: Time by which it must rest, in units of the network's time (steps for a map).
        rtol: r. Default: the square root of the rounding unit, 1.5e-8 in float64.
        atol: a. Default: its power 3/4.
        solver: diffrax solver of a flow. Default: Tsit5. A map iterates itself.
        controller: Step control of a flow. Default: `SettlingController` at 1e-3 and 1e-6; an
            ordinary `PIDController` needs tolerances below the residual asked for.
        adjoint: Default: `dfx.ImplicitAdjoint()`, the implicit function theorem at the state of
            rest, $dx^* = -F_x^{-1} F_\theta\,d\theta$: both modes, memory of one state, no
            gradient to `x0`.
            `dfx.RecursiveCheckpointAdjoint()` and `dfx.DirectAdjoint()` differentiate the steps.
        max_steps: Steps before giving up.
        throw: Raise on failure; if `False`, read `result`.

    Returns:
        `Solution`: `value` is x*, shape `(n_units,)`, the last state on failure; `stats` holds
        `num_steps`, `time` and `residual` = |F| (root mean square).

    Raises:
        ValueError: Wrong shape or option.
        RuntimeError: `not_settled` or `trajectory_diverged`, with `throw=True`.

    Cost: as `simulate`, and one evaluation more per step for the test. The default gradient adds
        one dense Jacobian and its LU, O(N^3). For many starts use `solve_rows`.

    Reference: Kidger, On Neural Differential Equations (2021), section 5.
    """
    check_network(network)
    x0 = as_state(network, x0)
    check_times(0.0, t1)
    default = tolerances(x0.dtype)
    rtol = jnp.asarray(default["rtol"] if rtol is None else rtol, x0.dtype)
    atol = jnp.asarray(default["atol"] if atol is None else atol, x0.dtype)
    if isinstance(network, AbstractMap):
        if solver is not None or controller is not None:
            raise ValueError("`solver` and `controller` are for flows, got a map.")
        solver, controller = dfx.Euler(), dfx.ConstantStepSize()  # unit steps along F(x) - x
    solution = _solve(
        network,
        x0,
        jnp.asarray(t1, x0.dtype),
        u,
        rtol,
        atol,
        dfx.Tsit5() if solver is None else solver,
        settling_controller() if controller is None else controller,
        dfx.ImplicitAdjoint() if adjoint is None else adjoint,
        max_steps,
    )
    if throw:
        is_bad = solution.result != RESULTS.successful
        value = solution.result.error_if(solution.value, is_bad)
        solution = eqx.tree_at(lambda s: s.value, solution, value)
    return solution
