"""Flux against correlation over random networks of several widths: `rnngeo flux`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import spearmanr

from rnngeo._progress import Progress, silent
from rnngeo._types import Keys, Scalar
from rnngeo.connectivity import signed_ensemble
from rnngeo.files import load_checkpoint, provenance, save_checkpoint, to_json
from rnngeo.information import correlations, information_flux, weak_coupling_flux
from rnngeo.models import BinaryNetwork
from rnngeo.numerics import computing

from ._saving import save_report
from ._verdict import Table
from ._words import counted

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

_WIDTHS = (0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
_MOST_UNITS = 11
_NUMBERS_AT_ONCE = 2**15  # of transition matrices, which then stay in the cache
_MEASURES = ("entropy", "divergence", "flux", "correlation", "pair_information", "weak_flux")
_WEAK, _STRONG = 1.0, 3.0


def _spearman(flux: np.ndarray, correlation: np.ndarray) -> float:
    is_known = np.isfinite(flux)
    x, y = flux[is_known], correlation[is_known]
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.asarray(spearmanr(x, y).statistic))


class FluxEnsembleReport(eqx.Module):
    """Exact flux and correlations of random networks, by the width of their weights.

    Attributes:
        parameters: What was asked, versions and device.
        n_units: Number of units N.
        widths: Root mean square weight, shape `(width,)`.
        values: By name, shape `(width, network)`, in bits: entropy, divergence, flux,
            pair_information (mean over pairs), weak_flux (that of weak weights with the same
            correlation); and correlation, RMS one step apart over all ordered pairs. NaN where
            the weights are too strong for any method.
    """

    parameters: dict[str, Any] = eqx.field(static=True)
    n_units: int = eqx.field(static=True)
    widths: Float[np.ndarray, " width"]
    values: dict[str, Float[np.ndarray, "width network"]]

    @property
    def spearman(self) -> Float[np.ndarray, " width"]:
        """Rank correlation of flux and correlation at each width; NaN if one is constant."""
        pairs = zip(self.values["flux"], self.values["correlation"], strict=True)
        return np.array([_spearman(*pair) for pair in pairs])

    @property
    def weak_coupling_ratio(self) -> Float[np.ndarray, " width"]:
        """Mean of the flux over that of weak weights with the same correlation, at each width."""
        law = self.values["weak_flux"]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(law > 0, self.values["flux"] / law, np.nan)
        return _over_networks(np.mean, ratio)

    @property
    def reason(self) -> str:
        """Why numbers are missing; empty if none is."""
        n_lost = int((~np.isfinite(self.values["flux"])).sum())
        if not n_lost:
            return ""
        have, are = ("has", "is") if n_lost == 1 else ("have", "are")
        return (
            f"{counted(n_lost, 'network')} {have} weights too strong for any method and {are} left "
            "out"
        )

    def pooled_spearman(self, low: float | int, high: float | int) -> float:
        """Rank correlation of flux and correlation over all networks of a range of widths.

        Args:
            low: Least width.
            high: Largest width.

        Returns:
            Spearman's coefficient, NaN if there is no such width.
        """
        chosen = (self.widths >= low) & (self.widths <= high)
        return _spearman(
            self.values["flux"][chosen].ravel(), self.values["correlation"][chosen].ravel()
        )

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        word = lambda value: f"{value:.3f}" if np.isfinite(value) else "undefined"
        mean = _over_networks(np.mean, self.values["flux"])
        if not np.isfinite(mean).any():
            return f"No flux found: {self.reason}."
        best = int(np.nanargmax(mean))
        return (
            f"Rank correlation of flux and RMS correlation: "
            f"{word(self.pooled_spearman(0, _WEAK))} over widths up to {_WEAK:g}, "
            f"{word(self.pooled_spearman(_STRONG, np.inf))} from {_STRONG:g} on; the mean flux is "
            f"largest at width {self.widths[best]:g}, {mean[best]:.3f} of "
            f"{counted(self.n_units, 'bit')}."
        )

    def rows(self) -> list[dict[str, Any]]:
        """Means and standard deviations over networks, one entry a width."""
        statistics = {}
        for name, array in self.values.items():
            statistics[name] = _over_networks(np.mean, array)
            statistics[f"{name}_std"] = _over_networks(np.std, array)
        columns = {
            "width": self.widths,
            **statistics,
            "spearman": self.spearman,
            "weak_coupling_ratio": self.weak_coupling_ratio,
        }
        return [
            {name: float(column[i]) for name, column in columns.items()}
            for i in range(self.widths.size)
        ]

    def summary(self) -> dict[str, Any]:
        """The object that `--json` writes; what does not exist is None, with a reason."""
        return {
            "parameters": self.parameters,
            "n_units": self.n_units,
            "widths": self.rows(),
            "spearman_weak": self.pooled_spearman(0, _WEAK),
            "spearman_strong": self.pooled_spearman(_STRONG, np.inf),
            "verdict": self.verdict,
        } | ({"reason": self.reason} if self.reason else {})

    def tables(self) -> list[Table]:
        """Title, header and rows of one table per question."""
        number = lambda v: f"{v:.4f}" if np.isfinite(v) else "-"
        names = ["entropy", "divergence", "flux", "flux_std", "correlation", "spearman"]
        names += ["weak_coupling_ratio"]
        rows = [[f"{row['width']:g}", *(number(row[n]) for n in names)] for row in self.rows()]
        header = ["width", "entropy H", "divergence D", "flux I", "std of I", "correlation C"]
        header += ["Spearman(I, C)", "I / (N^2 C^2 / 2 ln 2)"]
        return [("Does the correlation tell the flux?", header, rows)]

    def to_dataset(self) -> "xarray.Dataset":
        """Labelled data for the next tool, with units and provenance."""
        import xarray as xr

        data: dict[str, Any] = {
            name: (("width", "network"), array, {} if name == "correlation" else {"units": "bits"})
            for name, array in self.values.items()
        }
        data["spearman"] = ("width", self.spearman)
        attributes = {"summary": to_json(self.summary())}
        return xr.Dataset(data, {"width": self.widths}, attributes)

    def plot(self) -> "Axes":
        """The three panels of `report.png`; returns the first axes."""
        from rnngeo.plotting import (
            new_axes,
            plot_flux_by_width,
            plot_flux_correlation,
            plot_rank_correlation,
        )

        axes = new_axes(1, 3, size=(5.2, 4.4))
        plot_flux_correlation(
            self.values["correlation"], self.values["flux"], self.widths, self.n_units,
            ax=axes[0, 0],
        )  # fmt: skip
        terms = {name: self.values[name] for name in ("entropy", "divergence", "flux")}
        plot_flux_by_width(self.widths, terms, ax=axes[0, 1])
        plot_rank_correlation(self.widths, self.spearman, ax=axes[0, 2])
        axes[0, 0].figure.suptitle(self.verdict, fontsize=11, wrap=True)
        return axes[0, 0]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `report.png`, `result.nc` and `summary.json`.

        Args:
            folder: Where to; made if need be.

        Returns:
            The three files.

        Raises:
            ValueError: The folder cannot be written.
        """
        return save_report(self, folder)


