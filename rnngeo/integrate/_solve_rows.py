"""The whole sweep over many starts in one call."""

from collections.abc import Callable

import diffrax as dfx
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from rnngeo._progress import Progress, silent
from rnngeo._types import ScalarLike, State
from rnngeo.models import AbstractNetwork

from ._inputs import Input
from ._row_values import RowResults
from ._rows import RowSolver, whole_state


def solve_rows(
    network: AbstractNetwork,
    start: Callable[[Int[Array, ""]], Array],
    rows: Int[Array, " row"],
    *,
    summarise: Callable[[State], PyTree[Array]] | None = None,
    u: Input | None = None,
    t1: ScalarLike = 1e3,
    steady: tuple[ScalarLike, ScalarLike] | None = (1e-5, 1e-7),
    dt: ScalarLike | None = None,
    solver: dfx.AbstractSolver | None = None,
    controller: dfx.AbstractStepSizeController | None = None,
    bound: ScalarLike = 1e6,
    max_steps: int = 10_000,
    n_lanes: int = 64,
    n_iterations: int = 200,
    progress: Progress = silent,
) -> RowResults:
    """Integrate many starts, each until it comes to rest, and keep a summary of each.

    The loop over `RowSolver.advance`; a caller that wants to save the sweep on the way writes
    that loop itself.

    Args:
        network: Flow or map.
        start: State, shape `(n_units,)`, from the row index; pure and traced.
        rows: Row indices, shape `(row,)`.
        summarise: What to keep of a row's last state. Default: the state itself.
        u: Constant input, shape `(n_units,)`, a function of time, or `None`.
        t1: Time at which a row ends at the latest.
        steady: `(rtol, atol)` of the test of rest, or `None`: every row runs to `t1`.
        dt: First step; with no `controller` the fixed step.
        solver: Any diffrax solver of one ODE. Default: Tsit5.
        controller: Step control. Default as in `RowSolver`.
        bound: Root mean square beyond which a row has diverged.
        max_steps: Steps a row may try.
        n_lanes: Rows under way at a time.
        n_iterations: Steps between two calls of `progress`.
        progress: Called with ("starts", done, total).

    Returns:
        `RowResults`; failures are codes, nothing is raised for a row.

    Raises:
        ValueError: Wrong shape or option.

    Cost: the sum of the rows' own steps, each one batch-row of the solver's matrix products;
        memory of `2 n_lanes` solver states and one summary per row.
    """
    row_solver = RowSolver(
        network=network,
        start=start,
        summarise=whole_state if summarise is None else summarise,
        u=u,
        t1=t1,
        steady=steady,
        dt=dt,
        solver=dfx.Tsit5() if solver is None else solver,
        controller=controller,
        bound=bound,
        max_steps=max_steps,
        n_lanes=n_lanes,
    )
    state = row_solver.init(rows)
    n_rows = state.rows.size
    progress("starts", 0, n_rows)
    while not row_solver.is_finished(state):
        state = row_solver.advance(state, jnp.asarray(n_iterations))
        progress("starts", row_solver.n_finished(state), n_rows)
    return row_solver.results(state)
