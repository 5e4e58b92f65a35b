"""All fixed points of a feedback network with one output, through one scalar equation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
from jaxtyping import Array, Bool, Float

from rnngeo._types import Scalar, State
from rnngeo.models import FeedbackNetwork

from ._newton import linear_solver, polish, residuals
from ._spectrum import velocity

_N_BATCH = 16  # outputs are evaluated in batches of this, so that scan and refinement compile once


class LoopCurve(eqx.Module):
    r"""The readout curve $F(z) = n^\top\phi(x(z))$ of a network with its output clamped at z.

    Attributes:
        output: z, shape `(point,)`.
        value: F(z), shape `(point,)`; NaN where no open-loop state was found.
        slope: F'(z), shape `(point,)`.
        state: x(z), shape `(point, n_units)`.
        is_found: Whether x(z) is a fixed point of the open loop to rounding, shape `(point,)`.
    """

    output: Float[Array, " point"]
    value: Float[Array, " point"]
    slope: Float[Array, " point"]
    state: Float[Array, "point n_units"]
    is_found: Bool[Array, " point"]


def _require_one_output(network: FeedbackNetwork) -> None:
    if network.n_outputs != 1:
        raise ValueError(
            f"`network` must have one output to be reduced to one equation, got "
            f"{network.n_outputs}; use `find_fixed_points`."
        )


def _point(network: FeedbackNetwork, z: Scalar, n_relax: int) -> tuple:
    """F(z), F'(z) and x(z), from a relaxation that starts at the drive."""
    clamped = network.open_loop(z)
    fixed = eqx.tree_at(lambda c: c.tau, clamped, jnp.ones_like(clamped.tau))  # same roots
    drive = network.feedback_weights[:, 0] * z + network.input_weights
    relax = lambda _, x: x + 0.7 * velocity(fixed, x)
    x = jax.lax.fori_loop(0, n_relax, relax, drive)
    x, _, is_found = polish(fixed, x)
    gain = loop_slope(network, x)
    nan = lambda value: jnp.where(is_found, value, jnp.nan)
    return nan(network.outputs(x)[0]), nan(gain), x, is_found


def tangent_state(network: FeedbackNetwork, x: State, direction: State) -> State:
    r"""Solve $(1 - g\chi\,\mathrm{diag}\,\phi'(x))\,v = d$: how the clamped state answers a drive.

    Args:
        network: The network.
        x: Clamped state, shape `(n_units,)`.
        direction: d, shape `(n_units,)`.

    Returns:
        v, shape `(n_units,)`.

    Cost: one LU below 257 units, above that some tens of matrix-vector products.
    """
    bulk, phi = network.recurrent.weights, network.recurrent.nonlinearity
    apply = lambda v: v - bulk.mv(jax.jvp(phi, (x,), (v,))[1])
    operator = lx.FunctionLinearOperator(apply, jax.eval_shape(lambda: x))
    solver = linear_solver(x.size, float(jnp.finfo(x.dtype).eps) ** 0.75, x.dtype)
    return lx.linear_solve(operator, direction, solver, throw=False).value


def loop_slope(network: FeedbackNetwork, x: State) -> Scalar:
    r"""Slope of the readout curve at a clamped state, $F'(z) = n^\top D\,(1 - g\chi D)^{-1} m$.

    Args:
        network: A network with one output.
        x: Clamped state, shape `(n_units,)`.

    Returns:
        F'(z); 1 where the closed loop has an eigenvalue of J D at 1.

    Cost: see `tangent_state`.
    """
    tangent = tangent_state(network, x, network.feedback_weights[:, 0])
    return jax.jvp(lambda y: network.outputs(y)[0], (x,), (tangent,))[1]


