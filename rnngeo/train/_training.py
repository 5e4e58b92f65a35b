"""What training returns, and what all rules of training ask of a network and a task."""

from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from rnngeo._results import RESULTS, Solution
from rnngeo._types import Scalar, State
from rnngeo.integrate import simulate, steady_state
from rnngeo.models import AbstractMap, FeedbackNetwork
from rnngeo.stability import polish
from rnngeo.tasks import StationaryAssociation


class Training(eqx.Module):
    """A trained network, the way there, and whether it arrived.

    Attributes:
        network: The network with its new readout; its `input_weights` are the first input.
        history: Quantities along the way, by name; each function says which. The axis of the
            patterns comes last and is left out when the task has one pattern.
        result: A member of `RESULTS`, one per row in a batch. Training never raises on failure.
    """

    network: FeedbackNetwork
    history: dict[str, Array]
    result: RESULTS

    @property
    def is_successful(self) -> Array:
        """Whether training ended as asked, elementwise over the batch."""
        return self.result == RESULTS.successful


def is_known(value) -> bool:
    """Whether Python may look at this number (it is not traced)."""
    return not isinstance(value, Tracer)


def check_number(name: str, value, expected: str, is_allowed: Callable[[np.ndarray], np.ndarray]):
    """Refuse a number outside its range; a traced number passes, so that batches run through."""
    if not is_known(value):
        return
    if not np.all(is_allowed(np.asarray(value))):
        raise ValueError(f"`{name}` must be {expected}, got {value}.")


def check_count(name: str, value: int):
    """Refuse a count below 1."""
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1, got {value}.")


def check_state(name: str, value: Array | None, n_units: int):
    """Refuse a vector that is not one number per unit."""
    if value is not None and value.shape != (n_units,):
        raise ValueError(f"`{name}` must have shape ({n_units},), got {value.shape}.")


def check_one_output(network: FeedbackNetwork):
    """Refuse networks with several outputs."""
    if network.n_outputs != 1:
        raise ValueError(f"`network` must have one output to be trained, got {network.n_outputs}.")


def prepared(network: FeedbackNetwork, task: StationaryAssociation) -> StationaryAssociation:
    """The task in the precision of the network, once the two are known to fit together."""
    check_one_output(network)
    if task.inputs.shape[1] != network.n_units:
        raise ValueError(
            f"`task.inputs` must have shape (n_patterns, {network.n_units}) for this network, "
            f"got {task.inputs.shape}."
        )
    dtype = network.feedback_weights.dtype
    return StationaryAssociation(task.inputs.astype(dtype), task.targets.astype(dtype))


def with_input(network: FeedbackNetwork, drive: State) -> FeedbackNetwork:
    """The same network under another constant input."""
    return FeedbackNetwork(
        network.recurrent, network.feedback_weights, network.readout_weights, drive
    )


def start(network: FeedbackNetwork, x0: State | None) -> State:
    """The starting state in the precision of the network, zero by default."""
    if x0 is None:
        return jnp.zeros(network.n_units, network.feedback_weights.dtype)
    return x0.astype(network.feedback_weights.dtype)


def clamped_states(network: FeedbackNetwork, task: StationaryAssociation, x0: State) -> Solution:
    """Steady states at z = A_k under I_k; the value has shape `(n_patterns, n_units)`.

    Integration brings the state near rest, Newton's method to rounding, so that a fit is exact.
    """

    def relax(drive, target):
        clamped = with_input(network, drive).open_loop(target)
        relaxed = steady_state(clamped, x0, throw=False)
        x, _, is_found = polish(clamped, relaxed.value)
        is_kept = is_found & (relaxed.result == RESULTS.successful)
        return Solution(jnp.where(is_kept, x, relaxed.value), relaxed.result, relaxed.stats)

    return eqx.filter_vmap(relax)(task.inputs, task.targets)


def time_step(network: FeedbackNetwork, dt: float) -> float:
    """The time one step takes: `dt` for a flow, 1 for a map."""
    return 1.0 if isinstance(network.recurrent, AbstractMap) else dt


def run_saved(network: FeedbackNetwork, x0: State, times, dt: float, u: State | None = None):
    """Closed-loop states at `times`, shape `(time, n_units)`, by Euler steps or the map itself.

    The reverse pass keeps every step. With fewer checkpoints it repeats steps, their times may be
    rounded differently, and a saved time at the end of a step is then lost from the gradient.
    """
    with jax.ensure_compile_time_eval():  # a map must know its times while tracing
        ts = jnp.asarray(times, x0.dtype)
    options = {"t1": times[-1], "ts": ts, "u": u, "throw": False}
    if not isinstance(network.recurrent, AbstractMap):
        every_step = dfx.RecursiveCheckpointAdjoint(checkpoints=round(times[-1] / dt) + 2)
        options |= {"dt": dt, "adjoint": every_step}
    return simulate(network.closed_loop, x0, **options).xs


def first_failure(result: RESULTS) -> RESULTS:
    """One code for a batch: the first that is not a success."""
    return jax.tree.map(lambda code: code[jnp.argmax(result != RESULTS.successful)], result)


def unless(result: RESULTS, is_met: Array, failure) -> RESULTS:
    """Add one more condition to a code: an earlier failure stays."""
    return RESULTS.where((result != RESULTS.successful) | is_met, result, failure)


def per_pattern(values: Float[Array, "*batch n_patterns"]) -> Float[Array, "..."]:
    """Leave the last axis out when there is one pattern."""
    return values[..., 0] if values.shape[-1] == 1 else values


def overlaps(network: FeedbackNetwork, drive: State, readout: State) -> dict[str, Scalar]:
    """The coordinates in which readouts are compared: n.m, n.I and |n|."""
    return {
        "overlap_feedback": readout @ network.feedback_weights[:, 0],
        "overlap_input": readout @ drive,
        "readout_norm": jnp.linalg.norm(readout),
    }
