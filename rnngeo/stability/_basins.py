"""Global stability: which attractor a start belongs to, over many starts."""

import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from rnngeo._progress import Progress, silent
from rnngeo._types import Key, Nonlinearity, State
from rnngeo.files import load_checkpoint, save_checkpoint
from rnngeo.integrate import RowEnd, RowResults, RowSolver, solve_rows
from rnngeo.models import FeedbackNetwork
from rnngeo.numerics import wilson_interval

from ._newton import merge_states, polish, rms
from ._spectrum import is_stable_state

_N_SKETCH = 8  # random projections that tell end states apart without keeping them
_MATCH = 0.05  # a settled state this near (relative) to a known fixed point is taken to be at it
_MAX_REPRESENTATIVES = 64
_CHECKPOINT_SECONDS = 20.0
_N_ADVANCE = 64  # iterations of the queue between two looks at the clock

UNDECIDED, DIVERGED = -1, -2


class WideStarts(eqx.Module):
    r"""Start i is $x(0) = \xi + k m$ with $\xi \sim N(0, 1)$ and k uniform in an interval.

    Gaussian states alone rarely meet the other attractors of a feedback network; displaced along
    the feedback vector they do. A start depends on the key and its own index only.

    Attributes:
        direction: m, shape `(n_units,)`.
        reach: Ends of the interval of k, shape `(2,)`; (0, 0) gives Gaussian states.
        key: Random key.
    """

    direction: Float[Array, " n_units"]
    reach: Float[Array, "2"]
    key: Key

    def __call__(self, i: Int[Array, ""]) -> State:
        key_state, key_shift = jr.split(jr.fold_in(self.key, i))
        dtype = self.direction.dtype
        k = jr.uniform(key_shift, (), dtype, self.reach[0], self.reach[1])
        return jr.normal(key_state, self.direction.shape, dtype) + k * self.direction


class Basins(eqx.Module):
    """How much of the starts each attractor owns.

    Attributes:
        output: z of each attractor, ascending in the first output, shape `(attractor, n_outputs)`.
        state: Shape `(attractor, n_units)`.
        count: Starts that end there, shape `(attractor,)`.
        fraction: count / n_starts; undecided and diverged starts are in the denominator.
        low: Lower end of the 95 % Wilson interval of the fraction.
        high: Upper end.
        label: Attractor of each start, `UNDECIDED` (-1) or `DIVERGED` (-2), shape `(start,)`.
        n_steps: Steps each start took, shape `(start,)`.
        n_starts: All starts.
        n_undecided: Starts that did not come to rest, or rested where nothing attracts.
        n_diverged: Starts that left the finite range.
    """

    output: Float[Array, "attractor n_outputs"]
    state: Float[Array, "attractor n_units"]
    count: Int[Array, " attractor"]
    fraction: Float[Array, " attractor"]
    low: Float[Array, " attractor"]
    high: Float[Array, " attractor"]
    label: Int[Array, " start"]
    n_steps: Int[Array, " start"]
    n_starts: int = eqx.field(static=True)
    n_undecided: int = eqx.field(static=True)
    n_diverged: int = eqx.field(static=True)


class _Sketch(eqx.Module):
    """A few numbers that tell end states apart: random projections and outputs."""

    readout: Float[Array, "n_units n_outputs"]
    projection: Float[Array, "n_sketch n_units"]
    nonlinearity: Nonlinearity = eqx.field(static=True)

    def __call__(self, x: State) -> Float[Array, " n_numbers"]:
        return jnp.concatenate([self.projection @ x, self.readout.T @ self.nonlinearity(x)])


@eqx.filter_jit
def _sketches(sketch: _Sketch, states: Float[Array, "point n_units"]) -> Array:
    return jax.vmap(sketch)(states)


@eqx.filter_jit
def _outputs(network: FeedbackNetwork, states: Float[Array, "point n_units"]) -> Array:
    return jax.vmap(network.outputs)(states)


def _whole(x: State) -> State:
    return x


