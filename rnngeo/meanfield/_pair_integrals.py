"""From spectra on a grid of frequencies to the equal-time four-point function."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Inexact, PyTree

from rnngeo._types import Scalar

from ._single_site import SingleSite

Pointwise = Callable[[PyTree[Array], PyTree[Array]], Array]


class SampledSpectra(eqx.Module):
    r"""Spectra of one neuron on a grid of frequencies.

    Negative frequencies are left out: there every spectrum is its complex conjugate. An integral
    over all frequencies is $\int h\,d\omega/2\pi = 2\sum_k w_k \mathrm{Re}\,h(\omega_k)$.

    Attributes:
        frequencies: $\omega_k \ge 0$, in units of the inverse time constant.
        weights: $w_k$.
        spectrum_rate: $C_\phi(\omega_k)$.
        spectrum_current: $C_x(\omega_k)$.
        response: $S_\phi(\omega_k)$, complex.
    """

    frequencies: Float[Array, " frequency"]
    weights: Float[Array, " frequency"]
    spectrum_rate: Float[Array, " frequency"]
    spectrum_current: Float[Array, " frequency"]
    response: Inexact[Array, " frequency"]


def frequency_grid(n_times: int, step: ArrayLike) -> tuple[Array, Array]:
    """Frequencies of a periodic window and their weights; the two ends count by half."""
    frequencies = 2.0 * jnp.pi * jnp.fft.rfftfreq(n_times) / step
    ends = jnp.ones_like(frequencies).at[0].set(0.5)
    ends = ends.at[-1].set(0.5) if n_times % 2 == 0 else ends
    return frequencies, ends / (n_times * step)


def sample_spectra(site: SingleSite, *, window: float, step: float = 0.1) -> SampledSpectra:
    r"""Spectra of a Gaussian single-site solution on a uniform grid.

    Args:
        site: Single-site solution.
        window: Period T of the lags, from -T/2 to T/2, in units of the time constant. Double
            integrals of four-point functions err by about $e^{-\kappa^2 T}$; take
            $T \ge 24/\kappa^2$.
        step: Lag step; 0.1 serves up to a gain of 20.

    Returns:
        `SampledSpectra`, T/(2 step) + 1 frequencies $2\pi k/T$.

    Raises:
        ValueError: `step` not positive, or `window` below eight steps.

    Cost: one Fourier transform.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eq. (M3) for the response.
    """
    if not (step > 0 and window >= 8 * step):
        raise ValueError(
            f"`step` must be positive and `window` at least eight steps, got {step} and {window}."
        )
    n = 2 * round(window / (2 * step))
    lags = step * jnp.minimum(jnp.arange(n), n - jnp.arange(n))
    transform = lambda values: step * jnp.fft.rfft(values).real
    frequencies, weights = frequency_grid(n, step)
    return SampledSpectra(
        frequencies=frequencies,
        weights=weights,
        spectrum_rate=transform(site.rate_at(lags)),
        spectrum_current=transform(site.current_at(lags)),
        response=site.mean_slope / (1.0 + 1j * frequencies),
    )


@eqx.filter_jit
def integrated_four_point(
    pointwise: Pointwise,
    spectra: PyTree[Array],
    weights: Float[Array, " frequency"],
    *,
    chunk_size: int = 64,
) -> Scalar:
    r"""Equal-time four-point function from a formula for pairs of frequencies.

    $\Psi(0,0) = \int\int \Psi(\omega_1,\omega_2)\,d\omega_1 d\omega_2/(2\pi)^2 = 2\sum_{kl} w_k
    w_l[\Psi(\omega_k,\omega_l) + \Psi(\omega_k,-\omega_l)]$.

    Args:
        pointwise: Function of the spectra at $\omega_1$ and those at $\omega_2$, both without the
            axis of frequencies, to $\Psi$.
        spectra: Arrays or a tree of arrays with the frequencies $\omega_k \ge 0$ on the leading
            axis. At negative frequencies their complex conjugates are used.
        weights: $w_k$, as in `SampledSpectra`.
        chunk_size: Values of $\omega_1$ at once; sets the memory.

    Returns:
        $\Psi(0,0)$. The participation ratio is $C(0)^2/\Psi(0,0)$.

    Raises:
        ValueError: An array of `spectra` with another number of frequencies than `weights`.

    Cost: 2 n^2 evaluations of `pointwise` for n frequencies.

    Reference: derived here from the reality of all functions of time.
    """
    lengths = {a.shape[0] if a.ndim else 0 for a in map(jnp.asarray, jax.tree.leaves(spectra))}
    if lengths != {weights.shape[0]}:
        raise ValueError(
            f"`spectra` must have {weights.shape[0]} frequencies like `weights`, got "
            f"{sorted(lengths)}."
        )
    mirrored = jax.tree.map(jnp.conj, spectra)

    def row(at):
        here, weight = at
        along = lambda others: jax.vmap(lambda there: pointwise(here, there))(others)
        return weight * jnp.sum(weights * (along(spectra) + along(mirrored)).real)

    return 2.0 * jnp.sum(jax.lax.map(row, (spectra, weights), batch_size=chunk_size))
