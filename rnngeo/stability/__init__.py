"""What attracts, from near and from far."""

from ._basins import DIVERGED as DIVERGED
from ._basins import UNDECIDED as UNDECIDED
from ._basins import Basins as Basins
from ._basins import WideStarts as WideStarts
from ._basins import sweep_basins as sweep_basins
from ._completeness import Completeness as Completeness
from ._completeness import CompletenessEvidence as CompletenessEvidence
from ._completeness import contraction_margin as contraction_margin
from ._completeness import grade_completeness as grade_completeness
from ._newton import FixedPoints as FixedPoints
from ._newton import find_fixed_points as find_fixed_points
from ._newton import polish as polish
from ._newton import residuals as residuals
from ._newton import rms as rms
from ._reduction import LoopCurve as LoopCurve
from ._reduction import LoopFixedPoints as LoopFixedPoints
from ._reduction import loop_curve as loop_curve
from ._reduction import loop_fixed_points as loop_fixed_points
from ._reduction import loop_slope as loop_slope
from ._reduction import output_bound as output_bound
from ._reduction import tangent_state as tangent_state
from ._spectrum import Spectrum as Spectrum
from ._spectrum import bulk_edge as bulk_edge
from ._spectrum import is_stable_state as is_stable_state
from ._spectrum import jacobian as jacobian
from ._spectrum import leading_eigenvalues as leading_eigenvalues
from ._spectrum import slopes as slopes
from ._spectrum import spectrum as spectrum
from ._spectrum import velocity as velocity
from ._transfer import transfer_function as transfer_function

__all__ = [
    "DIVERGED",
    "UNDECIDED",
    "Basins",
    "Completeness",
    "CompletenessEvidence",
    "FixedPoints",
    "LoopCurve",
    "LoopFixedPoints",
    "Spectrum",
    "WideStarts",
    "bulk_edge",
    "contraction_margin",
    "find_fixed_points",
    "grade_completeness",
    "is_stable_state",
    "jacobian",
    "leading_eigenvalues",
    "loop_curve",
    "loop_fixed_points",
    "loop_slope",
    "output_bound",
    "polish",
    "residuals",
    "rms",
    "slopes",
    "spectrum",
    "sweep_basins",
    "tangent_state",
    "transfer_function",
    "velocity",
]
