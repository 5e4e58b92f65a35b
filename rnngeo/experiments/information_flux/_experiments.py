"""The experiments in order."""

import functools
from collections.abc import Callable

import jax

from .._study import Experiment
from ._brackets import draw_e6, run_e6
from ._cycles import draw_e9, run_e9
from ._maximum import draw_e7, draw_e10, run_e7, run_e10
from ._proxies import draw_e4, draw_e5, run_e4, run_e5
from ._rooks import draw_e8, run_e8
from ._sweeps import draw_e1, draw_e2, draw_e3, run_e1, run_e2, run_e3
from ._windows import draw_e11, draw_e12, run_e11, run_e12


def _in_double(run: Callable) -> Callable:
    """Strong weights lose their stationary law in float32, so float64 is used in any case."""

    @functools.wraps(run)
    def wrapped(progress, key):
        with jax.enable_x64(True):
            return run(progress, key)

    return wrapped


EXPERIMENTS = (
    Experiment("E1", "Information flux against the width of weights", _in_double(run_e1), draw_e1),
    Experiment("E2", "Information flux against density", _in_double(run_e2), draw_e2),
    Experiment("E3", "Information flux against the balance of signs", _in_double(run_e3), draw_e3),
    Experiment("E4", "Information flux against correlation", _in_double(run_e4), draw_e4),
    Experiment("E5", "Other statistics of pairs", _in_double(run_e5), draw_e5),
    Experiment("E6", "Correlation and flux of large networks", _in_double(run_e6), draw_e6),
    Experiment("E7", "Evolution towards the largest flux", _in_double(run_e7), draw_e7),
    Experiment("E8", "Laws of rooks and of denser matrices", _in_double(run_e8), draw_e8),
    Experiment("E9", "Maps between states without noise", _in_double(run_e9), draw_e9),
    Experiment("E10", "Flux and period together", _in_double(run_e10), draw_e10),
    Experiment("E11", "Trapped in a finite window", _in_double(run_e11), draw_e11),
    Experiment("E12", "Bias of estimators", _in_double(run_e12), draw_e12),
)
