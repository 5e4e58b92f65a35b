"""The stationary law of a network's states, and its derivative."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
from jaxtyping import Array, Float

from rnngeo._types import Scalar
from rnngeo.models import BinaryNetwork

from ._chain import StateChain, state_chain
from ._elimination import eliminate, law_from_factors, potential_from_factors
from ._states import states_at

MOST_ELIMINATED = 2**13  # states; their matrices have two gigabytes in float64
_ELIMINATED = 2**11  # by default
_MOST_UNITS = 24
_EARLY_STEPS = 8  # from the uniform law, before the most probable state is picked


def _tolerance(dtype) -> float:
    """Largest error of a law, in summed modulus, that is let through."""
    return float(jnp.finfo(dtype).eps) ** 0.5


def _probe_rtol(dtype) -> float:
    """Accuracy of a probe's potential; a slow mode unseen has a smaller part in the probe."""
    return max(1e-6, _tolerance(dtype))


class Solved(NamedTuple):
    """A law, the sum of |pT - p|, its estimated error, and what `potential` can use again."""

    law: Array
    residual: Array
    error: Array
    kept: Any = None


class AbstractStationaryMethod(eqx.Module):
    """How to find the law that a chain leaves unchanged, and the potential of a reward."""

    @abc.abstractmethod
    def check(self, n_units: int, is_folded: bool) -> None:
        """Refuse chains that are too large, before they are made."""

    @abc.abstractmethod
    def solve(self, chain: StateChain) -> Solved:
        """The stationary law."""

    @abc.abstractmethod
    def potential(self, chain: StateChain, law: Array, kept: Any, reward: Array) -> Array:
        r"""Solution of $\lambda - T\lambda = r$, up to a constant, for $\sum p r = 0$."""


def _is_solved(chain: StateChain, p: Array, potential: Array, reward: Array, atol) -> Array:
    """Whether a potential solves its equation, up to a constant."""
    rest = potential - chain.pull(potential) - reward
    # Not through a maximum: XLA's may pass over NaN.
    return jnp.all(jnp.abs(rest - jnp.vdot(p, rest)) <= atol)


def _checked(chain: StateChain, p: Array, potential: Array, reward: Array) -> Array:
    """The potential, NaN where the iteration did not reach it."""
    allowed = _tolerance(p.dtype) * jnp.max(jnp.abs(reward))
    return jnp.where(_is_solved(chain, p, potential, reward, allowed), potential, jnp.nan)


def _probe(chain: StateChain) -> Array:
    """A random reward: noise of every state, which averages out over large sets of states, and
    forms of one to four units, of even ones only where the chain is folded."""
    n, dtype = chain.n_units, chain.up.dtype
    x = states_at(jnp.arange(chain.n_states), n).astype(dtype)
    with jax.default_matmul_precision("highest"):
        a, b, c, d = (x @ (jr.normal(jr.key(1), (n, 4), dtype) / n**0.5)).T
    odd = jnp.zeros_like(a) if chain.is_folded else a + a * b * c
    return jr.normal(jr.key(0), a.shape, dtype) + odd + a * b + a * b * c * d


def _judged(chain: StateChain, p: Array, potential: Callable[[Array, Array], Array]) -> Solved:
    r"""An iterated law with its error $\|(pT - p)(1 - T)^{\#}\|$.

    It is estimated by how far the chain stretches a reward: first a random one, then what became of
    it, in which the slowest mode prevails however small its part was (inverse iteration). The
    factor 4 is for what is not along that mode. Infinite if a potential was not found: then a gap
    is below rounding. The residual cannot be trusted below the rounding of one product, which is
    added to it.
    """
    p = jnp.maximum(p, 0.0)
    p = p / jnp.sum(p)
    centred = lambda f: f - jnp.vdot(p, f)

    def stretch(reward, _):
        reward = centred(reward)
        found = centred(potential(p, reward))
        size = jnp.max(jnp.abs(found))
        is_solved = _is_solved(chain, p, found, reward, 4.0 * _probe_rtol(p.dtype))
        return found / jnp.where(size > 0, size, 1.0), jnp.where(is_solved, size, jnp.inf)

    residual = jnp.sum(jnp.abs(chain.push(p) - p))
    sizes = jax.lax.scan(stretch, _probe(chain), length=2)[1]
    return Solved(p, residual, 4.0 * (residual + float(jnp.finfo(p.dtype).eps)) * jnp.max(sizes))


