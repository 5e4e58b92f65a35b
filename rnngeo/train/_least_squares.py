"""Least squares in the open loop: the readout in closed form."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from rnngeo._results import RESULTS
from rnngeo._types import Scalar, ScalarLike, State
from rnngeo.integrate import simulate
from rnngeo.models import FeedbackNetwork
from rnngeo.tasks import StationaryAssociation

from ._training import (
    Training,
    check_number,
    check_state,
    clamped_states,
    first_failure,
    overlaps,
    per_pattern,
    prepared,
    start,
    time_step,
    unless,
    with_input,
)


def ridge_readout(
    rates: Float[Array, "n_units n_patterns"], targets: Float[Array, " n_patterns"], ridge: Scalar
) -> State:
    r"""The readout $n = \Phi (\Phi^\top\Phi + \alpha)^{-1} A$, of minimum norm at $\alpha = 0$.

    By QR of $\Phi$ stacked on $\sqrt\alpha\,1$, which keeps the condition number of $\Phi$ where
    the Gram matrix would square it.
    """
    n_units, n_patterns = rates.shape
    # d sqrt is infinite at 0: the inner `where` keeps gradients at zero ridge finite
    root = jnp.where(ridge > 0, jnp.sqrt(jnp.where(ridge > 0, ridge, 1.0)), 0.0)
    stacked = jnp.concatenate([rates, root * jnp.eye(n_patterns, dtype=rates.dtype)])
    q, r = jnp.linalg.qr(stacked)
    return q[:n_units] @ solve_triangular(r, targets, trans="T")


def averaged_readout(
    samples: Float[Array, "n_patterns n_samples n_units"],
    targets: Float[Array, " n_patterns"],
    ridge: Scalar,
) -> State:
    r"""Ridge least squares on samples, $n = (C + \alpha)^{-1} b$ with averages over the samples.

    By the eigenvectors of C; directions that rounding alone fills are left out, so that the
    readout has minimum norm at $\alpha = 0$.
    """
    n_samples = samples.shape[1]
    gram = jnp.einsum("psi,psj->ij", samples, samples) / n_samples
    moment = targets @ jnp.mean(samples, axis=1)
    values, vectors = jnp.linalg.eigh(gram)
    regular = values + ridge
    cutoff = values.size * jnp.finfo(values.dtype).eps * regular[-1]
    is_kept = regular > cutoff
    inverse = jnp.where(is_kept, 1 / jnp.where(is_kept, regular, 1.0), 0.0)
    return vectors @ (inverse * (vectors.T @ moment))


def _samples(network, task, x0, average, dt):
    t_transient, t_window = average
    unit = time_step(network, dt)
    n_samples = max(round(t_window / unit), 1)
    times = [t_transient + unit * index for index in range(1, n_samples + 1)]
    with jax.ensure_compile_time_eval():  # a map must know its times while tracing
        ts = jnp.asarray(times, x0.dtype)

    def run(drive, target):
        open_loop = with_input(network, drive).open_loop(target)
        return simulate(open_loop, x0, t1=times[-1], ts=ts, throw=False)

    trajectory = eqx.filter_vmap(run)(task.inputs, task.targets)
    return network.recurrent.nonlinearity(trajectory.xs), trajectory.result


@eqx.filter_jit
def _fit(network, task, ridge, x0, average, dt) -> Training:
    task = prepared(network, task)
    x0 = start(network, x0)
    if average is None:
        relaxed = clamped_states(network, task, x0)
        result, rates = relaxed.result, network.recurrent.nonlinearity(relaxed.value)
        readout = ridge_readout(rates.T, task.targets, ridge)
    else:
        samples, result = _samples(network, task, x0, average, dt)
        readout = averaged_readout(samples, task.targets, ridge)
        rates = jnp.mean(samples, axis=1)
    outputs = rates @ readout
    history = {
        "output": per_pattern(outputs),
        "error": per_pattern(outputs - task.targets),
        **overlaps(network, task.inputs[0], readout),
    }
    is_finite = jnp.all(jnp.isfinite(readout))
    result = unless(first_failure(result), is_finite, RESULTS.singular)
    return Training(with_input(network.with_readout(readout), task.inputs[0]), history, result)


def fit_least_squares(
    network: FeedbackNetwork,
    task: StationaryAssociation,
    *,
    ridge: ScalarLike = 0.0,
    x0: State | None = None,
    average: tuple[float, float] | None = None,
    dt: float = 0.1,
) -> Training:
    r"""Fit the readout in closed form on the open-loop states, each output clamped at its target.

    Under each input $I_k$ with $z = A_k$ the network relaxes to $x^k$, and with $\Phi = [\phi(x^1)
    \dots \phi(x^P)]$

    $$n = \Phi\,(\Phi^\top\Phi + \alpha)^{-1} A,$$

    the readout of minimum norm at $\alpha = 0$, by QR of $\Phi$ stacked on $\sqrt\alpha\,1$. Every
    target is then a fixed point of the closed loop if $\alpha = 0$; with ridge and one pattern
    $n = s\,n_{LS}$, $s = |\phi|^2/(|\phi|^2 + \alpha)$.

    With `average` the open loop may fluctuate: the normal equations are averaged over a window,

    $$n = (C + \alpha)^{-1} b,\quad C = \sum_k \langle\phi\phi^\top\rangle_k,\quad
    b = \sum_k A_k \langle\phi\rangle_k,$$

    which is ridge least squares on the samples and becomes the first formula when they stand still.
    Noise of variance s^2 on the sampled rates acts as $\alpha = P s^2$ of these averages. At
    $\alpha = 0$ with fewer samples than units the fit is exact on the samples and worth little
    beyond them.

    Args:
        network: Bulk and feedback vector; its readout and input do not matter.
        task: Inputs I_k, shape `(n_patterns, n_units)`, and targets A_k.
        ridge: alpha >= 0, in units of the squared norm of the rates.
        x0: Starting state of the relaxation, shape `(n_units,)`; default zero.
        average: `(t_transient, t_window)`, units of `tau`: sample the open loop during `t_window`
            after `t_transient`. Default: relax to a steady state.
        dt: Interval between two samples, units of `tau`, used only with `average`; 1 for a map.

    Returns:
        `Training` with `history` at the open-loop states (their averages with `average`): "output",
        "error" (z - A), one number per pattern, and "overlap_feedback" n.m, "overlap_input" n.I_1,
        "readout_norm". `result` is that of the first pattern that did not settle, or `singular`
        when the rates of the patterns are linearly dependent. Differentiable in the network without
        `average`.

    Raises:
        ValueError: Shapes of task and network differ, several outputs, more patterns than units at
            zero ridge, negative `ridge`, or times that are not positive (when known while tracing).

    Cost: P relaxations, then O(N P^2); with `average` O(P T N^2 + N^3) and P T N memory, T samples.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), least squares in the open
    loop; ridge: Hoerl & Kennard, Technometrics 12, 55 (1970).
    """
    check_number("ridge", ridge, "at least 0", lambda v: v >= 0)
    check_state("x0", x0, network.n_units)
    check_number("dt", dt, "positive", lambda v: v > 0)
    if average is not None:
        check_number("average[0]", average[0], "at least 0", lambda v: v >= 0)
        check_number("average[1]", average[1], "positive", lambda v: v > 0)
    elif task.n_patterns > network.n_units and isinstance(ridge, float | int) and ridge == 0:
        raise ValueError(
            f"`ridge` must be positive for more patterns than units, got {task.n_patterns} "
            f"patterns and {network.n_units} units."
        )
    ridge = jnp.asarray(ridge, network.feedback_weights.dtype)
    return _fit(network, task, ridge, x0, average, dt)
