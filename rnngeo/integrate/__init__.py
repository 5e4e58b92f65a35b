"""x(t) from x(0): one trajectory, its rest, and many starts at once."""

from ._binary import simulate_binary as simulate_binary
from ._row_values import RowEnd as RowEnd
from ._row_values import RowResults as RowResults
from ._row_values import RowState as RowState
from ._rows import RowSolver as RowSolver
from ._settling import SettlingController as SettlingController
from ._simulate import Trajectory as Trajectory
from ._simulate import simulate as simulate
from ._solve_rows import solve_rows as solve_rows
from ._steady import steady_state as steady_state

__all__ = [
    "RowEnd",
    "RowResults",
    "RowSolver",
    "RowState",
    "SettlingController",
    "Trajectory",
    "simulate",
    "simulate_binary",
    "solve_rows",
    "steady_state",
]
