"""What the mean field says of the dimension of activity: `rnngeo theory dimension`."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rnngeo._types import Nonlinearity
from rnngeo.connectivity import inverse_effective_rank as rank_from_ratio
from rnngeo.meanfield import (
    Observable,
    activity_participation_ratio,
    four_point,
    four_point_function,
    single_site,
    unit_slope_erf,
)
from rnngeo.numerics import computing

RATE_FUNCTIONS: dict[str, Nonlinearity] = {"erf": unit_slope_erf, "tanh": jnp.tanh}


class DimensionTheory(eqx.Module):
    """The dimension of activity of a large network with a given spectrum.

    Dimensions are participation ratios of the covariance, divided by the number of neurons. All
    numbers are NaN below the transition, and `reason` says so.

    Attributes:
        gain: Effective gain g_eff.
        inverse_effective_rank: 1/er.
        gain_ratio: PR^G of single-neuron gains, or None where they are equal.
        variance_current: C_x(0).
        variance_rate: C_phi(0).
        mean_slope: <phi'>.
        tail_time: 1/kappa, in time constants.
        half_time: Lag at which the rates' autocovariance has halved.
        dimension_rate: Of phi(x).
        dimension_current: Of x; NaN with single-neuron gains.
        dimension_scaled_rate: Of G phi(x), with single-neuron gains.
        dimension_readout: Of phi(x) with fresh gains, with single-neuron gains.
        lags: Lags asked for.
        psi_ratio: Psi(tau, 0)/Psi(0, 0) of the rates at each lag.
        reason: Why numbers are NaN.
    """

    gain: float
    inverse_effective_rank: float
    gain_ratio: float | None
    variance_current: float
    variance_rate: float
    mean_slope: float
    tail_time: float
    half_time: float
    dimension_rate: float
    dimension_current: float
    dimension_scaled_rate: float
    dimension_readout: float
    lags: Float[np.ndarray, " lag"]
    psi_ratio: Float[np.ndarray, " lag"]
    reason: str = eqx.field(static=True)

    def summary(self) -> dict[str, Any]:
        """The object that `--json` writes; what does not exist is None, with a reason."""
        names = ["variance_current", "variance_rate", "mean_slope", "tail_time", "half_time"]
        names += ["dimension_rate", "dimension_current"]
        if self.gain_ratio is not None:
            names += ["dimension_scaled_rate", "dimension_readout"]
        finite = lambda value: float(value) if np.isfinite(value) else None
        result: dict[str, Any] = {name: finite(getattr(self, name)) for name in names}
        if self.lags.size:
            result["psi_ratio"] = [finite(value) for value in self.psi_ratio]
        return {**result, "reason": self.reason} if self.reason else result


@eqx.filter_jit
def _evaluate(phi: Nonlinearity, gain: Array, inverse_rank: Array, gain_ratio: Array, lags: Array):
    """All numbers as one program."""
    site = single_site(gain, phi)
    parts = four_point(site)
    dimension = lambda observable: activity_participation_ratio(
        parts, inverse_rank, observable=observable, gain_ratio=gain_ratio
    )
    numbers = {
        "variance_current": site.variance_current,
        "variance_rate": site.variance_rate,
        "mean_slope": site.mean_slope,
        "tail_time": site.tail_time,
        "half_time": site.half_time,
        "dimension_rate": dimension(Observable.RATE),
        "dimension_current": dimension(Observable.CURRENT),
        "dimension_scaled_rate": dimension(Observable.OUTPUT),
        "dimension_readout": dimension(Observable.READOUT),
    }
    psi_ratio = lags
    if lags.size:
        psi = four_point_function(site, lags, inverse_rank, gain_ratio=gain_ratio)
        psi_ratio = psi.principal_autocorrelation
    return site, numbers, psi_ratio


def inverse_rank_of(
    effective_rank: float | None,
    inverse_effective_rank: float | None,
    singular_value_ratio: float | None,
) -> float:
    """1/er from whichever of the three was given; 0, independent couplings, from none."""
    given = {
        "effective_rank": effective_rank,
        "inverse_effective_rank": inverse_effective_rank,
        "singular_value_ratio": singular_value_ratio,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if len(chosen) > 1:
        names = " and ".join(f"`{name}`" for name in chosen)
        raise ValueError(f"{names} exclude one another, got {list(chosen.values())}.")
    if effective_rank is not None:
        if not effective_rank > 0:
            raise ValueError(f"`effective_rank` must be positive, got {effective_rank}.")
        return 1.0 / effective_rank
    if singular_value_ratio is not None:
        return float(rank_from_ratio(singular_value_ratio))
    if inverse_effective_rank is None:
        return 0.0
    if not (inverse_effective_rank >= -1 and np.isfinite(inverse_effective_rank)):
        raise ValueError(
            "`inverse_effective_rank` must be a finite number of at least -1, got "
            f"{inverse_effective_rank}."
        )
    return float(inverse_effective_rank)


def rate_function(nonlinearity: str | Nonlinearity) -> Nonlinearity:
    """phi by name, or as it is."""
    if callable(nonlinearity):
        return nonlinearity
    if nonlinearity not in RATE_FUNCTIONS:
        known = ", ".join(RATE_FUNCTIONS)
        raise ValueError(f"`nonlinearity` must be one of {known}, got {nonlinearity!r}.")
    return RATE_FUNCTIONS[nonlinearity]


def dimension_theory(
    *,
    gain: float | int,
    nonlinearity: str | Nonlinearity = "erf",
    effective_rank: float | int | None = None,
    inverse_effective_rank: float | int | None = None,
    singular_value_ratio: float | int | None = None,
    gain_ratio: float | int | None = None,
    lags: Sequence[float | int] = (),
    precision: str = "float64",
    device: str | None = None,
) -> DimensionTheory:
    r"""The dimension of activity of a chaotic network, from its gain and effective rank.

    Args:
        gain: Effective gain, $g_{eff}^2 = N \mathrm{Var}(J_{ij})$ (times $\langle G^2\rangle$).
        nonlinearity: "erf" ($\mathrm{erf}(\sqrt\pi x/2)$, slope one), "tanh", or any odd
            elementwise function.
        effective_rank: er, positive; infinity for independent couplings, the default.
        inverse_effective_rank: 1/er >= -1 instead; -1 for an orthogonal matrix.
        singular_value_ratio: PR^S of the singular values of J (without gains) instead.
        gain_ratio: PR^G = <G^2>^2/<G^4> of single-neuron gains, in (0, 1].
        lags: tau, in time constants, for $\Psi(\tau, 0)/\Psi(0, 0)$ of the rates.
        precision: "float32" or "float64"; the tail times want float64.
        device: Name of a device; default JAX's.

    Returns:
        `DimensionTheory`; NaN with a reason where g times the slope at zero is 1 or less.

    Raises:
        ValueError: An argument out of range; the message names it.

    Cost: milliseconds once compiled for erf, tenths of a second for other nonlinearities.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), Eqs. (36, 38, 44-46); Clark, Abbott &
    Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023).
    """
    if not (np.isfinite(gain) and gain > 0):
        raise ValueError(f"`gain` must be a positive finite number, got {gain}.")
    if gain_ratio is not None and not 0 < gain_ratio <= 1:
        raise ValueError(f"`gain_ratio` must lie in (0, 1], got {gain_ratio}.")
    if not np.isfinite(np.asarray(lags, float)).all():
        raise ValueError(f"`lags` must be finite numbers, got {list(lags)}.")
    phi = rate_function(nonlinearity)
    with computing(precision, device):
        inverse_rank = inverse_rank_of(effective_rank, inverse_effective_rank, singular_value_ratio)
        spread = 1.0 if gain_ratio is None else gain_ratio
        asked = [jnp.asarray(v, float) for v in (gain, inverse_rank, spread, lags)]
        site, numbers, psi_ratio = _evaluate(phi, *asked)
        numbers = {name: float(value) for name, value in numbers.items()}
        reason = site.reason
        if gain_ratio is not None:
            numbers["dimension_current"] = np.nan
            missing = "dimension_current: not defined with single-neuron gains"
            reason = f"{reason} {missing}".strip()
        return DimensionTheory(
            gain=float(gain),
            inverse_effective_rank=inverse_rank,
            gain_ratio=gain_ratio,
            **numbers,
            lags=np.asarray(lags, float),
            psi_ratio=np.asarray(psi_ratio),
            reason=reason,
        )
