"""Gradient descent on the squared error at steady state, in the open and in the closed loop."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import optax

from rnngeo._results import RESULTS
from rnngeo._types import ScalarLike, State
from rnngeo.integrate import steady_state
from rnngeo.models import FeedbackNetwork
from rnngeo.numerics import tolerances
from rnngeo.stability import slopes
from rnngeo.tasks import StationaryAssociation

from ._training import (
    Training,
    check_count,
    check_number,
    check_state,
    clamped_states,
    first_failure,
    is_known,
    overlaps,
    per_pattern,
    prepared,
    start,
    unless,
    with_input,
)

_MAX_NEWTON = 16
_RESTART = 6


@eqx.filter_jit
def _open_loop_rates(network, task, x0):
    relaxed = clamped_states(network, task, start(network, x0))
    rates = network.recurrent.nonlinearity(relaxed.value).T
    steepest = jnp.linalg.eigvalsh(rates.T @ rates)[-1]
    return rates, steepest, first_failure(relaxed.result)


@eqx.filter_jit
def _descend(network, task, rates, readout, learning_rate, n_steps, tolerance, result):
    def step(readout, is_last):
        outputs = readout @ rates
        error = outputs - task.targets
        history = {"output": outputs, "error": error}
        history |= overlaps(network, task.inputs[0], readout)
        rate = jnp.where(is_last, 0.0, learning_rate)
        return readout - rate * (rates @ error), history

    readout, history = jax.lax.scan(step, readout, jnp.arange(n_steps + 1) == n_steps)
    is_met = jnp.all(jnp.abs(history["error"][-1]) <= tolerance)
    history |= {name: per_pattern(history[name]) for name in ("output", "error")}
    result = unless(result, is_met, RESULTS.target_missed)
    return Training(with_input(network.with_readout(readout), task.inputs[0]), history, result)


def fit_gradient_open_loop(
    network: FeedbackNetwork,
    task: StationaryAssociation,
    *,
    learning_rate: ScalarLike | None = None,
    n_steps: int = 100,
    readout: State | None = None,
    x0: State | None = None,
    tolerance: ScalarLike = 0.05,
) -> Training:
    r"""Gradient descent on the error of the open-loop states, each output clamped at its target.

    $$n \leftarrow n - \eta \sum_k (n\cdot\phi^k - A_k)\,\phi^k,\qquad
    0 < \eta < 2/\lambda_{\max}(\Phi^\top\Phi).$$

    From n = 0 it ends at least squares of minimum norm. With one pattern $\lambda_{\max} =
    |\phi_A|^2$ and the default $\eta = 1/|\phi_A|^2$ arrives in one step.

    Args:
        network: Bulk and feedback vector; its readout and input do not matter.
        task: Inputs I_k, shape `(n_patterns, n_units)`, and targets A_k.
        learning_rate: eta; default 1/lambda_max.
        n_steps: Updates.
        readout: n at the start, shape `(n_units,)`; default zero.
        x0: Starting state of the relaxation, shape `(n_units,)`; default zero.
        tolerance: Largest |z - A_k| at the end that counts as success.

    Returns:
        `Training` with `history` before each update and at the end, `n_steps + 1` rows: "output",
        "error" (with an axis of patterns if there are several), "overlap_feedback" n.m,
        "overlap_input" n.I_1, "readout_norm". `result`: the relaxation's, or `target_missed`.

    Raises:
        ValueError: Shapes of task and network differ, several outputs, `n_steps` below 1, or
            `learning_rate` outside its interval (when known while tracing; in a batch a rate too
            large shows as `target_missed`).

    Cost: P relaxations, then O(N P) per step.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), training in the open loop.
    """
    task = prepared(network, task)
    check_count("n_steps", n_steps)
    check_state("readout", readout, network.n_units)
    check_state("x0", x0, network.n_units)
    if learning_rate is not None:
        check_number("learning_rate", learning_rate, "positive", lambda v: v > 0)
    rates, steepest, result = _open_loop_rates(network, task, x0)
    if learning_rate is None:
        learning_rate = 1 / steepest
    elif is_known(steepest):
        bound = float(2 / steepest)
        expected = f"between 0 and 2/lambda_max = {bound:.6g}"
        check_number("learning_rate", learning_rate, expected, lambda v: v < bound)
    learning_rate, tolerance = (jnp.asarray(v, rates.dtype) for v in (learning_rate, tolerance))
    readout = start(network, readout)
    return _descend(network, task, rates, readout, learning_rate, n_steps, tolerance, result)


def _loop_solve(network: FeedbackNetwork, d: State, residual: State, by_output: State):
    r"""$(1 - BD)^{-1}$ on the residual and on m, in one Krylov space; B the bulk, D = diag d.

    The second solution starts from its last value. The short restart costs nothing: on a disc of
    eigenvalues about 1 a long memory does not help, and convergence is asked only at restarts.
    """
    scale = jnp.max(jnp.abs(residual))
    scale = jnp.where(scale > 0, scale, 1.0)
    feedback = network.feedback_weights[:, 0]
    right = jnp.stack([residual / scale, feedback])
    operator = lx.FunctionLinearOperator(
        lambda v: v - jax.vmap(network.recurrent.weights.mv)(v * d),
        jax.eval_shape(lambda: right),
    )
    tolerance = tolerances(right.dtype)
    solver = lx.GMRES(tolerance["rtol"], tolerance["atol"], restart=_RESTART)
    guess = {"y0": jnp.stack([jnp.zeros_like(residual), by_output])}
    solution = lx.linear_solve(operator, right, solver, options=guess, throw=False)
    return solution.value[0] * scale, solution.value[1]


def _settle(network: FeedbackNetwork, drive: State, readout: State, x: State, by_output: State):
    """Newton for the closed-loop steady state; the loop is eliminated by one scalar equation.

    Returns the state, dx/dz = (1 - BD)^-1 m, the loop slope h = n.D dx/dz, and if it converged.
    """
    base = network.recurrent
    tolerance = tolerances(x.dtype)

    def residual(x):
        phi = base.nonlinearity(x)
        feedback = network.feedback_weights[:, 0] * (readout @ phi)
        return base.weights.mv(phi) + feedback + base.bias + drive - x

    def body(carry):
        x, by_output, _, _, n_done = carry
        d = slopes(base, x)
        by_residual, by_output = _loop_solve(network, d, residual(x), by_output)
        h = readout @ (d * by_output)
        change = by_residual + by_output * (readout @ (d * by_residual)) / (1 - h)
        scale = tolerance["rtol"] * jnp.max(jnp.abs(x)) + tolerance["atol"]
        # quadratic convergence: a change of sqrt(eps) leaves an error of eps
        return x + change, by_output, h, jnp.max(jnp.abs(change)) <= scale, n_done + 1

    def is_open(carry):
        x, _, _, is_converged, n_done = carry
        return (~is_converged) & (n_done < _MAX_NEWTON) & jnp.all(jnp.isfinite(x))

    zero = jnp.zeros((), x.dtype)
    carry = (x, by_output, zero, jnp.asarray(False), jnp.asarray(0))
    x, by_output, h, is_converged, _ = jax.lax.while_loop(is_open, body, carry)
    return x, by_output, h, is_converged


def _gradient(rates, errors, slopes_of_loop, is_normalised) -> State:
    """Sum over patterns of (z - A) phi / (1 - h), or of (z - A) phi / |phi|^2."""
    squared_norms = jnp.sum(rates**2, axis=1)
    norms = (
        jnp.where(squared_norms > 0, squared_norms, 1.0) if is_normalised else 1 - slopes_of_loop
    )
    return (errors / norms) @ rates


@eqx.filter_jit
def _first_states(network, task, readout, x0):
    """Closed-loop steady states under every input, reached from x0."""
    begin = lambda drive: steady_state(
        with_input(network.with_readout(readout), drive).closed_loop, x0, throw=False
    )
    started = eqx.filter_vmap(begin)(task.inputs)
    return started.value, first_failure(started.result)


@eqx.filter_jit
def _follow(
    network, task, xs, readout, learning_rate, tolerance, result, optimizer, is_normalised, n_steps
) -> Training:
    optimizer = optax.sgd(learning_rate) if optimizer is None else optimizer
    settle = jax.vmap(
        lambda drive, x, by_output, n: _settle(network, drive, n, x, by_output),
        in_axes=(0, 0, 0, None),
    )

    def step(carry, is_last):
        xs, by_output, readout, state = carry
        xs, by_output, h, is_converged = settle(task.inputs, xs, by_output, readout)
        rates = network.recurrent.nonlinearity(xs)
        outputs = rates @ readout
        history = {"output": outputs, "error": outputs - task.targets, "loop_slope": h}
        history |= overlaps(network, task.inputs[0], readout)
        gradient = _gradient(rates, history["error"], h, is_normalised)
        change, state = optimizer.update(gradient, state, readout)
        change = jnp.where(is_last, 0.0, jnp.asarray(change))
        dz = rates @ change / (1 - h)
        carry = (xs + by_output * dz[:, None], by_output, readout + change, state)
        return carry, (history, jnp.all(is_converged))

    carry = (xs, jnp.zeros_like(xs), readout, optimizer.init(readout))
    is_last = jnp.arange(n_steps + 1) == n_steps
    (_, _, readout, _), (history, is_converged) = jax.lax.scan(step, carry, is_last)
    result = unless(result, jnp.all(is_converged), RESULTS.not_converged)
    is_met = jnp.all(jnp.abs(history["error"][-1]) <= tolerance)
    result = unless(result, is_met, RESULTS.target_missed)
    history |= {name: per_pattern(history[name]) for name in ("output", "error", "loop_slope")}
    return Training(with_input(network.with_readout(readout), task.inputs[0]), history, result)


def fit_gradient_closed_loop(
    network: FeedbackNetwork,
    task: StationaryAssociation,
    *,
    learning_rate: ScalarLike = 0.05,
    n_steps: int = 400,
    is_normalised: bool = True,
    optimizer: optax.GradientTransformation | None = None,
    readout: State | None = None,
    x0: State | None = None,
    tolerance: ScalarLike = 0.05,
) -> Training:
    r"""Gradient descent on $(z - A)^2/2$ at the closed-loop steady state.

    By the implicit function theorem $dz/dn = \phi(x)/(1 - h)$ with the loop slope $h = n^\top D
    (1 - BD)^{-1} m$, B the bulk and $D = \mathrm{diag}\,\phi'(x)$, so

    $$n \leftarrow n - \eta\,\frac{z - A}{1 - h}\,\phi(x),\qquad\text{normalised:}\quad
    n \leftarrow n - \eta\,\frac{z - A}{|\phi|^2}\,\phi(x);$$

    the two walk the same path by different clocks. Every step goes along the present rates, and the
    steady state is followed: predicted by $dx = (1 - BD)^{-1} m\,dz$ and corrected by Newton. The
    path therefore stays on its branch, from n = 0 the one that grows out of z = 0, as long as
    h < 1; it is followed past a loss of stability of the bulk or by oscillation, so look at
    `training_success`. Where the loop slope is large and negative it only takes more steps.

    Args:
        network: Bulk and feedback vector; its readout and input do not matter.
        task: Inputs I_k, shape `(n_patterns, n_units)`, and targets A_k; the loss is the sum.
        learning_rate: eta > 0. Near the target the error shrinks by 1 - eta/(1 - h) a step if
            normalised, by 1 - eta |phi|^2/(1 - h)^2 if not.
        n_steps: Updates.
        is_normalised: Drop 1/(1 - h) and divide by |phi|^2.
        optimizer: An optax rule in place of the plain step; `learning_rate` is then not used.
        readout: n at the start, shape `(n_units,)`; default zero.
        x0: State from which the first steady state is sought, shape `(n_units,)`; default zero.
        tolerance: Largest |z - A_k| at the end that counts as success.

    Returns:
        `Training` with `history` before each update and at the end, `n_steps + 1` rows: "output",
        "error", "loop_slope" (with an axis of patterns if there are several), "overlap_feedback"
        n.m, "overlap_input" n.I_1, "readout_norm". `result`: that of the first relaxation,
        `not_converged` if the steady state was lost on the way (h near 1), or `target_missed`.

    Raises:
        ValueError: Shapes of task and network differ, several outputs, `n_steps` below 1, or
            `learning_rate` not positive (when known while tracing).

    Cost: per step two or three Newton iterations, each some ten to thirty products of the bulk with
    an N x 2 matrix per pattern (GMRES; more as the bulk radius nears 1): O(N^2). N^2 memory.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), training by gradient
    descent; implicit differentiation: Pineda, Phys. Rev. Lett. 59, 2229 (1987).
    """
    task = prepared(network, task)
    check_count("n_steps", n_steps)
    check_number("learning_rate", learning_rate, "positive", lambda v: v > 0)
    check_state("readout", readout, network.n_units)
    check_state("x0", x0, network.n_units)
    dtype = network.feedback_weights.dtype
    learning_rate, tolerance = (jnp.asarray(v, dtype) for v in (learning_rate, tolerance))
    readout, x0 = start(network, readout), start(network, x0)
    xs, result = _first_states(network, task, readout, x0)
    return _follow(
        network, task, xs, readout, learning_rate, tolerance, result,
        optimizer, is_normalised, n_steps,
    )  # fmt: skip
