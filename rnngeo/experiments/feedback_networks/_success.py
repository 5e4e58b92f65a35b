"""E9: does training succeed, from near and from random starts?"""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key, Keys
from rnngeo.meanfield import least_squares_outlier
from rnngeo.plotting import new_axes, plot_success
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import fit_least_squares, fit_recursive_least_squares, training_success

from .._claims import Claim, reachable
from ._setting import draw_network, ensemble_at, network_keys

RULES = ("LS", "RLS")
TARGETS = (-2.0, -1.0, -0.6, -0.45, 1.0, 2.5)
# Gain, shared weight, units: one line a target; lambda_LS, then success and largest real part of
# least squares and of recursive least squares, then n.m and n.I of the latter.
CELLS = {
    (0.3, 0.99, 300): (
        (0.314, 0.00, 0.31, 0.00, 0.42, 2.17, 0.89),
        (0.941, 0.00, 0.95, 0.00, 0.96, 1.99, 0.79),
        (2.232, 0.00, 2.24, 0.69, 0.67, 0.84, -0.06),
        (2.027, 0.00, 2.03, 1.00, 0.48, 0.63, -0.14),
        (0.202, 1.00, 0.20, 1.00, 0.25, 1.21, 0.50),
        (0.114, 1.00, 0.12, 1.00, 0.15, 2.29, 0.95),
    ),
    (0.8, 0.5, 250): (
        (0.200, 0.38, 0.37, 0.69, 0.37, 2.02, -0.06),
        (0.345, 0.94, 0.48, 0.75, 0.48, 1.22, -0.12),
        (0.401, 1.00, 0.56, 1.00, 0.58, 0.77, -0.18),
        (0.388, 1.00, 0.59, 1.00, 0.60, 0.55, -0.19),
        (0.262, 1.00, 0.44, 1.00, 0.44, 1.10, 0.36),
        (0.136, 1.00, 0.35, 1.00, 0.34, 2.20, 0.51),
    ),
}
N_NETWORKS, N_STARTS, _N_SEEN = 4, 16, 4


@eqx.filter_jit
def _train_and_judge(
    gain: Array, rho: Array, target: Array, *, n_units: int, keys: Keys
) -> Float[Array, "network rule quantity"]:
    """Basin fraction, largest real part, n.m and n.I of each rule on one network for every key."""
    judge = partial(_train_and_judge_one, gain, rho, target, n_units)
    return jax.vmap(judge)(keys)


def _train_and_judge_one(
    gain: Array, rho: Array, target: Array, n_units: int, key: Key
) -> Float[Array, "rule quantity"]:
    key_network, key_start, key_basin = jr.split(key, 3)
    network, vectors = draw_network(n_units, gain, rho, key=key_network)
    task = StationaryAssociation(vectors.input, target)
    trained = (
        fit_least_squares(network, task).network,
        fit_recursive_least_squares(network, task, key=key_start).network,
    )
    rows = []
    for result in trained:
        success = training_success(result, target, key=key_basin, n_starts=N_STARTS)
        n = result.readout_weights[:, 0]
        overlaps = (n @ vectors.feedback, n @ vectors.input)
        rows.append(jnp.stack([success.basin_fraction, success.local, *overlaps]))
    return jnp.stack(rows)


def _cell_claims(cell, target: float, row, found: np.ndarray) -> list[Claim]:
    """One line of the table against networks drawn here.

    Tolerances as the table states them: 0.3 for a fraction, 0.1 for the largest real part, 0.25
    for overlaps. Starts of one network mostly share their fate, so that a fraction p has the
    binomial error of the networks: where two of these for the difference to the table's four
    networks exceed 0.3, they are allowed instead.
    """
    gain, rho, n_units = cell
    name = f"g = {gain:g}, rho = {rho:g}, A = {target:g}"
    outlier = float(least_squares_outlier(ensemble_at(gain, rho), target))
    claims = [
        Claim("E9", f"{name}: lambda_LS", row[0], outlier, reachable(1e-3), "mean field"),
    ]
    mean = found.mean(axis=0)
    for k, rule in enumerate(RULES):
        p = row[1 + 2 * k]
        binomial = math.sqrt(p * (1 - p) * (1 / _N_SEEN + 1 / N_NETWORKS))
        entries = [
            ("fraction of starts that succeed", p, mean[k, 0], max(0.3, 2 * binomial)),
            ("largest real part at the target", row[2 + 2 * k], mean[k, 1], 0.1),
        ]
        if rule == "RLS":
            entries += [("n.m", row[5], mean[k, 2], 0.25), ("n.I", row[6], mean[k, 3], 0.25)]
        claims += [
            Claim("E9", f"{name}, {rule}: {words}", expected, float(value), tolerance,
                  "independent simulation")
            for words, expected, value, tolerance in entries
        ]  # fmt: skip
    return claims


def run_e9(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Every cell of the table of successes."""
    claims = []
    found = np.zeros((len(CELLS), len(TARGETS), N_NETWORKS, len(RULES), 4))
    for c, (cell, rows) in enumerate(CELLS.items()):
        gain, rho, n_units = cell
        stage = f"training, g = {gain:g}, rho = {rho:g}"
        for t, (target, row) in enumerate(zip(TARGETS, rows, strict=True)):
            progress(stage, t, len(TARGETS))
            numbers = [jnp.asarray(v) for v in (gain, rho, target)]
            keys = network_keys(jr.fold_in(key, len(TARGETS) * c + t), N_NETWORKS)
            found[c, t] = np.asarray(_train_and_judge(*numbers, n_units=n_units, keys=keys))
            claims += _cell_claims(cell, target, row, found[c, t])
        progress(stage, len(TARGETS), len(TARGETS))
    dims = ("cell", "target", "network", "rule", "quantity")
    table = np.array(list(CELLS.values()))
    data = xr.Dataset(
        {
            "found": (dims, found),
            "seen": (("cell", "target", "column"), table, {"long_name": "table of the reference"}),
        },
        {"cell": [f"g = {g:g}, ρ = {r:g}, N = {n}" for g, r, n in CELLS], "target": list(TARGETS),
         "rule": list(RULES), "quantity": ["success", "local", "n.m", "n.I"]},
    )  # fmt: skip
    return claims, data


def draw_e9(data: xr.Dataset):
    """Basins above, local stability below, one column a gain and shared weight."""
    axes = new_axes(2, len(CELLS), size=(5.4, 3.6))
    targets, found, seen = data["target"].values, data["found"].values, data["seen"].values
    mean = found.mean(axis=2)
    error = found.std(axis=2, ddof=1) / math.sqrt(found.shape[2])
    for c, cell in enumerate(data["cell"].values):
        for q, ylabel in enumerate(("fraction of starts that reach A", "largest real part")):
            pick = lambda values, q=q, c=c: {r: values[c, :, k, q] for k, r in enumerate(RULES)}
            ax = plot_success(
                targets, pick(mean), errors=pick(error),
                references={r: seen[c, :, 1 + 2 * k + q] for k, r in enumerate(RULES)},
                ylabel=ylabel, threshold=1.0 if q else None, ax=axes[q, c],
            )  # fmt: skip
            if not q:
                ax.set(title=str(cell), ylim=(-0.05, 1.08))
    return axes[0, 0]
