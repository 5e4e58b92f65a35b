"""The linear network with independent noise that shares its covariances with a nonlinear one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Complex, Float, Inexact

from rnngeo.connectivity import as_operator

Weights = lx.AbstractLinearOperator | Float[Array, "post pre"]
PerFrequency = Inexact[Array, "..."]  # one number per frequency, or one per frequency and unit


def _per_site(name: str, value, n_frequencies: int, n_units: int) -> Array:
    """`value` at every frequency and unit."""
    value = jnp.asarray(value)
    if value.shape not in ((n_frequencies,), (n_frequencies, n_units)):
        raise ValueError(
            f"`{name}` must have shape ({n_frequencies},) or ({n_frequencies}, {n_units}), got "
            f"shape {value.shape}."
        )
    value = value[:, None] if value.ndim == 1 else value
    return jnp.broadcast_to(value, (n_frequencies, n_units))


def _matrix(weights: Weights) -> Array:
    matrix = as_operator(weights).as_matrix()
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"`weights` must be square, got shape {matrix.shape}.")
    return matrix


@eqx.filter_jit
def linear_equivalent_covariance(
    weights: Weights,
    response: PerFrequency,
    spectrum: PerFrequency | None = None,
    *,
    noise: PerFrequency | None = None,
) -> Complex[Array, "frequency n_units n_units"]:
    r"""Cross-spectra of a linear network with the given couplings, $C(\omega)$.

    The second-order statistics of a typical random network equal those of a linear one in which
    every unit answers with $S_i$ and has noise of its own, of spectrum $\Xi_i$:
    $C = (1 - SJ)^{-1}\,\Xi\,(1 - SJ)^{-\dagger}$, S and $\Xi$ diagonal. The noise makes up what
    the units need to have the spectrum $C_i$: $\Xi_i = C_i - |S_i|^2 \sum_j J_{ij}^2 C_j$; where S
    and C are the same for all units the sum is averaged over units, $\Xi = C(1 - g^2|S|^2)$.

    Args:
        weights: J, matrix or operator, shape `(n_units, n_units)`; float64 is advised.
        response: S, bare response of a unit, shape `(frequency,)` or `(frequency, n_units)`.
        spectrum: $C_i$, power spectrum of a unit, the same shapes; or `None` with `noise`.
        noise: $\Xi_i$ itself, the same shapes, for ensembles in which it is another function
            (partial symmetry, left-right overlaps).

    Returns:
        Hermitian matrices, shape `(frequency, n_units, n_units)`.

    Raises:
        ValueError: Wrong shapes, or not exactly one of `spectrum` and `noise`.

    Cost: one complex inverse and one product per frequency, one after the other; memory 16 N^2 per
        frequency in float64.

    Reference: derived here; with random couplings it gives Clark et al., Phys. Rev. X 15, 041019
    (2025), Eq. (38).
    """
    if (spectrum is None) == (noise is None):
        raise ValueError("exactly one of `spectrum` and `noise` must be given.")
    j = _matrix(weights)
    n_frequencies, n_units = len(response), j.shape[0]
    s = _per_site("response", response, n_frequencies, n_units)
    if spectrum is None:
        xi = _per_site("noise", noise, n_frequencies, n_units)
    else:
        c = _per_site("spectrum", spectrum, n_frequencies, n_units)
        drive = c @ (j**2).T
        if jnp.ndim(response) == 1 and jnp.ndim(spectrum) == 1:
            drive = jnp.mean(drive, axis=1, keepdims=True)
        xi = c - jnp.abs(s) ** 2 * drive

    def one(at):
        s, xi = at
        inverse = jnp.linalg.inv(jnp.eye(n_units) - s[:, None] * j)
        return (inverse * xi) @ inverse.conj().T

    dtype = jnp.result_type(j, s, xi, jnp.complex64)
    return jax.lax.map(one, (s.astype(dtype), xi.real.astype(dtype)))


@eqx.filter_jit
def linear_equivalent_currents(
    weights: Weights,
    filtering: Inexact[Array, " frequency"],
    covariance: Complex[Array, "frequency n_units n_units"],
) -> Complex[Array, "frequency n_units n_units"]:
    r"""Cross-spectra of the currents, $C^x = |S^x|^2 J C J^\top$.

    Args:
        weights: J, matrix or operator.
        filtering: $S^x(\omega)$, response of the current itself, $1/(1 + i\omega\tau)$, shape
            `(frequency,)`.
        covariance: Cross-spectra of the rates, from `linear_equivalent_covariance`.

    Returns:
        Shape `(frequency, n_units, n_units)`.

    Raises:
        ValueError: `weights` not square.

    Cost: two products of N x N matrices per frequency.

    Reference: derived here.
    """
    j = _matrix(weights)
    return jax.lax.map(lambda at: jnp.abs(at[0]) ** 2 * (j @ at[1] @ j.T), (filtering, covariance))


@eqx.filter_jit
def linear_equivalent_four_point(
    covariance: Complex[Array, "frequency n_units n_units"],
    *,
    observation: Float[Array, "..."] | None = None,
) -> Float[Array, "frequency frequency"]:
    r"""Four-point function of all pairs of frequencies.

    $\Psi(\omega_1,\omega_2) = N^{-1}\,\mathrm{Re}\,\mathrm{tr}[C(\omega_1) C(\omega_2)^\top]$; with
    weights $w$ of the observation, C is replaced by $\sqrt{w_i} C_{ij} \sqrt{w_j}$.

    Args:
        covariance: Cross-spectra, shape `(frequency, n_units, n_units)`.
        observation: w, nonnegative, shape `(n_units,)`: 1 for raw activity, $1/C_i(0)$ (in time)
            for activity in units of its own standard deviation.

    Returns:
        $\Psi$, symmetric, shape `(frequency, frequency)`.

    Raises:
        ValueError: `observation` of another length.

    Cost: one product, frequency^2 x N^2.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (20)-(26); weights derived here.
    """
    n_frequencies, n_units, _ = covariance.shape
    if observation is not None:
        if jnp.shape(observation) != (n_units,):
            raise ValueError(
                f"`observation` must have shape ({n_units},), got shape {jnp.shape(observation)}."
            )
        root = jnp.sqrt(observation)
        covariance = root[:, None] * covariance * root
    flat = covariance.reshape(n_frequencies, -1)
    return (flat @ flat.T).real / n_units
