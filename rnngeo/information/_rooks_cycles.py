"""Cycles of rooks matrices by their exact law, at any size."""

import enum
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache

import equinox as eqx
import numpy as np
from jax.typing import ArrayLike

_MOST_CYCLES = 10_000_000
_MOST_UNITS = 30

Block = tuple[int, int]


@cache
def _block_states(length: int, sign: int) -> dict[int, int]:
    r"""States of one permutation cycle by exact period.

    $f^m$ fixes $2^g$ states, $g = \gcd(m, k)$, if the signs met on the way round multiply to
    $s^{m/g} = 1$, and none otherwise; what smaller periods fix is subtracted (Moebius).
    """
    last = length if sign == 1 else 2 * length
    exact: dict[int, int] = {}
    for m in (m for m in range(1, last + 1) if last % m == 0):
        g = math.gcd(m, length)
        fixed = 2**g if sign == 1 or (m // g) % 2 == 0 else 0
        exact[m] = fixed - sum(count for period, count in exact.items() if m % period == 0)
    return {period: count for period, count in exact.items() if count}


def _combine(states: Mapping[int, int], block: Mapping[int, int]) -> dict[int, int]:
    """Independent parts: periods combine to their least common multiple."""
    joint: Counter[int] = Counter()
    for a, n_a in states.items():
        for b, n_b in block.items():
            joint[math.lcm(a, b)] += n_a * n_b
    return dict(joint)


def _blocks(permutation: np.ndarray, signs: np.ndarray) -> list[Block]:
    """Lengths and sign products of the cycles of a signed permutation."""
    blocks, is_seen = [], np.zeros(permutation.size, bool)
    for start in range(permutation.size):
        length, sign, n = 0, 1, start
        while not is_seen[n]:
            is_seen[n] = True
            length, sign, n = length + 1, sign * int(signs[n]), int(permutation[n])
        if length:
            blocks.append((length, sign))
    return blocks


def rooks_cycle_counts(
    permutation: ArrayLike | Sequence, signs: ArrayLike | Sequence
) -> dict[int, int]:
    r"""How many cycles of each length the sign map of a rooks matrix has, at any N.

    A cycle of the permutation of length k with sign product s has, for $g = \gcd(m, k)$, $2^g$
    states with $f^m(x) = x$ if $s = 1$ or $m/g$ is even, and none otherwise. Different cycles of
    the permutation run side by side.

    Args:
        permutation: $\pi$, numbers 0 to N - 1, shape `(n_units,)`.
        signs: $s_n$, 1 or -1, shape `(n_units,)`.

    Returns:
        Number of cycles by length, longest first; exact integers.

    Raises:
        ValueError: Not a permutation, or other signs.

    Cost: the product of the numbers of divisors of the lengths.

    Reference: derived here.
    """
    pi, s = np.asarray(permutation), np.asarray(signs)
    if pi.ndim != 1 or not np.array_equal(np.sort(pi), np.arange(pi.size)):
        raise ValueError(f"`permutation` must hold each of 0 to N - 1 once, got {pi.tolist()}.")
    if s.shape != pi.shape or not np.all(np.abs(s) == 1):
        raise ValueError(f"`signs` must hold {pi.size} numbers 1 or -1, got {s.tolist()}.")
    states = {1: 1}
    for block in _blocks(pi, s):
        states = _combine(states, _block_states(*block))
    return {period: states[period] // period for period in sorted(states, reverse=True)}


def rooks_cycles(permutation: ArrayLike | Sequence, signs: ArrayLike | Sequence) -> np.ndarray:
    """Lengths of all cycles of a rooks matrix's sign map, by the law of `rooks_cycle_counts`.

    Args:
        permutation: As there.
        signs: As there.

    Returns:
        One length a cycle, descending.

    Raises:
        ValueError: As there, or more than 10^7 cycles.

    Cost: memory 8 bytes a cycle.

    Reference: derived here.
    """
    counts = rooks_cycle_counts(permutation, signs)
    n_cycles = sum(counts.values())
    if n_cycles > _MOST_CYCLES:
        raise ValueError(
            f"`permutation` has {n_cycles} cycles of states, at most {_MOST_CYCLES} can be "
            "listed; see `rooks_cycle_counts`."
        )
    return np.repeat(np.array(list(counts)), np.array(list(counts.values())))


class CycleObjective(enum.Enum):
    """What is to be long.

    MEAN_OVER_STARTS: the cycle of a random state. MEAN_OVER_CYCLES: a random cycle. LONGEST: one.
    """

    MEAN_OVER_STARTS = enum.auto()
    MEAN_OVER_CYCLES = enum.auto()
    LONGEST = enum.auto()


_VALUES: dict[CycleObjective, Callable[[Mapping[int, int]], Fraction]] = {
    CycleObjective.MEAN_OVER_STARTS: lambda states: Fraction(
        sum(period * count for period, count in states.items()), sum(states.values())
    ),
    CycleObjective.MEAN_OVER_CYCLES: lambda states: Fraction(
        sum(states.values()), sum(count // period for period, count in states.items())
    ),
    CycleObjective.LONGEST: lambda states: Fraction(max(states)),
}


def _signed_partitions(
    n_units: int, most: Block, blocks: tuple[Block, ...], states: Mapping[int, int]
) -> Iterator[tuple[tuple[Block, ...], Mapping[int, int]]]:
    """All ways to cut N into cycles with signs, largest first, and the states by period."""
    if n_units == 0:
        yield blocks, states
        return
    for length in range(min(n_units, most[0]), 0, -1):
        for sign in (1, -1):
            if (length, sign) <= most:
                block = (length, sign)
                joint = _combine(states, _block_states(*block))
                yield from _signed_partitions(n_units - length, block, (*blocks, block), joint)


class LongestRooks(eqx.Module):
    r"""The signed permutation of the longest cycles, and what it reaches.

    Attributes:
        permutation: $\pi$, cycle after cycle, shape `(n_units,)`; for `rooks`.
        signs: $s_n$, 1 or -1: at most one -1 a cycle.
        blocks: Length and sign product of each cycle of the permutation, largest first.
        value: The objective's value.
    """

    permutation: np.ndarray
    signs: np.ndarray
    blocks: tuple[Block, ...] = eqx.field(static=True)
    value: float


def longest_rooks(
    n_units: int, objective: CycleObjective = CycleObjective.MEAN_OVER_STARTS
) -> LongestRooks:
    r"""Rooks whose sign map has the longest cycles, over all $2^N N!$ of one weight.

    Only the lengths and sign products of the permutation's cycles matter; all partitions of N
    into signed parts are compared, in exact arithmetic. Of equals the first is kept, in the order
    of larger parts first and 1 before -1.

    Args:
        n_units: N.
        objective: What is to be long.

    Returns:
        `LongestRooks`.

    Raises:
        ValueError: `n_units` below 1 or above 30.

    Cost: 752 partitions for N = 11, 24 842 for N = 20, 589 128 for N = 30.

    Reference: derived here.
    """
    if not 1 <= n_units <= _MOST_UNITS:
        raise ValueError(f"`n_units` must be from 1 to {_MOST_UNITS}, got {n_units}.")
    measure = _VALUES[objective]
    best, value = (), Fraction(0)
    for blocks, states in _signed_partitions(n_units, (n_units, 1), (), {1: 1}):
        reached = measure(states)
        if reached > value:
            best, value = blocks, reached
    permutation, signs = np.arange(n_units), np.ones(n_units, int)
    start = 0
    for length, sign in best:
        stop = start + length
        permutation[start:stop] = np.roll(np.arange(start, stop), -1)
        signs[stop - 1] = sign
        start = stop
    return LongestRooks(permutation, signs, best, float(value))
