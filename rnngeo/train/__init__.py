"""Choose the readout: closed form, recursive least squares, gradients; and judge the outcome."""

from ._gradient import fit_gradient_closed_loop as fit_gradient_closed_loop
from ._gradient import fit_gradient_open_loop as fit_gradient_open_loop
from ._least_squares import fit_least_squares as fit_least_squares
from ._recursive import fit_recursive_least_squares as fit_recursive_least_squares
from ._success import Success as Success
from ._success import training_success as training_success
from ._training import Training as Training
from ._trajectories import fit_through_trajectories as fit_through_trajectories
from ._trajectories import trajectory_loss as trajectory_loss

__all__ = [
    "Success",
    "Training",
    "fit_gradient_closed_loop",
    "fit_gradient_open_loop",
    "fit_least_squares",
    "fit_recursive_least_squares",
    "fit_through_trajectories",
    "training_success",
    "trajectory_loss",
]
