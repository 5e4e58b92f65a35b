"""`steady_state` against a root finder, three adjoints and central differences."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize
from helpers import central_difference, machine_epsilon

from rnngeo._results import RESULTS
from rnngeo.integrate import steady_state
from rnngeo.models import RateFlow, RateMap

N = 12


def weights(key, gain=0.7):
    return gain * jr.normal(key, (N, N)) / N**0.5


@pytest.mark.float32
@pytest.mark.parametrize("kind", [RateFlow, RateMap])
def test_rest_is_the_root_found_by_scipy(key, kind):
    network, u = kind(weights(key)), jnp.linspace(-1, 1, N)
    matrix = np.asarray(network.weights.as_matrix(), float)
    root = scipy.optimize.fsolve(
        lambda x: -x + matrix @ np.tanh(x) + np.asarray(u), np.zeros(N), xtol=1e-13
    )
    solution = steady_state(network, jnp.ones(N), u=u)
    assert bool(solution.is_successful)
    np.testing.assert_allclose(solution.value, root, atol=20 * machine_epsilon() ** 0.5)
    assert float(solution.stats["residual"]) < 4 * machine_epsilon() ** 0.5


@pytest.mark.parametrize("kind", [RateFlow, RateMap])
def test_three_adjoints_and_the_central_difference(key, kind):
    matrix, u = weights(key), jnp.linspace(-1, 1, N)

    def loss(gain, adjoint=None):
        solution = steady_state(
            kind(gain * matrix), jnp.ones(N), u=u, rtol=1e-11, adjoint=adjoint, max_steps=128
        )
        return jnp.sum(jnp.sin(solution.value))

    expected = central_difference(loss, 1.1, 1e-4)
    adjoints = [None, dfx.RecursiveCheckpointAdjoint()]
    if kind is RateFlow:
        adjoints.append(dfx.DirectAdjoint())
    for adjoint in adjoints:
        np.testing.assert_allclose(jax.grad(loss)(1.1, adjoint), expected, rtol=1e-6)
    tangent = jax.jvp(loss, (1.1,), (1.0,))[1]
    np.testing.assert_allclose(tangent, expected, rtol=1e-6)


def test_gradient_in_every_weight_is_the_implicit_formula(key):
    matrix, u, c = weights(key), jnp.linspace(-1, 1, N), jnp.arange(N) / N
    loss = lambda w: c @ steady_state(RateFlow(w), jnp.ones(N), u=u, rtol=1e-12).value
    x = steady_state(RateFlow(matrix), jnp.ones(N), u=u, rtol=1e-12).value
    jacobian = -np.eye(N) + np.asarray(matrix) * (1 - np.tanh(x) ** 2)
    expected = np.outer(-np.linalg.solve(jacobian.T, c), np.tanh(x))
    np.testing.assert_allclose(jax.grad(loss)(matrix), expected, atol=1e-9)


def test_unrest_is_a_code_or_an_error():
    rotation = RateFlow(
        jnp.array([[1.0, -1.0], [1.0, 1.0]]), nonlinearity=lambda x: x
    )  # eigenvalues +-i
    run = lambda **kw: steady_state(rotation, jnp.ones(2), **kw)
    assert run(t1=20.0, throw=False).result == RESULTS.not_settled
    assert run(max_steps=10, throw=False).result == RESULTS.not_settled
    with pytest.raises(RuntimeError, match="come to rest"):
        run(t1=20.0)
    explosive = RateMap(2e3 * jnp.eye(2), nonlinearity=lambda x: x)
    solution = steady_state(explosive, jnp.ones(2), throw=False)
    assert solution.result == RESULTS.trajectory_diverged


def test_vmap_is_the_loop(key):
    network, starts = RateFlow(weights(key, 1.8)), jr.normal(key, (4, N))
    run = lambda x: steady_state(network, x, rtol=1e-9, u=jnp.ones(N), throw=False)
    batch = jax.vmap(run)(starts)
    loop = [run(x) for x in starts]
    np.testing.assert_allclose(batch.value, jnp.stack([s.value for s in loop]), atol=1e-12)
    np.testing.assert_array_equal(
        batch.stats["num_steps"], [int(s.stats["num_steps"]) for s in loop]
    )


def test_an_ordinary_controller_stalls_where_the_settling_one_rests(key):
    """The reason for `SettlingController`: the residual hovers at the path's tolerance."""
    network, u = RateFlow(weights(key, 0.9)), jnp.linspace(-1, 1, N)
    run = lambda c: steady_state(network, jnp.ones(N), u=u, controller=c, t1=300.0, throw=False)
    assert run(dfx.PIDController(rtol=1e-3, atol=1e-6)).result == RESULTS.not_settled
    settled = run(None)
    assert settled.result == RESULTS.successful
    assert float(settled.stats["num_steps"]) < 150


def test_wrong_arguments_are_named(key):
    network = RateFlow(weights(key))
    with pytest.raises(ValueError, match=r"`x0` must have shape \(12,\)"):
        steady_state(network, jnp.ones(3))
    with pytest.raises(ValueError, match="`t1` must be later"):
        steady_state(network, jnp.ones(N), t1=-1.0)
    with pytest.raises(ValueError, match="are for flows"):
        steady_state(RateMap(network.weights), jnp.ones(N), solver=dfx.Tsit5())
