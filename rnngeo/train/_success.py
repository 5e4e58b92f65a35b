"""Did training succeed? From near, and from where networks start."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool

from rnngeo._results import RESULTS
from rnngeo._types import Key, Scalar, ScalarLike
from rnngeo.integrate import steady_state
from rnngeo.models import AbstractMap, FeedbackNetwork
from rnngeo.numerics import wilson_interval
from rnngeo.stability import spectrum

from ._training import check_count, check_number, check_one_output, run_saved


class Success(eqx.Module):
    """Two criteria of success, local and by sampled starting states.

    Attributes:
        local: Largest real part (for a map: modulus) of the eigenvalues of J diag(phi'(x_A)), bulk
            included; the target is locally stable below 1.
        is_local: Whether `local` is below 1.
        basin_fraction: Fraction of the starts with |z - A| below the tolerance at both times. A
            sample, not a proof: see `low` and `high`.
        low: Lower end of its 95 % Wilson interval.
        high: Upper end.
        n_starts: Starts sampled.
        max_deviation: Largest |z - A| over starts and times; NaN or infinite if a start diverged.
        result: That of the relaxation to the clamped state x_A; unless successful, `local` belongs
            to the last iterate.
    """

    local: Scalar
    is_local: Bool[Array, ""]
    basin_fraction: Scalar
    low: Scalar
    high: Scalar
    n_starts: int = eqx.field(static=True)
    max_deviation: Scalar
    result: RESULTS


@eqx.filter_jit
def _judge(network, target, key, n_starts, wide, tolerance, times, dt) -> Success:
    dtype = network.feedback_weights.dtype
    clamped = steady_state(
        network.open_loop(target), jnp.zeros(network.n_units, dtype), throw=False
    )
    eigenvalues = spectrum(network, clamped.value).effective
    is_map = isinstance(network.recurrent, AbstractMap)
    local = jnp.max(jnp.abs(eigenvalues) if is_map else eigenvalues.real)

    key_noise, key_offset = jr.split(key)
    starts = jr.normal(key_noise, (n_starts, network.n_units), dtype)
    if wide is not None:
        k = jr.uniform(key_offset, (n_starts, 1), dtype, wide[0], wide[1])
        starts = starts + k * network.feedback_weights[:, 0]

    def deviation(x0):
        xs = run_saved(network, x0, times, dt)
        return jnp.abs(jax.vmap(network.outputs)(xs)[:, 0] - target)

    deviations = jax.vmap(deviation)(starts)
    count = jnp.sum(jnp.all(deviations < tolerance, axis=1))  # NaN is no success
    low, high = wilson_interval(count, n_starts)
    return Success(
        local=local,
        is_local=local < 1,
        basin_fraction=(count / n_starts).astype(dtype),
        low=low.astype(dtype),
        high=high.astype(dtype),
        n_starts=n_starts,
        max_deviation=jnp.max(deviations),
        result=clamped.result,
    )


def training_success(
    network: FeedbackNetwork,
    target: ScalarLike,
    *,
    key: Key,
    n_starts: int = 64,
    wide: tuple[float, float] | None = None,
    tolerance: ScalarLike = 0.05,
    times: tuple[float, ...] = (70.0, 80.0),
    dt: float = 0.1,
) -> Success:
    r"""Ask a trained network for its target: locally, and from random starts.

    Local: the eigenvalues of $J\,\mathrm{diag}(\phi'(x_A))$ at the state $x_A$ with the output
    clamped at A, bulk and outliers, must have real parts below 1 (moduli, for a map). Basin: the
    fraction of $x(0) \sim N(0, 1)$, shifted by $k m$ if asked, from which $|z - A|$ is below the
    tolerance at all of `times`. The two may disagree both ways, and neither is global stability.

    The local number judges the target only if the closed loop has it as a fixed point, $n\cdot
    \phi(x_A) = A$: after ridge or recursive least squares this holds approximately.

    Args:
        network: The trained network, with the input under which it is judged.
        target: A.
        key: Random key of the starts.
        n_starts: Starts sampled.
        wide: Range (low, high) of a uniform k; the starts are x(0) + k m.
        tolerance: Largest |z - A|.
        times: Ascending times at which z is read, units of `tau`.
        dt: Euler step, units of `tau`; a map ignores it.

    Returns:
        `Success`.

    Raises:
        ValueError: Several outputs, `n_starts` below 1, or `tolerance`, `dt` not positive, or
            `times` not ascending from 0 on, or `wide` not ascending (when known while tracing).

    Cost: one relaxation, one dense eigenvalue problem (25 N^3), and T/dt products of the couplings
    with an N x n_starts matrix. In float32 the eigenvalues are good to some 1e-4.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019), local and global stability
    of the target; the two thresholds and the times are ours.
    """
    check_one_output(network)
    check_count("n_starts", n_starts)
    check_number("tolerance", tolerance, "positive", lambda v: v > 0)
    check_number("dt", dt, "positive", lambda v: v > 0)
    if not times or any(b <= a for a, b in zip((0.0, *times), times, strict=False)):
        raise ValueError(f"`times` must be positive and ascending, got {times}.")
    if wide is not None and not wide[0] < wide[1]:
        raise ValueError(f"`wide` must be (low, high) with low < high, got {wide}.")
    dtype = network.feedback_weights.dtype
    target, tolerance = jnp.asarray(target, dtype), jnp.asarray(tolerance, dtype)
    return _judge(network, target, key, n_starts, wide, tolerance, times, dt)
