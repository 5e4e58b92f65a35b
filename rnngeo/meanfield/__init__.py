"""Theory of large networks: fixed points, stability, phases, chaos, dimension of activity."""

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
from ._four_point import FourPoint as FourPoint
from ._four_point import FourPointFunction as FourPointFunction
from ._four_point import Observable as Observable
from ._four_point import activity_participation_ratio as activity_participation_ratio
from ._four_point import four_point as four_point
from ._four_point import four_point_at_lags as four_point_at_lags
from ._four_point import four_point_function as four_point_function
from ._four_point import four_point_value as four_point_value
from ._four_point import participation_ratio_curves as participation_ratio_curves
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
from ._overlap_site import SampledSite as SampledSite
from ._overlap_site import sampled_participation_ratio as sampled_participation_ratio
from ._overlap_site import sampled_site as sampled_site
from ._pair_integrals import SampledSpectra as SampledSpectra
from ._pair_integrals import integrated_four_point as integrated_four_point
from ._pair_integrals import sample_spectra as sample_spectra
from ._patterns import PatternFixedPoints as PatternFixedPoints
from ._patterns import pattern_fixed_points as pattern_fixed_points
from ._readout import ratio_curve as ratio_curve
from ._readout import readout_overlaps as readout_overlaps
from ._readout import readout_scale as readout_scale
from ._replica import replica_loop_function as replica_loop_function
from ._replica import replica_overlap as replica_overlap
from ._self_coupling import AbstractSelfCoupling as AbstractSelfCoupling
from ._self_coupling import OverlappingModes as OverlappingModes
from ._self_coupling import PartialSymmetry as PartialSymmetry
from ._self_coupling import overlap_profile as overlap_profile
from ._self_coupling import quiescent_amplification as quiescent_amplification
from ._single_site import SingleSite as SingleSite
from ._single_site import single_site as single_site
from ._site_averages import unit_slope_erf as unit_slope_erf
from ._structured import ObservedSpectra as ObservedSpectra
from ._structured import hessian_four_point as hessian_four_point
from ._structured import overlap_four_point as overlap_four_point
from ._structured import partially_symmetric_four_point as partially_symmetric_four_point
from ._structured import random_mode_four_point as random_mode_four_point
from ._structured import row_column_four_point as row_column_four_point
from ._structured import unit_parameter_four_point as unit_parameter_four_point

__all__ = [
    "PHASES",
    "AbstractSelfCoupling",
    "ChaoticState",
    "DescentPath",
    "FeedbackEnsemble",
    "FixedPoints",
    "FourPoint",
    "FourPointFunction",
    "Observable",
    "ObservedSpectra",
    "OverlappingModes",
    "PartialSymmetry",
    "PatternFixedPoints",
    "PhaseDiagram",
    "SaddleNode",
    "SampledSite",
    "SampledSpectra",
    "SingleSite",
    "activity_participation_ratio",
    "chaotic_state",
    "critical_gain",
    "critical_ratio",
    "feedback_fixed_points",
    "four_point",
    "four_point_at_lags",
    "four_point_function",
    "four_point_value",
    "gradient_descent_path",
    "hessian_four_point",
    "integrated_four_point",
    "least_squares_bistability_target",
    "least_squares_fixed_points",
    "least_squares_outlier",
    "least_squares_overlaps",
    "least_squares_ratio",
    "least_squares_uncorrelated_overlaps",
    "log_cosh",
    "mean_slope",
    "open_loop_variance",
    "overlap_four_point",
    "overlap_profile",
    "partially_symmetric_four_point",
    "participation_ratio_curves",
    "pattern_fixed_points",
    "phase_diagram",
    "phase_diagram_gain",
    "phase_of",
    "quiescent_amplification",
    "random_mode_four_point",
    "ratio_curve",
    "readout_overlaps",
    "readout_scale",
    "replica_loop_function",
    "replica_overlap",
    "row_column_four_point",
    "saddle_node",
    "sample_spectra",
    "sampled_participation_ratio",
    "sampled_site",
    "single_site",
    "unit_parameter_four_point",
    "unit_slope_erf",
]
