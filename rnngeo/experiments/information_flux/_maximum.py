"""E7 and E10: matrices of the largest flux, and of flux and period together."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array
from jaxtyping import Key as Keys

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import long_cycle
from rnngeo.information import attractor_cycles, information_flux
from rnngeo.models import BinaryNetwork
from rnngeo.plotting import new_axes, plot_weights
from rnngeo.train import (
    Mutation,
    Population,
    WeightLimit,
    evolve,
    found_population,
    limit_weights,
    maximize_flux,
    rookness,
)

from .._claims import Claim
from ._cycles import ALL_STATES
from ._setting import DERIVED, REFERENCE, SAMPLED, sampling_tolerance

N_RUNS, N_GENERATIONS = 32, 500
N_LARGE, N_RESTARTS, N_GENERATIONS_LARGE, N_STEPS = 5, 8, 500, 300
N_RESTARTS_JOINT, N_GENERATIONS_JOINT, N_STEPS_JOINT = 8, 300, 100
_N_STARTS, _N_PARENTS, _N_CHILDREN = 40, 8, 32

_ROOKS = {(3, 5.0): 2.826099257543, (5, 5.0): 4.710165429238}
# N = 3, w = 5: range of the best flux of four runs after some generations; four normal numbers
# span 2.059 standard deviations on average.
_N_EXPECTED, _RANGE = 4, 2.059
_HISTORY = {10: (1.952, 2.524), 50: (2.816, 2.826)}
_JOINT = {3: 1.9995, 5: 1.8757}  # N: largest (I + log2 L)/N of three runs, w = 10
_ROOKS_JOINT = {3: (2.997838651298, 5.0), 5: (4.996397752164, 10.0)}  # flux, longest mean period
_LOST = 1e-3
_ROUNDING = 5 * 5.0 * float(np.finfo(np.float64).eps)  # a norm of five squares, scaled to 5


def _shortfall(expected: float, measured: float) -> float:
    """By how much a number stays below one that may be exceeded."""
    return max(0.0, expected - measured)


def _beyond_limits(box: np.ndarray, rows: np.ndarray, limit: float) -> float:
    """How far the entries of one matrix, or the row norms of another, are above the limit."""
    largest = max(np.max(np.abs(box)), np.max(np.linalg.norm(rows, axis=1)))
    return _shortfall(float(largest), limit)


@eqx.filter_jit
def _evolve(limit: float, n_generations: int, keys: Keys[Array, " run"]) -> tuple[Array, ...]:
    """Matrices of three units: the best of each run, its flux, and the flux along the way."""
    flux = lambda weights, _: information_flux(BinaryNetwork(weights)).flux[None]

    def run(key):
        key_start, key_run = jr.split(key)
        first = found_population(flux, 0.5 * jr.normal(key_start, (_N_STARTS, 3, 3)))
        parents = Population(
            first.weights[:_N_PARENTS], first.scores[:_N_PARENTS], first.generation
        )
        last, history = evolve(
            flux,
            parents,
            n_generations=n_generations,
            n_children=_N_CHILDREN,
            mutation=Mutation(size=0.1 * limit),
            project=lambda w: limit_weights(w, limit, WeightLimit.BOX),
            key=key_run,
        )
        return last.weights[0], last.scores[0, 0], history[:, 0]

    return jax.vmap(run)(keys)


def _check_evolution(weights: np.ndarray, flux: np.ndarray, history: np.ndarray) -> list[Claim]:
    claims = []
    for generation, (low, high) in _HISTORY.items():
        words = f"N = 3: median over runs of the best I at generation {generation}"
        spread = (high - low) / _RANGE
        allowed = sampling_tolerance(spread, _N_EXPECTED, len(history)) + 0.5e-3
        measured = float(np.median(history[:, generation - 1]))
        claims.append(Claim("E7", words, 0.5 * (low + high), measured, allowed, SAMPLED))
    return [
        *claims,
        Claim("E7", "N = 3: largest loss from one generation to the next", 0.0,
              float(np.max(-np.diff(history, axis=1), initial=0.0)), 0.0, DERIVED),
        Claim("E7", "N = 3: median over runs of the final I", _ROOKS[3, 5.0],
              float(np.median(flux)), _LOST, REFERENCE),
        Claim("E7", "N = 3: median over runs of the final rookness", 1.0,
              float(np.median([rookness(w) for w in weights])), 0.01, REFERENCE),
    ]  # fmt: skip


def run_e7(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Evolution of matrices in a box; with gradients, in a box and with limited rows."""
    key_small, key_large = jr.split(key)
    progress("N = 3", 0, 1)
    weights, flux, history = (
        np.asarray(v) for v in _evolve(5.0, N_GENERATIONS, jr.split(key_small, N_RUNS))
    )
    progress("N = 3", 1, 1)
    large = {}
    for constraint in (WeightLimit.BOX, WeightLimit.ROW_L2):
        large[constraint] = maximize_flux(
            N_LARGE, 5.0, constraint=constraint, n_restarts=N_RESTARTS,
            n_generations=N_GENERATIONS_LARGE, n_steps=N_STEPS, key=key_large,
            progress=lambda stage, done, total, c=constraint: progress(
                f"N = {N_LARGE}, {c}: {stage}", done, total
            ),
        )  # fmt: skip
    value, words = _ROOKS[N_LARGE, 5.0], f"N = {N_LARGE}, "
    box, rows = large[WeightLimit.BOX], large[WeightLimit.ROW_L2]
    claims = _check_evolution(weights, flux, history)
    claims += [
        Claim("E7", words + "|w| <= 5: bits that the best I falls short of rooks", 0.0,
              _shortfall(value, box.flux), _LOST, REFERENCE),
        Claim("E7", words + "row norm <= 5: best I is that of rooks", value, rows.flux, _LOST,
              REFERENCE),
        Claim("E7", words + "row norm <= 5: rookness of the best", 1.0, rows.rookness, 0.01,
              REFERENCE),
        Claim("E7", words + "by how much the best weights or rows exceed their limit", 0.0,
              _beyond_limits(box.weights, rows.weights, 5.0), _ROUNDING, DERIVED),
    ]  # fmt: skip
    best = weights[np.argmax(flux)]
    data = xr.Dataset(
        {"history": (("run", "generation"), history),
         "evolved": (("to", "from"), best),
         "box": (("to_5", "from_5"), box.weights),
         "rows": (("to_5", "from_5"), rows.weights)},
        {"generation": 1 + np.arange(N_GENERATIONS)},
        {"rooks": _ROOKS[3, 5.0], "flux": [float(flux.max()), box.flux, rows.flux],
         "rookness": [rookness(best), box.rookness, rows.rookness]},
    )  # fmt: skip
    return claims, data


