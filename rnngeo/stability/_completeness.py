"""How sure we are that a list of fixed points is complete."""

import enum

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from rnngeo._types import Key, Nonlinearity, State, Time
from rnngeo.integrate import RowEnd, solve_rows
from rnngeo.models import NONLINEARITIES, AbstractFlow, FeedbackNetwork, RateFlow

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


@jax.jit
def _top_symmetric(bulk: Float[Array, "n n"], scale: Float[Array, " n"]) -> Float[Array, ""]:
    scaled = bulk * scale[:, None] / scale[None, :]
    return jnp.linalg.eigvalsh((scaled + scaled.T) / 2)[-1]


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
    bulk = network.recurrent.weights.as_matrix()
    rows, columns = jnp.linalg.norm(bulk, axis=1), jnp.linalg.norm(bulk, axis=0)
    tiny = jnp.finfo(bulk.dtype).tiny
    balance = jnp.sqrt(jnp.maximum(columns, tiny) / jnp.maximum(rows, tiny))
    balance = jnp.where((rows > 0) & (columns > 0), balance, 1.0)
    tops = [float(_top_symmetric(bulk, scale)) for scale in (jnp.ones_like(rows), balance)]
    tops = [top for top in tops if np.isfinite(top)]
    return 1 - steepest * min(tops)


class _ClampedFlow(AbstractFlow):
    """The open loop with the clamped output carried along as one more, constant, variable."""

    network: FeedbackNetwork

    @property
    def n_units(self) -> int:
        return self.network.n_units + 1

    def drift(self, t: Time, x: State, u: State) -> State:
        rates = self.network.open_loop(x[-1]).drift(t, x[:-1], u[:-1])
        return jnp.concatenate([rates, jnp.zeros_like(x[-1:])])


class _ClampedStart(eqx.Module):
    """Start i: output i mod n_outputs, and a wide Gaussian state of its own."""

    outputs: Float[Array, " point"]
    spread: Float[Array, ""]
    n_units: int = eqx.field(static=True)
    key: Key

    def __call__(self, i: Int[Array, ""]) -> State:
        x = self.spread * jr.normal(jr.fold_in(self.key, i), (self.n_units,), self.outputs.dtype)
        return jnp.concatenate([x, self.outputs[i % self.outputs.size][None]])


def _rest(state: State) -> State:
    return state


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
    states = jnp.asarray(curve.state)[rows]
    start = _ClampedStart(
        jnp.asarray(curve.output)[rows], 3 * (1 + rms(states).max()), network.n_units, key
    )
    n_tested = len(rows) * n_starts
    base = network.recurrent  # a map rests where the flow of the same weights rests
    flow = RateFlow(base.weights, base.bias, nonlinearity=base.nonlinearity)
    clamped = FeedbackNetwork(
        flow, network.feedback_weights, network.readout_weights, network.input_weights
    )
    ends = solve_rows(_ClampedFlow(clamped), start, jnp.arange(n_tested), summarise=_rest)
    reached = ends.summary[:, :-1]
    scale = 1 + rms(states).max()
    agrees = rms(reached - jnp.tile(states, (n_starts, 1))) < 0.02 * scale
    n_agreed = int(jnp.sum(agrees & (ends.code == RowEnd.SETTLED)))
    grade = Completeness.UNKNOWN
    if bool(np.all(curve.is_found)):
        if margin > 0:
            grade = Completeness.PROVED
        elif n_agreed == n_tested:
            grade = Completeness.UNIQUE_IN_ALL_TESTED
    return CompletenessEvidence(grade, margin, n_tested, n_agreed)