class Elimination(AbstractStationaryMethod):
    r"""Censoring of states one by one, without a subtraction: exact however slow the chain is.

    Only probabilities below the smallest number are lost. They change the law by at most
    $2 n^3 \epsilon_{min} \max_x t(x)$, with the mean times t to reach a frequent state, which is
    therefore kept for last.

    Cost: $4\cdot 4^N$ numbers and $8^N$ operations; a quarter and an eighth without bias.
    """

    def check(self, n_units: int, is_folded: bool) -> None:
        n_states = 2 ** (n_units - is_folded)
        if n_states > MOST_ELIMINATED:
            raise ValueError(
                f"`method` Elimination stores four matrices of {n_states:.3g} states, "
                f"{32.0 * n_states**2 / 2**30:.3g} GiB, and takes at most {MOST_ELIMINATED}. "
                f"`Krylov()` would do, with {2.0 * 4**n_units:.2g} operations a step and no matrix."
            )

    def solve(self, chain: StateChain) -> Solved:
        matrix = chain.as_matrix()
        after = lambda p: jnp.matmul(p, matrix, precision=jax.lax.Precision.HIGHEST)
        start = jnp.full(chain.n_states, 1.0 / chain.n_states, matrix.dtype)
        early = jax.lax.fori_loop(0, _EARLY_STEPS, lambda _, p: after(p), start)
        order = jnp.arange(chain.n_states) ^ jnp.argmax(early)  # its own inverse
        factors = eliminate(matrix[order][:, order])
        p = law_from_factors(factors)[order]
        waiting = potential_from_factors(factors, jnp.ones_like(p))
        smallest = float(jnp.finfo(p.dtype).tiny)
        error = 2.0 * (float(chain.n_states) ** 3 * smallest) * jnp.max(waiting)
        error = jnp.where(jnp.all(jnp.isfinite(waiting)), error, jnp.inf)
        return Solved(p, jnp.sum(jnp.abs(after(p) - p)), error, (factors, order))

    def potential(self, chain: StateChain, law: Array, kept: Any, reward: Array) -> Array:
        factors, order = kept
        return potential_from_factors(factors, reward[order])[order]


class Krylov(AbstractStationaryMethod):
    r"""GMRES on $p(1 - T + 1u^\top) = u^\top$, u uniform, with products by two factors.

    The steps grow with the number of slow modes rather than with the inverse gap, but the law is
    refused where the gap is so small that rounding decides between its parts.

    Attributes:
        rtol: Relative tolerance; default some rounding errors.
        restart: Directions kept, each of $2^N$ numbers.
        max_steps: Products at most.

    Cost: $2\cdot 4^N$ operations a product, `restart` $2^N$ numbers.
    """

    rtol: float | None = eqx.field(static=True, default=None)
    restart: int = eqx.field(static=True, default=40)
    max_steps: int = eqx.field(static=True, default=2000)

    def check(self, n_units: int, is_folded: bool) -> None:
        check_units(n_units)

    def _solve(self, operator, vector: Array, rtol: float | None = None) -> Array:
        eps = float(jnp.finfo(vector.dtype).eps)
        if rtol is None:
            rtol = 8 * eps if self.rtol is None else self.rtol
        solver = lx.GMRES(
            rtol=rtol, atol=0.0, restart=self.restart, max_steps=self.max_steps, stagnation_iters=40
        )
        operator = lx.FunctionLinearOperator(operator, jax.eval_shape(lambda: vector))
        return lx.linear_solve(operator, vector, solver, throw=False).value

    def solve(self, chain: StateChain) -> Solved:
        u = jnp.full(chain.n_states, 1.0 / chain.n_states, chain.up.dtype)
        p = self._solve(lambda p: p - chain.push(p) + u * jnp.sum(p), u)
        return _judged(chain, p, lambda p, r: self._potential(chain, p, r, _probe_rtol(p.dtype)))

    def potential(self, chain: StateChain, law: Array, kept: Any, reward: Array) -> Array:
        return _checked(chain, law, self._potential(chain, law, reward), reward)

    def _potential(self, chain, law: Array, reward: Array, rtol: float | None = None) -> Array:
        return self._solve(lambda f: f - chain.pull(f) + jnp.vdot(law, f), reward, rtol)


class PowerIteration(AbstractStationaryMethod):
    r"""Steps of the chain until the law stands still; for weak weights.

    It ends when the change, divided by the gap that the changes show, is below the tolerance.

    Attributes:
        rtol: Wanted accuracy of the law, in summed modulus; default some rounding errors.
        max_steps: Steps at most.

    Cost: $2\cdot 4^N$ operations a step, $\ln(1/\mathrm{rtol})$ over the gap steps.
    """

    rtol: float | None = eqx.field(static=True, default=None)
    max_steps: int = eqx.field(static=True, default=10_000)

    def check(self, n_units: int, is_folded: bool) -> None:
        check_units(n_units)

    def _iterate(self, step, start: Array, rtol: float | None = None) -> Array:
        """Sum of start, step(start), step(step(start)), ..."""
        eps = float(jnp.finfo(start.dtype).eps)
        if rtol is None:
            rtol = 16 * eps if self.rtol is None else self.rtol
        size = lambda a: jnp.sum(jnp.abs(a))

        def going(carry):
            _, change, rate, k = carry
            left = size(change) * rate / jnp.maximum(1.0 - rate, eps)
            return (k < self.max_steps) & (left > rtol)

        def body(carry):
            total, change, rate, k = carry
            new = step(change)
            ratio = jnp.where(size(change) > 0, size(new) / size(change), 0.0)
            return total + new, new, jnp.maximum(0.9 * rate, ratio), k + 1

        carry = (start, start, jnp.ones((), start.dtype), jnp.zeros((), int))
        return jax.lax.while_loop(going, body, carry)[0]

    def solve(self, chain: StateChain) -> Solved:
        u = jnp.full(chain.n_states, 1.0 / chain.n_states, chain.up.dtype)
        balanced = lambda change: change - jnp.sum(change) * u  # rounding must not add up
        p = u + self._iterate(lambda d: balanced(chain.push(d)), balanced(chain.push(u) - u))
        return _judged(chain, p, lambda p, r: self._potential(chain, p, r, _probe_rtol(p.dtype)))

    def potential(self, chain: StateChain, law: Array, kept: Any, reward: Array) -> Array:
        return _checked(chain, law, self._potential(chain, law, reward), reward)

    def _potential(self, chain, law: Array, reward: Array, rtol: float | None = None) -> Array:
        centred = lambda f: f - jnp.vdot(law, f)
        return self._iterate(lambda f: centred(chain.pull(f)), centred(reward), rtol)


