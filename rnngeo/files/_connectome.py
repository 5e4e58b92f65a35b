"""Connectomes: measured connections, with the names and transmitters of the neurons."""

from collections.abc import Mapping
from types import MappingProxyType

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

SIGNS: Mapping[str, int] = MappingProxyType(
    {"acetylcholine": 1, "ach": 1, "gaba": -1, "glutamate": -1, "glut": -1}
)
_NAMED = 5  # names listed in an error


class EdgeList(eqx.Module):
    """Connections one by one, each with a transmitter of its own.

    Attributes:
        pre: Index of the presynaptic neuron, shape `(n_edges,)`.
        post: Index of the postsynaptic neuron, shape `(n_edges,)`.
        weights: Strength, such as a number of synapses, shape `(n_edges,)`.
        transmitter_codes: Place of each edge's transmitter in `transmitters`, shape `(n_edges,)`.
        transmitters: The transmitters; an empty string where the file has none.
    """

    pre: Int[np.ndarray, " n_edges"]
    post: Int[np.ndarray, " n_edges"]
    weights: Float[np.ndarray, " n_edges"]
    transmitter_codes: Int[np.ndarray, " n_edges"]
    transmitters: tuple[str, ...] = eqx.field(static=True)


class Connectome(eqx.Module):
    """A measured network as a file holds it; NumPy arrays in float64.

    Attributes:
        weights: Matrix, row = postsynaptic, column = presynaptic, shape `(n_units, n_units)`.
        names: Name of each neuron.
        transmitters: Transmitter of each neuron (an empty string if unknown), or None.
        edges: The connections behind `weights` where each has its own transmitter, or None.
        source: The file.
        is_signed: Whether `sign_by_transmitter` has been applied.
    """

    weights: Float[np.ndarray, "n_units n_units"]
    names: tuple[str, ...] = eqx.field(static=True)
    transmitters: tuple[str, ...] | None = eqx.field(static=True, default=None)
    edges: EdgeList | None = None
    source: str = eqx.field(static=True, default="")
    is_signed: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        n = len(self.names)
        if self.weights.shape != (n, n):
            raise ValueError(
                f"`weights` must have shape ({n}, {n}), one row for each name, got "
                f"{self.weights.shape}."
            )
        if self.transmitters is not None and len(self.transmitters) != n:
            raise ValueError(
                f"`transmitters` must be one for each of {n} neurons, got {len(self.transmitters)}."
            )

    @property
    def n_units(self) -> int:
        """Number of neurons."""
        return len(self.names)


def dense_weights(n_units: int, pre, post, weights) -> np.ndarray:
    """Matrix of an edge list, row = postsynaptic; edges between the same pair are summed."""
    total = np.bincount(
        np.asarray(post, np.int64) * n_units + pre, weights=weights, minlength=n_units**2
    )
    return total.reshape(n_units, n_units)


def _signs_of(
    names: tuple[str, ...], codes: np.ndarray, signs: Mapping[str, int], what: str, drop: bool
) -> np.ndarray:
    """Sign of each entry of `codes`, 0 where its transmitter is unknown."""
    sign = np.array([signs.get(name.strip().lower(), 0) for name in names], np.int64)
    n_unknown = int((sign[codes] == 0).sum())
    if n_unknown and not drop:
        unknown = sorted(names[i] for i in np.unique(codes[sign[codes] == 0]))
        listed = ", ".join(repr(name) for name in unknown[:_NAMED])
        listed += ", ..." if len(unknown) > _NAMED else ""
        raise ValueError(
            f"`signs` must name the transmitter of every {what}, got {n_unknown} of {codes.size} "
            f"with others: {listed}. Use `drop_unknown=True` to leave them out."
        )
    if n_unknown == codes.size:
        raise ValueError(f"`signs` must name the transmitter of some {what}, got none of them.")
    return sign[codes]


def sign_by_transmitter(
    connectome: Connectome,
    signs: Mapping[str, int] = SIGNS,
    *,
    drop_unknown: bool = True,
) -> Connectome:
    """Give every connection the sign of its transmitter.

    Per presynaptic neuron (one sign for each column), or per edge where the file has a transmitter
    for each edge; edges of both signs between one pair then cancel in part.

    Args:
        connectome: Counts of synapses, not negative, with transmitters.
        signs: Sign (1 or -1) of each transmitter by name; case and outer blanks do not matter. The
            default is that of the fly: acetylcholine excites, GABA and glutamate inhibit.
        drop_unknown: Leave out neurons (or edges) of any other transmitter; otherwise they raise.

    Returns:
        The signed `Connectome`. Left-out neurons are gone from rows and columns; edges left out
        take no neuron with them.

    Raises:
        ValueError: No transmitters, a count is negative, a sign is not 1 or -1, an unknown
            transmitter and `drop_unknown=False`, or no neuron or edge is left.

    Reference: Clark, Marschall, van Meegen & Litwin-Kumar, Phys. Rev. X 15, 041019 (2025), the
    hemibrain connectome.
    """
    signs = {name.strip().lower(): sign for name, sign in signs.items()}
    if wrong := {name: sign for name, sign in signs.items() if sign not in (1, -1)}:
        raise ValueError(f"`signs` must be 1 or -1, got {wrong}.")
    where = f"in {connectome.source or 'the connectome'}"
    edges = connectome.edges
    counts = connectome.weights if edges is None else edges.weights
    if (counts < 0).any():
        raise ValueError(
            f"`weights` {where} must be counts to be given a sign, got {int((counts < 0).sum())} "
            "negative."
        )
    if edges is not None:
        sign = _signs_of(edges.transmitters, edges.transmitter_codes, signs, "edge", drop_unknown)
        keep = sign != 0
        weights = dense_weights(
            connectome.n_units, edges.pre[keep], edges.post[keep], (sign * edges.weights)[keep]
        )
        return Connectome(weights, connectome.names, None, None, connectome.source, True)
    if connectome.transmitters is None:
        raise ValueError(
            f"`connectome` {where} must hold transmitters to be given signs, got none."
        )
    every = np.arange(connectome.n_units)
    sign = _signs_of(connectome.transmitters, every, signs, "neuron", drop_unknown)
    (kept,) = np.nonzero(sign)
    return Connectome(
        connectome.weights[np.ix_(kept, kept)] * sign[kept],
        tuple(connectome.names[i] for i in kept),
        tuple(connectome.transmitters[i] for i in kept),
        None,
        connectome.source,
        True,
    )
