"""The words of the command line. Nothing heavy is imported here."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from rnngeo import __version__


class Stop(Exception):
    """Ends a command early with an exit code; argparse would end the process instead."""

    def __init__(self, code: int, message: str = ""):
        super().__init__(message)
        self.code, self.message = code, message


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and never end the process."""

    def error(self, message: str) -> NoReturn:
        raise Stop(2, message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Stop(status, message or "")


def protect_negative_numbers(argv: Sequence[str]) -> list[str]:
    """Mark numbers such as -1e-05 as values: argparse takes them for options otherwise."""

    def protect(word: str) -> str:
        try:
            float(word)
        except ValueError:
            return word
        return f" {word}" if word.startswith("-") else word

    return [protect(word) for word in argv]


_BOTH, _DOUBLE = "default float64", "float64 alone: float32 is refused"


def _common(parser: argparse.ArgumentParser, precision: str = _BOTH) -> None:
    group = parser.add_argument_group("computation and output")
    group.add_argument("--precision", choices=("float32", "float64"), default="float64",
                       help=f"of all numbers ({precision})")  # fmt: skip
    group.add_argument("--device", metavar="NAME", help="cpu, gpu, gpu:1, ... (default: JAX's)")
    group.add_argument("--json", metavar="FILE", help="write the result as JSON; - for stdout")


_ENSEMBLE = {
    "gain": "g, radius of the random bulk",
    "feedback_std": "s_m, standard deviation of the feedback vector",
    "input_std": "s_I, standard deviation of the input vector",
    "shared_weight": "rho; feedback and input correlate as rho^2",
    "target": "A, the wanted output",
}
_FLAGS = {"feedback_std": "--sigma-m", "input_std": "--sigma-i", "shared_weight": "--rho"}


def _ensemble(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("network")
    defaults = {"gain": 0.8, "feedback_std": 1.2, "input_std": 0.5, "shared_weight": 0.5,
                "target": 2.0}  # fmt: skip
    for name, text in _ENSEMBLE.items():
        flag = _FLAGS.get(name, f"--{name}")
        group.add_argument(
            flag, dest=name, type=float, metavar="X", help=f"{text} (default {defaults[name]})"
        )


def _stability(commands) -> None:
    parser = commands.add_parser(
        "stability",
        help="fixed points, local stability and basins of trained feedback networks",
        description="Find every fixed point of trained feedback networks, compare its local "
        "stability with the mean field, and measure how much of state space each attractor owns.",
    )
    _ensemble(parser)
    group = parser.add_argument_group("training and sweep")
    group.add_argument("--n-units", type=int, metavar="N", help="units (default 1000)")
    group.add_argument(
        "--training",
        choices=("least-squares", "recursive", "gradient-open", "gradient-closed", "geometry"),
        help="how the readout is chosen (default least-squares)",
    )
    group.add_argument(
        "--readout", type=float, nargs=3, metavar=("P", "PM", "PI"),
        help="weights of the shared, feedback and input directions, for --training geometry",
    )  # fmt: skip
    group.add_argument(
        "--calibrate", action="store_true", help="rescale a geometric readout so that z = A exactly"
    )
    group.add_argument("--n-networks", type=int, metavar="K", help="networks (default 4)")
    group.add_argument("--n-starts", type=int, metavar="K", help="starts each (default 1024)")
    group.add_argument("--seed", type=int, metavar="S", help="seed (default 0)")
    group.add_argument(
        "--weights", metavar="FILE", help="judge the network(s) in this .npz or .safetensors file"
    )
    group.add_argument("--out", metavar="FOLDER", default="rnngeo-stability",
                       help="where the results go (default ./rnngeo-stability)")  # fmt: skip
    _common(parser)


def _theory(commands) -> None:
    parser = commands.add_parser("theory", help="the mean field alone")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="SUBJECT")
    feedback = kinds.add_parser("feedback", help="a calibrated readout, uncorrelated theory")
    _ensemble(feedback)
    choice = feedback.add_mutually_exclusive_group()
    choice.add_argument(
        "--readout", type=float, nargs=3, metavar=("P", "PM", "PI"),
        help="geometry of the readout (default 1 1 0.3)",
    )  # fmt: skip
    choice.add_argument("--ratio", type=float, metavar="R", help="r = a_I/a_m; scale for a_m = 1")
    _common(feedback)
    squares = kinds.add_parser("least-squares", help="a readout trained by least squares")
    _ensemble(squares)
    squares.add_argument(
        "--uncorrelated", action="store_true", help="the approximation instead of the exact theory"
    )
    _common(squares)
    _theory_of_dimension(kinds)


def _spectrum(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nonlinearity", choices=("erf", "tanh"), default="erf",
        help="erf has slope one at zero (default erf)",
    )  # fmt: skip


def _theory_of_dimension(kinds) -> None:
    parser = kinds.add_parser("dimension", help="how many dimensions chaotic activity fills")
    parser.add_argument("--gain", type=float, required=True, metavar="G", help="effective gain")
    _spectrum(parser)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--effective-rank", type=float, metavar="R",
                        help="of the couplings (default: independent ones)")  # fmt: skip
    choice.add_argument("--inverse-effective-rank", type=float, metavar="X",
                        help="1/R >= -1; -1 for an orthogonal matrix")  # fmt: skip
    choice.add_argument("--singular-value-ratio", type=float, metavar="PRS",
                        help="participation ratio of the squared singular values")  # fmt: skip
    parser.add_argument("--gain-ratio", type=float, metavar="PRG",
                        help="participation ratio of squared single-neuron gains")  # fmt: skip
    parser.add_argument("--lags", type=float, nargs="+", metavar="T", default=[],
                        help="lags at which to give Psi(T, 0)/Psi(0, 0)")  # fmt: skip
    _common(parser)


