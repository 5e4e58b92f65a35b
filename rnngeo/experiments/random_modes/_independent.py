"""PRL2 and PRL3: networks of independent couplings, their dimension and their time scales."""

import math

import numpy as np
import xarray as xr

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.meanfield import (
    Observable,
    activity_participation_ratio,
    four_point_function,
    participation_ratio_curves,
)
from rnngeo.plotting import new_axes, plot_curves, plot_lag_plane

from .._claims import Claim, largest_deviation
from ._setting import DERIVED, NONLINEARITIES, PUBLISHED, REFERENCE, mean_field, relative_claim

_ROWS = {  # nonlinearity, gain: Delta0, C(0), <phi'>, <phi'^2>, PR of rates, PR of currents
    ("erf", 1.5): (0.838753, 0.384954, 0.656885, 0.524501, 0.0074038, 0.0065839),
    ("erf", 2.0): (2.06408, 0.553807, 0.485514, 0.365526, 0.023014, 0.018199),
    ("erf", 3.0): (5.63743, 0.71073, 0.318541, 0.231184, 0.049742, 0.0342),
    ("erf", 10.0): (71.6448, 0.915445, 0.0938484, 0.0665074, 0.10347, 0.05612),
    ("tanh", 1.5): (0.747686, 0.342093, 0.657907, 0.517298, 0.0062394, 0.0056112),
    ("tanh", 2.0): (1.92481, 0.513178, 0.486822, 0.355339, 0.019741, 0.015915),
    ("tanh", 5.0): (16.964, 0.810753, 0.189247, 0.12794, 0.07407, 0.045635),
}
_QUANTITIES = ("Delta0", "C(0) of rates", "<phi'>", "<phi'^2>", "PR of rates", "PR of currents")
_TIMES = {  # lags at 1/2 and 1/e, integral, tail, of the autocovariance of rates
    ("erf", 1.5): (7.128, 9.0801, 8.67, 5.8591),
    ("erf", 2.0): (4.6408, 6.0032, 5.7839, 4.1847),
    ("erf", 3.0): (3.3073, 4.382, 4.2768, 3.3946),
    ("erf", 10.0): (2.1795, 3.0605, 3.0628, 2.8958),
    ("tanh", 1.5): (7.5481, 9.6126, 9.175, 6.1889),
    ("tanh", 2.0): (4.9137, 6.3464, 6.1063, 4.3845),
    ("tanh", 5.0): (2.6822, 3.6416, 3.5942, 3.0913),
}
_ONSET, _ONSET_STEP = 4.27366, 0.02  # eps^3/PR as eps = g - 1 -> 0
_PLATEAUS = {"rates": 0.126, "currents": 0.0602}
_STEEP = 1000.0  # a gain at which the plateaus are reached to 1e-4
_LAGS = np.array([2.0, 5.0, 10.0, 15.0, 20.0])
_PAIRS = {  # erf: (Psi(tau, tau)/Psi(0, 0))^(1/2) at the lags above
    2.0: (0.9801, 0.9077, 0.771, 0.6513, 0.5511),
    10.0: (0.9074, 0.7385, 0.5156, 0.3627, 0.2571),
}
_NEURON = {3.0: (0.713, 0.308, 0.071, 0.0163, 0.00373)}  # erf: C(tau)/C(0), three digits
_DRAWN_GAINS = np.concatenate([np.linspace(1.1, 2.9, 10), np.geomspace(3.2, 30.0, 8)])
_DRAWN_LAGS, _DRAWN_GAIN = np.linspace(0.0, 20.0, 81), 2.0
_PICKED = np.searchsorted(_DRAWN_LAGS, _LAGS)


def _ratios(parts) -> dict[str, float]:
    return {
        "rates": float(activity_participation_ratio(parts)),
        "currents": float(activity_participation_ratio(parts, observable=Observable.CURRENT)),
    }


def _onset_constant(kind: str) -> float:
    """eps^3/PR at eps = 0, by a parabola through three gains."""
    steps = _ONSET_STEP * np.array([1.0, 2.0, 4.0])
    values = [eps**3 / _ratios(mean_field(1.0 + eps, NONLINEARITIES[kind])[1])["rates"]
              for eps in steps]  # fmt: skip
    return float(np.polynomial.polynomial.polyfit(steps, values, 2)[0])


