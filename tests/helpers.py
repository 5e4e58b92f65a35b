"""Assertions that know their own precision."""

import jax
import numpy as np


def machine_epsilon() -> float:
    """Rounding unit of the precision this suite runs in."""
    return float(np.finfo(np.float64 if jax.config.jax_enable_x64 else np.float32).eps)


def assert_golden(value, expected, tolerance, name=""):
    """|value - expected| within the tolerance the table itself states."""
    absolute = tolerance.get("abs_by_key", {}).get(name, tolerance["abs"])
    allowed = absolute + tolerance["rel"] * np.abs(np.asarray(expected))
    gap = np.abs(np.asarray(value) - np.asarray(expected))
    assert np.all(gap <= allowed), f"{name}: got {value}, expected {expected}, allowed {allowed}"


def assert_mean_matches(samples, theory, *, n_sigma=4.0, finite_size=0.0, max_error):
    """Theory against simulation; first proves that the test is sharp enough to fail."""
    samples = np.asarray(samples)
    error = samples.std(ddof=1) / np.sqrt(samples.size)
    assert error < max_error, f"too few samples: standard error {error:.1e} > {max_error:.1e}"
    gap = abs(samples.mean() - theory)
    assert gap < n_sigma * error + finite_size, f"{samples.mean()} vs {theory}, s.e. {error:.1e}"


def central_difference(function, x, step=None):
    """Symmetric difference quotient of a scalar function of one number."""
    step = step or machine_epsilon() ** (1 / 3) * max(1.0, abs(float(x)))
    return (function(x + step) - function(x - step)) / (2 * step)
