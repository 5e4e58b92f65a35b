"""Geometry and scale of the readout, and the curve of all other fixed points."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rnngeo._types import ScalarLike
from rnngeo.numerics import is_concrete

from ._ensemble import FeedbackEnsemble
from ._open_loop import mean_slope, open_loop_variance, promote, slope_difference


def readout_overlaps(
    ensemble: FeedbackEnsemble, p: ScalarLike, p_m: ScalarLike, p_I: ScalarLike
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Overlaps of the readout direction with feedback and input weights.

    For $n = (c/N)(p\xi + p_m\eta_m + p_I\eta_I)$: $a_m = s_m(p\rho + p_m\sqrt{1-\rho^2})$ and
    $a_I = s_I(p\rho + p_I\sqrt{1-\rho^2})$, both without the scale $c$.

    Args:
        ensemble: Statistics of the network.
        p: Coefficient of the shared direction.
        p_m: Coefficient of the part private to the feedback.
        p_I: Coefficient of the part private to the input.

    Returns:
        `(a_m, a_I)`.

    Cost: none.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), as in their code.
    """
    rho = ensemble.shared_weight
    private = jnp.sqrt((1.0 - rho) * (1.0 + rho))
    a_m = ensemble.feedback_std * (p * rho + p_m * private)
    a_I = ensemble.input_std * (p * rho + p_I * private)
    return a_m, a_I


def has_readout(a_m: Array, a_I: Array, target: Array) -> Bool[Array, ""]:
    """Whether some scale of this readout makes the target a fixed point."""
    size = jnp.abs(a_m * target) + jnp.abs(a_I)
    eps = jnp.maximum(1e-12, 8 * jnp.finfo(size.dtype).eps)
    is_regular = jnp.abs(a_m * target + a_I) > eps * size
    return is_regular | ((target == 0) & (a_I == 0) & (a_m != 0))


def check_readout(a_m, a_I, target) -> None:
    """Raise for concrete numbers that allow no calibrated readout."""
    if not is_concrete(a_m, a_I, target):
        return
    if not np.all(has_readout(*(jnp.asarray(a) for a in (a_m, a_I, target)))):
        raise ValueError(
            "no calibrated readout exists: expected a_m * target + a_I different from 0, got "
            f"a_m = {a_m}, a_I = {a_I}, target = {target}."
        )


def scale_at(a_m: Array, a_I: Array, target: Array, slope: Array) -> Array:
    """The scale c, given the mean slope at the target; NaN without a calibrated readout."""
    along = a_m * target + a_I
    is_free = (target == 0) & (a_I == 0)
    value = jnp.where(is_free, 1.0, target) / (jnp.where(is_free, a_m, along) * slope)
    return jnp.where(has_readout(a_m, a_I, target), value, jnp.nan)


def readout_scale(
    ensemble: FeedbackEnsemble, a_m: ScalarLike, a_I: ScalarLike, target: ScalarLike
) -> Float[Array, ""]:
    r"""Scale $c$ of the readout that makes the target a fixed point of the closed loop.

    $c = A/[(a_m A + a_I)\, G(A)]$. At $A = 0$ it is 0, or $1/(a_m G(0))$ if also $a_I = 0$.

    Args:
        ensemble: Statistics of the network.
        a_m: Overlap with the feedback weights, from `readout_overlaps`.
        a_I: Overlap with the input weights.
        target: Target output $A$.

    Returns:
        $c$; NaN under tracing where there is none.

    Raises:
        ValueError: $a_m A + a_I = 0$ (concrete numbers): no calibrated readout exists.

    Cost: as `mean_slope`.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), as in their code; the
    limit at $A = 0$ is derived here.
    """
    check_readout(a_m, a_I, target)
    a_m, a_I, target = promote(ensemble, a_m, a_I, target)
    return scale_at(a_m, a_I, target, mean_slope(ensemble, target))


def curve_excess(ensemble: FeedbackEnsemble, target: Array, d_target: Array, output, d_output):
    r"""$T(z) = z H(z)/G(z)$; the output is a fixed point if and only if $A/(A+r) = 1 - T(z)$.

    The gain $s = A/(A+r)$ of the loop at fixed slope is a better coordinate than $r$: it is
    finite where $r^*$ has a pole, and $T$ is smooth and small where $r^*$ is.
    """
    slope, h = slope_difference(ensemble, target, d_target, output, d_output)
    return output * h / slope


def ratio_curve(
    ensemble: FeedbackEnsemble, target: ScalarLike, output: ScalarLike
) -> Float[Array, ""]:
    r"""Readout ratio $r = a_I/a_m$ for which a given output is another fixed point.

    $r^*(z) = A z H/(G(A) - A H)$ with $H = (G(z) - G(A))/(z - A)$. Horizontal cuts of the curve
    are the outputs that coexist with the target, its extrema are saddle-nodes, and its value at
    $z = A$ is the ratio where target and other output exchange stability. $H$ is computed
    without cancellation, so the curve is accurate up to and at $z = A$.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$.
        output: The other output $z$.

    Returns:
        $r^*(z)$, dimensionless; may pass through infinity.

    Cost: two open-loop states and twelve averages.

    Reference: derived here.
    """
    target, output = promote(ensemble, target, output)
    d_target, d_output = (open_loop_variance(ensemble, z) for z in (target, output))
    t = curve_excess(ensemble, target, d_target, output, d_output)
    return target * t / (1.0 - t)
