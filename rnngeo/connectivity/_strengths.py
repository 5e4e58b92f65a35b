"""Strengths of random modes: families with a wanted effective rank, at a wanted gain."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from rnngeo._types import ScalarLike
from rnngeo.numerics import bracketed_root, is_concrete

from ._concrete import check_list, check_nonnegative, check_units

Strengths = Float[Array, " n_modes"]
STEEPEST = 64.0  # exponent of the power law from which a single mode is left


def scaled_strengths(strengths: ArrayLike, n_units: int, gain: ScalarLike = 1.0) -> Strengths:
    r"""Measured or chosen strengths, all multiplied by one factor so that $g_{eff}$ = `gain`.

    $g_{eff}^2 = N^{-1}\sum_a D_a^2$. The effective rank stays as it is.

    Args:
        strengths: $D_a \ge 0$, such as measured singular values, shape `(n_modes,)`.
        n_units: Number of units N.
        gain: The effective gain wanted, positive.

    Returns:
        The rescaled strengths; differentiable in `strengths` and `gain`.

    Raises:
        ValueError: `n_units` below 1, not a list, a strength negative or not finite, all zero, or a
            gain that is not positive.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (37).
    """
    check_units(n_units)
    strengths = jnp.asarray(strengths)
    strengths = strengths.astype(jnp.result_type(float, strengths, gain))
    check_list("strengths", strengths)
    check_nonnegative("strengths", strengths)
    if is_concrete(gain) and not (gain > 0 and math.isfinite(gain)):
        raise ValueError(f"`gain` must be positive and finite, got {gain}.")
    strengths = strengths / jnp.max(strengths)
    return strengths * (gain / jnp.sqrt(jnp.sum(strengths**2) / n_units))


def _plan(
    family: str,
    rank: ScalarLike,
    n_units: int,
    n_modes: int | None,
    n_least: int = 1,
    *,
    is_open: bool = False,
) -> tuple[Array, int]:
    """Wanted number of equal modes e N (a multiple of one to rounding), and the number M."""
    check_units(n_units)
    if not is_concrete(rank):
        if n_modes is None:
            raise ValueError("`n_modes` must be given where `effective_rank` is traced, got None.")
        return jnp.asarray(rank * n_units, jnp.result_type(float, rank)), n_modes
    count = float(rank) * n_units
    if math.isfinite(count) and abs(count - round(count)) < 1e-6:
        count = float(round(count))
    if n_modes is None:
        n_modes = max(n_units, math.ceil(count)) if math.isfinite(count) else n_units
    if n_modes < n_least:
        raise ValueError(f"`n_modes` must be at least {n_least}, got {n_modes}.")
    is_above = count > n_least or (count == n_least and not (is_open and n_modes > n_least))
    if not (is_above and count <= n_modes):
        bracket = "(" if is_open and n_modes > n_least else "["
        raise ValueError(
            f"`effective_rank` of {family} strengths with {n_modes} modes in {n_units} units must "
            f"lie in {bracket}{n_least / n_units:.6g}, {n_modes / n_units:.6g}], got {rank}."
        )
    return jnp.asarray(count, jnp.result_type(float, rank)), n_modes


def _tanh_over(square: Array) -> Array:
    """tanh(b)/b as a smooth function of b^2."""
    is_small = square < 1e-4
    b = jnp.sqrt(jnp.where(is_small, 1.0, square))
    series = 1.0 - square / 3.0 + 2.0 * square**2 / 15.0 - 17.0 * square**3 / 315.0
    return jnp.where(is_small, series, jnp.tanh(b) / b)


@jax.jit
def _exponential_rate(ratio: Array, n_modes: Array) -> Array:
    """beta for which M modes exp(-beta a/M) have this participation ratio, exactly at finite M."""
    excess = lambda square: _tanh_over(square) / _tanh_over(square / n_modes**2) - ratio
    inside = jnp.clip(jax.lax.stop_gradient(1.0 / (ratio * n_modes)), 0.0, 1.0)
    eps = jnp.finfo(ratio.dtype).eps
    # The root with tanh(beta) = 1, a little beyond rounding.
    upper = (1.01 * n_modes * jnp.arctanh(jnp.minimum(inside, 1.0 - eps))) ** 2
    return jnp.sqrt(bracketed_root(excess, jnp.zeros_like(ratio), upper))


def exponential_strengths(
    n_units: int,
    effective_rank: ScalarLike,
    gain: ScalarLike = 1.0,
    *,
    n_modes: int | None = None,
) -> Strengths:
    r"""Strengths $D_a \propto e^{-\beta a/M}$ of a given effective rank.

    $\beta$ solves $PR^D = \tanh\beta / (M \tanh(\beta/M))$, which holds at every M and tends to
    $\tanh(\beta)/\beta$. By default M = N up to rank 1; beyond, M is the least number of modes that
    reaches the rank, and they are equal if e N is a whole number.

    As gains of N neurons (`effective_rank` = $PR^G$, `gain` 1) it is the exponential law of gains.

    Args:
        n_units: Number of units N.
        effective_rank: e, above 1/N, at most M/N.
        gain: $g_{eff}$.
        n_modes: M; must be given where `effective_rank` is traced.

    Returns:
        Strengths, descending, shape `(n_modes,)`; differentiable in the gain, and in the rank
        inside its range. NaN where a traced rank is out of reach.

    Raises:
        ValueError: A rank out of reach, with what the family reaches; a gain that is not positive.

    Cost: one scalar root.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, Phys. Rev. X 15, 041019 (2025), below
    Eq. (13); the form at finite M derived here.
    """
    count, n_modes = _plan("exponential", effective_rank, n_units, n_modes, is_open=True)
    beta = _exponential_rate(count / n_modes, jnp.asarray(n_modes, count.dtype))
    return scaled_strengths(jnp.exp(-beta * jnp.arange(n_modes) / n_modes), n_units, gain)


@partial(jax.jit, static_argnums=1)
def _power(count: Array, n_modes: int) -> Array:
    """Exponent for which the squares of a^-gamma count as this many equal modes."""
    logs = jnp.log(jnp.arange(1, n_modes + 1, dtype=count.dtype))

    def excess(gamma):
        squares = jnp.exp(-2.0 * gamma * logs)
        return jnp.sum(squares) ** 2 / jnp.sum(squares**2) - count

    return bracketed_root(excess, jnp.zeros_like(count), jnp.full_like(count, STEEPEST))


def power_law_strengths(
    n_units: int,
    effective_rank: ScalarLike,
    gain: ScalarLike = 1.0,
    *,
    n_modes: int | None = None,
) -> Strengths:
    r"""Strengths $D_a \propto a^{-\gamma}$, $a = 1 \dots M$, of a given effective rank.

    Args:
        n_units: Number of units N.
        effective_rank: e, above 1/N, at most M/N.
        gain: $g_{eff}$.
        n_modes: M, as in `exponential_strengths`.

    Returns:
        Strengths, descending, shape `(n_modes,)`; differentiable as `exponential_strengths`.

    Raises:
        ValueError: A rank out of reach, with what the family reaches; a gain that is not positive.

    Cost: one scalar root over sums of M terms.

    Reference: derived here.
    """
    count, n_modes = _plan("power-law", effective_rank, n_units, n_modes, is_open=True)
    exponent = _power(count, n_modes) if n_modes > 1 else jnp.zeros_like(count)
    steps = jnp.arange(1, n_modes + 1, dtype=count.dtype)
    return scaled_strengths(steps**-exponent, n_units, gain)


def _weak_square(count: Array, n_strong: int, n_weak: int) -> Array:
    """Square y of the weak strength: (K + m y)^2 = t (K + m y^2), the root in [0, 1]."""
    k, m = n_strong, n_weak
    inside = k * m * (k * m + (m - count) * (count - k))
    return k * (count - k) / (k * m + jnp.sqrt(jnp.maximum(inside, 0.0)))


def two_level_strengths(
    n_units: int,
    effective_rank: ScalarLike,
    gain: ScalarLike = 1.0,
    *,
    n_strong: int,
    n_modes: int | None = None,
) -> Strengths:
    r"""A number K of strong modes, the rest weak and equal, of a given effective rank.

    The weak strength relative to the strong one is the root in [0, 1] of a quadratic equation for
    its square.

    Args:
        n_units: Number of units N.
        effective_rank: e, between K/N (weak modes vanish) and M/N (all equal).
        gain: $g_{eff}$.
        n_strong: K, at least 1.
        n_modes: M, as in `exponential_strengths`.

    Returns:
        Strengths, descending, shape `(n_modes,)`; differentiable in the gain, and in the rank
        inside its range.

    Raises:
        ValueError: A rank out of reach, with what the family reaches; `n_strong` below 1 or above
            `n_modes`; a gain that is not positive.

    Cost: none.

    Reference: derived here.
    """
    if n_strong < 1:
        raise ValueError(f"`n_strong` must be at least 1, got {n_strong}.")
    count, n_modes = _plan("two-level", effective_rank, n_units, n_modes, n_strong)
    strong = jnp.ones(n_strong, count.dtype)
    if n_modes > n_strong:
        weak = jnp.sqrt(_weak_square(count, n_strong, n_modes - n_strong))
        strong = jnp.concatenate([strong, jnp.full(n_modes - n_strong, weak)])
    return scaled_strengths(strong, n_units, gain)


def step_strengths(n_units: int, effective_rank: float, gain: ScalarLike = 1.0) -> Strengths:
    r"""Equal strengths of the first e N modes and no others.

    If e N is not a whole number one more mode is weaker, so that the rank is exact.

    Args:
        n_units: Number of units N.
        effective_rank: e, at least 1/N; its size sets the number of modes, so it is a number.
        gain: $g_{eff}$.

    Returns:
        Strengths, shape `(ceil(effective_rank * n_units),)`; differentiable in the gain.

    Raises:
        ValueError: A rank below 1/N or not finite; a gain that is not positive.

    Cost: none.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, Phys. Rev. X 15, 041019 (2025), the step
    spectrum; the last mode derived here.
    """
    check_units(n_units)
    count = float(effective_rank) * n_units
    if not math.isfinite(count) or count < 1.0 - 1e-6:
        raise ValueError(
            f"`effective_rank` of step strengths in {n_units} units must be finite and at least "
            f"{1 / n_units:.6g}, got {effective_rank}."
        )
    n_modes = math.ceil(count - 1e-6)
    n_strong = max(math.floor(count + 1e-6), 1)
    return two_level_strengths(n_units, effective_rank, gain, n_strong=n_strong, n_modes=n_modes)
