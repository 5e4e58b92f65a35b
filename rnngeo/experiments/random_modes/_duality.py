"""PRX3: one run, covariances neuron by neuron and time by time, one dimension."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import gaussian_bulk
from rnngeo.geometry import (
    block_products,
    block_products_by_duality,
    covariances,
    cross_participation_ratio,
    independent_samples,
    naive_participation_ratio,
)
from rnngeo.integrate import simulate
from rnngeo.meanfield import four_point_value, unit_slope_erf
from rnngeo.models import RateFlow
from rnngeo.plotting import new_axes, plot_histogram, plot_spectrum

from .._claims import Claim, reachable
from ._sampling import sampling_bias, sampling_terms
from ._setting import DERIVED, INDEPENDENT, REFERENCE, digits_claim, mean_field, relative_claim

GAIN = 3.0
N_UNITS, N_RUNS, RUN_TIME = 400, 8, 300
_TRANSIENT, _MAX_DELAY = 60.0, 20.0
_SAMPLING = {2.0: 7.026, 3.0: 4.988, 10.0: 3.235}


@eqx.filter_jit
def _record(weights, starts: Float[Array, "run n_units"]) -> Float[Array, "run time n_units"]:
    """Rates once per time constant, after the transient."""
    network = RateFlow(weights, nonlinearity=unit_slope_erf)  # pyright: ignore[reportCallIssue]
    ts = _TRANSIENT + jnp.arange(1, RUN_TIME + 1, dtype=starts.dtype)
    run = lambda x0: simulate(network, x0, t1=ts[-1], ts=ts, dt=0.2).xs
    return unit_slope_erf(jax.vmap(run)(starts))


def run_prx3(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Neuron by neuron and time by time: two covariances of one run, one dimension."""
    key_weights, key_starts = jr.split(key)
    progress("runs", 0, 1)
    weights = gaussian_bulk(N_UNITS, GAIN, key=key_weights)
    samples = _record(weights, GAIN * jr.normal(key_starts, (N_RUNS, N_UNITS)))
    by_units = covariances(samples, max_delay=_MAX_DELAY)
    products = block_products(by_units)
    dual = block_products_by_duality(samples, max_delay=_MAX_DELAY)
    cross, naive = cross_participation_ratio(products), naive_participation_ratio(products)
    other = cross_participation_ratio(dual), naive_participation_ratio(dual)
    worth = independent_samples(products)
    bias, bias_error = sampling_bias(products)
    site, parts = mean_field(GAIN)
    _, second = sampling_terms(GAIN, INDEPENDENT, N_UNITS, products.n_samples)
    expected = N_UNITS / float(worth.value)
    error = math.hypot(bias_error, expected * float(worth.error / worth.value))
    levels = np.abs(np.asarray(dual.products / products.products) - 1).max()
    claims = [
        digits_claim("PRX3", f"T_total/T_eff of rates, erf, g = {gain:g}", number,
                     mean_field(gain)[0].sampling_time, 4, REFERENCE)
        for gain, number in _SAMPLING.items()
    ]  # fmt: skip
    claims += [
        Claim("PRX3", "largest relative difference of the sums of squared covariances", 0.0,
              float(levels), reachable(1e-10), DERIVED),
        relative_claim("PRX3", "PR from time-by-time covariances over PR from neuron-by-neuron",
                       1.0, other[0].value / cross.value, 1e-10, DERIVED),
        relative_claim("PRX3", "the same for the covariance of all samples", 1.0,
                       other[1].value / naive.value, 1e-10, DERIVED),
        Claim("PRX3", "1/PR of all samples minus 1/PR across runs, against N/T_eff", expected,
              bias, 4 * error + second * expected, DERIVED),
    ]  # fmt: skip
    progress("runs", 1, 1)
    total = np.asarray(by_units.total[0])
    between = total[~np.eye(N_UNITS, dtype=bool)]
    rates = samples[:, round(_MAX_DELAY) :].reshape(-1, N_UNITS)
    times = np.asarray(rates @ rates.T) / rates.shape[0]
    neurons = np.sort(np.linalg.eigvalsh(total))[::-1]
    moments = np.sort(np.linalg.eigvalsh(times))[::-1]
    variance = float((four_point_value(parts) - parts.rate_local) / N_UNITS)
    noise = float(site.variance_rate**2 / worth.value)
    width = math.sqrt(variance + noise)
    edges = np.linspace(-5 * width, 5 * width, 81)
    n_shown = min(neurons.size, moments.size)
    data = xr.Dataset(
        {
            "density": ("bin", np.histogram(between, edges, density=True)[0]),
            "bin_edge": ("edge", edges),
            "eigenvalue": (
                ("kind", "component"), [neurons[:n_shown], moments[:n_shown]]),
        },
        {"kind": ["neuron by neuron", "time by time"]},
        {"width": width, "n_units": N_UNITS, "ratio": float(cross.value)},
    )  # fmt: skip
    return claims, data


def draw_prx3(data: xr.Dataset):
    """Histogram of covariances between neurons, and the two spectra."""
    axes = new_axes(1, 2, size=(5.0, 4.2))[0]
    width, edges = data.attrs["width"], data["bin_edge"].values
    x = np.linspace(edges[0], edges[-1], 200)
    normal = np.exp(-0.5 * (x / width) ** 2) / (width * math.sqrt(2 * math.pi))
    name = f"N = {data.attrs['n_units']}"
    plot_histogram(edges, {name: data["density"].values}, curves={name: (x, normal)},
                   xlabel="covariance of two neurons", ax=axes[0])  # fmt: skip
    axes[0].set_title("Covariances, and a Gaussian of the width of theory")
    spectra = {
        str(kind): np.maximum(values, 0)
        for kind, values in zip(data["kind"].values, data["eigenvalue"].values, strict=True)
    }
    plot_spectrum(spectra, cutoff=None, ax=axes[1])
    lines = axes[1].get_lines()
    lines[-1].set(linestyle="--", linewidth=2.2)
    axes[1].set(title=f"Two covariances, one spectrum; PR = {data.attrs['ratio']:.3f}",
                ylim=(1e-6, 2))  # fmt: skip
    return axes[0]
