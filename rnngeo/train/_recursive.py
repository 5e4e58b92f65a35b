"""Recursive least squares in the closed loop, online."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from rnngeo._progress import Progress, silent
from rnngeo._results import RESULTS
from rnngeo._types import Key, ScalarLike, State
from rnngeo.models import AbstractMap, FeedbackNetwork
from rnngeo.tasks import StationaryAssociation

from ._training import (
    Training,
    check_number,
    check_state,
    prepared,
    time_step,
    unless,
    with_input,
)

_N_REPORTS = 20  # calls of `progress`, if one is given


def _step(network: FeedbackNetwork, x: State, dt) -> State:
    """One Euler step of the closed flow, or one update of the closed map."""
    closed, silence = network.closed_loop, jnp.zeros_like(x)
    if isinstance(closed, AbstractMap):
        return closed.update(0.0, x, silence)
    return x + dt * closed.drift(0.0, x, silence)


def _rank_one_update(n: State, p, phi: State, target):
    """Eq. (19): the readout, the inverse Gram matrix, and output and error before the update."""
    output = n @ phi
    error = output - target
    k = p @ phi
    d = 1 / (1 + phi @ k)
    scaled = jnp.sqrt(d) * k  # one factor on either side: P stays exactly symmetric
    return n - (error * d) * k, p - scaled[:, None] * scaled[None, :], output, error


@eqx.filter_jit
def _recurse(network, task, carry, first, n_steps, n_block, dt):
    def step(carry, index):
        x, n, p = carry
        pattern = (index // n_block) % task.n_patterns
        x = _step(with_input(network.with_readout(n), task.inputs[pattern]), x, dt)
        phi = network.recurrent.nonlinearity(x)
        n, p, output, error = _rank_one_update(n, p, phi, task.targets[pattern])
        return (x, n, p), {"output": output, "error": error, "readout_norm": jnp.linalg.norm(n)}

    return jax.lax.scan(step, carry, first + jnp.arange(n_steps))


def fit_recursive_least_squares(
    network: FeedbackNetwork,
    task: StationaryAssociation,
    *,
    key: Key | None = None,
    x0: State | None = None,
    ridge: ScalarLike = 1.0,
    duration: float = 60.0,
    dt: float = 0.1,
    block: float = 10.0,
    tolerance: ScalarLike = 0.05,
    progress: Progress = silent,
) -> Training:
    r"""Train the readout online in the closed loop by recursive least squares (FORCE).

    From $P = 1/\alpha$ and $n = 0$, in every step first the state moves with the present readout,
    $x \leftarrow x + dt\,F(x; n)$, then at the new $\phi = \phi(x)$

    $$e = n\cdot\phi - A,\quad k = P\phi,\quad d = \frac{1}{1 + \phi\cdot k},\quad
    P \leftarrow P - d\,k k^\top,\quad n \leftarrow n - e\,d\,k.$$

    Hence after T steps, whatever the path, the readout is ridge least squares on the visited
    states, $n_T = (\alpha + \sum_t \phi\phi^\top)^{-1} \sum_t A \phi$: transients enter.

    Several patterns take turns in blocks; the state is carried over from one to the next.

    Args:
        network: Bulk and feedback vector; its readout and input do not matter.
        task: Inputs I_k, shape `(n_patterns, n_units)`, and targets A_k.
        key: Random key of the starting state x(0) ~ N(0, 1); give this or `x0`.
        x0: Starting state, shape `(n_units,)`.
        ridge: alpha > 0; P starts at 1/alpha.
        duration: Length of training, units of `tau` (steps for a map).
        dt: Euler step and interval between updates, units of `tau`; a map takes whole steps and
            ignores it.
        block: Length of one presentation when there are several patterns, same units.
        tolerance: Largest |z - A| before the last update that counts as success.
        progress: Called about twenty times with the stage "recursive least squares".

    Returns:
        `Training` with `history` per step, shape `(n_steps,)`: "output" n.phi and "error" before
        the update, "readout_norm" after it. `result`: `trajectory_diverged` if a number left the
        finite range, `target_missed` by the last error. Success on the way is no stability: ask
        `training_success`.

    Raises:
        ValueError: Shapes of task and network differ, several outputs, not exactly one of `key` and
            `x0`, or `ridge`, `duration`, `dt`, `block` not positive (when known while tracing).

    Cost: O(N^2) per step (two products with N x N matrices and one rank-one update), N^2 memory
    for P. Float64 advised for long runs: the rounding of P accumulates.

    Reference: Sussillo & Abbott, Neuron 63, 544 (2009), Eqs. (4)-(5); P stands here before the
    update in the gain, d k = P_new phi.
    """
    task = prepared(network, task)
    check_state("x0", x0, network.n_units)
    n_units, dtype = network.n_units, network.feedback_weights.dtype
    if x0 is not None and key is None:
        x = x0.astype(dtype)
    elif key is not None and x0 is None:
        x = jr.normal(key, (n_units,), dtype)
    else:
        given = "neither" if key is None else "both"
        raise ValueError(f"Exactly one of `key` and `x0` must be given, got {given}.")
    numbers = {"ridge": ridge, "duration": duration, "dt": dt, "block": block}
    for name, value in numbers.items():
        check_number(name, value, "positive", lambda v: v > 0)
    unit = time_step(network, dt)
    n_steps, n_block = (max(round(length / unit), 1) for length in (duration, block))

    p = jnp.eye(n_units, dtype=dtype) / jnp.asarray(ridge, dtype)
    carry = (x, jnp.zeros(n_units, dtype), p)
    n_chunk = n_steps if progress is silent else -(-n_steps // _N_REPORTS)
    pieces, done = [], 0
    while done < n_steps:
        length = min(n_chunk, n_steps - done)
        carry, piece = _recurse(
            network, task, carry, jnp.asarray(done), length, n_block, jnp.asarray(dt, dtype)
        )
        pieces.append(piece)
        done += length
        progress("recursive least squares", done, n_steps)
    history = {name: jnp.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    x, readout, _ = carry
    is_finite = jnp.all(jnp.isfinite(x)) & jnp.all(jnp.isfinite(readout))
    is_met = jnp.abs(history["error"][-1]) <= jnp.asarray(tolerance, dtype)
    result = RESULTS.where(is_finite, RESULTS.successful, RESULTS.trajectory_diverged)
    result = unless(result, is_met, RESULTS.target_missed)
    return Training(with_input(network.with_readout(readout), task.inputs[0]), history, result)
