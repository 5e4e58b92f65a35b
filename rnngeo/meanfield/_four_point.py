"""Covariances between neurons, summed over all pairs: the dimension of collective activity."""

import enum

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from rnngeo._types import Nonlinearity
from rnngeo.numerics import is_concrete

from ._laplace import circle, shifted_transforms, transforms
from ._single_site import SingleSite, single_site
from ._site_averages import unit_slope_erf


class Observable(enum.Enum):
    r"""What is observed of every neuron, where neurons differ in their output gains $G_i$.

    Attributes:
        CURRENT: $x_i$.
        RATE: $\phi(x_i)$, the output divided by its gain.
        OUTPUT: $G_i\phi(x_i)$, what the neuron sends.
        READOUT: $\tilde G_i\phi(x_i)$ with fresh gains of the same law.
    """

    CURRENT = "current"
    RATE = "rate"
    OUTPUT = "output"
    READOUT = "readout"


class FourPoint(eqx.Module):
    r"""The four-point function in three parts, for every effective rank at once.

    With $z = g^2 S_\phi(\omega_1) S_\phi(\omega_2)$ and $A = z/(1-z)$ the rates have the parts
    $C_\phi C_\phi$, $2\,\mathrm{Re}A\,C_\phi C_\phi$ and $|A|^2 C_\phi C_\phi$ in frequency; the
    currents likewise, with $A = g^2 S_x S_x/(1-z)$ and cross spectra. Here they are in time, at
    pairs of lags or at lags zero; the shapes are equal.

    Attributes:
        rate_local: Rates, product of the autocovariances of one neuron.
        rate_cross: Rates, first order in $A$.
        rate_collective: Rates, second order in $A$: the only part that sees the connectivity.
        current_local: Currents, product of the autocovariances of one neuron.
        current_cross: Currents, first order in $A$.
        current_collective: Currents, second order in $A$.
    """

    rate_local: Float[Array, "*b"]
    rate_cross: Float[Array, "*b"]
    rate_collective: Float[Array, "*b"]
    current_local: Float[Array, "*b"]
    current_cross: Float[Array, "*b"]
    current_collective: Float[Array, "*b"]


class FourPointFunction(eqx.Module):
    r"""Summed squared covariances as functions of two lags, $\Psi(\tau_1, \tau_2)$.

    Attributes:
        lags: The lags, shape `(n_lags,)`.
        values: $\Psi(\tau_i, \tau_j)$, shape `(n_lags, n_lags)`.
        zero_lag: $\Psi(\tau_i, 0)$, shape `(n_lags,)`.
        peak: $\Psi(0, 0)$.
    """

    lags: Float[Array, " n_lags"]
    values: Float[Array, "n_lags n_lags"]
    zero_lag: Float[Array, " n_lags"]
    peak: Float[Array, ""]

    @property
    def principal_autocorrelation(self) -> Float[Array, " n_lags"]:
        r"""$\Psi(\tau,0)/\Psi(0,0)$, of principal components weighted by squared eigenvalue."""
        return self.zero_lag / self.peak

    @property
    def pair_autocorrelation(self) -> Float[Array, " n_lags"]:
        r"""$(\Psi(\tau,\tau)/\Psi(0,0))^{1/2}$, decay of a typical lagged covariance."""
        return jnp.sqrt(jnp.diagonal(self.values) / self.peak)


def _checked(name: str, value: ArrayLike, like: Array, lower: float, upper: float) -> Array:
    """The value, refused out of range where it is known, NaN out of range where it is traced."""
    value = jnp.asarray(value, jnp.result_type(like, value))
    is_inside = (value >= lower) & (value <= upper)
    if is_concrete(is_inside) and not bool(jnp.all(is_inside)):
        raise ValueError(f"`{name}` must lie between {lower:g} and {upper:g}, got {value}.")
    return jnp.where(is_inside, value, jnp.nan)


