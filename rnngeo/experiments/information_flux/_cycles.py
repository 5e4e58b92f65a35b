"""E9: where networks go without noise, as maps between their states."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from rnngeo._progress import Progress
from rnngeo._types import Key
from rnngeo.connectivity import rooks
from rnngeo.information import CycleObjective, attractor_cycles, longest_rooks, rooks_cycles
from rnngeo.models import BinaryNetwork
from rnngeo.plotting import new_axes, plot_state_transitions

from .._claims import Claim, largest_deviation
from ._rooks import dense_matrix
from ._setting import DERIVED, REFERENCE, draw_matrices, mean_claim

N_MATRICES = 2000
_ROOKS = {  # permutation, signs: lengths, means over starts and over cycles
    "rooks, N = 2": ((1, 0), (1, -1), (4,), 4.0, 4.0),
    "rooks, N = 3, +++": ((1, 2, 0), (1, 1, 1), (3, 3, 1, 1), 2.5, 2.0),
    "rooks, N = 3, ++-": ((1, 2, 0), (1, 1, -1), (6, 2), 5.0, 4.0),
    "rooks, N = 5, one 5-cycle": ((1, 2, 3, 4, 0), (1, 1, 1, 1, 1), (5,) * 6 + (1, 1), 4.75, 4.0),
    "rooks, N = 5, 3- and 2-cycle": ((1, 2, 0, 4, 3), (1, 1, -1, 1, -1), (12, 12, 4, 4), 10.0, 8.0),
}
_DENSE = {  # lengths, means over starts and over cycles
    "W8": ("dense, N = 3", (8,), 8.0, 8.0),
    "D422": ("dense, N = 3, uneven", (4, 2, 2), 3.0, 8 / 3),
    "W30": ("dense, N = 5", (30, 2), 28.25, 16.0),
    "all": ("dense, N = 5, all states", (32,), 32.0, 32.0),
    "ones": ("ferromagnet, N = 5", (1, 1), 1.0, 1.0),
}
# Found by evolution of flux and period together, then rounded: a zero-bias sign map without ties
# that runs through all states of five units.
ALL_STATES = (
    (3, -1, -1, 1, -1), (-1, 2, 2, 3, -1), (-1, -3, -2, 2, 1), (1, -2, 3, 2, 1), (1, 1, -1, 1, 3),
)  # fmt: skip
_BEST = {  # N: largest mean over starts, mean over cycles, longest cycle of any rooks
    2: (4.0, 4.0, 4), 3: (5.0, 4.0, 6), 5: (10.0, 8.0, 12), 6: (11.5, 32 / 3, 12),
    8: (23.75, 16.0, 30), 9: (38.0, 32.0, 40), 11: (55.25, 51.2, 60),
}  # fmt: skip
_MEASURES = ("number of cycles", "period over cycles", "period over starts", "longest cycle")
_RANDOM = {  # N: matrices, means and standard deviations of the four
    2: (500, (1.862, 1.882, 1.902, 1.962), (0.862, 0.939, 0.929, 0.917)),
    3: (500, (2.262, 2.167, 2.242, 2.390), (1.132, 1.233, 1.259, 1.283)),
    5: (500, (3.030, 2.959, 3.342, 3.696), (1.660, 1.997, 2.319, 2.494)),
    6: (500, (3.362, 3.451, 4.051, 4.604), (1.804, 2.667, 3.138, 3.399)),
    8: (200, (4.205, 4.438, 5.774, 6.765), (2.774, 3.461, 4.779, 5.326)),
}
_BIJECTIVE = {2: 0.506, 3: 0.064}  # share of bijective maps in 500
_BALANCED = {  # d, b at N = 5: the same of 300 matrices
    (0.4, -1.0): ((2.650, 2.033, 2.140, 2.370), (1.913, 0.739, 0.878, 1.299)),
    (0.4, 0.0): ((2.647, 2.427, 2.578, 2.787), (1.607, 1.482, 1.587, 1.759)),
    (0.4, 1.0): ((4.010, 1.261, 1.344, 1.610), (2.663, 0.390, 0.547, 0.831)),
    (1.0, -1.0): ((1.863, 1.971, 2.014, 2.107), (1.128, 0.369, 0.236, 0.665)),
    (1.0, 0.0): ((3.043, 2.879, 3.254, 3.643), (1.711, 1.991, 2.354, 2.533)),
    (1.0, 1.0): ((3.187, 1.091, 1.043, 1.257), (1.641, 0.205, 0.116, 0.575)),
}
_N_BALANCED = 300
_ALL_MAPS = {2: (4, 8, 8, 2), 3: (14, 240, 48, 48)}  # functions, bijections, rooks, full cycles
_DRAWN = ("rooks, N = 3, ++-", "rooks, N = 5, 3- and 2-cycle", "dense, N = 3", "dense, N = 5",
          "dense, N = 5, all states", "ferromagnet, N = 5")  # fmt: skip


@eqx.filter_jit
def _count(weights: Float[Array, "matrix n_units n_units"]) -> tuple[Array, ...]:
    """The four measures, and whether the map is bijective, for each matrix."""

    def one(matrix):
        cycles = attractor_cycles(BinaryNetwork(matrix))
        reached = jnp.zeros(cycles.next_state.size, bool).at[cycles.next_state].set(True)
        return (cycles.n_cycles, cycles.mean_over_cycles, cycles.mean_over_starts,
                cycles.longest, jnp.all(reached))  # fmt: skip

    return jax.lax.map(one, weights, batch_size=500)


def _threshold_rows(n_units: int) -> np.ndarray:
    """The smallest row of small weights without ties for every sign function of N signs."""
    states = np.array(list(itertools.product((-1, 1), repeat=n_units)))
    functions = {}
    rows = itertools.product(range(-2, 3), repeat=n_units)
    for row in sorted(rows, key=lambda row: sum(map(abs, row))):
        fields = states @ np.array(row)
        if np.all(fields != 0):
            functions.setdefault(tuple(fields > 0), row)
    return np.array(list(functions.values()), float)


def _check_all_maps(n_units: int) -> list[Claim]:
    """Every zero-bias network without ties, up to its sign map."""
    rows = _threshold_rows(n_units)
    chosen = np.array(list(itertools.product(range(len(rows)), repeat=n_units)))
    matrices = rows[chosen]
    counts = [np.asarray(v) for v in _count(jnp.asarray(matrices))]
    is_bijective, longest = counts[4], counts[3]
    # Rooks: every row decides like a single weight, each unit in turn.
    single = np.array([np.sum(np.abs(row) > 0) == 1 for row in rows])
    leader = np.argmax(np.abs(rows), axis=1)
    is_rooks = single[chosen].all(axis=1) & (
        np.sort(leader[chosen], axis=1) == np.arange(n_units)
    ).all(axis=1)
    found = (len(rows), is_bijective.sum(), (is_rooks & is_bijective).sum(),
             (longest == 2**n_units).sum())  # fmt: skip
    names = ("sign functions", "bijective maps", "bijective maps that are rooks",
             "maps of one cycle through all states")  # fmt: skip
    return [
        Claim("E9", f"number of {name}, N = {n_units}", expected, int(measured), 0, REFERENCE)
        for name, expected, measured in zip(names, _ALL_MAPS[n_units], found, strict=True)
    ]


def _named_matrices() -> dict[str, tuple[np.ndarray, tuple[int, ...], float, float]]:
    """Matrices with the cycles they must have."""
    named = {
        name: (np.asarray(rooks(np.array(pi), np.array(s), 1.0).as_matrix()), *rest)
        for name, (pi, s, *rest) in _ROOKS.items()
    }
    for key, (name, *rest) in _DENSE.items():
        special = {"ones": np.ones((5, 5)), "all": np.array(ALL_STATES, float)}
        matrix = special[key] if key in special else dense_matrix(key)
        named[name] = (matrix, *rest)
    return named


def _check_named() -> tuple[list[Claim], dict]:
    claims, graphs = [], {}
    for name, (matrix, lengths, over_starts, over_cycles) in _named_matrices().items():
        cycles = graphs[name] = attractor_cycles(BinaryNetwork(matrix))
        listed = " ".join(map(str, lengths))
        source = DERIVED if np.array_equal(matrix, ALL_STATES) else REFERENCE
        claims += [
            Claim("E9", f"{name}: largest difference from lengths {listed}", 0,
                  largest_deviation(cycles.lengths, lengths), 0, source),
            Claim("E9", f"{name}: period over starts", over_starts,
                  float(cycles.mean_over_starts), 1e-12, source),
            Claim("E9", f"{name}: period over cycles", over_cycles,
                  float(cycles.mean_over_cycles), 1e-12, source),
        ]  # fmt: skip
        if name in _ROOKS:
            law = rooks_cycles(*map(np.array, _ROOKS[name][:2]))
            claims.append(Claim("E9", f"{name}: largest difference from the law of rooks", 0,
                                largest_deviation(cycles.lengths, law), 0, DERIVED))  # fmt: skip
    for n_units, numbers in _BEST.items():
        for objective, expected in zip(CycleObjective, numbers, strict=True):
            words = objective.name.lower().replace("_", " ")
            measured = longest_rooks(n_units, objective).value
            claims.append(Claim("E9", f"largest {words} of rooks, N = {n_units}", expected,
                                measured, 1e-9, REFERENCE))  # fmt: skip
    return claims, graphs


def _check_random(progress: Progress, key: Key) -> list[Claim]:
    claims, total = [], len(_RANDOM) + len(_BALANCED)
    for k, (n_units, (n_expected, means, spreads)) in enumerate(_RANDOM.items()):
        progress("random matrices", k, total)
        key_size = jr.fold_in(key, n_units)
        weights = draw_matrices(N_MATRICES, 1.0, n_units=n_units, key=key_size)
        *counts, is_bijective = (np.asarray(v) for v in _count(weights))
        claims += [
            mean_claim("E9", f"mean {name}, random W, N = {n_units}", mean, spread, values,
                       n_expected=n_expected, rounding=0.5e-3)
            for name, mean, spread, values in zip(_MEASURES, means, spreads, counts, strict=True)
        ]  # fmt: skip
        if n_units in _BIJECTIVE:
            share = _BIJECTIVE[n_units]
            spread = (share * (1 - share)) ** 0.5
            words = f"share of bijective maps, random W, N = {n_units}"
            claims.append(mean_claim("E9", words, share, spread, is_bijective,
                                     n_expected=n_expected, rounding=0.5e-3))  # fmt: skip
    for k, ((density, balance), (means, spreads)) in enumerate(_BALANCED.items()):
        progress("random matrices", len(_RANDOM) + k, total)
        weights = draw_matrices(
            N_MATRICES, 1.0, density=density, balance=balance, key=jr.fold_in(key, 100 + k)
        )
        *counts, _ = (np.asarray(v) for v in _count(weights))
        claims += [
            mean_claim("E9", f"mean {name}, N = 5, d = {density:g}, b = {balance:g}", mean,
                       spread, values, n_expected=_N_BALANCED, rounding=0.5e-3)
            for name, mean, spread, values in zip(_MEASURES, means, spreads, counts, strict=True)
        ]  # fmt: skip
    progress("random matrices", total, total)
    return claims


def run_e9(progress: Progress, key: Key) -> tuple[list[Claim], xr.Dataset]:
    """Cycles of constructed, of all small and of random networks."""
    claims, graphs = _check_named()
    for k, n_units in enumerate(_ALL_MAPS):
        progress("all maps", k, len(_ALL_MAPS))
        claims += _check_all_maps(n_units)
    progress("all maps", len(_ALL_MAPS), len(_ALL_MAPS))
    claims += _check_random(progress, key)
    data = {}
    for k, name in enumerate(_DRAWN):
        data[f"next_{k}"] = (f"state_{k}", np.asarray(graphs[name].next_state))
    return claims, xr.Dataset(data, attrs={"names": list(_DRAWN)})


def draw_e9(data: xr.Dataset):
    """A map between states for each matrix."""
    names = data.attrs["names"]
    axes = new_axes(2, 3, size=(4.4, 4.4))
    for k, (ax, name) in enumerate(zip(axes.ravel(), names, strict=True)):
        plot_state_transitions(data[f"next_{k}"].values, ax=ax)
        ax.set_title(f"{name}\n{ax.get_title()}", fontsize=10)
    return axes[0, 0]
