"""What the singular values of a matrix say: its gain, its effective rank, its edges."""

import jax.numpy as jnp
import lineax as lx
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from rnngeo._types import Scalar, ScalarLike
from rnngeo.numerics import is_concrete

from ._concrete import check_list, check_nonnegative, check_units
from ._operators import as_operator


def _floating(values: ArrayLike) -> Array:
    values = jnp.asarray(values)
    return values.astype(jnp.result_type(float, values))


def participation_ratio(values: ArrayLike) -> Scalar:
    r"""How evenly a list is spread, $(\sum_i v_i)^2 / (n \sum_i v_i^2)$.

    Intensive: 1 if all values are equal, 1/n if a single one is not zero.

    Args:
        values: Nonnegative numbers, shape `(n,)`.

    Returns:
        The ratio, between 1/n and 1; differentiable.

    Raises:
        ValueError: Not a list, or a value is negative or not finite, or all are zero.
    """
    values = _floating(values)
    check_list("values", values)
    check_nonnegative("values", values)
    values = values / jnp.max(values)  # the squares neither overflow nor vanish
    return jnp.sum(values) ** 2 / (values.size * jnp.sum(values**2))


def strength_participation_ratio(strengths: ArrayLike) -> Scalar:
    r"""Participation ratio of the modes, $PR^D = \langle D^2\rangle^2 / \langle D^4\rangle$.

    The same formula for the gains of single neurons is $PR^G$.

    Args:
        strengths: $D_a \ge 0$, shape `(n_modes,)`.

    Returns:
        $PR^D$, between 1/M and 1.

    Raises:
        ValueError: Not a list, or a strength is negative or not finite, or all are zero.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (11).
    """
    strengths = _floating(strengths)
    check_list("strengths", strengths)
    check_nonnegative("strengths", strengths)
    return participation_ratio((strengths / jnp.max(strengths)) ** 2)


def effective_rank(strengths: ArrayLike, n_units: int) -> Scalar:
    r"""Effective rank of a random-mode matrix, $(\sum_a D_a^2)^2 / (N \sum_a D_a^4)$.

    It is $\alpha\, PR^D$ with $\alpha = M/N$, may exceed 1, and is infinite for independent
    couplings.

    Args:
        strengths: $D_a \ge 0$, shape `(n_modes,)`.
        n_units: Number of units N.

    Returns:
        The effective rank as a fraction of N.

    Raises:
        ValueError: `n_units` below 1, or the strengths as in `strength_participation_ratio`.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (12).
    """
    check_units(n_units)
    strengths = _floating(strengths)
    return strength_participation_ratio(strengths) * (strengths.size / n_units)


def _power_sums(weights: lx.AbstractLinearOperator | ArrayLike, n_units: int | None):
    """Sums of the 2nd and 4th powers of the singular values, each by its largest scale, and N."""
    left = getattr(weights, "operator1", None)
    right = getattr(weights, "operator2", None)
    if isinstance(left, lx.MatrixLinearOperator) and isinstance(right, lx.MatrixLinearOperator):
        a, b = left.as_matrix(), right.as_matrix()
        gram = (a.T @ a) @ (b @ b.T)
        return jnp.trace(gram), jnp.sum(gram * gram.T), a.shape[0]
    if isinstance(weights, lx.AbstractLinearOperator) or jnp.ndim(weights) != 1:
        matrix = _floating(as_operator(weights).as_matrix())
        if matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"`weights` must be square, got shape {matrix.shape}.")
        gram = matrix @ matrix.T
        return jnp.trace(gram), jnp.sum(gram**2), matrix.shape[0]
    values = _floating(weights)
    check_list("weights", values)
    check_nonnegative("weights", values)
    n_units = values.size if n_units is None else n_units
    if n_units < values.size:
        raise ValueError(f"`n_units` must be at least {values.size}, got {n_units}.")
    return jnp.sum(values**2), jnp.sum(values**4), n_units


