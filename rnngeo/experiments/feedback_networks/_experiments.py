"""The experiments in order."""

from .._study import Experiment
from ._chaos import draw_e10, run_e10
from ._clouds import draw_e6, run_e6
from ._finite_size import draw_e5, run_e5
from ._least_squares import draw_e7, run_e7
from ._maps import draw_e3, draw_e4, run_e3, run_e4
from ._plane import draw_e8, run_e8
from ._published import draw_e1, draw_e2, run_e1, run_e2
from ._success import draw_e9, run_e9

EXPERIMENTS = (
    Experiment("E1", "Outputs and outliers against the target, published setting", run_e1, draw_e1),
    Experiment("E2", "The same for readouts along one direction", run_e2, draw_e2),
    Experiment("E3", "Phases over readout ratio and target", run_e3, draw_e3),
    Experiment("E4", "Phases over ratio and gain, and of least squares", run_e4, draw_e4),
    Experiment("E5", "Networks of finite size against the mean field", run_e5, draw_e5),
    Experiment("E6", "Eigenvalues at target and spurious states", run_e6, draw_e6),
    Experiment("E7", "Least squares: overlaps, loop function, outlier", run_e7, draw_e7),
    Experiment("E8", "Three ways of training in the plane of overlaps", run_e8, draw_e8),
    Experiment("E9", "Success of training, from near and from random starts", run_e9, draw_e9),
    Experiment("E10", "Chaotic networks that answer their target", run_e10, draw_e10),
)
