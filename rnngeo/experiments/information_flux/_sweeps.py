"""E1 to E3: exact flux of random networks against width, density and balance of the weights."""

import jax.random as jr
import numpy as np
import xarray as xr

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.plotting import new_axes, plot_curves

from .._claims import Claim, largest_deviation
from ._setting import (
    DERIVED,
    ROUNDING,
    Measures,
    draw_matrices,
    mean_claim,
    measure_matrices,
    sampling_tolerance,
)

N_MATRICES = 2000
N_MANY = 20000  # for a difference of hardly 0.05 bits

_NAMES = {"entropy": "H", "divergence": "D", "flux": "I", "rms": "C"}

_BY_WIDTH = {  # w: mean and standard deviation over matrices of H, D, I, C
    0.1: (4.9998, 0.0002, 4.9552, 0.0121, 0.0446, 0.0119, 0.0492, 0.0067),
    0.5: (4.9391, 0.0393, 4.1876, 0.1832, 0.7515, 0.1561, 0.2050, 0.0255),
    1.0: (4.6834, 0.2130, 3.0897, 0.3360, 1.5938, 0.2232, 0.3230, 0.0583),
    2.0: (4.1261, 0.6088, 1.8132, 0.4332, 2.3129, 0.3512, 0.4515, 0.1251),
    4.0: (3.3570, 0.9294, 0.8987, 0.4024, 2.4583, 0.6406, 0.5798, 0.1760),
    5.0: (3.0293, 0.9900, 0.6652, 0.3892, 2.3641, 0.7185, 0.6311, 0.1903),
    10.0: (2.4462, 1.0066, 0.2999, 0.2773, 2.1463, 0.8274, 0.7229, 0.1997),
    20.0: (2.1663, 0.9729, 0.1378, 0.1932, 2.0285, 0.8674, 0.7576, 0.2020),
}
_BY_DENSITY = {  # w, d
    (1.0, 0.1): (4.9930, 0.0263, 4.6977, 0.2609, 0.2954, 0.2495, 0.1102, 0.0583),
    (1.0, 0.3): (4.9454, 0.0813, 4.1809, 0.3776, 0.7645, 0.3318, 0.1995, 0.0518),
    (1.0, 0.6): (4.8290, 0.1449, 3.6227, 0.3698, 1.2063, 0.2815, 0.2681, 0.0495),
    (1.0, 1.0): (4.7097, 0.1817, 3.1123, 0.3185, 1.5974, 0.2135, 0.3168, 0.0503),
    (5.0, 0.1): (4.8421, 0.3671, 3.6232, 0.8811, 1.2189, 0.7327, 0.2348, 0.1128),
    (5.0, 0.3): (4.1405, 0.7996, 2.0218, 0.8824, 2.1187, 0.5877, 0.4337, 0.1484),
    (5.0, 0.6): (3.4928, 0.8856, 1.0746, 0.5726, 2.4181, 0.6036, 0.5593, 0.1627),
    (5.0, 1.0): (3.0372, 0.9889, 0.6838, 0.4005, 2.3533, 0.7018, 0.6314, 0.1898),
}
_BY_BALANCE = {  # w, b
    (1.0, -1.0): (2.7969, 0.6713, 1.5102, 0.5985, 1.2867, 0.1234, 0.7522, 0.1178),
    (1.0, -0.5): (4.5469, 0.4013, 2.9602, 0.4366, 1.5868, 0.2051, 0.3616, 0.0992),
    (1.0, 0.0): (4.6971, 0.2339, 3.1110, 0.3561, 1.5861, 0.2193, 0.3196, 0.0631),
    (1.0, 0.5): (4.5458, 0.4078, 2.9771, 0.4691, 1.5687, 0.2196, 0.3611, 0.1020),
    (1.0, 1.0): (2.7774, 0.6919, 1.4963, 0.6294, 1.2810, 0.1151, 0.7551, 0.1229),
    (5.0, -1.0): (1.0074, 0.0449, 0.0055, 0.0303, 1.0019, 0.0231, 0.9993, 0.0052),
    (5.0, -0.5): (2.5084, 1.1086, 0.5169, 0.4226, 1.9914, 0.7746, 0.7336, 0.2103),
    (5.0, 0.0): (3.0829, 0.9955, 0.6827, 0.3843, 2.4002, 0.7326, 0.6205, 0.1911),
    (5.0, 0.5): (2.5376, 1.0832, 0.5163, 0.4035, 2.0213, 0.7786, 0.7301, 0.2058),
    (5.0, 1.0): (1.0039, 0.0203, 0.0026, 0.0086, 1.0013, 0.0132, 0.9997, 0.0023),
}
# At w = 5 the flux is nearly flat from d = 0.6 on and highest at d = 1; 400 matrices each, as in
# the table, suggest a peak inside, which is chance. Derived here with NumPy alone: difference of
# means over 100 000 matrices each, 2.38262 and 2.33368, and the root of their summed variances.
_RISE, _RISE_SPREAD, _N_RISE = 0.04894, 0.9473, 100_000
# Where the mean I is largest: ln w at the top of the parabola through w = 2, 3 and 4. Derived here
# with NumPy alone, 100 000 matrices, each at all three; the spread of one matrix by propagation.
_PEAK_PLACES = (2.0, 3.0, 4.0)
_PEAK, _PEAK_SPREAD, _N_PEAK = 1.22150, 0.6125, 100_000
_WIDTHS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0)
_DENSITIES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
_BALANCES = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
_STRENGTHS = (1.0, 5.0)


