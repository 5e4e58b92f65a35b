"""What a sampled single site knows of itself: spectra of every batch, and their scatter."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from rnngeo._types import Scalar


class Estimate(NamedTuple):
    """A sampled number.

    Attributes:
        value: Mean over the batches.
        error: Its standard error.
    """

    value: Array
    error: Array


class SampledSite(eqx.Module):
    r"""Self-consistent statistics of a neuron, once for every batch of paths.

    The batches are solved independently of one another, each to its own self-consistency, so that
    their scatter contains the response of the solution to sampling errors.

    Attributes:
        lags: $\tau \ge 0$ up to half the window, in units of the time constant.
        frequencies: $\omega_k \ge 0$.
        frequency_weights: $w_k$; $\int h\,d\omega/2\pi = 2\sum_k w_k\mathrm{Re}\,h(\omega_k)$.
        spectra_rate: $C_\phi(\omega_k)$ of each batch.
        spectra_current: $C_x(\omega_k)$ of each batch.
        responses: $S_\phi(\omega_k)$ of each batch.
        mean_slopes: $\langle\phi'\rangle$ of each batch.
        resonance: Largest real loop gain of a single mode; it condenses at one.
        is_quiescent: Whether the trivial state is stable; the rest is NaN then.
    """

    lags: Float[Array, " lag"]
    frequencies: Float[Array, " frequency"]
    frequency_weights: Float[Array, " frequency"]
    spectra_rate: Float[Array, "batch frequency"]
    spectra_current: Float[Array, "batch frequency"]
    responses: Complex[Array, "batch frequency"]
    mean_slopes: Float[Array, " batch"]
    resonance: Scalar
    is_quiescent: Bool[Array, ""]

    @property
    def response(self) -> Estimate:
        r"""$S_\phi(\omega_k)$; the error is that of the modulus of the deviation."""
        mean = jnp.mean(self.responses, axis=0)
        n = self.responses.shape[0]
        spread = jnp.sum(jnp.abs(self.responses - mean) ** 2, axis=0)
        return Estimate(mean, jnp.sqrt(spread / (n * (n - 1))))

    @property
    def autocovariance_rate(self) -> Estimate:
        r"""$C_\phi(\tau)$."""
        return _estimate(self._in_time(self.spectra_rate))

    @property
    def autocovariance_current(self) -> Estimate:
        r"""$C_x(\tau)$."""
        return _estimate(self._in_time(self.spectra_current))

    @property
    def variance_rate(self) -> Estimate:
        r"""$C_\phi(0)$."""
        return _estimate(2.0 * self.spectra_rate @ self.frequency_weights)

    @property
    def variance_current(self) -> Estimate:
        r"""$C_x(0)$."""
        return _estimate(2.0 * self.spectra_current @ self.frequency_weights)

    @property
    def wrap_around(self) -> Scalar:
        r"""$C_\phi(T/2)/C_\phi(0)$; if it is not small the window T is too short."""
        course = self.autocovariance_rate.value
        return jnp.abs(course[-1]) / course[0]

    def _in_time(self, spectra: Array) -> Array:
        n_times = 2 * (self.lags.size - 1)
        step = self.lags[1] - self.lags[0]
        return jnp.fft.irfft(spectra, n_times, axis=-1)[:, : self.lags.size] / step


def _estimate(samples: Array) -> Estimate:
    n = samples.shape[0]
    return Estimate(jnp.mean(samples, axis=0), jnp.std(samples, axis=0, ddof=1) / np.sqrt(n))
