"""Tolerances that follow the precision."""

import jax.numpy as jnp


def tolerances(dtype) -> dict[str, float]:
    r"""Solver tolerances that both float32 and float64 can reach.

    Relative $\epsilon^{1/2}$ and absolute $\epsilon^{3/4}$, with $\epsilon$ the rounding unit.

    Args:
        dtype: A real or complex floating type, or anything NumPy reads as one.

    Returns:
        Dictionary with `rtol` and `atol`, ready to be unpacked into a solver.

    Cost: none.
    """
    eps = float(jnp.finfo(dtype).eps)
    return {"rtol": eps**0.5, "atol": eps**0.75}
