"""Entropies and their derivatives, where probabilities vanish too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnngeo.information import Elimination, Krylov, information_flux
from rnngeo.information._states import binary_entropy, entropy
from rnngeo.models import BinaryNetwork


@pytest.mark.float32
def test_entropies_at_the_ends():
    for p in ([0.5, 0.5, 0.0], [1.0, 0.0, 0.0]):
        value, slope = jax.value_and_grad(entropy)(jnp.array(p))
        assert value == sum(p) - max(p) + 0.5 * (max(p) == 0.5)
        assert jnp.isfinite(slope).all()
    assert binary_entropy(jnp.array(0.0), jnp.array(1.0)) == 0.0
    of_field = lambda u: binary_entropy(jax.nn.sigmoid(u), jax.nn.sigmoid(-u))
    for u in (-1e4, -2.0, 0.0, 3.0, 1e4):  # dh/du = -u sigma(u) sigma(-u)/ln 2
        s = 1 / (1 + np.exp(-np.abs(u)))
        expected = -u * s * (1 - s) / np.log(2)
        np.testing.assert_allclose(jax.grad(of_field)(u), expected, atol=1e-6)


@pytest.mark.float32
@pytest.mark.parametrize("strength", [50.0, 95.0, 800.0, 1e6])
def test_gradient_of_a_unit_that_copies(strength):
    """A flip less likely than the smallest number adds nothing: no slope, and not NaN."""
    flux = lambda w: information_flux(BinaryNetwork(w)).flux
    w = jnp.array([[0.0, strength], [0.3, 1.0]])
    value, slope = jax.value_and_grad(flux)(w)
    weaker, expected = jax.value_and_grad(flux)(w.at[0, 1].set(50.0))
    atol = 50 * float(jnp.finfo(w.dtype).eps)
    np.testing.assert_allclose(value, weaker, atol=atol)
    np.testing.assert_allclose(slope, expected, atol=atol)
    source = jnp.array([[0.0, 0.0], [strength, 0.0]])
    np.testing.assert_allclose(jax.grad(flux)(source), 0.0, atol=atol)


def test_gradient_where_an_iterated_law_has_zeros():
    w, b = jnp.asarray(np.random.default_rng(0).normal(size=(8, 8))), jnp.full(8, 9.0)

    def slopes(method):
        def flux(w):
            found = information_flux(BinaryNetwork(w, b), method=method)
            return found.flux, found.law

        return jax.jit(jax.value_and_grad(flux, has_aux=True))(w)

    (flux, law), slope = slopes(Krylov())
    (expected_flux, _), expected = slopes(Elimination())
    assert jnp.any(law == 0.0)
    np.testing.assert_allclose(flux, expected_flux, atol=1e-12)
    np.testing.assert_allclose(slope, expected, atol=1e-12)
