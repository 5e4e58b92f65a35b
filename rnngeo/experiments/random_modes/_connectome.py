"""PRX1: what the singular values of a measured matrix say, on a synthetic one."""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import (
    balance_signed,
    effective_gain,
    exponential_strengths,
    gaussian_bulk,
    inverse_effective_rank,
    random_modes,
    singular_value_ratio,
    singular_value_ratio_from_rank,
)
from rnngeo.meanfield import activity_participation_ratio, participation_ratio_curves
from rnngeo.numerics import tolerances
from rnngeo.plotting import new_axes, plot_curves, plot_singular_values

from .._claims import Claim, reachable
from ._setting import (
    DERIVED,
    INDEPENDENT,
    PUBLISHED,
    REFERENCE,
    digits_claim,
    mean_and_error,
    mean_field,
    relative_claim,
)

N_UNITS, N_MATRICES = 400, 8
PUBLISHED_RATIO, PUBLISHED_RANK = 0.18, 0.281  # PR^S and er of the balanced hemibrain
_EXACT_RANK = 0.28125  # of that PR^S
_RATIOS = {2.0: 0.005697, 3.0: 0.01323, 10.0: 0.03036}  # gain: PR of rates at that rank
_HIDDEN_RANK = 0.3  # of the modes behind the synapse counts
_EXCITATORY = 0.7  # share of neurons
_LOG_MEAN, _LOG_SPREAD = -1.5, 1.5  # of synapse counts; one pair in six has a synapse at all
_GAINS = np.linspace(1.2, 12.0, 19)


def synthetic_synapses(n_units: int, *, key: Key) -> Float[Array, "n_units n_units"]:
    """Whole numbers of synapses, sparse and heavy-tailed, all of one sign in a column.

    The integer part of lognormal numbers, whose logarithms are the entries of a random-mode matrix.
    """
    key_modes, key_signs = jr.split(key)
    strengths = exponential_strengths(n_units, _HIDDEN_RANK, math.sqrt(n_units))
    entries = random_modes(n_units, strengths, is_factored=False, key=key_modes).as_matrix()
    counts = jnp.floor(jnp.exp(_LOG_MEAN + _LOG_SPREAD * entries))
    is_excitatory = jr.uniform(key_signs, (n_units,)) < _EXCITATORY
    return jnp.where(is_excitatory, counts, -counts)


def compare_balance(weights: np.ndarray) -> list[Claim]:
    """Norms of rows and columns, each sign apart."""
    squares = np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)]) ** 2
    rows, columns = squares.sum(axis=2), squares.sum(axis=1)
    has_sign = columns > 0
    # Under Dale's law the columns of a sign share its total, half of all, evenly.
    wanted = 0.5 * len(weights) / has_sign.sum(axis=1, keepdims=True)
    rest = np.where(has_sign, columns / wanted - 1, 0.0)
    allowed = tolerances(weights.dtype)["rtol"]
    return [
        Claim("PRX1", "synthetic, balanced: squared norms of rows, each sign, largest |2 n - 1|",
              0.0, float(np.abs(2 * rows - 1).max()), reachable(1e-10), DERIVED),
        Claim("PRX1", "synthetic, balanced: squared norms of columns, largest relative deviation",
              0.0, float(np.abs(rest).max()), allowed, DERIVED),
        relative_claim("PRX1", "synthetic, balanced: effective gain", 1.0,
                       effective_gain(weights), 1e-10, DERIVED),
    ]  # fmt: skip


def compare_ensemble(words: str, draw, inverse_rank: float, n_units: int, key: Key) -> Claim:
    """Mean of 1/PR^S of sampled matrices against 2 + 1/er.

    For Gaussian modes it has the mean 2 + 1/er + (1 + 2/er)/N + O(1/N^2), Wick's theorem; the
    tolerance takes twice that term and four standard errors.
    """
    ratio = lambda key: singular_value_ratio(draw(key).as_matrix())
    values = 1 / np.asarray(jax.lax.map(ratio, jr.split(key, N_MATRICES)))
    mean, error, _ = mean_and_error(values)
    offset = 2 * (1 + 2 * inverse_rank) / n_units
    words = f"1/PR^S, {words}, mean of {N_MATRICES}, N = {n_units}"
    return Claim("PRX1", words, 2 + inverse_rank, mean, 4 * error + offset, DERIVED)


