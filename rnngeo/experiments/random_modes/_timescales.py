"""PRL4: the time scales of leading principal components against the size of the network."""

import functools
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
from rnngeo.connectivity import gaussian_bulk
from rnngeo.geometry import decay_time, principal_components
from rnngeo.integrate import simulate
from rnngeo.models import RateFlow
from rnngeo.plotting import new_axes, plot_curves

from .._claims import Claim
from ._setting import PUBLISHED

GAIN = 5.0  # nearer the onset many networks of a hundred units do not fluctuate for ever
SIZES = {100: 48, 200: 24, 400: 12, 800: 6}  # N: how many networks
N_RUNS, RUN_TIME, LONGEST = 8, 300, 60  # runs of a network; lags end at the longest
N_LEADING = 5
_TRANSIENT = 100.0
_KINDS = ("leading five", "leading one", "one neuron", "leading five over one neuron")


@functools.partial(jax.jit, static_argnames="n_lags")
def _autocovariance(courses: Float[Array, "run time course"], n_lags: int):
    """Averages over runs and times of y(t) y(t + tau), shape `(course, lag)`."""
    n_times = courses.shape[1]
    power = jnp.abs(jnp.fft.rfft(courses, 2 * n_times, axis=1)) ** 2
    sums = jnp.fft.irfft(jnp.mean(power, axis=0), 2 * n_times, axis=0)[:n_lags]
    return (sums / (n_times - jnp.arange(n_lags))[:, None]).T


@eqx.filter_jit
def _half_times(keys: Keys[Array, " network"], n_units: int, gain: Array, sizes):
    """Half-times of the leading components and of a neuron, for networks of independent couplings.

    Components of one half of the runs, followed in the other half and the other way round: what
    chance makes large and slow in the one is neither in the other.
    """
    n_runs, run_time, n_leading, longest = sizes
    lags = jnp.arange(longest + 1, dtype=gain.dtype)

    def one(key):
        key_weights, key_starts = jr.split(key)
        network = RateFlow(gaussian_bulk(n_units, gain, key=key_weights))  # pyright: ignore[reportCallIssue]
        ts = _TRANSIENT + jnp.arange(1, run_time + 1, dtype=gain.dtype)
        run = lambda x0: simulate(network, x0, t1=ts[-1], ts=ts, dt=0.2).xs
        starts = gain * jr.normal(key_starts, (n_runs, n_units), gain.dtype)
        halves = jnp.tanh(jax.vmap(run)(starts)).reshape(2, -1, run_time, n_units)

        def components(half):
            flat = half.reshape(-1, n_units)
            return principal_components(flat.T @ flat / flat.shape[0], n_leading)

        follow = lambda found, half: _autocovariance(half @ found.direction.T, lags.size)
        between = follow(components(halves[0]), halves[1]) + follow(
            components(halves[1]), halves[0]
        )
        neuron = jnp.mean(_autocovariance(halves.reshape(n_runs, run_time, -1), lags.size), axis=0)
        return decay_time(lags, jnp.concatenate([between, neuron[None]]), 0.5)

    return jax.lax.map(one, keys)


def summarise(times: Float[np.ndarray, "network course"], longest: float) -> np.ndarray:
    """Mean of ln t over networks and its error, of the kinds, shape `(2, kind)`.

    Times are spread over decades, so their logarithm is averaged. The last course is the neuron; a
    course that does not fall to half by the longest lag counts as that lag.
    """
    logs = np.log(np.where(np.isnan(times), longest, times))
    five, neuron = logs[:, :-1].mean(axis=1), logs[:, -1]
    samples = np.stack([five, logs[:, 0], neuron, five - neuron], axis=1)
    return np.array([samples.mean(axis=0), samples.std(axis=0, ddof=1) / math.sqrt(len(logs))])


def fit_line(x: np.ndarray, y: np.ndarray, errors: np.ndarray) -> tuple[float, float, float]:
    """Slope of the weighted least-squares line, its error, and chi^2 per degree of freedom."""
    weights = errors**-2.0
    centre = np.average(x, weights=weights)
    spread = float(np.sum(weights * (x - centre) ** 2))
    slope = float(np.sum(weights * (x - centre) * y)) / spread
    rest = y - np.average(y, weights=weights) - slope * (x - centre)
    return slope, 1 / math.sqrt(spread), float(np.sum(weights * rest**2)) / (x.size - 2)


