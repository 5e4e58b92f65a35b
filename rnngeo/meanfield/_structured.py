"""Four-point functions of structured couplings, frequency pair by frequency pair."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Inexact

from rnngeo._types import ScalarLike
from rnngeo.numerics import is_concrete


class ObservedSpectra(NamedTuple):
    r"""What is observed of every unit at one frequency, if it is not what the unit sends.

    Attributes:
        response: $S^\phi_\theta$, of the observed quantity to an input of the unit.
        spectrum: $C^\phi_\theta$, of the observed quantity.
        cross_spectrum: Of the output and the observed quantity, $\langle\Phi\phi^*\rangle_\theta$.
    """

    response: Inexact[ArrayLike, "unit *b"]
    spectrum: Inexact[ArrayLike, "unit *b"]
    cross_spectrum: Inexact[ArrayLike, "unit *b"]


def _inverse_rank(value: ArrayLike) -> Array:
    value = jnp.asarray(value) * 1.0
    is_inside = value >= -1.0
    if is_concrete(is_inside) and not bool(jnp.all(is_inside)):
        raise ValueError(f"`inverse_effective_rank` must be at least -1, got {value}.")
    return jnp.where(is_inside, value, jnp.nan)


def list_weights(fractions: ArrayLike | None, n_rows: int, of: str) -> Array:
    """Weights of an average over a list; by default all rows count alike."""
    if fractions is None:
        return jnp.full(n_rows, 1.0 / n_rows)
    fractions = jnp.asarray(fractions) * 1.0
    if fractions.shape != (n_rows,):
        raise ValueError(
            f"`fractions` must have shape ({n_rows},), one per entry of {of}, got shape "
            f"{fractions.shape}."
        )
    return fractions / jnp.sum(fractions)


def _size(z: Array) -> Array:
    return z.real**2 + z.imag**2


def _dot(left: Array, right: Array) -> Array:
    # One product of matrices where the two frequencies are mapped over separately.
    return jnp.einsum("a...,a...->...", left, right, precision=jax.lax.Precision.HIGHEST)


def _along(values: ArrayLike, like: Array) -> Array:
    """A list along the leading axis of an array."""
    values = jnp.asarray(values)
    return values.reshape(values.shape + (1,) * (like.ndim - values.ndim))


def _per_unit(name: str, value: ArrayLike, n_units: int) -> Array:
    value = jnp.asarray(value)
    if value.ndim == 0 or value.shape[0] != n_units:
        raise ValueError(
            f"`{name}` must have one row per unit, {n_units} as `responses_1`, got shape "
            f"{value.shape}."
        )
    return value


def random_mode_four_point(
    response_1: Inexact[ArrayLike, "*#b"],
    response_2: Inexact[ArrayLike, "*#b"],
    spectrum_product: Float[ArrayLike, "*#b"],
    gain: ArrayLike,
    inverse_effective_rank: ArrayLike = 0.0,
) -> Float[Array, "*b"]:
    r"""Summed squared covariances of the rates at a pair of frequencies, for random modes.

    $\Psi = \frac{1 + |z|^2/er}{|1 - z|^2} C_1 C_2$ with $z = g^2 S_1 S_2$.

    Args:
        response_1: $S(\omega_1)$, mean response of the rate to an input to the current.
        response_2: $S(\omega_2)$.
        spectrum_product: $C(\omega_1) C(\omega_2)$ of the rates.
        gain: $g$, the effective gain.
        inverse_effective_rank: $1/er \ge -1$; 0 for i.i.d. couplings, -1 for orthogonal ones.

    Returns:
        $\Psi(\omega_1, \omega_2)$, the shapes of all arguments broadcast.

    Raises:
        ValueError: `inverse_effective_rank` below -1.

    Cost: none.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eq. (38); negative $1/er$ derived here.
    """
    z = jnp.asarray(gain) ** 2 * jnp.asarray(response_1) * jnp.asarray(response_2)
    share = 1.0 + _inverse_rank(inverse_effective_rank) * _size(z)
    return share / _size(1.0 - z) * jnp.asarray(spectrum_product)


def hessian_four_point(
    response_1: Inexact[ArrayLike, "*#b"],
    response_2: Inexact[ArrayLike, "*#b"],
    spectrum_product: Float[ArrayLike, "*#b"],
    gain: ArrayLike,
    inverse_effective_rank: ArrayLike = 0.0,
) -> Float[Array, "*b"]:
    r"""The same number from the path integral: fluctuations of order parameters.

    Two order parameters and their conjugates make four fields per frequency pair, with Hessian

    $\begin{pmatrix} 0 & g^2 & 0 & -1 \\ g^2 & -(g^4/er) C_{12} & -1 & 0 \\
    0 & -1 & 0 & S_{12} \\ -1 & 0 & S_{12}^* & -C_{12} \end{pmatrix}$,

    and $\Psi$ is the first entry of its inverse. A witness for `random_mode_four_point`, which is
    the same in closed form.

    Args:
        response_1: $S(\omega_1)$.
        response_2: $S(\omega_2)$.
        spectrum_product: $C_{12} = C(\omega_1) C(\omega_2)$ of the rates.
        gain: $g$.
        inverse_effective_rank: $1/er$.

    Returns:
        $\Psi(\omega_1, \omega_2)$, the shapes of all arguments broadcast.

    Raises:
        ValueError: `inverse_effective_rank` below -1.

    Cost: one 4 x 4 solve per pair.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eq. (I20).
    """
    s, c, strength, rank = jnp.broadcast_arrays(
        jnp.asarray(response_1) * jnp.asarray(response_2),
        jnp.asarray(spectrum_product),
        jnp.asarray(gain) ** 2,
        _inverse_rank(inverse_effective_rank),
    )
    zero, one = jnp.zeros_like(c), jnp.ones_like(c)
    rows = [
        [zero, strength, zero, -one],
        [strength, -(strength**2) * rank * c, -one, zero],
        [zero, -one, zero, s],
        [-one, zero, s.conj(), -c],
    ]
    dtype = jnp.promote_types(s.dtype, jnp.complex64)
    hessian = jnp.stack([jnp.stack([e.astype(dtype) for e in r], -1) for r in rows], -2)
    first = jnp.zeros((*hessian.shape[:-1], 1), dtype).at[..., 0, 0].set(1.0)
    return jnp.linalg.solve(hessian, first)[..., 0, 0].real


def partially_symmetric_four_point(
    response_1: Inexact[ArrayLike, "*#b"],
    response_2: Inexact[ArrayLike, "*#b"],
    spectrum_product: Float[ArrayLike, "*#b"],
    gain: ArrayLike,
    symmetry: ArrayLike,
) -> Float[Array, "*b"]:
    r"""Summed squared covariances for Gaussian couplings with correlated opposite pairs.

    $\Psi = \frac{C_1 C_2}{|1 - g^2 S_1 S_2|^2} \frac{1 - |q|^2}{|1 - q|^2}$ with
    $q = \rho g^2 S_1^* S_2$, where $N\langle J_{ij} J_{ji}\rangle = \rho g^2$.

    Args:
        response_1: $S(\omega_1)$, the full mean response, self-coupling included.
        response_2: $S(\omega_2)$.
        spectrum_product: $C(\omega_1) C(\omega_2)$ of the rates.
        gain: $g$.
        symmetry: $\rho$, between -1 (antisymmetric) and 1 (symmetric).

    Returns:
        $\Psi(\omega_1, \omega_2)$, the shapes of all arguments broadcast.

    Cost: none.

    Reference: Clark, Abbott & Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023), Eq. (18); Clark
    et al., Phys. Rev. X 15, 041019 (2025), Eq. (H19).
    """
    s1, s2, g2 = jnp.asarray(response_1), jnp.asarray(response_2), jnp.asarray(gain) ** 2
    q = jnp.asarray(symmetry) * g2 * s1.conj() * s2
    share = (1.0 - _size(q)) / (_size(1.0 - q) * _size(1.0 - g2 * s1 * s2))
    return share * jnp.asarray(spectrum_product)


def unit_parameter_four_point(
    responses_1: Inexact[ArrayLike, "..."],
    responses_2: Inexact[ArrayLike, "..."],
    spectra_1: Float[ArrayLike, "..."],
    spectra_2: Float[ArrayLike, "..."],
    gain: ArrayLike,
    inverse_effective_rank: ArrayLike = 0.0,
    *,
    fractions: Float[ArrayLike, "..."] | None = None,
    observed_1: ObservedSpectra | None = None,
    observed_2: ObservedSpectra | None = None,
) -> Float[Array, "..."]:
    r"""Summed squared covariances where units differ in nonlinearity, gain or time constant.

    With averages over the kinds $\theta$ of units of products,
    $s = \langle S_\theta(\omega_1) S_\theta(\omega_2)\rangle$ and
    $\langle CC\rangle = \langle C_\theta(\omega_1) C_\theta(\omega_2)\rangle$,

    $\Psi = \frac{\langle CC\rangle + |g^2 s|^2 \langle C(\omega_1)\rangle\langle
    C(\omega_2)\rangle/er}{|1 - g^2 s|^2}$. Where another quantity $\phi$ of the unit is observed,
    $\Psi^\phi = \langle C^\phi C^\phi\rangle + 2\mathrm{Re}(A \langle C^{\Phi\phi}
    C^{\Phi\phi}\rangle) + |A|^2(\langle CC\rangle + \langle C\rangle\langle C\rangle/er)$,
    $A = g^2\langle S^\phi S^\phi\rangle/(1 - g^2 s)$.

    Args:
        responses_1: $S_\theta(\omega_1)$, of the output that the unit sends, kinds first.
        responses_2: $S_\theta(\omega_2)$.
        spectra_1: $C_\theta(\omega_1)$ of that output.
        spectra_2: $C_\theta(\omega_2)$.
        gain: $g = (N \mathrm{Var} J_{ij})^{1/2}$ of the couplings alone; gains of the units are
            part of their outputs.
        inverse_effective_rank: $1/er$ of the couplings alone.
        fractions: Shares of the kinds, shape `(unit,)`; default equal.
        observed_1: Another observed quantity at $\omega_1$; default the output.
        observed_2: The same at $\omega_2$; both or neither.

    Returns:
        $\Psi(\omega_1, \omega_2)$, the trailing shapes broadcast.

    Raises:
        ValueError: Lists of different lengths, one of `observed_1` and `observed_2` alone, or
            `inverse_effective_rank` below -1.

    Cost: four averages over the kinds.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (44-46, J12-J18), where units
    differ in their gains; general units derived here.
    """
    if (observed_1 is None) != (observed_2 is None):
        raise ValueError("`observed_1` and `observed_2` must be given together, got only one.")
    s1 = jnp.asarray(responses_1)
    n_units = s1.shape[0] if s1.ndim else 0
    lists = {"responses_1": s1, "responses_2": responses_2}
    lists |= {"spectra_1": spectra_1, "spectra_2": spectra_2}
    s1, s2, c1, c2 = (_per_unit(name, value, n_units) for name, value in lists.items())
    weights = list_weights(fractions, n_units, "`responses_1`")
    product = lambda left, right: _dot(_along(weights, left) * left, right)
    mean = lambda values: jnp.tensordot(weights, values, 1)

    g2, rank = jnp.asarray(gain) ** 2, _inverse_rank(inverse_effective_rank)
    z = g2 * product(s1, s2)
    local, collective = product(c1, c2), rank * mean(c1) * mean(c2)
    if observed_1 is None or observed_2 is None:
        return (local + _size(z) * collective) / _size(1.0 - z)
    one, two = (
        [_per_unit(f"observed_{k}.{field}", getattr(o, field), n_units) for field in o._fields]
        for k, o in ((1, observed_1), (2, observed_2))
    )
    response, seen, cross = (product(a, b) for a, b in zip(one, two, strict=True))
    a = g2 * response / (1.0 - z)
    return seen.real + 2.0 * (a * cross).real + _size(a) * (local + collective)


def row_column_four_point(
    responses_1: Inexact[ArrayLike, "..."],
    responses_2: Inexact[ArrayLike, "..."],
    spectra_1: Float[ArrayLike, "..."],
    spectra_2: Float[ArrayLike, "..."],
    row_gains: Float[ArrayLike, "..."],
    column_gains: Float[ArrayLike, "..."],
    gain: ArrayLike,
    inverse_effective_rank: ArrayLike = 0.0,
    *,
    observation: Float[ArrayLike, "..."] | None = None,
    fractions: Float[ArrayLike, "..."] | None = None,
) -> Float[Array, "..."]:
    r"""Summed squared covariances for couplings whose rows and columns carry gains.

    $J = \mathrm{diag}(a)\, L D R^\top \mathrm{diag}(b)$. With $u = \langle a^2 b^2 S_1 S_2\rangle$,
    $v = \langle w a^2 S_1 S_2\rangle$ and $T = g^2 v/(1 - g^2 u)$,

    $\Psi_w = \langle w^2 C_1 C_2\rangle + 2\mathrm{Re}[T\langle w b^2 C_1 C_2\rangle]
    + |T|^2(\langle b^4 C_1 C_2\rangle + \langle b^2 C_1\rangle\langle b^2 C_2\rangle/er)$.

    The participation ratio is $\langle w C(0)\rangle^2/\Psi_w(0,0)$. Each unit is driven with the
    covariance $a_i^2 g^2 \langle b^2 C\rangle$, from which its $C_i$ and $S_i$ follow.

    Args:
        responses_1: $S_i(\omega_1)$, of the rate, units first.
        responses_2: $S_i(\omega_2)$.
        spectra_1: $C_i(\omega_1)$ of the rate.
        spectra_2: $C_i(\omega_2)$.
        row_gains: $a$, of the input of each unit.
        column_gains: $b$, of its output.
        gain: $g$, with $g^2 = N^{-1}\sum D^2$, gains of units excluded.
        inverse_effective_rank: $1/er$ of $L D R^\top$.
        observation: $w$, weight of each unit: 1 for rates (default), $1/C_i(0)$ for rates in units
            of their own standard deviation, $b^2$ for outputs.
        fractions: Shares of the rows, shape `(unit,)`; default equal.

    Returns:
        $\Psi_w(\omega_1, \omega_2)$, the trailing shapes broadcast.

    Raises:
        ValueError: Lists of different lengths, or `inverse_effective_rank` below -1.

    Cost: five averages over units.

    Reference: derived here; for equal row gains Clark et al., Phys. Rev. X 15, 041019 (2025),
    Eqs. (44-46).
    """
    s1 = jnp.asarray(responses_1)
    n_units = s1.shape[0] if s1.ndim else 0
    lists = {"responses_1": s1, "responses_2": responses_2}
    lists |= {"spectra_1": spectra_1, "spectra_2": spectra_2}
    s1, s2, c1, c2 = (_per_unit(name, value, n_units) for name, value in lists.items())
    a2 = _per_unit("row_gains", row_gains, n_units) ** 2
    b2 = _per_unit("column_gains", column_gains, n_units) ** 2
    w = jnp.ones(n_units) if observation is None else observation
    w = _per_unit("observation", w, n_units)
    weights = list_weights(fractions, n_units, "`responses_1`")

    def product(factor, left, right):
        return _dot(_along(weights * factor, left) * left, right)

    mean = lambda values: jnp.tensordot(weights * b2, values, 1)
    g2, rank = jnp.asarray(gain) ** 2, _inverse_rank(inverse_effective_rank)
    t = g2 * product(w * a2, s1, s2) / (1.0 - g2 * product(a2 * b2, s1, s2))
    first = 2.0 * t.real * product(w * b2, c1, c2)
    second = product(b2**2, c1, c2) + rank * mean(c1) * mean(c2)
    return product(w**2, c1, c2) + first + _size(t) * second


def overlap_four_point(
    response_1: Inexact[ArrayLike, "*#b"],
    response_2: Inexact[ArrayLike, "*#b"],
    spectrum_product: Float[ArrayLike, "*#b"],
    strengths: Float[ArrayLike, "..."],
    overlaps: Float[ArrayLike, "..."],
    *,
    modes_per_unit: ScalarLike = 1.0,
    fractions: Float[ArrayLike, "..."] | None = None,
) -> Float[Array, "..."]:
    r"""Summed squared covariances for random modes whose left and right vectors overlap.

    With $s_k = S_k/(1 - D\rho S_k)$, $U = \alpha\langle D^2 s_1 s_2\rangle$,
    $V = \alpha\langle D^4|s_1 s_2|^2\rangle$, $W = \alpha\langle D^2\rho^2 s_1^* s_2\rangle$,
    $X_{12} = \alpha\langle D^3\rho s_1|s_2|^2\rangle$ and $X_{21}$ its mirror image,

    $\Psi = \frac{C_1 C_2}{|1 - U|^2}\left[V - 1 + 2\mathrm{Re}\frac{(1 + X_{12})(1 + X_{21}^*)}
    {1 - W^*}\right]$.

    Args:
        response_1: $S(\omega_1)$, the full mean response, self-coupling included.
        response_2: $S(\omega_2)$.
        spectrum_product: $C(\omega_1) C(\omega_2)$ of the rates.
        strengths: $D_a$, one per mode or per kind of mode.
        overlaps: $\rho_a = N \mathrm{Cov}(l_i^a, r_i^a)$, with $\langle D\rho\rangle = 0$.
        modes_per_unit: $\alpha = M/N$.
        fractions: Shares of the modes, shape `(mode,)`; default equal.

    Returns:
        $\Psi(\omega_1, \omega_2)$, the shapes of the first three arguments broadcast.

    Raises:
        ValueError: `strengths`, `overlaps` and `fractions` are not lists of one length.

    Cost: five averages over modes; over all pairs of frequencies five products of matrices.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eq. (51).
    """
    d, rho = jnp.asarray(strengths), jnp.asarray(overlaps)
    if d.ndim != 1 or d.shape != rho.shape:
        raise ValueError(
            f"`strengths` and `overlaps` must be lists of one length, got shapes {d.shape} and "
            f"{rho.shape}."
        )
    weights = modes_per_unit * list_weights(fractions, d.shape[0], "`strengths`")
    bare_1, bare_2 = jnp.asarray(response_1), jnp.asarray(response_2)
    ndim = max(bare_1.ndim, bare_2.ndim)
    dressed = lambda s: (
        (s := s.reshape((1,) * (ndim - s.ndim) + s.shape))
        / (1.0 - (d * rho).reshape((-1,) + (1,) * ndim) * s)
    )
    s1, s2 = dressed(bare_1), dressed(bare_2)

    def average(factor, left, right):
        return _dot(_along(weights * factor, left) * left, right)

    u = average(d**2, s1, s2)
    v = average(d**4, _size(s1), _size(s2))
    w = average(d**2 * rho**2, s1.conj(), s2)
    x12 = average(d**3 * rho, s1, _size(s2))
    x21 = average(d**3 * rho, _size(s1), s2)
    inner = (1.0 + x12) * (1.0 + x21.conj()) / (1.0 - w.conj())
    return (v - 1.0 + 2.0 * inner.real) / _size(1.0 - u) * jnp.asarray(spectrum_product)
