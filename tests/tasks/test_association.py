"""Shapes of an association."""

import jax.numpy as jnp
import pytest

from rnngeo.tasks import StationaryAssociation


def test_one_pattern_and_several():
    one = StationaryAssociation(jnp.ones(5), 2.0)
    assert (one.inputs.shape, one.targets.shape, one.n_patterns) == ((1, 5), (1,), 1)
    several = StationaryAssociation(jnp.ones((3, 5)), jnp.arange(3.0))
    assert (several.inputs.shape, several.n_patterns) == ((3, 5), 3)


def test_mismatch_is_named():
    with pytest.raises(ValueError, match=r"`inputs` and `targets`.*\(3, 5\) and \(2,\)"):
        StationaryAssociation(jnp.ones((3, 5)), jnp.ones(2))
