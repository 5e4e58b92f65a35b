"""How fast a network forgets its state."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from rnngeo._types import Scalar
from rnngeo.models import BinaryNetwork

from ._chain import StateChain, state_chain
from ._stationary import check_units

_DENSE = 2**9  # states whose matrix is diagonalised
_DIRECTIONS = 40  # of one Arnoldi run
_RUNS = 25


def _arnoldi(chain: StateChain, start: Array) -> tuple[Array, Array]:
    """Orthonormal laws of sum zero, as rows, and the projected chain with its last row below."""
    v = start / jnp.linalg.norm(start)
    basis = jnp.zeros((_DIRECTIONS + 1, v.size), v.dtype).at[0].set(v)
    hessenberg = jnp.zeros((_DIRECTIONS + 1, _DIRECTIONS), v.dtype)

    def extend(j, carry):
        basis, hessenberg = carry
        new = chain.push(basis[j])
        new = new - jnp.mean(new)
        first = basis @ new
        new = new - first @ basis
        second = basis @ new  # once more: rounding
        new = new - second @ basis
        size = jnp.linalg.norm(new)
        basis = basis.at[j + 1].set(new / jnp.where(size > 0, size, 1.0))
        column = (first + second).at[j + 1].set(size)
        return basis, hessenberg.at[:, j].set(column)

    return jax.lax.fori_loop(0, _DIRECTIONS, extend, (basis, hessenberg))


def _slowest(chain: StateChain) -> Array:
    """Largest modulus of an eigenvalue on laws of sum zero; NaN if the runs do not settle."""
    eps = float(jnp.finfo(chain.up.dtype).eps)
    start = jr.normal(jr.key(0), (chain.n_states,), chain.up.dtype)

    def going(carry):
        _, _, left, run = carry
        return (run < _RUNS) & (left > eps**0.75)

    def again(carry):
        start, _, _, run = carry
        basis, hessenberg = _arnoldi(chain, start)
        values, vectors = jnp.linalg.eig(hessenberg[:-1])
        best = jnp.argmax(jnp.abs(values))
        vector = vectors[:, best]
        left = jnp.abs(hessenberg[-1, -1] * vector[-1])
        # Real and imaginary part span both vectors of a pair, so their sum leads to it as well.
        next_start = (vector.real + vector.imag) @ basis[:-1]
        return next_start, jnp.abs(values[best]), left, run + 1

    zero = jnp.zeros((), start.dtype)
    carry = (start - jnp.mean(start), zero, zero + jnp.inf, jnp.zeros((), int))
    _, size, left, _ = jax.lax.while_loop(going, again, carry)
    return jnp.where(left <= eps**0.5, size, jnp.nan)


@eqx.filter_jit
def spectral_gap(network: BinaryNetwork) -> Scalar:
    r"""Distance of the second eigenvalue from the unit circle, $1 - |\lambda_2|$.

    Of the chain of all states, also where the network has no bias: modes that are odd under $x \to
    -x$ count. After about $1/\mathrm{gap}$ steps the state is forgotten, and an approximate law
    with residual $\sum|pT - p|$ is wrong by about the residual over the gap.

    Eigenvalues are found to some rounding errors only: a gap below $10^{-12}$ in float64, as of
    strong weights, cannot be told from zero. `StationaryLaw.error` does not rely on it.

    Args:
        network: The network, N units.

    Returns:
        The gap, in [0, 1]; NaN where restarted Arnoldi steps did not settle.

    Raises:
        ValueError: More than 24 units.

    Cost: eigenvalues of the matrix up to 9 units; beyond, up to 1000 products of $2\cdot 4^N$
    operations, and 41 laws kept.

    Reference: derived here; Arnoldi's method as in Saad, Numerical Methods for Large Eigenvalue
    Problems (2011), section 6.2.
    """
    bias = jnp.zeros(network.n_units) if network.bias is None else network.bias
    unfolded = BinaryNetwork(weights=network.weights, bias=bias, noise_std=network.noise_std)
    check_units(network.n_units)
    chain = state_chain(unfolded)
    if chain.n_states <= _DENSE:
        size = jnp.sort(jnp.abs(jnp.linalg.eigvals(chain.as_matrix())))[-2]
    else:
        size = _slowest(chain)
    return jnp.clip(1.0 - size, 0.0, 1.0)
