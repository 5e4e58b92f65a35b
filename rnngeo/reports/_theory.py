"""What the mean field alone says of a trained feedback network."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rnngeo.meanfield import (
    PHASES,
    FeedbackEnsemble,
    FixedPoints,
    critical_ratio,
    feedback_fixed_points,
    least_squares_fixed_points,
    least_squares_outlier,
    least_squares_uncorrelated_overlaps,
    phase_of,
    readout_overlaps,
    readout_scale,
    saddle_node,
)
from rnngeo.numerics import computing


class FeedbackTheory(eqx.Module):
    """The uncorrelated theory of a calibrated readout.

    Attributes:
        scale: c of the readout n = (c/N)(...), chosen so that the target is a fixed point.
        ratio: r = a_I / a_m; NaN where a_m = 0.
        critical_ratio: r_c, where the target changes stability; NaN where there is none.
        saddle_node_ratio: r_SN, where a spurious pair appears; NaN where there is none.
        phase: "1S", "3U" or "3S".
        fixed_points: All fixed points, ascending in output (NaN-padded).
    """

    scale: float
    ratio: float
    critical_ratio: float
    saddle_node_ratio: float
    phase: str
    fixed_points: FixedPoints

    def summary(self) -> dict[str, Any]:
        """The object that `--json` writes; what does not exist is None, with a reason."""
        reasons = {
            "ratio": "the readout has no part along the feedback vector (a_m = 0)",
            "critical_ratio": "the target changes stability at no ratio",
            "saddle_node_ratio": "no pair of spurious outputs is born at any ratio",
        }
        summary = {
            "scale": self.scale,
            **{name: _finite(getattr(self, name)) for name in reasons},
            "phase": self.phase,
            "fixed_points": fixed_points_summary(self.fixed_points),
        }
        return _with_reasons(summary, reasons)


class LeastSquaresTheory(eqx.Module):
    """The exact (two-replica) theory of a readout trained by least squares.

    Attributes:
        fixed_points: All fixed points, ascending in output (NaN-padded).
        outlier: The eigenvalue at the target in closed form, also when inside the bulk.
    """

    fixed_points: FixedPoints
    outlier: float

    def summary(self) -> dict[str, Any]:
        """The object that `--json` writes."""
        summary = {
            "fixed_points": fixed_points_summary(self.fixed_points),
            "outlier": _finite(self.outlier),
        }
        return _with_reasons(summary, {"outlier": "a zero target is read out by zero weights"})


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _with_reasons(summary: dict, reasons: dict[str, str]) -> dict:
    missing = [f"{name}: {text}" for name, text in reasons.items() if summary[name] is None]
    return {**summary, "reason": "; ".join(missing)} if missing else summary


def _pair(value) -> list[float]:
    return [float(value.real), float(value.imag)]


def fixed_points_summary(points: FixedPoints) -> list[dict[str, Any]]:
    """The fixed points of a theory as plain dictionaries, ascending in output."""
    points = jax.tree.map(np.asarray, points)
    return [
        {
            "output": float(points.output[k]),
            "variance": float(points.variance[k]),
            "bulk_radius": float(points.bulk_radius[k]),
            "outliers": [
                _pair(root)
                for root, outside in zip(points.roots[k], points.is_outlier[k], strict=True)
                if outside
            ],
            "roots": [_pair(root) for root in points.roots[k]],
            "slope": float(points.slope[k]),
            "stable": bool(points.is_stable[k]),
        }
        for k in range(int(points.count))
    ]


def _by_geometry(ensemble, coefficients, target):
    return readout_overlaps(ensemble, *coefficients)


def _by_ratio(ensemble, coefficients, target):
    return jnp.ones_like(target), coefficients[0]


def _by_least_squares(ensemble, coefficients, target):
    return least_squares_uncorrelated_overlaps(ensemble, target)


@eqx.filter_jit
def _evaluate(ensemble: FeedbackEnsemble, overlaps: Callable, coefficients: Array, target: Array):
    """Everything the uncorrelated theory says, as one program."""
    a_m, a_i = overlaps(ensemble, coefficients, target)
    # a part below rounding is none: 1 rho + p_m sqrt(1 - rho^2) may be meant to vanish
    size = ensemble.feedback_std * jnp.sum(jnp.abs(coefficients)) + jnp.abs(a_i)
    a_m = jnp.where(jnp.abs(a_m) <= 8 * jnp.finfo(a_m.dtype).eps * size, 0.0, a_m)
    points = feedback_fixed_points(ensemble, a_m, a_i, target)
    return {
        "overlaps": (a_m, a_i),
        "scale": readout_scale(ensemble, a_m, a_i, target),
        "ratio": jnp.where(a_m == 0, jnp.nan, a_i / jnp.where(a_m == 0, 1.0, a_m)),
        "critical_ratio": critical_ratio(ensemble, target),
        "saddle_node_ratio": saddle_node(ensemble, target).ratio,
        "phase": phase_of(points, target),
        "fixed_points": points,
    }


@eqx.filter_jit
def _evaluate_exact(ensemble: FeedbackEnsemble, target: Array):
    points = least_squares_fixed_points(ensemble, target)
    return points, least_squares_outlier(ensemble, target)


def _calibrated(ensemble, overlaps: Callable, coefficients, target: float) -> FeedbackTheory:
    dtype = ensemble.gain.dtype
    asked = (jnp.asarray(coefficients, dtype), jnp.asarray(target, dtype))
    found = jax.tree.map(np.asarray, _evaluate(ensemble, overlaps, *asked))
    if found["fixed_points"].count == 0:
        a_m, a_i = found["overlaps"]
        raise ValueError(
            "no calibrated readout exists: expected a_m * target + a_I different from 0, got "
            f"a_m = {a_m}, a_I = {a_i}, `target` = {target}."
        )
    names = ("scale", "ratio", "critical_ratio", "saddle_node_ratio")
    numbers = {name: float(found[name]) for name in names}
    return FeedbackTheory(
        **numbers, phase=PHASES[int(found["phase"])], fixed_points=found["fixed_points"]
    )


def feedback_theory(
    *,
    gain: float = 0.8,
    feedback_std: float = 1.2,
    input_std: float = 0.5,
    shared_weight: float = 0.5,
    target: float = 2.0,
    readout: tuple[float, float, float] | None = None,
    ratio: float | None = None,
    precision: str = "float64",
    device: str | None = None,
) -> FeedbackTheory:
    """The uncorrelated theory of one readout: what `rnngeo theory feedback` prints.

    Args:
        gain: g.
        feedback_std: s_m.
        input_std: s_I.
        shared_weight: rho.
        target: A.
        readout: (p, p_m, p_I), the geometry of the readout; default (1, 1, 0.3).
        ratio: r = a_I / a_m instead of `readout`; then `scale` is c for a_m = 1.
        precision: "float32" or "float64".
        device: Name of a device; default JAX's.

    Returns:
        `FeedbackTheory`.

    Raises:
        ValueError: An argument out of range, both `readout` and `ratio`, or A = -r: no calibrated
            readout exists.

    Cost: milliseconds once compiled.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019).
    """
    if readout is not None and ratio is not None:
        raise ValueError("`readout` and `ratio` exclude each other, got both.")
    for name, value in (("target", target), ("ratio", ratio)):
        if value is not None and not np.isfinite(value):
            raise ValueError(f"`{name}` must be a finite number, got {value}.")
    with computing(precision, device):
        ensemble = FeedbackEnsemble(gain, feedback_std, input_std, shared_weight)
        if ratio is not None:
            return _calibrated(ensemble, _by_ratio, [ratio], target)
        coefficients = (1.0, 1.0, 0.3) if readout is None else readout
        if len(coefficients) != 3 or not np.isfinite(coefficients).all():
            raise ValueError(f"`readout` must be three finite numbers, got {readout}.")
        return _calibrated(ensemble, _by_geometry, coefficients, target)


def least_squares_theory(
    *,
    gain: float = 0.8,
    feedback_std: float = 1.2,
    input_std: float = 0.5,
    shared_weight: float = 0.5,
    target: float = 2.0,
    is_uncorrelated: bool = False,
    precision: str = "float64",
    device: str | None = None,
) -> LeastSquaresTheory | FeedbackTheory:
    """The theory of a readout trained by least squares: `rnngeo theory least-squares`.

    Args:
        gain: g.
        feedback_std: s_m.
        input_std: s_I.
        shared_weight: rho.
        target: A.
        is_uncorrelated: Use the approximation that keeps only the part of the readout along
            A m + I, with a_m = s_m^2 A + s_mI and a_I = s_mI A + s_I^2.
        precision: "float32" or "float64".
        device: Name of a device; default JAX's.

    Returns:
        `LeastSquaresTheory`, or `FeedbackTheory` with `is_uncorrelated`.

    Raises:
        ValueError: An argument out of range.

    Cost: a fraction of a second once compiled.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019); the exact two-replica
    theory is our derivation.
    """
    if not np.isfinite(target):
        raise ValueError(f"`target` must be a finite number, got {target}.")
    with computing(precision, device):
        ensemble = FeedbackEnsemble(gain, feedback_std, input_std, shared_weight)
        if is_uncorrelated:
            return _calibrated(ensemble, _by_least_squares, [0.0], target)
        exact = _evaluate_exact(ensemble, jnp.asarray(target, ensemble.gain.dtype))
        points, outlier = jax.tree.map(np.asarray, exact)
        return LeastSquaresTheory(points, float(outlier))
