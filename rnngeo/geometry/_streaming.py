"""Covariances of a running network, accumulated while it runs."""

import hashlib
import math
import time
from dataclasses import dataclass
from pathlib import Path

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from rnngeo._progress import Progress, silent
from rnngeo._results import RESULTS
from rnngeo._types import State
from rnngeo.files import load_checkpoint, save_checkpoint
from rnngeo.models import AbstractFlow, AbstractMap, AbstractNetwork

from ._covariance import Covariances, Duration, lag_counts, moment_sums, whole_number

_BATCH = 64  # samples whose products are added by one matrix product
_N_ADVANCE = 4  # batches between two looks at the clock
_CHECKPOINT_SECONDS = 20.0
_SAVING_SHARE = 0.05  # of the time of a run that saving may take


class ActivityCovariances(eqx.Module):
    """What was measured while a network ran.

    Attributes:
        rates: Moments of phi(x); blocks are ordered by replica, then by time.
        currents: Moments of x, or None where they were not asked for.
        x: States at the end, shape `(replica, n_units)`; a further run may start here.
        result: `RESULTS.trajectory_diverged` if any replica left the finite range.
    """

    rates: Covariances
    currents: Covariances | None
    x: Float[Array, "replica n_units"]
    result: RESULTS


@dataclass(frozen=True)
class _Plan:
    """The schedule, counted in samples; static."""

    n_blocks: int
    n_samples: int
    n_transient: int
    n_gap: int
    n_steps: int  # solver steps between samples
    step: float
    counts: tuple[int, ...]
    n_delays: int
    has_currents: bool

    @property
    def n_past(self) -> int:
        return max(self.counts[-1], self.n_delays - 1)

    @property
    def batch(self) -> int:
        return math.ceil(self.n_samples / math.ceil(self.n_samples / _BATCH))

    @property
    def n_lead(self) -> int:
        return math.ceil(self.n_transient / self.batch)

    @property
    def period(self) -> int:
        """Batches from the start of a block to the start of the next."""
        return math.ceil(self.n_samples / self.batch) + math.ceil(self.n_gap / self.batch)

    @property
    def n_batches(self) -> int:
        block = math.ceil(self.n_samples / self.batch)
        return self.n_lead + (self.n_blocks - 1) * self.period + block


class _Sums(eqx.Module):
    moment: Float[Array, "replica block lag n_units n_units"]
    mean: Float[Array, "replica block lag n_units"]
    traces: Float[Array, "replica block delay"]


class _Running(eqx.Module):
    """A run under way: only arrays, so it can be saved and restored bit for bit."""

    x: Float[Array, "replica n_units"]
    memory: PyTree
    past: Float[Array, "replica past n_units"]
    n_done: Int[Array, ""]
    rates: _Sums
    currents: _Sums | None


class _Drive(eqx.Module):
    """The velocity of all replicas at once, as diffrax calls it."""

    network: AbstractFlow
    u: State

    def __call__(self, t, x, args):
        return jax.vmap(lambda y: self.network.drift(t, y, self.u))(x)


def _memory(network, u, solver, x, step: float) -> PyTree:
    if isinstance(network, AbstractMap):
        return None
    terms = dfx.ODETerm(_Drive(network, u))
    t = jnp.zeros((), x.dtype)
    return jax.tree.map(jnp.asarray, solver.init(terms, t, t + step, x, None))


def _begin(network, x0, u, solver, plan: _Plan) -> _Running:
    n_replicas, n_units = x0.shape

    def sums() -> _Sums:
        lead, lags = (n_replicas, plan.n_blocks), (len(plan.counts), n_units)
        zeros = lambda *shape: jnp.zeros(lead + shape, x0.dtype)
        return _Sums(zeros(*lags, n_units), zeros(*lags), zeros(plan.n_delays))

    return _Running(
        x=jnp.array(x0, copy=True),
        memory=_memory(network, u, solver, x0, plan.step),
        past=jnp.zeros((n_replicas, plan.n_past, n_units), x0.dtype),
        n_done=jnp.zeros((), jnp.int32),
        rates=sums(),
        currents=sums() if plan.has_currents else None,
    )


