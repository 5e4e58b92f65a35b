"""PRX8: singular values of random-mode matrices, and the rank read off them."""

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
from rnngeo.connectivity import (
    exponential_strengths,
    gaussian_bulk,
    orthogonal_bulk,
    random_modes,
    singular_value_density,
    singular_value_edges,
    singular_value_ratio,
    singular_value_ratio_from_rank,
    strength_participation_ratio,
    with_gains,
)
from rnngeo.plotting import new_axes, plot_curves, plot_histogram

from .._claims import Claim
from ._setting import DERIVED, REFERENCE, relative_claim

N_UNITS, N_MATRICES = 600, 8
_FRACTIONS = (0.1, 0.25, 0.5, 1.0, 2.0)  # alpha
_EDGES = {0.25: (0.36901, 1.7602), 1.0: (0.0, 2.5981)}
_RATIOS = {0.25: 0.16667, 1.0: 0.33333}  # PR^S of constant strengths
_TRACY_WIDOM = (-1.2065, 1.2680)  # mean and standard deviation at beta = 1


@eqx.filter_jit
def _singular_values(
    n_units: int, n_modes: int, keys: Keys[Array, " matrix"]
) -> Float[Array, "matrix value"]:
    """Of L R^T for every key: the min(N, M) that are not zero, descending."""

    def draw(key):
        return random_modes(n_units, jnp.ones(n_modes), is_factored=False, key=key).as_matrix()

    values = jax.lax.map(lambda key: jnp.linalg.svd(draw(key), compute_uv=False), keys)
    return values[:, : min(n_units, n_modes)]


def _edge_scale(alpha: float, edge: float, inward: float, n_values: int) -> float:
    """Width of the fluctuations at an edge where the density is A sqrt(distance).

    The extreme value is Tracy-Widom distributed in units of (pi n A)^(-2/3).
    """
    height = singular_value_density(edge + inward * 1e-5, alpha) / math.sqrt(1e-5)
    return float((math.pi * n_values * height) ** (-2 / 3))


def _compare_edges(found: dict[float, np.ndarray]) -> list[Claim]:
    claims = []
    for alpha, expected in _EDGES.items():
        for name, number, value in zip(
            ("lower", "upper"), expected, singular_value_edges(alpha), strict=True
        ):
            words = f"{name} edge, alpha = {alpha:g}"
            claims.append(
                Claim("PRX8", words, number, float(value), 1e-4 * max(number, 0.1), REFERENCE)
            )
    for alpha, values in found.items():
        lower, upper = (float(edge) for edge in singular_value_edges(alpha))
        n_matrices, n_values = values.shape
        ends = [("largest", upper, -1.0, values[:, 0])]
        if lower > 0:
            ends.append(("smallest", lower, 1.0, values[:, -1]))
        for name, edge, inward, extreme in ends:
            # Means of Tracy-Widom variables; corrections are smaller by another n^(-1/3).
            scale = _edge_scale(alpha, edge, inward, n_values)
            expected = edge - inward * _TRACY_WIDOM[0] * scale
            allowed = 4 * _TRACY_WIDOM[1] * scale / math.sqrt(n_matrices) + scale**1.5
            words = f"{name} singular value, alpha = {alpha:g}, mean of {n_matrices}, N = {N_UNITS}"
            claims.append(Claim("PRX8", words, expected, float(extreme.mean()), allowed, DERIVED))
        # Eigenvalues are rigid: counts leave the limit by order log(n), hardly more.
        share = np.linspace(0.0, 1.0, 4001)
        grid = lower + (upper - lower) * share**3  # at alpha = 1 the density has a pole at 0
        density = 3 * share**2 * (upper - lower) * np.asarray(singular_value_density(grid, alpha))
        steps = 0.5 * (density[1:] + density[:-1]) * np.diff(share)
        limit = np.interp(values, grid, np.concatenate([[0.0], np.cumsum(steps)]))
        place = 1 - (np.arange(n_values) + 0.5) / n_values
        distance = float(np.max(np.abs(limit - place)))
        words = f"distance of the distributions of singular values, alpha = {alpha:g}"
        claims.append(Claim("PRX8", words, 0.0, distance, math.log(n_values) / n_values, DERIVED))
    return claims


