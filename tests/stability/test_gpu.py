"""The same answers on an accelerator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import least_squares_network

from rnngeo.stability import WideStarts, loop_fixed_points, sweep_basins


@pytest.mark.gpu
def test_accelerator_and_cpu_agree(key):
    found = {}
    for platform in ("cpu", jax.devices()[0].platform):
        with jax.default_device(jax.devices(platform)[0]):
            network = least_squares_network(key)
            start = WideStarts(network.feedback_weights[:, 0], jnp.asarray([-3.0, 3.0]), key)
            outputs = loop_fixed_points(network).output
            found[platform] = (
                np.asarray(outputs),
                np.asarray(sweep_basins(network, 64, start=start).label),
            )
    (z_cpu, label_cpu), (z_gpu, label_gpu) = found.values()
    assert np.allclose(z_cpu, z_gpu, atol=1e-8)
    assert np.mean(label_cpu != label_gpu) < 0.05  # a start on the boundary may fall either way
