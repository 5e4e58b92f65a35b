"""What the experiments share: where numbers come from, mean field at a gain, running a network."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
from jaxtyping import Array

from rnngeo._progress import Progress, silent
from rnngeo._types import Key, Nonlinearity
from rnngeo.geometry import ActivityCovariances, accumulate_covariances
from rnngeo.meanfield import FourPoint, SingleSite, four_point, single_site, unit_slope_erf
from rnngeo.models import RateFlow

from .._claims import Claim, reachable

REFERENCE = "independent program"
PUBLISHED = "published"
DERIVED = "derived"
MEAN_FIELD = "mean field"

NONLINEARITIES: dict[str, Nonlinearity] = {"erf": unit_slope_erf, "tanh": jnp.tanh}

INDEPENDENT, ORTHOGONAL = 0.0, -1.0  # inverse effective ranks


def relative_claim(
    experiment: str, words: str, expected: float, measured, relative: float, source: str
) -> Claim:
    """A claim whose tolerance is a fraction of the expected number."""
    allowed = reachable(relative) * abs(expected)
    return Claim(experiment, words, expected, float(measured), allowed, source)


def digits_claim(
    experiment: str, words: str, expected: float, measured, digits: int, source: str
) -> Claim:
    """A claim that the number agrees in all its significant digits: half a unit of the last."""
    place = math.floor(math.log10(abs(expected))) - digits + 1
    allowed = max(0.5 * 10.0**place, reachable(0.0) * abs(expected))
    return Claim(experiment, words, expected, float(measured), allowed, source)


def rank_name(inverse_rank: float) -> str:
    """How a rank is called in tables and legends."""
    if inverse_rank == INDEPENDENT:
        return "independent"
    return "orthogonal" if inverse_rank == ORTHOGONAL else f"er = {1 / inverse_rank:g}"


def mean_and_error(samples: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Mean, its standard error, and the standard deviation over networks."""
    values = np.asarray(samples, float)
    spread = float(values.std(ddof=1))
    return float(values.mean()), spread / math.sqrt(values.size), spread


@eqx.filter_jit
def _mean_field(gain: Array, nonlinearity: Nonlinearity) -> tuple[SingleSite, FourPoint]:
    site = single_site(gain, nonlinearity)
    return site, four_point(site)


def mean_field(
    gain: float, nonlinearity: Nonlinearity = unit_slope_erf
) -> tuple[SingleSite, FourPoint]:
    """One neuron, and the covariances between neurons, at an effective gain."""
    return _mean_field(jnp.asarray(gain, float), nonlinearity)


def run_network(
    weights: lx.AbstractLinearOperator,
    gain: float,
    *,
    block_time: float,
    n_blocks: int,
    n_replicas: int,
    lags: tuple[float, ...] = (0.0,),
    max_delay: float = 20.0,
    has_currents: bool = True,
    dt: float = 0.2,
    progress: Progress = silent,
    key: Key,
) -> ActivityCovariances:
    """Covariances of a network with unit-slope erf, from starts of the size of its activity."""
    network = RateFlow(weights, nonlinearity=unit_slope_erf)  # pyright: ignore[reportCallIssue]
    x0 = gain * jr.normal(key, (n_replicas, network.n_units))
    return accumulate_covariances(
        network,
        x0,
        block_time=block_time,
        n_blocks=n_blocks,
        transient=60.0,
        gap=40.0,
        dt=dt,
        lags=lags,
        max_delay=max_delay,
        has_currents=has_currents,
        progress=progress,
    )
