"""The stability report: simulation, analysis and theory side by side, as one value."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from rnngeo._progress import Progress, silent
from rnngeo.files import StoredNetwork, load_networks, provenance, save_networks
from rnngeo.numerics import computing

from ._build import build_network
from ._network import NetworkReport, judge_network
from ._parameters import StabilityParameters, TrainingMethod
from ._saving import save_report
from ._theory import FeedbackTheory, LeastSquaresTheory, feedback_theory, least_squares_theory
from ._verdict import Table, tables, verdict

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes


class StabilityReport(eqx.Module):
    """What is known about some feedback networks.

    Attributes:
        parameters: What was asked, and the versions and device it was computed with.
        networks: One report a network.
        exact: The exact theory, where the training has one.
        uncorrelated: The uncorrelated theory, where the parameters are known.
        theory_reason: Why a theory is missing, if one is.
        complaints: Why training did not end as asked, by network; empty if it did.
    """

    parameters: dict[str, Any] = eqx.field(static=True)
    networks: list[NetworkReport]
    exact: LeastSquaresTheory | None
    uncorrelated: FeedbackTheory | LeastSquaresTheory | None
    theory_reason: str = eqx.field(static=True)
    complaints: dict[int, str] = eqx.field(static=True)

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        sentence = verdict(self.networks)
        if self.complaints:
            n_failed, n = len(self.complaints), len(self.networks)
            return f"{sentence[:-1]}; training of {n_failed} of {n} networks did not end as asked."
        return sentence

    def tables(self) -> list[Table]:
        """Title, header and rows of one table per question."""
        rows = [[str(i), complaint] for i, complaint in self.complaints.items()]
        failed = [("Why did training not end as asked?", ["network", "reason"], rows)]
        return tables(self.networks, self._theory()) + failed * bool(rows)

    def _theory(self) -> dict[str, Any]:
        summary: dict[str, Any] = {
            name: None if value is None else value.summary()
            for name, value in (("exact", self.exact), ("uncorrelated", self.uncorrelated))
        }
        return {**summary, "reason": self.theory_reason} if self.theory_reason else summary

    def summary(self) -> dict[str, Any]:
        """The object that `--json` and `summary.json` hold."""
        return {
            "parameters": self.parameters,
            "networks": [
                network.summary() | ({"training": why} if (why := self.complaints.get(i)) else {})
                for i, network in enumerate(self.networks)
            ],
            "theory": self._theory(),
            "verdict": self.verdict,
        }

    def to_dataset(self) -> "xarray.Dataset":
        """Labelled data for the next tool, with units and provenance; short rows end in NaN."""
        from ._dataset import stability_dataset

        return stability_dataset(self.networks, self.parameters, self.verdict)

    def plot(self) -> "Axes":
        """The four panels of `report.png`; returns the first axes."""
        from rnngeo.plotting import (
            new_axes,
            plot_basins,
            plot_eigenvalues,
            plot_readout_curve,
            plot_trajectories,
        )

        axes = new_axes(2, 2, size=(5.6, 4.6))
        networks, first = self.networks, self.networks[0]
        target = None if first.stored.target is None else float(first.stored.target[0])
        theory = self.exact or self.uncorrelated
        points = None if theory is None else theory.fixed_points
        count = 0 if points is None else int(points.count)
        curves = [r.curve for r in networks if r.curve is not None]
        if curves:
            plot_readout_curve(
                [np.asarray(curve.output) for curve in curves],
                [np.asarray(curve.value) for curve in curves],
                [r.output[:, 0] for r in networks],
                [r.is_stable for r in networks],
                theory_outputs=None if points is None else np.asarray(points.output[:count]),
                target=target,
                ax=axes[0, 0],
            )
        else:
            axes[0, 0].set_axis_off()
            axes[0, 0].text(0.5, 0.5, "no single readout curve:\nthe network has not one output",
                            ha="center", va="center")  # fmt: skip
        labels = [f"z = {', '.join(f'{v:.2f}' for v in z) or 'none'}" for z in first.output]
        plot_eigenvalues(
            list(first.effective),
            labels,
            bulk_radius=() if points is None else list(points.bulk_radius[:count]),
            outliers=()
            if points is None
            else [np.asarray(points.roots[k])[points.is_outlier[k]] for k in range(count)],
            ax=axes[0, 1],
        )
        if first.output.shape[1]:
            plot_basins(
                [np.asarray(r.basins.output)[:, 0] for r in networks],
                [np.asarray(r.basins.fraction) for r in networks],
                [np.asarray(r.basins.low) for r in networks],
                [np.asarray(r.basins.high) for r in networks],
                ax=axes[1, 0],
            )
            plot_trajectories(
                first.shown_times, first.shown_outputs[..., 0], target=target, ax=axes[1, 1]
            )
        else:
            for ax in axes[1]:
                ax.set_axis_off()
        axes[0, 0].figure.suptitle(self.verdict, fontsize=11, wrap=True)
        return axes[0, 0]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `report.png`, `result.nc`, `networks.npz` and `summary.json`.

        Args:
            folder: Where to; made if need be.

        Returns:
            The four files.

        Raises:
            ValueError: The folder cannot be written.
        """
        stored = [r.stored for r in self.networks]
        return save_report(self, folder, {"networks.npz": lambda path: save_networks(path, stored)})