def draw_e7(data: xr.Dataset):
    """Evolution, and the matrices it ends with."""
    axes = new_axes(2, 2, size=(4.6, 4.0))
    ax = axes[0, 0]
    ax.plot(data["generation"].values, data["history"].values.T, lw=0.9, alpha=0.7)
    ax.axhline(data.attrs["rooks"], color="0.1", ls=":", lw=1.2, label="rooks")
    ax.set(xscale="log", xlabel="generation", ylabel="best flux (bits)", title="N = 3, |w| ≤ 5")
    ax.legend(frameon=False, fontsize=8)
    rest = (axes[0, 1], axes[1, 0], axes[1, 1])
    titles = ("N = 3, |w| ≤ 5", "N = 5, |w| ≤ 5", "N = 5, row norm ≤ 5")
    for ax, name, title, flux, share in zip(
        rest, ("evolved", "box", "rows"), titles, data.attrs["flux"], data.attrs["rookness"],
        strict=True,
    ):  # fmt: skip
        plot_weights(data[name].values, limit=5.0, ax=ax)
        ax.set_title(f"{title}: {flux:.4f} bits,\nrookness {share:.3f}")
    return axes[0, 0]


def _check_saturation() -> list[Claim]:
    """One cycle through all states visits them equally: both maxima in one matrix."""
    claims = []
    for n_units in (2, 3, 4, 5):
        matrix = jnp.asarray(ALL_STATES, float) if n_units == 5 else long_cycle(n_units).as_matrix()
        words = f"N = {n_units}, one cycle through all states: "
        flux = float(information_flux(BinaryNetwork(20.0 * matrix)).flux)
        period = float(attractor_cycles(BinaryNetwork(matrix)).mean_over_starts)
        claims += [
            Claim("E10", words + "I, least field 20", n_units, flux, 1e-5, DERIVED),
            Claim("E10", words + "mean period", 2**n_units, period, 0.0, DERIVED),
        ]
    return claims


