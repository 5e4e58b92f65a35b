"""Many starts through a fixed number of lanes."""

from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from rnngeo._types import Scalar, State
from rnngeo.models import AbstractFlow, AbstractNetwork

from ._inputs import Input, Velocity, as_input, check_network, check_times, rms
from ._row_values import Lane, RowEnd, RowResults, RowState
from ._settling import settling_controller
from ._steps import adapt, first_interval, solver_state, solver_step


def _select(pred: Bool[Array, " lane"], a: PyTree, b: PyTree) -> PyTree:
    """`a` in the lanes where `pred`, else `b`."""
    pick = lambda x, y: jnp.where(pred.reshape(pred.shape + (1,) * (x.ndim - 1)), x, y)
    return jax.tree.map(pick, a, b)


def whole_state(x: State) -> State:
    return x


def _array(value) -> Array:
    return jnp.asarray(value)


def _optional(value):
    return None if value is None else jax.tree.map(jnp.asarray, value)


class RowSolver(eqx.Module):
    r"""Integrates any number of starts through a fixed number of lanes.

    Every lane has its own time, its own step size and its own accept or reject. A lane whose row
    settled, diverged or ran out of time reports the summary of its state and takes the next row
    of the queue, so the cost follows the *sum* of the rows' own steps, not the slowest row times
    their number; the memory is that of the lanes. Starts are made on the fly from their index, in
    blocks of one per lane. When the queue is empty and few lanes are left, these are gathered
    into a quarter of the width.

    A row ends at the first accepted step at which $|F| < a + r |x|$ (root mean square; for a map
    $|F(x) - x|$). What a row reports does not depend on its neighbours, except by the rounding of
    the matrix product, which may depend on the width (not on the companions) of the batch.

    Attributes:
        network: Flow or map; its arrays are traced, so another network of the same shape does not
            recompile.
        start: State from the row index, pure and traced. Pass an `eqx.Module` (or a function that
            lives on) so that a second solver does not recompile.
        summarise: What to keep of a row's last state, a pytree of arrays. Default: the state.
        u: Constant input, a function of time, or `None`.
        t1: Time at which a row ends at the latest, in units of the network's time.
        steady: `(rtol, atol)` of the test of rest, or `None`: every row runs to `t1`.
        dt: First step; with no controller the fixed step. Default: chosen per row.
        solver: Any diffrax solver of one ODE; an implicit one must name its root finder's
            tolerances. Default: Tsit5, the cheapest at 1e-3 together with Bosh3, which wins at
            1e-2 (47 evaluations a row against 63) and loses below. Maps have none.
        controller: Default: `SettlingController` at 1e-3 and 1e-6 with a test of rest, without
            one a `PIDController` at the same tolerances.
        bound: A row whose root mean square leaves this bound has diverged.
        max_steps: Steps a row may try.
        n_lanes: Number of lanes. 64 is where the matrix product of N = 1000 is at its peak on a
            CPU; a GPU wants 512 or more.
    """

    network: AbstractNetwork
    start: Callable[[Int[Array, ""]], Array]
    summarise: Callable[[Array], PyTree[Array]] = whole_state
    u: Input | None = None
    t1: Float[Array, ""] = eqx.field(converter=_array, default=1e3)
    steady: tuple[Scalar, Scalar] | None = eqx.field(converter=_optional, default=(1e-5, 1e-7))
    dt: Float[Array, ""] | None = eqx.field(converter=_optional, default=None)
    solver: dfx.AbstractSolver = dfx.Tsit5()
    controller: dfx.AbstractStepSizeController | None = None
    bound: Float[Array, ""] = eqx.field(converter=_array, default=1e6)
    max_steps: Int[Array, ""] = eqx.field(converter=_array, default=10_000)
    n_lanes: int = eqx.field(static=True, default=64)

    def __check_init__(self):
        check_network(self.network)
        check_times(0.0, self.t1, self.dt)
        if self.n_lanes < 1:
            raise ValueError(f"`n_lanes` must be at least 1, got {self.n_lanes}.")
        struct = eqx.filter_eval_shape(self.start, jnp.asarray(0))
        n_units = self.network.n_units
        if getattr(struct, "shape", None) != (n_units,):
            raise ValueError(
                f"`start` must return a state of shape ({n_units},), got "
                f"{getattr(struct, 'shape', struct)}."
            )

    # -- one lane ---------------------------------------------------------------------------

    def _controller(self) -> dfx.AbstractStepSizeController:
        if self.controller is not None:
            return self.controller
        if self.dt is not None:
            return dfx.ConstantStepSize()
        settling = settling_controller()
        return settling.controller if self.steady is None else settling

    def _verdict(self, lane: Lane) -> Lane:
        """The lane with the code its present state deserves."""
        size = rms(lane.x)
        code = jnp.where(lane.n_steps >= self.max_steps, RowEnd.UNDECIDED, RowEnd.RUNNING)
        if self.steady is None:
            code = jnp.where(lane.t >= self.t1, RowEnd.REACHED_END, code)
        else:
            rtol, atol = self.steady
            residual = rms(lane.f if isinstance(self.network, AbstractFlow) else lane.f - lane.x)
            code = jnp.where(lane.t >= self.t1, RowEnd.UNDECIDED, code)
            code = jnp.where(residual < atol + rtol * size, RowEnd.SETTLED, code)
        code = jnp.where(size < self.bound, code, RowEnd.DIVERGED)  # also for NaN
        return eqx.tree_at(lambda lane: lane.code, lane, code.astype(jnp.int32))

    def _prepare(self, row: Int[Array, ""], slot: Int[Array, ""]) -> Lane:
        """The lane at the start of a row."""
        x = self.start(row)
        t, t1 = jnp.zeros((), x.dtype), self.t1.astype(x.dtype)
        field = Velocity(self.network, as_input(self.network, self.u, x.dtype))
        if isinstance(self.network, AbstractFlow):
            f = field(t, x, None)
            dt = None if self.dt is None else self.dt.astype(x.dtype)
            t_next, controller_memory = first_interval(
                field, self.solver, self._controller(), t, t1, dt, x
            )
            solver_memory = solver_state(field, self.solver, t, t_next, x)
        else:
            f, t_next = field.following(t, x), t + 1
            controller_memory = solver_memory = None
        zero = jnp.zeros((), jnp.int32)
        lane = Lane(x, f, t, t_next, solver_memory, controller_memory, zero, zero, slot)
        return self._verdict(lane)

    def _step(self, lane: Lane) -> Lane:
        """One step, tried; a lane that has ended stays as it is."""
        is_running = lane.code == RowEnd.RUNNING
        dtype = lane.x.dtype
        field = Velocity(self.network, as_input(self.network, self.u, dtype))
        if isinstance(self.network, AbstractFlow):
            t1 = self.t1.astype(dtype)
            x, f, error, solver_memory = solver_step(
                field, self.solver, lane.t, lane.t_next, lane.x, lane.f, lane.solver_memory
            )
            order = self.solver.error_order(dfx.ODETerm(field))
            keep, t, t_next, controller_memory = adapt(
                self._controller(), order, lane.t, lane.t_next, t1, lane.x, x, error,
                lane.controller_memory,
            )  # fmt: skip
        else:
            keep, x, t = True, lane.f, lane.t_next
            f, t_next = field.following(t, x), t + 1
            solver_memory = controller_memory = None
        is_moved = is_running & keep
        choose = lambda pred, a, b: jax.tree.map(lambda p, q: jnp.where(pred, p, q), a, b)
        moved = choose(is_moved, (x, f, solver_memory), (lane.x, lane.f, lane.solver_memory))
        clock = choose(
            is_running,
            (t, t_next, controller_memory, lane.n_steps + 1),
            (lane.t, lane.t_next, lane.controller_memory, lane.n_steps),
        )
        x, f, solver_memory = moved
        t, t_next, controller_memory, n_steps = clock
        new = Lane(x, f, t, t_next, solver_memory, controller_memory, n_steps, lane.code, lane.slot)
        code = jnp.where(is_running, self._verdict(new).code, lane.code)
        return eqx.tree_at(lambda lane: lane.code, new, code)

    # -- the queue --------------------------------------------------------------------------

    def _refill(self, state: RowState) -> RowState:
        """Hand the next rows of the queue to the empty lanes."""
        n_rows, n_lanes = state.rows.size, state.lanes.slot.size

        def prepare():
            slots = (state.n_taken + jnp.arange(n_lanes)).astype(jnp.int32)
            rows = state.rows[jnp.minimum(slots, n_rows - 1)]
            return jax.vmap(self._prepare)(rows, slots), state.n_taken

        is_spent = state.n_taken >= state.bank_start + n_lanes
        bank, start = jax.lax.cond(is_spent, prepare, lambda: (state.bank, state.bank_start))
        is_empty = state.lanes.slot == n_rows
        place = state.n_taken - start + jnp.cumsum(is_empty) - 1
        is_taking = is_empty & (place < n_lanes) & (start + place < n_rows)
        taken = jax.tree.map(lambda a: a[jnp.clip(place, 0, n_lanes - 1)], bank)
        lanes = _select(is_taking, taken, state.lanes)
        n_taken = state.n_taken + jnp.sum(is_taking, dtype=jnp.int32)
        where = lambda s: (s.lanes, s.bank, s.bank_start, s.n_taken)
        return eqx.tree_at(where, state, (lanes, bank, start, n_taken))

    def _retire(self, state: RowState) -> RowState:
        """Report the rows that have ended and empty their lanes."""
        n_rows, lanes = state.rows.size, state.lanes
        is_ended = (lanes.code != RowEnd.RUNNING) & (lanes.slot < n_rows)
        slot = jnp.where(is_ended, lanes.slot, n_rows)
        report = RowResults(jax.vmap(self.summarise)(lanes.x), lanes.t, lanes.n_steps, lanes.code)
        put = lambda old, new: old.at[slot].set(new.astype(old.dtype), mode="drop")
        results = jax.tree.map(put, state.results, report)
        emptied = jnp.where(is_ended, n_rows, lanes.slot)
        n_done = state.n_done + jnp.sum(is_ended, dtype=jnp.int32)
        where = lambda s: (s.results, s.lanes.slot, s.n_done)
        return eqx.tree_at(where, state, (results, emptied, n_done))

    def _iterate(self, state: RowState, is_full_width: bool) -> RowState:
        """Fill empty lanes, step all, report those that ended."""
        n_rows = state.rows.size
        if is_full_width:
            is_short = (state.n_taken < n_rows) & jnp.any(state.lanes.slot == n_rows)
            state = jax.lax.cond(is_short, lambda s: self._refill(s), lambda s: s, state)
        state = eqx.tree_at(lambda s: s.lanes, state, jax.vmap(self._step)(state.lanes))
        is_ended = jnp.any((state.lanes.code != RowEnd.RUNNING) & (state.lanes.slot < n_rows))
        return jax.lax.cond(is_ended, lambda s: self._retire(s), lambda s: s, state)

    def _widths(self, n_rows: int) -> list[int]:
        """The numbers of lanes a sweep of so many rows uses, each a quarter of the one before.

        Below 16 a matrix product costs what 16 cost, and every width is half a second of compiling.
        """
        widths = [min(self.n_lanes, n_rows)]
        while widths[-1] // 4 >= 16:
            widths.append(widths[-1] // 4)
        return widths

    def init(self, rows: Array) -> RowState:
        """The sweep before its first step.

        Args:
            rows: Row indices, shape `(row,)`; `start` is called with each of them once.

        Returns:
            `RowState`, all lanes empty.

        Raises:
            ValueError: `rows` is not a list of at least one whole number.
        """
        rows = jnp.asarray(rows)
        if rows.ndim != 1 or rows.size == 0 or not jnp.issubdtype(rows.dtype, jnp.integer):
            raise ValueError(
                "`rows` must be a one-dimensional array of at least one whole number, got shape "
                f"{rows.shape} of {rows.dtype}."
            )
        n_rows, n_lanes = rows.size, self._widths(rows.size)[0]
        zero = jnp.zeros((), jnp.int32)
        lane, summary = eqx.filter_eval_shape(
            lambda row, slot: (lambda lane: (lane, self.summarise(lane.x)))(
                self._prepare(row, slot)
            ),
            rows[0],
            zero,
        )
        empty = lambda n, s: jnp.zeros((n, *s.shape), s.dtype)
        bank = jax.tree.map(lambda s: empty(n_lanes, s), lane)
        lanes = eqx.tree_at(
            lambda lane: (lane.slot, lane.code),
            jax.tree.map(jnp.copy, bank),
            (jnp.full(n_lanes, n_rows, jnp.int32), jnp.full(n_lanes, RowEnd.UNDECIDED, jnp.int32)),
        )
        results = RowResults(
            summary=jax.tree.map(lambda s: empty(n_rows, s), summary),
            time=jnp.zeros(n_rows, lane.t.dtype),
            n_steps=jnp.zeros(n_rows, jnp.int32),
            code=jnp.full(n_rows, RowEnd.RUNNING, jnp.int32),
        )
        return RowState(rows, zero, zero, zero, lanes, bank, zero - n_lanes, results)

    @eqx.filter_jit
    def advance(self, state: RowState, n_iterations: Int[Array, ""] | int) -> RowState:
        """Step all lanes `n_iterations` times, or until every row has ended.

        Args:
            state: From `init`, the last `advance`, or a file.
            n_iterations: Iterations; traced, so another number does not recompile if it comes as
                an array.

        Returns:
            The state after them.

        Cost: per iteration one solver step of a full batch of lanes.
        """
        n_rows = state.rows.size
        widths = self._widths(n_rows)
        lanes, count = state.lanes, jnp.zeros((), jnp.int32)
        for level, width in enumerate(widths):
            if level:
                state, lanes = self._narrow(state, lanes, level, width)
            follower = widths[level + 1] if level + 1 < len(widths) else 0

            def is_going(carry, level=level, follower=follower):
                state, count = carry
                n_alive = jnp.sum(state.lanes.slot < n_rows)
                is_wide = (state.n_taken < n_rows) | (n_alive > follower)
                return (count < n_iterations) & (state.narrowing == level) & is_wide

            step = lambda carry, level=level: (self._iterate(carry[0], level == 0), carry[1] + 1)
            state = eqx.tree_at(
                lambda s: s.lanes, state, jax.tree.map(lambda a, w=width: a[:w], lanes)
            )
            state, count = jax.lax.while_loop(is_going, step, (state, count))
            lanes = jax.tree.map(lambda a, b, w=width: a.at[:w].set(b), lanes, state.lanes)
        return eqx.tree_at(lambda s: s.lanes, state, lanes)

    def _narrow(self, state: RowState, lanes: Lane, level: int, width: int):
        """Gather the lanes still at work into the first `width`, once, when they fit."""
        n_rows = state.rows.size
        is_busy = lanes.slot < n_rows
        is_fitting = (state.n_taken == n_rows) & (jnp.sum(is_busy) <= width)
        is_now = is_fitting & (state.narrowing == level - 1)
        order = jnp.where(is_now, jnp.argsort(~is_busy), jnp.arange(is_busy.size))
        lanes = jax.tree.map(lambda a: a[order], lanes)
        return eqx.tree_at(
            lambda s: s.narrowing, state, state.narrowing + is_now.astype(jnp.int32)
        ), lanes

    def n_finished(self, state: RowState) -> int:
        """Rows that have ended."""
        return int(state.n_done)

    def is_finished(self, state: RowState) -> bool:
        """Whether every row has ended."""
        return self.n_finished(state) == state.rows.size

    def results(self, state: RowState) -> RowResults:
        """What became of every row; rows that still run have the code `RowEnd.RUNNING`."""
        return state.results
