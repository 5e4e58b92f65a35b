"""Information flux of a network given by its weights: `rnngeo flux MATRIX`."""

import dataclasses
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import ArrayLike

from rnngeo._progress import Progress, silent
from rnngeo.files import provenance
from rnngeo.information import (
    MOST_ELIMINATED,
    AbstractStationaryMethod,
    Correlations,
    Elimination,
    Flux,
    attractor_cycles,
    correlations,
    default_method,
    information_flux,
    row_norm_bound,
)
from rnngeo.models import BinaryNetwork
from rnngeo.numerics import computing

from ._flux_input import GivenNetwork, Units, given_network
from ._flux_report import FluxReport, SignMap
from ._flux_sampling import Sampling, sample_flux
from ._words import counted

_MOST_EXACT = 16  # units
_NUMBERS = ("entropy", "divergence", "flux", "correlation", "correlation_lag0",
            "pair_information", "residual")  # fmt: skip
_MOST_LISTED = 20  # units, all whose states are followed to their cycles


@eqx.filter_jit
def _exact(given: GivenNetwork, method: AbstractStationaryMethod, has_gradient: bool):
    """Flux, correlations, and the gradient with respect to the weights and bias as given."""

    def value(weights_and_bias):
        network = GivenNetwork(*weights_and_bias, given.noise_std, given.units).network
        flux = information_flux(network, method=method)
        return flux.flux, flux

    gradient, subject = None, (given.weights, given.bias)
    if has_gradient:
        (_, flux), gradient = eqx.filter_value_and_grad(value, has_aux=True)(subject)
    else:
        flux = value(subject)[1]
    return flux, correlations(given.network, flux.law), gradient


def _words(method: AbstractStationaryMethod) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(method).__name__).lower()


def _unknown(flux: Flux, gradient: tuple | None) -> str:
    """What was not found, if anything."""
    if not np.isfinite(float(flux.flux)):
        return "stationary law"
    is_known = all(np.isfinite(np.asarray(slope)).all() for slope in jax.tree.leaves(gradient))
    return "" if is_known else "finite gradient"


def _solve(
    given: GivenNetwork, method: AbstractStationaryMethod | None, has_gradient: bool, precision: str
) -> tuple[Flux | None, Correlations, tuple | None, str, list[str]]:
    """Flux, correlations, gradient, the method's name, and why one of them is not there."""
    network = given.network
    is_folded = network.bias is None
    chosen = default_method(network.n_units, is_folded) if method is None else method
    flux, found, gradient = _exact(given, chosen, has_gradient)
    unknown = _unknown(flux, gradient)
    can_eliminate = 2 ** (network.n_units - is_folded) <= MOST_ELIMINATED
    can_eliminate &= not isinstance(chosen, Elimination)
    if unknown and can_eliminate and method is None:
        chosen, can_eliminate = Elimination(), False
        flux, found, gradient = _exact(given, chosen, has_gradient)
        unknown = _unknown(flux, gradient)
    if not unknown:
        return flux, found, gradient, _words(chosen), []
    words = (
        f"{_words(chosen)} finds no {unknown} in {precision}: these weights are so strong that "
        "transitions which matter are too rare for it"
    )
    if can_eliminate:
        words += ", `--method elimination` reaches further"
    if precision == "float32":
        raise ValueError(f"`precision` must be float64 for this network: {words}.")
    if unknown != "stationary law":
        return flux, found, None, _words(chosen), [f"gradient, gradient_bias: {words}"]
    others = "residual" + ", gradient, gradient_bias" * has_gradient
    reasons = [f"entropy, divergence, flux, correlations: {words}", f"{others}: there is no law"]
    return None, found, None, _words(chosen), reasons


def _cycles(network: BinaryNetwork, tie: int) -> tuple[SignMap | None, str]:
    n = network.n_units
    if n > _MOST_LISTED:
        return None, f"cycles: all states are followed up to {_MOST_LISTED} units, these are {n}"
    found = attractor_cycles(network, tie=tie)
    return SignMap(
        next_state=np.asarray(found.next_state),
        label=np.asarray(found.label),
        lengths=found.lengths,
        basin_sizes=found.basin_sizes,
        mean_over_starts=float(found.mean_over_starts),
        mean_over_cycles=float(found.mean_over_cycles),
        has_ties=bool(found.has_ties),
    ), ""