def _over_networks(statistic, array: np.ndarray) -> np.ndarray:
    """Over the networks whose value is known, at each width."""
    known = [row[np.isfinite(row)] for row in array]
    return np.array([statistic(row) if row.size else np.nan for row in known])


def _in_batches(function: Callable, keys: Keys, n_at_once: int) -> Array:
    """A function of each key, some at a time: batches of one size, a single program.

    To that end some keys at the front are taken twice.
    """
    n_keys = keys.shape[0]
    n_batches = -(-n_keys // n_at_once)
    size = -(-n_keys // n_batches)
    keys = keys[jnp.arange(n_batches * size) % n_keys]
    return jax.lax.map(function, keys, batch_size=size)[:n_keys]


@eqx.filter_jit
def _draw_and_measure(
    n_units: int,
    width: Scalar,
    density: Scalar,
    balance: Scalar,
    noise_std: Scalar | None,
    keys: Keys,
) -> Float[Array, "network measure"]:
    def measure(key):
        weights = signed_ensemble(n_units, width, density=density, balance=balance, key=key)
        network = BinaryNetwork(weights=weights, noise_std=noise_std)
        flux = information_flux(network)
        found = correlations(network, flux.law)
        law = weak_coupling_flux(found.rms, n_units)
        pairs = found.mean_pair_information
        return jnp.stack([flux.entropy, flux.divergence, flux.flux, found.rms, pairs, law])

    return _in_batches(measure, keys, max(1, _NUMBERS_AT_ONCE // 4 ** (n_units - 1)))


def flux_ensemble_report(
    *,
    n_units: int = 5,
    widths: Sequence[float | int] = _WIDTHS,
    n_networks: int = 200,
    density: float | int = 1.0,
    balance: float | int = 0.0,
    noise_std: float | int | None = None,
    seed: int = 0,
    precision: str = "float64",
    device: str | None = None,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
) -> FluxEnsembleReport:
    r"""Does the correlation of units tell the information flux: `rnngeo flux` without a matrix.

    Draws random networks of each width, measures them exactly, and compares flux and RMS
    correlation with each other and with $I = N^2 C^2/(2\ln 2)$ of weak weights.

    Args:
        n_units: N, at most 11.
        widths: Root mean squares of the weights.
        n_networks: Networks at each width.
        density: Fraction of weights that are present.
        balance: Excess of positive over negative weights, in [-1, 1].
        noise_std: Standard deviation of the input noise.
        seed: Everything random follows from it.
        precision: "float32" or "float64".
        device: Name of a device; default JAX's.
        progress: Called after each width.
        checkpoint: File that widths done are saved to and resumed from; removed at the end.

    Returns:
        `FluxEnsembleReport`.

    Raises:
        ValueError: An argument out of range, or weights too strong for float32.

    Cost: $8^N/8$ operations a network; seconds for N = 5.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024); the ensemble and the law of weak
    weights are chosen and derived here.
    """
    places = np.asarray(widths, float)
    if places.ndim != 1 or places.size == 0 or not (np.isfinite(places) & (places > 0)).all():
        raise ValueError(f"`widths` must be positive finite numbers, got {list(widths)}.")
    if not 1 <= n_units <= _MOST_UNITS:
        raise ValueError(
            f"`n_units` must be from 1 to {_MOST_UNITS} for an ensemble, got {n_units}: a matrix "
            f"of {4.0**n_units:.2g} transitions for each network."
        )
    if n_networks < 3:
        raise ValueError(f"`n_networks` must be at least 3, got {n_networks}.")
    for name, value, low in (("density", density, 0.0), ("balance", balance, -1.0)):
        if not low <= value <= 1:
            raise ValueError(f"`{name}` must lie in [{low:g}, 1], got {value}.")
    if noise_std is not None and not (np.isfinite(noise_std) and noise_std >= 0):
        raise ValueError(f"`noise_std` must be a finite number >= 0, got {noise_std}.")
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}.")
    asked = {
        "n_units": n_units,
        "widths": [float(width) for width in places],
        "n_networks": n_networks,
        "density": density,
        "balance": balance,
        "noise_std": noise_std,
        "seed": seed,
    }
    with computing(precision, device):
        record = provenance(asked)
        found = jnp.full((places.size, n_networks, len(_MEASURES)), jnp.inf)
        n_done = jnp.zeros((), int)
        if checkpoint is not None:
            restored = load_checkpoint(checkpoint, (found, n_done), record)
            found, n_done = (found, n_done) if restored is None else restored
        array = lambda value: jnp.asarray(value, float)
        noise = array(noise_std) if noise_std else None
        progress("widths", int(n_done), places.size)
        for i in range(int(n_done), places.size):
            key = jr.fold_in(jr.key(seed), i)
            keys = jax.vmap(lambda j, key=key: jr.fold_in(key, j))(jnp.arange(n_networks))
            measured = _draw_and_measure(
                n_units, array(places[i]), array(density), array(balance), noise, keys
            )
            n_lost = int(jnp.sum(~jnp.isfinite(measured[:, 2])))
            if n_lost and precision == "float32":
                raise ValueError(
                    f"`precision` must be float64 at width {places[i]:g}: in float32 no stationary "
                    f"law is found for {n_lost} of {n_networks} networks."
                )
            found = found.at[i].set(measured)
            if checkpoint is not None:
                save_checkpoint(checkpoint, (found, jnp.asarray(i + 1)), record)
            progress("widths", i + 1, places.size)
        if checkpoint is not None:
            Path(checkpoint).unlink(missing_ok=True)
        numbers = np.moveaxis(np.asarray(found), -1, 0)
    return FluxEnsembleReport(
        parameters=record,
        n_units=n_units,
        widths=places,
        values=dict(zip(_MEASURES, numbers, strict=True)),
    )