def _run_batch(network, u, solver, plan: _Plan, state: _Running) -> _Running:
    """Run for one batch of samples and add its products to those of the block it lies in."""
    t = jnp.zeros((), state.x.dtype)

    def step(carry, _):
        x, memory = carry
        if isinstance(network, AbstractMap):
            return (jax.vmap(lambda y: network.update(t, y, u))(x), None), None
        terms = dfx.ODETerm(_Drive(network, u))
        x, _, _, memory, _ = solver.step(terms, t, t + plan.step, x, None, memory, False)
        return (x, memory), None

    def sample(carry, _):
        carry, _ = jax.lax.scan(step, carry, None, length=plan.n_steps)
        return carry, carry[0]

    (x, memory), xs = jax.lax.scan(sample, (state.x, state.memory), None, length=plan.batch)
    extended = jnp.concatenate([state.past, jnp.swapaxes(xs, 0, 1)], axis=1)
    since = state.n_done - plan.n_lead
    block, place = jnp.divmod(since, plan.period)
    offset = place * plan.batch + jnp.arange(plan.batch)
    is_counted = (offset < plan.n_samples) & (since >= 0)
    block = jnp.clip(block, 0, plan.n_blocks - 1)

    def added(sums: _Sums, activity) -> _Sums:
        batch = jax.vmap(lambda a: moment_sums(a, is_counted, plan.counts, plan.n_delays))
        old, new = (sums.moment, sums.mean, sums.traces), batch(activity)
        return _Sums(*(a.at[:, block].add(b) for a, b in zip(old, new, strict=True)))

    currents = None if state.currents is None else added(state.currents, extended)
    return _Running(
        x=x,
        memory=memory,
        past=extended[:, extended.shape[1] - plan.n_past :],
        n_done=state.n_done + 1,
        rates=added(state.rates, network.nonlinearity(extended)),
        currents=currents,
    )


@eqx.filter_jit(donate="all-except-first")
def _advance(fixed, state: _Running, n_batches) -> _Running:
    network, u, solver, plan = fixed
    end = jnp.minimum(state.n_done + n_batches, plan.n_batches)
    step = lambda s: _run_batch(network, u, solver, plan, s)
    return jax.lax.while_loop(lambda s: s.n_done < end, step, state)


def _moments(sums: _Sums, plan: _Plan, interval: Duration) -> Covariances:
    flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]) / plan.n_samples, sums)
    dtype = flat.moment.dtype
    return Covariances(
        moment=flat.moment,
        mean=flat.mean,
        autocovariance=flat.traces / flat.moment.shape[-1],
        lags=jnp.asarray(plan.counts, dtype) * interval,
        interval=jnp.asarray(interval, dtype),
        n_samples=plan.n_samples,
    )


def _digest(tree: PyTree) -> str:
    """Tells the arrays of one run from those of another."""
    total = hashlib.sha256()
    for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array)):
        total.update(np.ascontiguousarray(leaf).tobytes())
    return total.hexdigest()


def _plan(
    network, block_time, n_blocks, transient, gap, interval, dt, lags, max_delay, has_currents
) -> _Plan:
    if n_blocks < 1:
        raise ValueError(f"`n_blocks` must be at least 1, got {n_blocks}.")
    for name, value in (("interval", interval), ("dt", dt)):
        if value is not None and not value > 0:
            raise ValueError(f"`{name}` must be positive, got {value}.")
    if transient < 0:
        raise ValueError(f"`transient` must not be negative, got {transient}.")
    if isinstance(network, AbstractMap):
        n_steps = whole_number("interval", interval, 1.0, least=1)
    else:
        n_steps = math.ceil(interval / dt - 1e-9)
    counts = lag_counts(lags, interval)
    n_delays = 1 + whole_number("max_delay", max_delay, interval)
    reach = max(counts[-1], n_delays - 1) * interval
    gap = max(20.0, reach) if gap is None else gap
    if gap < reach:
        raise ValueError(
            f"`gap` must be at least the longest lag or delay, {reach}, got {gap}: blocks would "
            "share samples."
        )
    n_samples = whole_number("block_time", block_time, interval, least=2)
    up = lambda span: math.ceil(span / interval - 1e-9)
    return _Plan(
        n_blocks=n_blocks, n_samples=n_samples, n_transient=up(max(transient, reach)),
        n_gap=up(gap), n_steps=n_steps, step=interval / n_steps, counts=counts, n_delays=n_delays,
        has_currents=has_currents,
    )  # fmt: skip


