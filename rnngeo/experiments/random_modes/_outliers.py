"""PRX6: modes whose two sides overlap, and the eigenvalues that leave the bulk for it."""

import math

import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Float

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import power_law_strengths, random_modes
from rnngeo.plotting import new_axes, plot_curves, plot_eigenvalues

from .._claims import Claim, reachable
from ._setting import DERIVED, mean_and_error

N_UNITS, N_MATRICES = 500, 8
RANK = 0.2  # few strong modes far from one another, as measured matrices have them
OVERLAPS = (0.7, -0.8, 0.6, -0.6)  # of the strongest modes; the others have none
_ENSEMBLES = ("overlaps on the strongest modes", "the same on the weakest modes", "no overlaps")
_SHOWN = 16  # modes


def overlaps_of(ensemble: int, n_modes: int) -> Float[np.ndarray, " mode"]:
    """rho_a of the ensembles, in the order of their names."""
    overlaps, n_strong = np.zeros(n_modes), len(OVERLAPS)
    if ensemble < 2:
        overlaps[slice(n_strong) if ensemble == 0 else slice(-n_strong, None)] = OVERLAPS
    return overlaps


def outlier_spread(
    strengths: Float[np.ndarray, " mode"],
    outliers: Float[np.ndarray, " outlier"],
    radius: float,
    n_units: int,
) -> Float[np.ndarray, " outlier"]:
    r"""Standard deviation of an outlier about what its own mode makes it, as N grows.

    With $B$ the other modes, of radius g, $\lambda = D\, r^\top(1 - B/\lambda)^{-1} l$, and
    $r^\top B^k l$ has mean zero and variance $g^{2k}/N$: summed over $k \ge 1$,
    $D^2/N \cdot g^2/(\lambda^2 - g^2)$. Derived here.
    """
    return strengths * radius / np.sqrt(n_units * (outliers**2 - radius**2))


def _sample(strengths, ensemble: int, key: Key):
    """A matrix, and the overlap matrix $R^\\top L$ of its modes."""
    rho = overlaps_of(ensemble, strengths.size)
    both = random_modes(N_UNITS, strengths, overlaps=rho, is_factored=True, key=key)
    left = np.asarray(both.operator1.as_matrix()) / np.asarray(strengths)  # pyright: ignore[reportAttributeAccessIssue]
    right = np.asarray(both.operator2.as_matrix())  # pyright: ignore[reportAttributeAccessIssue]
    return np.asarray(both.as_matrix()), right @ left


def _compare_overlaps(samples: Float[np.ndarray, "matrix mode mode"]) -> list[Claim]:
    """What the modes overlap: rho_a in a mode, chance between two."""
    rho = np.array(OVERLAPS)
    own = np.diagonal(samples, axis1=1, axis2=2)[:, : rho.size]
    scores = (own - rho) / np.sqrt((1 + rho**2) / N_UNITS)  # for Gaussian modes
    n_modes = samples.shape[1]
    other = samples[:, ~np.eye(n_modes, dtype=bool)]
    mean, error, _ = mean_and_error(N_UNITS * np.mean(other**2, axis=1))
    return [
        Claim("PRX6", "overlap of a mode less rho, in standard deviations: mean", 0.0,
              float(scores.mean()), 4 / math.sqrt(scores.size), DERIVED),
        Claim("PRX6", "overlap of a mode less rho, in standard deviations: mean square", 1.0,
              float(np.mean(scores**2)), 4 * math.sqrt(2 / scores.size), DERIVED),
        Claim("PRX6", "overlap of two modes: mean square times N", 1.0, mean, 4 * error, DERIVED),
    ]  # fmt: skip


def compare_outliers(
    found: Float[np.ndarray, "matrix outlier"],
    blocks: Float[np.ndarray, "matrix mode mode"],
    strengths: Float[np.ndarray, " mode"],
    radius: float,
) -> list[Claim]:
    """Outliers in ascending order, against D rho and against the strong modes of each matrix alone.

    Tolerance: four derived standard errors, and what is of second order in the spread: its square
    over the distance to the next outlier or to zero.
    """
    order = np.argsort(strengths * np.array(OVERLAPS))
    strengths, rho = strengths[order], np.array(OVERLAPS)[order]
    expected = strengths * rho
    distance = min(np.abs(expected).min(), np.diff(expected).min())
    root = math.sqrt(len(found))
    rest = outlier_spread(strengths, expected, radius, N_UNITS)
    own = np.hypot(rest, strengths * np.sqrt((1 + rho**2) / N_UNITS))
    alone = np.sort(np.linalg.eigvals(blocks).real, axis=1)
    claims = []
    for k, number in enumerate(expected):
        words = f"mode with D = {strengths[k]:.3g}, rho = {rho[k]:g}"
        claims += [
            Claim("PRX6", f"{words}: outlier, mean of {len(found)}, against D rho", float(number),
                  float(found[:, k].mean()), float(4 * own[k] / root + own.max() ** 2 / distance),
                  DERIVED),
            Claim("PRX6", f"{words}: the same less the eigenvalue of the strong modes alone", 0.0,
                  float(np.mean(found[:, k] - alone[:, k])),
                  float(4 * rest[k] / root + rest.max() ** 2 / distance), DERIVED),
        ]  # fmt: skip
    return claims


