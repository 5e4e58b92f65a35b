"""E5: networks of finite size against the mean field."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key, Keys
from rnngeo.meanfield import FeedbackEnsemble
from rnngeo.plotting import new_axes, plot_deviations, plot_scaling

from .._claims import Claim
from ._setting import (
    FEEDBACK_STD,
    Readout,
    calibrated_network,
    ensemble_at,
    leading_outlier,
    mean_and_error,
    network_keys,
    refine_outputs,
)

# name: gain, readout (p, p_m, p_I), target; then for each root output, variance, outlier or None.
SETS: dict[str, tuple[float, Readout, float]] = {
    "A": (0.3, (1.0, 1.0, 0.3), 1.2),
    "A2": (0.3, (1.0, 1.0, 0.3), -1.5),
    "B": (0.8, (1.0, 0.0, 0.0), 0.8),
    "D": (0.8, (0.0, 1.0, 0.0), 1.0),
    "F": (0.3, (0.0, 0.0, 1.0), 1.0),
}
_MEAN_FIELD = {
    "A": ((1.2, 2.73526581, None),),
    "A2": ((-1.5, 3.09350317, 0.386201), (-0.42183145, 0.40120377, 2.024207),
           (1.89093365, 6.02869858, None)),
    "B": ((0.8, 1.72766395, None),),
    "D": ((-1.20833333, 2.34038692, None), (0.0, 0.40358556, 1.679532), (1.0, 2.34038692, None)),
    "F": ((1.0, 2.03709010, -0.570176),),
}  # fmt: skip
_OUTLIERS_SEEN = {  # independent simulation: mean, standard error; N = 1500, for F 2000
    ("A2", 0): (0.3771, 0.0055), ("A2", 1): (2.0367, 0.0173), ("D", 1): (1.6904, 0.0089),
    ("F", 0): (-0.5418, 0.0141),
}  # fmt: skip
_N_ROOTS, _N_TOGETHER = 3, 8
SIZES = {100: 160, 300: 64, 1200: 16}  # units: networks


@eqx.filter_jit
def _measure(
    ensemble: FeedbackEnsemble,
    readout: Float[Array, "3"],
    target: Array,
    guesses: Float[Array, " root"],
    n_units: int,
    keys: Keys,
) -> Float[Array, "network quantity root"]:
    """Output, variance and leading eigenvalue at every root of one network for every key."""

    def measure(key):
        network = calibrated_network(n_units, ensemble, readout, target, key=key)
        outputs, states = refine_outputs(network, guesses)
        outliers = jax.vmap(lambda x: leading_outlier(network, x))(states)
        return jnp.stack([outputs, jnp.mean(states**2, axis=1), outliers])

    return jax.lax.map(measure, keys, batch_size=_N_TOGETHER)


def measure_networks(
    sizes: dict[int, int], progress: Progress, key: Key
) -> dict[int, Float[np.ndarray, "set _ quantity root"]]:
    """Output, variance and outlier at every root of every set, for some networks of each size.

    The same bulk serves every set: what is compared with what is always one set's mean field.
    """
    found = {}
    for n_units, n_networks in sizes.items():
        keys = network_keys(jr.fold_in(key, n_units), n_networks)
        rows = []
        for k, (name, (gain, readout, target)) in enumerate(SETS.items()):
            progress(f"networks of {n_units} units", k, len(SETS))
            roots = [root[0] for root in _MEAN_FIELD[name]]
            guesses = np.resize(roots, _N_ROOTS)  # repeated where there are fewer
            numbers = [jnp.asarray(v) for v in (readout, target, guesses)]
            rows.append(np.asarray(_measure(ensemble_at(gain), *numbers, n_units, keys)))
        progress(f"networks of {n_units} units", len(SETS), len(SETS))
        found[n_units] = np.stack(rows)
    return found


def compare_means(
    found: dict[int, Float[np.ndarray, "set _ quantity root"]],
) -> list[Claim]:
    """Means of the largest networks against the mean field.

    Tolerance: four standard errors and the bias of order 1/N. The second order of the delta method
    gives the bias as the variance over networks times half a curvature: of order one for outputs
    and eigenvalues, and s_m^2 for D0 as a function of the output.
    """
    n_units = max(found)
    claims = []
    for s, (name, roots) in enumerate(_MEAN_FIELD.items()):
        for k, root in enumerate(roots):
            samples = found[n_units][s, :, :, k]
            shift = float(samples[:, 0].var(ddof=1))
            words = f"set {name}, z = {root[0]:.3f}, N = {n_units}"
            quantities = (("output", 1.0), ("D0", FEEDBACK_STD**2), ("outlier", 1.0))
            for q, (quantity, curvature) in enumerate(quantities):
                if root[q] is None:
                    continue
                mean, error, spread = mean_and_error(samples[:, q])
                bias = curvature * shift + (spread**2 if quantity != "output" else 0.0)
                claims.append(
                    Claim("E5", f"{words}: {quantity}", root[q], mean, 4 * error + bias,
                          "mean field")
                )  # fmt: skip
                if quantity == "outlier":
                    seen, seen_error = _OUTLIERS_SEEN[name, k]
                    allowed = 4 * math.hypot(error, seen_error) + bias
                    claims.append(
                        Claim("E5", f"{words}: {quantity}, as simulated elsewhere", seen, mean,
                              allowed, "independent simulation")
                    )  # fmt: skip
    return claims


def compare_spreads(
    found: dict[int, Float[np.ndarray, "set _ quantity root"]],
) -> list[Claim]:
    """The exponent with which the spread of the target output falls, one a set.

    Least squares on log-log axes; four standard errors, that of log(spread) being
    (2 (n - 1))^(-1/2) for n networks.
    """
    sizes = sorted(found)
    x = np.log(sizes)
    weights = np.array([2.0 * (found[n].shape[1] - 1) for n in sizes])
    centred = x - np.average(x, weights=weights)
    error = 1 / math.sqrt(float(np.sum(weights * centred**2)))
    claims = []
    for s, (name, (_, _, target)) in enumerate(SETS.items()):
        k = int(np.argmin([abs(root[0] - target) for root in _MEAN_FIELD[name]]))
        y = np.log([found[n][s, :, 0, k].std(ddof=1) for n in sizes])
        slope = float(np.sum(weights * centred * y) / np.sum(weights * centred**2))
        claims.append(
            Claim("E5", f"set {name}: exponent of N in the spread of the target output", -0.5,
                  slope, 4 * error, "derived")
        )  # fmt: skip
    return claims


def run_e5(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Means and spreads over networks."""
    found = measure_networks(SIZES, progress, key)
    claims = compare_means(found) + compare_spreads(found)
    wide = lambda f: np.stack([f(found[n], axis=1) for n in found])
    dims = ("n_units", "set", "quantity", "root")
    theory = np.full((len(SETS), 3, _N_ROOTS), np.nan)
    for s, roots in enumerate(_MEAN_FIELD.values()):
        for k, root in enumerate(roots):
            theory[s, :, k] = [np.nan if value is None else value for value in root]
    data = xr.Dataset(
        {
            "mean": (dims, wide(np.mean)),
            "spread": (dims, wide(lambda v, axis: v.std(axis=axis, ddof=1))),
            "n_networks": ("n_units", [found[n].shape[1] for n in found]),
            "mean_field": (dims[1:], theory),
        },
        {"n_units": list(found), "set": list(SETS), "quantity": ["output", "D0", "outlier"]},
    )
    return claims, data


