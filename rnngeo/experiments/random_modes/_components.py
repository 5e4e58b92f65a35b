"""PRX9 and PRX10: principal components of simulated networks, their time and their number."""

import math

import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Float

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import gaussian_bulk, orthogonal_bulk, random_modes, step_strengths
from rnngeo.geometry import (
    autocovariance,
    block_products,
    component_autocovariances,
    four_point_function,
    principal_components,
)
from rnngeo.meanfield import (
    Observable,
    activity_participation_ratio,
)
from rnngeo.meanfield import four_point_function as mean_field_function
from rnngeo.plotting import new_axes, plot_curves, plot_spectrum

from .._claims import Claim, reachable
from ._setting import (
    DERIVED,
    INDEPENDENT,
    MEAN_FIELD,
    ORTHOGONAL,
    REFERENCE,
    digits_claim,
    mean_field,
    run_network,
)

GAIN = 3.0

# PRX9
N_NETWORKS, BLOCK_TIME = 6, 100.0
SIZES = {"orthogonal": 300, "independent": 500}
_KINDS = {  # gain, 1/er, how drawn
    "orthogonal": (3.0, ORTHOGONAL, orthogonal_bulk),
    "independent": (10.0, INDEPENDENT, gaussian_bulk),
}
_WEIGHTS = ("Psi(tau, 0)/Psi(0, 0)", "C(tau)/C(0)")
_LAGS = np.array([0.0, 2.0, 5.0, 10.0, 15.0, 20.0])

# PRX10
LOW_RANK_UNITS, LOW_RANK, LOW_RANK_TIME = 500, 0.1, 300.0
_SLOPES = {  # gain: PR/er as er -> 0, rates and currents
    2.0: (0.02692, 0.02078),
    3.0: (0.06411, 0.04153),
    10.0: (0.1527, 0.07257),
}
_GROWTH = {2.0: 1.170, 3.0: 1.289, 10.0: 1.476}  # the same of rates over the PR of independent ones
_SMALL = 1e-6
_WINDOW = 10  # components on either side of the rank
# Spacings of eigenvalues exceed x times their mean with probability exp(-pi x^2/4) (Wigner's
# surmise): from here on as rarely as a normal variable its fourth standard deviation.
_LARGEST_SPACING = math.sqrt(4 / math.pi * -math.log(math.erfc(4 / math.sqrt(2))))


def _courses(kind: str, n_units: int, progress: Progress, key: Key) -> tuple[np.ndarray, float]:
    """Psi(tau, 0) and C(tau) of every network, and how well components add up to covariances."""
    gain, _, draw = _KINDS[kind]
    courses, gaps = [], []
    for k in range(N_NETWORKS):
        progress(f"{kind} couplings", k, N_NETWORKS)
        key_weights, key_starts = jr.split(jr.fold_in(key, k))
        run = run_network(
            draw(n_units, gain, key=key_weights), gain, block_time=BLOCK_TIME, n_blocks=3,
            n_replicas=4, lags=tuple(_LAGS.tolist()), has_currents=False, dt=0.1, key=key_starts,
        )  # fmt: skip
        products = block_products(run.rates)
        between = np.asarray(four_point_function(products).value[:, 0])
        neuron = np.asarray(autocovariance(products).value)
        courses.append([between, neuron[_LAGS.astype(int)]])
        components = principal_components(run.rates.total[0])
        traces = np.asarray(component_autocovariances(run.rates, components))
        variance, total = np.asarray(components.variance), np.asarray(run.rates.total)
        once = traces.sum(axis=0) - np.trace(total, axis1=1, axis2=2)
        twice = variance @ traces - np.einsum("tij,ij->t", total, total[0])
        gaps += [np.abs(once).max() / variance.sum(), np.abs(twice).max() / (variance @ variance)]
    progress(f"{kind} couplings", N_NETWORKS, N_NETWORKS)
    return np.array(courses), float(max(gaps))


