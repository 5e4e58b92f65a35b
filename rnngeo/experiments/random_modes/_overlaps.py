"""PRX7 and PRL6: couplings through which a neuron acts back on itself."""

import jax.random as jr
import numpy as np
import xarray as xr

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import exponential_strengths
from rnngeo.meanfield import (
    AbstractSelfCoupling,
    OverlappingModes,
    PartialSymmetry,
    activity_participation_ratio,
    overlap_profile,
    sampled_participation_ratio,
    sampled_site,
)
from rnngeo.plotting import new_axes, plot_curves

from .._claims import Claim, reachable
from ._setting import MEAN_FIELD, PUBLISHED, REFERENCE, mean_field

N_MODES, N_PATHS, WINDOW = 100, 128, 200.0
N_PATHS_SYMMETRIC = 256  # the response is noisier
GAIN = 3.0
AMPLITUDES = {  # PR^D: gamma
    0.8: (-0.4, -0.2, 0.0, 0.2),
    0.3: (-0.5, -0.3, -0.15, 0.0),
}
SYMMETRIES = {3.0: (-0.3, 0.0, 0.2, 0.4)}  # gain: rho
_QUANTITIES = ("C(0)", "Delta0", "PR")
_AT = (0.8, -0.4)  # PR^D, gamma of the numbers below
_REFERENCES = {  # of another sampled solution, then of networks of a thousand units
    REFERENCE: (0.756, 7.17, 0.0233),
    "independent simulation": (0.758, 7.29, 0.0213),
}
_REFERENCE_ERRORS = (0.02, 0.02, 0.1)  # relative: what two networks or sampled paths tell
_PEAK = (0.016, 0.018)  # PR^D = 0.3, read off the published plot


def _solve(coupling: AbstractSelfCoupling, n_paths: int, key: Key) -> tuple[np.ndarray, np.ndarray]:
    """C(0), Delta0 and PR of the rates, and their errors."""
    site = sampled_site(coupling, key=key, window=WINDOW, n_paths=n_paths, rtol=1e-4).value
    found = (site.variance_rate, site.variance_current,
             sampled_participation_ratio(coupling, site))  # fmt: skip
    return np.array([float(f.value) for f in found]), np.array([float(f.error) for f in found])


def _control(
    name: str, words: str, inverse_rank: float, values: np.ndarray, errors: np.ndarray, gain: float
) -> list[Claim]:
    """Without self-coupling the sampled solution is the one in closed form."""
    site, parts = mean_field(gain)
    exact = (site.variance_rate, site.variance_current,
             activity_participation_ratio(parts, inverse_rank))  # fmt: skip
    return [
        Claim(name, f"{quantity}, {words}", float(number), float(value),
              float(4 * error + reachable(1e-6) * number), MEAN_FIELD)
        for quantity, number, value, error in zip(
            _QUANTITIES, exact, values, errors, strict=True
        )
    ]  # fmt: skip