def run_prx6(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    r"""Outliers D rho of modes with overlaps, and none where the overlaps lie elsewhere.

    A mode leaves the bulk of radius g where $|D_a\rho_a| > g$: to the bulk it is a perturbation
    of rank one, $1 = D_a r^\top(\lambda - B)^{-1}l \to D_a\rho_a/\lambda$.
    """
    strengths = power_law_strengths(N_UNITS, RANK)
    d, n_strong = np.asarray(strengths), len(OVERLAPS)
    radius = float(np.linalg.norm(d[n_strong:]) / math.sqrt(N_UNITS))  # of the other modes
    # Without overlaps the sum of |lambda|^(2k) is at most |J^k|^2, on average N for a bulk of
    # radius 1: halfway to the nearest outlier, at 1.5, k = 16 leaves 1e-3 eigenvalues a matrix.
    limit = 0.5 * (1.0 + float(np.abs(d[:n_strong] * np.array(OVERLAPS)).min()))
    n_all = len(_ENSEMBLES) * N_MATRICES
    clouds, samples, found, counts = [], [], [], np.zeros((len(_ENSEMBLES), N_MATRICES), int)
    singular, imaginary = np.zeros(0), 0.0
    for e in range(len(_ENSEMBLES)):
        for k in range(N_MATRICES):
            progress("matrices", e * N_MATRICES + k, n_all)
            matrix, overlaps = _sample(strengths, e, jr.fold_in(jr.fold_in(key, e), k))
            values = np.linalg.eigvals(matrix)
            counts[e, k] = np.sum(np.abs(values) > limit)
            if k == 0:
                clouds.append(values)
            if e == 0:
                strong = values[np.argsort(-np.abs(values))[:n_strong]]
                imaginary = max(imaginary, float(np.abs(strong.imag).max()))
                found.append(np.sort(strong.real))
                samples.append(overlaps)
                if k == 0:
                    u, _, v = np.linalg.svd(matrix)
                    singular = np.einsum("ia,ai->a", u, v)[:_SHOWN]
    progress("matrices", n_all, n_all)
    overlaps = np.array(samples)
    blocks = overlaps[:, :n_strong, :n_strong] * d[:n_strong]
    claims = [*_compare_overlaps(overlaps),
              *compare_outliers(np.array(found), blocks, d[:n_strong], radius)]  # fmt: skip
    claims.append(
        Claim("PRX6", "largest imaginary part of the outliers", 0.0, imaginary, reachable(1e-10),
              DERIVED)
    )  # fmt: skip
    for name, expected, count in zip(_ENSEMBLES, (n_strong, 0, 0), counts, strict=True):
        # One of all matrices may have one too many or too few.
        claims.append(
            Claim("PRX6", f"{name}: eigenvalues beyond {limit:.3g}, mean of {N_MATRICES}", expected,
                  float(count.mean()), 1 / N_MATRICES, DERIVED)
        )  # fmt: skip
    data = xr.Dataset(
        {
            "real": (("ensemble", "eigenvalue"), np.real(clouds)),
            "imaginary": (("ensemble", "eigenvalue"), np.imag(clouds)),
            "overlap": ("mode", overlaps_of(0, _SHOWN)),
            "drawn": ("mode", np.diagonal(overlaps[0])[:_SHOWN]),
            "singular": ("mode", singular),
            "outlier": ("strong", d[:n_strong] * np.array(OVERLAPS)),
        },
        {"ensemble": list(_ENSEMBLES), "mode": np.arange(1, _SHOWN + 1)},
        {"radius": radius, "n_units": N_UNITS},
    )
    return claims, data


def draw_prx6(data: xr.Dataset):
    """The diagonal of the overlap matrix, and the eigenvalues with and without overlaps."""
    axes = new_axes(1, 3, size=(4.8, 4.2))[0]
    modes = data["mode"].values
    curves = {
        "mode, r·l": data["drawn"].values,
        "singular vectors, v·u": data["singular"].values,
        "ρ": data["overlap"].values,
    }
    plot_curves(modes, curves, xlabel="mode, strongest first", ylabel="overlap of its two sides",
                ax=axes[0])  # fmt: skip
    for line, marker in zip(axes[0].get_lines(), "os_", strict=True):
        line.set(linestyle="none", marker=marker, markersize=5 if marker != "_" else 12)
    chance = 2 / math.sqrt(data.attrs["n_units"])
    axes[0].axhspan(-chance, chance, color="0.9", zorder=0)
    axes[0].legend(frameon=False, fontsize=8)
    axes[0].set_title("Diagonal of the overlap matrix; chance in grey")
    clouds = data["real"].values + 1j * data["imaginary"].values
    for ax, e, radius in zip(axes[1:], (0, 2), (data.attrs["radius"], 1.0), strict=True):
        plot_eigenvalues(
            [clouds[e]], ["eigenvalues of J"], bulk_radius=[radius],
            outliers=[data["outlier"].values] if e == 0 else [], ax=ax,
        )  # fmt: skip
        name = str(data["ensemble"].values[e])
        ax.set_title(name[0].upper() + name[1:])
    return axes[0]
