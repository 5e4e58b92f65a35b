"""PRX5: neurons of different gains, and what the dimension then depends on."""

import numpy as np
import xarray as xr

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.meanfield import Observable, activity_participation_ratio
from rnngeo.plotting import new_axes, plot_curves

from .._claims import Claim, reachable
from ._setting import DERIVED, REFERENCE, digits_claim, mean_field

_OBSERVABLES = {
    "outputs": Observable.OUTPUT,
    "rates": Observable.RATE,
    "readouts": Observable.READOUT,
}
_ROWS = {  # gain, er, PR^G: PR of outputs, rates, readouts
    (3.0, 1.0, 0.1): (0.004616, 0.005679, 0.005403),
    (3.0, 1.0, 0.3): (0.0121, 0.01387, 0.01343),
    (3.0, 1.0, 0.5): (0.01792, 0.01949, 0.01912),
    (10.0, 0.1, 0.1): (0.006169, 0.00746, 0.00699),
    (10.0, 1.0, 0.3): (0.0258, 0.03176, 0.02957),
    (10.0, 1.0, 0.5): (0.03865, 0.04394, 0.04209),
}
_GAINS = (3.0, 10.0)
_RATIOS = np.geomspace(0.05, 1.0, 40)


def _ratio(gain: float, rank, gain_ratio, name: str) -> np.ndarray:
    parts = mean_field(gain)[1]
    return np.asarray(
        activity_participation_ratio(
            parts, 1 / rank, observable=_OBSERVABLES[name], gain_ratio=gain_ratio
        )
    )


def run_prx5(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """PR of outputs, of rates and of readouts."""
    progress("curves", 0, 1)
    claims = []
    for (gain, rank, gain_ratio), numbers in _ROWS.items():
        for name, expected in zip(_OBSERVABLES, numbers, strict=True):
            words = f"PR of {name}, g = {gain:g}, er = {rank:g}, PR^G = {gain_ratio:g}"
            found = _ratio(gain, rank, gain_ratio, name)
            claims.append(digits_claim("PRX5", words, expected, found, 4, REFERENCE))
    ranks, gain_ratios = np.meshgrid(_RATIOS[:-1], _RATIOS[:-1])
    curves, asymmetry, is_ordered = [], 0.0, []
    for gain in _GAINS:
        grid = {name: _ratio(gain, ranks, gain_ratios, name) for name in _OBSERVABLES}
        asymmetry = max(asymmetry, np.max(np.abs(grid["rates"] / grid["rates"].T - 1)))
        is_ordered.append((grid["outputs"] < grid["readouts"]) & (grid["readouts"] < grid["rates"]))
        curves.append([_ratio(gain, 1.0, _RATIOS, name) for name in _OBSERVABLES])
    equal = np.array(curves)[:, :, -1]
    claims += [
        Claim("PRX5", "rates: largest relative change when er and PR^G change places", 0.0,
              float(asymmetry), reachable(1e-12), DERIVED),
        Claim("PRX5", "fraction of (er, PR^G) with outputs below readouts below rates", 1.0,
              float(np.mean(is_ordered)), 0.0, DERIVED),
        Claim("PRX5", "equal gains: largest relative difference of the three", 0.0,
              float(np.max(np.ptp(equal, axis=1) / equal[:, 0])), reachable(1e-12), DERIVED),
    ]  # fmt: skip
    progress("curves", 1, 1)
    data = xr.Dataset(
        {"ratio": (("gain", "observable", "gain_ratio"), np.array(curves))},
        {"gain": list(_GAINS), "observable": list(_OBSERVABLES), "gain_ratio": _RATIOS},
        {"effective_rank": 1.0},
    )
    return claims, data


def draw_prx5(data: xr.Dataset):
    """PR against the spread of gains."""
    axes = new_axes(1, 2, size=(4.8, 4.2))[0]
    for ax, gain, values in zip(axes, data["gain"].values, data["ratio"].values, strict=True):
        curves = dict(zip(data["observable"].values, values, strict=True))
        plot_curves(data["gain_ratio"].values, curves, xlabel="participation ratio of gains PR$^G$",
                    ylabel="participation ratio PR", ax=ax)  # fmt: skip
        ax.set_title(f"g = {gain:g}, er = {data.attrs['effective_rank']:g}")
    return axes[0]
