"""The weights of largest information flux, as a value: `rnngeo maximize-flux`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int

from rnngeo._progress import Progress, silent
from rnngeo.files import provenance, to_json
from rnngeo.information import attractor_cycles, correlations, information_flux, longest_rooks
from rnngeo.models import BinaryNetwork
from rnngeo.numerics import computing
from rnngeo.train import FluxMaximum, WeightLimit, maximize_flux, rookness

from ._saving import save_report
from ._verdict import Table
from ._words import counted

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

_LIMITED = {
    WeightLimit.BOX: "every weight",
    WeightLimit.ROW_L2: "the Euclidean norm of every row",
    WeightLimit.ROW_L1: "the sum of moduli of every row",
}


class FluxMaximumReport(eqx.Module):
    """What a search for the largest flux found, beside rooks; information in bits.

    Attributes:
        parameters: What was asked, versions and device.
        maximum: The search.
        is_joint: Whether long cycles were an objective too.
        entropy: H of the best matrix.
        divergence: D of it.
        correlation: Root mean square Pearson correlation, one step apart, all ordered pairs.
        cycle_lengths: Of the best matrix without noise, descending.
        has_ties: Whether a field of it is exactly zero in some state; it counts as positive.
        restart_rookness: Of each restart's best.
        longest_rooks_period: Largest mean period over starts of any rooks of this size.
    """

    parameters: dict[str, Any] = eqx.field(static=True)
    maximum: FluxMaximum
    is_joint: bool = eqx.field(static=True)
    entropy: float
    divergence: float
    correlation: float
    cycle_lengths: Int[np.ndarray, " cycle"]
    has_ties: bool
    restart_rookness: Float[np.ndarray, " restart"]
    longest_rooks_period: float

    @property
    def best(self) -> int:
        """The restart that found the best matrix."""
        same = np.all(self.maximum.restart_weights == self.maximum.weights, axis=(1, 2))
        return int(np.argmax(same))

    @property
    def rooks_weights(self) -> Float[np.ndarray, "n_units n_units"]:
        """The nearest rooks, each weight at the limit."""
        rooks = self.maximum.rooks
        weights = np.zeros_like(self.maximum.weights)
        weights[np.arange(len(weights)), rooks.permutation] = self.maximum.limit * rooks.signs
        return weights

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        found = self.maximum
        gap = found.flux - found.rooks_flux
        n = len(found.restart_flux)
        if abs(gap) < 1e-6 * found.rooks_flux:
            compared = "as much as rooks"
        else:
            compared = f"{abs(gap):.2g} bits {'more' if gap > 0 else 'less'} than rooks"
        words = (
            f"With {_LIMITED[found.constraint]} at most {found.limit:g}, "
            f"{counted(found.n_units, 'unit')} {'carries' if found.n_units == 1 else 'carry'} "
            f"{found.flux:.6g} bits, {compared}; rookness {found.rookness:.3f}"
        )
        if self.is_joint:
            n_front = len(found.front_flux)
            are = "matrix is" if n_front == 1 else "matrices are"
            return words + (
                f", mean period {found.mean_period:g} ({self.longest_rooks_period:g} for the "
                f"longest rooks). {n_front} {are} on the front."
            )
        reach = "reaches" if found.n_at_rooks == 1 else "reach"
        return f"{words}, {found.n_at_rooks} of {counted(n, 'restart')} {reach} rooks."

    def summary(self) -> dict[str, Any]:
        """The object that `--json` writes."""
        found = self.maximum
        result: dict[str, Any] = {
            "parameters": self.parameters,
            "n_units": found.n_units,
            "limit": found.limit,
            "constraint": str(found.constraint),
            "flux": found.flux,
            "entropy": self.entropy,
            "divergence": self.divergence,
            "correlation": self.correlation,
            "rooks_flux": found.rooks_flux,
            "bound": found.bound,
            "weights": found.weights,
            "rookness": found.rookness,
            "permutation": found.rooks.permutation,
            "signs": found.rooks.signs,
            "cycles": {
                "lengths": self.cycle_lengths,
                "mean_over_starts": found.mean_period,
                "mean_over_cycles": float(np.mean(self.cycle_lengths)),
                "ties": self.has_ties,
            },
            "longest_rooks_period": self.longest_rooks_period,
            "restarts": {
                "flux": found.restart_flux,
                "evolved_flux": found.evolved_flux,
                "mean_period": found.restart_period,
                "rookness": self.restart_rookness,
                "at_rooks": found.n_at_rooks,
            },
            "verdict": self.verdict,
        }
        if self.is_joint:
            result["merit"] = found.merit
            result["front"] = [
                {"flux": flux, "mean_period": period, "weights": weights}
                for flux, period, weights in zip(
                    found.front_flux, found.front_period, found.front_weights, strict=True
                )
            ]
        return result

    def tables(self) -> list[Table]:
        """Title, header and rows of one table per question."""
        found = self.maximum
        number = lambda v: f"{v:.6g}" if np.isfinite(v) else "-"
        lengths = ", ".join(str(n) for n in self.cycle_lengths[:8])
        if len(self.cycle_lengths) > 8:
            lengths += ", ..."
        rows = [
            ["flux I (bits)", number(found.flux), number(found.rooks_flux)],
            ["entropy H (bits)", number(self.entropy), number(float(found.n_units))],
            ["divergence D (bits)", number(self.divergence),
             number(found.n_units - found.rooks_flux)],
            ["correlation C", number(self.correlation),
             number(np.tanh(found.limit / 2) / np.sqrt(found.n_units))],
            ["rookness", number(found.rookness), "1"],
            ["mean period over starts", number(found.mean_period),
             f"up to {self.longest_rooks_period:g}"],
            ["cycles", lengths, ""],
            ["bound on I (bits)", number(found.bound), number(found.rooks_flux)],
        ]  # fmt: skip
        tables = [
            ("How much does one state say about the next?", ["", "found", "rooks"], rows),
            (
                "What is the matrix?",
                ["to \\ from", *(str(m) for m in range(found.n_units))],
                [[str(n), *(f"{w:+.3f}" for w in row)] for n, row in enumerate(found.weights)],
            ),
        ]
        if self.is_joint:
            points = zip(found.front_flux, found.front_period, strict=True)
            rows = [[number(flux), number(period)] for flux, period in points]
            tables.append(
                ("What cannot be improved in both?", ["flux (bits)", "mean period"], rows)
            )
        return tables

    def to_dataset(self) -> "xarray.Dataset":
        """Labelled data for the next tool, with units and provenance."""
        import xarray as xr

        found = self.maximum
        bits = {"units": "bits"}
        data: dict[str, Any] = {
            "weights": (("target", "source"), found.weights),
            "rooks_weights": (("target", "source"), self.rooks_weights),
            "restart_weights": (("restart", "target", "source"), found.restart_weights),
            "restart_flux": ("restart", found.restart_flux, bits),
            "evolved_flux": ("restart", found.evolved_flux, bits),
            "restart_period": ("restart", found.restart_period),
            "restart_rookness": ("restart", self.restart_rookness),
            "history": (("restart", "generation", "objective"), found.history),
        }
        if self.is_joint:
            data["front_weights"] = (("point", "target", "source"), found.front_weights)
            data["front_flux"] = ("point", found.front_flux, bits)
            data["front_period"] = ("point", found.front_period)
        coordinates = {
            "objective": ["flux", "mean_period"][: found.history.shape[2]],
            "generation": np.arange(1, found.history.shape[1] + 1),
        }
        return xr.Dataset(data, coordinates, {"summary": to_json(self.summary())})

    def plot(self) -> "Axes":
        """The four panels of `report.png`; returns the first axes."""
        from rnngeo.plotting import (
            new_axes,
            plot_pareto_front,
            plot_restarts,
            plot_search_history,
            plot_weights,
        )

        found = self.maximum
        axes = new_axes(2, 2, size=(5.4, 4.4))
        plot_weights(found.weights, limit=found.limit, title="Best weights", ax=axes[0, 0])
        plot_weights(self.rooks_weights, limit=found.limit, title="Nearest rooks", ax=axes[0, 1])
        landmarks = {"rooks": found.rooks_flux, "best after the ascent": found.flux}
        plot_search_history(
            found.history[:, :, 0], best=self.best, landmarks=landmarks, ax=axes[1, 0]
        )
        if self.is_joint:
            plot_pareto_front(
                found.front_flux,
                found.front_period,
                (found.restart_flux, found.restart_period),
                (found.rooks_flux, self.longest_rooks_period),
                ax=axes[1, 1],
            )
        else:
            plot_restarts(
                self.restart_rookness, found.restart_flux, best=self.best,
                rooks_flux=found.rooks_flux, ax=axes[1, 1],
            )  # fmt: skip
        axes[0, 0].figure.suptitle(self.verdict, fontsize=11, wrap=True)
        return axes[0, 0]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `report.png`, `result.nc`, `weights.csv` and `summary.json`.

        Args:
            folder: Where to; made if need be.

        Returns:
            The four files; `rnngeo flux` reads the third.

        Raises:
            ValueError: The folder cannot be written.
        """
        write = lambda path: np.savetxt(path, self.maximum.weights, delimiter=",", fmt="%.17g")
        return save_report(self, folder, {"weights.csv": write})


