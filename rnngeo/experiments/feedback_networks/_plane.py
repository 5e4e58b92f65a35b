"""E8: what least squares, recursive least squares and gradient descent find, in one plane."""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.meanfield import (
    gradient_descent_path,
    least_squares_overlaps,
    least_squares_ratio,
    saddle_node,
)
from rnngeo.models import FeedbackNetwork
from rnngeo.plotting import new_axes, plot_overlap_plane
from rnngeo.stability import loop_fixed_points
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import (
    fit_gradient_closed_loop,
    fit_least_squares,
    fit_recursive_least_squares,
)

from .._claims import Claim, reachable
from ._setting import critical_ratio_at, draw_network, ensemble_at, mean_and_error

RULES = ("least squares", "recursive least squares", "gradient descent")
_SHORT: dict[str, str] = dict(zip(RULES, ("LS", "RLS", "GD"), strict=True))
CASES = ((0.3, 0.5, 1.2), (0.3, 0.5, 2.5), (0.3, 0.9, -1.0))  # gain, shared weight, target
# One network of 500 units each, by another program: n.m, n.I, outputs.
_SEEN = {
    (0.3, 0.5, 2.5): {
        "least squares": (3.010, 0.480, (-2.201, -0.269, 2.5)),
        "recursive least squares": (2.239, 0.402, (-1.892, -0.417, 2.5)),
        "gradient descent": (3.112, 1.011, (-1.831, -0.57, 2.5)),
    },
    (0.3, 0.9, -1.0): {
        "least squares": (1.818, 0.447, (-1.0, -0.624, 1.061)),
        "recursive least squares": (1.705, 0.427, (-1.0, -0.647, 1.064)),
        "gradient descent": (0.813, -0.576, (-1.0,)),
    },
}
_PATH = (1.5527, 0.6582)  # end of the path of gradient descent, first case, mean field
N_UNITS, N_NETWORKS, _N_STEPS, _N_ROOTS = 500, 4, 200, 5


@eqx.filter_jit
def _train(gain: Array, rho: Array, target: Array, *, n_units: int, key: Key):
    """The network with each readout, and the way of gradient descent in the plane."""
    key_network, key_start = jr.split(key)
    network, vectors = draw_network(n_units, gain, rho, key=key_network)
    task = StationaryAssociation(vectors.input, target)
    descent = fit_gradient_closed_loop(network, task, n_steps=_N_STEPS)
    trained = (
        fit_least_squares(network, task).network,
        fit_recursive_least_squares(network, task, key=key_start).network,
        descent.network,
    )
    path = jnp.stack([descent.history[f"overlap_{name}"] for name in ("feedback", "input")])
    return trained, path


def _overlaps(network: FeedbackNetwork) -> Float[np.ndarray, "2"]:
    """n.m and n.I."""
    n = np.asarray(network.readout_weights[:, 0])
    m, drive = network.feedback_weights[:, 0], network.input_weights
    return np.array([n @ np.asarray(m), n @ np.asarray(drive)])


def _path_end(ensemble, target: float) -> tuple[float, float]:
    """End of the path of slow gradient descent; the error of the midpoints falls as M^-2."""
    coarse, fine = (gradient_descent_path(ensemble, target, n_intervals=m) for m in (12, 24))
    extrapolate = lambda a, b: float(b + (b - a) / 3)
    return (
        extrapolate(coarse.overlap_feedback, fine.overlap_feedback),
        extrapolate(coarse.overlap_input, fine.overlap_input),
    )


def _seen_claims(name: str, rule: str, seen, overlaps: np.ndarray, outputs) -> list[Claim]:
    """Against one network of the same size drawn and trained by another program.

    Allowed, as the table states: 0.15 + 10 % (25 % for the recursive rule, which depends on its
    start), for that network is one sample.
    """
    relative = 0.25 if rule == "recursive least squares" else 0.1
    allowed = lambda value: 0.15 + relative * abs(value)
    words = f"{name}, {_SHORT[rule]}"
    claims = []
    for q, letter in enumerate(("n.m", "n.I")):
        mean = float(overlaps[:, q].mean())
        claims.append(
            Claim("E8", f"{words}: {letter}", seen[q], mean, allowed(seen[q]),
                  "independent simulation")
        )  # fmt: skip
    counts = [len(z) for z in outputs]
    usual = [z for z in outputs if len(z) == len(seen[2])]
    claims.append(
        Claim("E8", f"{words}: number of outputs, median of {N_NETWORKS} networks", len(seen[2]),
              float(np.median(counts)), 0.0, "independent simulation")
    )  # fmt: skip
    for k, z in enumerate(seen[2]):
        found = np.array([values[k] for values in usual])
        mean = float(found.mean()) if len(found) else math.nan
        claims.append(
            Claim("E8", f"{words}: output near {z:g}", z, mean, allowed(z),
                  "independent simulation")
        )  # fmt: skip
    return claims