def effective_gain(
    weights: lx.AbstractLinearOperator | ArrayLike, *, n_units: int | None = None
) -> Scalar:
    r"""Coupling strength of a matrix, $g_{eff}^2 = N^{-1}\sum_{ij} J_{ij}^2 = N^{-1}\sum_k s_k^2$.

    Args:
        weights: Matrix or operator, or a list of its singular values.
        n_units: N, if `weights` is a list that leaves out zeros; default the length of the list.

    Returns:
        The effective gain; differentiable.

    Raises:
        ValueError: Not a square matrix, or a list that cannot be singular values.

    Cost: as `singular_value_ratio`.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (37).
    """
    second, _, n = _power_sums(weights, n_units)
    return jnp.sqrt(second / n)


def singular_value_ratio(
    weights: lx.AbstractLinearOperator | ArrayLike, *, n_units: int | None = None
) -> Scalar:
    r"""Participation ratio of squared singular values, $PR^S = (\sum s^2)^2 / (N \sum s^4)$.

    From $\mathrm{tr}\,JJ^\top$ and $\mathrm{tr}\,(JJ^\top)^2$, without a decomposition.

    Args:
        weights: Matrix or operator, or a list of its singular values.
        n_units: N, if `weights` is a list that leaves out zeros; default the length of the list.

    Returns:
        $PR^S$: 1 for an orthogonal matrix, 1/2 for independent couplings, $e/(1 + 2e)$ for random
        modes of effective rank e. Differentiable.

    Raises:
        ValueError: Not a square matrix, or a list that cannot be singular values.

    Cost: one product of N x N matrices; 4 N M^2 for a factored operator with M modes.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (13).
    """
    second, fourth, n = _power_sums(weights, n_units)
    return second**2 / (n * fourth)


def _check_ratios(**ratios) -> None:
    for name, value in ratios.items():
        if is_concrete(value) and not np.all((np.asarray(value) > 0) & (np.asarray(value) <= 1)):
            raise ValueError(f"`{name}` must lie in (0, 1], got {value}.")


def singular_value_ratio_from_rank(
    inverse_effective_rank: ArrayLike, *, gain_ratio: ArrayLike = 1.0, row_ratio: ArrayLike = 1.0
) -> Array:
    r"""The $PR^S$ of a large random matrix, $1/PR^S = 1/e + 1/PR^G + 1/PR^a$.

    e is the effective rank; $PR^G = \langle G^2\rangle^2/\langle G^4\rangle$ and $PR^a$ belong to
    independent gains on the columns and on the rows of the matrix. Left-right overlaps $\rho_a$ of
    the modes leave it as it is, so long as $\langle D\rho\rangle = 0$.

    Args:
        inverse_effective_rank: 1/e, at least -1: 0 for independent couplings, -1 for an orthogonal
            matrix. Any shape.
        gain_ratio: $PR^G$ of the columns (presynaptic neurons), in (0, 1].
        row_ratio: $PR^a$ of the rows, in (0, 1].

    Returns:
        $PR^S$, in the common shape of the arguments; differentiable.

    Raises:
        ValueError: A value out of its range.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (13)
    without gains; gains, negative values and overlaps derived here.
    """
    _check_ratios(gain_ratio=gain_ratio, row_ratio=row_ratio)
    inverse_rank = _floating(inverse_effective_rank)
    if is_concrete(inverse_rank) and not np.all(np.asarray(inverse_rank) >= -1.0):
        raise ValueError(
            f"`inverse_effective_rank` must be at least -1 (orthogonal), got {inverse_rank}."
        )
    return 1.0 / (inverse_rank + 1.0 / _floating(gain_ratio) + 1.0 / _floating(row_ratio))


def inverse_effective_rank(
    singular_value_ratio: ArrayLike, *, gain_ratio: ArrayLike = 1.0, row_ratio: ArrayLike = 1.0
) -> Array:
    r"""Inverse effective rank from singular values, $1/e = 1/PR^S - 1/PR^G - 1/PR^a$.

    Without gains $1/PR^S - 2$. It is the fourth free cumulant of a bi-rotationally invariant matrix
    in units of $g^4$, and may be negative.

    Args:
        singular_value_ratio: $PR^S$, in (0, 1]; any shape.
        gain_ratio: $PR^G$ of gains on the columns, in (0, 1].
        row_ratio: $PR^a$ of gains on the rows, in (0, 1].

    Returns:
        1/e, in the common shape of the arguments; without gains at least -1. Differentiable.

    Raises:
        ValueError: A ratio out of its range.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (13)
    inverted; gains and negative values derived here.
    """
    _check_ratios(
        singular_value_ratio=singular_value_ratio, gain_ratio=gain_ratio, row_ratio=row_ratio
    )
    inverse_rank = 1.0 / _floating(singular_value_ratio)
    return inverse_rank - 1.0 / _floating(gain_ratio) - 1.0 / _floating(row_ratio)


