"""Everything simulation and analysis know about one feedback network."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from rnngeo._progress import Progress, silent
from rnngeo._types import Key
from rnngeo.files import StoredNetwork
from rnngeo.integrate import simulate
from rnngeo.models import AbstractMap, FeedbackNetwork
from rnngeo.stability import (
    Basins,
    Completeness,
    CompletenessEvidence,
    LoopCurve,
    WideStarts,
    contraction_margin,
    find_fixed_points,
    grade_completeness,
    loop_fixed_points,
    loop_slope,
    rms,
    spectrum,
    sweep_basins,
    velocity,
)

_N_NEWTON = 32  # starts of the cross-check
_N_SHOWN = 32  # trajectories kept for the picture
_SHOWN_TIME = 30.0


class NetworkReport(eqx.Module):
    """One network: its fixed points, their spectra, and the basins of what attracts.

    Arrays are NumPy's; fixed points ascend in their first output.

    Attributes:
        stored: The network and its target.
        output: z, shape `(point, n_outputs)`.
        variance: Mean square of the state, shape `(point,)`.
        slope: F'(z) of the readout curve, shape `(point,)`; NaN without exactly one output.
        residual: Root mean square of the velocity, shape `(point,)`.
        effective: Eigenvalues of J diag(phi'), shape `(point, n_units)`; threshold 1.
        is_outlier: Which of them lie outside the bulk, shape `(point, n_units)`.
        bulk_radius: Shape `(point,)`.
        abscissa: Largest real part of the Jacobian's own spectrum, shape `(point,)`.
        spectral_radius: Largest modulus of it, shape `(point,)`.
        is_stable: Shape `(point,)`.
        completeness: The grade of the list of fixed points.
        contraction_margin: What proves it if positive.
        n_clamped_tests: Clamped relaxations tried, and `n_clamped_agreed` of them.
        n_clamped_agreed: See `n_clamped_tests`.
        n_newton_failed: Newton starts, of 32, that ended nowhere.
        curve: The readout curve, or None without exactly one output.
        basins: The sweep.
        shown_times: Times of the trajectories kept for the picture, shape `(time,)`.
        shown_outputs: Outputs along them, shape `(start, time, n_outputs)`.
    """

    stored: StoredNetwork
    output: Float[np.ndarray, "point n_outputs"]
    variance: Float[np.ndarray, " point"]
    slope: Float[np.ndarray, " point"]
    residual: Float[np.ndarray, " point"]
    effective: Complex[np.ndarray, "point n_units"]
    is_outlier: Bool[np.ndarray, "point n_units"]
    bulk_radius: Float[np.ndarray, " point"]
    abscissa: Float[np.ndarray, " point"]
    spectral_radius: Float[np.ndarray, " point"]
    is_stable: Bool[np.ndarray, " point"]
    completeness: Completeness = eqx.field(static=True)
    contraction_margin: float = eqx.field(static=True)
    n_clamped_tests: int = eqx.field(static=True)
    n_clamped_agreed: int = eqx.field(static=True)
    n_newton_failed: int = eqx.field(static=True)
    curve: LoopCurve | None
    basins: Basins
    shown_times: Float[np.ndarray, " time"]
    shown_outputs: Float[np.ndarray, "start time n_outputs"]

    def summary(self) -> dict[str, Any]:
        """The entry of this network in the JSON object."""
        n_outputs = self.output.shape[1]
        scalar = lambda z: float(z[0]) if n_outputs == 1 else ([float(v) for v in z] or None)
        basins = self.basins
        points = [
            {
                "output": scalar(self.output[k]),
                "variance": float(self.variance[k]),
                "abscissa": float(self.abscissa[k]),
                "outliers": [
                    [float(v.real), float(v.imag)] for v in self.effective[k][self.is_outlier[k]]
                ],
                "bulk_radius": float(self.bulk_radius[k]),
                "stable": bool(self.is_stable[k]),
                "residual": float(self.residual[k]),
                **(
                    {"spectral_radius": float(self.spectral_radius[k])}
                    if isinstance(self.stored.network.recurrent, AbstractMap)
                    else {}
                ),
            }
            for k in range(len(self.output))
        ]
        summary: dict[str, Any] = {
            "fixed_points": points,
            "completeness": str(self.completeness),
            "basins": [
                {
                    "output": scalar(np.asarray(basins.output[k])),
                    "fraction": float(basins.fraction[k]),
                    "low": float(basins.low[k]),
                    "high": float(basins.high[k]),
                    "count": int(basins.count[k]),
                }
                for k in range(len(basins.count))
            ],
            "undecided": basins.n_undecided,
            "diverged": basins.n_diverged,
            "n_starts": basins.n_starts,
        }
        if n_outputs == 0:
            summary["reason"] = "output: the network has no readout"
        return summary


def _find(network: FeedbackNetwork, start: WideStarts, key: Key) -> dict[str, Any]:
    """Fixed points by reduction where there is one output, cross-checked by Newton's method."""
    closed = network.closed_loop
    newton = find_fixed_points(closed, jax.vmap(start)(jnp.arange(_N_NEWTON)))
    found: dict[str, Any] = {"n_newton_failed": newton.n_failed, "curve": None}
    if network.n_outputs == 1:
        loop = loop_fixed_points(network)
        evidence = grade_completeness(network, loop.curve, key=key)
        states, found["curve"] = list(loop.state), loop.curve
    else:
        margin = contraction_margin(network)
        is_proved = margin > 0 and not bool(jnp.any(network.feedback_weights != 0))
        grade = Completeness.PROVED if is_proved else Completeness.UNKNOWN
        states, evidence = [], CompletenessEvidence(grade, margin, 0, 0)
    known = len(states)
    found["states"] = _joined(states, newton.state)
    missed = network.n_outputs == 1 and len(found["states"]) > known
    if missed:
        evidence = dataclasses.replace(evidence, grade=Completeness.UNKNOWN)
    return found | {"evidence": evidence}


def _joined(states: list, more) -> list:
    """The states, and those of `more` that are not among them."""
    for x in more:
        if all(float(rms(x - y)) > 1e-6 * (1 + float(rms(x))) for y in states):
            states = [*states, x]
    return states


def judge_network(
    stored: StoredNetwork,
    *,
    key: Key,
    n_starts: int = 1024,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
    provenance: dict | None = None,
) -> NetworkReport:
    """Find every fixed point of one network, its local stability, and the basins.

    Args:
        stored: A network, with or without a target, in the precision to compute in.
        key: Random key of the starts.
        n_starts: Starts to sweep.
        progress: Called along the way.
        checkpoint: File that the sweep saves to and resumes from.
        provenance: What tells this run from another.

    Returns:
        `NetworkReport`.

    Raises:
        ValueError: The network holds NaN or infinite numbers, or `n_starts` below 1.

    Cost: one dense eigenvalue problem per fixed point, the readout curve, and the sweep.
    """
    network = stored.network
    for leaf in jax.tree.leaves(eqx.filter(stored, eqx.is_array)):
        if not bool(jnp.all(jnp.isfinite(leaf))):
            raise ValueError("`network` must hold finite numbers, got NaN or infinite entries.")
    key_starts, key_tests = jr.split(key)
    direction = network.feedback_weights[:, 0] if network.n_outputs else network.input_weights
    reach = jnp.asarray([-3.0, 3.0], direction.dtype)
    start = WideStarts(direction, reach, key_starts)
    progress("fixed points", 0, 1)
    found = _find(network, start, key_tests)
    progress("fixed points", 1, 1)
    known = jnp.asarray(found["states"]).reshape(-1, network.n_units)
    basins = sweep_basins(
        network,
        n_starts,
        start=start,
        known_states=known,
        progress=progress,
        checkpoint=checkpoint,
        provenance=provenance,
    )
    states = _joined(found["states"], basins.state)
    missed = len(states) > len(found["states"]) and network.n_outputs == 1
    states.sort(key=lambda x: tuple(np.asarray(network.outputs(x))))
    spectra = []
    for k, x in enumerate(states):
        progress("spectra", k, len(states))
        spectra.append(spectrum(network, x))
    progress("spectra", len(states), len(states))
    closed = network.closed_loop
    shown_times, shown_outputs = _trajectories(network, start, min(_N_SHOWN, n_starts))
    curve, evidence = found["curve"], found["evidence"]
    stack = lambda values, like: np.asarray(values) if len(values) else np.zeros((0, *like))
    report = NetworkReport(
        stored=stored,
        output=stack([network.outputs(x) for x in states], (network.n_outputs,)),
        variance=stack([rms(x) ** 2 for x in states], ()),
        slope=_slopes(network, states),
        residual=stack([rms(velocity(closed, x)) for x in states], ()),
        effective=stack([s.effective for s in spectra], (network.n_units,)).astype(complex),
        is_outlier=stack([s.is_outlier for s in spectra], (network.n_units,)).astype(bool),
        bulk_radius=stack([s.bulk_radius for s in spectra], ()),
        abscissa=stack([s.abscissa for s in spectra], ()),
        spectral_radius=stack([s.spectral_radius for s in spectra], ()),
        is_stable=stack([s.is_stable for s in spectra], ()).astype(bool),
        completeness=Completeness.UNKNOWN if missed else evidence.grade,
        contraction_margin=evidence.contraction_margin,
        n_clamped_tests=evidence.n_tested,
        n_clamped_agreed=evidence.n_agreed,
        n_newton_failed=found["n_newton_failed"],
        curve=curve,
        basins=basins,
        shown_times=shown_times,
        shown_outputs=shown_outputs,
    )
    return jax.tree.map(lambda leaf: np.asarray(leaf) if eqx.is_array(leaf) else leaf, report)


def _slopes(network: FeedbackNetwork, states: list) -> np.ndarray:
    """F'(z) at each fixed point, from the linear response of the clamped network."""
    from_one = network.n_outputs == 1 and len(states) > 0
    if not from_one:
        return np.full(len(states), np.nan)
    slopes = eqx.filter_jit(eqx.filter_vmap(loop_slope, in_axes=(None, 0)))
    return np.asarray(slopes(network, jnp.asarray(states)))


def _trajectories(network: FeedbackNetwork, start: WideStarts, n_shown: int):
    n_times = 31 if isinstance(network.recurrent, AbstractMap) else 121
    dtype = network.input_weights.dtype
    ts = np.linspace(0.0, _SHOWN_TIME, n_times).astype(dtype)
    return ts, np.asarray(_outputs_along(network, start, n_times, n_shown))


@eqx.filter_jit
def _outputs_along(
    network: FeedbackNetwork, start: WideStarts, n_times: int, n_shown: int
) -> Array:
    """z at the times, from the first starts, shape (start, time, n_outputs)."""
    with jax.ensure_compile_time_eval():  # a map must know its times while tracing
        ts = jnp.linspace(0.0, _SHOWN_TIME, n_times, dtype=network.input_weights.dtype)

    def run(i):
        path = simulate(network.closed_loop, start(i), t1=_SHOWN_TIME, ts=ts, throw=False)
        return jax.vmap(network.outputs)(path.xs)

    return jax.vmap(run)(jnp.arange(n_shown))