def _compare_ratios(key: Key) -> list[Claim]:
    """PR^S of sampled matrices; the mean of 1/PR^S over matrices is what self-averages.

    For Gaussian modes 1/PR^S has the mean 2 + 1/er + (1 + 2/er)/N + O(1/N^2), Wick's theorem.
    """
    claims = [
        relative_claim("PRX8", f"PR^S, constant strengths, alpha = {alpha:g}", expected,
                       singular_value_ratio_from_rank(1 / alpha), 1e-4, REFERENCE)
        for alpha, expected in _RATIOS.items()
    ]  # fmt: skip
    gains = exponential_strengths(N_UNITS, 0.3)
    modes = lambda rank: (
        lambda key: random_modes(
            N_UNITS, exponential_strengths(N_UNITS, rank), is_factored=False, key=key
        )
    )
    gained = lambda key: with_gains(modes(1.0)(key), column_gains=jr.permutation(key, gains))
    gain_ratio = float(strength_participation_ratio(gains))
    cases = {
        "independent": (lambda key: gaussian_bulk(N_UNITS, 1.0, key=key), 0.0, 1.0),
        "orthogonal": (lambda key: orthogonal_bulk(N_UNITS, key=key), -1.0, 1.0),
        "exponential, er = 0.3": (modes(0.3), 1 / 0.3, 1.0),
        f"exponential, er = 1, gains with PR^G = {gain_ratio:g}": (gained, 1.0, gain_ratio),
    }
    for k, (name, (draw, inverse_rank, ratio)) in enumerate(cases.items()):
        keys = jr.split(jr.fold_in(key, k), N_MATRICES)
        values = 1 / np.array([float(singular_value_ratio(draw(key).as_matrix())) for key in keys])
        expected = 1 / float(singular_value_ratio_from_rank(inverse_rank, gain_ratio=ratio))
        error = float(values.std(ddof=1)) / math.sqrt(N_MATRICES)
        offset = 0.0 if inverse_rank < 0 else 2 * (1 + 2 * inverse_rank) / (ratio * N_UNITS)
        rounding = 1e2 * float(np.finfo(values.dtype).eps)
        words = f"1/PR^S, {name}, mean of {N_MATRICES}, N = {N_UNITS}"
        claims.append(
            Claim("PRX8", words, expected, float(values.mean()), 4 * error + offset + rounding,
                  DERIVED)
        )  # fmt: skip
    return claims


def run_prx8(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Edges and density against sampled matrices."""
    key_values, key_ratios = jr.split(key)
    found = {}
    for k, alpha in enumerate(_FRACTIONS):
        progress("matrices", k, len(_FRACTIONS))
        keys = jr.split(jr.fold_in(key_values, k), N_MATRICES)
        found[alpha] = np.asarray(_singular_values(N_UNITS, round(alpha * N_UNITS), keys))
    claims = _compare_edges(found) + _compare_ratios(key_ratios)
    progress("matrices", len(_FRACTIONS), len(_FRACTIONS))
    edges = np.linspace(0.0, 3.6, 73)
    alphas = np.geomspace(0.02, 3.0, 80)
    s = np.linspace(1e-3, 3.6, 721)
    data = xr.Dataset(
        {
            "density": (
                ("alpha", "bin"),
                [np.histogram(v, edges, density=True)[0] for v in found.values()]),
            "limit": (
                ("alpha", "singular_value"),
                [np.asarray(singular_value_density(s, alpha)) for alpha in found]),
            "edges": (
                ("end", "fraction"),
                np.array([[float(e) for e in singular_value_edges(a)] for a in alphas]).T),
            "extremes": (
                ("end", "alpha"),
                np.array([[v[:, -1].mean(), v[:, 0].mean()] for v in found.values()]).T),
            "bin_edge": ("edge", edges),
        },
        {"alpha": list(found), "singular_value": s, "fraction": alphas,
         "end": ["lower edge", "upper edge"]},
        {"n_units": N_UNITS},
    )  # fmt: skip
    return claims, data


def draw_prx8(data: xr.Dataset):
    """Histograms with their limits, and the edges against the number of modes."""
    axes = new_axes(1, 2, size=(5.4, 4.2))[0]
    alphas = data["alpha"].values
    shown = [k for k, alpha in enumerate(alphas) if alpha in (0.1, 0.5, 1.0)]
    s = data["singular_value"].values
    plot_histogram(
        data["bin_edge"].values,
        {f"α = {alphas[k]:g}": data["density"].values[k] for k in shown},
        curves={f"α = {alphas[k]:g}": (s, data["limit"].values[k]) for k in shown},
        xlabel="singular value of L Rᵀ, not zero",
        ax=axes[0],
    )
    axes[0].set(title=f"Histogram, N = {data.attrs['n_units']}, and limit", ylim=(0, 1.8))
    names = [str(name) for name in data["end"].values]
    plot_curves(
        data["fraction"].values,
        dict(zip(names, data["edges"].values, strict=True)),
        points={
            name: (alphas, values, np.zeros(alphas.size))
            for name, values in zip(names, data["extremes"].values, strict=True)
        },
        xlabel="modes per unit α",
        ylabel="singular value",
        ax=axes[1],
    )
    axes[1].set_title("Edges and extreme values")
    return axes[0]
