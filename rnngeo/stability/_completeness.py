"""How sure we are that a list of fixed points is complete."""

import enum

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from rnngeo._types import Key, Nonlinearity
from rnngeo.models import NONLINEARITIES, FeedbackNetwork

from ._newton import rms
from ._reduction import LoopCurve

_STEEPEST = {"tanh": 1.0, "erf": 2 / np.pi**0.5, "sigmoid": 0.25} | dict.fromkeys(
    ("relu", "softplus", "linear"), 1.0
)


class Completeness(enum.StrEnum):
    """How the completeness of a list of fixed points is supported."""

    PROVED = "proved"
    UNIQUE_IN_ALL_TESTED = "unique in all tested"
    UNKNOWN = "unknown"


class CompletenessEvidence(eqx.Module):
    """The grade, and what it rests on.

    Attributes:
        grade: The grade.
        contraction_margin: See `contraction_margin`; positive is a proof that every clamped output
            has exactly one resting state. NaN where phi has no known steepest slope.
        n_tested: Clamped outputs times starts that were relaxed.
        n_agreed: How many of them came to rest at the state on the readout curve.
    """

    grade: Completeness = eqx.field(static=True)
    contraction_margin: float = eqx.field(static=True)
    n_tested: int = eqx.field(static=True)
    n_agreed: int = eqx.field(static=True)


def _steepest_slope(nonlinearity: Nonlinearity) -> float:
    for name, function in NONLINEARITIES.items():
        if function is nonlinearity:
            return _STEEPEST[name]
    return float("nan")


@eqx.filter_jit
def _top_symmetric(network: FeedbackNetwork) -> Float[Array, " metric"]:
    """Top eigenvalue of the symmetric part of the bulk, as it is and with its rows balanced."""
    bulk = network.recurrent.weights.as_matrix()
    rows, columns = jnp.linalg.norm(bulk, axis=1), jnp.linalg.norm(bulk, axis=0)
    tiny = jnp.finfo(bulk.dtype).tiny
    balance = jnp.sqrt(jnp.maximum(columns, tiny) / jnp.maximum(rows, tiny))
    balance = jnp.where((rows > 0) & (columns > 0), balance, 1.0)

    def top(scale):
        scaled = bulk * scale[:, None] / scale[None, :]
        return jnp.linalg.eigvalsh((scaled + scaled.T) / 2)[-1]

    return jnp.stack([top(jnp.ones_like(rows)), top(balance)])


def contraction_margin(network: FeedbackNetwork) -> float:
    r"""How far the bulk is inside the region where every clamped output has one resting state.

    Let phi be non-decreasing with slope at most L and P a positive diagonal matrix. If

    $$\mu = L\,\lambda_{\max}\big[\tfrac12(P^{1/2} B P^{-1/2} + \text{transpose})\big] < 1,$$

    the bulk contracts in the metric P on rates and $x = B\phi(x) + u$ has exactly one solution for
    every u: if $(1 - B D)v = 0$ with $0 \le D \le L$, then $w = Dv$ gives $w^\top P w / L \le
    w^\top P v = w^\top P B w \le (\mu/L) w^\top P w$, so v = 0; hence $x - B\phi(x)$ is a
    homeomorphism. For a Gaussian bulk $\mu \to \sqrt2 g$; a bulk radius below one proves nothing.

    P is tried as the identity and as the one that balances the rows of B against its columns.

    Args:
        network: The network; float64 is advised.

    Returns:
        1 - mu for the better P, positive if the proof holds; NaN for a phi whose steepest slope is
        not known here.

    Cost: two dense symmetric eigenvalue problems.

    Reference: Forti & Tesi, IEEE Trans. Circuits Syst. I 42, 354 (1995), Theorem 1.
    """
    steepest = _steepest_slope(network.recurrent.nonlinearity)
    if not np.isfinite(steepest):
        return float("nan")
    return 1 - steepest * float(np.nanmin(np.asarray(_top_symmetric(network))))


@eqx.filter_jit
def _count_agreeing(
    network: FeedbackNetwork,
    outputs: Float[Array, " point"],
    states: Float[Array, "point n_units"],
    n_starts: int,
    key: Key,
) -> Int[Array, ""]:
    """How many relaxations, some from each point, end at the state of their own output."""
    outputs, states = jnp.tile(outputs, n_starts), jnp.tile(states, (n_starts, 1))
    scale = 1 + rms(states).max()
    starts = 3 * scale * jr.normal(key, states.shape, states.dtype)
    reached, is_resting = _relax(network, outputs, starts)
    return jnp.sum((rms(reached - states) < 1e-3 * scale) & is_resting)


def _relax(network: FeedbackNetwork, outputs: Array, starts: Array) -> tuple[Array, Array]:
    """Clamp each output and iterate x <- x + 0.3 (B phi(x) + m z + I - x) from its start to rest.

    The damped iteration rests only where the clamped flow is stable; one that is stable only with
    smaller steps does not rest here, which can lower a grade but never raise it.
    """
    base, m = network.recurrent, network.feedback_weights[:, 0]
    drive = m * outputs[:, None] + network.input_weights + base.bias
    residual = lambda x: jax.vmap(base.weights.mv)(base.nonlinearity(x)) + drive - x
    tolerance = float(jnp.finfo(starts.dtype).eps) ** 0.5
    is_resting = lambda x, f: rms(f) < tolerance * (1 + rms(x))

    def body(state):
        x, f, i = state
        x = x + 0.3 * f
        return x, residual(x), i + 1

    going = lambda s: jnp.any(~is_resting(s[0], s[1])) & (s[2] < 1000)
    x, f, _ = jax.lax.while_loop(going, body, (starts, residual(starts), 0))
    return x, is_resting(x, f)


def grade_completeness(
    network: FeedbackNetwork,
    curve: LoopCurve,
    *,
    key: Key,
    n_outputs: int = 17,
    n_starts: int = 4,
) -> CompletenessEvidence:
    r"""Grade the readout curve: does every clamped output have one resting state?

    `proved`: `contraction_margin` is positive, so the curve is a function and its roots are all
    the fixed points (to the resolution of the scan). `unique in all tested`: no proof, but the
    clamped network comes to rest, from every one of several wide starts at every tested output,
    at the very state on the curve, and the curve has no gap. `unknown`: anything else.

    Args:
        network: A network with one output.
        curve: Its readout curve.
        key: Random key of the starts.
        n_outputs: Outputs of the curve that are tested, evenly picked.
        n_starts: Starts for each, standard deviation three times that of the states on the curve.

    Returns:
        `CompletenessEvidence`.

    Raises:
        ValueError: `n_outputs` or `n_starts` below 1.

    Cost: `n_outputs * n_starts` relaxations of the network to rest.
    """
    if n_outputs < 1 or n_starts < 1:
        raise ValueError(
            f"`n_outputs` and `n_starts` must be at least 1, got {n_outputs} and {n_starts}."
        )
    margin = contraction_margin(network)
    rows = np.unique(np.linspace(0, len(curve.output) - 1, n_outputs).astype(int))
    tested = [jnp.asarray(np.asarray(v)[rows]) for v in (curve.output, curve.state)]
    n_tested = len(rows) * n_starts
    n_agreed = int(_count_agreeing(network, *tested, n_starts, key))
    grade = Completeness.UNKNOWN
    if bool(np.all(curve.is_found)):
        if margin > 0:
            grade = Completeness.PROVED
        elif n_agreed == n_tested:
            grade = Completeness.UNIQUE_IN_ALL_TESTED
    return CompletenessEvidence(grade, margin, n_tested, n_agreed)
