"""What the experiments share: the published numbers, theory as arrays, networks as drawn."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize_scalar, root_scalar

from rnngeo._types import Key, Keys, Scalar, ScalarLike, State
from rnngeo.connectivity import FeedbackVectors, draw_vectors, gaussian_bulk
from rnngeo.meanfield import (
    FeedbackEnsemble,
    FixedPoints,
    critical_ratio,
    feedback_fixed_points,
    readout_overlaps,
    readout_scale,
)
from rnngeo.models import FeedbackNetwork, RateFlow
from rnngeo.stability import loop_curve, slopes

FEEDBACK_STD, INPUT_STD = 1.2, 0.5  # of every experiment
GAIN, SHARED_WEIGHT = 0.3, 0.5  # of the published figure
READOUT = (1.0, 1.0, 0.3)  # (p, p_m, p_I) of the published figure

Readout = tuple[float, float, float]
ReadoutLike = Readout | Float[Array, "3"]


def ensemble_at(
    gain: ScalarLike = GAIN, shared_weight: ScalarLike = SHARED_WEIGHT
) -> FeedbackEnsemble:
    """The published statistics, at another gain or shared weight."""
    return FeedbackEnsemble(
        jnp.asarray(gain, float), FEEDBACK_STD, INPUT_STD, jnp.asarray(shared_weight, float)
    )


def _fixed_points(
    ensemble: FeedbackEnsemble, readout: ReadoutLike, target: ScalarLike
) -> FixedPoints:
    a_m, a_I = readout_overlaps(ensemble, *readout)
    return feedback_fixed_points(ensemble, a_m, a_I, target)


def points_at(ensemble: FeedbackEnsemble, readout: Readout, target: float) -> FixedPoints:
    """The fixed points at one target as NumPy arrays, without the padding."""
    points = jax.tree.map(np.asarray, _fixed_points(ensemble, readout, target))
    return jax.tree.map(lambda leaf: leaf[: int(points.count)] if leaf.ndim else leaf, points)


@eqx.filter_jit
def branches(
    ensemble: FeedbackEnsemble, readout: Float[Array, "3"], targets: Float[Array, " target"]
) -> FixedPoints:
    """All fixed points of the mean field at every target, padded; leading axis target."""
    return jax.lax.map(lambda a: _fixed_points(ensemble, readout, a), targets, batch_size=16)


critical_ratio_at = eqx.filter_jit(critical_ratio)


def root_between(fn: Callable[[float], float], low: float, high: float) -> float:
    """Root of a function whose signs differ at two points."""
    return float(root_scalar(fn, bracket=(low, high), xtol=1e-13).root)


def maximum_between(fn: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    """Place and value of the maximum of a function with one between two points."""
    found: Any = minimize_scalar(
        lambda x: -fn(x), bounds=(low, high), method="bounded", options={"xatol": 1e-6}
    )
    return float(found.x), -float(found.fun)


def nearest(points: FixedPoints, target: float) -> int:
    """Index of the fixed point at the target."""
    return int(np.nanargmin(np.abs(np.asarray(points.output) - target)))


def outliers(points: FixedPoints) -> np.ndarray:
    """The outlier of largest modulus at every fixed point, real part; NaN where there is none."""
    roots, is_outlier = np.asarray(points.roots), np.asarray(points.is_outlier)
    size = np.where(is_outlier, np.abs(roots), -1.0)
    chosen = np.take_along_axis(roots, size.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return np.where(is_outlier.any(axis=-1), np.real(chosen), np.nan)


def network_keys(key: Key, n_networks: int) -> Keys:
    """One key a network, the same however many there are."""
    return jax.vmap(lambda i: jr.fold_in(key, i))(jnp.arange(n_networks))


def draw_network(
    n_units: int, gain: ScalarLike, shared_weight: ScalarLike, *, key: Key
) -> tuple[FeedbackNetwork, FeedbackVectors]:
    """A network without readout, its three directions orthogonal with norm sqrt(N)."""
    key_bulk, key_vectors = jr.split(key)
    bulk = gaussian_bulk(n_units, jnp.asarray(gain, float), key=key_bulk)
    rho = jnp.asarray(shared_weight, float)
    vectors = draw_vectors(n_units, FEEDBACK_STD, INPUT_STD, rho, key=key_vectors, is_exact=True)
    silence = jnp.zeros_like(vectors.feedback)
    flow = RateFlow(bulk)  # pyright: ignore[reportCallIssue] (`n_units` is no field)
    return FeedbackNetwork(flow, vectors.feedback, silence, vectors.input), vectors


def calibrated_network(
    n_units: int, ensemble: FeedbackEnsemble, readout: ReadoutLike, target: ScalarLike, *, key: Key
) -> FeedbackNetwork:
    """A network whose readout has the scale that the mean field gives it."""
    network, vectors = draw_network(n_units, ensemble.gain, ensemble.shared_weight, key=key)
    p, p_m, p_I = readout
    a_m, a_I = readout_overlaps(ensemble, p, p_m, p_I)
    scale = readout_scale(ensemble, a_m, a_I, target)
    return network.with_readout(vectors.readout(p, p_m, p_I, scale))


def refine_outputs(
    network: FeedbackNetwork, guesses: Float[Array, " root"], n_steps: int = 3
) -> tuple[Float[Array, " root"], Float[Array, "root n_units"]]:
    """Fixed points near some outputs, by Newton's method on F(z) = z: outputs and states."""

    def step(_, z):
        curve = loop_curve(network, z)
        return z + (curve.value - z) / (1 - curve.slope)

    z = jax.lax.fori_loop(0, n_steps, step, guesses)
    curve = loop_curve(network, z)
    return curve.value, curve.state


def leading_outlier(network: FeedbackNetwork, x: State, n_steps: int = 80) -> Scalar:
    """Eigenvalue of J diag(phi') of largest modulus, if it is real, by power iteration."""
    closed = network.closed_loop
    d = slopes(closed, x)

    def step(_, carry):
        v, _ = carry
        w = closed.weights.mv(d * v)
        return w / jnp.linalg.norm(w), v @ w

    v = network.feedback_weights[:, 0]
    start = (v / jnp.linalg.norm(v), jnp.zeros((), x.dtype))
    return jax.lax.fori_loop(0, n_steps, step, start)[1]


def mean_and_error(samples: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Mean, its standard error, and the standard deviation over networks."""
    values = np.asarray(samples, float)
    spread = float(values.std(ddof=1))
    return float(values.mean()), spread / math.sqrt(values.size), spread