def run_e10(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Flux and mean period raised together."""
    claims, columns = [], {}
    for n_units, expected in _JOINT.items():
        stage = lambda words, done, total, n=n_units: progress(f"N = {n}: {words}", done, total)
        found = maximize_flux(
            n_units, 10.0, is_joint=True, n_restarts=N_RESTARTS_JOINT,
            n_generations=N_GENERATIONS_JOINT, n_steps=N_STEPS_JOINT, progress=stage, key=key,
        )  # fmt: skip
        flux, period = found.front_flux, found.front_period
        beats = lambda theirs, ours: theirs[:, None] > ours
        is_beaten = beats(found.restart_flux, flux) & beats(found.restart_period, period)
        words = f"N = {n_units}: "
        claims += [
            Claim("E10", words + "shortfall of the largest (I + log2 L)/N", 0.0,
                  _shortfall(expected, found.merit), 0.5e-4, SAMPLED),
            Claim("E10", words + "points of the front that a run beats in both", 0,
                  int(np.sum(is_beaten)), 0, DERIVED),
        ]  # fmt: skip
        if n_units == 3:  # one matrix is best in both
            cost = float(flux.max() - flux[np.argmax(period)])
            claims += [
                Claim("E10", words + "longest mean period of the front", 8.0, float(period.max()),
                      0.0, REFERENCE),
                Claim("E10", words + "bits that it costs", 0.0, cost, 0.0, DERIVED),
            ]  # fmt: skip
        columns[f"flux_{n_units}"] = (f"point_{n_units}", flux)
        columns[f"period_{n_units}"] = (f"point_{n_units}", period)
        columns[f"run_flux_{n_units}"] = ("run", found.restart_flux)
        columns[f"run_period_{n_units}"] = ("run", found.restart_period)
        columns[f"weights_{n_units}"] = ((f"to_{n_units}", f"from_{n_units}"), found.weights)
    return claims + _check_saturation(), xr.Dataset(columns)


def draw_e10(data: xr.Dataset):
    """Fronts, runs and rooks in the plane of period and flux, and the best matrices."""
    axes = new_axes(2, 2, size=(4.6, 4.0))
    for (ax, picture), n_units in zip(axes.T, _JOINT, strict=True):
        flux, period = data[f"flux_{n_units}"].values, data[f"period_{n_units}"].values
        ax.plot(period, flux, "o-", color="0.2", ms=4, lw=1, label="front")
        ax.plot(data[f"run_period_{n_units}"], data[f"run_flux_{n_units}"], "x", ms=6,
                label="best of each run")  # fmt: skip
        rooks_flux, rooks_period = _ROOKS_JOINT[n_units]
        ax.plot(rooks_period, rooks_flux, "s", ms=7, mfc="none", label="longest rooks")
        ax.set(xlabel="mean period over starts", ylabel="flux I (bits)",
               title=f"N = {n_units}, |w| ≤ 10")  # fmt: skip
        ax.legend(frameon=False, fontsize=8)
        plot_weights(data[f"weights_{n_units}"].values, limit=10.0, ax=picture)
    return axes[0, 0]
