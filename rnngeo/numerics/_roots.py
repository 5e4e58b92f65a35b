"""Real roots of scalar functions: one in a bracket, or all of them over a grid."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

ScalarFunction = Callable[[Array], Array]


def _nonzero(x: Array) -> Array:
    return jnp.where(x == 0, 1.0, x)


def _chandrupatla(fn: ScalarFunction, lower: Array, upper: Array, max_steps: int) -> Array:
    dtype = lower.dtype
    eps = jnp.finfo(dtype).eps
    floor = 1e-3 * eps * jnp.abs(upper - lower) + jnp.finfo(dtype).tiny

    def best(a, fa, b, fb):
        nearer = jnp.abs(fa) < jnp.abs(fb)
        return jnp.where(nearer, a, b), jnp.where(nearer, fa, fb)

    def fraction(a, fa, b, fb, c, fc):
        """Next point as a fraction of the bracket, and whether the bracket is closed."""
        x, fx = best(a, fa, b, fb)
        gap = jnp.where(a == b, 1.0, jnp.abs(b - a))
        limit = jnp.where(a == b, 1.0, (2.0 * eps * jnp.abs(x) + floor) / gap)
        xi = (a - b) / _nonzero(c - b)
        ph = (fa - fb) / _nonzero(fc - fb)
        quadratic = fa / _nonzero(fb - fa) * fc / _nonzero(fb - fc)
        quadratic += (c - a) / _nonzero(b - a) * fa / _nonzero(fc - fa) * fb / _nonzero(fc - fb)
        is_smooth = (ph**2 < xi) & ((1.0 - ph) ** 2 < 1.0 - xi)
        t = jnp.clip(jnp.where(is_smooth, quadratic, 0.5), limit, 1.0 - limit)
        return t, (limit > 0.5) | (fx == 0) | ~jnp.isfinite(fx)

    def body(state):
        # The first two rounds evaluate the ends, so that `fn` is compiled only once.
        a, fa, b, fb, c, fc, t, done, step = state
        x = jnp.where(step == 0, lower, jnp.where(step == 1, upper, a + t * (b - a)))
        fx = fn(x)
        same = jnp.sign(fx) == jnp.sign(fa)
        is_search = step > 1
        c, fc = jnp.where(is_search & same, a, b), jnp.where(is_search & same, fa, fb)
        b, fb = jnp.where(is_search & same, b, a), jnp.where(is_search & same, fb, fa)
        t, done = fraction(x, fx, b, fb, c, fc)
        is_bracket = jnp.sign(fx) * jnp.sign(fb) <= 0  # False for NaN
        t = jnp.where(is_search, t, 0.5)
        done = (step > 0) & (done | ~is_bracket) | ((step == 0) & (lower == upper))
        return x, fx, b, fb, c, fc, t, done, step + 1

    zero = jnp.zeros_like(lower)
    start = (lower, zero, lower, zero, lower, zero, zero, zero > 0, jnp.zeros((), int))
    a, fa, b, fb, *_ = jax.lax.while_loop(lambda s: ~s[-2] & (s[-1] < max_steps), body, start)
    return jnp.where(jnp.sign(fa) * jnp.sign(fb) <= 0, best(a, fa, b, fb)[0], jnp.nan)


def bracketed_root(
    fn: ScalarFunction,
    lower: Float[Array, ""],
    upper: Float[Array, ""],
    *,
    max_steps: int = 200,
) -> Float[Array, ""]:
    r"""Root of a scalar function between two points of opposite sign, to rounding.

    Inverse quadratic interpolation, safeguarded by bisection (Chandrupatla). The root is
    differentiable in everything that `fn` closes over, to any order, by the implicit function
    theorem, $dx = -f_\theta d\theta / f_x$; the bracket itself carries no derivative.

    Args:
        fn: Scalar function of one scalar; may close over traced values.
        lower: One end of the bracket.
        upper: The other end.
        max_steps: Evaluations before giving up; bisection alone needs about 60.

    Returns:
        The root; NaN if the signs at the two ends agree or a value is NaN.

    Cost: 8 to 15 evaluations of `fn` for a simple root. Batch by `vmap`.

    Reference: Chandrupatla, Adv. Eng. Softw. 28, 145 (1997).
    """
    lower, upper = jax.lax.stop_gradient((lower, upper))
    return jax.lax.custom_root(
        fn,
        lower,
        lambda f, _: _chandrupatla(f, lower, upper, max_steps),
        lambda tangent_map, y: y / tangent_map(jnp.ones_like(y)),
    )


def bracketed_minimum(
    fn: ScalarFunction,
    lower: Float[Array, ""],
    middle: Float[Array, ""],
    upper: Float[Array, ""],
    *,
    stop_below: float | None = None,
    max_steps: int = 80,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Local minimum of a scalar function, without derivatives.

    Successive parabolas through three points, every third step a golden section instead, so that
    the bracket shrinks in any case. The place is good to the square root of the rounding unit, as
    any method that only sees values; the least value is good to rounding.

    Args:
        fn: Scalar function of one scalar; may close over traced values.
        lower: Left end of the bracket.
        middle: A point between them, at which `fn` is not above its value at the ends.
        upper: Right end of the bracket.
        stop_below: Return as soon as a value at or below this one has been seen, or as soon as
            the parabola has settled on a minimum well above it.
        max_steps: Evaluations before giving up.

    Returns:
        `(place, value)`; neither carries a derivative.

    Cost: 10 to 20 evaluations of `fn`; it is compiled once.

    Reference: ours, after Brent, Algorithms for Minimization Without Derivatives (1973), ch. 5.
    """
    lower, middle, upper = jax.lax.stop_gradient((lower, middle, upper))
    dtype = lower.dtype
    tolerance = 0.5 * float(jnp.finfo(dtype).eps) ** 0.5
    golden = 0.381966011250105

    def propose(a, fa, b, fb, c, fc, step):
        # Newton's form of the parabola through the three points.
        tilt = (fb - fa) / _nonzero(b - a)
        curvature = ((fc - fb) / _nonzero(c - b) - tilt) / _nonzero(c - a)
        tilt = tilt + curvature * (b - a)  # its slope at b
        vertex = b - 0.5 * tilt / _nonzero(curvature)
        promise = 0.25 * tilt**2 / _nonzero(curvature)  # decrease that it still promises
        section = jnp.where(c - b > b - a, b + golden * (c - b), b - golden * (b - a))
        least = tolerance * (jnp.abs(b) + 0.1 * jnp.abs(c - a)) + jnp.finfo(dtype).tiny
        inside = (curvature > 0) & (vertex > a + least) & (vertex < c - least)
        apart = jnp.abs(vertex - b) < least
        vertex = jnp.where(apart, b + jnp.where(c - b > b - a, least, -least), vertex)
        return jnp.where(inside & (step % 3 != 2), vertex, section), jnp.abs(promise), least

    def body(state):
        a, fa, b, fb, c, fc, x, _, step = state
        # The first three rounds evaluate the given points, so that `fn` is compiled only once.
        x = jnp.where(
            step == 0, lower, jnp.where(step == 1, upper, jnp.where(step == 2, middle, x))
        )
        fx = jax.lax.stop_gradient(fn(x))
        is_new = step > 2
        better = fx <= fb
        right = x > b
        replace_a = is_new & (better == right)  # the end on the far side of the better point
        new_a = jnp.where(replace_a, jnp.where(better, b, x), a)
        new_fa = jnp.where(replace_a, jnp.where(better, fb, fx), fa)
        new_c = jnp.where(is_new & ~replace_a, jnp.where(better, b, x), c)
        new_fc = jnp.where(is_new & ~replace_a, jnp.where(better, fb, fx), fc)
        new_b = jnp.where(is_new & better, x, b)
        new_fb = jnp.where(is_new & better, fx, fb)
        a, fa = jnp.where(step == 0, x, new_a), jnp.where(step == 0, fx, new_fa)
        c, fc = jnp.where(step == 1, x, new_c), jnp.where(step == 1, fx, new_fc)
        b, fb = jnp.where(step == 2, x, new_b), jnp.where(step == 2, fx, new_fb)
        x, promise, least = propose(a, fa, b, fb, c, fc, step)
        done = (step > 1) & ((c - a < 4 * least) | ~jnp.isfinite(fb))
        if stop_below is not None:
            settled = (step > 6) & (promise < 0.3 * (fb - stop_below))
            done |= (step > 1) & ((fb <= stop_below) | settled)
        done |= (step == 0) & (lower == upper)
        return a, fa, b, fb, c, fc, x, done, step + 1

    zero = jnp.zeros_like(lower)
    start = (lower, zero, middle, zero, upper, zero, middle, zero > 0, jnp.zeros((), int))
    state = jax.lax.while_loop(lambda s: ~s[-2] & (s[-1] < max_steps), body, start)
    return state[2], state[3]


