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
from ._phases import plot_curves as plot_curves
from ._phases import plot_deviations as plot_deviations
from ._phases import plot_overlap_plane as plot_overlap_plane
from ._phases import plot_phase_map as plot_phase_map
from ._phases import plot_scaling as plot_scaling
from ._phases import plot_solution_branches as plot_solution_branches
from ._phases import plot_success as plot_success
from ._stability import plot_basins as plot_basins
from ._stability import plot_eigenvalues as plot_eigenvalues
from ._stability import plot_readout_curve as plot_readout_curve
from ._stability import plot_trajectories as plot_trajectories

__all__ = [
    "STABLE",
    "UNSTABLE",
    "new_axes",
    "plot_autocovariance",
    "plot_basins",
    "plot_component_variances",
    "plot_curves",
    "plot_deviations",
    "plot_dimension_curve",
    "plot_eigenvalues",
    "plot_histogram",
    "plot_lag_plane",
    "plot_overlap_plane",
    "plot_phase_map",
    "plot_readout_curve",
    "plot_scaling",
    "plot_singular_values",
    "plot_solution_branches",
    "plot_spectrum",
    "plot_success",
    "plot_trajectories",
    "save_figure",
]
