"""Result codes, each with its advice, and the value that carries one."""

import diffrax as dfx
import equinox as eqx
from jaxtyping import Array, PyTree


class RESULTS(dfx.RESULTS):  # pyright: ignore[reportGeneralTypeIssues]
    """Why an iteration ended. Extends diffrax's codes, which keep their own words."""

    successful = ""
    trajectory_diverged = (
        "The state left the finite range. Reduce the step (`dt`) or the gain of the network."
    )
    not_settled = (
        "The state did not come to rest in the time given. Raise `t1` or `max_steps`, or look at "
        "the trajectory: it may be periodic or chaotic."
    )
    not_converged = (
        "The iteration did not reach its tolerance. Raise `max_steps`, start nearer, or compute "
        "in float64."
    )
    target_missed = (
        "Training ended away from the target. Look at `history`; lower the learning rate or raise "
        "the number of steps."
    )


class Solution(eqx.Module):
    """A value with the reason its computation ended.

    Attributes:
        value: The result; on failure the last iterate.
        result: A member of `RESULTS`, one per row in a batch.
        stats: Counts of the work done, by name.
    """

    value: PyTree[Array]
    result: RESULTS
    stats: dict[str, PyTree[Array]]

    @property
    def is_successful(self) -> Array:
        """Whether the computation reached its tolerance, elementwise over the batch."""
        return self.result == RESULTS.successful
