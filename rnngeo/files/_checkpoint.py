"""Checkpoints of running work, restored bit for bit."""

import hashlib
import json
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ._atomic import write_atomically


def _fingerprint(provenance: dict) -> str:
    text = json.dumps(provenance, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def save_checkpoint(path: str | Path, tree: PyTree, provenance: dict) -> None:
    """Save the arrays of a running computation.

    Args:
        path: `.npz` file; replaced atomically.
        tree: PyTree of arrays.
        provenance: What the run is: its parameters, versions, precision.
    """
    leaves = {f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))}

    def write(partial: Path) -> None:
        with open(partial, "wb") as stream:
            fingerprint = np.array(_fingerprint(provenance))
            np.savez(stream, allow_pickle=False, fingerprint=fingerprint, **leaves)

    write_atomically(path, write)


def load_checkpoint(path: str | Path, like: PyTree, provenance: dict) -> PyTree | None:
    """Restore a checkpoint of the very same run.

    Args:
        path: `.npz` file.
        like: PyTree of the same structure, shapes and dtypes.
        provenance: As given when it was saved.

    Returns:
        The tree, bit for bit, or None where there is no readable checkpoint of this run.
    """
    leaves, structure = jax.tree.flatten(like)
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            if str(stored["fingerprint"]) != _fingerprint(provenance):
                return None
            values = [stored[f"leaf_{i}"] for i in range(len(leaves))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if [(v.shape, v.dtype) for v in values] != [(leaf.shape, leaf.dtype) for leaf in leaves]:
        return None
    return jax.tree.unflatten(structure, [jnp.asarray(value) for value in values])
