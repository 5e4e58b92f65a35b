"""The readout at the end of slow gradient descent in closed loop."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo._types import ScalarLike

from ._ensemble import FeedbackEnsemble
from ._open_loop import mean_slope, promote
from ._replica import replica_overlap


class DescentPath(eqx.Module):
    """A readout as a superposition of the states on the path of training.

    Attributes:
        outputs: Midpoints $y_k$ of the intervals of the path, shape `(n_intervals,)`.
        weights: $w_k$; the readout is $n = (1/N) sum_k w_k phi(x_{y_k})$.
        overlap_feedback: $N<n m>$.
        overlap_input: $N<n I>$.
    """

    outputs: Float[Array, " n_intervals"]
    weights: Float[Array, " n_intervals"]
    overlap_feedback: Float[Array, ""]
    overlap_input: Float[Array, ""]


@eqx.filter_jit
def _gradient_descent_path(ensemble, target, n_intervals: int) -> DescentPath:
    edges = target * jnp.arange(1, n_intervals + 1, dtype=target.dtype) / n_intervals
    middles = edges - 0.5 * target / n_intervals
    overlap = lambda y, z: replica_overlap(ensemble, y, z)[0]
    # Only states already visited enter: the lower triangle, row after row.
    rows = jax.vmap(lambda z: jax.vmap(lambda y: overlap(y, z))(middles))(edges)
    weights = jax.scipy.linalg.solve_triangular(jnp.tril(rows), edges, lower=True)
    along = weights * jax.vmap(lambda y: mean_slope(ensemble, y))(middles)
    s = ensemble.feedback_input_covariance
    return DescentPath(
        outputs=middles,
        weights=weights,
        overlap_feedback=jnp.sum(along * (ensemble.feedback_std**2 * middles + s)),
        overlap_input=jnp.sum(along * (s * middles + ensemble.input_std**2)),
    )


def gradient_descent_path(
    ensemble: FeedbackEnsemble, target: ScalarLike, *, n_intervals: int = 24
) -> DescentPath:
    r"""Readout reached by gradient descent in closed loop, with small steps from zero.

    Each step adds the current rates $\phi(x_z)$ while the output travels from 0 to $A$, so that
    $n = \frac1N\int dz\, w(z)\phi(x_z)$ with $z = \int_0^z w(y)K(y,z)\,dy$. On midpoints $y_k$ of
    equal intervals this is a triangular system for the $w_k$.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$, different from 0.
        n_intervals: Number of intervals $M$.

    Returns:
        `DescentPath`. The error falls as $M^{-2}$: extrapolate from two values of $M$. Feed
        `outputs` and `weights` to `replica_loop_function` for the fixed points. If the loop
        slope reaches 1 on the way, real training jumps and the result is not reached.

    Raises:
        ValueError: `n_intervals` below 1.

    Cost: $M^2$ values of `replica_overlap`, half a second for 24.

    Reference: derived here.
    """
    if n_intervals < 1:
        raise ValueError(f"`n_intervals` must be at least 1, got {n_intervals}.")
    (target,) = promote(ensemble, target)
    return _gradient_descent_path(ensemble, target, n_intervals)
