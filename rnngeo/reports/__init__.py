"""Everything we know about one network: simulation, analysis and theory side by side."""

from ._build import build_network as build_network
from ._dimension import dimension_report as dimension_report
from ._dimension_report import DimensionReport as DimensionReport
from ._dimension_theory import DimensionTheory as DimensionTheory
from ._dimension_theory import dimension_theory as dimension_theory
from ._network import NetworkReport as NetworkReport
from ._network import judge_network as judge_network
from ._parameters import StabilityParameters as StabilityParameters
from ._parameters import TrainingMethod as TrainingMethod
from ._stability import StabilityReport as StabilityReport
from ._stability import stability_report as stability_report
from ._theory import FeedbackTheory as FeedbackTheory
from ._theory import LeastSquaresTheory as LeastSquaresTheory
from ._theory import feedback_theory as feedback_theory
from ._theory import fixed_points_summary as fixed_points_summary
from ._theory import least_squares_theory as least_squares_theory
from ._verdict import at_target as at_target

__all__ = [
    "DimensionReport",
    "DimensionTheory",
    "FeedbackTheory",
    "LeastSquaresTheory",
    "NetworkReport",
    "StabilityParameters",
    "StabilityReport",
    "TrainingMethod",
    "at_target",
    "build_network",
    "dimension_report",
    "dimension_theory",
    "feedback_theory",
    "fixed_points_summary",
    "judge_network",
    "least_squares_theory",
    "stability_report",
]
