"""Local stability: the Jacobian, its eigenvalues, the bulk and what lies outside it."""

import contextlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from rnngeo._types import Scalar, State
from rnngeo.models import AbstractFlow, AbstractMap, AbstractNetwork, FeedbackNetwork

_DENSE_LIMIT = 2048  # to here all eigenvalues cost less than Arnoldi iterations without a gap


def velocity(network: AbstractNetwork, x: State, u: State | None = None) -> State:
    """What vanishes at a fixed point: F(x) of a flow, F(x) - x of a map.

    Args:
        network: A flow or a map.
        x: State, shape `(n_units,)`.
        u: Constant input, shape `(n_units,)`; default none.

    Returns:
        The residual of the fixed-point equation, shape `(n_units,)`.

    Raises:
        TypeError: The network is neither a flow nor a map.
    """
    u = jnp.zeros_like(x) if u is None else u
    if isinstance(network, AbstractFlow):
        return network.drift(0.0, x, u)
    if isinstance(network, AbstractMap):
        return network.update(0.0, x, u) - x
    raise TypeError(f"`network` must be a flow or a map, got {type(network).__name__}.")


def jacobian(
    network: AbstractNetwork, x: State, u: State | None = None
) -> Float[Array, "n_units n_units"]:
    """Jacobian of the vector field of a flow, or of the update of a map, by autodiff.

    Args:
        network: A flow or a map.
        x: State, shape `(n_units,)`.
        u: Constant input, shape `(n_units,)`; default none.

    Returns:
        dF_i/dx_j, shape `(n_units, n_units)`.

    Cost: N Jacobian-vector products in one batch, O(N^3) for a dense network.
    """
    derivative = jax.jacfwd(lambda y: velocity(network, y, u))(x)
    if isinstance(network, AbstractMap):
        derivative = derivative + jnp.eye(x.size, dtype=x.dtype)
    return derivative


def slopes(network, x: State) -> State:
    """phi'(x), elementwise, by autodiff of the network's nonlinearity."""
    return jax.jvp(network.nonlinearity, (x,), (jnp.ones_like(x),))[1]


def bulk_edge(bulk_radius: Float[Array, ""], n_units: int) -> Float[Array, ""]:
    r"""Largest modulus that the eigenvalues of a random bulk reach at finite N.

    The modulus of the outermost eigenvalue of N x N Gaussian matrices is $R(1 + \sqrt{\gamma/4N} +
    G/\sqrt{4N\gamma})$ with $\gamma = \log N - 2\log\log N - \log 2\pi$ and G a Gumbel variable; we
    take G = 4.6, exceeded once in a hundred networks, and $\gamma \ge 1$.

    Args:
        bulk_radius: R, the edge as N goes to infinity.
        n_units: N.

    Returns:
        The modulus beyond which an eigenvalue is called an outlier.

    Reference: Rider, J. Phys. A 36, 3401 (2003), Theorem 1; Rider & Sinclair, Ann. Appl. Probab.
    24, 1621 (2014) for real matrices.
    """
    log_n = np.log(max(n_units, 3))
    gamma = max(log_n - 2 * np.log(log_n) - np.log(2 * np.pi), 1.0)
    return bulk_radius * (1 + np.sqrt(gamma / (4 * n_units)) + 4.6 / np.sqrt(4 * n_units * gamma))


class Spectrum(eqx.Module):
    r"""Eigenvalues at one state.

    Attributes:
        effective: Eigenvalues of J diag(phi'), shape `(n_units,)`, modulus descending; threshold 1.
        jacobian: Eigenvalues of the Jacobian itself, shape `(n_units,)`, real part descending.
        bulk_radius: R = (sum_ij (B_ij phi'_j)^2 / N)^(1/2) of the bulk B without the loop, which is
            $g\langle\phi'^2\rangle^{1/2}$ for a Gaussian bulk.
        is_outlier: Which entries of `effective` lie beyond `bulk_edge`, shape `(n_units,)`.
        is_map: Whether the network is a map (stable inside the unit circle) or a flow (stable left
            of the imaginary axis).
    """

    effective: Complex[Array, " n_units"]
    jacobian: Complex[Array, " n_units"]
    bulk_radius: Scalar
    is_outlier: Bool[Array, " n_units"]
    is_map: bool = eqx.field(static=True)

    @property
    def abscissa(self) -> Scalar:
        """Largest real part of the Jacobian's spectrum; threshold 0 for a flow."""
        return jnp.max(self.jacobian.real)

    @property
    def spectral_radius(self) -> Scalar:
        """Largest modulus of the Jacobian's spectrum; threshold 1 for a map."""
        return jnp.max(jnp.abs(self.jacobian))

    @property
    def is_stable(self) -> Bool[Array, ""]:
        """Linear stability of the state."""
        return self.spectral_radius < 1 if self.is_map else self.abscissa < 0


