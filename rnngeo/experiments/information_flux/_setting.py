"""What the experiments share: where numbers come from, random ensembles, claims on samples."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float
from jaxtyping import Key as Keys
from scipy.stats import spearmanr

from rnngeo._types import Key, ScalarLike
from rnngeo.connectivity import signed_ensemble
from rnngeo.information import correlations, information_flux, weak_coupling_flux
from rnngeo.models import BinaryNetwork

from .._claims import Claim

REFERENCE = "independent program"
SAMPLED = "independent program, sampled"
DERIVED = "derived"

N_UNITS = 5
N_REFERENCE = 400  # matrices behind every sampled number expected of an ensemble
_AT_ONCE = 128  # networks of five units whose matrices stay in the cache
_SIGMAS = 4.0
EPS = float(np.finfo(np.float64).eps)
ROUNDING = N_UNITS * 2**N_UNITS * EPS  # of sums over states and units
DIGITS = 0.5e-12 + ROUNDING  # twelve decimals expected
_PLACES = 0.5e-4  # half a unit of the last digit of the numbers expected


@dataclasses.dataclass(frozen=True)
class Measures:
    """Exact measures of many networks, one number each.

    Attributes:
        entropy: H in bits.
        divergence: D in bits.
        flux: I in bits.
        rms: C, RMS correlation one step apart.
        mean_modulus: Mean modulus of the same.
        rms_equal_time: RMS correlation at equal times.
        pair_information: Mean information of pairs one step apart, in bits.
    """

    entropy: np.ndarray
    divergence: np.ndarray
    flux: np.ndarray
    rms: np.ndarray
    mean_modulus: np.ndarray
    rms_equal_time: np.ndarray
    pair_information: np.ndarray

    @property
    def weak_flux(self) -> np.ndarray:
        r"""Flux in bits that C would mean at weak weights, $N^2C^2/(2\ln 2)$ with N = 5."""
        return np.asarray(weak_coupling_flux(jnp.asarray(self.rms), N_UNITS))


def _measure(weights: Float[Array, "n_units n_units"]) -> tuple[Array, ...]:
    network = BinaryNetwork(weights)
    flux = information_flux(network)
    pairs = correlations(network, flux.law)
    return (
        flux.entropy,
        flux.divergence,
        flux.flux,
        pairs.rms,
        pairs.mean_modulus,
        pairs.rms_equal_time,
        pairs.mean_pair_information,
    )


@eqx.filter_jit
def _measure_all(weights: Float[Array, "matrix n_units n_units"]) -> tuple[Array, ...]:
    return jax.lax.map(_measure, weights, batch_size=_AT_ONCE)


@eqx.filter_jit
def _draw(
    n_units: int,
    width: ScalarLike,
    density: ScalarLike,
    balance: ScalarLike,
    keys: Keys[Array, " matrix"],
) -> Float[Array, "matrix n_units n_units"]:
    def draw(key):
        operator = signed_ensemble(n_units, width, density=density, balance=balance, key=key)
        return operator.as_matrix()

    return jax.vmap(draw)(keys)


def draw_matrices(
    n_matrices: int,
    width: float,
    *,
    density: float = 1.0,
    balance: float = 0.0,
    n_units: int = N_UNITS,
    key: Key,
) -> Float[Array, "matrix n_units n_units"]:
    """Matrices of the ensemble."""
    numbers = (jnp.asarray(v, float) for v in (width, density, balance))
    return _draw(n_units, *numbers, jr.split(key, n_matrices))


def measure_matrices(weights: Float[Array, "matrix n_units n_units"]) -> Measures:
    """Exact measures of each matrix, without bias."""
    return Measures(*(np.asarray(v) for v in _measure_all(weights)))


def sampling_tolerance(spread: float, n_expected: int, n_measured: int) -> float:
    """Four standard errors of the difference of two means of independent samples."""
    return _SIGMAS * spread * math.sqrt(1 / n_expected + 1 / n_measured)


def mean_claim(
    experiment: str,
    words: str,
    expected: float,
    spread: float,
    values: np.ndarray,
    *,
    n_expected: int = N_REFERENCE,
    rounding: float = _PLACES,
) -> Claim:
    """A claim on a mean over samples of some standard deviation.

    Args:
        experiment: "E1".
        words: The statement.
        expected: Mean of `n_expected` samples of the other program.
        spread: Standard deviation over samples: given with `expected`, or of `values` where it is
            not; the allowance is then itself uncertain by a share 1/sqrt(2 n).
        values: Our samples.
        n_expected: Number of samples behind `expected`.
        rounding: What rounding to the last digit allows.

    Returns:
        The claim.
    """
    allowed = sampling_tolerance(spread, n_expected, values.size) + rounding
    return Claim(experiment, words, expected, float(np.mean(values)), allowed, SAMPLED)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's coefficient."""
    return float(np.asarray(spearmanr(x, y).statistic))


def rank_claim(
    experiment: str,
    words: str,
    expected: float,
    x: np.ndarray,
    y: np.ndarray,
    *,
    n_expected: int = N_REFERENCE,
) -> Claim:
    r"""A claim on Spearman's coefficient, its tolerance by Fisher's transformation.

    $z = \mathrm{artanh}\,\rho$ has the variance $(1 + \rho^2/2)/(n - 3)$ (Bonett & Wright,
    Psychometrika 65, 23 (2000)), so $\rho$ has $(1 - \rho^2)$ times its root; the number expected
    has three decimals.
    """
    place = 0.5e-3
    rho = min(abs(expected), 1 - place)
    variance = (1 + rho**2 / 2) * (1 / (n_expected - 3) + 1 / (x.size - 3))
    allowed = _SIGMAS * (1 - rho**2) * math.sqrt(variance) + place
    return Claim(experiment, words, expected, rank_correlation(x, y), allowed, SAMPLED)
