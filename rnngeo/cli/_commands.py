"""Each command: call the Python function of the same name, print what it returns."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rnngeo._progress import Progress

from ._output import Bars, Output, format_table

_ENSEMBLE = ("gain", "feedback_std", "input_std", "shared_weight", "target")
_DRAWN = ("gain", "feedback_std", "input_std", "shared_weight", "n_units", "n_networks")


def _given(arguments: argparse.Namespace, names: Sequence[str]) -> dict:
    """The options a person typed; the function's own defaults hold for the rest."""
    return {name: v for name in names if (v := getattr(arguments, name)) is not None}


def _carry_out(arguments: argparse.Namespace, work: Callable[[Progress, Path], Any]) -> None:
    """Long work with progress bars; then its tables, its verdict and its files."""
    from rnngeo.files import prepare_folder

    output = Output(arguments.json)
    folder = prepare_folder(arguments.out)
    bars = Bars()
    try:
        result = work(bars, folder)
    finally:
        bars.close()
    for table in result.tables():
        output.say(format_table(*table))
    output.say(result.verdict)
    files = result.save(folder)
    output.say(f"\nWritten to {folder}: " + ", ".join(path.name for path in files))
    output.finish(result.summary())


def run_stability(arguments: argparse.Namespace) -> None:
    from rnngeo.reports import StabilityParameters, TrainingMethod, stability_report

    common = {"precision": arguments.precision, "device": arguments.device}
    if arguments.weights is None:
        asked = _given(arguments, (*_DRAWN, "target", "n_starts", "seed"))
        if arguments.training is not None:
            asked["training"] = TrainingMethod(arguments.training)
        if arguments.readout is not None:
            asked["readout"] = tuple(arguments.readout)
        parameters = StabilityParameters(**asked, is_calibrated=arguments.calibrate)
        subject = {"parameters": parameters}
    else:
        drawn = [*_given(arguments, (*_DRAWN, "training", "readout"))]
        drawn += ["calibrate"] * arguments.calibrate
        if drawn:
            raise ValueError(
                f"`weights` brings its own network, so `{drawn[0]}` cannot be given with it."
            )
        subject = {
            "weights": arguments.weights,
            **_given(arguments, ("target", "n_starts", "seed")),
        }
    _carry_out(
        arguments,
        lambda progress, folder: stability_report(
            **subject, **common, progress=progress, checkpoint_folder=folder
        ),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.8g}"


def _complex(values: Sequence[Sequence[float]]) -> str:
    return ", ".join(f"{re:.6f}" + (f"{im:+.6f}i" if im else "") for re, im in values) or "-"


def run_theory(arguments: argparse.Namespace) -> None:
    if arguments.kind == "dimension":
        return run_theory_of_dimension(arguments)
    output = Output(arguments.json)
    from rnngeo.reports import feedback_theory, least_squares_theory

    asked = _given(arguments, _ENSEMBLE)
    asked |= {"precision": arguments.precision, "device": arguments.device}
    if arguments.kind == "feedback":
        if arguments.readout is not None:
            asked["readout"] = tuple(arguments.readout)
        theory = feedback_theory(**asked, ratio=arguments.ratio)
    else:
        theory = least_squares_theory(**asked, is_uncorrelated=arguments.uncorrelated)
    summary = theory.summary()
    rows = [
        [
            _number(p["output"]),
            _number(p["variance"]),
            _number(p["bulk_radius"]),
            _complex(p["outliers"]),
            _complex(p["roots"]),
            _number(p["slope"]),
            "stable" if p["stable"] else "unstable",
        ]
        for p in summary["fixed_points"]
    ]
    header = ["output z", "variance D0", "bulk radius", "outliers", "both roots", "slope F'", ""]
    output.say(format_table("Fixed points of the mean field", header, rows))
    for name, value in summary.items():
        if name != "fixed_points":
            shown = value if isinstance(value, str) else _number(value)
            output.say(f"  {name.replace('_', ' ')}: {shown}")
    output.finish(summary)


