"""Tolerances by precision, and the score interval against its defining equation."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import machine_epsilon
from scipy import stats

from rnngeo.numerics import tolerances, wilson_interval


@pytest.mark.float32
def test_tolerances_follow_the_precision():
    for dtype in (jnp.float32, jnp.float64, jnp.complex64):
        eps = float(np.finfo(dtype).eps)
        assert tolerances(dtype) == {"rtol": eps**0.5, "atol": eps**0.75}


def test_interval_against_scipy():
    for count, total in ((0, 7), (3, 16), (8, 8), (50, 200)):
        low, high = wilson_interval(count, total, 0.9)
        test = stats.binomtest(count, total).proportion_ci(0.9, method="wilson")
        np.testing.assert_allclose([low, high], [test.low, test.high], rtol=1e-12, atol=1e-15)


@pytest.mark.float32
def test_interval_limits_are_exact_and_batch():
    total = jnp.full(5, 16)
    count = jnp.asarray([0, 1, 8, 15, 16])
    low, high = wilson_interval(count, total)
    assert float(low[0]) == 0.0
    assert float(high[-1]) == 1.0
    assert float(high[0]) > 0.1
    np.testing.assert_allclose(low, 1 - high[::-1], atol=10 * machine_epsilon())
    assert np.all(np.isnan(jnp.stack(wilson_interval(0, 0))))


def test_interval_confidence_is_checked():
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 2, 1.0)
