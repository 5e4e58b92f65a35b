"""Where a result comes from."""

import platform
from importlib.metadata import version

import jax


def provenance(parameters: dict) -> dict:
    """Versions, device and parameters, to be stored with a result.

    Args:
        parameters: What the run was asked.

    Returns:
        A flat dictionary of strings and numbers.
    """
    packages = {
        f"{name}_version": version(name)
        for name in ("rnngeo", "jax", "jaxlib", "equinox", "diffrax", "numpy")
    }
    device = jax.config.jax_default_device or jax.devices()[0]
    return {
        **packages,
        "python_version": platform.python_version(),
        "device": f"{device.platform}:{device.device_kind}",
        "precision": "float64" if jax.config.jax_enable_x64 else "float32",
        **parameters,
    }