@eqx.filter_jit
def spectrum(network: FeedbackNetwork, x: State) -> Spectrum:
    r"""Eigenvalues of a feedback network at the state x, bulk and outliers apart.

    Two matrices belong to a state: $J\,\mathrm{diag}(\phi'(x))$, whose bulk and outliers the mean
    field predicts, and the Jacobian $(-1 + J\,\mathrm{diag}\,\phi')/\tau$ of the flow (or $1 +$
    that of the map), which decides stability. With one time constant they share their
    eigenvectors; otherwise both spectra are computed.

    Args:
        network: The network; a network without loop has zero feedback.
        x: State, shape `(n_units,)`; float64 is advised.

    Returns:
        `Spectrum`.

    Cost: one dense nonsymmetric eigenvalue problem, about 25 N^3 (two if `tau` is a vector).

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), local stability.
    """
    closed, bulk = network.closed_loop, network.recurrent.weights.as_matrix()
    d = slopes(closed, x)
    loop = network.feedback_weights @ network.readout_weights.T
    effective = jnp.linalg.eigvals((bulk + loop) * d)
    effective = effective[jnp.argsort(-jnp.abs(effective))]
    is_map = isinstance(closed, AbstractMap)
    if closed.tau.ndim == 0:
        own = (effective - 1) / closed.tau + is_map
    else:
        own = jnp.linalg.eigvals(jacobian(closed, x))
    bulk_radius = jnp.linalg.norm(bulk * d) / jnp.sqrt(jnp.asarray(x.size, x.dtype))
    return Spectrum(
        effective=effective,
        jacobian=own[jnp.argsort(-own.real)],
        bulk_radius=bulk_radius,
        is_outlier=jnp.abs(effective) > bulk_edge(bulk_radius, x.size),
        is_map=is_map,
    )


@eqx.filter_jit
def _velocity_along(network: AbstractNetwork, x: State, u: State | None, v: State) -> State:
    """Jacobian-vector product of the velocity."""
    return jax.jvp(lambda y: velocity(network, y, u), (x,), (v,))[1]


def leading_eigenvalues(
    network: AbstractNetwork,
    x: State,
    *,
    n_eigenvalues: int = 6,
    u: State | None = None,
    tolerance: float | None = None,
) -> Complex[Array, " n_eigenvalues"]:
    """The eigenvalues of the Jacobian that decide stability, without ever forming it.

    ARPACK (implicitly restarted Arnoldi) on Jacobian-vector products; for a flow those of largest
    real part, for a map those of largest modulus.

    Args:
        network: A flow or a map.
        x: State, shape `(n_units,)`.
        n_eigenvalues: How many; below `n_units - 1`.
        u: Constant input, shape `(n_units,)`.
        tolerance: Relative accuracy; default the rounding unit.

    Returns:
        Eigenvalues, the leading one first.

    Raises:
        ValueError: `n_eigenvalues` out of range.
        scipy.sparse.linalg.ArpackNoConvergence: The iteration stalled.

    Cost: some tens of Jacobian-vector products, O(N^2) each for a dense network, O(N) memory.
    """
    if not 1 <= n_eigenvalues < x.size - 1:
        raise ValueError(
            f"`n_eigenvalues` must lie between 1 and n_units - 2 = {x.size - 2}, "
            f"got {n_eigenvalues}."
        )
    is_map = isinstance(network, AbstractMap)

    def apply(v: np.ndarray) -> np.ndarray:
        moved = _velocity_along(network, x, u, jnp.asarray(v.ravel(), x.dtype))
        return np.asarray(moved) + is_map * v.ravel()

    operator = LinearOperator((x.size, x.size), matvec=apply, dtype=np.dtype(x.dtype))
    values = eigs(
        operator,
        k=n_eigenvalues,
        which="LM" if is_map else "LR",
        v0=np.ones(x.size, x.dtype),
        tol=tolerance or 0,  # pyright: ignore[reportArgumentType]
        return_eigenvectors=False,
    )
    order = np.argsort(-np.abs(values) if is_map else -values.real)
    return jnp.asarray(values[order])


@eqx.filter_jit
def _dense_eigenvalues(network: AbstractNetwork, x: State, u: State | None) -> Array:
    return jnp.linalg.eigvals(jacobian(network, x, u))


def is_stable_state(network: AbstractNetwork, x: State, u: State | None = None) -> bool:
    """Linear stability of a fixed point of a flow or a map, by the cheapest means.

    Args:
        network: A flow or a map.
        x: Fixed point, shape `(n_units,)`.
        u: Constant input.

    Returns:
        Whether every eigenvalue of the Jacobian lies left of the imaginary axis (flow) or inside
        the unit circle (map).

    Cost: matrix-free above 2048 units, where that is faster, unless the iteration stalls; dense
    below.
    """
    top = None
    if x.size > _DENSE_LIMIT:
        with contextlib.suppress(ArpackNoConvergence):
            top = leading_eigenvalues(network, x, n_eigenvalues=2, u=u)
    if top is None:
        top = _dense_eigenvalues(network, x, u)
    if isinstance(network, AbstractMap):
        return bool(jnp.all(jnp.abs(top) < 1))
    return bool(jnp.all(top.real < 0))