def _known_theories(parameters: StabilityParameters, precision: str) -> tuple:
    """Exact and uncorrelated theory of what is to be trained, and why one is missing."""
    common = {**_ensemble(parameters), "precision": precision}
    match parameters.training:
        case TrainingMethod.LEAST_SQUARES | TrainingMethod.GRADIENT_OPEN:
            reason, approximate = "", None
            try:
                approximate = least_squares_theory(**common, is_uncorrelated=True)
            except ValueError as error:
                reason = f"uncorrelated: {error}"
            return least_squares_theory(**common), approximate, reason
        case TrainingMethod.GEOMETRY:
            reason = "exact: a readout by geometry is independent of the bulk"
            return None, feedback_theory(**common, readout=parameters.readout), reason
        case _:
            return None, None, f"exact: there is none for {parameters.training} training"


def _theory_at_overlaps(
    parameters: StabilityParameters, networks: list[StoredNetwork], precision: str
) -> tuple[FeedbackTheory | None, str]:
    """The uncorrelated theory at the ratio of overlaps that a training reached."""
    n_m, n_i = np.mean([_overlaps(stored) for stored in networks], axis=0)
    try:
        theory = feedback_theory(
            **_ensemble(parameters), precision=precision, ratio=float(n_i / n_m)
        )
    except ValueError as error:
        return None, f"uncorrelated: {error}"
    return theory, "uncorrelated: evaluated at the mean overlaps that the training reached"


def _ensemble(parameters: StabilityParameters) -> dict[str, Any]:
    names = ("gain", "feedback_std", "input_std", "shared_weight", "target")
    return {name: getattr(parameters, name) for name in names}


def _with_target(stored: StoredNetwork, target: float) -> StoredNetwork:
    if stored.network.n_outputs != 1:
        raise ValueError(
            f"`target` must hold {stored.network.n_outputs} outputs, got one; write it in the file."
        )
    if not np.isfinite(target):
        raise ValueError(f"`target` must be a finite number, got {target}.")
    return StoredNetwork(stored.network, jnp.full((1,), target, stored.network.input_weights.dtype))


def _overlaps(stored: StoredNetwork) -> np.ndarray:
    """n.m and n.I, which the readout's own scale already makes of order one."""
    n = np.asarray(stored.network.readout_weights[:, 0])
    m = np.asarray(stored.network.feedback_weights[:, 0])
    return np.array([n @ m, n @ np.asarray(stored.network.input_weights)])


