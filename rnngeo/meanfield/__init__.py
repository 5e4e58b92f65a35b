"""Theory of large feedback networks: fixed points, stability, phases, chaos."""

from ._boundaries import PHASES as PHASES
from ._boundaries import PhaseDiagram as PhaseDiagram
from ._boundaries import SaddleNode as SaddleNode
from ._boundaries import critical_ratio as critical_ratio
from ._boundaries import phase_diagram as phase_diagram
from ._boundaries import phase_diagram_gain as phase_diagram_gain
from ._boundaries import phase_of as phase_of
from ._boundaries import saddle_node as saddle_node
from ._chaos import ChaoticState as ChaoticState
from ._chaos import chaotic_state as chaotic_state
from ._chaos import log_cosh as log_cosh
from ._descent import DescentPath as DescentPath
from ._descent import gradient_descent_path as gradient_descent_path
from ._ensemble import FeedbackEnsemble as FeedbackEnsemble
from ._fixed_points import FixedPoints as FixedPoints
from ._fixed_points import feedback_fixed_points as feedback_fixed_points
from ._least_squares import least_squares_bistability_target as least_squares_bistability_target
from ._least_squares import least_squares_fixed_points as least_squares_fixed_points
from ._least_squares import least_squares_outlier as least_squares_outlier
from ._least_squares import least_squares_overlaps as least_squares_overlaps
from ._least_squares import least_squares_ratio as least_squares_ratio
from ._least_squares import (
    least_squares_uncorrelated_overlaps as least_squares_uncorrelated_overlaps,
)
from ._open_loop import critical_gain as critical_gain
from ._open_loop import mean_slope as mean_slope
from ._open_loop import open_loop_variance as open_loop_variance
from ._patterns import PatternFixedPoints as PatternFixedPoints
from ._patterns import pattern_fixed_points as pattern_fixed_points
from ._readout import ratio_curve as ratio_curve
from ._readout import readout_overlaps as readout_overlaps
from ._readout import readout_scale as readout_scale
from ._replica import replica_loop_function as replica_loop_function
from ._replica import replica_overlap as replica_overlap

__all__ = [
    "PHASES",
    "ChaoticState",
    "DescentPath",
    "FeedbackEnsemble",
    "FixedPoints",
    "PatternFixedPoints",
    "PhaseDiagram",
    "SaddleNode",
    "chaotic_state",
    "critical_gain",
    "critical_ratio",
    "feedback_fixed_points",
    "gradient_descent_path",
    "least_squares_bistability_target",
    "least_squares_fixed_points",
    "least_squares_outlier",
    "least_squares_overlaps",
    "least_squares_ratio",
    "least_squares_uncorrelated_overlaps",
    "log_cosh",
    "mean_slope",
    "open_loop_variance",
    "pattern_fixed_points",
    "phase_diagram",
    "phase_diagram_gain",
    "phase_of",
    "ratio_curve",
    "readout_overlaps",
    "readout_scale",
    "replica_loop_function",
    "replica_overlap",
    "saddle_node",
]
