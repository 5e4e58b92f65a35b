"""The statistics of bulk, feedback and input that the mean-field theory needs."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rnngeo._types import Nonlinearity, ScalarLike
from rnngeo.numerics import is_concrete


class FeedbackEnsemble(eqx.Module):
    r"""Statistics of random networks with one feedback loop and one input.

    $\dot x = -x + g\chi\phi(x) + m z + I$ with $\chi_{ij} \sim N(0, 1/N)$,
    $m = s_m(\rho\xi + \sqrt{1-\rho^2}\,\eta_m)$ and $I = s_I(\rho\xi + \sqrt{1-\rho^2}\,\eta_I)$.
    The vectors are independent of $\chi$; hence $\langle mI\rangle = s_m s_I \rho^2$.

    Attributes:
        gain: $g \ge 0$, gain of the bulk.
        feedback_std: $s_m \ge 0$, standard deviation of the feedback weights.
        input_std: $s_I \ge 0$, standard deviation of the input weights.
        shared_weight: $\rho$ in [-1, 1], weight of the direction that both share. The correlation
            coefficient is its square.
        nonlinearity: $\phi$, elementwise, bounded and smooth; default tanh.

    Raises:
        ValueError: a number out of range or not finite, if it is concrete (not traced).

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019).
    """

    gain: Float[Array, ""]
    feedback_std: Float[Array, ""]
    input_std: Float[Array, ""]
    shared_weight: Float[Array, ""]
    nonlinearity: Nonlinearity = eqx.field(static=True)

    def __init__(
        self,
        gain: ScalarLike,
        feedback_std: ScalarLike,
        input_std: ScalarLike,
        shared_weight: ScalarLike,
        nonlinearity: Nonlinearity = jnp.tanh,
    ):
        # One precision for all fields: that of the arrays given, else the default.
        dtype = jnp.result_type(gain, feedback_std, input_std, shared_weight)
        if not jnp.issubdtype(dtype, jnp.floating):
            dtype = jnp.result_type(float)
        self.gain = jnp.asarray(gain, dtype)
        self.feedback_std = jnp.asarray(feedback_std, dtype)
        self.input_std = jnp.asarray(input_std, dtype)
        self.shared_weight = jnp.asarray(shared_weight, dtype)
        self.nonlinearity = nonlinearity

    def __check_init__(self):
        for name in ("gain", "feedback_std", "input_std", "shared_weight"):
            value = getattr(self, name)
            if not is_concrete(value):
                continue
            value = np.asarray(value)
            if not np.all(np.isfinite(value)):
                raise ValueError(f"`{name}` must be finite, got {value}.")
            if name == "shared_weight" and np.any(np.abs(value) > 1):
                raise ValueError(f"`{name}` must lie in [-1, 1], got {value}.")
            if name != "shared_weight" and np.any(value < 0):
                raise ValueError(f"`{name}` must be at least 0, got {value}.")

    @property
    def feedback_input_covariance(self) -> Float[Array, ""]:
        r"""$\langle mI\rangle = s_m s_I \rho^2$."""
        return self.feedback_std * self.input_std * self.shared_weight**2

    @property
    def symmetry_point(self) -> Float[Array, ""]:
        r"""$z_0 = -s_{mI}/s_m^2$, the output about which every open-loop average is even.

        There the input $m z + I$ has its smallest variance. Infinite or NaN without feedback.
        """
        return -self.input_std * self.shared_weight**2 / self.feedback_std

    def input_variance(self, output: ScalarLike) -> Float[Array, ""]:
        r"""$S(z) = s_m^2 z^2 + 2 s_{mI} z + s_I^2$, the variance of $m z + I$.

        Evaluated as $(s_m z + \rho^2 s_I)^2 + s_I^2 (1-\rho^4)$, which cannot become negative.
        """
        common = self.shared_weight**2
        along = self.feedback_std * output + common * self.input_std
        return along**2 + self.input_std**2 * (1.0 - common) * (1.0 + common)