def _dimension(commands) -> None:
    parser = commands.add_parser(
        "dimension",
        help="predicted and simulated dimension of activity on a matrix",
        description="Predict from the singular values of a matrix how many dimensions its activity "
        "fills, then simulate and measure it.",
    )
    parser.add_argument(
        "matrix", metavar="MATRIX",
        help=".npy, .npz, .csv (matrix or pre,post,weight) or .graphml; row = postsynaptic",
    )  # fmt: skip
    parser.add_argument("--gain", type=float, metavar="G",
                        help="rescale to this effective gain (default: as it is)")  # fmt: skip
    _spectrum(parser)
    parser.add_argument("--duration", type=float, metavar="T", default=1000.0,
                        help="time measured in each of four replicas (default 1000)")  # fmt: skip
    parser.add_argument("--signed", action="store_true", help="signs by the file's transmitters")
    parser.add_argument("--balance", action="store_true",
                        help="scale rows and columns until both signs weigh the same")  # fmt: skip
    parser.add_argument("--drop", action="store_true",
                        help="leave out neurons that cannot be balanced")  # fmt: skip
    parser.add_argument("--seed", type=int, metavar="S", default=0, help="seed (default 0)")
    parser.add_argument("--out", metavar="FOLDER", default="rnngeo-dimension",
                        help="where the results go (default ./rnngeo-dimension)")  # fmt: skip
    _common(parser)


