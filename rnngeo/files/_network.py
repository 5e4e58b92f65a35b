"""Networks on disk: `.npz` or `.safetensors`, arrays and names only."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import lineax as lx
import numpy as np
from jaxtyping import Array, Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rnngeo.connectivity import low_rank
from rnngeo.models import (
    FeedbackNetwork,
    RateFlow,
    RateMap,
    nonlinearity_by_name,
    nonlinearity_name,
)

from ._atomic import write_atomically

_KINDS = {"flow": RateFlow, "map": RateMap}
_NAMES = ("kind", "nonlinearity")
_ARRAYS = (
    *("weights", "bulk", "bulk_left", "bulk_right"),
    *("feedback", "input", "readout", "bias", "tau", "target"),
)


class StoredNetwork(eqx.Module):
    """A network as a file holds it.

    Attributes:
        network: The network; without `feedback` in the file it has a loop of zero strength (where
            a readout is given) or no output at all.
        target: The wanted outputs, shape `(n_outputs,)`, or None.
    """

    network: FeedbackNetwork
    target: Float[Array, " n_outputs"] | None


def _read(path: Path) -> dict[str, np.ndarray | str]:
    """Fields of the file. Object arrays are refused by NumPy before any of them is read."""
    if path.suffix not in (".npz", ".safetensors"):
        raise ValueError(
            f"`weights` must name a .npz or .safetensors file, got {str(path)!r} with suffix "
            f"{path.suffix!r}."
        )
    if not path.is_file():
        raise ValueError(f"`weights` must name a file, got {str(path)!r}, which is not there.")
    try:
        if path.suffix == ".npz":
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
                fields = {name: stored[name] for name in stored.files}
            return {
                name: str(value) if value.dtype.kind in "US" and value.ndim == 0 else value
                for name, value in fields.items()
            }
        with safe_open(path, framework="numpy") as stored:
            fields = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            return {**fields, **(stored.metadata() or {})}
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise ValueError(
                f"`weights` file {str(path)!r} must hold numbers and names only, got Python "
                "objects, which are never unpickled."
            ) from None
        raise ValueError(f"`weights` file {str(path)!r} cannot be read: {error}.") from None
    except (OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error,
            SafetensorError, AttributeError, NotImplementedError) as error:  # fmt: skip
        raise ValueError(
            f"`weights` file {str(path)!r} cannot be read (truncated or not of its type): {error}."
        ) from None


def _checked(fields: dict[str, np.ndarray | str], path: Path) -> tuple[dict, dict]:
    """Names and finite real arrays, or an error that says which field is wrong."""
    where = f"in {path.name}"
    unknown = sorted(set(fields) - set(_NAMES) - set(_ARRAYS))
    if unknown:
        raise ValueError(
            f"unknown field `{unknown[0]}` {where}; a network file may hold "
            f"{', '.join((*_NAMES, *_ARRAYS))}."
        )
    names = {"kind": "flow", "nonlinearity": "tanh"}
    for name in _NAMES:
        value = fields.get(name, names[name])
        if not isinstance(value, str):
            raise ValueError(f"`{name}` {where} must be a string, got {type(value).__name__}.")
        names[name] = value
    if names["kind"] not in _KINDS:
        raise ValueError(f"`kind` {where} must be 'flow' or 'map', got {names['kind']!r}.")
    arrays = {}
    for name in _ARRAYS:
        if name not in fields:
            continue
        value = np.asarray(fields[name])
        if value.dtype.kind not in "fiub":
            raise ValueError(f"`{name}` {where} must hold real numbers, got dtype {value.dtype}.")
        value = value.astype(np.float64) if value.dtype.kind != "f" else value
        if not np.isfinite(value).all():
            bad = int((~np.isfinite(value)).sum())
            raise ValueError(
                f"`{name}` {where} must be finite, got {bad} NaN or infinite entries of "
                f"{value.size}."
            )
        arrays[name] = value
    given = tuple(n for n in ("weights", "bulk", "bulk_left", "bulk_right") if n in arrays)
    if given not in (("weights",), ("bulk",), ("bulk_left", "bulk_right")):
        raise ValueError(
            f"the file must hold exactly one of `weights`, `bulk`, or `bulk_left` and "
            f"`bulk_right` {where}, got {' and '.join(given) or 'none of them'}."
        )
    if "feedback" in arrays and "readout" not in arrays:
        raise ValueError(f"`feedback` {where} needs a `readout` of the same shape, got none.")
    if "tau" in arrays and not (arrays["tau"] > 0).all():
        raise ValueError(f"`tau` {where} must be positive, got {arrays['tau'].min()}.")
    return names, arrays


def _build(names: dict, arrays: dict, where: str) -> StoredNetwork:
    convert = lambda value: jnp.asarray(value, jnp.result_type(float))
    if "bulk_left" in arrays:
        left, right = arrays["bulk_left"], arrays["bulk_right"]
        if left.ndim != 2 or left.shape != right.shape:
            raise ValueError(
                f"`bulk_left` and `bulk_right` {where} must have one shape (n_units, rank), got "
                f"{left.shape} and {right.shape}."
            )
        n_units, operator = left.shape[0], low_rank(convert(left), convert(right))
    else:
        name = "weights" if "weights" in arrays else "bulk"
        matrix = arrays[name]
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
            raise ValueError(
                f"`{name}` {where} must be a square matrix of at least one unit, got shape "
                f"{matrix.shape}."
            )
        n_units, operator = matrix.shape[0], lx.MatrixLinearOperator(convert(matrix))
    for name in ("feedback", "readout"):
        if name in arrays and (arrays[name].ndim not in (1, 2) or len(arrays[name]) != n_units):
            raise ValueError(
                f"`{name}` {where} must have shape ({n_units},) or ({n_units}, n_outputs), got "
                f"{arrays[name].shape}."
            )
    for name, allowed in (("input", [(n_units,)]), ("bias", [(), (n_units,)]),
                          ("tau", [(), (n_units,)])):  # fmt: skip
        if name in arrays and arrays[name].shape not in allowed:
            raise ValueError(
                f"`{name}` {where} must have shape {' or '.join(map(str, allowed))}, got "
                f"{arrays[name].shape}."
            )
    readout = convert(arrays.get("readout", np.zeros((n_units, 0))))
    feedback = convert(arrays["feedback"]) if "feedback" in arrays else jnp.zeros_like(readout)
    if feedback.size != readout.size:
        raise ValueError(
            f"`feedback` and `readout` {where} must have one shape, got {feedback.shape} and "
            f"{readout.shape}."
        )
    recurrent = _KINDS[names["kind"]](
        operator,
        convert(arrays.get("bias", 0.0)),
        convert(arrays.get("tau", 1.0)),
        nonlinearity_by_name(names["nonlinearity"]),
    )
    inputs = convert(arrays.get("input", np.zeros(n_units)))
    network = FeedbackNetwork(recurrent, feedback, readout, inputs)
    target = None
    if "target" in arrays:
        target = jnp.atleast_1d(convert(arrays["target"]))
        if target.shape != (network.n_outputs,):
            raise ValueError(
                f"`target` {where} must hold {network.n_outputs} outputs, got shape {target.shape}."
            )
    return StoredNetwork(network, target)


def load_networks(path: str | Path) -> list[StoredNetwork]:
    """Read the networks of one file: data, never code.

    Fields: `kind` ("flow" or "map"), one of `weights` (N x N, row = postsynaptic), `bulk` (the
    same) or `bulk_left` and `bulk_right` (N x R each, the matrix is left @ right.T), and optionally
    `feedback` and `readout` (N or N x K; their product is *added* to the matrix), `input`, `bias`,
    `tau`, `nonlinearity` (default "tanh"), `target`. A leading axis on every array holds several
    networks. In safetensors the two strings sit in the metadata.

    Args:
        path: A `.npz` or `.safetensors` file.

    Returns:
        One `StoredNetwork` for each network in the file, in the default precision of the moment.

    Raises:
        ValueError: Anything about the file is wrong; the message names the field.
    """
    path = Path(path)
    names, arrays = _checked(_read(path), path)
    where = f"in {path.name}"
    matrix = next(arrays[n] for n in ("weights", "bulk", "bulk_left") if n in arrays)
    if matrix.ndim != 3:
        return [_build(names, arrays, where)]
    n_networks = len(matrix)
    for name, value in arrays.items():
        if value.ndim and len(value) != n_networks:
            raise ValueError(
                f"`{name}` {where} must have a leading axis of {n_networks} networks, got shape "
                f"{value.shape}."
            )
    pick = lambda i: {name: v[i] if v.ndim else v for name, v in arrays.items()}
    return [_build(names, pick(i), f"{where}, network {i}") for i in range(n_networks)]


def _fields(stored: StoredNetwork) -> dict[str, np.ndarray]:
    network, recurrent = stored.network, stored.network.recurrent
    squeeze = lambda v: np.asarray(v[:, 0] if network.n_outputs == 1 else v)
    bulk = recurrent.weights
    fields = {
        "input": np.asarray(network.input_weights),
        "bias": np.asarray(recurrent.bias),
        "tau": np.asarray(recurrent.tau),
    }
    factors = (getattr(bulk, "operator1", None), getattr(bulk, "operator2", None))
    left, right = factors
    if isinstance(left, lx.MatrixLinearOperator) and isinstance(right, lx.MatrixLinearOperator):
        fields["bulk_left"] = np.asarray(left.as_matrix())
        fields["bulk_right"] = np.asarray(right.as_matrix()).T
    else:
        fields["bulk"] = np.asarray(bulk.as_matrix())
    if network.n_outputs:
        fields["feedback"] = squeeze(network.feedback_weights)
        fields["readout"] = squeeze(network.readout_weights)
    if stored.target is not None:
        fields["target"] = np.asarray(stored.target[0] if network.n_outputs == 1 else stored.target)
    return fields


def save_networks(path: str | Path, networks: Sequence[StoredNetwork]) -> None:
    """Write networks of one kind to one file, in the format that `load_networks` reads.

    Args:
        path: `.npz` or `.safetensors`; replaced atomically.
        networks: One network, or several with the same shapes (stacked on a leading axis).

    Raises:
        ValueError: The list is empty, the networks differ in kind or shapes, or the suffix is not
            one of the two.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".safetensors"):
        raise ValueError(f"`path` must end in .npz or .safetensors, got {path.suffix!r}.")
    names = {
        (
            "flow" if isinstance(stored.network.recurrent, RateFlow) else "map",
            nonlinearity_name(stored.network.recurrent.nonlinearity),
        )
        for stored in networks
    }
    shapes = {tuple((k, v.shape) for k, v in _fields(stored).items()) for stored in networks}
    if len(names) != 1 or len(shapes) != 1:
        raise ValueError(
            "`networks` must be one or more networks of one kind, nonlinearity and shape, got "
            f"{len(networks)} networks with {sorted(names)} and {len(shapes)} sets of shapes."
        )
    all_fields = [_fields(stored) for stored in networks]
    if len(all_fields) == 1:
        arrays = all_fields[0]
    else:
        arrays = {name: np.stack([fields[name] for fields in all_fields]) for name in all_fields[0]}
    kind, nonlinearity = names.pop()
    strings = {"kind": kind, "nonlinearity": nonlinearity}

    def write(partial: Path) -> None:
        if path.suffix == ".npz":
            texts = {name: np.array(value) for name, value in strings.items()}
            np.savez(partial, allow_pickle=False, **arrays, **texts)
        else:
            contiguous = {name: np.array(value, order="C") for name, value in arrays.items()}
            save_file(contiguous, partial, metadata=strings)

    write_atomically(path, write)
