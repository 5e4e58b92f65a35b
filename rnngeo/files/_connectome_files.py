"""Readers of connectomes: arrays, tables and graphs. Nothing is ever unpickled."""

import csv
import importlib
import zipfile
import zlib
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
import scipy.sparse

from ._connectome import Connectome, EdgeList, dense_weights

_ENDINGS = (".npy", ".npz", ".csv", ".graphml")
_DENSE = ("weights", "names", "transmitters")
_BROKEN = (
    *(OSError, EOFError, KeyError, TypeError, IndexError, MemoryError, UnicodeDecodeError),
    *(zipfile.BadZipFile, zlib.error, csv.Error),
)


def _matrix(values, where: str) -> np.ndarray:
    """A finite square real matrix in float64, or an error that says what is wrong."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise ValueError(f"`weights` {where} must hold real numbers, got dtype {values.dtype}.")
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(f"`weights` {where} must be a square matrix, got shape {values.shape}.")
    if values.size == 0:
        raise ValueError(f"`weights` {where} must have at least one neuron, got an empty matrix.")
    values = values.astype(np.float64)
    _finite(values, where)
    return values


def _finite(values: np.ndarray, where: str) -> None:
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise ValueError(
            f"`weights` {where} must be finite numbers, got {n_bad} NaN, infinite or missing "
            f"of {values.size}."
        )


def _texts(values, name: str, n_units: int, where: str) -> tuple[str, ...]:
    values = np.asarray(values)
    if values.shape != (n_units,) or values.dtype.kind not in "USiu":
        raise ValueError(
            f"`{name}` {where} must be {n_units} strings or whole numbers, got shape "
            f"{values.shape}, dtype {values.dtype}."
        )
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    return tuple(map(str, values.tolist()))


def _unique(names, where: str) -> tuple[str, ...]:
    names = tuple(names)
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise ValueError(f"`names` {where} must differ from each other, got {twice!r} twice.")
    return names


def _numbered(n_units: int) -> tuple[str, ...]:
    return tuple(map(str, range(n_units)))


def _read_npy(path: Path, where: str) -> Connectome:
    with open(path, "rb") as stream:
        stored = np.load(stream, allow_pickle=False)
    if not isinstance(stored, np.ndarray):
        raise ValueError(f"`weights` {where} must be one array, got an archive; name it .npz.")
    weights = _matrix(stored, where)
    return Connectome(weights, _numbered(len(weights)), source=path.name)


def _read_npz(path: Path, where: str) -> Connectome:
    with open(path, "rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise ValueError(f"`weights` {where} must be an archive, got one array; name it .npy.")
        is_sparse = "format" in stored.files and "weights" not in stored.files
        fields = {} if is_sparse else {name: stored[name] for name in stored.files}
    if is_sparse:
        sparse = scipy.sparse.load_npz(path)
        if sparse.format in ("csr", "csc", "bsr"):
            sparse.check_format(full_check=True)  # indices out of range would be read unchecked
        if sparse.ndim != 2 or sparse.shape[0] != sparse.shape[1]:
            raise ValueError(f"`weights` {where} must be square, got shape {sparse.shape}.")
        weights = _matrix(sparse.toarray(), where)
        return Connectome(weights, _numbered(len(weights)), source=path.name)
    if "weights" not in fields or set(fields) - set(_DENSE):
        listed = ", ".join(sorted(fields)[:8]) or "none"
        raise ValueError(
            "the file must hold `weights`, with `names` and `transmitters` if known, or a matrix "
            f"written by scipy.sparse.save_npz {where}, got the fields {listed}."
        )
    weights = _matrix(fields["weights"], where)
    n = len(weights)
    names = _numbered(n)
    if "names" in fields:
        names = _unique(_texts(fields["names"], "names", n, where), where)
    transmitters = None
    if "transmitters" in fields:
        transmitters = _texts(fields["transmitters"], "transmitters", n, where)
    return Connectome(weights, names, transmitters, source=path.name)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _ordered(names) -> list[str]:
    """Sorted as numbers if they are whole numbers, as text otherwise."""
    names = sorted(set(names))
    return sorted(names, key=lambda n: (len(n), n)) if all(map(str.isdecimal, names)) else names


def _read_edges(
    path: Path, where: str, header: list[str], weight: str, transmitter: str
) -> Connectome:
    wanted = ("pre", "post", weight)
    missing = [name for name in wanted if name not in header]
    if missing:
        raise ValueError(
            f"the edge list must have columns pre, post and {weight} {where}, got "
            f"{', '.join(header)} without {' and '.join(missing)}."
        )
    columns = [*wanted, *((transmitter,) if transmitter in header else ())]
    if twice := [name for name in columns if header.count(name) > 1]:
        raise ValueError(f"the edge list must have one column {twice[0]} {where}, got several.")
    import pandas as pd  # half a second, needed for tables only

    frame: Any = pd.read_csv(
        path,
        header=0,
        names=header,
        usecols=columns,
        dtype=str,
        keep_default_na=False,
        index_col=False,
        encoding="utf-8-sig",
    )
    if frame.empty:
        raise ValueError(f"the edge list must have at least one edge {where}, got none.")
    frame = frame.apply(lambda column: column.fillna("").str.strip())
    nameless = (frame["pre"] == "") | (frame["post"] == "")
    if nameless.any():
        raise ValueError(
            f"every edge {where} must name `pre` and `post`, got {int(nameless.sum())} that do not."
        )
    numbers: Any = pd.to_numeric(frame[weight], errors="coerce")
    weights = numbers.to_numpy(np.float64)
    _finite(weights, where)
    names = _ordered(pd.concat([frame["pre"], frame["post"]]).unique())
    index = pd.Index(names)
    pre, post = (index.get_indexer(pd.Index(frame[side])) for side in ("pre", "post"))
    edges = None
    if transmitter in header:
        codes, kinds = pd.factorize(frame[transmitter])
        edges = EdgeList(pre, post, weights, codes, tuple(kinds))
    dense = dense_weights(len(names), pre, post, weights)
    return Connectome(dense, tuple(names), None, edges, path.name)


def _read_csv(path: Path, where: str, weight: str, transmitter: str) -> Connectome:
    with open(path, newline="", encoding="utf-8-sig") as stream:
        first = next(csv.reader(stream), [])
    first = [text.strip() for text in first]
    if not first:
        raise ValueError(f"`weights` {where} must have at least one neuron, got an empty file.")
    if {"pre", "post"} & set(first):
        return _read_edges(path, where, first, weight, transmitter)
    import pandas as pd  # half a second, needed for tables only

    read: Any = lambda **options: pd.read_csv(path, header=None, encoding="utf-8-sig", **options)
    if all(map(_is_number, first)):
        frame, names = read(), None
    else:
        # A first column of names makes one column more than there are rows below the header.
        frame = read(skiprows=1)
        names = first if len(first) == frame.shape[1] else ["", *first]
        if frame.shape[1] == len(frame) + 1 and len(names) == frame.shape[1]:
            rows = read(skiprows=1, usecols=[0], dtype=str)[0].str.strip().tolist()
            names, frame = names[1:], frame.iloc[:, 1:]
            if rows != names:
                at = next(i for i in range(len(names)) if rows[i] != names[i])
                raise ValueError(
                    f"rows and columns {where} must have the same names in the same order, got "
                    f"{rows[at]!r} and {names[at]!r} at place {at}."
                )
    numbers = frame.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    weights = _matrix(numbers, where)
    names = _numbered(len(weights)) if names is None else _unique(names, where)
    return Connectome(weights, names, source=path.name)


def _read_graphml(path: Path, where: str, weight: str, transmitter: str) -> Connectome:
    try:
        networkx = importlib.import_module("networkx")
    except ImportError:
        raise ImportError("Reading .graphml needs the package networkx; install it.") from None
    try:
        graph = networkx.read_graphml(path)
    except (ParseError, networkx.NetworkXError) as error:
        raise ValueError(f"the file {path.name} is not GraphML or is cut off: {error}.") from None
    n = graph.number_of_nodes()
    if n == 0:
        raise ValueError(f"the graph {where} must have at least one neuron, got none.")
    names = list(map(str, graph.nodes))
    index = {node: i for i, node in enumerate(graph.nodes)}
    edges = list(graph.edges(data=True))
    without = [data for *_, data in edges if weight not in data]
    if without:
        others = sorted(set().union(*without))
        raise ValueError(
            f"every edge {where} must have the attribute {weight!r} (`weight_name`), got "
            f"{len(without)} of {len(edges)} without it; they have {', '.join(others) or 'none'}."
        )
    try:
        weights = np.array([float(data[weight]) for *_, data in edges], np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`weights` {where} must be numbers, got other attributes.") from None
    _finite(weights, where)
    pre = np.array([index[source] for source, *_ in edges], np.int64)
    post = np.array([index[target] for _, target, _ in edges], np.int64)
    dense = dense_weights(n, pre, post, weights)
    if not graph.is_directed():
        dense = dense + dense.T - np.diag(np.diag(dense))
    found = [data.get(transmitter) for _, data in graph.nodes(data=True)]
    known = any(value is not None for value in found)
    transmitters = tuple("" if v is None else str(v) for v in found) if known else None
    return Connectome(dense, tuple(names), transmitters, source=path.name)


def load_connectome(
    path: str | Path,
    *,
    weight_name: str = "weight",
    transmitter_name: str | None = None,
) -> Connectome:
    """Read a connectome: data, never code.

    - `.npy`: a square matrix, row = postsynaptic.
    - `.npz`: the field `weights` (the same), and optionally `names` and `transmitters`; or a matrix
      written by `scipy.sparse.save_npz`.
    - `.csv`: a square matrix, with or without a row of names and a column of the same names; or an
      edge list with the header `pre,post,weight`, in any order, from neuron `pre` (a column of the
      matrix) to neuron `post` (a row). A column `type` holds the transmitter of each edge. Other
      columns are not read. Neurons without any edge are not known.
    - `.graphml`: nodes and weighted edges, source = presynaptic; needs networkx. A node attribute
      `transmitter` is read. Edges without direction count both ways.

    Edges given several times are summed.

    Args:
        path: The file.
        weight_name: Column or edge attribute of the weight.
        transmitter_name: Column of the edge list, or node attribute, that holds the transmitter;
            default `type` in .csv and `transmitter` in .graphml.

    Returns:
        The `Connectome`; give it signs with `sign_by_transmitter`.

    Raises:
        ValueError: Anything about the file is wrong; the message says what.
        ImportError: `.graphml` without networkx.

    Cost: the dense matrix in float64, 8 N^2 bytes.
    """
    path = Path(path)
    if path.suffix.lower() not in _ENDINGS:
        raise ValueError(
            f"`path` must end in {', '.join(_ENDINGS)}, got {str(path)!r} with {path.suffix!r}."
        )
    if not path.is_file():
        raise ValueError(f"`path` must name a file, got {str(path)!r}, which is not one.")
    where = f"in {path.name}"
    ending = path.suffix.lower()
    try:
        if ending == ".npy":
            return _read_npy(path, where)
        if ending == ".npz":
            return _read_npz(path, where)
        if ending == ".csv":
            return _read_csv(path, where, weight_name, transmitter_name or "type")
        return _read_graphml(path, where, weight_name, transmitter_name or "transmitter")
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise ValueError(
                f"the file {path.name} must hold numbers and names only, got Python objects, which "
                "are never unpickled."
            ) from None
        if where in str(error) or "`" in str(error):
            raise
        reason = str(error).strip().rstrip(".")
        raise ValueError(f"the file {path.name} cannot be read: {reason}.") from None
    except _BROKEN as error:
        raise ValueError(
            f"the file {path.name} cannot be read (truncated or not of its type): {error}."
        ) from None
