"""Gradient descent through simulated trajectories."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, PyTree

from rnngeo._results import RESULTS
from rnngeo._types import Key, Scalar, ScalarLike
from rnngeo.models import FeedbackNetwork
from rnngeo.tasks import StationaryAssociation

from ._training import (
    Training,
    check_count,
    check_number,
    overlaps,
    prepared,
    run_saved,
    time_step,
    unless,
    with_input,
)

_ADAM = optax.adam(1e-3)  # one object, so that a second call does not compile anew


def _readout(network: FeedbackNetwork):
    return network.readout_weights


def _save_times(t1: float, dt: float, window: float) -> list[float]:
    """The ends of the Euler steps in the last part of [0, t1]."""
    n_steps = max(round(t1 / dt), 1)
    n_saved = max(round(window * n_steps), 1)
    return [dt * index for index in range(n_steps - n_saved + 1, n_steps + 1)]


@eqx.filter_jit
def _loss(network, task, starts, ts, dt) -> Scalar:
    """Mean of (z(t) - A_k)^2 over patterns, starts and the saved times."""

    def error(drive, target, x0):
        # the network itself carries the first input
        xs = run_saved(network, x0, ts, dt, u=drive - task.inputs[0])
        return jax.vmap(network.outputs)(xs)[:, 0] - target

    over_starts = jax.vmap(error, in_axes=(None, None, 0))
    errors = jax.vmap(over_starts, in_axes=(0, 0, None))(task.inputs, task.targets, starts)
    return jnp.mean(errors**2)


def trajectory_loss(
    network: FeedbackNetwork,
    task: StationaryAssociation,
    starts: Float[Array, "n_starts n_units"],
    *,
    t1: float = 20.0,
    dt: float = 0.1,
    window: float = 0.5,
) -> Scalar:
    r"""Mean squared error of the closed-loop outputs over the last part of trajectories.

    $$L = \langle (z(t) - A_k)^2\rangle,\quad (1 - w)\,t_1 < t \le t_1,$$

    over patterns, starts and Euler steps: what `fit_through_trajectories` descends.

    Args:
        network: The network; its own input counts as that of the first pattern.
        task: Inputs I_k, shape `(n_patterns, n_units)`, and targets A_k.
        starts: Starting states, shape `(n_starts, n_units)`.
        t1: Length of the trajectories, units of `tau` (steps for a map).
        dt: Euler step, units of `tau`; a map ignores it.
        window: w, fraction of the trajectory that counts, in (0, 1].

    Returns:
        L, differentiable in the network.

    Raises:
        ValueError: Shapes of task and network differ, several outputs, `t1` or `dt` not positive,
            or `window` outside (0, 1].

    Cost: `t1 / dt` products of the couplings with an N x (n_starts P) matrix; the gradient three
    to four times that, and memory for the states of all Euler steps.

    Reference: Werbos, Proc. IEEE 78, 1550 (1990).
    """
    task = prepared(network, task)
    check_number("t1", t1, "positive", lambda v: v > 0)
    check_number("dt", dt, "positive", lambda v: v > 0)
    check_number("window", window, "in (0, 1]", lambda v: (v > 0) & (v <= 1))
    starts = starts.astype(network.feedback_weights.dtype)
    return _loss(network, task, starts, _save_times(t1, time_step(network, dt), window), dt)


@eqx.filter_jit
def _descend(network, task, key, optimizer, where, n_steps, n_starts, tolerance, options):
    is_trained = jax.tree.map(lambda _: False, network)
    is_trained = eqx.tree_at(where, is_trained, replace_fn=lambda _: True)
    trained, fixed = eqx.partition(network, is_trained)
    dtype = network.feedback_weights.dtype

    def loss_of(trained, starts):
        return trajectory_loss(eqx.combine(trained, fixed), task, starts, **options)

    def step(carry, index):
        trained, state = carry
        starts = jr.normal(jr.fold_in(key, index), (n_starts, network.n_units), dtype)
        loss, gradient = eqx.filter_value_and_grad(loss_of)(trained, starts)
        change, state = optimizer.update(gradient, state, trained)
        present = eqx.combine(trained, fixed)
        history = {"loss": loss, "error": jnp.sqrt(loss)}
        history |= overlaps(present, present.input_weights, present.readout_weights[:, 0])
        return (eqx.apply_updates(trained, change), state), history

    carry = (trained, optimizer.init(trained))
    (trained, _), history = jax.lax.scan(step, carry, jnp.arange(n_steps))
    is_finite = jnp.all(jnp.isfinite(history["loss"]))
    result = RESULTS.where(is_finite, RESULTS.successful, RESULTS.trajectory_diverged)
    is_met = history["error"][-1] <= tolerance
    result = unless(result, is_met, RESULTS.target_missed)
    return Training(eqx.combine(trained, fixed), history, result)


def fit_through_trajectories(
    network: FeedbackNetwork,
    task: StationaryAssociation,
    *,
    key: Key,
    optimizer: optax.GradientTransformation | None = None,
    n_steps: int = 100,
    t1: float = 20.0,
    dt: float = 0.1,
    window: float = 0.5,
    n_starts: int = 8,
    where: Callable[[FeedbackNetwork], PyTree] = _readout,
    tolerance: ScalarLike = 0.05,
) -> Training:
    r"""Train by descending the gradient through simulated closed-loop trajectories.

    $$L = \langle (z(t) - A_k)^2\rangle,\quad (1 - w)\,t_1 < t \le t_1,$$

    over patterns, starts $x(0) \sim N(0, 1)$ drawn anew in every step, and Euler steps. Unlike the
    rules at steady state this one sees where the network starts, and can train any array.

    Args:
        network: Where training starts, with its own readout.
        task: Inputs I_k, shape `(n_patterns, n_units)`, and targets A_k.
        key: Random key of the starts; step i uses `fold_in(key, i)`.
        optimizer: An optax rule; default `optax.adam(1e-3)`. A new object compiles anew, so keep
            it; the same holds for `where`.
        n_steps: Updates.
        t1: Length of the trajectories, units of `tau` (steps for a map).
        dt: Euler step, units of `tau`; a map ignores it.
        window: w, fraction of the trajectory that counts, in (0, 1].
        n_starts: Starts per step, each used with every pattern.
        where: Chooses what is trained, `lambda network: network.recurrent.weights.matrix` say;
            default the readout. Trained input weights shift all patterns alike.
        tolerance: Largest root mean square error of the last step that counts as success.

    Returns:
        `Training` with `history` before each update, shape `(n_steps,)`: "loss", "error" (its
        square root), "overlap_feedback" n.m, "overlap_input" n.I_1, "readout_norm". `result`:
        `trajectory_diverged` if a loss was not finite, or `target_missed`.

    Raises:
        ValueError: Shapes of task and network differ, several outputs, a count below 1, `t1` or
            `dt` not positive, or `window` outside (0, 1].

    Cost: `t1 / dt` products of the couplings with an N x (n_starts P) matrix per step, times three
    to four for the gradient; memory for the states of all Euler steps, N P n_starts t1 / dt.

    Reference: Werbos, Proc. IEEE 78, 1550 (1990), backpropagation through time; the loss is ours.
    """
    task = prepared(network, task)
    check_count("n_steps", n_steps)
    check_count("n_starts", n_starts)
    check_number("t1", t1, "positive", lambda v: v > 0)
    check_number("dt", dt, "positive", lambda v: v > 0)
    check_number("window", window, "in (0, 1]", lambda v: (v > 0) & (v <= 1))
    optimizer = _ADAM if optimizer is None else optimizer
    network = with_input(network, task.inputs[0])
    tolerance = jnp.asarray(tolerance, network.feedback_weights.dtype)
    options = {"t1": t1, "dt": dt, "window": window}
    return _descend(network, task, key, optimizer, where, n_steps, n_starts, tolerance, options)
