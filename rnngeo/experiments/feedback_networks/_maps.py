"""E3 and E4: phases over readout ratio, target, gain and shared weight."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.meanfield import (
    PHASES,
    FeedbackEnsemble,
    critical_gain,
    feedback_fixed_points,
    least_squares_bistability_target,
    least_squares_ratio,
    phase_diagram,
    phase_diagram_gain,
    phase_of,
    saddle_node,
)
from rnngeo.plotting import new_axes, plot_phase_map

from .._claims import Claim, reachable
from ._setting import critical_ratio_at, ensemble_at

REFERENCE = "independent program"
LEAST_SQUARES_MAP = (33, 150)  # shared weights and targets of E4's second picture
_DIGITS = 1e-6
_NAMES = ("1S: target alone", "3U: target unstable", "3S: target and a spurious output")

# gain, shared weight, target: r_c, r_SN, output at r_SN.
_BOUNDARIES = {
    (0.0, 0.5, 0.5): (-0.118089, 0.038681, -0.3406),
    (0.0, 0.5, 2.0): (-0.901483, 0.365051, -0.9689),
    (0.8, 0.5, 0.5): (-0.113117, 0.037995, -0.3343),
    (0.8, 0.5, 2.0): (-0.877376, 0.344816, -0.9632),
    (0.8, 0.5, -1.0): (0.365015, -0.062402, 0.3673),
    (0.8, 0.5, -0.3): (0.027734, -0.000556, 0.0455),
    (0.8, 0.0, 1.0): (-0.357790, 0.091365, -0.4584),
}
_BOUNDARIES_OF_GAIN = {
    (0.3, 0.5, 1.0): (-0.368096, 0.132680, -0.5550),
    (1.2, 0.5, 1.0): (-0.328153, 0.111035, -0.5461),
}
_CRITICAL_GAINS = {0.0: 1.549674, 0.5: 1.784120, 1.0: 2.063841, 2.0: 2.549982}
_BISTABLE = {  # uncorrelated theory; gain, shared weight: target
    (0.3, 0.0): 1.22709, (0.3, 0.3): 1.28343, (0.3, 0.5): 1.36669, (0.3, 0.7): 1.45217,
    (0.3, 0.9): 1.48918, (0.3, 0.99): 1.46617, (0.8, 0.0): 1.25303, (0.8, 0.5): 1.40732,
    (0.8, 0.9): 1.55936,
}  # fmt: skip
_BISTABLE_EXACT = {(0.3, 0.5): 1.5438, (0.8, 0.5): 1.5400}


def _boundary_claims(experiment: str, table: dict) -> list[Claim]:
    claims = []
    for (gain, rho, target), (r_c, r_sn, z_sn) in table.items():
        ensemble = ensemble_at(gain, rho)
        node = saddle_node(ensemble, target)
        name = f"g = {gain:g}, rho = {rho:g}, A = {target:g}"
        for words, expected, measured, tolerance in (
            ("r_c", r_c, critical_ratio_at(ensemble, target), _DIGITS),
            ("r_SN", r_sn, node.ratio, _DIGITS),
            ("output born at r_SN", z_sn, node.output, 1e-4),
        ):
            claims.append(
                Claim(experiment, f"{name}: {words}", expected, float(measured),
                      reachable(tolerance), REFERENCE)
            )  # fmt: skip
    return claims


@eqx.filter_jit
def _counted_phases(
    ensemble: FeedbackEnsemble, ratios: Float[Array, " draw"], targets: Float[Array, " draw"]
) -> Int[Array, " draw"]:
    """Phases from the fixed points themselves, by counting them."""

    def count(pair):
        ratio, target = pair
        return phase_of(feedback_fixed_points(ensemble, 1.0, ratio, target), target)

    return jax.lax.map(count, (ratios, targets), batch_size=16)


def _phases_along(
    ensemble: FeedbackEnsemble, ratios: Float[Array, " draw"], targets: Float[Array, " draw"]
) -> Int[np.ndarray, " draw"]:
    """Phases from the boundaries, each target with its own ratio."""
    return np.diagonal(np.asarray(phase_diagram(ensemble, ratios, targets).phase))


def run_e3(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Phase map over readout ratio and target."""
    ensemble = ensemble_at(0.8)
    ratios, targets = np.linspace(-1.5, 1.5, 301), np.linspace(-2.5, 2.5, 250)
    diagram = phase_diagram(ensemble, jnp.asarray(ratios), jnp.asarray(targets))
    phase = np.asarray(diagram.phase)
    claims = _boundary_claims("E3", _BOUNDARIES)
    row = phase[np.argmin(np.abs(targets - 1.0))]
    bands = [PHASES[k] for k in row[np.flatnonzero(np.diff(row, prepend=-1))]]
    claims.append(
        Claim("E3", "A = 1: bands 1S, 3U, 3S, 1S in the order of r", 4,
              len(bands) if bands == ["1S", "3U", "3S", "1S"] else float("nan"), 0.0, "derived")
    )  # fmt: skip
    n_drawn = 200
    reach = jnp.asarray([ratios[-1], targets[-1]])
    draws = reach[:, None] * jr.uniform(key, (2, n_drawn), minval=-1.0, maxval=1.0)
    progress("phases by counting fixed points", 0, 1)
    counted = np.asarray(_counted_phases(ensemble, *draws))
    n_differing = int(np.sum(counted != _phases_along(ensemble, *draws)))
    progress("phases by counting fixed points", 1, 1)
    claims.append(
        Claim("E3", f"random (r, A), of {n_drawn}, where counting fixed points disagrees", 0,
              n_differing, 0.0, "derived")
    )  # fmt: skip
    data = xr.Dataset(
        {
            "phase": (("target", "ratio"), phase, {"long_name": "index into " + str(PHASES)}),
            "critical_ratio": ("target", np.asarray(diagram.critical_ratio)),
            "saddle_node_ratio": ("target", np.asarray(diagram.saddle_node_ratio)),
        },
        {"target": targets, "ratio": ratios},
        {"gain": 0.8, "shared_weight": 0.5},
    )
    return claims, data


