r"""Random modes, $J = L D R^\top$: a spectrum without any other structure, or with overlaps."""

import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
from jax.typing import ArrayLike

from rnngeo._types import Key
from rnngeo.numerics import is_concrete

from ._concrete import check_list, check_nonnegative, check_units
from ._low_rank import low_rank
from ._operators import as_operator


def random_modes(
    n_units: int,
    strengths: ArrayLike,
    *,
    overlaps: ArrayLike | None = None,
    is_factored: bool | None = None,
    key: Key,
) -> lx.AbstractLinearOperator:
    r"""Draw $J = \sum_a D_a\, l^a r^{a\top}$ with entries of l and r from $N(0, 1/N)$.

    With overlaps, $\mathrm{Cov}(l^a_i, r^b_i) = \delta_{ab}\rho_a/N$. Choose them so that
    $\langle D\rho\rangle = 0$: otherwise every unit has a self-coupling of order one,
    $\langle J_{ii}\rangle = N^{-1}\sum_a D_a\rho_a$.

    Args:
        n_units: Number of units N.
        strengths: $D_a \ge 0$, shape `(n_modes,)`; differentiable.
        overlaps: $\rho_a$ in [-1, 1], shape `(n_modes,)` or one for all; default none.
        is_factored: Keep the thin factors; default when `n_modes` is below `n_units / 2`.
        key: Random key; factored or not, it gives the same matrix.

    Returns:
        The operator. Factored, `.mv` costs 2 N M instead of N^2.

    Raises:
        ValueError: `n_units` below 1, strengths that are not a list of nonnegative numbers, or
            overlaps of another shape or out of range.

    Cost: 2 N M normal deviates, and N^2 M products if not factored.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, Phys. Rev. X 15, 041019 (2025), Eqs.
    (2)-(8), and (47) for overlaps.
    """
    check_units(n_units)
    strengths = jnp.asarray(strengths)
    strengths = strengths.astype(jnp.result_type(float, strengths))
    check_list("strengths", strengths)
    check_nonnegative("strengths", strengths)
    n_modes, dtype = strengths.size, strengths.dtype
    left, right = jr.normal(key, (2, n_units, n_modes), dtype) / jnp.sqrt(
        jnp.asarray(n_units, dtype)
    )
    if overlaps is not None:
        rho = jnp.asarray(overlaps, dtype)
        if rho.shape not in ((), (n_modes,)):
            raise ValueError(f"`overlaps` must have shape () or ({n_modes},), got {rho.shape}.")
        if is_concrete(rho) and not np.all(np.abs(np.asarray(rho)) <= 1):
            raise ValueError(
                f"`overlaps` must lie in [-1, 1], got values from {rho.min():g} to {rho.max():g}."
            )
        right = rho * left + jnp.sqrt((1.0 - rho) * (1.0 + rho)) * right
    if is_factored is None:
        is_factored = 2 * n_modes < n_units
    if is_factored:
        return low_rank(strengths * left, right)
    return lx.MatrixLinearOperator((strengths * left) @ right.T)


def with_gains(
    weights: lx.AbstractLinearOperator | ArrayLike,
    *,
    column_gains: ArrayLike | None = None,
    row_gains: ArrayLike | None = None,
) -> lx.AbstractLinearOperator:
    r"""Gains of single neurons as diagonal factors, $\mathrm{diag}(a)\, J\, \mathrm{diag}(G)$.

    Columns belong to presynaptic neurons: $J\,\mathrm{diag}(G)$ acts on $\phi(x)$ as J acts on the
    output $G_i\phi(x_i)$.

    Args:
        weights: Matrix or operator J, row = postsynaptic.
        column_gains: G, shape `(n_units,)`.
        row_gains: a, shape `(n_units,)`.

    Returns:
        The operator; J is not multiplied out.

    Raises:
        ValueError: Gains of another shape, or not finite.

    Cost: 2 N more per product with a vector.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (44),
    for the columns.
    """
    operator = as_operator(weights)
    sides = (
        ("row_gains", row_gains, operator.out_size()),
        ("column_gains", column_gains, operator.in_size()),
    )
    for name, gains, size in sides:
        if gains is None:
            continue
        if jnp.shape(gains) != (size,):
            raise ValueError(f"`{name}` must have shape ({size},), got {jnp.shape(gains)}.")
        if is_concrete(gains) and not np.isfinite(np.asarray(gains)).all():
            raise ValueError(f"`{name}` must be finite, got {gains}.")
    if column_gains is not None:
        operator = operator @ lx.DiagonalLinearOperator(jnp.asarray(column_gains))
    if row_gains is not None:
        operator = lx.DiagonalLinearOperator(jnp.asarray(row_gains)) @ operator
    return operator
