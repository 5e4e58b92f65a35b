"""One list of checks over every model, and the feedback network's two views."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import machine_epsilon

from rnngeo.models import (
    NONLINEARITIES,
    FeedbackNetwork,
    RateFlow,
    RateMap,
    nonlinearity_by_name,
    nonlinearity_name,
)
from rnngeo.stability import velocity

N = 6


def _feedback(key, kind=RateFlow, n_outputs=1):
    keys = jr.split(key, 4)
    recurrent = kind(0.3 * jr.normal(keys[0], (N, N)), 0.1, jnp.linspace(0.5, 2, N))
    vectors = jr.normal(keys[1], (2, N, n_outputs))
    return FeedbackNetwork(recurrent, vectors[0], vectors[1] / N, jr.normal(keys[2], (N,)))


MODELS = {
    "flow": lambda key: RateFlow(jr.normal(key, (N, N)), 0.2, 1.5),
    "flow, erf": lambda key: RateFlow(jr.normal(key, (N, N)), nonlinearity=NONLINEARITIES["erf"]),
    "map": lambda key: RateMap(jr.normal(key, (N, N)), 0.2, 1.5),
    "closed flow": lambda key: _feedback(key).closed_loop,
    "closed map": lambda key: _feedback(key, RateMap).closed_loop,
    "open flow": lambda key: _feedback(key).open_loop(0.7),
}


@pytest.fixture(params=MODELS, ids=MODELS)
def model(request, key):
    return MODELS[request.param](key)


@pytest.mark.float32
def test_jit_vmap_dtype_and_tree(model, key):
    xs = jr.normal(key, (5, N))
    f = lambda x: velocity(model, x)
    one_by_one = jnp.stack([f(x) for x in xs])
    tolerance = 50 * machine_epsilon()
    assert np.allclose(jax.vmap(f)(xs), one_by_one, atol=tolerance)
    assert np.allclose(eqx.filter_jit(jax.vmap(f))(xs), one_by_one, atol=tolerance)
    assert f(xs[0]).dtype == xs.dtype
    leaves, structure = jax.tree.flatten(model)
    assert np.array_equal(velocity(jax.tree.unflatten(structure, leaves), xs[0]), f(xs[0]))


def test_derivative_is_a_central_difference(model, key):
    x, v = jr.normal(key, (2, N))
    f = lambda s: velocity(model, x + s * v)
    step = machine_epsilon() ** (1 / 3)
    difference = (f(step) - f(-step)) / (2 * step)
    assert np.allclose(jax.jvp(f, (0.0,), (1.0,))[1], difference, atol=1e-8)


@pytest.mark.float32
def test_flow_and_map_are_the_written_equations(key):
    weights, x = jr.normal(key, (N, N)), jr.normal(key, (N,))
    bias, tau, u = np.linspace(0, 1, N), np.linspace(1, 2, N), np.ones(N)
    drive = np.asarray(weights) @ np.tanh(np.asarray(x)) + bias + u
    flow, update = RateFlow(weights, bias, tau), RateMap(weights, bias, tau)
    close = lambda a, b: np.allclose(a, b, atol=50 * machine_epsilon())
    assert close(flow.drift(0.0, x, jnp.asarray(u, x.dtype)), (-x + drive) / tau)
    expected = (1 - 1 / tau) * np.asarray(x) + drive / tau
    assert close(update.update(0.0, x, jnp.asarray(u, x.dtype)), expected)


@pytest.mark.parametrize("n_outputs", [0, 1, 2])
@pytest.mark.parametrize("kind", [RateFlow, RateMap])
def test_closed_loop_is_the_open_loop_at_its_own_output(key, kind, n_outputs):
    network, x = _feedback(key, kind, n_outputs), jr.normal(key, (N,))
    z = network.outputs(x)
    assert z.shape == (n_outputs,)
    assert np.allclose(velocity(network.closed_loop, x), velocity(network.open_loop(z), x))
    matrix = network.recurrent.weights.as_matrix()
    matrix = matrix + network.feedback_weights @ network.readout_weights.T
    assert np.allclose(network.closed_loop.weights.as_matrix(), matrix)


def test_gradients_reach_every_array(key):
    network, x = _feedback(key), jr.normal(key, (N,))
    grads = eqx.filter_grad(lambda n: jnp.sum(velocity(n.closed_loop, x) ** 2))(network)
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(grads))
    assert len(jax.tree.leaves(grads)) == len(jax.tree.leaves(network))


def test_a_new_gain_does_not_recompile(key):
    traces = []

    @eqx.filter_jit
    def run(model, x):
        traces.append(1)
        return velocity(model, x)

    for gain in (0.5, 1.0, 2.0):
        run(RateFlow(gain * jnp.eye(N), gain, gain), jnp.ones(N))
    assert len(traces) == 1


@pytest.mark.parametrize("name", sorted(NONLINEARITIES))
def test_nonlinearity_names_round_trip(name):
    assert nonlinearity_name(nonlinearity_by_name(name)) == name


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: RateFlow(jnp.ones((2, 3))), r"`weights` must be square, got shape \(2, 3\)"),
        (lambda: RateFlow(jnp.eye(2), jnp.ones(3)), r"`bias` must be a number or have shape \(2,"),
        (lambda: RateMap(jnp.eye(2), 0.0, jnp.ones(3)), r"`tau` must be .* got shape \(3,\)"),
        (lambda: FeedbackNetwork(RateFlow(jnp.eye(2)), jnp.ones(3), jnp.ones(2), jnp.ones(2)),
         r"`feedback_weights` must have shape \(2,\)"),
        (lambda: FeedbackNetwork(RateFlow(jnp.eye(2)), jnp.ones(2), jnp.ones((2, 2)), jnp.ones(2)),
         "`readout_weights` must have shape"),
        (lambda: FeedbackNetwork(RateFlow(jnp.eye(2)), jnp.ones(2), jnp.ones(2), jnp.ones(3)),
         r"`input_weights` must have shape \(2,\), got \(3,\)"),
        (lambda: nonlinearity_by_name("cosine"), "must be one of erf, .* got 'cosine'"),
        (lambda: nonlinearity_name(jnp.sin), "to be named, got"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