def flux_maximum_report(
    n_units: int,
    limit: float | int,
    *,
    constraint: WeightLimit = WeightLimit.BOX,
    is_joint: bool = False,
    n_restarts: int | None = None,
    n_generations: int = 500,
    seed: int = 0,
    precision: str = "float64",
    device: str | None = None,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
) -> FluxMaximumReport:
    r"""Which weights carry most information from one state to the next: `rnngeo maximize-flux`.

    Args:
        n_units: N, up to 10.
        limit: w, the limit of the weights.
        constraint: What w limits.
        is_joint: Whether long cycles of the noiseless network are an objective too.
        n_restarts: Independent searches. Default 32 up to six units, 16 above.
        n_generations: Generations of each.
        seed: Everything random follows from it.
        precision: "float64"; float32 is refused.
        device: Name of a device; default JAX's.
        progress: Called along the way.
        checkpoint: File that the search saves to and resumes from; removed at its end.

    Returns:
        `FluxMaximumReport`.

    Raises:
        ValueError: A bad argument; the message names it.

    Cost: see `maximize_flux`.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024).
    """
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}.")
    if precision == "float32":
        raise ValueError(
            "`precision` must be float64 for the largest flux, got float32: strong weights lose "
            "their stationary law there, and the search would avoid them."
        )
    asked = {
        "n_units": n_units,
        "limit": limit,
        "constraint": str(constraint),
        "is_joint": is_joint,
        "n_restarts": n_restarts,
        "n_generations": n_generations,
        "seed": seed,
    }
    with computing(precision, device):
        found = maximize_flux(
            n_units, limit, constraint=constraint, is_joint=is_joint, n_restarts=n_restarts,
            n_generations=n_generations, progress=progress, checkpoint=checkpoint,
            key=jr.key(seed),
        )  # fmt: skip
        network = BinaryNetwork(found.weights)
        flux, cycles = information_flux(network), attractor_cycles(network)
        report = FluxMaximumReport(
            parameters=provenance(asked),
            maximum=found,
            is_joint=is_joint,
            entropy=float(flux.entropy),
            divergence=float(flux.divergence),
            correlation=float(correlations(network, flux.law).rms),
            cycle_lengths=cycles.lengths,
            has_ties=bool(cycles.has_ties),
            restart_rookness=np.asarray([rookness(w) for w in found.restart_weights]),
            longest_rooks_period=longest_rooks(n_units).value,
        )
    if checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)
    return report
