"""Pictures of a map on states: its cycles and what flows into them."""

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from ._axes import CYCLE, QUIET, STABLE, axes_or_new

_GAP = 0.45  # around what belongs to a cycle
_SPACING = 0.75  # between neighbours on a ring


def _split(following: np.ndarray) -> tuple[list[list[int]], list[list[int]]]:
    """The cycles, each in the order of the map, and what leads to each state from off them."""
    jump = following
    for _ in range(following.size.bit_length()):
        jump = jump[jump]
    is_cyclic = np.zeros(following.size, bool)
    is_cyclic[jump] = True
    cycles, seen = [], np.zeros(following.size, bool)
    for start in np.flatnonzero(is_cyclic):
        cycle, state = [], int(start)
        while not seen[state]:
            seen[state] = True
            cycle.append(state)
            state = int(following[state])
        if cycle:
            cycles.append(cycle)
    leading: list[list[int]] = [[] for _ in range(following.size)]
    for state in np.flatnonzero(~is_cyclic):
        leading[following[state]].append(int(state))
    return cycles, leading


def _levels(roots: list[int], leading: list[list[int]]) -> list[list[int]]:
    """States by their distance from the roots."""
    levels = [roots]
    while following := [before for state in levels[-1] for before in leading[state]]:
        levels.append(following)
    return levels


def _disc(cycle: list[int], leading: list[list[int]]) -> dict[int, np.ndarray]:
    """Places of a cycle and its basin around the origin."""
    levels = _levels(cycle, leading)
    leaves: dict[int, int] = {}
    for level in reversed(levels):
        for state in level:
            leaves[state] = max(1, sum(leaves[before] for before in leading[state]))
    share = {state: leaves[state] + 0.5 * sum(leaves[c] for c in cycle) / len(cycle)
             for state in cycle}  # fmt: skip
    # sectors in proportion to the leaves behind them, on rings where the closest have their space
    begin, width, place, at = {}, {}, {}, 0.0
    for state in cycle:
        begin[state], width[state] = at, 2 * np.pi * share[state] / sum(share.values())
        at += width[state]
    radius = 0.0
    for i, level in enumerate(levels):
        middles = np.array([begin[state] + 0.5 * width[state] for state in level])
        apart = np.diff(middles, append=middles[0] + 2 * np.pi).min()
        if i > 0 or len(cycle) > 1:
            radius = max(radius + (1.0 if i > 0 else 0.4), _SPACING / apart)
        for state in level:
            middle = begin[state] + 0.5 * width[state]
            place[state] = radius * np.array([np.sin(middle), np.cos(middle)])
            if i > 0:  # no wider than its leaves need, so that few of them stay close
                needed = leaves[state] * _SPACING / radius
                width[state] = min(width[state], max(0.5 * np.pi, needed))
            at = middle - 0.5 * width[state]
            for before in leading[state]:
                begin[before], width[before] = at, width[state] * leaves[before] / leaves[state]
                at += width[before]
    return place


def _shelves(sizes: list[np.ndarray]) -> np.ndarray:
    """Upper left corners of boxes put side by side in rows, about as wide as high together."""
    full = [max(sizes, key=lambda size: size[0])[0], np.sqrt(sum(map(np.prod, sizes))) * 1.25]
    corners, x, y, height = [], 0.0, 0.0, 0.0
    for width, tall in sizes:
        if x > 0 and x + width > max(full):
            x, y, height = 0.0, y - height, 0.0
        height = max(height, tall)
        corners.append((x, y))
        x += width
    return np.array(corners)


def lay_out_map(
    following: Int[np.ndarray, " state"],
) -> tuple[Float[np.ndarray, "state 2"], list[list[int]], Int[np.ndarray, " state"]]:
    """Places for the states of a map: each cycle a ring, its basin in rings around it.

    Args:
        following: Index of the state that follows each state.

    Returns:
        The places; the members of each cycle in the order of the map, largest basin first; and
        for each state the number of the cycle it ends on.
    """
    following = np.asarray(following)
    cycles, leading = _split(following)
    discs = [_disc(cycle, leading) for cycle in cycles]
    order = sorted(range(len(cycles)), key=lambda i: (-len(discs[i]), -len(cycles[i]), i))
    boxes = [np.array([*discs[i].values()]) for i in order]
    corners = _shelves([np.ptp(box, axis=0) + 2 * _GAP for box in boxes])
    places, owner = np.zeros((following.size, 2)), np.zeros(following.size, int)
    for number, (i, box, corner) in enumerate(zip(order, boxes, corners, strict=True)):
        shift = corner + [_GAP, -_GAP] - [box[:, 0].min(), box[:, 1].max()]
        for state, place in discs[i].items():
            places[state], owner[state] = place + shift, number
    return places, [cycles[i] for i in order], owner


def plot_state_transitions(following: Int[np.ndarray, " state"], *, ax: Axes | None = None) -> Axes:
    """Draw a map on states as arrows: cycles as rings of large dots, basins around them.

    Args:
        following: Index of the state that follows each state; up to some hundreds can be read.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    following = np.asarray(following)
    places, cycles, owner = lay_out_map(following)
    colors = np.array(CYCLE)[owner % len(CYCLE)]
    is_cyclic = np.zeros(following.size, bool)
    is_cyclic[np.concatenate(cycles)] = True
    moved = np.flatnonzero(following != np.arange(following.size))
    step = places[following[moved]] - places[moved]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    gap = np.minimum(0.17, 0.25 * length) / length
    ax.quiver(
        *(places[moved] + gap * step).T, *((1 - 2 * gap) * step).T,
        color=np.where(is_cyclic[moved], colors[moved], QUIET), angles="xy", scale_units="xy",
        scale=1, width=0.004, headwidth=5, headlength=6, headaxislength=5, zorder=1,
    )  # fmt: skip
    ax.scatter(*places[~is_cyclic].T, s=16, c=colors[~is_cyclic], alpha=0.55, lw=0, zorder=2)
    ax.scatter(*places[is_cyclic].T, s=42, c=colors[is_cyclic], edgecolors="white", lw=0.7,
               zorder=3)  # fmt: skip
    lengths = sorted(map(len, cycles), reverse=True)
    shown = ", ".join(map(str, lengths[:10])) + (", ..." if len(lengths) > 10 else "")
    plural = "" if len(lengths) == 1 else "s"
    ax.set(aspect="equal", title=f"Sign map: cycle{plural} of length {shown}")
    ax.text(0.5, -0.01, "large dots are on a cycle, small ones lead to it", ha="center", va="top",
            fontsize=8, color=QUIET, transform=ax.transAxes)  # fmt: skip
    ax.set_axis_off()
    ax.margins(0.04)
    return ax


def plot_basin_sizes(
    lengths: Int[np.ndarray, " cycle"], sizes: Int[np.ndarray, " cycle"], *, ax: Axes | None = None
) -> Axes:
    """Draw the share of states that ends on each cycle against its length.

    Args:
        lengths: Of the cycles.
        sizes: States that end on each, itself included.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    sizes = np.asarray(sizes)
    ax.scatter(lengths, sizes / sizes.sum(), s=26, color=STABLE, alpha=0.6, lw=0)
    plural = "" if sizes.size == 1 else "s"
    ax.set(xscale="log", yscale="log", xlabel="length of the cycle", ylabel="share of states",
           ylim=(None, 1.5), title=f"Sign map: {sizes.size} cycle{plural} and basins")  # fmt: skip
    return ax