def flux_report(
    weights: str | Path | ArrayLike | BinaryNetwork,
    *,
    bias: str | Path | ArrayLike | None = None,
    units: Units = Units.PLUS_MINUS,
    noise_std: float | int | None = None,
    tie: int = 1,
    has_gradient: bool = False,
    method: AbstractStationaryMethod | Sampling | None = None,
    seed: int = 0,
    precision: str = "float64",
    device: str | None = None,
    progress: Progress = silent,
) -> FluxReport:
    r"""How much information passes from one state of a network to the next: `rnngeo flux MATRIX`.

    Units are updated all at once, $P(x_n' = 1|x) = \sigma(u_n)$, $u = W x + b + r\eta$. The flux
    is the mutual information $I = H - D$ of successive states in the stationary state, in bits.

    Args:
        weights: A matrix, row = the unit that receives, or a file (see `files.load_connectome`),
            or a `BinaryNetwork`, which brings its own bias and noise.
        bias: b, a vector or a file of one (npy, csv, txt).
        units: Whether W multiplies units in {-1, 1} or in {0, 1}; the latter are converted first,
            for everything.
        noise_std: r, standard deviation of the input noise.
        tie: Sign of a field that is exactly zero, for the cycles: 1 or -1.
        has_gradient: Whether to give dI/dW and dI/db, with respect to W and b as given.
        method: How to find the stationary law, or `Sampling` to bracket the flux from samples.
            Default: elimination up to 2048 states ($2^N$, half of it without bias), Krylov up to
            16 units (elimination again where it fails, up to 8192 states), then `Sampling()`.
        seed: What is random in samples follows from it.
        precision: "float32" or "float64".
        device: Name of a device; default JAX's.
        progress: Called along the way when sampling.

    Returns:
        `FluxReport`. With input noise its bound is that of the noisy units, $N - \sum_n
        h_2(q_r(\|w_n\|_1 + |b_n|))$; its cycles are those without noise.

    Raises:
        ValueError: A bad argument or file, too many units for the method, or weights too strong
            for float32; the message names it.

    Cost: see `information_flux`; seconds up to 12 units, minutes at 16. Sampling: 1024 products
    with the matrix a step, 1024 steps.

    Reference: Metzner et al., Neural Comput. 36, 351 (2024).
    """
    if tie not in (1, -1):
        raise ValueError(f"`tie` must be 1 or -1, got {tie}.")
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0, got {seed}.")
    asked = {
        "weights": str(weights) if isinstance(weights, str | Path) else "array",
        "bias": str(bias) if isinstance(bias, str | Path) else ("none", "array")[bias is not None],
        "units": str(units),
        "noise_std": noise_std,
        "tie": tie,
        "has_gradient": has_gradient,
    }
    with computing(precision, device):
        given, names = given_network(weights, bias, units, noise_std)
        network = given.network
        if isinstance(weights, BinaryNetwork):
            own_noise = given.noise_std
            asked |= {
                "bias": "none" if given.bias is None else "array",
                "noise_std": None if own_noise is None else float(own_noise),
            }
        if method is None and network.n_units > _MOST_EXACT:
            method = Sampling()
        cycles, no_cycles = _cycles(network, tie)
        reasons = [no_cycles]
        numbers = dict.fromkeys(_NUMBERS, np.nan)
        law = gradient = slope = sampled = next_correlations = None
        stuck = np.zeros(0)
        if isinstance(method, Sampling):
            asked |= {**dataclasses.asdict(method), "seed": seed}
            words = "contrast of samples"
            sampled, divergence, estimate, reason = sample_flux(
                network, method, progress, key=jr.key(seed)
            )
            reasons.append("flux, entropy: by sampling known between `lower` and `upper` only")
            reasons.append("correlation_lag0, pair_information: not estimated from samples")
            reasons += ["gradient: needs an exact method"] * has_gradient
            if reason:
                sampled = None
                reasons.append(f"lower, upper, divergence, correlation: {reason}")
            else:
                numbers |= {"divergence": divergence, "correlation": float(estimate.rms)}
                next_correlations = np.asarray(estimate.next)
                stuck = np.flatnonzero(np.asarray(estimate.is_stuck).all(0))
        else:
            exact, found, slopes, words, missing = _solve(given, method, has_gradient, precision)
            reasons += missing
            if exact is not None:
                law, next_correlations = np.asarray(exact.law), np.asarray(found.next)
                stuck = np.flatnonzero(found.is_stuck)
                numbers |= {
                    "entropy": float(exact.entropy),
                    "divergence": float(exact.divergence),
                    "flux": float(exact.flux),
                    "correlation": float(found.rms),
                    "correlation_lag0": float(found.rms_equal_time),
                    "pair_information": float(found.mean_pair_information),
                    "residual": float(exact.residual),
                }
                if slopes is not None:
                    gradient, slope = slopes
                    # without a bias the flux is even in it: x -> -x changes the sign of b alone
                    slope = np.zeros(network.n_units) if slope is None else np.asarray(slope)
                    gradient = np.asarray(gradient)
        if stuck.size:
            reasons.append(
                f"correlation: {counted(stuck.size, 'unit')} never "
                f"change{'s' if stuck.size == 1 else ''} (first: {names[stuck[0]]}), theirs count "
                "as zero"
            )
        return FluxReport(
            parameters=provenance(asked),
            names=names,
            weights=np.asarray(given.weights),
            bias=None if given.bias is None else np.asarray(given.bias),
            **numbers,
            bound=float(eqx.filter_jit(row_norm_bound)(network)),
            method=words,
            law=law,
            next_correlations=next_correlations,
            cycles=cycles,
            gradient=gradient,
            gradient_bias=slope,
            sampled=sampled,
            reason="; ".join(filter(None, reasons)),
        )
