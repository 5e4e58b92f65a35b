"""Networks of several ensembles against the mean field: variances, dimension, sampling bias."""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import xarray as xr

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import (
    exponential_strengths,
    gaussian_bulk,
    orthogonal_bulk,
    random_modes,
    step_strengths,
)
from rnngeo.geometry import (
    block_products,
    cross_participation_ratio,
    harmonic_mean,
    independent_samples,
    naive_participation_ratio,
)
from rnngeo.meanfield import Observable, activity_participation_ratio
from rnngeo.plotting import new_axes, plot_curves, plot_deviations

from .._claims import Claim
from ._sampling import sampling_bias, sampling_terms
from ._setting import (
    DERIVED,
    INDEPENDENT,
    MEAN_FIELD,
    ORTHOGONAL,
    mean_and_error,
    mean_field,
    run_network,
)

_STEP_RANK, _EXPONENTIAL_RANK = 0.2, 0.3


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Networks of one kind and size, and how long they run.

    Attributes:
        draw: From N, the gain and a key to the couplings.
        gain: Effective gain.
        inverse_rank: 1/er.
        n_units: N.
        n_networks: How many.
        block_time: Time of each of three blocks of each of four replicas.
        dt: Step of the solver.
    """

    draw: Callable[..., lx.AbstractLinearOperator]
    gain: float
    inverse_rank: float
    n_units: int
    n_networks: int
    block_time: float = 80.0
    dt: float = 0.2


def _step(n_units: int, gain: float, *, key: Key) -> lx.AbstractLinearOperator:
    return random_modes(n_units, step_strengths(n_units, _STEP_RANK, gain), key=key)


def _exponential(n_units: int, gain: float, *, key: Key) -> lx.AbstractLinearOperator:
    strengths = exponential_strengths(n_units, _EXPONENTIAL_RANK, gain)
    return random_modes(n_units, strengths, key=key)


# The first three are one ensemble at three sizes: with hardly any scatter it shows what is left.
_TIGHT = ("orthogonal, N = 200", "orthogonal, N = 400", "orthogonal, N = 800")
ENSEMBLES = {
    _TIGHT[0]: Ensemble(orthogonal_bulk, 3.0, ORTHOGONAL, 200, 24, 200.0),
    _TIGHT[1]: Ensemble(orthogonal_bulk, 3.0, ORTHOGONAL, 400, 6, 300.0),
    _TIGHT[2]: Ensemble(orthogonal_bulk, 3.0, ORTHOGONAL, 800, 2, 200.0),
    "independent": Ensemble(gaussian_bulk, 3.0, INDEPENDENT, 800, 8),
    "independent, g = 10": Ensemble(gaussian_bulk, 10.0, INDEPENDENT, 500, 8, 60.0, 0.1),
    "step, er = 0.2": Ensemble(_step, 3.0, 1 / _STEP_RANK, 800, 16, 40.0),
    "exponential, er = 0.3": Ensemble(_exponential, 3.0, 1 / _EXPONENTIAL_RANK, 800, 16, 40.0),
}
_QUANTITIES = ("C(0)", "Delta0", "PR of rates", "PR of currents")


def _theory(ensemble: Ensemble) -> np.ndarray:
    site, parts = mean_field(ensemble.gain)
    ratios = [
        activity_participation_ratio(parts, ensemble.inverse_rank, observable=observable)
        for observable in (Observable.RATE, Observable.CURRENT)
    ]
    return np.array([float(v) for v in (site.variance_rate, site.variance_current, *ratios)])


@dataclasses.dataclass(frozen=True)
class _Found:
    """Numbers of every network: variances and ratios, errors of the ratios, sampling."""

    values: np.ndarray  # network, quantity
    errors: np.ndarray  # network, ratio: within the network, from its blocks
    naive: np.ndarray  # network: PR of rates of all samples
    bias: np.ndarray  # network: what all samples add to 1/PR of rates, and its error
    sampling: np.ndarray  # network: T_total/T_eff, and its error
    n_samples: int  # in a block


def _measure(ensemble: Ensemble, stage: str, progress: Progress, key: Key) -> _Found:
    rows, errors, naive, bias, sampling = [], [], [], [], []
    n_samples = 0
    for k in range(ensemble.n_networks):
        progress(stage, k, ensemble.n_networks)
        key_weights, key_starts = jr.split(jr.fold_in(key, k))
        run = run_network(
            ensemble.draw(ensemble.n_units, ensemble.gain, key=key_weights), ensemble.gain,
            block_time=ensemble.block_time, n_blocks=3, n_replicas=4, dt=ensemble.dt,
            key=key_starts,
        )  # fmt: skip
        assert run.currents is not None  # asked for
        rates, currents = block_products(run.rates), block_products(run.currents)
        ratios = [cross_participation_ratio(products) for products in (rates, currents)]
        rows.append([float(np.mean(p.traces)) for p in (rates, currents)]
                    + [float(ratio.value) for ratio in ratios])  # fmt: skip
        errors.append([float(ratio.error) for ratio in ratios])
        naive.append(float(naive_participation_ratio(rates).value))
        bias.append(sampling_bias(rates))
        worth, n_samples = independent_samples(rates), rates.n_samples
        times = n_samples * rates.traces.shape[0] / float(worth.value)
        sampling.append([times, times * float(worth.error / worth.value)])
    progress(stage, ensemble.n_networks, ensemble.n_networks)
    found = (np.array(v) for v in (rows, errors, naive, bias, sampling))
    return _Found(*found, n_samples)


def summarise(found: _Found) -> np.ndarray:
    """Mean, error and relative variance of every quantity, shape `(3, quantity)`.

    Ratios are averaged as 1/PR. The error is the larger of that of the scatter over networks and
    of that of the blocks within them, which bounds it where networks are few.
    """
    result = np.empty((3, found.values.shape[1]))
    n_networks = found.values.shape[0]
    for q, samples in enumerate(found.values.T):
        mean, error, spread = mean_and_error(samples)
        relative = spread / mean
        if q >= 2:
            average = harmonic_mean(jnp.asarray(samples))
            mean, error = float(average.value), float(average.error)
            relative = error / mean * math.sqrt(n_networks)
            within = math.sqrt(float(np.mean(found.errors[:, q - 2] ** 2)) / n_networks)
            error = max(error, within)
        result[:, q] = mean, error, relative**2
    return result


def compare_means(
    name: str, ensemble: Ensemble, found: _Found, offset: tuple[float, float]
) -> list[Claim]:
    """Means against the mean field.

    Tolerance: four standard errors, and what remains at finite N. For variances that is of the
    order of 1/N or of their relative variance over networks. For 1/PR, the ratio of a mean square
    covariance to a squared variance, it is three times that relative variance, and `offset`/N, what
    the ensemble without scatter shows.
    """
    claims = []
    theory, (means, errors, variances) = _theory(ensemble), summarise(found)
    for q, quantity in enumerate(_QUANTITIES):
        scatter = variances[q % 2]  # of the variance of the same observable
        is_ratio = q >= 2
        bias = 3 * scatter if is_ratio else scatter
        bias += (offset[q - 2] if is_ratio else 1.0) / ensemble.n_units
        words = f"{name}: {quantity}, {ensemble.n_networks} networks"
        claims.append(
            Claim("networks", words, float(theory[q]), float(means[q]),
                  float(4 * errors[q] + bias * theory[q]), MEAN_FIELD)
        )  # fmt: skip
    return claims


def compare_sizes(found: dict[str, _Found], ensembles: dict[str, Ensemble]) -> list[Claim]:
    """The ensemble without scatter: the largest size, and how the rest falls with N.

    What is left at one size shrinks by the ratio of the sizes or faster, and so bounds what is left
    at the next.
    """
    claims = []
    small, middle, large = (ensembles[name] for name in _TIGHT)
    summaries = [summarise(found[name]) for name in _TIGHT]
    for q in (2, 3):
        theory = _theory(large)[q]
        rest, error = (np.array([s[k, q] for s in summaries]) for k in (0, 1))
        rest = (rest - theory) / theory
        error = error / theory
        bound = abs(rest[1]) * middle.n_units / large.n_units
        words = f"{_TIGHT[2]}: {_QUANTITIES[q]}, {large.n_networks} networks"
        claims.append(
            Claim("networks", words, float(theory), float(theory * (1 + rest[2])),
                  float(theory * (4 * error[2] + bound)), MEAN_FIELD)
        )  # fmt: skip
        ratio, fair = rest[1] / rest[0], small.n_units / middle.n_units
        ratio_error = math.hypot(error[1], ratio * error[0]) / abs(rest[0])
        words = (f"orthogonal: deviation of {_QUANTITIES[q]} at N = {middle.n_units} over that at "
                 f"N = {small.n_units}, from 0 to {fair:g}")  # fmt: skip
        claims.append(
            Claim("networks", words, fair / 2, float(ratio), fair / 2 + 4 * float(ratio_error),
                  DERIVED)
        )  # fmt: skip
    return claims


def compare_sampling(name: str, ensemble: Ensemble, found: _Found) -> list[Claim]:
    """By how much all samples together underestimate the dimension."""
    first, second = sampling_terms(
        ensemble.gain, ensemble.inverse_rank, ensemble.n_units, found.n_samples
    )
    n_networks = ensemble.n_networks
    scale = 12 * ensemble.block_time / ensemble.n_units  # T_total/N
    claims = []
    for words, rows in (
        ("(1/PR of all samples - 1/PR across blocks) T/N", scale * found.bias),
        ("T/T_eff from the autocovariance", found.sampling),
    ):
        error = math.sqrt(float(np.sum(rows[:, 1] ** 2))) / n_networks
        allowed = 4 * error + second * first + first / ensemble.n_units
        claims.append(
            Claim("networks", f"{name}: {words}", first, float(rows[:, 0].mean()), allowed,
                  MEAN_FIELD)
        )  # fmt: skip
    return claims


def run_networks(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """All ensembles."""
    found = {
        name: _measure(ensemble, name, progress, jr.fold_in(key, k))
        for k, (name, ensemble) in enumerate(ENSEMBLES.items())
    }
    middle = ENSEMBLES[_TIGHT[1]]
    rest = summarise(found[_TIGHT[1]])[0] / _theory(middle) - 1
    offset = middle.n_units * abs(float(rest[2])), middle.n_units * abs(float(rest[3]))
    claims = []
    for name, ensemble in ENSEMBLES.items():
        means = compare_means(name, ensemble, found[name], offset)
        claims += means[:2] if name in _TIGHT else means
    claims += compare_sizes(found, ENSEMBLES)
    claims += compare_sampling(_TIGHT[2], ENSEMBLES[_TIGHT[2]], found[_TIGHT[2]])
    table = np.array([summarise(values) for values in found.values()])
    theory = np.array([_theory(ensemble) for ensemble in ENSEMBLES.values()])
    sizes = [ENSEMBLES[name].n_units for name in _TIGHT]
    data = xr.Dataset(
        {
            "mean": (("ensemble", "quantity"), table[:, 0]),
            "error": (("ensemble", "quantity"), table[:, 1]),
            "mean_field": (("ensemble", "quantity"), theory),
            "naive": ("ensemble", [1 / np.mean(1 / v.naive) for v in found.values()]),
            "n_units": ("ensemble", [e.n_units for e in ENSEMBLES.values()]),
        },
        {"ensemble": list(ENSEMBLES), "quantity": list(_QUANTITIES)},
        {"n_sizes": len(sizes)},
    )
    return claims, data


def draw_networks(data: xr.Dataset):
    """Relative deviations of all ensembles, and the fall with N of those without scatter."""
    axes = new_axes(1, 2, size=(5.6, 4.8))[0]
    theory = data["mean_field"].values
    rest, error = data["mean"].values / theory - 1, data["error"].values / theory
    names = [str(name) for name in data["ensemble"].values]
    quantities = [str(name) for name in data["quantity"].values]
    plot_deviations(
        names,
        {quantity: rest[:, q] for q, quantity in enumerate(quantities)},
        {quantity: error[:, q] for q, quantity in enumerate(quantities)},
        xlabel="simulation / mean field - 1",
        ax=axes[0],
    )
    n = int(data.attrs["n_sizes"])
    sizes = data["n_units"].values[:n].astype(float)
    grid = np.geomspace(0.8 * sizes[0], 1.25 * sizes[-1], 50)
    expected = {f"{q}, mean field": np.full(grid.size, theory[0, k])
                for k, q in enumerate(quantities) if k >= 2}  # fmt: skip
    points = {
        name: (sizes, data["mean"].values[:n, k], data["error"].values[:n, k])
        for k, name in zip((2, 3), expected, strict=True)
    }
    plot_curves(grid, expected, points=points, xlabel="units N", ylabel="participation ratio PR",
                ax=axes[1])  # fmt: skip
    axes[1].plot(sizes, data["naive"].values[:n], "x", color="0.4", label="rates, all samples")
    axes[1].legend(frameon=False, fontsize=8)
    axes[1].set(xscale="log", title="Orthogonal couplings: what is left at finite size")
    return axes[0]