def _first(condition: Array, size: int) -> tuple[Array, Array]:
    """Indices of the first `size` true entries, and which of them exist."""
    (index,) = jnp.nonzero(condition, size=size, fill_value=0)
    return index, jnp.arange(size) < jnp.sum(condition)


def find_roots(
    fn: ScalarFunction,
    grid: Float[Array, " n_nodes"],
    *,
    max_roots: int = 8,
    values: Float[Array, " n_nodes"] | None = None,
) -> tuple[Float[Array, " max_roots"], Int[Array, ""]]:
    r"""All roots of a scalar function over a grid, close pairs included.

    Every sign change between neighbouring nodes is refined by `bracketed_root`. A pair of roots
    inside one cell leaves no sign change; so wherever $|f|$ dips at a node without a sign change,
    its minimum nearby is located and, if the sign differs there, added to the grid. An exact zero
    at a node counts once; a touching root counts if its value rounds to zero.

    Args:
        fn: Scalar function of one scalar, continuous; may close over traced values. Values that
            are not finite hide the cells next to them.
        grid: Nodes, ascending, fine enough that `fn` has at most one dip per cell.
        max_roots: Length of the answer; roots beyond it are not listed.
        values: `fn` on the grid, if it is known already or cheaper to get at once.

    Returns:
        `(roots, count)`: roots ascending, padded with NaN to `max_roots`, and how many there are
        (at most `max_roots`). Roots are differentiable as in `bracketed_root`.

    Raises:
        ValueError: fewer than three nodes, or `max_roots` below 1.

    Cost: `n_nodes` evaluations in one batch, then about ten per root and per dip.

    Reference: ours.
    """
    if grid.shape[0] < 3:
        raise ValueError(f"`grid` must have at least 3 nodes, got {grid.shape[0]}.")
    if max_roots < 1:
        raise ValueError(f"`max_roots` must be at least 1, got {max_roots}.")
    grid = jax.lax.stop_gradient(grid)
    values = jax.lax.stop_gradient(jax.vmap(fn)(grid) if values is None else values)

    sign, size = jnp.sign(values), jnp.abs(values)
    same = (sign[1:-1] == sign[:-2]) & (sign[1:-1] == sign[2:]) & (sign[1:-1] != 0)
    dips = same & (size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:])
    dips &= (size[1:-1] < size[:-2]) | (size[1:-1] < size[2:])
    index, exists = _first(dips, max_roots)

    def bottom(ends):
        side = ends[-1]
        x, value = bracketed_minimum(lambda x: side * fn(x), *ends[:-1], stop_below=0.0)
        return x, side * value

    # One dip after the other: slots without a dip have an empty bracket and cost one evaluation.
    ends = (grid[index], grid[index + 1], jnp.where(exists, grid[index + 2], grid[index]))
    extra, extra_values = jax.lax.map(bottom, (*ends, sign[index + 1]))
    is_new = exists & (jnp.sign(extra_values) != sign[index + 1]) & jnp.isfinite(extra_values)
    grid = jnp.concatenate([grid, jnp.where(is_new, extra, jnp.nan)])
    values = jnp.concatenate([values, jnp.where(is_new, extra_values, jnp.nan)])
    order = jnp.argsort(grid)  # NaN last
    grid, values = grid[order], values[order]

    sign = jnp.sign(values)
    crosses = jnp.append(sign[:-1] * sign[1:] < 0, False)
    # A run of three zeros or more is a continuum, of which the first is listed.
    zero = jnp.concatenate([jnp.zeros(2, bool), sign == 0, jnp.zeros(1, bool)])
    touches = zero[2:-1] & ~(zero[1:-2] & (zero[:-3] | zero[3:]))
    index, exists = _first(crosses | touches, max_roots)
    lower = jnp.where(exists, grid[index], grid[0])
    upper = jnp.where(exists & crosses[index], grid[index + 1], lower)
    roots = jax.lax.map(lambda ends: bracketed_root(fn, *ends), (lower, upper))
    # A bracket closed to rounding: the end that is nearer to zero is the root.
    upper_is_nearer = jnp.abs(values[index + 1]) < jnp.abs(values[index])
    nearer = jnp.where(crosses[index] & upper_is_nearer, upper, lower)
    roots = jnp.where(exists & jnp.isnan(roots), nearer, roots)
    return jnp.where(exists, roots, jnp.nan), jnp.sum(exists)