def four_point_value(
    parts: FourPoint,
    inverse_effective_rank: ArrayLike = 0.0,
    *,
    observable: Observable = Observable.RATE,
    gain_ratio: ArrayLike = 1.0,
) -> Float[Array, "..."]:
    r"""Put the three parts together for one connectivity and one observable.

    $\Psi = a\,C C + b\,2\mathrm{Re}A\,C C + (1/PR^G + 1/er)|A|^2 C C$ with $(a, b) = (1, 1)$ for
    currents and rates, $(1/PR^G, 1/PR^G)$ for outputs and $(1/PR^G, 1)$ for a readout; for the
    latter two divided by $\langle G^2\rangle^2$.

    Args:
        parts: From `four_point` or `four_point_at_lags`.
        inverse_effective_rank: $1/er$ with $er = (\sum D^2)^2/(N \sum D^4)$; 0 for i.i.d.
            couplings, -1 for orthogonal ones. Broadcast against the parts.
        observable: What is observed.
        gain_ratio: $PR^G = \langle G^2\rangle^2/\langle G^4\rangle$ of the output gains, 1 if
            equal. The parts belong to the effective coupling $g^2 = \langle G^2\rangle
            \mathrm{Var}(J_{ij}) N$.

    Returns:
        $\Psi$, the sum of squared covariances over all pairs, divided by N.

    Raises:
        ValueError: `inverse_effective_rank` below -1, or `gain_ratio` not in (0, 1]. Traced values
            out of range give NaN.

    Cost: none.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (38), (44-46), (E5, E6, I22);
    negative $1/er$, currents under gains and the split into three parts derived here.
    """
    like = parts.rate_local
    inverse_rank = _checked("inverse_effective_rank", inverse_effective_rank, like, -1.0, jnp.inf)
    tiny = float(jnp.finfo(like.dtype).tiny)
    spread = 1.0 / _checked("gain_ratio", gain_ratio, like, tiny, 1.0)
    if observable is Observable.CURRENT:
        local, cross = parts.current_local, parts.current_cross
        return local + cross + (spread + inverse_rank) * parts.current_collective
    local, cross = parts.rate_local, parts.rate_cross
    collective = (spread + inverse_rank) * parts.rate_collective
    if observable is Observable.RATE:
        return local + cross + collective
    if observable is Observable.OUTPUT:
        return spread * (local + cross) + collective
    return spread * local + cross + collective


def activity_participation_ratio(
    parts: FourPoint,
    inverse_effective_rank: ArrayLike = 0.0,
    *,
    observable: Observable = Observable.RATE,
    gain_ratio: ArrayLike = 1.0,
) -> Float[Array, "..."]:
    r"""Participation ratio of the activity of a large network, divided by its size.

    $PR = C(0)^2/\Psi(0,0)$, between 1/N and 1.

    Args:
        parts: From `four_point`.
        inverse_effective_rank: $1/er \ge -1$; see `four_point_value`.
        observable: What is observed.
        gain_ratio: $PR^G$; see `four_point_value`.

    Returns:
        $PR$; NaN in the quiescent phase.

    Raises:
        ValueError: As `four_point_value`.

    Cost: none.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (20-26, 38, 44-46); Clark, Abbott
    & Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023), Eqs. (3, 4).
    """
    value = four_point_value(
        parts, inverse_effective_rank, observable=observable, gain_ratio=gain_ratio
    )
    is_current = observable is Observable.CURRENT
    return (parts.current_local if is_current else parts.rate_local) / value


@eqx.filter_jit
def four_point(site: SingleSite) -> FourPoint:
    r"""Equal-time parts of the four-point function of currents and rates.

    The double integrals over frequencies reduce to single ones. With $G = (g\langle\phi'\rangle)^2
    = 1 - \kappa^2$, $s = 1 - \sqrt G e^{i\theta}$ and Laplace transforms $L(s) = \int_0^\infty
    e^{-s\tau}C(\tau)d\tau$, residues give

    $\int\int \mathrm{Re}\,\frac{C C}{(1+i\omega_1)(1+i\omega_2) - G} = \oint |L(s)|^2
    \frac{d\theta}{2\pi}$ and
    $\int\int \frac{C C}{|(1+i\omega_1)(1+i\omega_2) - G|^2} = \frac{L(\kappa)^2}{2\kappa} + \oint
    \frac{|L(s)|^2}{2\,\mathrm{Re}\,s}\frac{d\theta}{2\pi}$,

    free of the ridge along $\omega_1 = -\omega_2$ that a double sum has to resolve.

    Args:
        site: Single-site solution at the effective gain.

    Returns:
        `FourPoint` of scalars, good to 1e-6 at $g = 1.005$ and to 1e-11 from 1.02 on; NaN in the
        quiescent phase, and so near to it ($\kappa < 0.0028$) that the quadrature is not good
        to 1e-6.

    Cost: 80 000 complex exponentials, about a millisecond.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (38, E5, E6, I22); reduction
    derived here.
    """
    ring = circle(site)
    rate, current, rate_at_pole = transforms(site, ring)
    size = lambda values: values.real**2 + values.imag**2
    response = ring.radius**2  # (g <phi'>)^2
    pole = rate_at_pole**2 / (2.0 * site.decay_rate)
    kernel = pole + jnp.sum(ring.weights * size(rate) / (2.0 * ring.s.real))
    return FourPoint(
        rate_local=site.variance_rate**2,
        rate_cross=2.0 * response * jnp.sum(ring.weights * size(rate)),
        rate_collective=response**2 * kernel,
        current_local=site.variance_current**2,
        current_cross=2.0 * response * jnp.sum(ring.weights * size(current)),
        current_collective=site.gain**4 * kernel,
    )


