"""Couplings through which a neuron acts back on itself: overlapping modes, partial symmetry."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Inexact

from rnngeo._types import Nonlinearity, Scalar, ScalarLike
from rnngeo.numerics import bracketed_root, is_concrete

from ._site_averages import slope_at_zero
from ._structured import list_weights, overlap_four_point, partially_symmetric_four_point

SHARPNESS = 16.0
_BALANCED = 1e-6  # of <|D rho|>, what <D rho> may be

Response = Inexact[Array, " frequency"]


class AbstractSelfCoupling(eqx.Module):
    r"""How the recurrent input of a neuron depends on its own mean response and spectrum.

    $(1 + d/dt)x = \eta + R * \phi(x)$ with $\eta$ Gaussian of spectrum $Q$.

    Attributes:
        gain: Effective gain $g = (N \mathrm{Var} J_{ij})^{1/2}$.
    """

    gain: eqx.AbstractVar[Scalar]

    @abc.abstractmethod
    def feedback(self, response: Response) -> Response:
        r"""$R(\omega)$, through which the rate of a neuron returns to it."""

    @abc.abstractmethod
    def amplification(self, response: Response) -> Float[Array, " frequency"]:
        r"""$Q(\omega)/C_\phi(\omega)$."""

    @abc.abstractmethod
    def resonance(self, response: Response) -> Scalar:
        """Largest real loop gain of one mode; the theory needs it below one."""

    @abc.abstractmethod
    def four_point(self, response_1: Array, response_2: Array, spectrum_product: Array) -> Array:
        """Summed squared covariances of the rates at a pair of frequencies."""


class OverlappingModes(AbstractSelfCoupling):
    r"""Random modes $J = L D R^\top$ with $N\mathrm{Cov}(l_i^a, r_i^a) = \rho_a$.

    Attributes:
        strengths: $D_a$, one per mode or per kind of mode.
        overlaps: $\rho_a$, between -1 and 1, with $\langle D\rho\rangle = 0$.
        modes_per_unit: $\alpha = M/N$.
        fractions: Shares of the modes; default equal.

    Raises:
        ValueError: Lists of different lengths, an overlap beyond one, or a mean of $D\rho$ that
            is not zero: it would be a self-coupling of order one.
    """

    strengths: Float[Array, "..."] = eqx.field(converter=jnp.asarray)
    overlaps: Float[Array, "..."] = eqx.field(converter=jnp.asarray)
    modes_per_unit: Scalar = eqx.field(converter=jnp.asarray, default=1.0)
    fractions: Float[Array, "..."] | None = eqx.field(
        converter=lambda shares: None if shares is None else jnp.asarray(shares), default=None
    )

    def __check_init__(self):
        d, rho = self.strengths, self.overlaps
        if d.ndim != 1 or d.shape != rho.shape:
            raise ValueError(
                "`strengths` and `overlaps` must be lists of one length, got shapes "
                f"{d.shape} and {rho.shape}."
            )
        weights = self._weights
        if not is_concrete(d, rho, weights):
            return
        if not bool(jnp.all(jnp.abs(rho) <= 1.0)):
            raise ValueError(
                f"`overlaps` must lie between -1 and 1, got up to {float(jnp.abs(rho).max()):g}."
            )
        mean, size = jnp.sum(weights * d * rho), jnp.sum(weights * jnp.abs(d * rho))
        if not bool(jnp.abs(mean) <= max(_BALANCED, 64 * jnp.finfo(mean.dtype).eps) * size):
            raise ValueError(
                "`overlaps` must have <D rho> = 0 with `strengths`, for else every unit has a "
                f"self-coupling of order one; got <D rho> = {float(mean):.4g} with <|D rho|> = "
                f"{float(size):.4g}. Shift the overlaps, or set the diagonal of J to zero mean."
            )

    @property
    def _weights(self) -> Array:
        shares = list_weights(self.fractions, self.strengths.shape[0], "`strengths`")
        return self.modes_per_unit * shares

    @property
    def gain(self) -> Scalar:
        return jnp.sqrt(jnp.sum(self._weights * self.strengths**2))

    def _dressed(self, response: Response) -> Inexact[Array, "frequency mode"]:
        return response[:, None] / (1.0 - self.strengths * self.overlaps * response[:, None])

    def feedback(self, response: Response) -> Response:
        # alpha <D rho/(1 - D rho S)> without its first term, which vanishes.
        squares = self._weights * (self.strengths * self.overlaps) ** 2
        return jnp.sum(squares * self._dressed(response), axis=-1)

    def amplification(self, response: Response) -> Float[Array, " frequency"]:
        loop = 1.0 - self.strengths * self.overlaps * response[:, None]
        squares = self._weights * self.strengths**2
        return jnp.sum(squares / (loop.real**2 + loop.imag**2), axis=-1)

    def resonance(self, response: Response) -> Scalar:
        return jnp.max((self.strengths * self.overlaps * response[:, None]).real)

    def four_point(self, response_1: Array, response_2: Array, spectrum_product: Array) -> Array:
        return overlap_four_point(
            response_1,
            response_2,
            spectrum_product,
            self.strengths,
            self.overlaps,
            modes_per_unit=self.modes_per_unit,
            fractions=self.fractions,
        )


class PartialSymmetry(AbstractSelfCoupling):
    r"""Gaussian couplings with $N\langle J_{ij}^2\rangle = g^2$, $N\langle J_{ij}J_{ji}\rangle =
    \rho g^2$.

    Attributes:
        gain: $g$.
        symmetry: $\rho$, between -1 and 1.

    Raises:
        ValueError: `symmetry` beyond one.
    """

    gain: Scalar = eqx.field(converter=jnp.asarray)
    symmetry: Scalar = eqx.field(converter=jnp.asarray, default=0.0)

    def __check_init__(self):
        rho = self.symmetry
        if is_concrete(rho) and not bool(jnp.abs(rho) <= 1.0):
            raise ValueError(f"`symmetry` must lie between -1 and 1, got {rho}.")

    def feedback(self, response: Response) -> Response:
        return self.symmetry * self.gain**2 * response

    def amplification(self, response: Response) -> Float[Array, " frequency"]:
        return jnp.broadcast_to(self.gain**2, response.shape)

    def resonance(self, response: Response) -> Scalar:
        return jnp.zeros_like(response.real[0])  # no single mode that could condense

    def four_point(self, response_1: Array, response_2: Array, spectrum_product: Array) -> Array:
        return partially_symmetric_four_point(
            response_1, response_2, spectrum_product, self.gain, self.symmetry
        )


def overlap_profile(
    strengths: Float[ArrayLike, "..."], amplitude: ScalarLike
) -> Float[Array, " mode"]:
    r"""Overlaps of one sign on the strong modes and of the other on the weak ones.

    $\rho_a = \gamma\left(1 - \frac{2}{1 + e^{-16(a/M - u)}}\right)$ with u such that $\sum_a D_a
    \rho_a = 0$: about $\gamma$ on the first modes and $-\gamma$ on the last.

    Args:
        strengths: $D_a \ge 0$, descending, as from `connectivity.exponential_strengths`.
        amplitude: $\gamma$, between -1 and 1.

    Returns:
        $\rho_a$, shape `(mode,)`.

    Raises:
        ValueError: `strengths` is not a list of two modes or more, or an amplitude beyond one.

    Cost: one scalar root over sums of M terms.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eq. (K35), there with M = N.
    """
    d = jnp.asarray(strengths) * 1.0
    if d.ndim != 1 or d.size < 2:
        raise ValueError(f"`strengths` must list at least two modes, got shape {d.shape}.")
    gamma = jnp.asarray(amplitude, d.dtype)
    if is_concrete(gamma) and not bool(jnp.abs(gamma) <= 1.0):
        raise ValueError(f"`amplitude` must lie between -1 and 1, got {amplitude}.")
    place = jnp.arange(1, d.size + 1, dtype=d.dtype) / d.size
    shape = lambda u: jnp.tanh(0.5 * SHARPNESS * (u - place))
    zero = jnp.zeros((), d.dtype)
    return gamma * shape(bracketed_root(lambda u: jnp.sum(d * shape(u)), zero, zero + 1.0))


@eqx.filter_jit
def _quiescent_amplification(coupling, nonlinearity: Nonlinearity, frequencies: Array) -> Array:
    slope = slope_at_zero(nonlinearity, frequencies.dtype)
    rate = 1.0 + 1j * frequencies

    def body(state):
        s, _, step = state
        new = 0.5 * (s + slope / (rate - slope * coupling.feedback(s)))
        return new, jnp.max(jnp.abs(new - s) / jnp.abs(s)), step + 1

    eps = float(jnp.finfo(frequencies.dtype).eps)
    going = lambda state: (state[1] > 8 * eps) & (state[2] < 4000)
    start = (slope / rate, jnp.asarray(1.0, frequencies.dtype), jnp.zeros((), int))
    s, change, _ = jax.lax.while_loop(going, body, start)
    value = coupling.amplification(s) * (s.real**2 + s.imag**2)
    is_physical = (change < 1e4 * eps) & (coupling.resonance(s) < 1.0)
    return jnp.where(is_physical, value, jnp.inf)


def quiescent_amplification(
    coupling: AbstractSelfCoupling,
    frequencies: Float[ArrayLike, " frequency"],
    *,
    nonlinearity: Nonlinearity,
) -> Float[Array, " frequency"]:
    r"""Gain of fluctuations around the quiescent state; it is stable while all are below one.

    $\frac{Q}{C_\phi}|S|^2 = \alpha\left\langle\frac{D^2|S|^2}{|1 - D\rho S|^2}\right\rangle$ with
    $S = \phi'(0)/(1 + i\omega - \phi'(0) R)$, R its own functional of S.

    Args:
        coupling: `OverlappingModes` or `PartialSymmetry`.
        frequencies: $\omega$, in units of the inverse time constant.
        nonlinearity: Odd $\phi$, of which the slope at zero counts.

    Returns:
        The amplification; infinite where S has no stable solution, beyond the transition.

    Cost: tens of sums over modes; thousands at the transition.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (47-51) and Appendix K.
    """
    return _quiescent_amplification(coupling, nonlinearity, jnp.asarray(frequencies) * 1.0)
