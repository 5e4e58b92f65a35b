"""One adaptive step of one trajectory, with the velocity at its end."""

from collections.abc import Callable

import diffrax as dfx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from rnngeo._types import Scalar, State


def _combine(coefficients, stages: list[State]) -> State | float:
    """Sum of a_i k_i over the nonzero coefficients, written out."""
    terms = [
        k if a == 1 else float(a) * k for a, k in zip(coefficients, stages, strict=False) if a != 0
    ]
    return sum(terms[1:], terms[0]) if terms else 0.0


def _explicit(velocity: Callable, tableau, t, dt, x: State, f: State):
    """One step of an explicit Runge-Kutta method that is handed F(x) and hands on F at its end.

    diffrax's own step loops over the stages and contracts whole buffers; under `vmap` over 64
    lanes of 1000 units that costs 15 to 20 % more than the matrix products, written out it costs
    4 %. Handing on F makes every method "first same as last", so a test of rest costs nothing.
    """
    stages, y = [f], x
    for row, c in zip(tableau.a_lower, tableau.c, strict=True):
        y = x + dt * _combine(row, stages)
        stages.append(velocity(t + float(c) * dt, y, None))
    x1 = y if tableau.ssal else x + dt * _combine(tableau.b_sol, stages)
    f1 = stages[-1] if tableau.fsal else velocity(t + dt, x1, None)
    return x1, f1, dt * _combine(tableau.b_error, stages)


def _explicit_tableau(solver: dfx.AbstractSolver) -> dfx.ButcherTableau | None:
    """The tableau of a method that can be written out here."""
    tableau = getattr(solver, "tableau", None)
    if not isinstance(solver, dfx.AbstractERK) or not isinstance(tableau, dfx.ButcherTableau):
        return None
    return tableau if tableau.c1 in (None, 0) else None


def solver_state(velocity: Callable, solver: dfx.AbstractSolver, t, t_next, x: State) -> PyTree:
    """What the solver itself remembers between steps; nothing for methods written out here."""
    if _explicit_tableau(solver) is not None or isinstance(solver, dfx.Euler):
        return None
    return solver.init(dfx.ODETerm(velocity), t, t_next, x, None)


def solver_step(
    velocity: Callable, solver: dfx.AbstractSolver, t: Scalar, t_next: Scalar, x: State, f: State,
    memory: PyTree,
) -> tuple[State, State, State | None, PyTree]:  # fmt: skip
    """State, velocity and error estimate at `t_next`, and the solver's memory.

    Args:
        velocity: F(t, x, args).
        solver: Any diffrax solver of one ODE term.
        t: Start of the step.
        t_next: Its end.
        x: State at `t`, shape `(n_units,)`.
        f: F at `t` and `x`.
        memory: From `solver_state` or the last accepted step.

    Returns:
        x1, F(t_next, x1), error estimate or `None`, memory.

    Cost: explicit Runge-Kutta methods as many evaluations as stages, less one where first is same
    as last; any other solver one evaluation more than its own.
    """
    dt = t_next - t
    if isinstance(solver, dfx.Euler):
        x1 = x + dt * f
        return x1, velocity(t_next, x1, None), None, None
    tableau = _explicit_tableau(solver)
    if tableau is not None:
        return *_explicit(velocity, tableau, t, dt, x, f), None
    terms = dfx.ODETerm(velocity)
    x1, error, _, memory, _ = solver.step(terms, t, t_next, x, None, memory, False)
    return x1, velocity(t_next, x1, None), error, memory


def adapt(
    controller: dfx.AbstractStepSizeController, order, t: Scalar, t_next: Scalar, t1: Scalar,
    x: State, x1: State, error: State | None, memory: PyTree,
) -> tuple[Bool[Array, ""], Float[Array, ""], Float[Array, ""], PyTree]:  # fmt: skip
    """Accept or reject, and the next interval: diffrax's controller and its rule at the end t1."""
    if error is not None:
        error = jnp.where(jnp.isnan(error), jnp.inf, error)
    keep, start, end, _, memory, _ = controller.adapt_step_size(
        t, t_next, x, x1, None, error, order, memory
    )
    keep, t, t_next = jnp.asarray(keep), jnp.minimum(start, t1), jnp.asarray(end)
    nearly = t1 - 100 * jnp.finfo(t.dtype).eps * jnp.abs(t1)
    clipped = jnp.where(keep, t1, t + 0.5 * (t1 - t))
    return keep, t, jnp.where(t_next > nearly, clipped, t_next), memory


def first_interval(
    velocity: Callable, solver: dfx.AbstractSolver, controller: dfx.AbstractStepSizeController,
    t: Scalar, t1: Scalar, dt: Scalar | None, x: State,
) -> tuple[Float[Array, ""], PyTree]:  # fmt: skip
    """End of the first step and the controller's memory, as arrays."""
    terms = dfx.ODETerm(velocity)
    order = solver.error_order(terms)
    func = lambda terms, t, y, args: velocity(t, y, args)
    t_next, memory = controller.init(terms, t, t1, x, dt, None, func, order)
    return jnp.minimum(t_next, t1), jax.tree.map(jnp.asarray, memory)