def _compare_published() -> list[Claim]:
    """The number of the connectome, its rank, and the dimension at that rank."""
    place = inverse_effective_rank(PUBLISHED_RATIO)
    words = f"effective rank of couplings with PR^S = {PUBLISHED_RATIO}"
    claims = [
        digits_claim("PRX1", words, PUBLISHED_RANK, 1 / place, 3, PUBLISHED),
        digits_claim("PRX1", f"{words}, exactly", _EXACT_RANK, 1 / place, 5, DERIVED),
    ]
    for gain, expected in _RATIOS.items():
        found = activity_participation_ratio(mean_field(gain)[1], place)
        words = f"PR of rates, g = {gain:g}, couplings with PR^S = {PUBLISHED_RATIO}"
        claims.append(digits_claim("PRX1", words, expected, found, 4, REFERENCE))
    return claims


def run_prx1(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """A signed matrix, balanced, its singular values, its effective rank and what follows.

    The published connectome is not distributed with this package: the matrix here is synthetic and
    only what is provable of it is claimed. `rnngeo dimension MATRIX` does the same with a file.
    Its one large singular value is that of the mean, which signs by columns do not balance.
    """
    progress("matrices", 0, 1)
    key_synapses, key_gaussian, key_modes = jr.split(key, 3)
    synapses = synthetic_synapses(N_UNITS, key=key_synapses)
    weights = np.asarray(balance_signed(synapses, drop=True).weights)
    n_units = len(weights)
    claims = compare_balance(weights)
    values = np.linalg.svd(weights, compute_uv=False)
    ratio = float(singular_value_ratio(weights))
    place = float(inverse_effective_rank(ratio))
    strengths = exponential_strengths(n_units, 1 / place)
    modes = lambda key: random_modes(n_units, strengths, is_factored=False, key=key)
    claims += [
        relative_claim("PRX1", "synthetic: PR^S from traces over PR^S from singular values", 1.0,
                       ratio / float(singular_value_ratio(values)), 1e-10, DERIVED),
        relative_claim("PRX1", "synthetic: PR^S of its effective rank over its PR^S", 1.0,
                       singular_value_ratio_from_rank(place) / ratio, 1e-10, DERIVED),
        compare_ensemble("random modes of the rank of the synthetic matrix", modes, place, n_units,
                         key_modes),
        compare_ensemble("independent", lambda key: gaussian_bulk(n_units, 1.0, key=key),
                         INDEPENDENT, n_units, key_gaussian),
        *_compare_published(),
    ]  # fmt: skip
    progress("matrices", 1, 1)
    ranks = np.array([INDEPENDENT, float(inverse_effective_rank(PUBLISHED_RATIO)), place])
    data = xr.Dataset(
        {
            "singular_value": ("index", values),
            "ratio": (("gain", "inverse_rank"),
                      np.asarray(participation_ratio_curves(_GAINS, ranks))),
        },
        {"gain": _GAINS, "inverse_rank": ranks},
        {"ratio_synthetic": ratio},
    )  # fmt: skip
    return claims, data


def draw_prx1(data: xr.Dataset):
    """Singular values beside those of independent entries, and the dimension that follows."""
    axes = new_axes(1, 2, size=(5.2, 4.2))[0]
    ratio = data.attrs["ratio_synthetic"]
    plot_singular_values(data["singular_value"].values, ax=axes[0])
    axes[0].set_title(f"Synthetic matrix, PR$^S$ = {ratio:.2g}; independent 0.5")
    names = ("independent, PR$^S$ = 0.5", f"published connectome, PR$^S$ = {PUBLISHED_RATIO}",
             f"synthetic, PR$^S$ = {ratio:.2g}")  # fmt: skip
    curves = dict(zip(names, data["ratio"].values.T, strict=True))
    plot_curves(data["gain"].values, curves, xlabel="gain g",
                ylabel="participation ratio PR", ax=axes[1])  # fmt: skip
    axes[1].set(title="Dimension of random modes of that PR$^S$, erf")
    return axes[0]
