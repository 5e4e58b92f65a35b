"""One neuron that hears its own past: sampled, because its current is not Gaussian."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from rnngeo._results import RESULTS, Solution
from rnngeo._types import Key, Nonlinearity
from rnngeo.numerics import derivative, is_concrete

from ._anderson import anderson_step, empty_memory
from ._pair_integrals import frequency_grid, integrated_four_point
from ._sampled_statistics import Estimate, SampledSite
from ._self_coupling import AbstractSelfCoupling, quiescent_amplification
from ._single_site import single_site
from ._site_averages import (
    check_odd,
    rate_covariance,
    site_averages,
    slope_at_zero,
    unit_slope_erf,
)

_FAINT = 1e-4  # of the largest Q; below it sampled responses are noise
_LONGEST = 0.1  # share of the variance that may be left at half a window
_START_GAIN = 1.5  # least gain, times the slope at zero, of the first guess
_INNER_SWEEPS = 4  # at most, of the paths at fixed C and S
_FOLLOW = 0.1  # change of the paths at which they end, of that of C and S
_PATIENCE = 40  # iterations before a condensed mode ends them

# Ratio of rate to current covariance over the depth s, with C = C(0) (1 - s^2): its Chebyshev
# series on [0, 1], from values at the nodes.
_ANGLES = (np.arange(32) + 0.5) * (np.pi / 32)
_NODES = 0.5 * (1.0 + np.cos(_ANGLES))
_TO_SERIES = np.cos(np.arange(32)[:, None] * _ANGLES) * (2.0 / 32)
_TO_SERIES[0] *= 0.5


def _size(z: Array) -> Array:
    return z.real**2 + z.imag**2


class _Grid(NamedTuple):
    n_times: int
    step: Array
    frequencies: Array
    weights: Array


def _gaussian_spectrum(phi: Nonlinearity, grid: _Grid, spectrum: Array) -> tuple[Array, Array]:
    """Spectrum and mean slope of the rate of a Gaussian current with a given spectrum."""
    n = grid.n_times
    course = jnp.fft.irfft(spectrum, n)[: n // 2 + 1] / grid.step
    variance = course[0]
    ratios, _ = rate_covariance(phi, variance, variance * (1.0 - _NODES**2), jnp.zeros(0))
    depth = jnp.sqrt(jnp.clip(1.0 - jnp.abs(course) / variance, 0.0, 1.0))
    angles = jnp.arccos(2.0 * depth - 1.0)[:, None] * jnp.arange(_NODES.size)
    rates = course * (jnp.cos(angles) @ (_TO_SERIES @ ratios))
    even = jnp.concatenate([rates, rates[1:-1][::-1]])
    return grid.step * jnp.fft.rfft(even).real, site_averages(phi, variance).slope


def _sweep(coupling: AbstractSelfCoupling, phi: Nonlinearity, grid: _Grid, noise, accuracy, state):
    """Paths of the current under the present C and S, and the C and S that they give."""
    n, step = grid.n_times, grid.step
    rate = 1.0 + 1j * grid.frequencies
    spectrum, response, x = state
    feedback = coupling.feedback(response)
    drive = coupling.amplification(response) * jnp.maximum(spectrum, 0.0)
    eta = jnp.sqrt(drive / step) * noise

    # The mean slope is treated implicitly, so that only fluctuations of the slope have to contract.
    def improve(carry):
        x, _, n_sweeps = carry
        slope = jnp.mean(derivative(phi)(x))
        x_hat = eta + feedback * jnp.fft.rfft(phi(x) - slope * x)
        new = jnp.fft.irfft(x_hat / (rate - slope * feedback), n)
        change = jnp.sqrt(jnp.mean((new - x) ** 2) / jnp.mean(new**2))
        return new, change, n_sweeps + 1

    going = lambda carry: (carry[1] > accuracy) & (carry[2] < _INNER_SWEEPS)
    start = (x, jnp.full((), jnp.inf, x.dtype), jnp.zeros((), int))
    x, *_ = jax.lax.while_loop(going, improve, start)
    x_hat = jnp.fft.rfft(x)

    # The Gaussian path under the same noise has exact averages; only differences are sampled.
    inverse = 1.0 / (rate - jnp.mean(derivative(phi)(x)) * feedback)
    y_hat = eta * inverse
    y = jnp.fft.irfft(y_hat, n)
    exact, slope_y = _gaussian_spectrum(phi, grid, drive * _size(inverse))
    slope_x = slope_y + jnp.mean(derivative(phi)(x) - derivative(phi)(y))
    rate_x, rate_y = jnp.fft.rfft(phi(x)), jnp.fft.rfft(phi(y))
    power = lambda a: jnp.mean(_size(a), axis=0) * (step / n)
    new_spectrum = exact + power(rate_x) - power(rate_y)

    # S Q = <phi eta*>. The part S - <phi'> Sx is sampled, and faded out where Q is faint: a sharp
    # cut would let the iteration flicker. It is causal and zero at lag zero.
    rest = (rate_x - slope_x * x_hat) - (rate_y - slope_y * y_hat)
    rest = jnp.mean(rest * eta.conj(), axis=0) * (step / n)
    kernel = jnp.fft.irfft(rest * drive / (drive**2 + (_FAINT * jnp.max(drive)) ** 2), n)
    is_causal = (jnp.arange(n) > 0) & (jnp.arange(n) < n // 2)
    sampled = jnp.fft.rfft(jnp.where(is_causal, kernel, 0.0))
    new_response = (slope_x + rate * sampled) / (rate - slope_x * feedback)
    return (new_spectrum, new_response, x), power(x_hat), slope_x


def _change(grid: _Grid, new: Array, old: Array) -> Array:
    norm = lambda a: jnp.sqrt(jnp.sum(grid.weights * jnp.abs(a) ** 2))
    return norm(new - old) / norm(new)


@eqx.filter_jit
def _solve(coupling, phi, key, n_times, n_paths, n_batches, step, damping, rtol, max_steps):
    frequencies, weights = frequency_grid(n_times, step)
    grid = _Grid(n_times, step, frequencies, weights)
    noise = jnp.fft.rfft(jr.normal(key, (n_batches, n_paths, n_times), step.dtype))
    # Every batch has exactly the spectrum Q; this takes most of the scatter out of the averages.
    power = jnp.mean(_size(noise), axis=1, keepdims=True)
    noise = noise * jnp.sqrt(n_times / power)

    guess = single_site(
        jnp.maximum(coupling.gain, _START_GAIN / slope_at_zero(phi, step.dtype)), phi
    )
    lags = step * jnp.minimum(jnp.arange(n_times), n_times - jnp.arange(n_times))
    spectrum = jnp.maximum(step * jnp.fft.rfft(guess.rate_at(lags)).real, 0.0)
    response = guess.mean_slope / (1.0 + 1j * frequencies)
    x = jnp.fft.irfft(guess.gain * jnp.sqrt(spectrum / step) * noise / (1.0 + 1j * frequencies))
    repeated = lambda a: jnp.broadcast_to(a, (n_batches, *a.shape))
    iterates = repeated(jnp.stack([spectrum + 0j, response]))
    memory = jax.vmap(lambda a: empty_memory(a.ravel()))(iterates)

    sweep = jax.vmap(lambda *a: _sweep(coupling, phi, grid, *a), (0, None, 0))
    change = jax.vmap(lambda new, old: _change(grid, new, old))

    def mix(memory, old, new):
        share = weights / jnp.sum(weights * _size(new), axis=-1, keepdims=True)
        mixed, memory = anderson_step(memory, old.ravel(), new.ravel(), share.ravel(), damping)
        return mixed.reshape(old.shape), memory

    def body(carry):
        old, x, memory, _, history, n_steps = carry
        last = jnp.where(n_steps == 0, 1.0, history[jnp.maximum(n_steps - 1, 0)])
        state = (old[:, 0].real, old[:, 1], x)
        (spectrum, response, x), current, slope = sweep(noise, _FOLLOW * last, state)
        new = jnp.stack([spectrum + 0j, response], axis=1)
        residual = jnp.max(change(new[:, 0], old[:, 0]) + change(new[:, 1], old[:, 1]))
        mixed, memory = jax.vmap(mix)(memory, old, new)
        history = history.at[n_steps].set(residual)
        return mixed, x, memory, (current, slope), history, n_steps + 1

    highest_resonance = lambda responses: jnp.max(jax.vmap(coupling.resonance)(responses))
    quiet = quiescent_amplification(coupling, frequencies, nonlinearity=phi)
    is_quiescent = jnp.max(quiet) <= 1.0

    def going(carry):
        *_, history, n_steps = carry
        last = history[jnp.maximum(n_steps - 1, 0)]
        is_open = (n_steps == 0) | (jnp.isfinite(last) & (last > rtol))
        is_open &= (n_steps < _PATIENCE) | (highest_resonance(carry[0][:, 1]) < 1.0)
        return is_open & (n_steps < max_steps) & ~is_quiescent

    extra = (jnp.zeros_like(iterates[:, 0].real), jnp.zeros(n_batches, step.dtype))
    history = jnp.full(max_steps, jnp.nan, step.dtype)
    carry = (iterates, x, memory, extra, history, jnp.zeros((), int))
    carry = jax.lax.while_loop(going, body, carry)
    iterates, _, _, (current, slope), history, n_steps = carry
    blank = lambda a: jnp.where(is_quiescent, jnp.nan, a)
    site = SampledSite(
        lags=step * jnp.arange(n_times // 2 + 1),
        frequencies=frequencies,
        frequency_weights=weights,
        spectra_rate=blank(iterates[:, 0].real),
        spectra_current=blank(current),
        responses=blank(iterates[:, 1]),
        mean_slopes=blank(slope),
        resonance=highest_resonance(iterates[:, 1]),
        is_quiescent=is_quiescent,
    )
    return site, history, n_steps


def sampled_site(
    coupling: AbstractSelfCoupling,
    *,
    key: Key,
    nonlinearity: Nonlinearity = unit_slope_erf,
    window: float = 160.0,
    step: float = 0.2,
    n_paths: int = 256,
    n_batches: int = 8,
    damping: float = 0.75,
    rtol: float = 1e-5,
    max_steps: int = 400,
    throw: bool = True,
) -> Solution:
    r"""Single-site mean field of a network in which a neuron acts back on itself.

    $(1 + d/dt)x = \eta + R * \phi(x)$, $\eta$ Gaussian of spectrum $Q(\omega)$; R and Q are
    functionals of the response $S$ and the spectrum $C_\phi$ of the rate, which are averages over
    paths of x, not Gaussian since R is retarded. Paths on a periodic window with fixed noise are
    iterated with C and S, these by Anderson mixing; $S = \langle\phi\eta^*\rangle/Q$
    (Furutsu-Novikov). The method is spectral in time: the step only has to resolve the rates.

    Symmetry slows the dynamics down. With erf and g = 2 the rates lose nine tenths of their
    variance in 20 time constants at $\rho = 0.2$, 90 at 0.5, 140 at 0.6, 240 at 0.7; choose the
    window accordingly. Finite networks may come to rest there.

    Args:
        coupling: `OverlappingModes` or `PartialSymmetry`.
        key: Key of the noise.
        nonlinearity: Odd elementwise $\phi$ that does not close over traced values.
        window: Period T, in units of the time constant; several tens of correlation times. Look at
            `wrap_around`. For participation ratios see `sample_spectra`.
        step: Time step.
        n_paths: Paths per batch.
        n_batches: Independent solutions, at least 2; their scatter is the error.
        damping: Weight of the residual of C and S in each iteration, in (0, 1].
        rtol: Largest relative change of C and S, in any batch, at which the iteration ends. The
            sampling error is larger.
        max_steps: Iterations before giving up.
        throw: Raise on failure; if `False`, read `solution.result`.

    Returns:
        `Solution`: `value` a `SampledSite`; in `stats` the number of iterations `num_steps` and
        the changes `history`, NaN beyond.

    Raises:
        ValueError: Sizes out of range; a nonlinearity that is not odd.
        RuntimeError: With `throw`, no convergence; more than a tenth of the variance left at half
            the window; or condensation: a mode whose loop gain $D_a\rho_a S$ reaches one leaves
            the theory, its eigenvalue is an outlier. All three have the code `not_converged`.

    Cost: per iteration up to twelve Fourier transforms of all paths; 20 to 60 iterations, 150 at
    $\rho = 0.7$. Memory about 100 bytes per path and time in float64; float32 follows its inputs.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (47-50); Clark, Abbott &
    Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023), around Eq. (18). Batches, causal projection
    and the implicit mean slope derived here.
    """
    check_odd(nonlinearity)
    if not (step > 0 and window >= 32 * step):
        raise ValueError(
            f"`step` must be positive and `window` at least 32 steps, got {step} and {window}."
        )
    if n_batches < 2 or n_paths < 2:
        raise ValueError(
            f"`n_batches` and `n_paths` must be at least 2, got {n_batches} and {n_paths}."
        )
    if not 0 < damping <= 1:
        raise ValueError(f"`damping` must lie in (0, 1], got {damping}.")
    if max_steps < 1:
        raise ValueError(f"`max_steps` must be at least 1, got {max_steps}.")
    n_times = 2 * round(window / (2 * step))
    number = lambda value: jnp.asarray(value, jnp.result_type(float, coupling.gain))
    site, history, n_steps = _solve(
        coupling,
        nonlinearity,
        key,
        n_times,
        n_paths,
        n_batches,
        number(step),
        number(damping),
        number(rtol),
        max_steps,
    )
    last = history[n_steps - 1]
    is_sound = (site.resonance < 1.0) & (site.wrap_around < _LONGEST)
    has_converged = site.is_quiescent | ((last <= rtol) & is_sound)
    result = RESULTS.where(has_converged, RESULTS.successful, RESULTS.not_converged)
    finite = jnp.isfinite(last) | site.is_quiescent
    result = RESULTS.where(finite, result, RESULTS.trajectory_diverged)
    if throw and is_concrete(last) and not bool(has_converged):
        raise RuntimeError(_explain(site, last, n_steps))
    return Solution(site, result, {"num_steps": n_steps, "history": history})


def _explain(site: SampledSite, last: Array, n_steps: Array) -> str:
    if bool(site.resonance >= 1.0):
        return (
            f"A mode has condensed: its loop gain D rho S reached {float(site.resonance):.3g}, and "
            "the theory holds below 1. Lower the overlap of the strongest modes."
        )
    if bool(site.wrap_around >= _LONGEST):
        return (
            f"At half the window the rates keep {float(site.wrap_around):.2g} of their variance. "
            "Raise `window`: symmetry slows them down without bound. With strong overlaps they "
            "freeze when a mode condenses; the largest loop gain D rho S is "
            f"{float(site.resonance):.2g}."
        )
    return (
        f"C and S still changed by {float(last):.2g} after {int(n_steps)} iterations. Raise "
        "`max_steps` or `rtol`, or lower `damping`."
    )


@eqx.filter_jit
def sampled_participation_ratio(coupling: AbstractSelfCoupling, site: SampledSite) -> Estimate:
    r"""Participation ratio of the rates, from a sampled single-site solution.

    $PR = C_\phi(0)^2/\Psi(0,0)$ at the C and S averaged over batches; the error by leaving out one
    batch at a time.

    Args:
        coupling: The coupling of which `site` is the solution.
        site: From `sampled_site`. Its window should be at least $24/\kappa^2$, with $e^{-\kappa
            \tau}$ the tail of $C_\phi$.

    Returns:
        `Estimate` of the intensive ratio; NaN in the quiescent phase.

    Cost: one double sum over frequencies per batch, and one more.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eq. (51); Clark, Abbott &
    Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023), Eq. (18).
    """
    n = site.responses.shape[0]
    weights = site.frequency_weights

    def ratio(shares):
        spectra = (jnp.tensordot(shares, site.responses, 1), shares @ site.spectra_rate)
        pointwise = lambda one, two: coupling.four_point(one[0], two[0], one[1] * two[1])
        value = integrated_four_point(pointwise, spectra, weights)
        return (2.0 * jnp.sum(weights * spectra[1])) ** 2 / value

    all_but_one = (1.0 - jnp.eye(n)) / (n - 1)
    shares = jnp.concatenate([jnp.full((1, n), 1.0 / n), all_but_one])
    whole, *_ = values = jax.lax.map(ratio, shares)
    spread = values[1:] - jnp.mean(values[1:])
    return Estimate(whole, jnp.sqrt((n - 1) / n * jnp.sum(spread**2)))
