"""Untrained feedback networks for the tests of training."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from rnngeo.connectivity import draw_vectors, gaussian_bulk
from rnngeo.models import FeedbackNetwork, RateFlow


def _build(
    n_units, gain, *, key, rho=0.5, feedback_std=1.2, input_std=0.5, kind=RateFlow, phi=jnp.tanh
):
    key_bulk, key_vectors = jr.split(key)
    dtype = jnp.float64 if jax.config.jax_enable_x64 else jnp.float32
    rho, gain = jnp.asarray(rho, dtype), jnp.asarray(gain, dtype)
    vectors = draw_vectors(n_units, feedback_std, input_std, rho, key=key_vectors, is_exact=True)
    recurrent = kind(
        gaussian_bulk(n_units, gain, key=key_bulk),
        jnp.zeros((), dtype),
        jnp.ones((), dtype),
        phi,
    )
    return FeedbackNetwork(recurrent, vectors.feedback, jnp.zeros(n_units, dtype), vectors.input)


@pytest.fixture(scope="session")
def build():
    """Builds a network without readout: `build(n_units, gain, key=key, rho=...)`."""
    return _build