def _claims_on_means(name: str, words: str, row: tuple, found: Measures) -> list[Claim]:
    """H, D, I and C against the other program's means."""
    return [
        mean_claim(name, f"mean {letter}, {words}", row[2 * k], row[2 * k + 1], getattr(found, f))
        for k, (f, letter) in enumerate(_NAMES.items())
    ]


def _means(found: list[Measures]) -> np.ndarray:
    """Mean of each measure, shape `(measure, place)`."""
    return np.array([[np.mean(getattr(m, name)) for m in found] for name in _NAMES])


def _errors(found: list[Measures]) -> np.ndarray:
    size = lambda v: np.std(v, ddof=1) / np.sqrt(v.size)
    return np.array([[size(getattr(m, name)) for m in found] for name in _NAMES])


def top_of_parabola(place: np.ndarray, values: np.ndarray) -> float:
    """Where the parabola through three points is extreme."""
    curvature, slope, _ = np.polyfit(place, values, 2)
    return float(-slope / (2 * curvature))


def _excess_claim(words: str, values: list[np.ndarray], reference: int) -> Claim:
    """That no other mean is larger than one of them; samples in turn belong together."""
    k = int(np.argmax([np.mean(v) for v in values]))
    apart = values[k] - values[reference]
    error = float(np.std(apart, ddof=1)) / apart.size**0.5
    return Claim("E3", words, 0.0, float(np.mean(apart)), 4 * error, DERIVED)


def n_turns(values: np.ndarray) -> int:
    """How often a curve changes between rising and falling."""
    steps = np.sign(np.diff(values))
    return int(np.sum(steps[1:] != steps[:-1]))


