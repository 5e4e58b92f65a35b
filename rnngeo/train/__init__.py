"""Choose weights: a readout for a task, by closed form, recursion or gradients; all for flux."""

from ._ascent import ascend as ascend
from ._evolution import Mutation as Mutation
from ._evolution import Population as Population
from ._evolution import evolve as evolve
from ._evolution import found_population as found_population
from ._evolution import is_non_dominated as is_non_dominated
from ._flux import FluxMaximum as FluxMaximum
from ._flux import maximize_flux as maximize_flux
from ._flux import merit as merit
from ._gradient import fit_gradient_closed_loop as fit_gradient_closed_loop
from ._gradient import fit_gradient_open_loop as fit_gradient_open_loop
from ._least_squares import fit_least_squares as fit_least_squares
from ._recursive import fit_recursive_least_squares as fit_recursive_least_squares
from ._rookness import NearestRooks as NearestRooks
from ._rookness import nearest_rooks as nearest_rooks
from ._rookness import rookness as rookness
from ._success import Success as Success
from ._success import training_success as training_success
from ._training import Training as Training
from ._trajectories import fit_through_trajectories as fit_through_trajectories
from ._trajectories import trajectory_loss as trajectory_loss
from ._weight_limits import WeightLimit as WeightLimit
from ._weight_limits import limit_weights as limit_weights

__all__ = [
    "FluxMaximum",
    "Mutation",
    "NearestRooks",
    "Population",
    "Success",
    "Training",
    "WeightLimit",
    "ascend",
    "evolve",
    "fit_gradient_closed_loop",
    "fit_gradient_open_loop",
    "fit_least_squares",
    "fit_recursive_least_squares",
    "fit_through_trajectories",
    "found_population",
    "is_non_dominated",
    "limit_weights",
    "maximize_flux",
    "merit",
    "nearest_rooks",
    "rookness",
    "training_success",
    "trajectory_loss",
]