def _sweep(
    solver: RowSolver, n_starts: int, progress: Progress, checkpoint: Path | None, provenance: dict
) -> RowResults:
    """Run the queue to its end, saving and resuming on the way."""
    state = solver.init(jnp.arange(n_starts))
    if checkpoint is not None:
        restored = load_checkpoint(checkpoint, state, provenance)
        state = state if restored is None else restored
    saved = time.monotonic()
    while not solver.is_finished(state):
        state = solver.advance(state, _N_ADVANCE)
        progress("starts", int(solver.n_finished(state)), n_starts)
        if checkpoint is not None and time.monotonic() - saved > _CHECKPOINT_SECONDS:
            save_checkpoint(checkpoint, state, provenance)
            saved = time.monotonic()
    return solver.results(state)


def _match(sketches: np.ndarray, known: np.ndarray, scale: float) -> np.ndarray:
    """Index of the nearest known sketch where it is near and no other is nearly as near, or -1."""
    if len(known) == 0:
        return np.full(len(sketches), -1)
    distance = np.linalg.norm(sketches[:, None] - known[None], axis=2)
    nearest = np.argmin(distance, axis=1)
    near = distance[np.arange(len(sketches)), nearest]
    apart = np.linalg.norm(known[:, None] - known[None], axis=2) + np.diag(
        np.full(len(known), np.inf)
    )
    allowed = np.minimum(_MATCH * scale, 0.3 * apart.min(axis=1))
    return np.where(near < allowed[nearest], nearest, -1)


def _rows(rows: list, width: int, dtype) -> Array:
    """Rows as one array, also where there is none or they are empty."""
    return jnp.asarray(rows, dtype).reshape(len(rows), width)


