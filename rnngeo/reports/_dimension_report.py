"""The dimension of activity on one matrix, predicted and simulated, as a value."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from rnngeo.files import to_json

from ._dimension_theory import DimensionTheory
from ._saving import save_report
from ._verdict import Table

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes


class SimulatedDimension(eqx.Module):
    """What a simulation measured, each number with its standard error.

    Attributes:
        values: By name, `(value, error)`: dimension_rate, dimension_current (free of sampling
            bias), dimension_rate_naive, variance_rate and variance_current.
        delays: Lags of the autocovariance, in time constants.
        autocovariance: Of the rates, averaged over neurons, and its error, shape `(2, delay)`.
        component_variances: Eigenvalues of the covariance of the rates, descending.
        duration: Time measured in each replica.
    """

    values: dict[str, tuple[float, float]]
    delays: Float[np.ndarray, " delay"]
    autocovariance: Float[np.ndarray, "2 delay"]
    component_variances: Float[np.ndarray, " n_units"]
    duration: float


class DimensionReport(eqx.Module):
    """The dimension of activity on one matrix: predicted from its spectrum, and simulated.

    Attributes:
        parameters: What was asked, versions and device.
        weights: The matrix that was simulated, shape `(n_units, n_units)`.
        singular_values: Of it, descending.
        measured_gain: Effective gain of the matrix as given.
        gain: Effective gain of the matrix that was simulated.
        singular_value_ratio: PR^S.
        inverse_effective_rank: 1/PR^S - 2.
        predicted: The mean field.
        simulated: The simulation, or None where there is nothing to measure.
        curve_ranks: 1/er of the predicted curves.
        curves: Predicted dimension of rates and currents at these.
        predicted_autocovariance: Of the rates at the simulation's delays, or None.
        reason: Why something is missing.
    """

    parameters: dict[str, Any] = eqx.field(static=True)
    weights: Float[np.ndarray, "n_units n_units"]
    singular_values: Float[np.ndarray, " n_units"]
    measured_gain: float
    gain: float
    singular_value_ratio: float
    inverse_effective_rank: float
    predicted: DimensionTheory
    simulated: SimulatedDimension | None
    curve_ranks: Float[np.ndarray, " rank"]
    curves: dict[str, Float[np.ndarray, " rank"]]
    predicted_autocovariance: Float[np.ndarray, " delay"] | None
    reason: str = eqx.field(static=True)

    @property
    def n_units(self) -> int:
        """Number of neurons N."""
        return len(self.weights)

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        n = self.n_units
        words = f"PR^S {self.singular_value_ratio:.3f}"
        if self.inverse_effective_rank > 0:
            words += f", effective rank {1 / self.inverse_effective_rank:.3g}"
        if not np.isfinite(self.predicted.dimension_rate):
            return f"{words}: no chaotic activity at gain {self.gain:.3g}, so no dimension."
        told = f"{words}: the mean field predicts {n * self.predicted.dimension_rate:.1f}"
        if self.simulated is None:
            return f"{told} of {n} dimensions; nothing to simulate: {self.reason}"
        value, error = self.simulated.values["dimension_rate"]
        if self.reason:
            return f"{told} of {n} dimensions, but {self.reason}."
        return f"{told} of {n} dimensions, the simulation has {n * value:.1f} +- {n * error:.1f}."

    def summary(self) -> dict[str, Any]:
        """The object that `--json` writes; what does not exist is None, with a reason."""
        rank = self.inverse_effective_rank
        reasons = [self.reason] if self.reason else []
        if rank <= 0:
            reasons.append("effective_rank: infinite or beyond, PR^S is that of independent "
                           "entries or above")  # fmt: skip
        result: dict[str, Any] = {
            "parameters": self.parameters,
            "n_units": self.n_units,
            "measured_gain": self.measured_gain,
            "gain": self.gain,
            "singular_value_ratio": self.singular_value_ratio,
            "effective_rank": 1 / rank if rank > 0 else None,
            "inverse_effective_rank": rank,
            "predicted": self.predicted.summary(),
            "simulated": None,
            "verdict": self.verdict,
        }
        if self.simulated is not None:
            result["simulated"] = {
                name: {"value": value, "error": error}
                for name, (value, error) in self.simulated.values.items()
            } | {"duration": self.simulated.duration}
        return result | ({"reason": "; ".join(reasons)} if reasons else {})

    def tables(self) -> list[Table]:
        """Title, header and rows of one table per question."""
        number = lambda v: f"{v:.5g}" if np.isfinite(v) else "-"
        rank = self.inverse_effective_rank
        matrix = [
            ["neurons", str(self.n_units)],
            ["effective gain, as given", number(self.measured_gain)],
            ["effective gain, simulated", number(self.gain)],
            ["PR^S of the singular values", number(self.singular_value_ratio)],
            ["effective rank", number(1 / rank) if rank > 0 else "-"],
        ]
        values = {} if self.simulated is None else self.simulated.values
        rows = []
        for name, label in (
            ("dimension_rate", "dimension of rates / N"),
            ("dimension_current", "dimension of currents / N"),
            ("variance_rate", "variance of rates"),
            ("variance_current", "variance of currents"),
        ):
            value, error = values.get(name, (np.nan, np.nan))
            told = getattr(self.predicted, name)
            rows.append([label, number(told), number(value), number(error)])
        return [
            ("How are the couplings spread?", ["quantity", "value"], matrix),
            (
                "How many dimensions does activity fill?",
                ["quantity", "mean field", "simulated", "standard error"],
                rows,
            ),
        ]

    def to_dataset(self) -> "xarray.Dataset":
        """Labelled data for the next tool, with units and provenance."""
        import xarray as xr

        data: dict[str, Any] = {
            "singular_value": ("index", self.singular_values),
            "predicted_dimension": (
                ("observable", "inverse_effective_rank"),
                np.stack(list(self.curves.values())),
                {"long_name": "participation ratio / N, mean field"},
            ),
        }
        coordinates: dict[str, Any] = {
            "observable": list(self.curves),
            "inverse_effective_rank": self.curve_ranks,
        }
        if self.simulated is not None:
            data["autocovariance"] = (("kind", "delay"), self.simulated.autocovariance)
            data["component_variance"] = ("index", self.simulated.component_variances)
            coordinates |= {
                "kind": ["value", "error"],
                "delay": ("delay", self.simulated.delays, {"units": "time constants"}),
            }
        attributes = {"summary": to_json(self.summary())}
        return xr.Dataset(data, coordinates, attributes)

    def plot(self) -> "Axes":
        """The four panels of `report.png`; returns the first axes."""
        from rnngeo.plotting import (
            new_axes,
            plot_autocovariance,
            plot_component_variances,
            plot_dimension_curve,
            plot_singular_values,
        )

        axes = new_axes(2, 2, size=(5.4, 4.2))
        plot_singular_values(self.singular_values, ax=axes[0, 0])
        points = {}
        if self.simulated is not None:
            points = {name: self.simulated.values[f"dimension_{name[:-1]}"] for name in self.curves}
        plot_dimension_curve(
            self.curve_ranks, self.curves, self.inverse_effective_rank, points, ax=axes[0, 1]
        )
        if self.simulated is None:
            for ax in axes[1]:
                ax.set_axis_off()
        else:
            plot_autocovariance(
                self.simulated.delays,
                *self.simulated.autocovariance,
                self.predicted_autocovariance,
                ax=axes[1, 0],
            )
            dimension = self.n_units * self.simulated.values["dimension_rate"][0]
            plot_component_variances(self.simulated.component_variances, dimension, ax=axes[1, 1])
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
