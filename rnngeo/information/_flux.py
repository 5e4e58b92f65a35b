"""How much one state says about the next, exactly."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from rnngeo._types import Scalar
from rnngeo.models import BinaryNetwork

from ._states import entropy
from ._stationary import AbstractStationaryMethod, solve_law


class Flux(eqx.Module):
    r"""Information from one state to the next, in bits; NaN where no stationary law was found.

    Attributes:
        entropy: $H = -\sum_x p \log_2 p$, of the state.
        divergence: $D = \sum_x p(x)\, g(x)$, entropy of the next state given this one.
        law: Stationary law over the $2^N$ states, in the order of `state_table`.
        residual: $\sum_x |pT - p|$.
        error: Estimated error of the law in summed modulus, as in `StationaryLaw`.
    """

    entropy: Scalar
    divergence: Scalar
    law: Float[Array, " state"]
    residual: Scalar
    error: Scalar

    @property
    def flux(self) -> Float[Array, "*batch"]:
        """$I = H - D$, mutual information of successive states; of each network of a batch."""
        return self.entropy - self.divergence


@eqx.filter_jit
def information_flux(
    network: BinaryNetwork, *, method: AbstractStationaryMethod | None = None
) -> Flux:
    r"""Exact information flux of a stochastic network in its stationary state.

    $I = H - D$ with the entropy H of the stationary law p and $D = \sum_x p(x) \sum_n h_2(P(x_n' =
    1|x))$: given x the units of the next state are independent. $0 \le I \le H \le N$. The
    difference is good to some N rounding errors, not to as many digits: in float32 five units with
    weights of width $10^{-3}$ carry $5\cdot 10^{-6}$ bits and are off by up to $10^{-6}$.

    The flux, and all else, is an ordinary differentiable function of weights, bias and noise, in
    reverse mode: `eqx.filter_grad(lambda network: information_flux(network).flux)(network)`. Second
    derivatives need `Elimination`, the default of small networks.
    For many networks `jax.lax.map` over their weights, in batches of a hundred (`batch_size=128`)
    whose matrices stay in the cache: half the time of one `vmap` over thousands.

    Args:
        network: The network, N units.
        method: As in `stationary_law`.

    Returns:
        `Flux`.

    Raises:
        ValueError: Too many units for the method.

    Cost: that of the stationary law; the gradient as much again.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024); formulas derived here.
    """
    chain, p, residual, error = solve_law(network, method)
    full = chain.unfold_law(p)
    divergence = jnp.vdot(p, chain.step_entropy())
    return Flux(entropy(full), divergence, full, residual, error)