def run_prx7(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """PR against the overlap of left and right modes."""
    claims, table = [], []
    n_all, done = sum(len(v) for v in AMPLITUDES.values()), 0
    for ratio, amplitudes in AMPLITUDES.items():
        strengths = exponential_strengths(N_MODES, ratio, GAIN)
        rows = []
        for amplitude in amplitudes:
            progress("overlaps", done, n_all)
            coupling = OverlappingModes(strengths, overlap_profile(strengths, amplitude))
            values, errors = _solve(coupling, N_PATHS, jr.fold_in(key, done))
            rows.append([values, errors])
            words = f"PR^D = {ratio:g}, gamma = {amplitude:g}, g = {GAIN:g}"
            if amplitude == 0.0:
                claims += _control("PRX7", words, 1 / ratio, values, errors, GAIN)
            if (ratio, amplitude) == _AT:
                claims += [
                    Claim("PRX7", f"{quantity}, {words}", number, float(value),
                          float(4 * error + relative * number), source)
                    for source, numbers in _REFERENCES.items()
                    for quantity, number, value, error, relative in zip(
                        _QUANTITIES, numbers, values, errors, _REFERENCE_ERRORS, strict=True
                    )
                ]  # fmt: skip
            done += 1
        table.append(rows)
        found = np.array(rows)
        best = int(np.argmax(found[:, 0, 2]))
        rest = [k for k, amplitude in enumerate(amplitudes) if amplitude >= 0]
        rise = found[best, 0, 2] - found[rest, 0, 2].max()
        # In units of four errors: above one the maximum lies at negative overlaps for sure.
        error = np.hypot(found[best, 1, 2], found[rest, 1, 2].max())
        claims.append(
            Claim("PRX7", f"PR^D = {ratio:g}: whether PR is largest at a negative overlap", 1.0,
                  float(rise > 4 * error), 0.0, f"{PUBLISHED}, in words")
        )  # fmt: skip
    last = np.array(table[-1])
    peak, error = last[int(np.argmax(last[:, 0, 2])), :, 2]
    middle, half = sum(_PEAK) / 2, (_PEAK[1] - _PEAK[0]) / 2
    claims.append(
        Claim("PRX7", "PR^D = 0.3: largest PR", middle, float(peak), float(half + 4 * error),
              f"{PUBLISHED}, read off a plot")
    )  # fmt: skip
    progress("overlaps", n_all, n_all)
    data = xr.Dataset(
        {"value": (("ratio", "place", "part", "quantity"), np.array(table)),
         "amplitude": (("ratio", "place"), list(AMPLITUDES.values()))},
        {"ratio": list(AMPLITUDES), "quantity": list(_QUANTITIES), "part": ["value", "error"]},
        {"gain": GAIN},
    )  # fmt: skip
    return claims, data


def draw_prx7(data: xr.Dataset):
    """PR against the overlap, one panel for each spread of strengths."""
    axes = new_axes(1, data["ratio"].size, size=(4.8, 4.2))[0]
    for ax, ratio, at, rows in zip(
        axes, data["ratio"].values, data["amplitude"].values, data["value"].values, strict=True
    ):
        name = f"PR$^D$ = {ratio:g}"
        plot_curves(at, {name: rows[:, 0, 2]}, points={name: (at, *rows[:, :, 2].T)},
                    xlabel="overlap γ", ylabel="participation ratio PR", ax=ax)  # fmt: skip
        ax.set_title(f"Overlapping modes, g = {data.attrs['gain']:g}")
    return axes[0]


def run_prl6(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """PR against the symmetry of the couplings."""
    claims, table = [], []
    n_all, done = sum(len(v) for v in SYMMETRIES.values()), 0
    for gain, symmetries in SYMMETRIES.items():
        rows = []
        for symmetry in symmetries:
            progress("symmetries", done, n_all)
            values, errors = _solve(
                PartialSymmetry(gain, symmetry), N_PATHS_SYMMETRIC, jr.fold_in(key, done)
            )
            rows.append([values, errors])
            if symmetry == 0.0:
                words = f"independent couplings, g = {gain:g}"
                claims += _control("PRL6", words, 0.0, values, errors, gain)
            done += 1
        found = np.array(rows)
        fall = found[symmetries.index(0.0), :, 2] - found[-1, :, 2] * (1, -1)  # errors add
        claims.append(
            Claim("PRL6", f"g = {gain:g}: whether PR falls from rho = 0 to {symmetries[-1]:g}",
                  1.0, float(fall[0] > 4 * fall[1]), 0.0, f"{PUBLISHED}, in words")
        )  # fmt: skip
        table.append(rows)
    progress("symmetries", n_all, n_all)
    data = xr.Dataset(
        {"value": (("gain", "symmetry", "part", "quantity"), np.array(table))},
        {"gain": list(SYMMETRIES), "symmetry": list(next(iter(SYMMETRIES.values()))),
         "quantity": list(_QUANTITIES), "part": ["value", "error"]},
    )  # fmt: skip
    return claims, data


def draw_prl6(data: xr.Dataset):
    """PR against the symmetry."""
    ax = new_axes(size=(5.2, 4.2))[0, 0]
    at = data["symmetry"].values
    names = [f"g = {gain:g}" for gain in data["gain"].values]
    values = data["value"].values
    plot_curves(
        at,
        {name: values[k, :, 0, 2] for k, name in enumerate(names)},
        points={name: (at, *values[k, :, :, 2].T) for k, name in enumerate(names)},
        xlabel="symmetry ρ",
        ylabel="participation ratio PR",
        ax=ax,
    )
    ax.set_title("Partially symmetric couplings")
    return ax
