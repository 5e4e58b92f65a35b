"""Shape aliases shared by every room."""

from collections.abc import Callable

import jaxtyping
from jaxtyping import Array, Float, Inexact, PRNGKeyArray

Scalar = Float[Array, ""]
ScalarLike = Float[Array, ""] | float | int
Time = Float[Array, ""] | float
State = Float[Array, " n_units"]
Eigenvalues = Inexact[Array, " n_eigenvalues"]
Nonlinearity = Callable[[Array], Array]
Key = PRNGKeyArray
Keys = jaxtyping.Key[Array, " network"]
