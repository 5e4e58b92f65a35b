"""E4 and E5: which correlations stand for the flux, and where they stop doing so."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.information import information_flux, state_table
from rnngeo.models import BinaryNetwork
from rnngeo.plotting import new_axes, plot_curves, plot_scatter

from .._claims import Claim, largest_deviation
from ._setting import (
    DERIVED,
    N_REFERENCE,
    N_UNITS,
    REFERENCE,
    Measures,
    draw_matrices,
    mean_claim,
    measure_matrices,
    rank_claim,
    rank_correlation,
)

N_MATRICES = 1000
_N_SHOWN = 150

_WIDTHS = (0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0)
_SHOWN = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 20.0)
_RANKS = {0.1: 1.0, 0.5: 0.946, 1.0: 0.582, 2.0: -0.362, 4.0: -0.850, 5.0: -0.901, 10.0: -0.959,
          20.0: -0.969}  # fmt: skip
_RATIOS = {0.1: 1.001, 0.5: 0.988, 1.0: 0.892, 2.0: 0.758, 4.0: 0.557, 5.0: 0.479, 10.0: 0.350,
           20.0: 0.305}  # fmt: skip
_POOLED = {
    "moderate": ((0.1, 0.25, 0.5, 0.75, 1.0), 0.985),
    "strong": ((3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0), -0.890),
}
_SIZES = {2: (0.970, 2000), 4: (0.770, 2000), 6: (0.506, 1000)}  # N at w = 1: rank, matrices
_BY_DENSITY = {  # w, d
    (1.0, 0.1): 0.997, (1.0, 0.3): 0.969, (1.0, 0.6): 0.854, (1.0, 1.0): 0.626,
    (5.0, 0.1): 0.900, (5.0, 0.3): 0.135, (5.0, 0.6): -0.591, (5.0, 1.0): -0.898,
}  # fmt: skip

_PAIR_RANKS = {0.1: 1.0, 0.5: 0.947, 1.0: 0.588, 2.0: -0.356, 4.0: -0.843, 5.0: -0.899,
               10.0: -0.960, 20.0: -0.969}  # fmt: skip
_PAIRS = {  # mean and standard deviation of pair information, and of the mean modulus
    0.1: (0.0018, 0.0005, 0.0395, 0.0056),
    0.5: (0.0315, 0.0083, 0.1660, 0.0231),
    1.0: (0.0822, 0.0363, 0.2665, 0.0598),
    2.0: (0.1781, 0.1265, 0.3858, 0.1366),
    4.0: (0.3209, 0.2306, 0.5107, 0.2007),
    5.0: (0.3901, 0.2618, 0.5637, 0.2193),
    10.0: (0.5262, 0.3005, 0.6578, 0.2409),
    20.0: (0.5921, 0.3152, 0.6851, 0.2513),
}
_WEAK = {  # I over its weak-coupling law, by C and by W: mean, deviation of 300 matrices
    0.05: (1.000, 0.001, 0.995, 0.002),
    0.5: (1.001, 0.069, 0.676, 0.067),
    1.0: (0.905, 0.195, 0.376, 0.070),
}
_PAIR_SUMS = {0.05: 1.000, 0.5: 1.025, 1.0: 1.283}  # sum of pair information over I
_N_WEAK = 300
# Sums of 2^N products and N^2 squares, twice, in another order; N units.
_ROUNDING = 2 * (2**N_UNITS + N_UNITS**2) * float(np.finfo(np.float64).eps)
_NEAR_ONE = 0.01  # of a rank correlation; the reference allows 0.02 near 1
_PROXIES = {
    "rms": "RMS correlation C",
    "mean_modulus": "mean |correlation|",
    "pair_information": "pair information (bits)",
    "rms_equal_time": "RMS correlation, equal times",
}


def _measure_widths(widths: Sequence[float], progress: Progress, key: Key) -> dict[float, Measures]:
    """Independent matrices at each width."""
    found = {}
    for k, width in enumerate(widths):
        progress("widths", k, len(widths))
        key_width = jr.fold_in(key, k)
        found[width] = measure_matrices(draw_matrices(N_MATRICES, width, key=key_width))
    progress("widths", len(widths), len(widths))
    return found


@eqx.filter_jit
def rms_covariances(
    weights: Float[Array, "matrix n_units n_units"],
) -> Float[Array, " matrix"]:
    """RMS over pairs of E[x'_n x_m], means and deviations as they are, from the law itself."""

    def one(matrix):
        network = BinaryNetwork(matrix)
        law, states = information_flux(network).law, state_table(network.n_units)
        after = jax.vmap(network.mean_update)(states)
        products = jnp.einsum("k,kn,km->nm", law, after, states)
        return jnp.sqrt(jnp.mean(products**2))

    return jax.vmap(one)(weights)


def _pooled(found: dict[float, Measures], widths: Sequence[float], name: str) -> np.ndarray:
    return np.concatenate([getattr(found[width], name) for width in widths])


def _shown(found: dict[float, Measures], names: Sequence[str]) -> xr.Dataset:
    """The first matrices of some widths, for a scatter plot."""
    rows = lambda name: [getattr(found[width], name)[:_N_SHOWN] for width in _SHOWN]
    return xr.Dataset({name: (("width", "matrix"), rows(name)) for name in names},
                      {"width": list(_SHOWN)})  # fmt: skip


def run_e4(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Flux against correlation: one curve at weak weights, none at strong ones."""
    key_widths, key_sizes, key_densities = jr.split(key, 3)
    found = _measure_widths(_WIDTHS, progress, key_widths)
    claims = []
    for width, rank in _RANKS.items():
        m = found[width]
        ratio = m.flux / m.weak_flux
        claims += [
            rank_claim("E4", f"rank correlation of I and C, w = {width:g}", rank, m.flux, m.rms),
            # No deviation comes with these means: that of our sample.
            mean_claim("E4", f"I over the weak-coupling law of C, w = {width:g}", _RATIOS[width],
                       float(ratio.std(ddof=1)), ratio, rounding=0.5e-3),
        ]  # fmt: skip
    for name, (widths, rank) in _POOLED.items():
        words = (
            f"rank correlation of I and C, {name} weights pooled, w = {widths[0]:g}-{widths[-1]:g}"
        )
        x, y = _pooled(found, widths, "flux"), _pooled(found, widths, "rms")
        claims.append(rank_claim("E4", words, rank, x, y, n_expected=len(widths) * N_REFERENCE))
    for k, (n_units, (rank, n_expected)) in enumerate(_SIZES.items()):
        progress("sizes", k, len(_SIZES))
        key_size = jr.fold_in(key_sizes, n_units)
        m = measure_matrices(draw_matrices(N_MATRICES, 1.0, n_units=n_units, key=key_size))
        words = f"rank correlation of I and C, w = 1, N = {n_units}"
        claims.append(rank_claim("E4", words, rank, m.flux, m.rms, n_expected=n_expected))
    progress("sizes", len(_SIZES), len(_SIZES))
    for k, ((width, density), rank) in enumerate(_BY_DENSITY.items()):
        progress("densities", k, len(_BY_DENSITY))
        key_density = jr.fold_in(key_densities, k)
        m = measure_matrices(draw_matrices(N_MATRICES, width, density=density, key=key_density))
        words = f"rank correlation of I and C, w = {width:g}, d = {density:g}"
        claims.append(rank_claim("E4", words, rank, m.flux, m.rms))
    progress("densities", len(_BY_DENSITY), len(_BY_DENSITY))
    ranks = [rank_correlation(found[w].flux, found[w].rms) for w in _WIDTHS]
    data = _shown(found, ("flux", "rms"))
    data["rank"] = ("all_widths", ranks)
    return claims, data.assign_coords(all_widths=list(_WIDTHS))


def run_e5(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Other statistics of pairs in place of C."""
    key_widths, key_weak = jr.split(key)
    found = _measure_widths(_WIDTHS, progress, key_widths)
    claims = []
    for width, (pair, pair_spread, modulus, modulus_spread) in _PAIRS.items():
        m, words = found[width], f", w = {width:g}"
        claims += [
            mean_claim("E5", "mean pair information" + words, pair, pair_spread,
                       m.pair_information),
            mean_claim("E5", "mean |correlation|" + words, modulus, modulus_spread,
                       m.mean_modulus),
            rank_claim("E5", "rank correlation of I and pair information" + words,
                       _PAIR_RANKS[width], m.flux, m.pair_information),
        ]  # fmt: skip
    change = 0.0
    for k, (width, (by_c, spread_c, by_w, spread_w)) in enumerate(_WEAK.items()):
        weights = draw_matrices(N_MATRICES, width, key=jr.fold_in(key_weak, k))
        m = measure_matrices(weights)
        covariance = np.asarray(rms_covariances(weights))
        change = max(change, largest_deviation(covariance, m.rms))
        law = np.sum(np.asarray(weights) ** 2, axis=(1, 2)) / (8 * math.log(2.0))
        pairs, ratio = N_UNITS**2 * m.pair_information / m.flux, m.flux / m.weak_flux
        words = f", w = {width:g}"
        claims += [
            mean_claim("E5", "I over N^2 C^2/(2 ln 2)" + words, by_c, spread_c, ratio,
                       n_expected=_N_WEAK, rounding=0.5e-3),
            mean_claim("E5", "I over sum W^2/(8 ln 2)" + words, by_w, spread_w, m.flux / law,
                       n_expected=_N_WEAK, rounding=0.5e-3),
            mean_claim("E5", "sum of pair information over I" + words, _PAIR_SUMS[width],
                       float(pairs.std(ddof=1)), pairs, n_expected=_N_WEAK, rounding=0.5e-3),
        ]  # fmt: skip
    moduli = [name for name in _PROXIES if name != "rms"]
    for name in moduli:
        rank = rank_correlation(_pooled(found, _WIDTHS, "rms"), _pooled(found, _WIDTHS, name))
        words = f"rank correlation of C and {_PROXIES[name]}, all widths pooled"
        claims.append(Claim("E5", words, 1.0, rank, _NEAR_ONE, REFERENCE))
    claims.append(Claim("E5", "largest |RMS covariance - C|; means are zero", 0.0, change,
                        _ROUNDING, DERIVED))  # fmt: skip
    data = _shown(found, ("flux", *moduli)).assign_coords(all_widths=list(_WIDTHS), proxy=moduli)
    ranks = [[rank_correlation(found[w].rms, getattr(found[w], name)) for w in _WIDTHS]
             for name in moduli]  # fmt: skip
    data["rank"] = (("proxy", "all_widths"), ranks)
    return claims, data


def _scatter(data: xr.Dataset, name: str, xlabel: str, ax, **more):
    groups = {
        f"{width:g}": (data[name].values[k], data["flux"].values[k])
        for k, width in enumerate(data["width"].values)
    }
    return plot_scatter(groups, xlabel=xlabel, ylabel="flux I (bits)", title="width w", ax=ax,
                        **more)  # fmt: skip


def draw_e4(data: xr.Dataset):
    """Flux against correlation, and how well one ranks the other."""
    axes = new_axes(1, 2, size=(5.4, 4.4))[0]
    rms = np.linspace(0.0, 0.45, 100)
    law = N_UNITS**2 * rms**2 / (2 * math.log(2.0))
    _scatter(data, "rms", "RMS correlation C", axes[0], curve=("N²C²/(2 ln 2)", rms, law))
    axes[0].set(title="Each point one matrix, N = 5", ylim=(0, 4.6))
    plot_curves(data["all_widths"].values, {"I and C": data["rank"].values},
                xlabel="width w", ylabel="Spearman's rank correlation", ax=axes[1])  # fmt: skip
    axes[1].axhline(0, color="0.6", lw=0.8, ls=":")
    axes[1].set(xscale="log", title="C ranks matrices by I, then against it", ylim=(-1.05, 1.05))
    return axes[0]


def draw_e5(data: xr.Dataset):
    """Flux against each proxy, and how each one ranks matrices beside C."""
    axes = new_axes(2, 2, size=(5.0, 3.9))
    names = [str(name) for name in data["proxy"].values]
    for ax, name in zip(axes.ravel(), names, strict=False):
        _scatter(data, name, _PROXIES[name], ax)
    curves = {_PROXIES[name]: data["rank"].values[k] for k, name in enumerate(names)}
    plot_curves(data["all_widths"].values, curves, xlabel="width w",
                ylabel="rank correlation with C", ax=axes[1, 1])  # fmt: skip
    axes[1, 1].set(xscale="log", ylim=(0, 1.05), title="Within one width")
    return axes[0, 0]