def grows_slowly(slope: float, error: float) -> bool:
    """Whether a power of N lies above 0 and below 1/2, both by more than three errors."""
    return 3 * error < slope < 0.5 - 3 * error


def _compare(sizes: np.ndarray, means: np.ndarray, errors: np.ndarray) -> list[Claim]:
    """Growth of the leading components; the neuron is the control."""
    x = np.log(sizes)
    in_words = f"{PUBLISHED}, in words"
    claims = []
    for k, expected in ((0, 1.0), (2, 0.0)):
        slope, error, _ = fit_line(x, means[:, k], errors[:, k])
        words = (f"{_KINDS[k]}: whether the half-time grows, and slower than the root of N "
                 f"(power {slope:.2f} +- {error:.2f})")  # fmt: skip
        claims.append(Claim("PRL4", words, expected, float(grows_slowly(slope, error)), 0.0,
                            in_words))  # fmt: skip
    times = np.exp(means[:, 0])
    slope, error, misfit = fit_line(x, times, times * errors[:, 0])
    # chi^2 per degree of freedom has mean 1 and variance 2/(degrees of freedom).
    freedom = x.size - 2
    claims.append(
        Claim("PRL4", "leading five: misfit of a + b ln N, chi^2 per degree of freedom", 1.0,
              misfit, 4 * math.sqrt(2 / freedom), in_words)
    )  # fmt: skip
    claims.append(
        Claim("PRL4", f"N = {sizes[-1]:g}: whether the leading five outlast one neuron", 1.0,
              float(means[-1, 3] > 4 * errors[-1, 3]), 0.0, in_words)
    )  # fmt: skip
    return claims


def run_prl4(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Half-times of the leading components against N, and of one neuron, which is the control.

    The growth is that of components of fixed number, the first five, whose place in the spectrum
    moves to its edge as N grows. The very first alone does not grow over these sizes, beyond its
    scatter, and is drawn without a claim; in small networks it is often a slow cycle.
    """
    rows = []
    sizes = N_RUNS, RUN_TIME, N_LEADING, LONGEST
    for k, (n_units, n_networks) in enumerate(SIZES.items()):
        progress("sizes", k, len(SIZES))
        keys = jr.split(jr.fold_in(key, k), n_networks)
        times = np.asarray(_half_times(keys, n_units, jnp.asarray(GAIN, float), sizes))
        rows.append(summarise(times, float(LONGEST)))
    progress("sizes", len(SIZES), len(SIZES))
    table = np.array(rows)
    at = np.array(list(SIZES), float)
    data = xr.Dataset(
        {"mean": (("n_units", "kind"), table[:, 0]), "error": (("n_units", "kind"), table[:, 1])},
        {"n_units": at, "kind": list(_KINDS)},
        {"gain": GAIN},
    )
    return _compare(at, table[:, 0], table[:, 1]), data


def draw_prl4(data: xr.Dataset):
    """Half-times against the logarithm of N; lines are fits a + b ln N."""
    ax = new_axes(size=(5.6, 4.4))[0, 0]
    at = data["n_units"].values
    times = np.exp(data["mean"].values.T[:-1])
    errors = times * data["error"].values.T[:-1]
    names = [str(name) for name in data["kind"].values[:-1]]
    fits = [np.polyval(np.polyfit(np.log(at), t, 1), np.log(at)) for t in times]
    points = {name: (at, t, e) for name, t, e in zip(names, times, errors, strict=True)}
    plot_curves(at, dict(zip(names, fits, strict=True)), points=points, xlabel="units N",
                ylabel="half-time (time constants)", ax=ax)  # fmt: skip
    ax.set(xscale="log", ylim=(0, None), xticks=at, xticklabels=[f"{n:g}" for n in at],
           title=f"Principal components, tanh, g = {data.attrs['gain']:g}")  # fmt: skip
    ax.minorticks_off()
    return ax