def run_theory_of_dimension(arguments: argparse.Namespace) -> None:
    output = Output(arguments.json)
    from rnngeo.reports import dimension_theory

    names = ("effective_rank", "inverse_effective_rank", "singular_value_ratio", "gain_ratio")
    theory = dimension_theory(
        gain=arguments.gain,
        nonlinearity=arguments.nonlinearity,
        lags=arguments.lags,
        precision=arguments.precision,
        device=arguments.device,
        **_given(arguments, names),
    )
    summary = theory.summary()
    rows = [
        [name.replace("_", " "), _number(value)]
        for name, value in summary.items()
        if name not in ("psi_ratio", "reason")
    ]
    output.say(format_table("What does the mean field predict?", ["quantity", "value"], rows))
    if "psi_ratio" in summary:
        pairs = zip(arguments.lags, summary["psi_ratio"], strict=True)
        rows = [[_number(lag), _number(value)] for lag, value in pairs]
        title = "How fast do principal components forget?"
        output.say(format_table(title, ["lag", "Psi(lag, 0)/Psi(0, 0)"], rows))
    if theory.reason:
        output.say(f"  {theory.reason}")
    output.finish(summary)


def run_dimension(arguments: argparse.Namespace) -> None:
    from rnngeo.reports import dimension_report

    names = ("gain", "nonlinearity", "duration", "drop", "seed", "precision", "device")
    _carry_out(
        arguments,
        lambda progress, folder: dimension_report(
            arguments.matrix,
            is_signed=arguments.signed,
            is_balanced=arguments.balance,
            **_given(arguments, names),
            progress=progress,
            checkpoint=folder / ".simulation.npz",
        ),
    )


_OF_MATRIX = ("bias", "units", "tie", "method")
_OF_ENSEMBLE = ("n_units", "widths", "n_networks", "density", "balance")


def run_flux(arguments: argparse.Namespace) -> None:
    from rnngeo.reports import flux_ensemble_report

    common = _given(arguments, ("precision", "device"))
    if arguments.noise is not None:
        common["noise_std"] = arguments.noise
    if arguments.matrix is not None:
        return run_flux_of_matrix(arguments, common)
    alone = [*_given(arguments, _OF_MATRIX), *["gradient"] * arguments.gradient]
    if alone:
        raise ValueError(f"`{alone[0]}` belongs to a network, so MATRIX must be given with it.")
    _carry_out(
        arguments,
        lambda progress, folder: flux_ensemble_report(
            **_given(arguments, (*_OF_ENSEMBLE, "seed")),
            **common,
            progress=progress,
            checkpoint=folder / ".ensemble.npz",
        ),
    )


def run_flux_of_matrix(arguments: argparse.Namespace, asked: dict[str, Any]) -> None:
    from rnngeo.information import Elimination, Krylov, PowerIteration
    from rnngeo.reports import Sampling, Units, flux_report

    drawn = [*_given(arguments, _OF_ENSEMBLE)]
    if drawn:
        raise ValueError(f"`{drawn[0]}` is of random networks, it cannot be given with MATRIX.")
    asked |= _given(arguments, ("bias", "tie"))
    if arguments.units is not None:
        asked["units"] = Units(arguments.units)
    match arguments.method:
        case "elimination":
            asked["method"] = Elimination()
        case "krylov":
            asked["method"] = Krylov()
        case "power":
            asked["method"] = PowerIteration()
        case "samples":
            asked["method"] = Sampling()
    if arguments.seed is not None:
        asked["seed"] = arguments.seed
    _carry_out(
        arguments,
        lambda progress, folder: flux_report(
            arguments.matrix, has_gradient=arguments.gradient, **asked, progress=progress
        ),
    )


def run_maximize_flux(arguments: argparse.Namespace) -> None:
    from rnngeo.reports import flux_maximum_report
    from rnngeo.train import WeightLimit

    names = ("n_restarts", "n_generations", "seed", "precision", "device")
    _carry_out(
        arguments,
        lambda progress, folder: flux_maximum_report(
            arguments.n_units,
            arguments.limit,
            constraint=WeightLimit(arguments.constraint),
            is_joint=arguments.joint_cycles,
            **_given(arguments, names),
            progress=progress,
            checkpoint=folder / ".search.npz",
        ),
    )


def run_reproduce(arguments: argparse.Namespace) -> None:
    from rnngeo.experiments import reproduce

    names = ("precision", "device", "seed")
    _carry_out(
        arguments,
        lambda progress, folder: reproduce(
            arguments.paper,
            arguments.experiments or None,
            **_given(arguments, names),
            progress=progress,
            folder=folder,
        ),
    )


COMMANDS = {
    "stability": run_stability,
    "theory": run_theory,
    "dimension": run_dimension,
    "flux": run_flux,
    "maximize-flux": run_maximize_flux,
    "reproduce": run_reproduce,
}