def accumulate_covariances(
    network: AbstractNetwork,
    x0: Float[ArrayLike, "..."],
    *,
    block_time: Duration,
    n_blocks: int = 8,
    transient: Duration = 100.0,
    gap: Duration | None = None,
    interval: Duration = 1.0,
    dt: Duration | None = None,
    lags: tuple[Duration, ...] = (0.0,),
    max_delay: Duration = 0.0,
    has_currents: bool = True,
    u: State | None = None,
    solver: dfx.AbstractSolver | None = None,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
    provenance: dict | None = None,
    throw: bool = True,
) -> ActivityCovariances:
    r"""Run a network and accumulate the covariances of its activity; no trajectory is kept.

    Every `interval` the state joins a batch of samples; a full batch X is added to the moments of
    its block by one product $X^\top X$ per lag. Blocks are kept apart, so that the estimators can
    multiply covariances of independent stretches of time and of independent replicas.

    Args:
        network: Flow or map without explicit time, with a `nonlinearity`; its weights may be any
            operator, and a factored one is never multiplied out.
        x0: Starting states, shape `(replica, n_units)`. Replicas share every matrix product: eight
            cost hardly more than one.
        block_time: Length of a block, a whole multiple of `interval`.
        n_blocks: Blocks per replica.
        transient: Time before the first block.
        gap: Time between blocks, for their independence, rounded up to whole batches. Default: 20,
            or the longest lag or delay if that is longer.
        interval: Time between samples; steps, for a map.
        dt: Fixed step of a flow, cut to a whole number per `interval`. Default 0.1.
        lags: Lags of the covariance matrices, whole multiples of `interval`, ascending from zero.
        max_delay: Longest delay of the neuron-averaged autocovariance; a matrix of times only.
        has_currents: Measure x as well as phi(x).
        u: Constant input, shape `(n_units,)`.
        solver: diffrax solver of a flow, run at fixed steps. Default: `dfx.Bosh3()`, three
            evaluations a step.
        progress: Called with "batches", how many are done and how many there are.
        checkpoint: File to save to every 20 s, less often if it is large, and to resume from, bit
            for bit on one device; it is removed at the end. A file of another network, start or
            schedule is ignored.
        provenance: What else tells this run from another, kept with the checkpoint.
        throw: Raise if a replica diverges; if `False`, read `result`.

    Returns:
        `ActivityCovariances` with replicas x `n_blocks` blocks.

    Raises:
        ValueError: Wrong shape or kind of network, times that do not fit one another.
        RuntimeError: `trajectory_diverged`, with `throw=True`.

    Cost: per step as many products with the weights as the solver has stages, per sample and
        observable N^2 times the number of lags; memory N^2 per block, lag and observable.

    Reference: Clark et al., Phys. Rev. X 15, 041019 (2025), protocol of the simulations.
    """
    if not isinstance(network, AbstractFlow | AbstractMap) or not hasattr(network, "nonlinearity"):
        raise ValueError(
            "`network` must be a flow or a map with a `nonlinearity`, got "
            f"{type(network).__name__}."
        )
    x0 = jnp.asarray(x0)
    if x0.ndim != 2 or x0.shape[1] != network.n_units:
        raise ValueError(
            f"`x0` must have shape (replica, {network.n_units}), got shape {x0.shape}."
        )
    if isinstance(network, AbstractMap) and (dt is not None or solver is not None):
        raise ValueError("`dt` and `solver` are for flows, got a map.")
    plan = _plan(
        network, block_time, n_blocks, transient, gap, interval, 0.1 if dt is None else dt, lags,
        max_delay, has_currents,
    )  # fmt: skip
    drive = jnp.zeros(network.n_units, x0.dtype) if u is None else jnp.asarray(u, x0.dtype)
    if drive.shape != (network.n_units,):
        raise ValueError(f"`u` must have shape ({network.n_units},), got shape {drive.shape}.")
    solver = dfx.Bosh3() if solver is None else solver
    fixed = (network, drive, solver, plan)
    state = _begin(network, x0, drive, solver, plan)
    path = None if checkpoint is None else Path(checkpoint)
    stamp = {}
    if path is not None:
        phi = getattr(network.nonlinearity, "__qualname__", repr(network.nonlinearity))
        stamp = dict(provenance or {}, plan=repr(plan), solver=repr(solver), nonlinearity=phi)
        stamp["network"] = repr(network)
        stamp["arrays"] = _digest((network, x0, drive, solver))
        restored = load_checkpoint(path, state, stamp)
        state = state if restored is None else restored
    saved, pause = time.monotonic(), _CHECKPOINT_SECONDS
    done = int(state.n_done)
    while done < plan.n_batches:
        state = _advance(fixed, state, jnp.asarray(_N_ADVANCE, jnp.int32))
        done = int(state.n_done)
        progress("batches", done, plan.n_batches)
        if path is not None and time.monotonic() - saved > pause:
            begin = time.monotonic()
            save_checkpoint(path, state, stamp)
            saved = time.monotonic()
            pause = max(_CHECKPOINT_SECONDS, (saved - begin) / _SAVING_SHARE)
    if path is not None:
        path.unlink(missing_ok=True)
    is_bad = ~jnp.all(jnp.isfinite(state.x))
    result = RESULTS.where(is_bad, RESULTS.trajectory_diverged, RESULTS.successful)
    x = result.error_if(state.x, is_bad) if throw else state.x
    return ActivityCovariances(
        rates=_moments(state.rates, plan, interval),
        currents=None if state.currents is None else _moments(state.currents, plan, interval),
        x=x,
        result=result,
    )
