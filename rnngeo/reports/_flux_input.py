"""The network whose flux is asked for, from files or arrays."""

import enum
import math
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from rnngeo.files import load_connectome, load_vector
from rnngeo.models import BinaryNetwork

_MOST_UNITS = 5000  # the matrix is dense


class Units(enum.StrEnum):
    """The two values of a unit."""

    PLUS_MINUS = "pm1"
    ZERO_ONE = "01"


class GivenNetwork(eqx.Module):
    """Weights, bias and noise as a person wrote them down, and the values their units take.

    Attributes:
        weights: Row = target, shape `(n_units, n_units)`.
        bias: Shape `(n_units,)`, or None for none, with units in {-1, 1}.
        noise_std: Standard deviation of the input noise, or None for none.
        units: What the weights multiply.
    """

    weights: Float[Array, "n_units n_units"]
    bias: Float[Array, " n_units"] | None
    noise_std: Float[Array, ""] | None
    units: Units = eqx.field(static=True)

    @property
    def network(self) -> BinaryNetwork:
        """The same network with units in {-1, 1}."""
        if self.units == Units.ZERO_ONE:
            return BinaryNetwork.from_zero_one(self.weights, self.bias, self.noise_std)
        return BinaryNetwork(weights=self.weights, bias=self.bias, noise_std=self.noise_std)


def _numbers(values, name: str, where: str = "") -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise ValueError(f"`{name}`{where} must hold real numbers, got dtype {values.dtype}.")
    values = values.astype(np.float64)
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise ValueError(
            f"`{name}`{where} must be finite, got {n_bad} NaN, infinite or missing of "
            f"{values.size}."
        )
    return values


def given_network(
    weights: str | Path | ArrayLike | BinaryNetwork,
    bias: str | Path | ArrayLike | None,
    units: Units,
    noise_std: float | int | None,
) -> tuple[GivenNetwork, tuple[str, ...]]:
    """Read and check a network.

    Args:
        weights: A matrix, a file as in `files.load_connectome`, or a network.
        bias: A vector or a file of one.
        units: What the weights multiply.
        noise_std: Standard deviation of the input noise.

    Returns:
        The network and the names of its units.

    Raises:
        ValueError: A bad argument or file; the message names it.
    """
    if isinstance(weights, BinaryNetwork):
        if bias is not None or noise_std is not None or units != Units.PLUS_MINUS:
            raise ValueError(
                "`weights` is a network with units in {-1, 1} and a bias and noise of its own, so "
                f"neither can be given with it, got `units` {units}."
            )
        bias, own_noise = weights.bias, weights.noise_std
        noise_std = None if own_noise is None else float(own_noise)
        weights = np.asarray(weights.weights.as_matrix())
    names: tuple[str, ...] | None = None
    if isinstance(weights, str | Path):
        connectome = load_connectome(weights)
        matrix, names = connectome.weights, connectome.names
    else:
        matrix = _numbers(weights, "weights")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(
            f"`weights` must be square with at least one unit, got shape {matrix.shape}."
        )
    n = len(matrix)
    if n > _MOST_UNITS:
        raise ValueError(f"`weights` must have at most {_MOST_UNITS} units, got {n}.")
    vector = None
    if bias is not None:
        if isinstance(bias, str | Path):
            vector = _numbers(load_vector(bias, name="bias"), "bias", f" in {Path(bias).name}")
        else:
            vector = _numbers(bias, "bias")
        if vector.shape != (n,):
            raise ValueError(
                f"`bias` must have shape ({n},), one number for each row of `weights`, got shape "
                f"{vector.shape}."
            )
    if noise_std is not None and not (math.isfinite(noise_std) and noise_std >= 0):
        raise ValueError(f"`noise_std` must be a finite number >= 0, got {noise_std}.")
    if units == Units.ZERO_ONE and vector is None:
        vector = np.zeros(n)
    elif units == Units.PLUS_MINUS and vector is not None and not vector.any():
        vector = None  # the chain of states is then half as large
    given = GivenNetwork(
        jnp.asarray(matrix, float),
        None if vector is None else jnp.asarray(vector, float),
        jnp.asarray(noise_std, float) if noise_std else None,
        units,
    )
    return given, names if names is not None else tuple(map(str, range(n)))
