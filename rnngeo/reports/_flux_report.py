"""The information flux of one network, as a value."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from rnngeo.files import to_json

from ._saving import save_report
from ._verdict import Table
from ._words import counted

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

_MOST_DRAWN = 7  # units of a state graph that can be read


class SampledFlux(eqx.Module):
    """Both sides of the flux by contrast of samples, means over batches with standard errors.

    Attributes:
        lower: At most the flux on average, and its error, in bits.
        upper: At least the flux on average, and its error, in bits.
        divergence_error: Standard error of the divergence.
        n_pairs: Pairs of successive states in all.
    """

    lower: tuple[float, float]
    upper: tuple[float, float]
    divergence_error: float
    n_pairs: int


class SignMap(eqx.Module):
    """Cycles of the network without noise, x -> sign(W x + b).

    Attributes:
        next_state: Index of the state that follows each state.
        label: Smallest index of a state on the cycle that each state ends on.
        lengths: Of the cycles, descending.
        basin_sizes: States that end on each, in the same order.
        mean_over_starts: Mean length over all states.
        mean_over_cycles: Mean length over the cycles.
        has_ties: Whether any field is exactly zero.
    """

    next_state: Int[np.ndarray, " state"]
    label: Int[np.ndarray, " state"]
    lengths: Int[np.ndarray, " cycle"]
    basin_sizes: Int[np.ndarray, " cycle"]
    mean_over_starts: float
    mean_over_cycles: float
    has_ties: bool


class FluxReport(eqx.Module):
    """What passes from one state of a network to the next, in bits.

    Numbers that do not exist are NaN, arrays None, and `reason` says why.

    Attributes:
        parameters: What was asked, versions and device.
        names: Of the units.
        weights: As given, row = target, shape `(n_units, n_units)`.
        bias: As given, or None.
        entropy: H of the state.
        divergence: D, entropy of the next state given this one.
        flux: I = H - D.
        correlation: RMS Pearson correlation one step apart, over all ordered pairs.
        correlation_lag0: RMS Pearson correlation at equal times, over all ordered pairs.
        pair_information: Mean over all ordered pairs of what one unit says about another's next
            state.
        bound: What the row norms (and the noise) allow at most.
        residual: Sum of |pT - p|.
        method: How the flux was found.
        law: Of the states, shape `(2^N,)`, or None.
        next_correlations: Of each unit's next state (row) with each unit (column), or None.
        cycles: Attractors of the sign map, or None.
        gradient: dI/dW with respect to the weights as given, or None.
        gradient_bias: dI/db, or None.
        sampled: The flux from samples, or None.
        reason: Why something is missing.
    """

    parameters: dict[str, Any] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    weights: Float[np.ndarray, "n_units n_units"]
    bias: Float[np.ndarray, " n_units"] | None
    entropy: float
    divergence: float
    flux: float
    correlation: float
    correlation_lag0: float
    pair_information: float
    bound: float
    residual: float
    method: str = eqx.field(static=True)
    law: Float[np.ndarray, " state"] | None
    next_correlations: Float[np.ndarray, "n_units n_units"] | None
    cycles: SignMap | None
    gradient: Float[np.ndarray, "n_units n_units"] | None
    gradient_bias: Float[np.ndarray, " n_units"] | None
    sampled: SampledFlux | None
    reason: str = eqx.field(static=True)

    @property
    def n_units(self) -> int:
        """Number of units N."""
        return len(self.weights)

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        n, s = self.n_units, self.sampled
        limit = f"the row norms allow {self.bound:.4f}"
        passing = "1 bit passes" if n == 1 else f"{n} bits pass"
        if np.isfinite(self.flux):
            words = f"{self.flux:.4f} of {passing} from one state to the next; {limit}"
        elif s is not None and np.isfinite(s.lower[0]):
            words = (
                f"Between {s.lower[0]:.3f} +- {s.lower[1]:.3f} and {s.upper[0]:.3f} +- "
                f"{s.upper[1]:.3f} of {passing} from one state to the next; {limit}"
            )
        else:
            words = f"No flux found; {limit}"
        if self.cycles is None:
            return f"{words}."
        lengths = self.cycles.lengths
        return f"{words}; {counted(len(lengths), 'cycle')}, the longest of length {lengths[0]}."

    def summary(self) -> dict[str, Any]:
        """The object that `--json` writes; what does not exist is None, with a reason."""
        names = ["entropy", "divergence", "flux", "correlation", "correlation_lag0"]
        names += ["pair_information", "bound"]
        finite = lambda value: float(value) if np.isfinite(value) else None
        result: dict[str, Any] = {name: finite(getattr(self, name)) for name in names}
        c = self.cycles
        result["cycles"] = c and {
            "lengths": c.lengths.tolist(),
            "mean_over_starts": c.mean_over_starts,
            "mean_over_cycles": c.mean_over_cycles,
            "ties": c.has_ties,
        }
        result |= {"method": self.method, "residual": finite(self.residual)}
        if self.sampled is not None:
            result |= {
                "lower": finite(self.sampled.lower[0]),
                "upper": finite(self.sampled.upper[0]),
                "lower_error": finite(self.sampled.lower[1]),
                "upper_error": finite(self.sampled.upper[1]),
                "divergence_error": finite(self.sampled.divergence_error),
                "n_pairs": self.sampled.n_pairs,
            }
        if self.parameters["has_gradient"]:
            plain = lambda array: None if array is None else array.tolist()
            result |= {"gradient": plain(self.gradient), "gradient_bias": plain(self.gradient_bias)}
        return result | ({"reason": self.reason} if self.reason else {})

    def tables(self) -> list[Table]:
        """Title, header and rows of one table per question."""
        number = lambda v: f"{v:.8g}" if np.isfinite(v) else "-"
        rows = [
            ["units", str(self.n_units)],
            ["entropy of the state H", number(self.entropy)],
            ["divergence D", number(self.divergence)],
            ["flux I = H - D", number(self.flux)],
        ]
        if self.sampled is not None:
            for name in ("lower", "upper"):
                value, error = getattr(self.sampled, name)
                rows.append([f"flux, {name} value", f"{number(value)} +- {error:.2g}"])
        rows += [
            ["bound of the row norms", number(self.bound)],
            ["pair information, mean", number(self.pair_information)],
            ["found by", self.method],
            ["residual of the law", f"{self.residual:.1e}" if np.isfinite(self.residual) else "-"],
        ]
        correlations = [
            ["one step apart", number(self.correlation)],
            ["at equal times", number(self.correlation_lag0)],
        ]
        tables: list[Table] = [
            ("How much does a state say about the next?", ["quantity", "bits"], rows),
            ("How correlated are the units?", ["over all pairs", "RMS"], correlations),
        ]
        if self.cycles is not None:
            lengths, sizes = self.cycles.lengths, self.cycles.basin_sizes
            shown = [
                [str(length), str(size), f"{size / 2**self.n_units:.4f}"]
                for length, size in list(zip(lengths, sizes, strict=True))[:12]
            ]
            if len(lengths) > len(shown):
                shown.append([f"{len(lengths) - len(shown)} more", "", ""])
            title = (
                "Which cycles does the sign map run through? Mean length "
                f"{self.cycles.mean_over_starts:.6g} over starts, "
                f"{self.cycles.mean_over_cycles:.6g} over cycles"
            )
            if self.cycles.has_ties:
                title += f"; fields of exactly zero count as {self.parameters['tie']:+d}"
            tables.append((title, ["length", "states in its basin", "share"], shown))
        if self.reason:
            missing = [reason.split(": ", 1) for reason in self.reason.split("; ")]
            tables.append(("What is missing?", ["quantity", "why"], missing))
        return tables

    def to_dataset(self) -> "xarray.Dataset":
        """Labelled data for the next tool, with units and provenance."""
        import xarray as xr

        pair = ("target", "source")
        found = {
            "weights": (pair, self.weights),
            "bias": ("target", self.bias),
            "law": ("state", self.law),
            "next_correlation": (pair, self.next_correlations),
            "gradient": (pair, self.gradient, {"units": "bits"}),
            "gradient_bias": ("target", self.gradient_bias, {"units": "bits"}),
        }
        if self.cycles is not None:
            found["next_state"] = ("state", self.cycles.next_state)
            found["cycle"] = ("state", self.cycles.label)
        data = {name: entry for name, entry in found.items() if entry[1] is not None}
        coordinates = {"target": list(self.names), "source": list(self.names)}
        attributes = {
            "summary": to_json(self.summary()),
            "parameters": to_json(self.parameters),
            "states": "unit 0 is the most significant digit of a state's number, 1 means up",
        }
        return xr.Dataset(data, coordinates, attributes)

    def plot(self) -> "Axes":
        """The four panels of `report.png`; returns the first axes."""
        from rnngeo.plotting import (
            new_axes,
            plot_basin_sizes,
            plot_flux_terms,
            plot_state_transitions,
            plot_weights,
        )

        axes = new_axes(2, 2, size=(5.6, 4.6))
        names = self.names if self.n_units <= 16 else None
        plot_weights(self.weights, names=names, ax=axes[0, 0])
        s = self.sampled
        plot_flux_terms(
            {"entropy H": self.entropy, "divergence D": self.divergence, "flux I": self.flux},
            bound=self.bound,
            n_units=self.n_units,
            bracket=None if s is None else (s.lower[0], s.upper[0]),
            ax=axes[0, 1],
        )
        if self.next_correlations is None:
            axes[1, 0].set_axis_off()
        else:
            plot_weights(
                self.next_correlations,
                names=names,
                limit=1.0,
                label="Pearson correlation",
                title=f"One step apart, RMS {self.correlation:.3f}",
                ax=axes[1, 0],
            )
        if self.cycles is None:
            axes[1, 1].set_axis_off()
        elif self.n_units <= _MOST_DRAWN:
            plot_state_transitions(self.cycles.next_state, ax=axes[1, 1])
        else:
            plot_basin_sizes(self.cycles.lengths, self.cycles.basin_sizes, ax=axes[1, 1])
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
