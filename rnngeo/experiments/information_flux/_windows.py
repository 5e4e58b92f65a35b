"""E11 and E12: what a window of finite length shows of the flux, and the bias of estimators."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from jaxtyping import Key as Keys

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import rooks
from rnngeo.information import (
    CorrelationEstimator,
    FluxEstimator,
    correlations,
    estimate_correlations,
    estimate_flux,
    information_flux,
)
from rnngeo.integrate import simulate_binary
from rnngeo.models import BinaryNetwork
from rnngeo.plotting import new_axes, plot_curves

from .._claims import Claim
from ._setting import DERIVED, DIGITS, REFERENCE, mean_claim

# E11
N_RUNS, N_WINDOW = 40, 10_000
N_RUNS_BY_WINDOW = {1000: 100, 10_000: 60, 100_000: 20}
_ROOKS = ((1, 2, 0, 4, 3), (1, 1, -1, 1, -1))
_N_EXPECTED = 10
_WINDOWS = {  # w: exact I, plug-in I and its deviation over runs, C of the window
    2.0: (2.364673, 2.4217, 0.0253, 0.3405),
    5.0: (4.710165, 4.7202, 0.0116, 0.4420),
    8.0: (4.978228, 4.6980, 0.1626, 0.4696),
    15.0: (4.999965, 2.9510, 0.7765, 0.5510),
}
_WIDTHS = np.linspace(2.0, 15.0, 14)
_LEVEL = 4.0  # bits, halfway down to a network that never leaves its first cycle

# E12
N_REPEATS = 200
_BURN = 100
_N_LADDER = 20
_K5 = ((1, -2, 0, 1, 0), (0, 1, 2, -1, 0), (2, 0, -1, 0, 1), (-1, 0, 1, 0, 2), (0, 2, 0, -2, 1))
_EXACT = (2.018495323238, 0.330810159363)  # I, C
_LADDER = {  # T: mean and deviation over runs of each estimator
    300: ((2.7114, 0.0780), (2.5339, 0.0871), (1.9472, 0.0531), (2.0209, 0.0537),
          (0.3393, 0.0141)),
    10_000: ((2.0734, 0.0156), (2.0407, 0.0160), (2.0167, 0.0059), (2.0190, 0.0059),
             (0.3313, 0.0021)),
}  # fmt: skip
_NAMES = ("plug-in", "Miller-Madow", "Rao-Blackwell", "Rao-Blackwell corrected")


@eqx.filter_jit
def _windows(
    weights: Float[Array, "n_units n_units"], n_steps: int, n_burn: int, keys: Keys[Array, " run"]
) -> Float[Array, "run time n_units"]:
    """Trajectories from random states."""
    network = BinaryNetwork(weights)

    def one(key):
        key_start, key_run = jr.split(key)
        x0 = jr.rademacher(key_start, (network.n_units,), weights.dtype)
        return simulate_binary(network, x0, n_steps, n_burn=n_burn, key=key_run)

    return jax.vmap(one)(keys)


@eqx.filter_jit
def _rms(weights: Float[Array, "n_units n_units"], xs: Float[Array, "run time n_units"]) -> Array:
    """C of each window from plain products, noise included."""
    plain = CorrelationEstimator.PLAIN
    network = BinaryNetwork(weights)
    return jax.vmap(lambda x: estimate_correlations(network, x, estimator=plain).rms_raw)(xs)


def _plug_in(weights: Array, xs: Array, estimator: FluxEstimator = FluxEstimator.PLUG_IN):
    found = estimate_flux(
        BinaryNetwork(weights), xs, estimator=estimator, is_undersampling_allowed=True
    )
    return np.asarray(found.by_replica)


def _falls_below(place: np.ndarray, values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Where a curve last falls through the level, and the error of that; NaN if it does not."""
    above = np.flatnonzero(values > _LEVEL)
    if above.size == 0 or above[-1] == len(place) - 1:
        return math.nan, math.nan
    k = above[-1]
    slope = (values[k + 1] - values[k]) / (place[k + 1] - place[k])
    share = (_LEVEL - values[k]) / (values[k + 1] - values[k])
    error = math.hypot((1 - share) * errors[k], share * errors[k + 1])
    return float(place[k] + share * (place[k + 1] - place[k])), float(error / abs(slope))


def _fall_claims(curves: dict[int, tuple[np.ndarray, np.ndarray]]) -> list[Claim]:
    """A rare error is all that matters at strong weights: I_T depends on T exp(-w) alone."""
    falls = {n: _falls_below(_WIDTHS, *curve) for n, curve in curves.items()}
    claims, sizes = [], list(falls)
    for short, long in zip(sizes[:-1], sizes[1:], strict=True):
        shift = falls[long][0] - falls[short][0]
        words = f"shift of the w where I_T falls to {_LEVEL:g} bits, T = {short} to {long}"
        allowed = 4 * math.hypot(falls[long][1], falls[short][1])
        claims.append(Claim("E11", words, math.log(long / short), shift, allowed, DERIVED))
    return claims


