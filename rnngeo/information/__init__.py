"""What a stochastic network carries: exact flux of information, its bounds and estimates."""

from ._bounds import euclidean_row_value as euclidean_row_value
from ._bounds import row_norm_bound as row_norm_bound
from ._bounds import weak_coupling_flux as weak_coupling_flux
from ._bracket import Bracket as Bracket
from ._bracket import flux_bracket as flux_bracket
from ._chain import StateChain as StateChain
from ._chain import state_chain as state_chain
from ._correlation import Correlations as Correlations
from ._correlation import correlations as correlations
from ._correlation_estimators import CorrelationEstimate as CorrelationEstimate
from ._correlation_estimators import CorrelationEstimator as CorrelationEstimator
from ._correlation_estimators import estimate_correlations as estimate_correlations
from ._cycles import Cycles as Cycles
from ._cycles import attractor_cycles as attractor_cycles
from ._estimators import FluxEstimate as FluxEstimate
from ._estimators import FluxEstimator as FluxEstimator
from ._estimators import estimate_flux as estimate_flux
from ._flux import Flux as Flux
from ._flux import information_flux as information_flux
from ._gap import spectral_gap as spectral_gap
from ._rooks_cycles import CycleObjective as CycleObjective
from ._rooks_cycles import LongestRooks as LongestRooks
from ._rooks_cycles import longest_rooks as longest_rooks
from ._rooks_cycles import rooks_cycle_counts as rooks_cycle_counts
from ._rooks_cycles import rooks_cycles as rooks_cycles
from ._states import binary_entropy as binary_entropy
from ._states import entropy as entropy
from ._states import state_index as state_index
from ._states import state_table as state_table
from ._stationary import MOST_ELIMINATED as MOST_ELIMINATED
from ._stationary import AbstractStationaryMethod as AbstractStationaryMethod
from ._stationary import Elimination as Elimination
from ._stationary import Krylov as Krylov
from ._stationary import PowerIteration as PowerIteration
from ._stationary import StationaryLaw as StationaryLaw
from ._stationary import default_method as default_method
from ._stationary import stationary_law as stationary_law

__all__ = [
    "MOST_ELIMINATED",
    "AbstractStationaryMethod",
    "Bracket",
    "CorrelationEstimate",
    "CorrelationEstimator",
    "Correlations",
    "CycleObjective",
    "Cycles",
    "Elimination",
    "Flux",
    "FluxEstimate",
    "FluxEstimator",
    "Krylov",
    "LongestRooks",
    "PowerIteration",
    "StateChain",
    "StationaryLaw",
    "attractor_cycles",
    "binary_entropy",
    "correlations",
    "default_method",
    "entropy",
    "estimate_correlations",
    "estimate_flux",
    "euclidean_row_value",
    "flux_bracket",
    "information_flux",
    "longest_rooks",
    "rooks_cycle_counts",
    "rooks_cycles",
    "row_norm_bound",
    "spectral_gap",
    "state_chain",
    "state_index",
    "state_table",
    "stationary_law",
    "weak_coupling_flux",
]
