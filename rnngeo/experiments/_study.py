"""Run the experiments of a paper, keep what they found, say which claims hold."""

import dataclasses
import json
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.random as jr
import xarray as xr

from rnngeo._progress import Progress, silent
from rnngeo._types import Key
from rnngeo.files import prepare_folder, provenance, to_json, write_atomically
from rnngeo.numerics import computing
from rnngeo.plotting import save_figure

from ._claims import Claim

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Table = tuple[str, list[str], list[list[str]]]


@dataclasses.dataclass(frozen=True)
class Experiment:
    """How one experiment of a paper is done and shown.

    Attributes:
        name: "E1".
        title: What it asks.
        run: From a progress callback and a random key to claims and data; it follows the
            precision it is called in.
        draw: From the data to a figure; returns any axes of it.
    """

    name: str
    title: str
    run: Callable[[Progress, Key], tuple[list[Claim], xr.Dataset]]
    draw: Callable[[xr.Dataset], Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one experiment found.

    Attributes:
        experiment: The experiment.
        claims: Its claims.
        data: The numbers behind its figure.
        seconds: How long it took.
    """

    experiment: Experiment
    claims: list[Claim]
    data: xr.Dataset
    seconds: float

    def plot(self) -> "Axes":
        """Draw the figure; returns any axes of it."""
        ax = self.experiment.draw(self.data)
        ax.figure.suptitle(f"{self.experiment.name}. {self.experiment.title}", fontsize=12)
        return ax


def _store(path: Path, outcome: Outcome, record: str) -> None:
    """One file an experiment: data, claims and provenance, whole or not at all."""
    stored = outcome.data.assign_attrs(
        provenance=record,
        claims=json.dumps([dataclasses.asdict(claim) for claim in outcome.claims]),
        seconds=outcome.seconds,
    )
    write_atomically(path, lambda partial: stored.to_netcdf(partial, engine="h5netcdf"))


def _restore(path: Path, experiment: Experiment, record: str) -> Outcome | None:
    """The outcome of the very same experiment, or None."""
    if not path.exists():
        return None
    try:
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            data = stored.load()
    except (OSError, ValueError, KeyError):  # not ours, or half a file of another program
        return None
    attributes = dict(data.attrs)
    if attributes.pop("provenance", None) != record:
        return None
    claims = [Claim(**claim) for claim in json.loads(attributes.pop("claims"))]
    seconds = float(attributes.pop("seconds"))
    data.attrs = attributes
    return Outcome(experiment, claims, data, seconds)


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What became of the claims of a paper.

    Attributes:
        parameters: What was asked, and the versions and device it was computed with.
        outcomes: One an experiment.
    """

    parameters: dict[str, Any]
    outcomes: list[Outcome]

    @property
    def claims(self) -> list[Claim]:
        """The claims of all experiments."""
        return [claim for outcome in self.outcomes for claim in outcome.claims]

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return all(claim.holds for claim in self.claims)

    @property
    def verdict(self) -> str:
        """How many claims hold, in a sentence."""
        n_holding = sum(claim.holds for claim in self.claims)
        return f"{n_holding} of {len(self.claims)} claims hold."

    @property
    def figures(self) -> dict[str, Callable[[], "Axes"]]:
        """A function for each experiment that draws its figure and returns any axes of it."""
        return {outcome.experiment.name: outcome.plot for outcome in self.outcomes}

    def summary(self) -> dict[str, Any]:
        """The object that `--json` and `claims.json` hold."""
        return {
            "parameters": self.parameters,
            "claims": [claim.as_dict() for claim in self.claims],
            "seconds": {o.experiment.name: round(o.seconds, 1) for o in self.outcomes},
            "holds": self.holds,
        }

    def tables(self) -> list[Table]:
        """Title, header and rows of one table an experiment, and a last one that counts."""
        header = ["claim", "expected", "measured", "tolerance", "source", "verdict"]
        result: list[Table] = [
            (
                f"{o.experiment.name}. {o.experiment.title}",
                header,
                [claim.as_row() for claim in o.claims],
            )
            for o in self.outcomes
        ]
        counts = [
            [
                o.experiment.name,
                f"{sum(claim.holds for claim in o.claims)} of {len(o.claims)}",
                f"{o.seconds:.0f}",
            ]
            for o in self.outcomes
        ]
        return [*result, ("Which claims hold?", ["experiment", "claims that hold", "s"], counts)]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `claims.json`, and for every experiment its figure and its data.

        Args:
            folder: Where to; made if need be.

        Returns:
            The files: `claims.json`, then `E1.png`, `E1.nc`, ...

        Raises:
            ValueError: The folder cannot be written.
        """
        folder = prepare_folder(folder)
        files = [folder / "claims.json"]
        write_atomically(files[0], lambda path: path.write_text(to_json(self.summary())))
        for outcome in self.outcomes:
            figure, data = (folder / f"{outcome.experiment.name}.{end}" for end in ("png", "nc"))
            axes = outcome.plot()
            write_atomically(figure, lambda path, axes=axes: save_figure(axes, path))
            _store(data, outcome, _record(self.parameters, outcome.experiment))
            files += [figure, data]
        return files


def _record(parameters: dict[str, Any], experiment: Experiment) -> str:
    """What tells one run of an experiment from another."""
    return json.dumps({**parameters, "experiment": experiment.name}, sort_keys=True, default=str)


def run_experiments(
    experiments: Sequence[Experiment],
    *,
    precision: str = "float64",
    device: str | None = None,
    progress: Progress = silent,
    seed: int = 0,
    folder: str | Path | None = None,
) -> Reproduction:
    """Run experiments one after the other; what is finished is on disk before the next begins.

    Args:
        experiments: Which, in order.
        precision: "float32" or "float64".
        device: Name of a device; default JAX's.
        progress: Called along the way; the stage begins with the name of the experiment.
        seed: Seed; each experiment has a key of its own, so that it does not matter which others
            are run.
        folder: Where each experiment leaves `E1.nc` when it ends and is taken up again from, if
            it is the same run (parameters, versions, device). Default: nowhere.

    Returns:
        `Reproduction`.

    Raises:
        ValueError: A bad argument; the message names it.
    """
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}.")
    folder = None if folder is None else prepare_folder(folder)
    outcomes = []
    with computing(precision, device):
        parameters = provenance({"seed": seed})
        for experiment in experiments:
            record = _record(parameters, experiment)
            path = None if folder is None else folder / f"{experiment.name}.nc"
            outcome = None if path is None else _restore(path, experiment, record)
            if outcome is None:
                begin = time.monotonic()
                key = jr.fold_in(jr.key(seed), zlib.crc32(experiment.name.encode()))
                step = lambda stage, done, total, name=experiment.name: progress(
                    f"{name}: {stage}", done, total
                )
                claims, data = experiment.run(step, key)
                outcome = Outcome(experiment, claims, data, time.monotonic() - begin)
                if path is not None:
                    _store(path, outcome, record)
            outcomes.append(outcome)
        return Reproduction(parameters, outcomes)
