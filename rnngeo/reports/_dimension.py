"""Predict and simulate the dimension of the activity on a matrix: `rnngeo dimension`."""

from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike

from rnngeo._progress import Progress, silent
from rnngeo._results import RESULTS
from rnngeo._types import Nonlinearity
from rnngeo.connectivity import (
    balance_signed,
    effective_gain,
    singular_value_ratio,
)
from rnngeo.connectivity import inverse_effective_rank as rank_from_ratio
from rnngeo.files import load_connectome, provenance, sign_by_transmitter
from rnngeo.geometry import (
    BlockProducts,
    accumulate_covariances,
    autocovariance,
    block_products,
    cross_participation_ratio,
    naive_participation_ratio,
)
from rnngeo.meanfield import Observable, participation_ratio_curves, single_site
from rnngeo.models import RateFlow
from rnngeo.numerics import computing

from ._dimension_report import DimensionReport, SimulatedDimension
from ._dimension_theory import dimension_theory, rate_function

_N_REPLICAS, _N_BLOCKS, _MAX_DELAY = 4, 2, 30
_TRANSIENT = 100.0
_SILENT = 1e-12  # mean square rate below which nothing is left to measure
_STILL = 1e-6  # relative change of the autocovariance over all delays, of a state at rest


def _square_matrix(weights: ArrayLike) -> np.ndarray:
    matrix = np.asarray(weights, float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(
            f"`weights` must be square with at least one neuron, got shape {matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        n_bad = int((~np.isfinite(matrix)).sum())
        raise ValueError(f"`weights` must be finite, got {n_bad} NaN or infinite entries.")
    if not matrix.any():
        raise ValueError("`weights` must not all be zero.")
    return matrix


def _matrix(weights: str | Path | ArrayLike, is_signed: bool, is_balanced: bool, drop: bool):
    """The matrix to simulate, from a file or as given."""
    if isinstance(weights, str | Path):
        connectome = load_connectome(weights)
        if is_signed:
            connectome = sign_by_transmitter(connectome)
        weights = connectome.weights
    elif is_signed:
        raise ValueError("`is_signed` needs a file that names transmitters, got a matrix.")
    matrix = _square_matrix(weights)
    if not is_balanced:
        return matrix
    balanced = balance_signed(matrix, drop=drop, throw=False)
    if not bool(balanced.result == RESULTS.successful):
        raise ValueError(
            "`is_balanced` needs a matrix that can be balanced, got one with residual "
            f"{float(balanced.residual):.1e} after {int(balanced.n_iterations)} rounds: the places "
            "of its entries may not allow it."
        )
    return np.asarray(balanced.weights)


def _measured(products: dict[str, BlockProducts], variances, duration) -> SimulatedDimension:
    pair = lambda estimate: (float(estimate.value), float(estimate.error))
    values = {}
    for name, product in products.items():
        values[f"dimension_{name}"] = pair(cross_participation_ratio(product))
        course = autocovariance(product)
        values[f"variance_{name}"] = (float(course.value[0]), float(course.error[0]))
    values["dimension_rate_naive"] = pair(naive_participation_ratio(products["rate"]))
    course = autocovariance(products["rate"])
    delays = np.arange(course.value.size) * float(products["rate"].interval)
    return SimulatedDimension(
        values, delays, np.stack([course.value, course.error]), variances, duration
    )


def dimension_report(
    weights: str | Path | ArrayLike,
    *,
    gain: float | int | None = None,
    nonlinearity: str | Nonlinearity = "erf",
    duration: float | int = 1000.0,
    is_signed: bool = False,
    is_balanced: bool = False,
    drop: bool = False,
    seed: int = 0,
    precision: str = "float64",
    device: str | None = None,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
) -> DimensionReport:
    r"""How many dimensions does activity on a matrix fill: `rnngeo dimension`.

    The matrix is taken for one of bi-rotationally invariant law with its own singular values, which
    predicts the dimension from its gain and effective rank; then activity on this very matrix is
    simulated and its covariance measured.

    Args:
        weights: A matrix, row = postsynaptic, or a file (see `files.load_connectome`).
        gain: Effective gain to rescale to; default that of the matrix.
        nonlinearity: "erf" (slope one), "tanh", or any odd elementwise function.
        duration: Time measured, in time constants, in each of four replicas.
        is_signed: Give the counts of a file the signs of their transmitters.
        is_balanced: Scale rows and columns so that excitation and inhibition weigh the same.
        drop: Leave out neurons that cannot be balanced, instead of raising.
        seed: Seed of the starting states.
        precision: "float32" or "float64".
        device: Name of a device; default JAX's.
        progress: Called along the way.
        checkpoint: File that the simulation saves to and resumes from.

    Returns:
        `DimensionReport`.

    Raises:
        ValueError: A bad argument or file; the message names it.

    Cost: one singular value decomposition, and about 120 products of the matrix with four columns
    per time constant; memory for 16 matrices.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (13, 38) and the workflow for a
    connectome.
    """
    if gain is not None and not (np.isfinite(gain) and gain > 0):
        raise ValueError(f"`gain` must be a positive finite number, got {gain}.")
    if not (np.isfinite(duration) and duration >= 20):
        raise ValueError(f"`duration` must be at least 20 time constants, got {duration}.")
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}.")
    if drop and not is_balanced:
        raise ValueError("`drop` belongs to `is_balanced`, which was not asked for.")
    phi = rate_function(nonlinearity)
    asked = {
        "weights": str(weights) if isinstance(weights, str | Path) else "array",
        "gain": gain,
        "nonlinearity": nonlinearity if isinstance(nonlinearity, str) else "own",
        "duration": duration,
        "is_signed": is_signed,
        "is_balanced": is_balanced,
        "drop": drop,
        "seed": seed,
    }
    with computing(precision, device):
        matrix = _matrix(weights, is_signed, is_balanced, drop)
        measured_gain = float(effective_gain(matrix))
        if gain is not None:
            matrix = matrix * (gain / measured_gain)
        gain = measured_gain if gain is None else float(gain)
        ratio = float(singular_value_ratio(matrix))
        rank = float(rank_from_ratio(min(ratio, 1.0)))
        predicted = dimension_theory(
            gain=gain, nonlinearity=phi, inverse_effective_rank=rank, precision=precision,
            device=device,
        )  # fmt: skip
        ranks = np.linspace(min(-0.9, rank), max(5.0, 1.5 * rank), 200)
        curve = lambda observable: np.asarray(
            participation_ratio_curves(
                jnp.asarray([gain]), jnp.asarray(ranks), nonlinearity=phi, observable=observable
            )
        )[0]
        curves = {"rates": curve(Observable.RATE), "currents": curve(Observable.CURRENT)}
        record = provenance(asked)
        simulated, course, reason = None, None, predicted.reason
        if not reason:
            network = RateFlow(jnp.asarray(matrix, float), nonlinearity=phi)
            x0 = jr.normal(jr.key(seed), (_N_REPLICAS, len(matrix)), jnp.result_type(float))
            block = max(2, round(duration / _N_BLOCKS))
            activity = accumulate_covariances(
                network, x0, block_time=float(block), n_blocks=_N_BLOCKS, transient=_TRANSIENT,
                max_delay=float(min(_MAX_DELAY, block // 2)), progress=progress,
                checkpoint=checkpoint, provenance=record,
            )  # fmt: skip
            total = np.asarray(activity.rates.total[0])
            if np.trace(total) / len(matrix) < _SILENT:
                reason = "simulated: activity died out on this matrix"
            else:
                assert activity.currents is not None  # asked for
                products = {
                    "rate": block_products(activity.rates),
                    "current": block_products(activity.currents),
                }
                variances = np.linalg.eigvalsh((total + total.T) / 2)[::-1]
                simulated = _measured(products, variances, float(block * _N_BLOCKS))
                if np.ptp(simulated.autocovariance[0]) < _STILL * simulated.autocovariance[0, 0]:
                    reason = "simulated: activity came to rest, at one fixed point a replica"
                site = single_site(jnp.asarray(gain, float), phi)
                course = np.asarray(site.rate_at(jnp.asarray(simulated.delays, float)))
        return DimensionReport(
            parameters=record,
            weights=matrix,
            singular_values=np.linalg.svd(matrix, compute_uv=False),
            measured_gain=measured_gain,
            gain=gain,
            singular_value_ratio=ratio,
            inverse_effective_rank=rank,
            predicted=predicted,
            simulated=simulated,
            curve_ranks=ranks,
            curves=curves,
            predicted_autocovariance=course,
            reason=reason,
        )
