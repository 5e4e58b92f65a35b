"""E8: the laws of rooks matrices, and denser matrices that beat them in a box."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import long_cycle, rooks
from rnngeo.information import correlations, information_flux, row_norm_bound
from rnngeo.models import BinaryNetwork
from rnngeo.plotting import new_axes, plot_curves

from .._claims import Claim, largest_deviation
from ._setting import DERIVED, DIGITS, EPS, REFERENCE, ROUNDING

_ROOKS = {  # N: permutation and signs
    2: ((1, 0), (1, -1)),
    3: ((1, 2, 0), (1, 1, -1)),
    5: ((1, 2, 0, 4, 3), (1, 1, -1, 1, -1)),
}
_PER_UNIT = {1.0: 0.160058462017, 2.0: 0.472934658997, 3.0: 0.724640052705, 5.0: 0.942033085848,
             8.0: 0.995645647128, 10.0: 0.999279550433, 20.0: 0.999999937554}  # fmt: skip
_TABLE = {  # N, w: I
    (2, 5.0): 1.884066171695, (2, 10.0): 1.998559100866, (2, 20.0): 1.999999875108,
    (3, 5.0): 2.826099257543, (3, 10.0): 2.997838651298, (3, 20.0): 2.999999812662,
    (5, 5.0): 4.710165429238, (5, 10.0): 4.996397752164, (5, 20.0): 4.999999687770,
}  # fmt: skip
_CORRELATIONS = {2: 0.707042578905, 3: 0.577297848246, 5: 0.447172990412}  # C at w = 10
_NOISE = {2.0: 4.978496839, 10.0: 1.798163929}  # r: I of five units at w = 10
_UNEQUAL = (3.654377368726, 0.486606022124)
_DENSE = {  # name, w: H and I
    ("W8", 5.0): (2.999959890111, 2.869385058947),
    ("W8", 10.0): (2.999999998142, 2.998378974348),
    ("W30", 5.0): (5.0, 4.768125282212),
    ("W30", 10.0): (5.0, 4.997118201727),
    ("D422", 5.0): (2.919768547519, 2.794027453900),
    ("D422", 10.0): (2.918305921788, 2.916744935911),
}
D422 = ((-1, -1, -1), (-1, -1, 1), (1, -1, -1))
_WORDS = {
    "W8": "dense, one cycle of 8, N = 3",
    "W30": "dense, cycles of 30 and 2, N = 5",
    "D422": "dense, cycles of 4, 2, 2, N = 3",
}
_DIGITS_NOISE = 0.5e-9 + ROUNDING  # nine decimals
_WIDTHS = np.concatenate([np.linspace(0.0, 4.5, 10), np.linspace(5.0, 20.0, 16)])


def dense_matrix(name: str) -> np.ndarray:
    """A matrix of small integers, denser than rooks, as a sign map bijective."""
    if name == "D422":
        return np.array(D422, float)
    return np.asarray(long_cycle({"W8": 3, "W30": 5}[name]).as_matrix())


@eqx.filter_jit
def _laws(
    matrix: Float[Array, "n_units n_units"], widths: Float[Array, " width"]
) -> tuple[Array, ...]:
    """H, I, C, the bound and the largest |p 2^N - 1| of w times a matrix, for every w."""

    def one(width):
        network = BinaryNetwork(width * matrix)
        flux = information_flux(network)
        rms = correlations(network, flux.law).rms
        uneven = jnp.max(jnp.abs(flux.law * flux.law.size - 1.0))
        return flux.entropy, flux.flux, rms, row_norm_bound(network), uneven

    return jax.lax.map(one, widths)


def _check_rooks(name: str, found: dict[int, tuple[np.ndarray, ...]]) -> list[Claim]:
    claims, places = [], _WIDTHS.tolist()
    for n_units, (entropy, flux, rms, bound, uneven) in found.items():
        words = f", N = {n_units}"
        law = np.tanh(_WIDTHS / 2) / math.sqrt(n_units)
        rounding = n_units * 2**n_units * EPS
        claims += [
            Claim(name, f"I, w = {w:g}" + words, expected, float(flux[places.index(w)]), DIGITS,
                  REFERENCE)
            for (n, w), expected in _TABLE.items() if n == n_units
        ]  # fmt: skip
        claims += [
            Claim(name, f"I/N, w = {w:g}" + words, expected,
                  float(flux[places.index(w)]) / n_units, DIGITS, REFERENCE)
            for w, expected in _PER_UNIT.items()
        ]  # fmt: skip
        claims += [
            Claim(name, "C, w = 10" + words, _CORRELATIONS[n_units],
                  float(rms[places.index(10.0)]), DIGITS, REFERENCE),
            Claim(name, "largest deviation of C from tanh(w/2)/sqrt N" + words, 0.0,
                  largest_deviation(rms, law), rounding, DERIVED),
            Claim(name, "largest deviation of H from N" + words, 0.0,
                  largest_deviation(entropy, np.full(len(places), n_units)), rounding, DERIVED),
            Claim(name, "largest |p 2^N - 1|" + words, 0.0, float(uneven.max()),
                  rounding, DERIVED),
            Claim(name, "largest deviation of I from the bound by row sums" + words, 0.0,
                  largest_deviation(flux, bound), rounding, DERIVED),
        ]  # fmt: skip
    return claims


def _check_dense(name: str, found: dict[str, tuple[np.ndarray, ...]]) -> list[Claim]:
    claims, places = [], _WIDTHS.tolist()
    for (kind, w), numbers in _DENSE.items():
        for letter, expected, values in zip("HI", numbers, found[kind], strict=False):
            words = f"{letter}, {_WORDS[kind]}, w = {w:g}"
            measured = float(values[places.index(w)])
            claims.append(Claim(name, words, expected, measured, DIGITS, REFERENCE))
    return claims


def _check_single(name: str) -> list[Claim]:
    unequal = rooks(
        np.array([2, 0, 3, 1]), np.array([1, -1, 1, -1]), np.array([3.0, 5.0, 7.0, 9.0])
    ).as_matrix()
    _, flux, rms, _, _ = (np.asarray(v) for v in _laws(unequal, jnp.ones(1)))
    words = "rows of 3, 5, 7, 9, N = 4"
    claims = [
        Claim(name, f"I, {words}", _UNEQUAL[0], float(flux[0]), DIGITS, REFERENCE),
        Claim(name, f"C, {words}", _UNEQUAL[1], float(rms[0]), DIGITS, REFERENCE),
    ]
    matrix = rooks(*map(np.array, _ROOKS[5]), 10.0)
    noisy = lambda r: information_flux(BinaryNetwork(matrix, noise_std=r)).flux
    for r, expected in _NOISE.items():
        measured = float(noisy(jnp.asarray(r)))
        claims.append(Claim(name, f"I under input noise r = {r:g}, w = 10, N = 5", expected,
                            measured, _DIGITS_NOISE, REFERENCE))  # fmt: skip
    return claims


def run_e8(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Exact flux of rooks and of denser matrices against the size of their weights."""
    rows = lambda matrix: tuple(np.asarray(v) for v in _laws(matrix, jnp.asarray(_WIDTHS)))
    total = len(_ROOKS) + len(_WORDS)
    found, dense = {}, {}
    for n_units, (permutation, signs) in _ROOKS.items():
        progress("matrices", len(found), total)
        found[n_units] = rows(rooks(np.array(permutation), np.array(signs), 1.0).as_matrix())
    for name in _WORDS:
        progress("matrices", len(found) + len(dense), total)
        dense[name] = rows(jnp.asarray(dense_matrix(name)))
    progress("matrices", total, total)
    claims = _check_rooks("E8", found) + _check_dense("E8", dense) + _check_single("E8")
    names = [f"rooks, N = {n}" for n in found] + list(_WORDS.values())
    every = [*found.values(), *dense.values()]
    data = xr.Dataset(
        {"flux": (("matrix", "width"), [v[1] for v in every]),
         "rms": (("matrix", "width"), [v[2] for v in every])},
        {"matrix": names, "width": _WIDTHS},
        {"n_units": [*found, 3, 5, 3]},
    )  # fmt: skip
    return claims, data


def draw_e8(data: xr.Dataset):
    """Flux, what is missing from N bits, and C."""
    axes = new_axes(1, 3, size=(4.6, 4.2))[0]
    names, width = [str(name) for name in data["matrix"].values], data["width"].values
    n_units = np.asarray(data.attrs["n_units"])[:, None]
    flux = data["flux"].values
    missing = np.where(width > 0, np.maximum(n_units - flux, 1e-16), np.nan)
    rows = (
        (flux, "flux I (bits)", "Information flux"),
        (missing, "N - I (bits)", "What is missing from N bits"),
        (data["rms"].values, "RMS correlation C", "C = tanh(w/2)/√N for rooks"),
    )
    for ax, (values, ylabel, title) in zip(axes, rows, strict=True):
        plot_curves(width, dict(zip(names, values, strict=True)), xlabel="weight w",
                    ylabel=ylabel, ax=ax)  # fmt: skip
        ax.set_title(title)
    axes[1].set_yscale("log")
    for ax in (axes[0], axes[2]):
        ax.get_legend().remove()
    return axes[0]
