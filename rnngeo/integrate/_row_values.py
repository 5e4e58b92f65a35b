"""What a sweep over many starts holds while it runs and when it is done."""

import enum

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, PyTree


class RowEnd(enum.IntEnum):
    """Why a row ended.

    `RUNNING`: it has not. `SETTLED`: it came to rest. `REACHED_END`: it ran to `t1`, as asked when
    no test of rest is set. `DIVERGED`: it left the bound or the finite range. `UNDECIDED`: `t1` or
    `max_steps` came before rest.
    """

    RUNNING = -1
    UNDECIDED = 0
    SETTLED = 1
    REACHED_END = 2
    DIVERGED = 3


class RowResults(eqx.Module):
    """What became of every row, in the order in which the rows were given.

    Attributes:
        summary: `summarise` of the last state, leading axis row.
        time: Time at which the row ended, shape `(row,)`.
        n_steps: Steps tried, rejected ones included, shape `(row,)`.
        code: A `RowEnd` per row, shape `(row,)`.
    """

    summary: PyTree[Array]
    time: Float[Array, " row"]
    n_steps: Int[Array, " row"]
    code: Int[Array, " row"]

    def counts(self) -> dict[str, int]:
        """Number of rows by the way they ended, every name present."""
        code = np.asarray(self.code)
        return {end.name.lower(): int((code == end).sum()) for end in RowEnd}


class Lane(eqx.Module):
    """One trajectory under way; `slot` is where its row reports, the number of rows if empty."""

    x: Float[Array, "*lane n_units"]
    f: Float[Array, "*lane n_units"]  # a flow's velocity, a map's next state
    t: Float[Array, "*lane"]
    t_next: Float[Array, "*lane"]
    solver_memory: PyTree
    controller_memory: PyTree
    n_steps: Int[Array, "*lane"]
    code: Int[Array, "*lane"]
    slot: Int[Array, "*lane"]


class RowState(eqx.Module):
    """A sweep under way: only arrays, so it can be saved and restored bit for bit.

    Attributes:
        rows: Row indices in the order of the queue, shape `(row,)`.
        n_taken: Rows taken from the queue so far.
        n_done: Rows that have ended.
        narrowing: How often the lanes have been gathered into fewer.
        lanes: The trajectories under way.
        bank: The next rows of the queue, prepared together, as many as there are lanes.
        bank_start: Place in the queue of the first row of the bank.
        results: Results so far; the rows that still run have the code `RUNNING`.
    """

    rows: Int[Array, " row"]
    n_taken: Int[Array, ""]
    n_done: Int[Array, ""]
    narrowing: Int[Array, ""]
    lanes: Lane
    bank: Lane
    bank_start: Int[Array, ""]
    results: RowResults
