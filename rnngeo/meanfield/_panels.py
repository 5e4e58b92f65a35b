"""Gauss-Legendre panels: nodes, running integrals, and values between the nodes."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

N_NODES = 20
NODES, WEIGHTS = np.polynomial.legendre.leggauss(N_NODES)

_ORDERS = np.arange(N_NODES)
# Coefficients of the interpolating Legendre series from values at the nodes.
COEFFICIENTS = (
    (_ORDERS + 0.5)[:, None] * WEIGHTS * np.polynomial.legendre.legvander(NODES, N_NODES - 1).T
)
# Integrals of P_k from -1, in terms of P_0, ..., P_n: (P_{k+1} - P_{k-1})/(2k + 1).
_INTEGRATE = (np.eye(N_NODES + 1, N_NODES, -1) - np.eye(N_NODES + 1, N_NODES, 1)) / (
    2.0 * _ORDERS + 1.0
)
_INTEGRATE[0, 0] = 1.0
# Integral from -1 to each node of the function with the given values at the nodes.
CUMULATIVE = np.polynomial.legendre.legvander(NODES, N_NODES) @ _INTEGRATE @ COEFFICIENTS


def legendre_series(x: Array) -> tuple[Array, Array]:
    """P_k(x) and their integrals from -1 to x for k below `N_NODES`, along a new last axis."""
    values = [jnp.ones_like(x), x]
    for k in range(1, N_NODES):
        values.append(((2 * k + 1) * x * values[-1] - k * values[-2]) / (k + 1))
    stacked = jnp.stack(values, axis=-1)
    integrate = jnp.asarray(_INTEGRATE, x.dtype)
    return stacked[..., :-1], jnp.matmul(stacked, integrate, precision=jax.lax.Precision.HIGHEST)