def sweep_basins(
    network: FeedbackNetwork,
    n_starts: int,
    *,
    start: WideStarts | None = None,
    key: Key | None = None,
    known_states: Float[Array, "point n_units"] | None = None,
    known_stability: Bool[ArrayLike, " point"] | None = None,
    t1: float = 1e3,
    progress: Progress = silent,
    checkpoint: str | Path | None = None,
    provenance: dict | None = None,
) -> Basins:
    r"""Let many starts run to rest, find the attractors they reach, and count.

    Every start is integrated with its own steps until its velocity is small against its state,
    then matched to a known fixed point; end states that match none are refined by Newton's method
    and join the list if they are fixed points that attract. Starts that rest nowhere, or at a
    point that does not attract, are undecided: they are counted, never dropped.

    Args:
        network: The network, closed loop; several outputs or none are fine.
        n_starts: Number of starts.
        start: Start states by index; default `WideStarts` along the first feedback vector, k in
            [-3, 3], which needs `key`.
        key: Random key of the default starts.
        known_states: Fixed points already found, shape `(point, n_units)`.
        known_stability: Whether each of them attracts, shape `(point,)`; default: found out.
        t1: Longest time a start may take (steps, for a map).
        progress: Called with "starts", how many have ended, and how many there are.
        checkpoint: File to save to every 20 s and to resume from, bit for bit on one device; it is
            removed at the end.
        provenance: What tells this run from another (parameters, seeds), kept with the checkpoint.

    Returns:
        `Basins`.

    Raises:
        ValueError: `n_starts` below 1, neither `start` nor `key`, or `known_stability` of another
            length than `known_states`.

    Cost: the sum over starts of their own steps, times N^2 for a dense network; memory for the
    states of a fixed number of lanes plus a few numbers a start.

    Reference: Menck et al., Nature Phys. 9, 89 (2013) (basin fractions); Wilson, J. Am. Stat.
    Assoc. 22, 209 (1927) (intervals).
    """
    if n_starts < 1:
        raise ValueError(f"`n_starts` must be at least 1, got {n_starts}.")
    n_known = 0 if known_states is None else len(known_states)
    if known_stability is not None and np.shape(known_stability) != (n_known,):
        raise ValueError(
            f"`known_stability` must have shape ({n_known},) as `known_states` has, got "
            f"{np.shape(known_stability)}."
        )
    dtype = network.input_weights.dtype
    if start is None:
        if key is None:
            raise ValueError("`key` must be given where `start` is not.")
        has_loop = network.n_outputs > 0
        direction = network.feedback_weights[:, 0] if has_loop else network.input_weights
        start = WideStarts(direction, jnp.asarray([-3.0, 3.0], dtype), key)
    closed = network.closed_loop
    projection = jr.normal(jr.key(0), (_N_SKETCH, network.n_units), dtype)
    sketch = _Sketch(
        network.readout_weights,
        projection / np.sqrt(_N_SKETCH * network.n_units),
        network.recurrent.nonlinearity,
    )
    solver = RowSolver(closed, start, sketch, t1=t1)
    path = None if checkpoint is None else Path(checkpoint)
    ends = _sweep(solver, n_starts, progress, path, provenance or {})
    codes, sketches = np.asarray(ends.code), np.asarray(ends.summary)

    known = np.zeros((0, network.n_units), dtype) if known_states is None else known_states
    states = [jnp.asarray(x) for x in known]
    stability = dict(enumerate(() if known_stability is None else np.asarray(known_stability)))
    label = np.full(n_starts, UNDECIDED)
    label[codes == RowEnd.DIVERGED] = DIVERGED
    settled = np.flatnonzero(codes == RowEnd.SETTLED)
    scale = 1 + float(np.sqrt(np.mean(sketches[settled, :_N_SKETCH] ** 2))) if len(settled) else 1.0

    def assign() -> np.ndarray:
        """Match what is settled and unmatched; return the rows that match nothing."""
        known_sketches = np.asarray(_sketches(sketch, jnp.stack(states))) if states else np.zeros(0)
        rows = settled[label[settled] < 0]
        label[rows] = _match(sketches[rows], known_sketches, scale)
        return rows[label[rows] < 0]

    strangers = assign()
    if len(strangers):
        groups = merge_states(sketches[strangers], 0.1 * _MATCH * scale)
        firsts = [strangers[groups == g][0] for g in np.unique(groups)][:_MAX_REPRESENTATIVES]
        rested = solve_rows(closed, start, jnp.asarray(firsts), summarise=_whole, t1=t1).summary
        for x in rested:
            root, _, found = polish(closed, x)
            if bool(found) and float(rms(root - x)) < 2 * _MATCH * (1 + float(rms(x))):
                is_new = all(float(rms(root - y)) > 1e-6 * (1 + float(rms(root))) for y in states)
                states = [*states, root] if is_new else states
        assign()

    hit = [k for k in range(len(states)) if np.any(label == k)]
    attracting = [
        k for k in hit if (stability[k] if k in stability else is_stable_state(closed, states[k]))
    ]
    at = _rows([states[k] for k in attracting], network.n_units, dtype)
    z = dict(zip(attracting, np.asarray(_outputs(network, at)), strict=True))
    attracting.sort(key=lambda k: tuple(z[k]))
    renamed = np.full(len(states) + 2, UNDECIDED)
    renamed[DIVERGED] = DIVERGED  # the last two entries are reached by the negative labels
    renamed[attracting] = np.arange(len(attracting))
    label = renamed[label]
    count = np.array([np.sum(label == k) for k in range(len(attracting))], int)
    low, high = wilson_interval(jnp.asarray(count), n_starts)
    if path is not None:
        path.unlink(missing_ok=True)
    return Basins(
        output=_rows([z[k] for k in attracting], network.n_outputs, dtype),
        state=_rows([states[k] for k in attracting], network.n_units, dtype),
        count=jnp.asarray(count),
        fraction=jnp.asarray(count / n_starts),
        low=low,
        high=high,
        label=jnp.asarray(label),
        n_steps=ends.n_steps,
        n_starts=n_starts,
        n_undecided=int(np.sum(label == UNDECIDED)),
        n_diverged=int(np.sum(label == DIVERGED)),
    )
