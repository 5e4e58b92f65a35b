"""One neuron of a large random network: amplitude and time course of its fluctuations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from rnngeo._types import Nonlinearity, Scalar, ScalarLike
from rnngeo.numerics import bracketed_root

from ._panels import COEFFICIENTS, CUMULATIVE, NODES, WEIGHTS, legendre_series
from ._site_averages import (
    amplitude_excess,
    check_odd,
    rate_covariance,
    site_averages,
    slope_at_zero,
    unit_slope_erf,
)

# The lag is a function of the depth p, with Delta = Delta0 exp(-p^2). Panels cluster at p = 0 up
# to p = 1; beyond, their ends are uniform in p^2, which is uniform in lag, down to rounding.
_N_HEAD = 8
_TAIL_EDGES = np.sqrt(np.linspace(1.0, 37.0, 25))
_N_TAIL = _TAIL_EDGES.size - 1
N_PANELS = _N_HEAD + _N_TAIL
_SMALLEST = 1e-9  # of the variance, in units of the squared scale of the nonlinearity
_WIDE = np.sinh(np.linspace(0.0, 19.0, 401))


class SingleSite(eqx.Module):
    r"""Fluctuations of one neuron, with autocovariances as functions of the lag.

    The lags are the nodes of a quadrature: $\int_0^\infty h(\tau) d\tau = \sum_k w_k h(\tau_k)$
    holds nearly to rounding for $h$ made of autocovariances, and of their products with
    $e^{-s\tau}$ for $|s - 1| < 1$. Where there is no fluctuating state every number is NaN and
    `reason` says why.

    Attributes:
        gain: Coupling strength $g$.
        variance_current: $\Delta_0 = C_x(0)$.
        variance_rate: $C_\phi(0)$.
        mean_slope: $\langle\phi'\rangle$.
        mean_squared_slope: $\langle\phi'^2\rangle$.
        decay_rate: $\kappa$; both autocovariances end as $e^{-\kappa\tau}$.
        lags: $\tau_k$, ascending, in units of the time constant, shape `(n_lags,)`.
        lag_weights: $w_k$, shape `(n_lags,)`.
        autocovariance_current: $C_x(\tau_k)$, shape `(n_lags,)`.
        autocovariance_rate: $C_\phi(\tau_k)$, shape `(n_lags,)`.
        is_quiescent: Whether the trivial state is stable, $g\phi'(0) \le 1$.
        crowding: Width in p of the cluster of nodes at lag zero.
        lag_edges: Lags at the ends of the panels.
        lag_series: Legendre series of the lag step, a row per panel.
        ratio_series: Legendre series of $C_\phi/C_x$, a row per panel.
    """

    gain: Scalar
    variance_current: Scalar
    variance_rate: Scalar
    mean_slope: Scalar
    mean_squared_slope: Scalar
    decay_rate: Scalar
    lags: Float[Array, " n_lags"]
    lag_weights: Float[Array, " n_lags"]
    autocovariance_current: Float[Array, " n_lags"]
    autocovariance_rate: Float[Array, " n_lags"]
    is_quiescent: Bool[Array, ""]
    crowding: Scalar
    lag_edges: Float[Array, " n_edges"]
    lag_series: Float[Array, "n_panels n_nodes"]
    ratio_series: Float[Array, "n_panels n_nodes"]

    @property
    def tail_time(self) -> Scalar:
        r"""Decay time of the tail of both autocovariances, $1/\kappa$."""
        return 1.0 / self.decay_rate

    @property
    def integral_time(self) -> Scalar:
        r"""$\int_0^\infty C_\phi(\tau)\,d\tau/C_\phi(0)$."""
        return jnp.sum(self.lag_weights * self.autocovariance_rate) / self.variance_rate

    @property
    def half_time(self) -> Scalar:
        r"""Lag at which $C_\phi$ has fallen to half of $C_\phi(0)$."""
        return self.fall_time(0.5)

    @property
    def efold_time(self) -> Scalar:
        r"""Lag at which $C_\phi$ has fallen to $1/e$ of $C_\phi(0)$."""
        return self.fall_time(np.exp(-1.0))

    @property
    def sampling_time(self) -> Scalar:
        r"""Run time that is worth one independent sample of a covariance between rates.

        $\int_{-\infty}^\infty (C_\phi(\tau)/C_\phi(0))^2 d\tau$.
        """
        share = self.autocovariance_rate / self.variance_rate
        return 2.0 * jnp.sum(self.lag_weights * share**2)

    @property
    def reason(self) -> str:
        """Why the numbers are NaN; empty if they are not. For one site, outside jit."""
        if bool(self.is_quiescent):
            return (
                "Quiescent: the gain times the slope of the nonlinearity at zero does not exceed "
                "one, all activity dies out."
            )
        if not bool(jnp.isfinite(self.variance_current)):
            return (
                "No amplitude balances the recurrent input: the rates are unbounded, or the gain "
                "lies within rounding of the transition."
            )
        return ""

    def fall_time(self, fraction: ScalarLike) -> Scalar:
        r"""Lag at which $C_\phi$ has fallen to a fraction of $C_\phi(0)$.

        Args:
            fraction: Between 1e-15 and 1.

        Returns:
            The lag; differentiable in the gain and the fraction.
        """
        return _fall_time(self, jnp.asarray(fraction, self.gain.dtype))

    def current_at(self, lags: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
        r"""$C_x$ at any lags.

        Args:
            lags: Of either sign, any shape, in units of the time constant.

        Returns:
            $C_x$, good to about 1e-10 of $C_x(0)$.
        """
        return _covariances_at(self, jnp.asarray(lags, self.gain.dtype))[0]

    def rate_at(self, lags: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
        r"""$C_\phi$ at any lags.

        Args:
            lags: Of either sign, any shape, in units of the time constant.

        Returns:
            $C_\phi$, good to about 1e-10 of $C_\phi(0)$.
        """
        return _covariances_at(self, jnp.asarray(lags, self.gain.dtype))[1]


def read_course(site: SingleSite, place: Array) -> tuple[Array, Array, Array]:
    """Lag, depth p and ratio of rate to current covariance at a place in [0, `N_PANELS`].

    The integer part of the place is the panel, the rest the position inside.
    """
    panel = jnp.clip(jnp.floor(place), 0, N_PANELS - 1)
    index = jnp.where(jnp.isnan(panel), 0, panel).astype(int)
    values, integrals = legendre_series(2.0 * (place - panel) - 1.0)
    lag = site.lag_edges[index] + jnp.sum(site.lag_series[index] * integrals, axis=-1)
    ratio = jnp.sum(site.ratio_series[index] * values, axis=-1)
    return lag, _depth(site.crowding, place)[0], ratio


def find_place(site: SingleSite, lag: Array) -> Array:
    """The place at a lag; the end of the course for all lags beyond it."""
    end = jnp.full_like(lag, N_PANELS)
    lag = jnp.minimum(jnp.abs(lag), site.lag_edges[-1])
    index = jnp.clip(jnp.searchsorted(site.lag_edges, lag) - 1, 0, N_PANELS - 1)
    lower = jnp.minimum(index.astype(lag.dtype), end)
    is_inside = (lag > site.lag_edges[index]) & (lag < site.lag_edges[index + 1])
    upper = jnp.where(is_inside, lower + 1.0, lower)
    place = bracketed_root(lambda u: read_course(site, u)[0] - lag, lower, upper)
    return jnp.where(is_inside, place, jnp.where(lag > site.lag_edges[index], lower + 1.0, lower))


@eqx.filter_jit
def _fall_time(site: SingleSite, fraction: Array) -> Array:
    level = jnp.log(fraction * site.variance_rate / site.variance_current)

    def excess(place):
        _, depth, ratio = read_course(site, place)
        return level + depth**2 - jnp.log(ratio)

    end = jnp.full_like(level, N_PANELS)
    return read_course(site, bracketed_root(excess, jnp.zeros_like(end), end))[0]


@eqx.filter_jit
def _covariances_at(site: SingleSite, lags: Array) -> tuple[Array, Array]:
    def at(lag):
        _, depth, ratio = read_course(site, find_place(site, lag))
        beyond = jnp.maximum(jnp.abs(lag) - site.lag_edges[-1], 0.0)
        current = site.variance_current * jnp.exp(-(depth**2) - site.decay_rate * beyond)
        return current, ratio * current

    flat = jax.vmap(at)(lags.ravel())
    return flat[0].reshape(lags.shape), flat[1].reshape(lags.shape)


def _depth(crowding: Array, place: Array) -> tuple[Array, Array]:
    """Depth p at a place, and its derivative."""
    dtype = crowding.dtype
    reach = jnp.arcsinh(1.0 / crowding) / _N_HEAD
    q = reach * jnp.minimum(place, _N_HEAD)
    panel = jnp.clip(jnp.floor(place - _N_HEAD), 0, _N_TAIL - 1)
    index = jnp.where(jnp.isnan(panel), 0, panel).astype(int)
    edges = jnp.asarray(_TAIL_EDGES, dtype)
    width = edges[index + 1] - edges[index]
    is_head = place < _N_HEAD
    depth = jnp.where(
        is_head, crowding * jnp.sinh(q), edges[index] + width * (place - _N_HEAD - panel)
    )
    return depth, jnp.where(is_head, reach * crowding * jnp.cosh(q), width)


def _running(steps: Array) -> tuple[Array, Array]:
    """Integral from the first end to every node, and to every end of a panel.

    The steps are values of the integrand per unit of place.
    """
    dtype = steps.dtype
    whole = 0.5 * jnp.sum(jnp.asarray(WEIGHTS, dtype) * steps, axis=1)
    ends = jnp.concatenate([jnp.zeros(1, dtype), jnp.cumsum(whole)])
    # In full precision on every device: a product of 20 by 20.
    within = 0.5 * jnp.sum(jnp.asarray(CUMULATIVE, dtype) * steps[:, None, :], axis=-1)
    return ends[:-1, None] + within, ends


def _squared_speed(gain, variance, slope, depth, d_depth, ratio) -> Array:
    r"""$W = (d\ln\Delta/d\tau)^2$ at the nodes, without cancellation at either end.

    $\Delta^2 W = 2\int_\Delta^{\Delta_0}(g^2 C_\phi - \Delta) d\Delta$ in the head, and
    $\Delta^2(1 - W) = 2 g^2 \int_0^\Delta C_\phi d\Delta$ in the tail.
    """
    relative = jnp.exp(-(depth**2))  # Delta over Delta0
    measure = 2.0 * depth * relative**2 * d_depth
    head, tail = slice(0, _N_HEAD), slice(_N_HEAD, None)
    drive = 2.0 * (gain**2 * ratio[head] - 1.0) * measure[head]
    w_head = _running(drive)[0] / relative[head] ** 2
    # Divided by the square of Delta at the upper end of its panel, integrals keep their digits.
    mirrored = (2.0 * gain**2 * ratio * measure)[tail][::-1, ::-1]
    rest = (gain * slope) ** 2 * float(np.exp(-2.0 * _TAIL_EDGES[-1] ** 2))
    w_tail = 1.0 - (rest + _running(mirrored)[0][::-1, ::-1]) / relative[tail] ** 2
    return jnp.concatenate([w_head, w_tail])


@eqx.filter_jit
def _single_site(gain: Array, nonlinearity: Nonlinearity) -> SingleSite:
    dtype = gain.dtype
    origin = slope_at_zero(nonlinearity, dtype)
    bound = jnp.max(nonlinearity(jnp.asarray(_WIDE, dtype)) ** 2)
    variance = bracketed_root(
        lambda d: amplitude_excess(nonlinearity, gain, d),
        _SMALLEST / origin**2,
        2.0 * gain**2 * bound,
    )
    rate, slope, squared_slope = site_averages(nonlinearity, variance)
    decay_rate = jnp.sqrt((1.0 - gain * slope) * (1.0 + gain * slope))

    crowding = jax.lax.stop_gradient(1.0 / jnp.sqrt(1.0 + origin**2 * variance))
    place = jnp.arange(N_PANELS, dtype=dtype)[:, None] + jnp.asarray(0.5 * (NODES + 1.0), dtype)
    depth, d_depth = _depth(crowding, place)
    current = variance * jnp.exp(-(depth**2))
    ratio = jnp.concatenate(
        rate_covariance(nonlinearity, variance, current[:_N_HEAD], current[_N_HEAD:])
    )
    speed = jnp.sqrt(_squared_speed(gain, variance, slope, depth, d_depth, ratio))
    lag_step = 2.0 * depth * d_depth / speed
    lags, lag_edges = _running(lag_step)

    coefficients = jnp.asarray(COEFFICIENTS, dtype)
    series = lambda values: jnp.sum(coefficients * values[:, None, :], axis=-1)
    return SingleSite(
        gain=gain,
        variance_current=variance,
        variance_rate=rate,
        mean_slope=slope,
        mean_squared_slope=squared_slope,
        decay_rate=decay_rate,
        lags=lags.ravel(),
        lag_weights=(0.5 * jnp.asarray(WEIGHTS, dtype) * lag_step).ravel(),
        autocovariance_current=current.ravel(),
        autocovariance_rate=(ratio * current).ravel(),
        is_quiescent=~(gain * origin > 1.0),
        crowding=crowding,
        lag_edges=lag_edges,
        lag_series=0.5 * series(lag_step),
        ratio_series=series(ratio),
    )


def single_site(gain: ScalarLike, nonlinearity: Nonlinearity = unit_slope_erf) -> SingleSite:
    r"""Single-site mean field of the chaotic state of an autonomous random network.

    $(1 + d/dt) x = \eta$ with $\eta$ Gaussian of covariance $g^2 C_\phi(\tau)$, hence
    $\Delta'' = \Delta - g^2 C_\phi(\Delta) = -V'(\Delta)$ for $\Delta(\tau) = C_x(\tau)$. The
    amplitude solves $V(\Delta_0; \Delta_0) = 0$. The time course is a quadrature, not an initial
    value problem: with $\Delta = \Delta_0 e^{-p^2}$ the lag is $\tau(p) = \int_0^p 2p'\,dp'/
    \sqrt{W}$, $W = -2V/\Delta^2$, whose integrand is smooth from $p = 0$ to the tail. It needs
    neither a window nor a step in lag, at any gain.

    Args:
        gain: Coupling strength $g$; of a structured network its effective one.
        nonlinearity: Odd elementwise $\phi$, steepest at zero, that does not close over traced
            values. Closed forms serve `unit_slope_erf` and `jax.scipy.special.erf`; any other
            function is averaged numerically, if smooth to 1e-11. A jump of its slope leaves an
            error of 1e-4 (at gains below 1.5 a percent in the time course, and one percent in
            $\langle\phi'^2\rangle$ at any), and derivatives in the gain are wrong then.

    Returns:
        `SingleSite`; NaN with a `reason` where $g\phi'(0) \le 1$. Differentiable in the gain, the
        amplitude by the implicit function theorem. Batch over gains by `eqx.filter_vmap`.

    Raises:
        ValueError: The nonlinearity is not odd.

    Cost: below a millisecond for erf, two million evaluations of `nonlinearity` else. Single
    precision keeps four digits or more; use float64 near onset.

    Reference: Sompolinsky, Crisanti & Sommers, Phys. Rev. Lett. 61, 259 (1988); Clark et al.,
    Phys. Rev. X 15, 041019 (2025), Eq. (36). Quadrature derived here.
    """
    check_odd(nonlinearity)
    return _single_site(jnp.asarray(gain, jnp.result_type(gain, 1.0)), nonlinearity)