def normalised_mean(
    samples: Float[np.ndarray, "network lag"],
) -> tuple[Float[np.ndarray, " lag"], Float[np.ndarray, " lag"], float]:
    """Mean course over its value at lag zero, its errors, and the relative variance of the latter.

    A mean of ratios would have a bias of the order of their variance; the errors of the ratio of
    means are from leaving out one network at a time.
    """
    n = len(samples)
    rest = (samples.sum(axis=0) - samples) / (n - 1)
    errors = np.sqrt((n - 1) * np.var(rest / rest[:, :1], axis=0))
    mean = samples.mean(axis=0)
    return mean / mean[0], errors, float(np.var(samples[:, 0], ddof=1) / mean[0] ** 2)


def course_tolerance(expected: np.ndarray, errors: np.ndarray, variance: float, n_units: int):
    """Four standard errors, and what means keep at finite N.

    Relative corrections are of the order of 1/N, or of the squared fluctuations between networks.
    """
    return 4 * errors + np.abs(expected) * (variance + 1 / n_units)


def gap_at_rank(variances: Float[np.ndarray, " component"], n_modes: int) -> float:
    """Drop of ln(variance) behind the last mode, over the mean drop of its neighbours."""
    drops = -np.diff(np.log(variances[n_modes - _WINDOW : n_modes + _WINDOW]))
    return float(drops[_WINDOW - 1] / np.delete(drops, _WINDOW - 1).mean())