def run_e11(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Rooks so strong that a window shows only some of their cycles."""
    key_table, key_curves = jr.split(key)
    pattern = rooks(*map(np.array, _ROOKS), 1.0).as_matrix()
    claims = []
    for k, (width, (exact, plug_in, spread, rms)) in enumerate(_WINDOWS.items()):
        progress("windows", k, len(_WINDOWS))
        weights = width * pattern
        xs = _windows(weights, N_WINDOW, 0, jr.split(jr.fold_in(key_table, k), N_RUNS))
        correlation = np.asarray(_rms(weights, xs))
        words = f"w = {width:g}, T = {N_WINDOW}"
        claims += [
            Claim("E11", f"exact I, w = {width:g}", exact,
                  float(information_flux(BinaryNetwork(weights)).flux), 0.5e-6, REFERENCE),
            mean_claim("E11", f"plug-in I of a window, {words}", plug_in, spread,
                       _plug_in(weights, xs), n_expected=_N_EXPECTED),
            # No deviation comes with these means: that of our runs.
            mean_claim("E11", f"C of a window, {words}", rms, float(correlation.std(ddof=1)),
                       correlation, n_expected=_N_EXPECTED),
        ]  # fmt: skip
    progress("windows", len(_WINDOWS), len(_WINDOWS))
    curves, total = {}, len(N_RUNS_BY_WINDOW) * _WIDTHS.size
    for k, (n_steps, n_runs) in enumerate(N_RUNS_BY_WINDOW.items()):
        rows = []
        for m, width in enumerate(_WIDTHS):
            progress("widths", k * _WIDTHS.size + m, total)
            keys = jr.split(jr.fold_in(key_curves, k * _WIDTHS.size + m), n_runs)
            rows.append(_plug_in(width * pattern, _windows(width * pattern, n_steps, 0, keys)))
        values = np.array(rows)
        curves[n_steps] = values.mean(axis=1), values.std(axis=1, ddof=1) / math.sqrt(n_runs)
    progress("widths", total, total)
    claims += _fall_claims(curves)
    exact = [float(information_flux(BinaryNetwork(w * pattern)).flux) for w in _WIDTHS]
    data = xr.Dataset(
        {"mean": (("window", "width"), [c[0] for c in curves.values()]),
         "error": (("window", "width"), [c[1] for c in curves.values()]),
         "exact": ("width", exact)},
        {"window": list(curves), "width": _WIDTHS},
    )  # fmt: skip
    return claims, data


def draw_e11(data: xr.Dataset):
    """Flux of windows against the weight, for three lengths."""
    ax = new_axes(1, 1, size=(6.0, 4.4))[0, 0]
    width, names = data["width"].values, [f"T = {n:,}" for n in data["window"].values]
    rows = dict(zip(names, zip(data["mean"].values, data["error"].values, strict=True),
                    strict=True))  # fmt: skip
    plot_curves(
        width,
        {name: mean for name, (mean, _) in rows.items()} | {"exact": data["exact"].values},
        points={name: (width, mean, error) for name, (mean, error) in rows.items()},
        xlabel="weight w",
        ylabel="flux I (bits)",
        ax=ax,
    )
    ax.set_title("Rooks, N = 5: plug-in flux of a window")
    return ax


def run_e12(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Each estimator on windows of two lengths."""
    weights = jnp.asarray(_K5, float)
    network = BinaryNetwork(weights)
    exact = information_flux(network)
    rms = correlations(network, exact.law).rms
    claims = [
        Claim("E12", "exact I", _EXACT[0], float(exact.flux), DIGITS, REFERENCE),
        Claim("E12", "exact C", _EXACT[1], float(rms), DIGITS, REFERENCE),
    ]
    every = []
    for k, (n_steps, row) in enumerate(_LADDER.items()):
        progress("windows", k, len(_LADDER))
        keys = jr.split(jr.fold_in(key, k), N_REPEATS)
        xs = _windows(weights, n_steps, _BURN, keys)
        found = [_plug_in(weights, xs, estimator) for estimator in FluxEstimator]
        every.append(found)
        for name, (mean, spread), values in zip(
            (*_NAMES, "C"), row, (*found, np.asarray(_rms(weights, xs))), strict=True
        ):
            claims.append(mean_claim("E12", f"{name}, T = {n_steps}", mean, spread, values,
                                     n_expected=_N_LADDER))  # fmt: skip
    progress("windows", len(_LADDER), len(_LADDER))
    data = xr.Dataset(
        {"flux": (("window", "estimator", "run"), every)},
        {"window": list(_LADDER), "estimator": list(_NAMES)},
        {"exact": _EXACT[0]},
    )
    return claims, data


def draw_e12(data: xr.Dataset):
    """Estimates of every window beside the exact flux."""
    axes = new_axes(1, 2, size=(5.2, 4.2))[0]
    names = [str(name).replace(" ", "\n") for name in data["estimator"].values]
    for ax, window, values in zip(axes, data["window"].values, data["flux"].values, strict=True):
        for k, runs in enumerate(values):
            place = k + np.linspace(-0.3, 0.3, runs.size)
            ax.plot(place, runs, ".", ms=3, alpha=0.5)
            ax.plot([k - 0.35, k + 0.35], [runs.mean()] * 2, color="0.1", lw=1.5)
        ax.axhline(data.attrs["exact"], color="0.4", ls=":", lw=1.2, label="exact")
        ax.set_xticks(range(len(names)), names, fontsize=8)
        ax.set(xlabel="estimator", ylabel="flux I (bits)", title=f"T = {window:,}")
        ax.legend(frameon=False, fontsize=8)
    return axes[0]
