"""E6: eigenvalue clouds at target and spurious states."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.plotting import new_axes, plot_eigenvalues
from rnngeo.stability import bulk_edge, loop_fixed_points, spectrum

from .._claims import Claim
from ._setting import (
    READOUT,
    Readout,
    calibrated_network,
    ensemble_at,
    mean_and_error,
    outliers,
    points_at,
)

# name: readout, target, and whether each output is stable, ascending.
CASES: dict[str, tuple[Readout, float, tuple[bool, ...]]] = {
    "3U, A = -0.4": (READOUT, -0.4, (True, False, True)),
    "3S, A = -1.5": (READOUT, -1.5, (True, False, True)),
    "set F, A = 1": ((0.0, 0.0, 1.0), 1.0, (True,)),
}
N_UNITS, N_NETWORKS, _N_ROOTS = 400, 6, 3


def _state_claims(name: str, k: int, theory, found: dict[str, np.ndarray]) -> list[Claim]:
    """Outlier, disc and verdict at one state, over networks."""
    words = f"{name}, state at z = {theory.output[k]:.3f}"
    wanted = float(outliers(theory)[k])
    claims = [
        Claim("E6", f"{words}: fraction of networks with the stability of the mean field", 1.0,
              float(np.mean(found["is_stable"][:, k] == theory.is_stable[k])), 0.0, "mean field")
    ]  # fmt: skip
    if np.isfinite(wanted):
        mean, error, spread = mean_and_error(found["outlier"][:, k])
        claims.append(
            Claim("E6", f"{words}: outlier (14)", wanted, mean, 4 * error + spread**2,
                  "mean field")
        )  # fmt: skip
    mean, error, spread = mean_and_error(found["bulk_radius"][:, k])
    radius = float(theory.bulk_radius[k])
    claims.append(
        Claim("E6", f"{words}: radius of the disc (13)", radius, mean,
              4 * error + spread**2 + 1 / N_UNITS, "mean field")
    )  # fmt: skip
    edge = float(np.mean(found["edge"][:, k] / found["bulk_radius"][:, k]))
    reach = float(bulk_edge(jnp.asarray(1.0), N_UNITS)) - 1
    claims.append(
        Claim("E6", f"{words}: outermost of all other eigenvalues, over that radius", 1.0, edge,
              reach, "Rider 2003")
    )  # fmt: skip
    return claims


def run_e6(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """All fixed points of some networks, and the spectrum at each."""
    ensemble, claims = ensemble_at(), []
    clouds = np.full((len(CASES), _N_ROOTS, N_UNITS, 2), np.nan)
    names = ("output", "bulk_radius", "outlier")
    predicted = {name: np.full((len(CASES), _N_ROOTS), np.nan) for name in names}
    for c, (name, (readout, target, pattern)) in enumerate(CASES.items()):
        theory = points_at(ensemble, readout, target)
        n_roots, n_complete = len(pattern), 0
        shape = (N_NETWORKS, n_roots)
        found = {q: np.full(shape, np.nan) for q in ("outlier", "bulk_radius", "edge", "is_stable")}
        for i in range(N_NETWORKS):
            progress(f"spectra, {name}", i, N_NETWORKS)
            key_network = jr.fold_in(jr.fold_in(key, c), i)
            network = calibrated_network(N_UNITS, ensemble, readout, target, key=key_network)
            points = loop_fixed_points(network, n_grid=65)
            n_complete += len(points.output) == n_roots
            for k, z in enumerate(theory.output):
                state = points.state[int(np.argmin(np.abs(points.output - z)))]
                cloud = jax.tree.map(np.asarray, spectrum(network, jnp.asarray(state)))
                rest = cloud.effective
                if np.isfinite(outliers(theory)[k]):
                    found["outlier"][i, k] = rest[0].real
                    rest = rest[1:]
                found["edge"][i, k] = np.abs(rest).max()
                found["bulk_radius"][i, k] = cloud.bulk_radius
                found["is_stable"][i, k] = cloud.is_stable
                if i == 0:
                    clouds[c, k] = np.stack([cloud.effective.real, cloud.effective.imag], axis=-1)
        progress(f"spectra, {name}", N_NETWORKS, N_NETWORKS)
        claims.append(
            Claim("E6", f"{name}: networks with {n_roots} fixed points, of {N_NETWORKS}",
                  N_NETWORKS, n_complete, 0.0, "mean field")
        )  # fmt: skip
        for k in range(n_roots):
            claims += _state_claims(name, k, theory, found)
        predicted["output"][c, :n_roots] = theory.output
        predicted["bulk_radius"][c, :n_roots] = theory.bulk_radius
        predicted["outlier"][c, :n_roots] = outliers(theory)
    dims = ("case", "root")
    data = xr.Dataset(
        {
            "eigenvalues": ((*dims, "eigenvalue", "part"), clouds),
            **{name: (dims, values) for name, values in predicted.items()},
        },
        {"case": list(CASES), "part": ["re", "im"]},
    )
    return claims, data


def draw_e6(data: xr.Dataset):
    """One panel a case, one colour a state."""
    axes = new_axes(1, len(CASES), size=(5.2, 3.4))[0]
    for ax, case in zip(axes, data["case"].values, strict=True):
        at = data.sel(case=case)
        count = int(np.isfinite(at["output"].values).sum())
        parts, wanted = at["eigenvalues"].values[:count], at["outlier"].values[:count]
        plot_eigenvalues(
            list(parts[..., 0] + 1j * parts[..., 1]),
            [f"z = {z:.2f}" for z in at["output"].values[:count]],
            bulk_radius=list(at["bulk_radius"].values[:count]),
            outliers=[value[np.isfinite(value)] for value in np.atleast_1d(wanted)[:, None]],
            ax=ax,
        )
        ax.set_aspect("equal", adjustable="box")
        right = max(1.6, float(np.nanmax(wanted)) + 0.3)
        ax.set(title=str(case), xlim=(-0.8, right), ylim=(-0.35 * right - 0.3, 0.4))
    return axes[0]
