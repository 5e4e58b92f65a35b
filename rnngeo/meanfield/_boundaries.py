"""Boundaries of the global phases, and phase diagrams made of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rnngeo._types import ScalarLike
from rnngeo.numerics import bracketed_root

from ._ensemble import FeedbackEnsemble
from ._fixed_points import FixedPoints
from ._open_loop import open_loop_variance, promote
from ._readout import curve_excess

PHASES = ("1S", "3U", "3S")
N_INTERVAL = 41


class SaddleNode(eqx.Module):
    """Where a pair of other fixed points is born; NaN if nowhere.

    Attributes:
        ratio: Readout ratio $r_{SN}$.
        output: The output $z$ of the pair.
    """

    ratio: Float[Array, ""]
    output: Float[Array, ""]


class PhaseDiagram(eqx.Module):
    """Phases over a grid, and their exact boundaries, one per row.

    Attributes:
        phase: Index into `PHASES`, shape `(n_rows, n_ratios)`.
        critical_ratio: $r_c$ per row, NaN where undefined.
        saddle_node_ratio: $r_{SN}$ per row, NaN where there is none.
    """

    phase: Int[Array, "n_rows n_ratios"]
    critical_ratio: Float[Array, " n_rows"]
    saddle_node_ratio: Float[Array, " n_rows"]


def _critical_excess(ensemble, target) -> Array:
    """A Gamma(A), the value of the excess T at the target itself."""
    d = open_loop_variance(ensemble, target)
    return curve_excess(ensemble, target, d, target, d)


def critical_ratio(ensemble: FeedbackEnsemble, target: ScalarLike) -> Float[Array, ""]:
    r"""Readout ratio at which the target exchanges stability with another output.

    $r_c = A/(1 - A\Gamma(A)) - A$ with $\Gamma = d\ln G/dz$. For $A > 0$ the target is unstable
    for $-A < r < r_c$, for $A < 0$ for $r_c < r < -A$.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$.

    Returns:
        $r_c$; NaN where $A\Gamma(A) \ge 1$, and at $A = 0$.

    Cost: one open-loop state.

    Reference: derived here.
    """
    (target,) = promote(ensemble, target)
    t = _critical_excess(ensemble, target)
    is_defined = (t < 1) & (target != 0)
    return jnp.where(is_defined, target * t / jnp.where(is_defined, 1.0 - t, 1.0), jnp.nan)


def _largest_excess(ensemble, target) -> tuple[Array, Array]:
    """Maximum of T between 0 and 2 z0 - A, where T vanishes, and its place; NaN if empty."""
    m = ensemble.feedback_std
    is_coupled = m > 0
    safe = jnp.where(is_coupled, m, 1.0)
    far_end = -2.0 * ensemble.input_std * ensemble.shared_weight**2 / safe - target
    is_open = is_coupled & (far_end != 0) & (target != 0)
    far_end = jnp.where(is_open, far_end, 1.0)
    d_target = open_loop_variance(ensemble, target)

    def excess(z):
        return curve_excess(ensemble, target, d_target, z, open_loop_variance(ensemble, z))

    def slope(z):
        return jax.jvp(excess, (z,), (jnp.ones_like(z),))[1]

    part = jnp.linspace(0.0, 1.0, N_INTERVAL, dtype=target.dtype)
    nodes = jax.lax.stop_gradient(far_end * part)
    best = jnp.clip(jnp.argmax(jax.vmap(excess)(nodes)), 1, N_INTERVAL - 2)
    place = bracketed_root(slope, nodes[best - 1], nodes[best + 1])
    top = excess(place)
    is_there = is_open & (top > 0)
    return jnp.where(is_there, top, jnp.nan), jnp.where(is_there, place, jnp.nan)


@eqx.filter_jit
def _saddle_node(ensemble, target) -> SaddleNode:
    top, place = _largest_excess(ensemble, target)
    is_there = top < 1  # beyond it the pair exists for every ratio of this sign
    ratio = jnp.where(is_there, target * top / jnp.where(is_there, 1.0 - top, 1.0), jnp.nan)
    return SaddleNode(ratio, jnp.where(is_there, place, jnp.nan))


def saddle_node(ensemble: FeedbackEnsemble, target: ScalarLike) -> SaddleNode:
    r"""Readout ratio at which a pair of other fixed points appears.

    The extremum of $r^*(z)$ over the open interval between 0 and $2z_0 - A$, at both ends of
    which it vanishes: the maximum for $A > 0$, the minimum for $A < 0$. Computed as the maximum of
    $T = zH/G$, since $r^* = AT/(1-T)$ increases with $T$ for $A > 0$ and decreases for $A < 0$.

    Args:
        ensemble: Statistics of the network.
        target: Target output $A$.

    Returns:
        `SaddleNode`; NaN if the interval is empty, without feedback, or if $r^*$ has a pole inside.
        Differentiable in all parameters.

    Cost: about 60 open-loop states, a millisecond.

    Reference: derived here.
    """
    return _saddle_node(ensemble, *promote(ensemble, target))


def _phase_row(ensemble, target, ratios):
    """Phases of one target, in the coordinate s = A/(A+r), where r has no pole.

    1S for s < s_SN, 3S for s_SN < s < s_c, 3U for s > s_c; s_SN = 1 - max T, s_c = 1 - T(A).
    """
    critical = 1.0 - _critical_excess(ensemble, target)
    top, _ = _largest_excess(ensemble, target)
    birth = 1.0 - jnp.where(jnp.isnan(top), 0.0, top)
    total = target + ratios
    on_flex = (total == 0) & (target != 0)
    gain = target / jnp.where(total == 0, 1.0, total)
    gain = jnp.where(on_flex, jnp.inf, jnp.where((target == 0) & (ratios == 0), 1.0, gain))
    phase = jnp.where(gain > critical, 1, jnp.where(gain > birth, 2, 0))
    phase = jnp.where(ensemble.feedback_std > 0, phase, 0)

    ratio = lambda s: jnp.where((s > 0) & (target != 0), target / s - target, jnp.nan)
    return phase, ratio(critical), ratio(jnp.where(jnp.isnan(top), jnp.nan, birth))


@eqx.filter_jit
def phase_diagram(
    ensemble: FeedbackEnsemble,
    ratios: Float[Array, " n_ratios"],
    targets: Float[Array, " n_targets"],
) -> PhaseDiagram:
    r"""Global phases over readout ratio and target, from exact boundaries.

    For $A > 0$, $r$ increasing: 1S below $-A$ (the target is the only fixed point), 3U up to $r_c$
    (unstable target between two stable outputs), 3S up to $r_{SN}$ (stable target beside a
    spurious stable output), 1S beyond. For $A < 0$ the order is reversed. On the line $r = -A$,
    where no readout exists, the code is that of its 3U side.

    Args:
        ensemble: Statistics of the network.
        ratios: Readout ratios $r = a_I/a_m$.
        targets: Target outputs $A$.

    Returns:
        `PhaseDiagram` with `phase` of shape `(n_targets, n_ratios)`.

    Cost: one `saddle_node` per target, whatever the number of ratios.

    Reference: derived here.
    """
    rows = jax.vmap(lambda target: _phase_row(ensemble, target, ratios))(targets)
    return PhaseDiagram(*rows)


@eqx.filter_jit
def _phase_diagram_gain(ensemble, ratios, gains, target) -> PhaseDiagram:
    def row(gain):
        return _phase_row(eqx.tree_at(lambda e: e.gain, ensemble, gain), target, ratios)

    return PhaseDiagram(*jax.vmap(row)(gains))


def phase_diagram_gain(
    ensemble: FeedbackEnsemble,
    ratios: Float[Array, " n_ratios"],
    gains: Float[Array, " n_gains"],
    target: ScalarLike,
) -> PhaseDiagram:
    r"""Global phases over readout ratio and gain of the bulk, at one target.

    Args:
        ensemble: Statistics of the network; its `gain` is ignored.
        ratios: Readout ratios $r = a_I/a_m$.
        gains: Gains $g$; below `critical_gain` of every output concerned the theory is exact.
        target: Target output $A$.

    Returns:
        `PhaseDiagram` with `phase` of shape `(n_gains, n_ratios)`, as in `phase_diagram`.

    Cost: one `saddle_node` per gain.

    Reference: derived here.
    """
    return _phase_diagram_gain(ensemble, ratios, gains, *promote(ensemble, target))


def phase_of(fixed_points: FixedPoints, target: ScalarLike) -> Int[Array, ""]:
    """Phase of one network, counted from its fixed points.

    Args:
        fixed_points: All fixed points of the closed loop.
        target: The target output, one of them.

    Returns:
        Index into `PHASES`: 1S with one fixed point; else 3S or 3U by the stability of the target.
        -1 if there are no fixed points (no calibrated readout).

    Cost: none.

    Reference: derived here.
    """
    gap = jnp.abs(fixed_points.output - target)
    nearest = jnp.argmin(jnp.where(jnp.isnan(gap), jnp.inf, gap))
    several = jnp.where(fixed_points.is_stable[nearest], 2, 1)
    return jnp.where(fixed_points.count == 0, -1, jnp.where(fixed_points.count == 1, 0, several))
