"""E10: a fluctuating network answers its target all the same."""

import math

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key, Keys
from rnngeo.integrate import simulate
from rnngeo.meanfield import FeedbackEnsemble, chaotic_state, readout_overlaps
from rnngeo.plotting import new_axes, plot_scaling, plot_trajectories

from .._claims import Claim
from ._setting import FEEDBACK_STD, READOUT, draw_network, ensemble_at, mean_and_error, network_keys

GAIN, TARGET = 2.5, 0.8
SIZES = {500: 32, 2000: 8}  # units: networks
TRANSIENT, WINDOW, DT = 40.0, 200.0, 0.1
_N_TOGETHER = 2


@eqx.filter_jit
def _run(
    ensemble: FeedbackEnsemble, scale: Array, n_units: int, keys: Keys
) -> tuple[Float[Array, "network time"], Float[Array, "network quantity"]]:
    """The output over time of one network for every key, then D0 and D_inf of its activity.

    D_inf is the covariance of the time averages of two windows apart, which takes out most of the
    bias that a finite window gives the variance of one time average.
    """

    def run(key):
        key_network, key_start = jr.split(key)
        network, vectors = draw_network(
            n_units, ensemble.gain, ensemble.shared_weight, key=key_network
        )
        network = network.with_readout(vectors.readout(*READOUT, scale))
        x0 = jr.normal(key_start, (n_units,)) + TARGET * vectors.feedback
        ts = TRANSIENT + jnp.arange(1, round(WINDOW) + 1, dtype=x0.dtype)
        heun = {"dt": DT, "solver": dfx.Heun()}
        xs = simulate(network.closed_loop, x0, t1=ts[-1], ts=ts, throw=False, **heun).xs
        z = jax.vmap(network.outputs)(xs)[:, 0]
        third = xs.shape[0] // 3
        early, late = jnp.mean(xs[:third], axis=0), jnp.mean(xs[-third:], axis=0)
        return z, jnp.stack([jnp.mean(xs**2), jnp.mean(early * late)])

    return jax.vmap(run)(keys)


def run_e10(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Closed loops whose readout has the scale of the chaotic mean field."""
    ensemble = ensemble_at(GAIN)
    theory = chaotic_state(ensemble, TARGET)
    a_m, a_I = readout_overlaps(ensemble, *READOUT)
    scale = TARGET / ((a_m * TARGET + a_I) * theory.mean_slope)
    outputs, moments = {}, {}
    for n_units, n_networks in SIZES.items():
        stage, rows = f"networks of {n_units} units", []
        keys = network_keys(jr.fold_in(key, n_units), n_networks)
        for begin in range(0, n_networks, _N_TOGETHER):
            progress(stage, begin, n_networks)
            chunk = _run(ensemble, scale, n_units, keys[begin : begin + _N_TOGETHER])
            rows.append(jax.tree.map(np.asarray, chunk))
        progress(stage, n_networks, n_networks)
        outputs[n_units], moments[n_units] = (np.concatenate(v) for v in zip(*rows, strict=True))
    small, large = SIZES
    spreads = {n: z.std(axis=1) for n, z in outputs.items()}  # in time, one a network
    mean = mean_and_error(outputs[large].mean(axis=1))
    ratio = float(spreads[small].mean() / spreads[large].mean())
    relative = [mean_and_error(spreads[n])[1] / spreads[n].mean() for n in SIZES]
    bias = float(np.mean(outputs[large].var(axis=0)))  # second order in the spread of the output
    claims = [
        Claim("E10", f"fraction of networks that never come to rest, N = {large}", 1.0,
              float(np.mean(spreads[large] > 1e-3)), 0.0, "derived"),
        Claim("E10", f"time average of the output, N = {large}", TARGET, mean[0],
              4 * mean[1] + bias, "derived"),
        Claim("E10", f"spread of the output in time, N = {small} over N = {large}",
              math.sqrt(large / small), ratio, 4 * ratio * math.hypot(*relative), "derived"),
    ]  # fmt: skip
    for q, (name, expected) in enumerate(
        (("D0", theory.variance), ("Dinf", theory.variance_infinite_lag))
    ):
        value, error, spread = mean_and_error(moments[large][:, q])
        allowed = 4 * error + FEEDBACK_STD**2 * bias + spread**2
        claims.append(
            Claim("E10", f"{name} of (11), N = {large}", float(expected), value, allowed,
                  "mean field")
        )  # fmt: skip
    data = xr.Dataset(
        {
            **{f"output_{n}": ((f"network_{n}", "time"), z) for n, z in outputs.items()},
            "spread_in_time": ("n_units", [spreads[n].mean() for n in SIZES]),
            "spread_of_average": ("n_units", [outputs[n].mean(axis=1).std(ddof=1) for n in SIZES]),
        },
        {"n_units": list(SIZES), "time": TRANSIENT + np.arange(1, round(WINDOW) + 1)},
        {"gain": GAIN, "target": TARGET},
    )
    return claims, data


def draw_e10(data: xr.Dataset):
    """Outputs over time of two sizes, and how their spread falls."""
    axes = new_axes(1, 3, size=(4.6, 4.2))[0]
    sizes, target = data["n_units"].values, float(data.attrs["target"])
    for ax, n_units in zip(axes, sizes, strict=False):
        z = data[f"output_{n_units}"].values[:6]
        plot_trajectories(data["time"].values, z, target=target, ax=ax)
        ax.set(title=f"N = {n_units}, {len(z)} networks", ylim=(0, 2 * target))
        for line in ax.get_lines()[: len(z)]:
            line.set_color("#0072B2")
            line.set_alpha(0.5)
    spreads = {
        "in time": data["spread_in_time"].values,
        "time averages, over networks": data["spread_of_average"].values,
    }
    plot_scaling(sizes, spreads, ylabel="standard deviation of the output", ax=axes[2])
    return axes[0]