@eqx.filter_jit
def _four_point_at_lags(site: SingleSite, lags: Array) -> FourPoint:
    ring = circle(site)
    autocovariances, forward, backward = shifted_transforms(site, lags, ring)

    def ring_sum(kind, weights):
        both = jnp.concatenate([forward[kind][:, :-1], backward[kind][:, :-1]], axis=1)
        weights = jnp.concatenate([weights, weights])
        exact = jax.lax.Precision.HIGHEST
        real = jnp.matmul(both.real * weights, both.real.T, precision=exact)
        return 0.5 * (real + jnp.matmul(both.imag * weights, both.imag.T, precision=exact))

    response = ring.radius**2
    ahead, behind = forward[0][:, -1].real, backward[0][:, -1].real
    pole = ahead[:, None] * behind[None, :]
    pole = (pole + pole.T) / (4.0 * site.decay_rate)
    kernel = pole + ring_sum(0, ring.weights / (2.0 * ring.s.real))
    outer = lambda values: values[:, None] * values[None, :]
    return FourPoint(
        rate_local=outer(autocovariances[0]),
        rate_cross=2.0 * response * ring_sum(0, ring.weights),
        rate_collective=response**2 * kernel,
        current_local=outer(autocovariances[1]),
        current_cross=2.0 * response * ring_sum(1, ring.weights),
        current_collective=site.gain**4 * kernel,
    )


def four_point_at_lags(site: SingleSite, lags: Float[ArrayLike, " n_lags"]) -> FourPoint:
    r"""Parts of the four-point function at all pairs of lags.

    The integrals of `four_point` with $L(s)^2$ replaced by products of the transforms of the two
    sides of the autocovariance around a lag, $L^\pm_\tau(s) = \int_0^\infty e^{-st} C(\tau \pm t)
    dt$.

    Args:
        site: Single-site solution at the effective gain.
        lags: $\tau$, in units of the time constant.

    Returns:
        `FourPoint` of matrices, shape `(n_lags, n_lags)`; NaN where `four_point` is.

    Cost: 170 000 complex exponentials per lag and $800\,n^2$ real products.

    Reference: as `four_point`; derived here.
    """
    return _four_point_at_lags(site, jnp.asarray(lags, site.gain.dtype))


def four_point_function(
    site: SingleSite,
    lags: Float[ArrayLike, " n_lags"],
    inverse_effective_rank: ArrayLike = 0.0,
    *,
    observable: Observable = Observable.RATE,
    gain_ratio: ArrayLike = 1.0,
) -> FourPointFunction:
    r"""Time course of the covariances between neurons.

    $\Psi(\tau_1,\tau_2) = N^{-1}\sum_{ij} C_{ij}(\tau_1) C_{ij}(\tau_2)$, diagonal included.

    Args:
        site: Single-site solution at the effective gain.
        lags: In units of the time constant.
        inverse_effective_rank: $1/er \ge -1$; see `four_point_value`.
        observable: What is observed.
        gain_ratio: $PR^G$; see `four_point_value`.

    Returns:
        `FourPointFunction`, with its normalised sections.

    Raises:
        ValueError: As `four_point_value`.

    Cost: as `four_point_at_lags`.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (20-26, 38).
    """
    lags = jnp.asarray(lags, site.gain.dtype)
    parts = four_point_at_lags(site, jnp.concatenate([jnp.zeros(1, lags.dtype), lags]))
    values = four_point_value(
        parts, inverse_effective_rank, observable=observable, gain_ratio=gain_ratio
    )
    return FourPointFunction(lags, values[1:, 1:], values[1:, 0], values[0, 0])


def participation_ratio_curves(
    gains: Float[ArrayLike, " n_gains"],
    inverse_effective_ranks: Float[ArrayLike, " n_ranks"],
    *,
    nonlinearity: Nonlinearity = unit_slope_erf,
    observable: Observable = Observable.RATE,
    gain_ratio: ArrayLike = 1.0,
) -> Float[Array, "n_gains n_ranks"]:
    r"""Participation ratio over effective gain and effective rank.

    Args:
        gains: Effective gains $g$; NaN rows in the quiescent phase.
        inverse_effective_ranks: $1/er \ge -1$.
        nonlinearity: See `single_site`.
        observable: What is observed.
        gain_ratio: $PR^G$; see `four_point_value`.

    Returns:
        $PR$, shape `(n_gains, n_ranks)`.

    Raises:
        ValueError: As `single_site` and `four_point_value`.

    Cost: one `single_site` and one `four_point` per gain, whatever the number of ranks.

    Reference: as `activity_participation_ratio`.
    """
    parts = eqx.filter_vmap(lambda gain: four_point(single_site(gain, nonlinearity)))(
        jnp.asarray(gains)
    )
    return activity_participation_ratio(
        jax.tree.map(lambda part: part[:, None], parts),
        inverse_effective_ranks,
        observable=observable,
        gain_ratio=gain_ratio,
    )
