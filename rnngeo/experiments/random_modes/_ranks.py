"""PRX4: the dimension of activity against the effective rank, and its time course."""

import numpy as np
import xarray as xr

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.meanfield import (
    Observable,
    activity_participation_ratio,
    four_point_function,
)
from rnngeo.plotting import new_axes, plot_curves

from .._claims import Claim
from ._setting import (
    DERIVED,
    INDEPENDENT,
    ORTHOGONAL,
    PUBLISHED,
    REFERENCE,
    digits_claim,
    mean_field,
    rank_name,
)

_NAMES = {Observable.RATE: "rates", Observable.CURRENT: "currents"}
_RANKS = (0.1, 0.3, 0.5, 1.0, 3.0, 10.0)
_PLACES = np.array([1 / rank for rank in _RANKS] + [INDEPENDENT, ORTHOGONAL])
_RATIOS = {  # observable, gain: PR at the ranks above, of independent and of orthogonal couplings
    (Observable.RATE, 2.0):
        (0.00241, 0.005978, 0.008493, 0.01241, 0.01791, 0.0212, 0.02301, 0.1586),
    (Observable.RATE, 3.0):
        (0.005679, 0.01387, 0.01949, 0.02801, 0.03952, 0.04616, 0.04974, 0.222),
    (Observable.RATE, 10.0):
        (0.01331, 0.03176, 0.04394, 0.06169, 0.08441, 0.09691, 0.1035, 0.3208),
    (Observable.CURRENT, 3.0):
        (0.003703, 0.009131, 0.01292, 0.01875, 0.02683, 0.0316, 0.0342, 0.1939),
    (Observable.CURRENT, 10.0):
        (0.006426, 0.01569, 0.02204, 0.03165, 0.04462, 0.05209, 0.05612, 0.2475),
}  # fmt: skip
_LAGS = np.array([2.0, 5.0, 10.0, 15.0, 20.0])
_COURSES = {  # gain, 1/er: Psi(tau, 0)/Psi(0, 0) at the lags above
    (3.0, 1 / 0.3): (0.9303, 0.6897, 0.3189, 0.1226, 0.04239),
    (3.0, 1.0): (0.9259, 0.6799, 0.3107, 0.1186, 0.04075),
    (3.0, INDEPENDENT): (0.919, 0.6648, 0.2981, 0.1123, 0.03824),
    (10.0, 1.0): (0.8666, 0.5509, 0.1939, 0.05684, 0.01503),
}
_GAINS = np.array([2.0, 3.0, 10.0])
_DRAWN_LAGS = np.linspace(0.0, 25.0, 51)
_PICKED = np.searchsorted(_DRAWN_LAGS, _LAGS)


def _compare_ratios() -> list[Claim]:
    claims = []
    for (observable, gain), expected in _RATIOS.items():
        parts = mean_field(gain)[1]
        found = activity_participation_ratio(parts, _PLACES, observable=observable)
        claims += [
            digits_claim("PRX4", f"PR of {_NAMES[observable]}, g = {gain:g}, {rank_name(place)}",
                           number, value, 4, REFERENCE)
            for place, number, value in zip(_PLACES, expected, found, strict=True)
        ]  # fmt: skip
    return claims


def _compare_courses() -> list[Claim]:
    claims, of_three = [], []
    for (gain, place), expected in _COURSES.items():
        site = mean_field(gain)[0]
        course = four_point_function(site, _DRAWN_LAGS, place).principal_autocorrelation
        course = np.asarray(course)[_PICKED]
        deviation = np.max(np.abs(course / np.array(expected) - 1))
        words = f"Psi(tau, 0)/Psi(0, 0), g = {gain:g}, {rank_name(place)}: relative deviation"
        claims.append(Claim("PRX4", words, 0.0, float(deviation), 1e-3, REFERENCE))
        if gain == 3.0:
            of_three.append(course)
    spread = np.ptp(of_three, axis=0).max()
    words = "how much Psi(tau, 0)/Psi(0, 0) varies from er = 0.3 to independent, g = 3"
    # A tenth of the course's own height at half decay: what the eye cannot tell apart.
    claims.append(Claim("PRX4", words, 0.0, float(spread), 0.05, f"{PUBLISHED}, in words"))
    return claims


def run_prx4(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """PR over gain and rank, and the autocorrelation of principal components."""
    progress("curves", 0, 1)
    places = np.geomspace(1e-2, 1e2, 81)
    curves = {
        kind: np.array([
            np.asarray(activity_participation_ratio(mean_field(g)[1], places, observable=kind))
            for g in _GAINS
        ])
        for kind in _NAMES
    }  # fmt: skip
    rising = [np.all(np.diff(values, axis=1) < 0) for values in curves.values()]
    words = "fraction of curves of PR that rise with the effective rank all along"
    claims = [*_compare_ratios(), *_compare_courses()]
    claims.append(Claim("PRX4", words, 1.0, float(np.mean(rising)), 0.0, DERIVED))
    site = mean_field(3.0)[0]
    ranks = [1 / 0.3, 1.0, INDEPENDENT, ORTHOGONAL]
    courses = [
        four_point_function(site, _DRAWN_LAGS, place).principal_autocorrelation for place in ranks
    ]
    progress("curves", 1, 1)
    data = xr.Dataset(
        {
            "ratio_rates": (("gain", "effective_rank"), curves[Observable.RATE]),
            "ratio_currents": (("gain", "effective_rank"), curves[Observable.CURRENT]),
            "component_autocorrelation": (("inverse_rank", "lag"), np.asarray(courses)),
            "neuron_autocorrelation": (
                "lag", np.asarray(site.rate_at(_DRAWN_LAGS) / site.variance_rate)),
        },
        {"gain": _GAINS, "effective_rank": 1 / places, "inverse_rank": ranks,
         "lag": _DRAWN_LAGS},
    )  # fmt: skip
    return claims, data


def draw_prx4(data: xr.Dataset):
    """PR of rates and of currents against the rank, then the time courses."""
    axes = new_axes(1, 3, size=(4.6, 4.2))[0]
    for ax, name in zip(axes, ("rates", "currents"), strict=False):
        values = data[f"ratio_{name}"].values
        curves = {f"g = {gain:g}": v for gain, v in zip(data["gain"].values, values, strict=True)}
        plot_curves(data["effective_rank"].values, curves, xlabel="effective rank er",
                    ylabel="participation ratio PR", ax=ax)  # fmt: skip
        ax.set(xscale="log", yscale="log", title=f"Dimension of {name}")
    courses = {
        rank_name(place): values
        for place, values in zip(
            data["inverse_rank"].values, data["component_autocorrelation"].values, strict=True
        )
    }
    courses["one neuron"] = data["neuron_autocorrelation"].values
    plot_curves(data["lag"].values, courses, xlabel="lag (time constants)",
                ylabel="autocorrelation", ax=axes[2])  # fmt: skip
    axes[2].set_title("Principal components and one neuron, g = 3")
    return axes[0]
