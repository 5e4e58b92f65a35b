"""Laplace transforms of the autocovariances on the circle where the response is singular."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ._panels import N_NODES, NODES, WEIGHTS
from ._single_site import N_PANELS, SingleSite, find_place, read_course

_LEAST_DECAY = 2.8e-3  # below it the oscillating transforms are not resolved to 1e-6
_N_ANGLES = 129  # of the upper half; the integrands are conjugate in the lower


class Circle(NamedTuple):
    r"""Points $s = 1 - r e^{i\theta}$ of the upper half circle, weights of $\oint d\theta/2\pi$."""

    s: Array
    weights: Array
    radius: Array


def circle(site: SingleSite) -> Circle:
    r"""Nodes on the circle of radius $\sqrt G = g\langle\phi'\rangle$ about one.

    The integrands are singular at $\theta = 0 \pm i\,\mathrm{artanh}\,\kappa$ and beyond. The
    Moebius map $e^{i\theta} = (\zeta + a)/(1 + a\zeta)$ keeps the trapezoid rule and pushes the
    cuts $[0, 1/r]$ and $[r, \infty]$ as far from the circle as they can be: the error falls from
    $e^{-\kappa n}$ to $e^{-\sqrt{2\kappa} n}$.
    """
    dtype = site.gain.dtype
    is_resolved = site.decay_rate > _LEAST_DECAY
    radius = jnp.where(is_resolved, site.gain * site.mean_slope, jnp.nan)
    kappa = jax.lax.stop_gradient(site.decay_rate)
    a = (jnp.sqrt(1.0 + kappa) - jnp.sqrt(2.0 * kappa)) / jnp.sqrt(1.0 - kappa)
    eta = jnp.asarray(np.linspace(0.0, np.pi, _N_ANGLES), dtype)
    unit = jnp.exp(1j * eta)
    point = (unit + a) / (1.0 + a * unit)
    gap = (1.0 - a) * (1.0 - unit) / (1.0 + a * unit)  # 1 - e^{i theta}, without cancellation
    nearest = site.decay_rate**2 / (1.0 + radius)  # 1 - radius, likewise
    real = nearest + 0.5 * radius * (gap.real**2 + gap.imag**2)
    share = np.full(_N_ANGLES, 1.0 / (_N_ANGLES - 1))
    share[[0, -1]] *= 0.5
    weights = jnp.asarray(share, dtype) * (1.0 - a**2) / (1.0 + a**2 + 2.0 * a * jnp.cos(eta))
    return Circle(jax.lax.complex(real, -radius * point.imag), weights, radius)


def _dot(kernel: Array, values: Array) -> Array:
    return jnp.matmul(kernel, values.astype(kernel.dtype), precision=jax.lax.Precision.HIGHEST)


def transforms(site: SingleSite, ring: Circle) -> tuple[Array, Array, Array]:
    r"""$L_\phi$ and $L_x$ on the circle, and $L_\phi(\kappa)$."""
    kernel = jnp.exp(-ring.s[:, None] * site.lags) * site.lag_weights
    at_pole = jnp.exp(-site.decay_rate * site.lags) * site.lag_weights
    rate, current = site.autocovariance_rate, site.autocovariance_current
    return _dot(kernel, rate), _dot(kernel, current), jnp.sum(at_pole * rate)


def _part_of_panel(site: SingleSite, first: Array, last: Array):
    """Lags, weights and autocovariances at nodes between two places of one panel."""
    dtype = first.dtype
    half = 0.5 * (last - first)
    place = first + half * (1.0 + jnp.asarray(NODES, dtype))
    lag, depth, ratio = read_course(site, place)
    step = jax.vmap(jax.grad(lambda u: read_course(site, u)[0]))(place)
    current = site.variance_current * jnp.exp(-(depth**2))
    return lag, half * jnp.asarray(WEIGHTS, dtype) * step, ratio * current, current


def shifted_transforms(site: SingleSite, lags: Array, ring: Circle):
    r"""Autocovariances at the lags, and the transforms of both sides around each.

    Returns:
        `(values, forward, backward)`, each a pair for rate and current: $C(\tau)$ of shape
        `(n_lags,)`, $L^+_\tau$ and $L^-_\tau$ of shape `(n_lags, n_angles + 1)`, the circle
        followed by the point $\kappa$.
    """
    s = jnp.append(ring.s, site.decay_rate)
    kernel = jnp.exp(-s[:, None] * site.lags) * site.lag_weights
    own = jnp.stack([site.autocovariance_rate, site.autocovariance_current])
    origin = _dot(kernel, own.T)  # both transforms at lag zero
    panels = jnp.repeat(jnp.arange(N_PANELS), N_NODES)

    def at(lag):
        lag = jnp.abs(lag)
        place = find_place(site, lag)
        index = jnp.clip(jnp.floor(place), 0, N_PANELS - 1)
        before = _part_of_panel(site, index, place)
        after = _part_of_panel(site, place, index + 1)
        # A lag beyond the course has only nodes before it.
        past = jnp.concatenate([jnp.where(panels < index, site.lag_weights, 0.0), before[1]])
        future = jnp.concatenate([jnp.where(panels > index, site.lag_weights, 0.0), after[1]])
        past_lags = jnp.concatenate([site.lags, before[0]])
        future_lags = jnp.concatenate([site.lags, after[0]])
        past_values = jnp.concatenate([own, jnp.stack(before[2:])], axis=1)
        future_values = jnp.concatenate([own, jnp.stack(after[2:])], axis=1)
        fade = lambda distance: jnp.exp(-s[:, None] * jnp.maximum(distance, 0.0))
        forward = _dot(fade(future_lags - lag) * future, future_values.T)
        backward = _dot(fade(lag - past_lags) * past, past_values.T)
        backward = backward + jnp.exp(-s * lag)[:, None] * origin
        _, depth, ratio = read_course(site, place)
        current = site.variance_current * jnp.exp(-(depth**2))
        return jnp.stack([ratio * current, current]), forward.T, backward.T

    is_negative = (lags < 0)[:, None, None]
    values, forward, backward = jax.lax.map(at, lags)
    forward, backward = (
        jnp.where(is_negative, backward, forward),
        jnp.where(is_negative, forward, backward),
    )
    split = lambda array: (array[:, 0], array[:, 1])
    return split(values), split(forward), split(backward)