def draw_e5(data: xr.Dataset):
    """Deviations of means on the left, fall of the spreads on the right."""
    axes = new_axes(1, 2, size=(5.8, 5.4))[0]
    theory = data["mean_field"].values
    chosen = np.argwhere(np.isfinite(theory))
    names, quantities = data["set"].values, ("z", "D0", "λ")
    labels = [f"{names[s]}: {quantities[q]} at z = {theory[s, 0, k]:.2f}" for s, q, k in chosen]
    deviations, errors = {}, {}
    for i, n_units in enumerate(data["n_units"].values):
        pick = lambda name, i=i: np.array([data[name].values[i, s, q, k] for s, q, k in chosen])
        expected = np.array([theory[s, q, k] for s, q, k in chosen])
        deviations[f"N = {n_units}"] = pick("mean") - expected
        errors[f"N = {n_units}"] = pick("spread") / math.sqrt(float(data["n_networks"][i]))
    plot_deviations(labels, deviations, errors, xlabel="mean over networks - mean field",
                    ax=axes[0])  # fmt: skip
    spreads = {}
    for s, (name, (_, _, target)) in enumerate(SETS.items()):
        k = int(np.nanargmin(np.abs(theory[s, 0] - target)))
        spreads[f"set {name}, A = {target:g}"] = data["spread"].values[:, s, 0, k]
    plot_scaling(data["n_units"].values, spreads,
                 ylabel="standard deviation of the target output", ax=axes[1])  # fmt: skip
    return axes[0]