def run_prl2(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Single neuron and dimension at some gains, near the onset, and on the plateau."""
    claims = []
    for k, ((kind, gain), expected) in enumerate(_ROWS.items()):
        progress("gains", k, len(_ROWS))
        site, parts = mean_field(gain, NONLINEARITIES[kind])
        found = (site.variance_current, site.variance_rate, site.mean_slope,
                 site.mean_squared_slope, *_ratios(parts).values())  # fmt: skip
        for name, number, value in zip(_QUANTITIES, expected, found, strict=True):
            relative = 2e-4 if name.startswith("PR") else 1e-5
            words = f"{name}, {kind}, g = {gain:g}"
            claims.append(relative_claim("PRL2", words, number, value, relative, REFERENCE))
    for kind in NONLINEARITIES:
        words = f"(g - 1)^3/PR of rates as g -> 1, {kind}"
        claims.append(relative_claim("PRL2", words, _ONSET, _onset_constant(kind), 2e-3, REFERENCE))
        steep = _ratios(mean_field(_STEEP, NONLINEARITIES[kind])[1])
        claims += [
            relative_claim("PRL2", f"PR of {name}, {kind}, g = {_STEEP:g}", _PLATEAUS[name],
                           steep[name], 5e-3, PUBLISHED)
            for name in _PLATEAUS
        ]  # fmt: skip
    progress("gains", len(_ROWS), len(_ROWS))
    names = {"rates": Observable.RATE, "currents": Observable.CURRENT}
    curve = lambda kind, observable: np.asarray(
        participation_ratio_curves(
            _DRAWN_GAINS, np.zeros(1), nonlinearity=NONLINEARITIES[kind], observable=observable
        )
    )[:, 0]
    data = xr.Dataset(
        {
            f"ratio_{kind}": (
                ("observable", "gain"), [curve(kind, names[name]) for name in names])
            for kind in NONLINEARITIES
        },
        {"observable": list(names), "gain": _DRAWN_GAINS},
    )  # fmt: skip
    return claims, data


def draw_prl2(data: xr.Dataset):
    """PR against the gain, with the plateaus."""
    axes = new_axes(1, 2, size=(4.8, 4.2))[0]
    for ax, kind in zip(axes, NONLINEARITIES, strict=True):
        values = data[f"ratio_{kind}"].values
        curves = dict(zip(data["observable"].values, values, strict=True))
        plot_curves(data["gain"].values, curves, xlabel="gain g", ylabel="participation ratio PR",
                    ax=ax)  # fmt: skip
        for name, line in zip(curves, ax.get_lines(), strict=True):
            ax.axhline(_PLATEAUS[str(name)], color=line.get_color(), ls=":", lw=1)
        ax.set(title=f"Independent couplings, {kind}", ylim=(0, 0.14), xscale="log")
    return axes[0]


def run_prl3(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Time scales of one neuron, and of the covariances between neurons."""
    progress("lags", 0, 1)
    claims = []
    for (kind, gain), expected in _TIMES.items():
        site = mean_field(gain, NONLINEARITIES[kind])[0]
        found = (site.half_time, site.efold_time, site.integral_time, site.tail_time)
        names = ("half", "1/e", "integral", "tail")
        for name, number, value in zip(names, expected, found, strict=True):
            words = f"time of one neuron, {name}, {kind}, g = {gain:g}"
            claims.append(relative_claim("PRL3", words, number, value, 2e-4, REFERENCE))
    for gain, expected in _PAIRS.items():
        found = four_point_function(mean_field(gain)[0], _DRAWN_LAGS).pair_autocorrelation
        found = np.asarray(found)[_PICKED]
        deviation = largest_deviation(found / np.array(expected), np.ones(_LAGS.size))
        words = f"(Psi(tau, tau)/Psi(0, 0))^(1/2), erf, g = {gain:g}: relative deviation"
        claims.append(Claim("PRL3", words, 0.0, deviation, 1e-3, REFERENCE))
    for gain, expected in _NEURON.items():
        site = mean_field(gain)[0]
        found = np.asarray(site.rate_at(_DRAWN_LAGS) / site.variance_rate)[_PICKED]
        deviation = largest_deviation(found / np.array(expected), np.ones(_LAGS.size))
        words = f"C(tau)/C(0), erf, g = {gain:g}: relative deviation"
        claims.append(Claim("PRL3", words, 0.0, deviation, 2e-3, REFERENCE))
    site = mean_field(_DRAWN_GAIN, NONLINEARITIES["tanh"])[0]
    values = np.asarray(four_point_function(site, _DRAWN_LAGS).values)
    neuron = np.asarray(site.rate_at(_DRAWN_LAGS))
    between = values - np.outer(neuron, neuron)
    pairs = np.sqrt(np.diag(between) / between[0, 0])
    # sech(eps tau/sqrt 3) falls to half in eps tau = 2.28 at the onset, the pairs not at all there;
    # at every gain the pairs are the slower ones.
    slower = float(np.mean(pairs[1:] > neuron[1:] / neuron[0]))
    claims.append(
        Claim("PRL3", f"fraction of lags where pairs outlast one neuron, tanh, g = {_DRAWN_GAIN:g}",
              1.0, slower, 0.0, f"{PUBLISHED}, in words")
    )  # fmt: skip
    asymmetry = float(np.max(np.abs(between - between.T)) / between[0, 0])
    claims.append(
        Claim("PRL3", "psi(tau1, tau2): largest change when the lags change places", 0.0,
              asymmetry, math.sqrt(np.finfo(between.dtype).eps), DERIVED)
    )  # fmt: skip
    progress("lags", 1, 1)
    data = xr.Dataset(
        {
            "between": (("lag", "other_lag"), between / between[0, 0]),
            "pair_autocorrelation": ("lag", pairs),
            "neuron_autocorrelation": ("lag", neuron / neuron[0]),
        },
        {"lag": _DRAWN_LAGS, "other_lag": _DRAWN_LAGS},
        {"gain": _DRAWN_GAIN},
    )
    return claims, data


def draw_prl3(data: xr.Dataset):
    """The plane of lags, and its diagonal beside the autocorrelation of one neuron."""
    axes = new_axes(1, 2, size=(5.0, 4.2))[0]
    lags = data["lag"].values
    plot_lag_plane(lags, data["between"].values, ax=axes[0])
    axes[0].set_title(f"Between neurons, tanh, g = {data.attrs['gain']:g}")
    curves = {
        "pairs, (ψ(τ, τ)/ψ(0, 0))$^{1/2}$": data["pair_autocorrelation"].values,
        "one neuron, C(τ)/C(0)": data["neuron_autocorrelation"].values,
    }
    plot_curves(lags, curves, xlabel="lag (time constants)", ylabel="autocorrelation", ax=axes[1])
    axes[1].set(yscale="log", ylim=(1e-3, 1.2), title="Pairs outlast neurons")
    return axes[0]