@eqx.filter_jit
def loop_curve(
    network: FeedbackNetwork, outputs: Float[Array, " point"], *, n_relax: int = 30
) -> LoopCurve:
    r"""The readout curve F(z): clamp the output at z, let the network rest, read it out.

    $$x(z) = g\chi\,\phi(x(z)) + m z + I,\qquad F(z) = n^\top\phi(x(z)),\qquad
      F'(z) = n^\top D\,(1 - g\chi D)^{-1} m,\quad D = \mathrm{diag}\,\phi'(x(z)).$$

    Fixed points of the closed loop are the roots of F(z) = z, stable and unstable alike.

    Args:
        network: A network with one output, flow or map; float64 is advised.
        outputs: z, shape `(point,)`.
        n_relax: Damped iterations before Newton's method takes over.

    Returns:
        `LoopCurve`.

    Raises:
        ValueError: The network has not exactly one output.

    Cost: about a hundred products of the bulk with a matrix of `point` columns.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019); the finite-size reduction
    is ours.
    """
    _require_one_output(network)
    value, slope, state, is_found = jax.vmap(lambda z: _point(network, z, n_relax))(outputs)
    return LoopCurve(outputs, value, slope, state, is_found)


def output_bound(network: FeedbackNetwork) -> float:
    r"""A bound on every output, $|z| \le \sum_i |n_i| \sup|\phi|$; 100 for an unbounded phi.

    Args:
        network: A network with one output.

    Returns:
        The bound, at least 1e-3.
    """
    far = jnp.asarray([-1e6, 1e6], network.readout_weights.dtype)
    height = float(np.max(np.abs(np.asarray(network.recurrent.nonlinearity(far)))))
    if height > 1e3:
        return 100.0
    return max(1.02 * height * float(np.sum(np.abs(np.asarray(network.readout_weights)))), 1e-3)


class LoopFixedPoints(eqx.Module):
    """Fixed points of the closed loop, ascending in output.

    Attributes:
        output: z, shape `(root,)`.
        slope: F'(z), shape `(root,)`; below 1 where the loop alone does not destabilise.
        state: x, shape `(root, n_units)`.
        residual: Root mean square of the closed-loop velocity, shape `(root,)`.
        curve: The scan they were found on.
    """

    output: Float[Array, " root"]
    slope: Float[Array, " root"]
    state: Float[Array, "root n_units"]
    residual: Float[Array, " root"]
    curve: LoopCurve


def _evaluate(network: FeedbackNetwork, zs: Any) -> LoopCurve:
    """`loop_curve` in padded batches of one size."""
    zs = np.asarray(zs, network.readout_weights.dtype)
    n_padded = -(-len(zs) // _N_BATCH) * _N_BATCH
    batches = np.pad(zs, (0, n_padded - len(zs)), mode="edge").reshape(-1, _N_BATCH)
    parts = [jax.tree.map(np.asarray, loop_curve(network, jnp.asarray(b))) for b in batches]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(zs)], *parts)


def _turning_point(z0, z1, g0, g1, s0, s1) -> tuple[np.ndarray, np.ndarray]:
    """Where the cubic through two values and two slopes of opposite sign turns, and its value."""
    h = z1 - z0
    d0, d1, rise = h * s0, h * s1, g1 - g0
    a, b = 3 * (d0 + d1 - 2 * rise), 2 * (3 * rise - 2 * d0 - d1)  # slope: a t^2 + b t + d0
    root = np.sqrt(np.maximum(b**2 - 4 * a * d0, 0))  # never negative: the slope changes sign
    t = 2 * d0 / (-b + np.sign(d0) * root)  # the root at which the slope changes from d0's sign
    cubic = g0 + t * (d0 + t * (b / 2 + t * a / 3))
    return z0 + h * t, cubic


