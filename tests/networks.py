"""Small networks that several rooms test on."""

import jax.numpy as jnp
import jax.random as jr

from rnngeo.connectivity import draw_vectors, gaussian_bulk
from rnngeo.models import FeedbackNetwork, RateFlow
from rnngeo.stability import polish, velocity


def drawn_network(key, n_units=60, *, gain=0.5, kind=RateFlow, tau=1.0, readout=(1.0, 1.0, 0.3)):
    """A feedback network with a readout by geometry of scale 1."""
    key_bulk, key_vectors = jr.split(key)
    bulk = gaussian_bulk(n_units, gain, key=key_bulk)
    vectors = draw_vectors(n_units, 1.2, 0.5, 0.5, key=key_vectors, is_exact=True)
    recurrent = kind(bulk, tau=tau)
    return FeedbackNetwork(recurrent, vectors.feedback, vectors.readout(*readout), vectors.input)


def least_squares_network(key, n_units=60, *, target=2.0, gain=0.5, kind=RateFlow):
    """The same with n = A phi_A / |phi_A|^2, written out here so that it borrows nothing."""
    network = drawn_network(key, n_units, gain=gain, kind=kind)
    clamped = RateFlow(
        network.recurrent.weights,
        network.feedback_weights[:, 0] * target + network.input_weights,
    )
    x = jnp.zeros(n_units)
    for _ in range(60):
        x = x + 0.7 * velocity(clamped, x)
    phi = jnp.tanh(polish(clamped, x)[0])
    return network.with_readout(target * phi / (phi @ phi))
