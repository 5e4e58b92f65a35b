"""Reports as labelled data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from ._network import NetworkReport


def _padded(rows: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Stack arrays of unequal length, NaN where one is short."""
    result = np.full((len(rows), *shape), np.nan)
    for k, row in enumerate(rows):
        result[(k, *(slice(0, n) for n in row.shape))] = row
    return result


def _parts(values: np.ndarray) -> np.ndarray:
    return np.stack([values.real, values.imag], axis=-1)


def stability_dataset(
    reports: Sequence[NetworkReport], parameters: dict[str, Any], verdict: str
) -> xr.Dataset:
    """All numbers of some network reports with named dimensions, units and provenance.

    Args:
        reports: The networks.
        parameters: What was asked and with which versions: the attributes.
        verdict: The sentence.

    Returns:
        The dataset; complex numbers have a last dimension `part` (re, im), short rows end in NaN.
    """
    n_points = max(len(r.output) for r in reports)
    n_attractors = max(len(r.basins.count) for r in reports)
    n_units, n_outputs = reports[0].effective.shape[1], reports[0].output.shape[1]
    variables: dict[str, Any] = {}

    def add(name, dims, rows, shape, unit, text):
        values = _padded([np.asarray(row, float) for row in rows], shape)
        variables[name] = (("network", *dims), values, {"units": unit, "long_name": text})

    one, rate = "1", "1/time constant"
    at, point = ("point",), (n_points,)
    z_dims, z_shape = ("point", "readout"), (n_points, n_outputs)
    add("output", z_dims, [r.output for r in reports], z_shape, one, "output z of a fixed point")
    for name, unit, text in (
        ("variance", one, "mean square of the state"),
        ("slope", one, "slope F'(z) of the readout curve"),
        ("residual", rate, "root mean square of the velocity"),
        ("bulk_radius", one, "radius of the bulk of J diag(phi')"),
        ("abscissa", rate, "largest real part of the Jacobian's spectrum"),
        ("spectral_radius", rate, "largest modulus of the Jacobian's spectrum"),
        ("is_stable", one, "1 where linearly stable"),
    ):
        add(name, at, [getattr(r, name) for r in reports], point, unit, text)
    dims, shape = ("point", "eigenvalue", "part"), (n_points, n_units, 2)
    spectra = [_parts(r.effective) for r in reports]
    add("eigenvalues", dims, spectra, shape, one, "eigenvalues of J diag(phi'), modulus descending")
    outside = [r.is_outlier for r in reports]
    add("is_outlier", dims[:2], outside, shape[:2], one, "1 where outside the bulk")
    basins = [r.basins for r in reports]
    dims, shape = ("attractor", "readout"), (n_attractors, n_outputs)
    add("attractor_output", dims, [b.output for b in basins], shape, one, "output of an attractor")
    for name, text in (
        ("fraction", "fraction of the starts"),
        ("low", "lower end of the 95 % Wilson interval"),
        ("high", "upper end of the 95 % Wilson interval"),
        ("count", "number of starts"),
    ):
        rows = [getattr(b, name) for b in basins]
        add(f"basin_{name}", dims[:1], rows, shape[:1], one, text)
    labels = [b.label for b in basins]
    text = "attractor of each start; -1 undecided, -2 diverged"
    add("start_attractor", ("start",), labels, (basins[0].n_starts,), one, text)
    curves = [r.curve for r in reports if r.curve is not None]
    if len(curves) == len(reports):
        n_scan = max(len(c.output) for c in curves)
        for name, text in (
            ("output", "clamped output z"),
            ("value", "readout F(z)"),
            ("slope", "slope F'(z)"),
        ):
            rows = [getattr(c, name) for c in curves]
            add(f"curve_{name}", ("scan",), rows, (n_scan,), one, text)
    shown = reports[0].shown_outputs
    trajectories = [r.shown_outputs for r in reports]
    dims = ("shown_start", "time", "readout")
    add("trajectory", dims, trajectories, shown.shape, one, "output along some trajectories")
    coords = {
        "network": np.arange(len(reports)),
        "part": ["re", "im"],
        "time": ("time", reports[0].shown_times, {"units": "time constant"}),
        "completeness": ("network", [str(r.completeness) for r in reports]),
    }
    attributes = {
        key: value if type(value) in (int, float, str) else str(value)  # netCDF has no booleans
        for key, value in parameters.items()
    }
    attributes["verdict"] = verdict
    return xr.Dataset(variables, coords, attributes)