def stability_report(
    parameters: StabilityParameters | None = None,
    *,
    weights: str | Path | None = None,
    target: float | None = None,
    n_starts: int | None = None,
    seed: int | None = None,
    precision: str = "float64",
    device: str | None = None,
    progress: Progress = silent,
    checkpoint_folder: str | Path | None = None,
) -> StabilityReport:
    """Judge feedback networks, drawn and trained or brought in a file: `rnngeo stability`.

    For every network: all fixed points and how sure we are that they are all, the spectrum at
    each, the fraction of starts that each attractor owns; beside it the mean field.

    Args:
        parameters: Networks to draw and train, and starts to sweep; default the main example.
        weights: A network file to judge instead (see `files.load_networks`).
        target: The wanted output of a network from a file, instead of the file's own.
        n_starts: Starts a network, for a network from a file.
        seed: Seed of the starts, for a network from a file.
        precision: "float32" or "float64".
        device: Name of a device; default JAX's.
        progress: Called along the way.
        checkpoint_folder: Where the sweeps save and resume; they are removed at the end.

    Returns:
        `StabilityReport`.

    Raises:
        ValueError: A bad argument or file; the message names it.

    Cost: for each network of N units a few dense eigenvalue problems and the sweep; the default
    takes well under a minute on two CPU cores.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019).
    """
    if weights is not None and parameters is not None:
        raise ValueError("`parameters` and `weights` exclude each other, got both.")
    with ThreadPoolExecutor(1) as background, computing(precision, device):
        theory, complaints = None, {}  # the theory compiles while the networks are simulated
        if weights is not None:
            asked: dict[str, Any] = {
                "weights": str(weights),
                "n_starts": 1024 if n_starts is None else n_starts,
                "seed": 0 if seed is None else seed,
            }
            if asked["n_starts"] < 1:
                raise ValueError(f"`n_starts` must be at least 1, got {n_starts}.")
            if asked["seed"] < 0:
                raise ValueError(f"`seed` must be at least 0, got {seed}.")
            networks = load_networks(weights)
            if target is not None:
                networks = [_with_target(stored, target) for stored in networks]
        else:
            parameters = parameters or StabilityParameters()
            theory = background.submit(_known_theories, parameters, precision)
            asked = parameters.as_dict()
            networks = []
            for i in range(parameters.n_networks):
                progress("training", i, parameters.n_networks)
                key = jr.fold_in(jr.key(parameters.seed), i)
                stored, complaint = build_network(parameters, key=key)
                networks.append(stored)
                complaints |= {i: complaint} if complaint else {}
            progress("training", parameters.n_networks, parameters.n_networks)
        record = provenance(asked)
        folder = None if checkpoint_folder is None else Path(checkpoint_folder)
        reports = []
        for i, stored in enumerate(networks):
            name = f"network {i + 1}/{len(networks)}"
            reports.append(
                judge_network(
                    stored,
                    key=jr.fold_in(jr.key(asked["seed"]), 2**31 + i),
                    n_starts=asked["n_starts"],
                    progress=lambda stage, done, total, n=name: progress(
                        f"{n}: {stage}", done, total
                    ),
                    checkpoint=None if folder is None else folder / f".sweep-{i}.npz",
                    provenance={**record, "network": i},
                )
            )
        exact = uncorrelated = None
        reason = "the ensemble that the network was drawn from is not known"
        if parameters is not None and theory is not None:
            exact, uncorrelated, reason = theory.result()
            if exact is None and uncorrelated is None:
                uncorrelated, more = _theory_at_overlaps(parameters, networks, precision)
                reason = f"{reason}; {more}"
        asked_shape = {"n_units": networks[0].network.n_units, "n_networks": len(networks)}
        if networks[0].target is not None:
            values = np.asarray(networks[0].target).tolist()
            asked_shape["target"] = values[0] if len(values) == 1 else values
        kind = type(networks[0].network.recurrent).__name__.removeprefix("Rate").lower()
        record = {**record, **asked_shape, "kind": kind}
        return StabilityReport(record, reports, exact, uncorrelated, reason, complaints)
