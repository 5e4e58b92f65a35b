"""Draw a feedback network and train it."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from rnngeo._results import RESULTS
from rnngeo._types import Key, Scalar
from rnngeo.connectivity import FeedbackVectors, draw_vectors, gaussian_bulk
from rnngeo.files import StoredNetwork
from rnngeo.integrate import steady_state
from rnngeo.models import FeedbackNetwork, RateFlow
from rnngeo.tasks import StationaryAssociation
from rnngeo.train import (
    fit_gradient_closed_loop,
    fit_gradient_open_loop,
    fit_least_squares,
    fit_recursive_least_squares,
)

from ._parameters import StabilityParameters, TrainingMethod
from ._theory import feedback_theory


@eqx.filter_jit
def _draw(
    n_units: int, gain: Scalar, feedback_std: Scalar, input_std: Scalar, rho: Scalar, key: Key
) -> tuple[FeedbackNetwork, FeedbackVectors, Key]:
    """A network without readout, the vectors behind it, and a key for its training."""
    key_bulk, key_vectors, key_training = jr.split(key, 3)
    bulk = gaussian_bulk(n_units, gain, key=key_bulk)
    vectors = draw_vectors(
        n_units, feedback_std, input_std, rho, key=key_vectors, is_exact=n_units >= 3
    )
    silent = jnp.zeros_like(vectors.feedback)
    network = FeedbackNetwork(RateFlow(bulk), vectors.feedback, silent, vectors.input)
    return network, vectors, key_training


def build_network(parameters: StabilityParameters, *, key: Key) -> tuple[StoredNetwork, str]:
    """One network as the parameters ask: drawn, then trained or given a readout by geometry.

    The three directions behind m and I are orthogonal with norm sqrt(N) (from N = 3 on), which
    removes the trivial part of the finite-size spread.

    Args:
        parameters: What to build.
        key: Random key of this network.

    Returns:
        The network with its target, and why training did not end as asked (empty if it did).

    Raises:
        ValueError: No calibrated readout exists (A = -r), or no readout at all.

    Cost: one N x N draw and the training.
    """
    names = ("gain", "feedback_std", "input_std", "shared_weight", "target")
    *statistics, target = (jnp.asarray(getattr(parameters, name), float) for name in names)
    network, vectors, key_training = _draw(parameters.n_units, *statistics, key)
    if parameters.training == TrainingMethod.GEOMETRY:
        assert parameters.readout is not None  # checked by the parameters
        theory = feedback_theory(
            gain=parameters.gain,
            feedback_std=parameters.feedback_std,
            input_std=parameters.input_std,
            shared_weight=parameters.shared_weight,
            target=parameters.target,
            readout=parameters.readout,
            precision=str(target.dtype),
        )
        network = network.with_readout(vectors.readout(*parameters.readout, theory.scale))
        if parameters.is_calibrated:
            x = steady_state(network.open_loop(target), vectors.input).value
            network = network.with_readout(
                network.readout_weights * (target / network.outputs(x)[0])
            )
        return StoredNetwork(network, target[None]), ""
    task = StationaryAssociation(vectors.input, target)
    match parameters.training:
        case TrainingMethod.LEAST_SQUARES:
            trained = fit_least_squares(network, task)
        case TrainingMethod.RECURSIVE:
            trained = fit_recursive_least_squares(network, task, key=key_training)
        case TrainingMethod.GRADIENT_OPEN:
            trained = fit_gradient_open_loop(network, task)
        case TrainingMethod.GRADIENT_CLOSED:
            trained = fit_gradient_closed_loop(network, task)
    if not np.isfinite(np.asarray(trained.network.readout_weights)).all():
        raise ValueError(
            f"no readout exists: expected rates that can add up to `target` = {parameters.target}, "
            f"got rates that vanish (`feedback_std` {parameters.feedback_std}, `input_std` "
            f"{parameters.input_std}) or do not stay finite."
        )
    complaint = "" if bool(trained.is_successful) else str(RESULTS[trained.result])
    return StoredNetwork(trained.network, target[None]), complaint
