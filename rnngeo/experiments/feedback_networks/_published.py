"""E1 and E2: coexisting outputs and their outliers against the target."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from rnngeo._progress import Progress
from rnngeo._types import Key, Scalar
from rnngeo.meanfield import (
    FeedbackEnsemble,
    open_loop_variance,
    readout_overlaps,
    saddle_node,
)
from rnngeo.numerics import derivative, gaussian_average
from rnngeo.plotting import new_axes, plot_solution_branches

from .._claims import Claim, largest_deviation, reachable
from ._setting import (
    FEEDBACK_STD,
    GAIN,
    INPUT_STD,
    READOUT,
    SHARED_WEIGHT,
    branches,
    critical_ratio_at,
    ensemble_at,
    maximum_between,
    nearest,
    outliers,
    points_at,
    root_between,
)

REFERENCE = "independent program"
_DIGITS = 1e-6  # of the tables

# Target: output, first eigenvalue (None: a complex pair), whether stable.
_E1_ROWS = {
    -2.0: ((-2.0, 0.247612, True), (-0.362605, 2.626648, False), (2.336637, None, True)),
    -1.199199: ((-1.199199, 0.534116, True), (-0.488246, 1.650087, False),
                (1.653865, 0.093230, True)),
    -1.0: ((-1.0, 0.683392, True), (-0.560775, 1.387689, False), (1.525802, 0.110084, True)),
    -0.398398: ((-1.658059, 0.331826, True), (-0.398398, 2.215954, False),
                (2.027101, 0.053567, True)),
    -0.278278: ((-4.719802, 0.061945, True), (-0.278278, 5.902180, False),
                (4.991290, None, True)),
    0.4: ((0.4, 0.387555, True),),
    1.0: ((1.0, 0.211775, True),),
    1.503504: ((-0.957426, 0.723310, True), (-0.581285, 1.328886, False),
               (1.503504, 0.113266, True)),
    2.0: ((-1.627109, 0.341528, True), (-0.402552, 2.178554, False), (2.0, 0.056247, True)),
}  # fmt: skip
_FINE = {-1.199199: -1.1991991991991992, -0.398398: -0.39839839839839834,
         -0.278278: -0.2782782782782782, 1.503504: 1.5035035035035036}  # fmt: skip
_LANDMARKS = {
    "flex point, where no readout can be calibrated": -0.231757,
    "transcritical, where the target loses stability": -0.737977,
    "saddle-node, where a spurious pair appears": 1.440100,
    "largest target outlier between flex and saddle-node": 0.39517,
    "target at which it is reached": 0.321,
    "largest bulk radius": 0.254096,
}
_PUBLISHED_OUTPUTS = (4.89587032, -4.66713478)  # at A = -0.278278..., from the published arrays
_PUBLISHED_AT_2 = (-1.62711617, -0.40255148, 2.0)

# Readout: (target: output, first, second eigenvalue where it is an outlier, whether stable).
_E2_READOUTS = {"xi": (1.0, 0.0, 0.0), "eta_m": (0.0, 1.0, 0.0), "eta_I": (0.0, 0.0, 1.0)}
_E2_ROWS = {
    ("xi", 1.5): ((1.5, None, None, True),),
    ("xi", -1.5): ((-1.5, 0.591513, None, True), (-0.798517, 1.595126, None, False),
                   (2.410230, None, None, True)),
    ("xi", -0.3): ((-0.3, 0.038709, -2.664366, True),),
    ("eta_m", 1.5): ((-1.708333, 0.149465, None, True), (0.0, 2.243300, None, False),
                     (1.5, 0.260656, None, True)),
    ("eta_m", -0.05): ((-0.158333, 0.984475, None, True), (-0.05, 1.004898, None, False),
                       (0.0, 0.992930, None, True)),
    ("eta_I", -1.5): ((-1.5, 0.0, -0.781956, True),),
}  # fmt: skip


def _target_outlier(ensemble, readout, target: float) -> float:
    points = points_at(ensemble, readout, target)
    return float(outliers(points)[nearest(points, target)])


def boundary_targets(ensemble: FeedbackEnsemble, ratio: float) -> tuple[float, float]:
    """For a ratio r > 0: where the target loses stability, and where a spurious pair appears."""
    loss = lambda a: float(critical_ratio_at(ensemble, a)) - ratio
    birth = lambda a: float(saddle_node(ensemble, a).ratio) - ratio
    return root_between(loss, -2.0, -ratio - 0.02), root_between(birth, 0.5, 4.0)


@eqx.filter_jit
def _largest_radius(ensemble: FeedbackEnsemble) -> Scalar:
    """Bulk radius at the symmetry point, where the units are the least saturated."""
    slope = derivative(ensemble.nonlinearity)
    variance = open_loop_variance(ensemble, ensemble.symmetry_point)
    return ensemble.gain * jnp.sqrt(gaussian_average(lambda x: slope(x) ** 2, variance))


def _landmarks() -> dict[str, float]:
    """Special targets of the published setting."""
    ensemble = ensemble_at()
    a_m, a_I = readout_overlaps(ensemble, *READOUT)
    ratio = float(a_I / a_m)
    transcritical, birth = boundary_targets(ensemble, ratio)
    # The outlier of the target rises from 0 at the flex point, passes its maximum, and falls.
    outlier = lambda a: _target_outlier(ensemble, READOUT, a)
    place, height = maximum_between(outlier, 0.0, birth)
    values = (-ratio, transcritical, birth, height, place, float(_largest_radius(ensemble)))
    return dict(zip(_LANDMARKS, values, strict=True))


def _coarse_quadrature(target: float, output: float) -> float:
    """The fixed point near an output, every average by 200-point Gauss-Hermite quadrature.

    The published arrays were made with this rule, which fails at large variances because tanh has
    poles near the real axis.
    """
    x, w = np.polynomial.hermite.hermgauss(200)
    x, w = x * math.sqrt(2), w / math.sqrt(math.pi)
    average = lambda f, d: float(w @ f(math.sqrt(d) * x))
    rate2, slope = lambda x: np.tanh(x) ** 2, lambda x: 1 / np.cosh(x) ** 2
    rho = SHARED_WEIGHT
    a_m = FEEDBACK_STD * (READOUT[0] * rho + READOUT[1] * math.sqrt(1 - rho**2))
    a_I = INPUT_STD * (READOUT[0] * rho + READOUT[2] * math.sqrt(1 - rho**2))
    overlap = FEEDBACK_STD * INPUT_STD * rho**2

    def mean_slope(z):
        drive = FEEDBACK_STD**2 * z**2 + 2 * overlap * z + INPUT_STD**2
        d = drive + GAIN**2
        for _ in range(200):
            d = drive + GAIN**2 * average(rate2, d)
        return average(slope, d)

    scale = target / ((a_m * target + a_I) * mean_slope(target))
    gap = lambda z: scale * (a_m * z + a_I) * mean_slope(z) - z
    return root_between(gap, output - 0.02, output + 0.02)


def _published_claims() -> list[Claim]:
    ensemble, target = ensemble_at(), _FINE[-0.278278]
    found = np.asarray(points_at(ensemble, READOUT, 2.0).output)
    coarse = [_coarse_quadrature(target, z) for z in _PUBLISHED_OUTPUTS]
    return [
        Claim("E1", "A = 2: outputs of the published arrays, largest deviation", 0.0,
              largest_deviation(found, _PUBLISHED_AT_2), reachable(2e-5), "published"),
        Claim("E1", "A = -0.278278: published outputs = ours by 200-point Gauss-Hermite averages, "
              "largest deviation", 0.0, largest_deviation(coarse, _PUBLISHED_OUTPUTS), 1e-6,
              "published"),
    ]  # fmt: skip


def _row_claims(experiment: str, name: str, points, rows) -> list[Claim]:
    """Outputs, eigenvalues and verdicts of one row of a table."""
    roots = np.asarray(points.roots)
    pattern = [bool(s) for s in points.is_stable] == [row[-1] for row in rows]
    found, wanted = [], []
    if pattern:
        for k, row in enumerate(rows):
            for value, root in zip(row[1:-1], roots[k], strict=False):
                if value is not None:
                    found.append(root.real + abs(root.imag))
                    wanted.append(value)
    else:
        found = [math.nan]
    largest = lambda a, b: largest_deviation(a, b) if b else 0.0
    tolerance = reachable(_DIGITS)
    return [
        Claim(experiment, f"{name}: number of outputs with the stability of the table",
              len(rows), len(rows) if pattern else math.nan, 0.0, REFERENCE),
        Claim(experiment, f"{name}: outputs, largest deviation", 0.0,
              largest_deviation(np.asarray(points.output), [row[0] for row in rows]),
              tolerance, REFERENCE),
        Claim(experiment, f"{name}: eigenvalues, largest deviation", 0.0, largest(found, wanted),
              tolerance, REFERENCE),
    ]  # fmt: skip


def _branch_data(readouts, targets: np.ndarray, progress: Progress) -> xr.Dataset:
    """Every fixed point at every target for every readout."""
    sets = []
    for k, readout in enumerate(readouts.values()):
        progress("outputs at every target", k, len(readouts))
        points = branches(ensemble_at(), jnp.asarray(readout), jnp.asarray(targets))
        sets.append(jax.tree.map(np.asarray, points))
    progress("outputs at every target", len(readouts), len(readouts))
    dims = ("readout", "target", "root")
    stack = lambda name: np.stack([np.asarray(getattr(points, name)) for points in sets])
    return xr.Dataset(
        {
            "output": (dims, stack("output"), {"long_name": "output z of a fixed point"}),
            "outlier": (dims, np.stack([outliers(points) for points in sets])),
            "bulk_radius": (dims, stack("bulk_radius")),
            "is_stable": (dims, stack("is_stable")),
        },
        {"readout": list(readouts), "target": targets},
    )


def run_e1(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Outputs and outliers against the target, published setting."""
    data = _branch_data({"published": READOUT}, np.linspace(-2, 2, 401) + 1e-3, progress)
    progress("landmarks", 0, 1)
    found = _landmarks()
    progress("landmarks", 1, 1)
    tolerances = [_DIGITS, _DIGITS, _DIGITS, 1e-5, 1e-3, _DIGITS]
    claims = [
        Claim("E1", name, _LANDMARKS[name], found[name], reachable(tolerance), REFERENCE)
        for name, tolerance in zip(_LANDMARKS, tolerances, strict=True)
    ]
    for target, rows in _E1_ROWS.items():
        points = points_at(ensemble_at(), READOUT, _FINE.get(target, target))
        claims += _row_claims("E1", f"A = {target:g}", points, rows)
    claims += _published_claims()
    places = dict(zip(("flex", "transcritical", "saddle-node"), found.values(), strict=False))
    return claims, data.assign_attrs(places)