def _theory_claims(name: str, ensemble, target: float, overlaps: np.ndarray) -> list[Claim]:
    """Least squares and the path of gradient descent against their exact theories.

    Allowed: four standard errors, the bias of order 1/N, and for descent in finite steps the
    second order of the learning rate, 0.05^2 times an overlap of order one.
    """
    exact = [float(v) for v in least_squares_overlaps(ensemble, target)]
    wanted = {0: exact}
    if target == CASES[0][2]:
        wanted[2] = list(_PATH)
    claims = []
    for rule, values in wanted.items():
        extra = 0.05**2 if rule == 2 else 0.0
        for q, letter in enumerate(("n.m", "n.I")):
            mean, error, spread = mean_and_error(overlaps[:, rule, q])
            allowed = 4 * error + spread**2 + 2 / N_UNITS + extra
            claims.append(
                Claim("E8", f"{name}, {_SHORT[RULES[rule]]}: {letter} of the exact theory",
                      values[q], mean, allowed, "mean field")
            )  # fmt: skip
    return claims


def run_e8(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Three rules on the same networks."""
    claims, dims = [], ("case", "network", "rule")
    overlaps = np.zeros((len(CASES), N_NETWORKS, len(RULES), 2))
    outputs = np.full((len(CASES), N_NETWORKS, len(RULES), _N_ROOTS), np.nan)
    paths = np.zeros((len(CASES), N_NETWORKS, 2, _N_STEPS + 1))
    lines = np.zeros((len(CASES), 3))
    for c, (gain, rho, target) in enumerate(CASES):
        name, ensemble = f"g = {gain:g}, rho = {rho:g}, A = {target:g}", ensemble_at(gain, rho)
        for i in range(N_NETWORKS):
            progress(f"training, {name}", i, N_NETWORKS)
            numbers = [jnp.asarray(v) for v in (gain, rho, target)]
            key_network = jr.fold_in(jr.fold_in(key, c), i)
            trained, paths[c, i] = _train(*numbers, n_units=N_UNITS, key=key_network)
            for k, network in enumerate(trained):
                overlaps[c, i, k] = _overlaps(network)
                if (gain, rho, target) in _SEEN:
                    z = loop_fixed_points(network, n_grid=65).output[:_N_ROOTS]
                    outputs[c, i, k, : len(z)] = z
        progress(f"training, {name}", N_NETWORKS, N_NETWORKS)
        claims += _theory_claims(name, ensemble, target, overlaps[c])
        for k, rule in enumerate(RULES):
            if (gain, rho, target) in _SEEN:
                found = [row[np.isfinite(row)] for row in outputs[c, :, k]]
                seen = _SEEN[gain, rho, target][rule]
                claims += _seen_claims(name, rule, seen, overlaps[c, :, k], found)
        lines[c] = [
            float(v)
            for v in (
                critical_ratio_at(ensemble, target),
                saddle_node(ensemble, target).ratio,
                least_squares_ratio(ensemble, jnp.asarray(target)),
            )
        ]
    progress("path of gradient descent, mean field", 0, 1)
    end = _path_end(ensemble_at(*CASES[0][:2]), CASES[0][2])
    progress("path of gradient descent, mean field", 1, 1)
    for letter, expected, measured in zip(("n.m", "n.I"), _PATH, end, strict=True):
        claims.append(
            Claim("E8", f"end of the path of slow gradient descent, A = 1.2: {letter}", expected,
                  measured, reachable(3e-4), "independent program")
        )  # fmt: skip
    turned = (
        overlaps[2, :, 2, 1] / overlaps[2, :, 2, 0] < overlaps[2, :, 0, 1] / overlaps[2, :, 0, 0]
    )
    claims.append(
        Claim("E8", "A = -1: fraction of networks in which descent turns the ratio r below that of "
              "least squares", 1.0, float(np.mean(turned)), 0.0, "independent simulation")
    )  # fmt: skip
    data = xr.Dataset(
        {
            "overlap": ((*dims, "vector"), overlaps),
            "output": ((*dims, "root"), outputs),
            "path": (("case", "network", "vector", "step"), paths),
            "ratio": (("case", "line"), lines),
        },
        {"rule": list(RULES), "vector": ["m", "I"], "line": ["r_c", "r_SN", "r_LS"],
         "case": [f"g = {g:g}, ρ = {r:g}, A = {a:g}" for g, r, a in CASES]},
    )  # fmt: skip
    return claims, data


def draw_e8(data: xr.Dataset):
    """One panel a case."""
    axes = new_axes(1, len(CASES), size=(4.8, 4.6))[0]
    for c, ax in enumerate(axes):
        overlap, path = data["overlap"].values[c], data["path"].values[c]
        points = {rule: (overlap[:, k, 0], overlap[:, k, 1]) for k, rule in enumerate(RULES)}
        steps = np.concatenate([path, np.full((len(path), 2, 1), np.nan)], axis=2)
        plot_overlap_plane(
            points,
            ratios=dict(zip(data["line"].values, data["ratio"].values[c], strict=True)),
            paths={RULES[2]: (steps[:, 0].ravel(), steps[:, 1].ravel())},
            ax=ax,
        )
        ax.set_title(str(data["case"].values[c]))
    return axes[0]
