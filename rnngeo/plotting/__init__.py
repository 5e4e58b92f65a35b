"""Show me: functions that take results and return axes."""

from ._activity import plot_histogram as plot_histogram
from ._activity import plot_lag_plane as plot_lag_plane
from ._activity import plot_spectrum as plot_spectrum
from ._axes import STABLE as STABLE
from ._axes import UNSTABLE as UNSTABLE
from ._axes import new_axes as new_axes
from ._axes import save_figure as save_figure
from ._dimension import plot_autocovariance as plot_autocovariance
from ._dimension import plot_component_variances as plot_component_variances
from ._dimension import plot_dimension_curve as plot_dimension_curve
from ._dimension import plot_singular_values as plot_singular_values
from ._flux import plot_flux_by_width as plot_flux_by_width
from ._flux import plot_flux_correlation as plot_flux_correlation
from ._flux import plot_flux_terms as plot_flux_terms
from ._flux import plot_rank_correlation as plot_rank_correlation
from ._flux import plot_weights as plot_weights
from ._maximum import plot_pareto_front as plot_pareto_front
from ._maximum import plot_restarts as plot_restarts
from ._maximum import plot_search_history as plot_search_history
from ._phases import plot_curves as plot_curves
from ._phases import plot_deviations as plot_deviations
from ._phases import plot_overlap_plane as plot_overlap_plane
from ._phases import plot_phase_map as plot_phase_map
from ._phases import plot_scaling as plot_scaling
from ._phases import plot_solution_branches as plot_solution_branches
from ._phases import plot_success as plot_success
from ._scatter import plot_scatter as plot_scatter
from ._stability import plot_basins as plot_basins
from ._stability import plot_eigenvalues as plot_eigenvalues
from ._stability import plot_readout_curve as plot_readout_curve
from ._stability import plot_trajectories as plot_trajectories
from ._state_graph import lay_out_map as lay_out_map
from ._state_graph import plot_basin_sizes as plot_basin_sizes
from ._state_graph import plot_state_transitions as plot_state_transitions

__all__ = [
    "STABLE",
    "UNSTABLE",
    "lay_out_map",
    "new_axes",
    "plot_autocovariance",
    "plot_basin_sizes",
    "plot_basins",
    "plot_component_variances",
    "plot_curves",
    "plot_deviations",
    "plot_dimension_curve",
    "plot_eigenvalues",
    "plot_flux_by_width",
    "plot_flux_correlation",
    "plot_flux_terms",
    "plot_histogram",
    "plot_lag_plane",
    "plot_overlap_plane",
    "plot_pareto_front",
    "plot_phase_map",
    "plot_rank_correlation",
    "plot_readout_curve",
    "plot_restarts",
    "plot_scaling",
    "plot_scatter",
    "plot_search_history",
    "plot_singular_values",
    "plot_solution_branches",
    "plot_spectrum",
    "plot_state_transitions",
    "plot_success",
    "plot_trajectories",
    "plot_weights",
    "save_figure",
]
