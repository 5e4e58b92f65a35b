"""Answer constant inputs with constant outputs."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class StationaryAssociation(eqx.Module):
    """Answer the constant input I_k with the constant output A_k, for k = 1..P.

    Attributes:
        inputs: I_k, shape `(n_patterns, n_units)`; one vector is taken as one pattern.
        targets: A_k, shape `(n_patterns,)`.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019): P = 1.
    """

    inputs: Float[Array, "n_patterns n_units"] = eqx.field(
        converter=lambda values: jnp.atleast_2d(jnp.asarray(values))
    )
    targets: Float[Array, " n_patterns"] = eqx.field(
        converter=lambda values: jnp.atleast_1d(jnp.asarray(values))
    )

    def __check_init__(self):
        if self.inputs.ndim != 2 or self.targets.shape != self.inputs.shape[:1]:
            raise ValueError(
                "`inputs` and `targets` must have shapes (n_patterns, n_units) and (n_patterns,), "
                f"got {self.inputs.shape} and {self.targets.shape}."
            )

    @property
    def n_patterns(self) -> int:
        return self.targets.shape[0]