def run_prx9(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Autocorrelation of principal components, weighted by squared variance and by variance."""
    claims, theory, measured = [], [], []
    grid = np.linspace(0.0, _LAGS[-1], 41)
    picked = np.searchsorted(grid, _LAGS)
    for k, (kind, n_units) in enumerate(SIZES.items()):
        gain, place, _ = _KINDS[kind]
        samples, gap = _courses(kind, n_units, progress, jr.fold_in(key, k))
        claims.append(
            Claim("PRX9", f"{kind}: components weighted by variance against tr C(tau), by its "
                  "square against tr C(tau) C(0)", 0.0, gap, reachable(1e-10), DERIVED)
        )  # fmt: skip
        site = mean_field(gain)[0]
        curves = [
            np.asarray(mean_field_function(site, grid, place).principal_autocorrelation),
            np.asarray(site.rate_at(grid) / site.variance_rate),
        ]
        for j, name in enumerate(_WEIGHTS):
            mean, errors, variance = normalised_mean(samples[:, j])
            expected, other = curves[j][picked], curves[1 - j][picked]
            allowed = course_tolerance(expected, errors, variance, n_units)
            claims += [
                Claim("PRX9", f"{kind}, g = {gain:g}: {name} at tau = {_LAGS[i]:g}",
                      float(expected[i]), float(mean[i]), float(allowed[i]), MEAN_FIELD)
                for i in range(1, _LAGS.size)
            ]  # fmt: skip
            is_refused = np.any(np.abs(mean - other) > allowed)
            words = f"{kind}, g = {gain:g}: whether {_WEIGHTS[1 - j]} is refused for {name}"
            claims.append(Claim("PRX9", words, 1.0, float(is_refused), 0.0, MEAN_FIELD))
        theory.append(curves)
        measured.append(samples)
    data = xr.Dataset(
        {
            "theory": (("couplings", "weight", "lag"), theory),
            "measured": (("couplings", "network", "weight", "measured_lag"), measured),
        },
        {"couplings": list(SIZES), "weight": ["squared variance", "variance"], "lag": grid,
         "measured_lag": _LAGS},
    )  # fmt: skip
    return claims, data


def draw_prx9(data: xr.Dataset):
    """Theory as lines, networks as points with errors."""
    axes = new_axes(1, data["couplings"].size, size=(5.0, 4.2))[0]
    names = [f"weighted by {name}" for name in data["weight"].values]
    at = data["measured_lag"].values
    for ax, kind, theory, values in zip(
        axes, data["couplings"].values, data["theory"].values, data["measured"].values, strict=True
    ):
        means = [normalised_mean(values[:, j])[:2] for j in range(len(names))]
        points = {name: (at, *mean) for name, mean in zip(names, means, strict=True)}
        plot_curves(data["lag"].values, dict(zip(names, theory, strict=True)), points=points,
                    xlabel="lag (time constants)", ylabel="autocorrelation of components",
                    ax=ax)  # fmt: skip
        ax.set_title(f"{kind} couplings, g = {_KINDS[str(kind)][0]:g}")
    return axes[0]


def _compare_slopes() -> list[Claim]:
    """PR/er as the effective rank vanishes."""
    claims = []
    for gain, numbers in _SLOPES.items():
        parts = mean_field(gain)[1]
        for name, observable, number in zip(
            ("rates", "currents"), (Observable.RATE, Observable.CURRENT), numbers, strict=True
        ):
            ratio = activity_participation_ratio(parts, 1 / _SMALL, observable=observable)
            words = f"PR/er of {name}, g = {gain:g}, er = {_SMALL:g}"
            claims.append(digits_claim("PRX10", words, number, ratio / _SMALL, 4, REFERENCE))
        growth = activity_participation_ratio(parts, 1 / _SMALL) / (
            _SMALL * activity_participation_ratio(parts)
        )
        words = f"PR/er over PR of independent couplings, rates, g = {gain:g}"
        claims.append(digits_claim("PRX10", words, _GROWTH[gain], growth, 4, REFERENCE))
    return claims


def run_prx10(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Small ranks: PR = K er, and a spectrum that does not end at the rank of the couplings."""
    claims = _compare_slopes()
    n_modes = round(LOW_RANK * LOW_RANK_UNITS)
    key_weights, key_starts = jr.split(key)
    weights = random_modes(
        LOW_RANK_UNITS, step_strengths(LOW_RANK_UNITS, LOW_RANK, GAIN), key=key_weights
    )
    run = run_network(
        weights, GAIN, block_time=LOW_RANK_TIME, n_blocks=2, n_replicas=4, progress=progress,
        key=key_starts,
    )  # fmt: skip
    assert run.currents is not None  # asked for
    spectra = {
        name: np.maximum(np.linalg.eigvalsh(np.asarray(moments.total[0]))[::-1], 0.0)
        for name, moments in (("rates", run.rates), ("currents", run.currents))
    }
    currents = spectra["currents"] / spectra["currents"][0]
    # Currents are L times something: what remains of the start outside decays as exp(-t).
    claims += [
        Claim("PRX10", "components of currents above rounding, over the rank of the couplings",
              1.0, float(np.sum(currents > 1e-9)) / n_modes, 0.0, DERIVED),
        Claim("PRX10", "rates: drop of ln(variance) at the rank, over the mean of its neighbours",
              1.0, gap_at_rank(spectra["rates"], n_modes), _LARGEST_SPACING - 1, DERIVED),
    ]  # fmt: skip
    ranks = np.geomspace(1e-3, 10.0, 60)
    curves = [np.asarray(activity_participation_ratio(mean_field(g)[1], 1 / ranks)) / ranks
              for g in _SLOPES]  # fmt: skip
    data = xr.Dataset(
        {
            "variance": (("observable", "component"), list(spectra.values())),
            "slope": (("gain", "effective_rank"), curves),
        },
        {"observable": list(spectra), "gain": list(_SLOPES), "effective_rank": ranks},
        {"n_modes": n_modes},
    )
    return claims, data


def draw_prx10(data: xr.Dataset):
    """Spectra around the rank, and PR/er."""
    axes = new_axes(1, 2, size=(5.0, 4.2))[0]
    spectra = dict(zip(data["observable"].values, data["variance"].values, strict=True))
    plot_spectrum(spectra, cutoff=int(data.attrs["n_modes"]), ax=axes[0])
    axes[0].set_title("Rates reach beyond the rank of the couplings")
    curves = {
        f"g = {gain:g}": values
        for gain, values in zip(data["gain"].values, data["slope"].values, strict=True)
    }
    plot_curves(data["effective_rank"].values, curves, xlabel="effective rank er",
                ylabel="PR of rates / er", ax=axes[1])  # fmt: skip
    axes[1].set(xscale="log", yscale="log", title="Dimension per rank")
    return axes[0]