def _flux(commands) -> None:
    parser = commands.add_parser(
        "flux",
        help="information from one state of a stochastic binary network to the next",
        description="Entropy, divergence and information flux of a network of binary units in "
        "bits, its correlations, the bound of its row norms and the cycles of its sign map. "
        "Without MATRIX: flux against correlation over random networks.",
    )
    parser.add_argument(
        "matrix", metavar="MATRIX", nargs="?",
        help=".npy, .npz, .csv (matrix or pre,post,weight) or .graphml; row = postsynaptic",
    )  # fmt: skip
    group = parser.add_argument_group("with MATRIX")
    group.add_argument("--bias", metavar="FILE", help=".npy, .csv or .txt (default none)")
    group.add_argument("--units", choices=("pm1", "01"),
                       help="what the weights multiply (default pm1)")  # fmt: skip
    group.add_argument("--tie", type=int, choices=(1, -1),
                       help="sign of a field of zero, for the cycles (default 1)")  # fmt: skip
    group.add_argument("--gradient", action="store_true",
                       help="dI/dW and dI/db of the weights and bias as given")  # fmt: skip
    group.add_argument(
        "--method", choices=("elimination", "krylov", "power", "samples"),
        help="how the flux is found (default by size: exact up to 16 units, then samples)",
    )  # fmt: skip
    group = parser.add_argument_group("without MATRIX")
    group.add_argument("--n-units", type=int, metavar="N", help="units (default 5)")
    group.add_argument("--widths", type=float, nargs="+", metavar="W",
                       help="root mean squares of the weights (default 0.1 to 20)")  # fmt: skip
    group.add_argument("--n-networks", type=int, metavar="K",
                       help="networks at each width (default 200)")  # fmt: skip
    group.add_argument("--density", type=float, metavar="D",
                       help="fraction of weights present (default 1)")  # fmt: skip
    group.add_argument("--balance", type=float, metavar="B",
                       help="excess of positive weights, -1 to 1 (default 0)")  # fmt: skip
    parser.add_argument("--noise", type=float, metavar="R",
                        help="standard deviation of the input noise (default 0)")  # fmt: skip
    parser.add_argument("--seed", type=int, metavar="S",
                        help="seed of random networks and samples (default 0)")  # fmt: skip
    parser.add_argument("--out", metavar="FOLDER", default="rnngeo-flux",
                        help="where the results go (default ./rnngeo-flux)")  # fmt: skip
    _common(parser, "default float64; float32 refuses strong weights")


def _maximize_flux(commands) -> None:
    parser = commands.add_parser(
        "maximize-flux",
        help="the weights that carry most information from one state to the next",
        description="Search the weights of a stochastic binary network whose states say most about "
        "the next ones, by evolution and gradients, and compare them with rooks: one weight in "
        "every row and column.",
    )
    parser.add_argument("--n-units", type=int, required=True, metavar="N", help="units, up to 10")
    parser.add_argument("--limit", type=float, required=True, metavar="W", help="limit of weights")
    parser.add_argument(
        "--constraint", choices=("box", "row-l2", "row-l1"), default="box",
        help="what is limited: each weight, or the Euclidean norm or sum of moduli of each row "
        "(default box)",
    )  # fmt: skip
    parser.add_argument("--joint-cycles", action="store_true",
                        help="make the cycles of the noiseless network long, too")  # fmt: skip
    parser.add_argument("--restarts", dest="n_restarts", type=int, metavar="K",
                        help="independent searches (default 32 up to N = 6, 16 above)")  # fmt: skip
    parser.add_argument("--generations", dest="n_generations", type=int, metavar="G",
                        help="generations of each (default 500)")  # fmt: skip
    parser.add_argument("--seed", type=int, metavar="S", default=0, help="seed (default 0)")
    parser.add_argument("--out", metavar="FOLDER", default="rnngeo-maximize-flux",
                        help="where the results go (default ./rnngeo-maximize-flux)")  # fmt: skip
    _common(parser, _DOUBLE)


def _reproduce(commands) -> None:
    parser = commands.add_parser("reproduce", help="what a paper claims, and whether it holds here")
    papers = parser.add_subparsers(dest="paper", required=True, metavar="PAPER")
    for name, text, first, precision in (
        ("feedback-networks", "Mastrogiuseppe & Ostojic 2019, experiments E1 to E10", "E1", _BOTH),
        ("random-modes", "Clark et al. 2023 and 2025, dimension of activity", "FIG", _BOTH),
        ("information-flux", "Metzner et al. 2024, experiments E1 to E12", "E1", _DOUBLE),
    ):
        paper = papers.add_parser(name, help=text)
        paper.add_argument("experiments", nargs="*", metavar=first, help="which (default all)")
        paper.add_argument("--seed", type=int, metavar="S", default=0)
        paper.add_argument("--out", metavar="FOLDER", default=f"rnngeo-{name}",
                           help=f"where figures go (default ./rnngeo-{name})")  # fmt: skip
        _common(paper, precision)


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="rnngeo", description="Geometry and stability of recurrent networks.",
        epilog="Each command has its own --help.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"rnngeo {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _stability(commands)
    _theory(commands)
    _dimension(commands)
    _flux(commands)
    _maximize_flux(commands)
    _reproduce(commands)
    return parser
