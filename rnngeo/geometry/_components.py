"""Principal components of activity: directions, time courses, time scales; modes of J."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Complex, Float

from rnngeo.connectivity import as_operator

from ._covariance import Covariances


class PrincipalComponents(eqx.Module):
    """Principal components, variance descending.

    Attributes:
        variance: Eigenvalues of the covariance, shape `(component,)`.
        direction: Unit vectors, shape `(component, n_units)`; signs are arbitrary.
    """

    variance: Float[Array, " component"]
    direction: Float[Array, "component n_units"]

    def time_courses(self, samples: Float[Array, "time n_units"]) -> Float[Array, "time component"]:
        """Activity along every component."""
        return samples @ self.direction.T


def principal_components(
    covariance: Float[Array, "n_units n_units"], n_components: int | None = None
) -> PrincipalComponents:
    """Eigenvectors of a covariance, the largest variance first.

    Args:
        covariance: C, symmetric, shape `(n_units, n_units)`.
        n_components: How many to keep. Default: all.

    Returns:
        `PrincipalComponents`.

    Raises:
        ValueError: `n_components` out of range.

    Cost: one symmetric eigenvalue problem.
    """
    n_units = covariance.shape[-1]
    kept = n_units if n_components is None else n_components
    if not 1 <= kept <= n_units:
        raise ValueError(f"`n_components` must lie between 1 and {n_units}, got {n_components}.")
    variance, vectors = jnp.linalg.eigh(covariance)
    return PrincipalComponents(variance[::-1][:kept], vectors.T[::-1][:kept])


def component_autocovariances(
    covariances: Covariances, components: PrincipalComponents
) -> Float[Array, "component lag"]:
    r"""Autocovariance of every component, $v_m^\top C(\tau) v_m$, from accumulated covariances.

    If the components are those of the same covariances, weighting the normalised time courses by
    the variance $\lambda_m$ gives the trace of $C(\tau)$, weighting by $\lambda_m^2$ gives
    $N\Psi(\tau,0)$.

    Args:
        covariances: Moments at some lags.
        components: Directions.

    Returns:
        Shape `(component, lag)`; the first lag is zero.

    Cost: one product of n_components x N x N per lag.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), principal components in time.
    """
    v = components.direction
    return jax.lax.map(lambda c: jnp.sum((v @ c) * v, axis=1), covariances.total).T


def decay_time(
    lags: Float[Array, " lag"],
    autocovariance: Float[Array, "... lag"],
    level: float = math.exp(-1),
) -> Float[Array, "..."]:
    r"""First lag at which an autocovariance falls to `level` times its value at zero.

    Args:
        lags: Lags, ascending from zero, shape `(lag,)`.
        autocovariance: Values, last axis lag.
        level: Fraction in (0, 1); default 1/e.

    Returns:
        The lag, linear between the measured ones; NaN where it is not reached.

    Raises:
        ValueError: `level` outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1, got {level}.")
    y = autocovariance / autocovariance[..., :1] - level
    is_below = y <= 0
    after = jnp.maximum(jnp.argmax(is_below, axis=-1), 1)
    take = lambda i: jnp.take_along_axis(y, i[..., None], axis=-1)[..., 0]
    high, low = take(after - 1), take(after)
    crossing = lags[after - 1] + (lags[after] - lags[after - 1]) * high / (high - low)
    return jnp.where(jnp.any(is_below, axis=-1), crossing, jnp.nan)


class EigenmodeVariances(eqx.Module):
    """How much activity lies along the eigenmodes of the weights, modulus descending.

    Attributes:
        eigenvalue: Of J, shape `(n_units,)`.
        along: Variance along the unit right eigenvector v, v* C v, shape `(n_units,)`. Right
            eigenvectors are not orthogonal: these do not add up to the trace.
        coefficient: Variance of the coefficient of v in the expansion of the activity, w* C w with
            the left eigenvector w, w* v = 1, shape `(n_units,)`.
    """

    eigenvalue: Complex[Array, " n_units"]
    along: Float[Array, " n_units"]
    coefficient: Float[Array, " n_units"]


@eqx.filter_jit
def eigenmode_variances(
    weights: lx.AbstractLinearOperator | Float[Array, "n_units n_units"],
    covariance: Float[Array, "n_units n_units"],
) -> EigenmodeVariances:
    r"""Variance of activity along the eigenvectors of J.

    With $J = V\Lambda V^{-1}$: $v_k^\dagger C v_k$, and $(V^{-1} C V^{-\dagger})_{kk}$.

    Args:
        weights: J, matrix or operator; float64 is advised.
        covariance: C, symmetric, shape `(n_units, n_units)`.

    Returns:
        `EigenmodeVariances`.

    Cost: one dense nonsymmetric eigenvalue problem with vectors, on the CPU only.

    Reference: derived here.
    """
    matrix = as_operator(weights).as_matrix()
    values, right = jnp.linalg.eig(matrix)
    order = jnp.argsort(-jnp.abs(values))
    values, right = values[order], right[:, order]
    left = jnp.linalg.inv(right)
    c = covariance.astype(values.dtype)
    return EigenmodeVariances(
        eigenvalue=values,
        along=jnp.sum(right.conj() * (c @ right), axis=0).real,
        coefficient=jnp.sum((left @ c) * left.conj(), axis=1).real,
    )
