"""Feedback and input vectors that share a direction, and readouts in their span."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from rnngeo._types import Key, Scalar, ScalarLike


class FeedbackVectors(eqx.Module):
    r"""The directions $\xi, \eta_m, \eta_I$ and the vectors built on them.

    Attributes:
        shared: $\xi$, shape `(n_units,)`.
        feedback_private: $\eta_m$, shape `(n_units,)`.
        input_private: $\eta_I$, shape `(n_units,)`.
        feedback: m = s_m (rho xi + sqrt(1 - rho^2) eta_m), shape `(n_units,)`.
        input: I = s_I (rho xi + sqrt(1 - rho^2) eta_I), shape `(n_units,)`.
    """

    shared: Float[Array, " n_units"]
    feedback_private: Float[Array, " n_units"]
    input_private: Float[Array, " n_units"]
    feedback: Float[Array, " n_units"]
    input: Float[Array, " n_units"]

    def readout(
        self, shared: ScalarLike, feedback: ScalarLike, input: ScalarLike, scale: ScalarLike = 1.0
    ) -> Float[Array, " n_units"]:
        r"""Readout by geometry, $n = \frac{c}{N}(p\,\xi + p_m \eta_m + p_I \eta_I)$.

        Args:
            shared: p, weight of the shared direction.
            feedback: p_m, weight of the direction private to the feedback vector.
            input: p_I, weight of the direction private to the input vector.
            scale: c; the theory fixes it (`meanfield.readout_scale`).

        Returns:
            n, shape `(n_units,)`.

        Reference: Mastrogiuseppe & Ostojic (2019), readout of the uncorrelated theory.
        """
        mixture = shared * self.shared + feedback * self.feedback_private
        mixture = mixture + input * self.input_private
        return scale * mixture / self.shared.size


def _orthogonal(directions: Float[Array, "3 n_units"]) -> Float[Array, "3 n_units"]:
    """The nearest-in-order orthogonal triple with norm sqrt(N) (QR, signs kept)."""
    q, r = jnp.linalg.qr(directions.T)
    return (q * jnp.sign(jnp.diagonal(r))).T * jnp.sqrt(directions.shape[1] * 1.0)


def draw_vectors(
    n_units: int,
    feedback_std: ScalarLike,
    input_std: ScalarLike,
    shared_weight: ScalarLike,
    *,
    key: Key,
    is_exact: bool = False,
) -> FeedbackVectors:
    r"""Draw m and I with $\langle m^2\rangle = s_m^2$, $\langle I^2\rangle = s_I^2$, $\langle mI
    \rangle = s_m s_I \rho^2$.

    Args:
        n_units: Number of units N.
        feedback_std: s_m, standard deviation of m.
        input_std: s_I, standard deviation of I.
        shared_weight: rho, weight of the shared direction; the correlation is rho^2.
        key: Random key.
        is_exact: Make the three directions orthogonal with norm sqrt(N) (QR), so that the sample
            moments are exact and the trivial part of the finite-size spread goes; needs N >= 3.

    Returns:
        `FeedbackVectors`.

    Raises:
        ValueError: `n_units` below 1, or below 3 with `is_exact`.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), definition of m and I.
    """
    least = 3 if is_exact else 1
    if n_units < least:
        reason = " with `is_exact`" if is_exact else ""
        raise ValueError(f"`n_units` must be at least {least}{reason}, got {n_units}.")
    rho: Scalar = jnp.asarray(shared_weight, jnp.result_type(float, shared_weight))
    directions = jr.normal(key, (3, n_units), rho.dtype)
    xi, eta_m, eta_i = _orthogonal(directions) if is_exact else directions
    private = jnp.sqrt(1 - rho**2)
    return FeedbackVectors(
        shared=xi,
        feedback_private=eta_m,
        input_private=eta_i,
        feedback=feedback_std * (rho * xi + private * eta_m),
        input=input_std * (rho * xi + private * eta_i),
    )
