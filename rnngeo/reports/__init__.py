"""Everything we know about one network: simulation, analysis and theory side by side."""

from ._build import build_network as build_network
from ._dimension import dimension_report as dimension_report
from ._dimension_report import DimensionReport as DimensionReport
from ._dimension_theory import DimensionTheory as DimensionTheory
from ._dimension_theory import dimension_theory as dimension_theory
from ._flux import flux_report as flux_report
from ._flux_ensemble import FluxEnsembleReport as FluxEnsembleReport
from ._flux_ensemble import flux_ensemble_report as flux_ensemble_report
from ._flux_input import Units as Units
from ._flux_report import FluxReport as FluxReport
from ._flux_sampling import Sampling as Sampling
from ._maximum import FluxMaximumReport as FluxMaximumReport
from ._maximum import flux_maximum_report as flux_maximum_report
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
    "FluxEnsembleReport",
    "FluxMaximumReport",
    "FluxReport",
    "LeastSquaresTheory",
    "NetworkReport",
    "Sampling",
    "StabilityParameters",
    "StabilityReport",
    "TrainingMethod",
    "Units",
    "at_target",
    "build_network",
    "dimension_report",
    "dimension_theory",
    "feedback_theory",
    "fixed_points_summary",
    "flux_ensemble_report",
    "flux_maximum_report",
    "flux_report",
    "judge_network",
    "least_squares_theory",
    "stability_report",
]
