"""Derivatives and products of elementwise functions, one object for each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

Elementwise = Callable[[Array], Array]


@dataclass(frozen=True)
class TanhPolynomial:
    """A polynomial in tanh x; so are all its derivatives, and products of two of them."""

    coefficients: tuple[float, ...]  # ascending powers

    def __call__(self, x):
        t = jnp.tanh(x)
        value = jnp.full_like(t, self.coefficients[-1])
        for c in self.coefficients[-2::-1]:
            value = value * t + c if c else value * t
        return value

    def differentiated(self) -> "TanhPolynomial":
        p = np.polynomial.Polynomial(self.coefficients)
        slope = p.deriv() * np.polynomial.Polynomial([1.0, 0.0, -1.0])
        return TanhPolynomial(tuple(float(c) for c in slope.coef))

    def times(self, other: "TanhPolynomial") -> "TanhPolynomial":
        coefficients = np.convolve(self.coefficients, other.coefficients)
        return TanhPolynomial(tuple(float(c) for c in coefficients))


def _known(fn: Elementwise) -> TanhPolynomial | None:
    if fn is jnp.tanh:
        return TanhPolynomial((0.0, 1.0))
    return fn if isinstance(fn, TanhPolynomial) else None


@lru_cache(maxsize=1024)
def derivative(fn: Elementwise) -> Elementwise:
    """Derivative of an elementwise function, again elementwise; one object per function.

    Derivatives of tanh are polynomials in tanh, which keeps programs small; any other function is
    differentiated by JAX.

    Args:
        fn: Elementwise function of one array. Must not close over traced values.

    Returns:
        The function `x -> fn'(x)`. The same object at every call, so that it can be a static
        argument without recompilation.

    Cost: about two evaluations of `fn`, one for tanh.
    """
    known = _known(fn)
    if known is not None:
        return known.differentiated()

    def slope(x):
        x = jnp.asarray(x)
        return jax.jvp(fn, (x,), (jnp.ones_like(x),))[1]

    return slope


@lru_cache(maxsize=1024)
def product(f: Elementwise, g: Elementwise) -> Elementwise:
    """Pointwise product of two elementwise functions; one object per pair.

    Args:
        f: Elementwise function. Must not close over traced values.
        g: Elementwise function, likewise.

    Returns:
        The function `x -> f(x) g(x)`, the same object at every call.

    Cost: one evaluation of each.
    """
    left, right = _known(f), _known(g)
    if left is not None and right is not None:
        return left.times(right)
    return lambda x: f(x) * g(x)
