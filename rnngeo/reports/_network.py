"""Everything simulation and analysis know about one feedback network."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

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
    residuals,
    spectrum,
    sweep_basins,
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
    newton = find_fixed_points(closed, _starts(start, jnp.arange(_N_NEWTON)))
    found: dict[str, Any] = {"n_newton_failed": newton.n_failed, "curve": None}
    if network.n_outputs == 1:
        loop = loop_fixed_points(network)
        evidence = grade_completeness(network, loop.curve, key=key)
        states, found["curve"] = list(np.asarray(loop.state)), loop.curve
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


def _joined(states: list[np.ndarray], more: Array) -> list[np.ndarray]:
    """The states, and those of `more` that are not among them."""
    size = lambda x: np.sqrt(np.mean(x**2))
    for x in np.asarray(more):
        if all(size(x - y) > 1e-6 * (1 + size(x)) for y in states):
            states = [*states, x]
    return states


@eqx.filter_jit
def _starts(start: WideStarts, rows: Int[Array, " row"]) -> Float[Array, "row n_units"]:
    return jax.vmap(start)(rows)


@eqx.filter_jit
def _describe(network: FeedbackNetwork, states: Float[Array, "point n_units"]) -> dict[str, Array]:
    """What the report says of each state, without its spectrum."""
    nan = jnp.full(len(states), jnp.nan)
    slope = partial(loop_slope, network)
    return {
        "output": jax.vmap(network.outputs)(states),
        "variance": jnp.mean(states**2, axis=1),
        "slope": jax.vmap(slope)(states) if network.n_outputs == 1 else nan,
        "residual": residuals(network.closed_loop, states),
    }


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
        if not np.isfinite(np.asarray(leaf)).all():
            raise ValueError("`network` must hold finite numbers, got NaN or infinite entries.")
    key_starts, key_tests = jr.split(key)
    direction = network.feedback_weights[:, 0] if network.n_outputs else network.input_weights
    reach = jnp.asarray([-3.0, 3.0], direction.dtype)
    start = WideStarts(direction, reach, key_starts)
    progress("fixed points", 0, 1)
    found = _find(network, start, key_tests)
    progress("fixed points", 1, 1)
    known = found["states"]
    spectra = []
    for k, x in enumerate(known):
        progress("spectra", k, len(known))
        spectra.append(spectrum(network, jnp.asarray(x)))
    progress("spectra", len(known), len(known))
    basins = sweep_basins(
        network,
        n_starts,
        start=start,
        known_states=jnp.asarray(known).reshape(-1, network.n_units),
        known_stability=np.array([s.is_stable for s in spectra], bool),
        progress=progress,
        checkpoint=checkpoint,
        provenance=provenance,
    )
    states = _joined(known, basins.state)
    missed = len(states) > len(known) and network.n_outputs == 1
    spectra += [spectrum(network, jnp.asarray(x)) for x in states[len(known) :]]
    details = _describe(network, jnp.asarray(states).reshape(-1, network.n_units))
    details = {name: np.asarray(values) for name, values in details.items()}
    order = np.lexsort(details["output"].T[::-1]) if network.n_outputs else np.arange(len(states))
    shown_times, shown_outputs = _trajectories(network, start, min(_N_SHOWN, n_starts))
    curve, evidence = found["curve"], found["evidence"]

    def stack(name: str, *shape: int) -> np.ndarray:
        values = np.stack([getattr(s, name) for s in spectra]) if spectra else np.zeros((0, *shape))
        return values[order]

    report = NetworkReport(
        stored=stored,
        **{name: values[order] for name, values in details.items()},
        effective=stack("effective", network.n_units).astype(complex),
        is_outlier=stack("is_outlier", network.n_units).astype(bool),
        bulk_radius=stack("bulk_radius"),
        abscissa=stack("abscissa"),
        spectral_radius=stack("spectral_radius"),
        is_stable=stack("is_stable").astype(bool),
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