def check_units(n: int) -> None:
    """Refuse chains whose products take too long."""
    if n > _MOST_UNITS:
        raise ValueError(
            f"`network` has {n} units: each product with its chain would take {2.0 * 4.0**n:.2g} "
            f"operations; at most {_MOST_UNITS} are taken. `flux_bracket` bounds the flux of large "
            "networks from samples."
        )


def default_method(n_units: int, is_folded: bool) -> AbstractStationaryMethod:
    """Elimination while its matrix is small, then GMRES."""
    return Elimination() if 2 ** (n_units - is_folded) <= _ELIMINATED else Krylov()


@eqx.filter_custom_vjp
def _law(network: BinaryNetwork, method: AbstractStationaryMethod) -> tuple[Array, Array, Array]:
    return method.solve(state_chain(network))[:3]


@_law.def_fwd
def _law_forward(perturbed, network, method):
    *found, kept = method.solve(state_chain(network))
    return tuple(found), (found[0], kept)


@_law.def_bwd
def _law_backward(residuals, cotangents, perturbed, network, method):
    # dp = p dT (1 - T)^-1, hence cotangent . dp = p dT lambda: the derivative of p T lambda at
    # fixed p and lambda. Residual and error are numbers about the solution, without derivative.
    p, kept = residuals
    cotangent = jnp.zeros_like(p) if cotangents[0] is None else cotangents[0]
    chain = state_chain(network)
    f = method.potential(chain, p, kept, cotangent - jnp.vdot(p, cotangent))
    return eqx.filter_grad(lambda network: jnp.vdot(p, state_chain(network).pull(f)))(network)


class StationaryLaw(eqx.Module):
    r"""The law of the states that the chain leaves unchanged.

    Attributes:
        law: p over all $2^N$ states in the order of `state_table`, NaN where none was found.
        residual: $\sum_x |pT - p|$. A small one proves nothing where the chain is slow.
        error: Estimated error of p in summed modulus: for elimination the most that
            probabilities below the smallest number can change, else the residual times how far the
            chain stretches a random reward, about one over its gap.
    """

    law: Float[Array, " state"]
    residual: Scalar
    error: Scalar


def solve_law(
    network: BinaryNetwork, method: AbstractStationaryMethod | None
) -> tuple[StateChain, Array, Array, Array]:
    """The chain, its law (NaN where none was found), the residual and the error."""
    is_folded = network.bias is None
    if method is None:
        method = default_method(network.n_units, is_folded)
    method.check(network.n_units, is_folded)
    chain = state_chain(network)
    p, residual, error = _law(network, method)
    tolerance = _tolerance(p.dtype)
    is_found = (residual <= tolerance) & (error <= tolerance)
    stop = jax.lax.stop_gradient
    # A factor rather than a choice: the derivative is NaN too.
    return chain, p * jnp.where(stop(is_found), 1.0, jnp.nan), stop(residual), stop(error)


@eqx.filter_jit
def stationary_law(
    network: BinaryNetwork, *, method: AbstractStationaryMethod | None = None
) -> StationaryLaw:
    r"""Stationary law of the states, $p = pT$.

    Every transition has positive probability, so there is one. Its derivative is the adjoint one,
    $\bar p\cdot dp = p\, dT\, \lambda$ with $\lambda - T\lambda = \bar p - p\cdot\bar p$: it costs
    one more solution, whatever the number of weights.

    Args:
        network: The network, N units.
        method: `Elimination`, `Krylov` or `PowerIteration`; default elimination up to 2048 states
            (12 units without bias, 11 with), then Krylov.

    Returns:
        `StationaryLaw`; NaN where the error exceeds the root of the rounding unit: elimination
        fails where transitions that matter underflow (fields of about 90 in float32, 700 in
        float64), the others where the gap is small as well.

    Raises:
        ValueError: Too many units for the method.

    Cost: that of the method.

    Reference: derived here; elimination by Grassmann, Taksar & Heyman, Oper. Res. 33, 1107 (1985).
    """
    chain, p, residual, error = solve_law(network, method)
    return StationaryLaw(chain.unfold_law(p), residual, error)