def _least_squares_phases(
    gain: float, shared_weights: np.ndarray, targets: np.ndarray, progress: Progress
) -> np.ndarray:
    """Phase of a least-squares readout, uncorrelated theory, shape (shared weight, target)."""
    rows = []
    for k, rho in enumerate(shared_weights):
        progress("phases of least squares", k, len(shared_weights))
        ensemble, at = ensemble_at(gain, rho), jnp.asarray(targets)
        ratios = jax.vmap(partial(least_squares_ratio, ensemble))(at)
        rows.append(_phases_along(ensemble, ratios, at))
    progress("phases of least squares", len(shared_weights), len(shared_weights))
    return np.stack(rows)


def run_e4(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Phase maps over ratio and gain, and for least squares over shared weight and target."""
    ratios, gains = np.linspace(-1.5, 0.75, 301), np.linspace(0.0, 2.0, 81)
    diagram = phase_diagram_gain(ensemble_at(), jnp.asarray(ratios), jnp.asarray(gains), 1.0)
    claims = _boundary_claims("E4", _BOUNDARIES_OF_GAIN)
    limit = eqx.filter_jit(critical_gain)
    for target, expected in _CRITICAL_GAINS.items():
        claims.append(
            Claim("E4", f"gain at which the open loop turns chaotic, A = {target:g}", expected,
                  float(limit(ensemble_at(), target)), reachable(_DIGITS), REFERENCE)
        )  # fmt: skip
    cells = [(table, cell, exact) for table, exact in ((_BISTABLE, False), (_BISTABLE_EXACT, True))
             for cell in table]  # fmt: skip
    for k, (table, (gain, rho), exact) in enumerate(cells):
        progress("where least squares turns bistable", k, len(cells))
        words = "exact" if exact else "uncorrelated"
        found = least_squares_bistability_target(ensemble_at(gain, rho), exact=exact)
        claims.append(
            Claim("E4", f"least squares, {words}, g = {gain:g}, rho = {rho:g}: bistable from A =",
                  table[gain, rho], float(found), reachable(1e-4 if exact else 1e-5), REFERENCE)
        )  # fmt: skip
    progress("where least squares turns bistable", len(cells), len(cells))
    n_weights, n_targets = LEAST_SQUARES_MAP
    weights, targets = np.linspace(0.0, 0.995, n_weights), np.linspace(-3.0, 3.0, n_targets)
    phases = _least_squares_phases(0.3, weights, targets, progress)
    edge = [float(least_squares_bistability_target(ensemble_at(0.3, w), exact=False))
            for w in weights[::2]]  # fmt: skip
    data = xr.Dataset(
        {
            "phase_gain": (("gain", "ratio"), np.asarray(diagram.phase)),
            "critical_ratio": ("gain", np.asarray(diagram.critical_ratio)),
            "saddle_node_ratio": ("gain", np.asarray(diagram.saddle_node_ratio)),
            "phase_least_squares": (("shared_weight", "target"), phases),
            "bistability_target": ("edge", edge),
        },
        {"gain": gains, "ratio": ratios, "shared_weight": weights, "target": targets,
         "edge": weights[::2]},
        {"target_of_gain_map": 1.0, "gain_of_least_squares_map": 0.3,
         "critical_gain": float(limit(ensemble_at(), 0.0))},
    )  # fmt: skip
    return claims, data


def draw_e3(data: xr.Dataset):
    """The map with its boundaries."""
    ax = new_axes(size=(6.4, 5.4))[0, 0]
    targets = data["target"].values
    return plot_phase_map(
        data["ratio"].values,
        targets,
        data["phase"].values,
        _NAMES,
        boundaries={
            "r_c, transcritical": (data["critical_ratio"].values, targets),
            "r_SN, saddle-node": (data["saddle_node_ratio"].values, targets),
            "r = -A, flex": (-targets, targets),
        },
        ax=ax,
    )


def draw_e4(data: xr.Dataset):
    """Ratio and gain on the left, shared weight and target of least squares on the right."""
    axes = new_axes(1, 2, size=(5.8, 5.2))[0]
    gains = data["gain"].values
    edge = float(data.attrs["critical_gain"])
    plot_phase_map(
        data["ratio"].values,
        gains,
        data["phase_gain"].values,
        _NAMES,
        boundaries={
            "r_c": (data["critical_ratio"].values, gains),
            "r_SN": (data["saddle_node_ratio"].values, gains),
            "silent state chaotic above": (data["ratio"].values[[0, -1]], np.full(2, edge)),
            "flex": (np.full(2, -1.0), gains[[0, -1]]),
        },
        ylabel="gain g",
        ax=axes[0],
    ).set_title("A = 1")
    plot_phase_map(
        data["shared_weight"].values,
        data["target"].values,
        data["phase_least_squares"].values.T,
        _NAMES,
        boundaries={
            "r_SN = r_LS": (data["edge"].values, data["bistability_target"].values),
        },
        xlabel="shared weight ρ",
        ax=axes[1],
    ).set_title("least squares, g = 0.3, uncorrelated theory")
    return axes[0]