def singular_value_edges(modes_per_unit: ScalarLike) -> tuple[Scalar, Scalar]:
    r"""Edges of the nonzero singular values of $L R^\top$ (all strengths one).

    $S_\pm^2 = 1 + 5\alpha/2 - \alpha^2/8 \pm (1 + \alpha/8)^{3/2}\sqrt{8\alpha}$; the lower edge is
    0 from $\alpha = 1$ on.

    Args:
        modes_per_unit: $\alpha = M/N > 0$.

    Returns:
        `(lower, upper)`; multiply by the strength of the modes.

    Raises:
        ValueError: $\alpha$ is not positive.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), Eq. (14).
    """
    alpha = _positive_fraction(modes_per_unit)
    lower, upper = _squared_edges(alpha)
    is_open = lower > 0
    return jnp.where(is_open, jnp.sqrt(jnp.where(is_open, lower, 1.0)), 0.0), jnp.sqrt(upper)


def singular_value_density(
    singular_values: Float[ArrayLike, "*b"], modes_per_unit: ScalarLike
) -> Float[Array, "*b"]:
    r"""Density of the nonzero singular values of $L R^\top$ (all strengths one), as N grows.

    $p(s) = 2|\mathrm{Im}\, m(s^2)| / (\pi s)$, where $z m = (1 + m)(1 + \alpha m)^2$.

    Args:
        singular_values: Where to evaluate, s > 0; any shape.
        modes_per_unit: $\alpha = M/N > 0$.

    Returns:
        The density, normalised to one over the min(M, N) nonzero values; 0 outside the edges.

    Raises:
        ValueError: $\alpha$ is not positive.

    Cost: a closed formula; use float64 near the edges.

    Reference: derived here; its edges are those of `singular_value_edges`.
    """
    alpha = _positive_fraction(modes_per_unit)
    s = _floating(singular_values)
    z = s**2
    # Cardano, without cancellation: the discriminant factored by its edges, the smaller cube root
    # from the product of the two.
    lower_square, upper_square = _squared_edges(alpha)
    discriminant = z * (z - lower_square) * (upper_square - z) / 27.0
    is_inside = (discriminant > 0) & (s > 0)
    root = jnp.sqrt(jnp.where(is_inside, discriminant, 1.0))
    half = (1.0 - alpha) ** 3 / 27.0 - (2.0 + alpha) * z / 6.0
    u = jnp.cbrt(half + jnp.where(half < 0, -root, root))
    product = ((1.0 - alpha) ** 2 / 3.0 + z) / 3.0
    v = product / jnp.where(u == 0, 1.0, u)
    imaginary = jnp.sqrt(jnp.asarray(3.0, root.dtype)) * root / (alpha * (u**2 + product + v**2))
    density = 2.0 * imaginary / (jnp.pi * s) * jnp.maximum(alpha, 1.0)
    return jnp.where(is_inside, density, 0.0)


def _squared_edges(alpha: Array) -> tuple[Array, Array]:
    """Squared edges before the lower one is cut at 0; their product is exactly (1 - alpha)^3."""
    centre = 1.0 + 2.5 * alpha - alpha**2 / 8.0
    upper = centre + (1.0 + alpha / 8.0) ** 1.5 * jnp.sqrt(8.0 * alpha)
    return (1.0 - alpha) ** 3 / upper, upper


def _positive_fraction(modes_per_unit: ScalarLike) -> Array:
    if is_concrete(modes_per_unit) and not np.all(np.asarray(modes_per_unit) > 0):
        raise ValueError(f"`modes_per_unit` must be positive, got {modes_per_unit}.")
    return _floating(modes_per_unit)