def _split_tangencies(network: FeedbackNetwork, curve: LoopCurve) -> LoopCurve:
    """Insert the turning points of F(z) - z that nearly touch zero, where a pair may hide."""
    for _ in range(8):  # secant-like: the distance to the turning point falls superlinearly
        z, g, s = curve.output, curve.value - curve.output, curve.slope - 1
        approaches = (g[:-1] * g[1:] > 0) & (g[:-1] * s[:-1] < 0) & (g[1:] * s[1:] > 0)
        k = np.flatnonzero(approaches)
        at, value = _turning_point(z[k], z[k + 1], g[k], g[k + 1], s[k], s[k + 1])
        smaller = np.minimum(np.abs(g[k]), np.abs(g[k + 1]))
        may_cross = (value * g[k] < 0.5 * smaller * np.abs(g[k])) & (at > z[k]) & (at < z[k + 1])
        if not may_cross.any():
            break
        curve = _insert(curve, _evaluate(network, at[may_cross]))
    return curve


def _insert(curve: LoopCurve, extra: LoopCurve) -> LoopCurve:
    joined = jax.tree.map(lambda a, b: np.concatenate([np.asarray(a), b]), curve, extra)
    _, first = np.unique(joined.output, return_index=True)
    return jax.tree.map(lambda leaf: leaf[first], joined)


def _refine(network: FeedbackNetwork, curve: LoopCurve) -> np.ndarray:
    """All sign changes of F(z) - z, refined together by Newton's method inside their brackets."""
    g = curve.value - curve.output
    k = np.flatnonzero(g[:-1] * g[1:] < 0)
    exact = np.flatnonzero(g == 0)
    low, high = curve.output[k].copy(), curve.output[k + 1].copy()
    rising = g[k] < 0
    z = low - g[k] * (high - low) / (g[k + 1] - g[k])
    for _ in range(60 if len(k) else 0):
        points = _evaluate(network, z)
        gap = points.value - points.output
        above = (gap > 0) == rising
        low, high = np.where(above, low, z), np.where(above, z, high)
        step = gap / (points.slope - 1)
        proposal = z - step
        inside = (proposal >= low) & (proposal <= high)
        z_next = np.where(gap == 0, z, np.where(inside, proposal, (low + high) / 2))
        eps = np.finfo(z.dtype).eps
        done = np.abs(z_next - z) <= 4 * eps * np.maximum(np.abs(z), np.abs(curve.output).max())
        z = z_next
        if done.all():
            break
    return np.sort(np.concatenate([z, curve.output[exact]]))


def loop_fixed_points(
    network: FeedbackNetwork, *, n_grid: int = 96, bound: float | None = None
) -> LoopFixedPoints:
    r"""All fixed points of a feedback network with one output, unstable ones included.

    Scans $F(z) - z$ over $|z| \le$ `bound`, splits intervals in which a pair may hide (a turning
    point that nearly touches zero), refines every sign change inside its bracket and ends with
    Newton's method on the full state.

    Args:
        network: A network with one output; float64 is advised.
        n_grid: Outputs in the scan.
        bound: Largest |z|; default `output_bound`, which no output can exceed for a bounded phi.

    Returns:
        `LoopFixedPoints`. Whether these are all is graded by `grade_completeness`.

    Raises:
        ValueError: The network has not exactly one output, or `n_grid` below 3.

    Cost: `loop_curve` on the grid and about six times on sixteen points.
    """
    _require_one_output(network)
    if n_grid < 3:
        raise ValueError(f"`n_grid` must be at least 3, got {n_grid}.")
    edge = output_bound(network) if bound is None else bound
    curve = _evaluate(network, np.linspace(-edge, edge, n_grid))
    curve = _split_tangencies(network, curve)
    roots = _refine(network, curve)
    none = len(roots) == 0
    found = jax.tree.map(jnp.asarray, _evaluate(network, curve.output[:1] if none else roots))
    if none:
        found = jax.tree.map(lambda leaf: leaf[:0], found)
    residual = residuals(network.closed_loop, found.state)
    curve = jax.tree.map(jnp.asarray, curve)
    return LoopFixedPoints(found.value, found.slope, found.state, residual, curve)
