"""The loop seen from outside: its transfer function."""

import jax.numpy as jnp
from jaxtyping import Array, Complex

from rnngeo._types import State
from rnngeo.models import FeedbackNetwork

from ._spectrum import slopes


def transfer_function(
    network: FeedbackNetwork, x: State, s: Complex[Array, ""] | complex | float
) -> Complex[Array, "n_outputs n_outputs"]:
    r"""How an output drives itself around the loop, linearised at the state x.

    $$G(s) = n^\top D\,(s - g\chi D)^{-1} m,\qquad D = \mathrm{diag}\,\phi'(x).$$

    With one output, G(s) = 1 at every eigenvalue s of $J D$ that the loop adds to the bulk, and
    G(1) = F'(z), the slope of the readout curve. With several, `det(1 - G(s)) = 0`.

    Args:
        network: The network.
        x: State, shape `(n_units,)`.
        s: Where to evaluate, in the plane of the eigenvalues of $J D$; not one of the bulk's.

    Returns:
        G(s), shape `(n_outputs, n_outputs)`, complex.

    Cost: one dense complex LU, O(N^3).
    """
    d = slopes(network.recurrent, x)
    bulk = network.recurrent.weights.as_matrix() * d
    resolvent = jnp.asarray(s) * jnp.eye(x.size) - bulk.astype(jnp.result_type(bulk, 1j))
    return (network.readout_weights.T * d) @ jnp.linalg.solve(
        resolvent, network.feedback_weights.astype(resolvent.dtype)
    )