def run_e1(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Flux, entropy, divergence and correlation against the width."""
    claims, found = [], []
    for k, width in enumerate(_WIDTHS):
        progress("widths", k, len(_WIDTHS))
        # One key for all: the same matrices, scaled.
        found.append(measure_matrices(draw_matrices(N_MATRICES, width, key=key)))
        if width in _BY_WIDTH:
            claims += _claims_on_means("E1", f"w = {width:g}", _BY_WIDTH[width], found[-1])
    progress("widths", len(_WIDTHS), len(_WIDTHS))
    means = _means(found)
    entropy, _, flux, rms = means
    peak = top_of_parabola(np.log(_PEAK_PLACES), flux[[_WIDTHS.index(w) for w in _PEAK_PLACES]])
    claims += [
        Claim("E1", "times that I turns between rising and falling with w", 1, n_turns(flux), 0,
              DERIVED),
        Claim("E1", "ln w of the largest I, parabola through w = 2, 3, 4", _PEAK, peak,
              sampling_tolerance(_PEAK_SPREAD, _N_PEAK, N_MATRICES), DERIVED),
        Claim("E1", "fraction of steps in w at which H falls", 1.0,
              float(np.mean(np.diff(entropy) < 0)), 0.0, DERIVED),
        Claim("E1", "fraction of steps in w at which C rises", 1.0,
              float(np.mean(np.diff(rms) > 0)), 0.0, DERIVED),
    ]  # fmt: skip
    data = xr.Dataset(
        {"mean": (("measure", "width"), means), "error": (("measure", "width"), _errors(found))},
        {"measure": list(_NAMES), "width": list(_WIDTHS)},
        {"n_matrices": N_MATRICES},
    )
    return claims, data


def _sweep(name, words, places, table, draw, progress) -> tuple[list[Claim], np.ndarray, list]:
    """Claims, means `(strength, measure, place)` and all measures for both strengths."""
    claims, everything = [], []
    total = len(_STRENGTHS) * len(places)
    for strength in _STRENGTHS:
        found = []
        for place in places:
            progress(words, len(everything) * len(places) + len(found), total)
            found.append(measure_matrices(draw(strength, place)))
            if (strength, place) in table:
                text = f"w = {strength:g}, {words[0]} = {place:g}"
                claims += _claims_on_means(name, text, table[strength, place], found[-1])
        everything.append(found)
    progress(words, total, total)
    return claims, np.array([_means(found) for found in everything]), everything


def run_e2(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Flux against the share of weights that are present."""
    key_table, key_sparse, key_full = jr.split(key, 3)
    draw = lambda width, density: draw_matrices(N_MATRICES, width, density=density, key=key_table)
    claims, means, found = _sweep("E2", "density", _DENSITIES, _BY_DENSITY, draw, progress)
    sparse = measure_matrices(draw_matrices(N_MANY, 5.0, density=0.6, key=key_sparse))
    full = measure_matrices(draw_matrices(N_MANY, 5.0, key=key_full))
    rise = float(np.mean(full.flux) - np.mean(sparse.flux))
    claims += [
        Claim("E2", "w = 1: fraction of steps in d at which I rises", 1.0,
              float(np.mean(np.diff(means[0, 2]) > 0)), 0.0, DERIVED),
        Claim("E2", "w = 5: I of full matrices less I at d = 0.6", _RISE, rise,
              sampling_tolerance(_RISE_SPREAD, _N_RISE, N_MANY), DERIVED),
    ]  # fmt: skip
    data = xr.Dataset(
        {"mean": (("width", "measure", "density"), means),
         "error": (("width", "measure", "density"), [_errors(f) for f in found])},
        {"width": list(_STRENGTHS), "measure": list(_NAMES), "density": list(_DENSITIES)},
        {"n_matrices": N_MATRICES},
    )  # fmt: skip
    return claims, data


def run_e3(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Flux against the balance of signs."""
    draw = lambda width, balance: draw_matrices(N_MATRICES, width, balance=balance, key=key)
    claims, means, found = _sweep("E3", "balance", _BALANCES, _BY_BALANCE, draw, progress)
    for strength, measures, mean in zip(_STRENGTHS, found, means, strict=True):
        same, opposite = measures[_BALANCES.index(0.5)], measure_matrices(-draw(strength, 0.5))
        change = max(
            largest_deviation(getattr(opposite, name), getattr(same, name)) for name in _NAMES
        )
        smallest = _BALANCES[int(np.argmin(mean[3]))]
        words = f"w = {strength:g}: "
        claims += [
            Claim("E3", words + "largest change of H, D, I, C from W to -W", 0.0, change,
                  ROUNDING, DERIVED),  # the same terms in another order
            _excess_claim(words + "largest mean I less that at balance 0",
                          [m.flux for m in measures], _BALANCES.index(0.0)),
            Claim("E3", words + "balance of the smallest C", 0.0, smallest, 0.0, DERIVED),
        ]  # fmt: skip
    data = xr.Dataset(
        {"mean": (("width", "measure", "balance"), means),
         "error": (("width", "measure", "balance"), [_errors(f) for f in found])},
        {"width": list(_STRENGTHS), "measure": list(_NAMES), "balance": list(_BALANCES)},
        {"n_matrices": N_MATRICES},
    )  # fmt: skip
    return claims, data


def draw_e1(data: xr.Dataset):
    """Bits on the left, correlation on the right."""
    axes = new_axes(1, 2, size=(5.2, 4.2))[0]
    width = data["width"].values
    rows = {
        name: (width, data["mean"].sel(measure=name).values, data["error"].sel(measure=name).values)
        for name in _NAMES
    }
    groups = (("entropy", "divergence", "flux"), ("rms",))
    titles = ("Entropy H, divergence D, flux I = H - D", "Correlation one step apart")
    for ax, names, ylabel, title in zip(axes, groups, ("bits", "RMS correlation C"), titles,
                                        strict=True):  # fmt: skip
        points = {_NAMES[name]: rows[name] for name in names}
        curves = {letter: row[1] for letter, row in points.items()}
        plot_curves(width, curves, points=points, xlabel="width w", ylabel=ylabel, ax=ax)
        ax.set(xscale="log", title=title, ylim=(0, None))
    return axes[0]


def _draw_sweep(data: xr.Dataset, name: str, xlabel: str):
    axes = new_axes(1, 2, size=(5.2, 4.2))[0]
    place = data[name].values
    for ax, measure in zip(axes, ("flux", "rms"), strict=True):
        mean, error = (data[v].sel(measure=measure).values for v in ("mean", "error"))
        names = [f"w = {width:g}" for width in data["width"].values]
        plot_curves(
            place,
            dict(zip(names, mean, strict=True)),
            points={n: (place, m, e) for n, m, e in zip(names, mean, error, strict=True)},
            xlabel=xlabel,
            ylabel="flux I (bits)" if measure == "flux" else "RMS correlation C",
            ax=ax,
        )
        ax.set_ylim(0, None)
    axes[0].set_title("Information flux")
    axes[1].set_title("Correlation one step apart")
    return axes[0]


def draw_e2(data: xr.Dataset):
    """Flux and correlation against the density."""
    return _draw_sweep(data, "density", "density d")


def draw_e3(data: xr.Dataset):
    """Flux and correlation against the balance."""
    return _draw_sweep(data, "balance", "balance b")