def run_e2(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """The same for readouts along one direction."""
    claims, ensemble = [], ensemble_at()
    data = _branch_data(_E2_READOUTS, np.linspace(-3, 3, 241) + 1e-3, progress)
    for (name, target), rows in _E2_ROWS.items():
        points = points_at(ensemble, _E2_READOUTS[name], target)
        claims += _row_claims("E2", f"n along {name}, A = {target:g}", points, rows)
    loss, birth = boundary_targets(ensemble, INPUT_STD / FEEDBACK_STD)
    claims += [
        Claim("E2", "n along xi: a spurious pair from A =", 2.23357, birth,
              reachable(1e-5), REFERENCE),
        Claim("E2", "n along xi: target unstable from A =", -1.06292, loss,
              reachable(1e-5), REFERENCE),
        Claim("E2", "n along eta_m, A = 1.5: third output 2 z0 - A", -1.5 - 2 * 0.25 * 0.5 / 1.2,
              float(points_at(ensemble, _E2_READOUTS["eta_m"], 1.5).output[0]),
              reachable(1e-8), "derived"),
    ]  # fmt: skip
    return claims, data


def _draw_pair(data: xr.Dataset, axes, landmarks, limit: float) -> None:
    targets, is_stable = data["target"].values, data["is_stable"].values.astype(bool)
    ax = plot_solution_branches(
        targets, data["output"].values, is_stable, landmarks=landmarks, ax=axes[0]
    )
    ax.plot(targets, targets, color="#9A9A9A", lw=0.8, zorder=0)
    ax.set(ylim=(-limit, limit), title="All outputs")
    ax = plot_solution_branches(
        targets, data["outlier"].values, is_stable, landmarks=landmarks, threshold=1.0,
        ylabel="outlier eigenvalue of J diag(φ')", ax=axes[1],
    )  # fmt: skip
    ax.plot(targets, np.nanmax(data["bulk_radius"].values, axis=1), color="#9A9A9A", lw=1,
            label="bulk radius (largest)")  # fmt: skip
    ax.legend(frameon=False, fontsize=8, markerscale=4)
    ax.set(ylim=(-1.5, 4), title="Their outliers")


def draw_e1(data: xr.Dataset):
    """Outputs and outliers against the target."""
    axes = new_axes(1, 2, size=(5.6, 4.4))[0]
    names = ("flex", "transcritical", "saddle-node")
    places = {name: float(data.attrs[name]) for name in names}
    _draw_pair(data.isel(readout=0), axes, places, 5.0)
    return axes[0]


def draw_e2(data: xr.Dataset):
    """One row a direction."""
    axes = new_axes(3, 2, size=(5.6, 3.2))
    for row, name in zip(axes, data["readout"].values, strict=True):
        _draw_pair(data.sel(readout=name), row, {}, 4.0)
        row[0].set_title(f"n along {name}: all outputs")
    return axes[0, 0]
