"""Atomic writes, checkpoints, JSON."""

import json
import os

import jax.numpy as jnp
import numpy as np
import pytest

from rnngeo.files import (
    load_checkpoint,
    prepare_folder,
    provenance,
    save_checkpoint,
    to_json,
    write_atomically,
)


def test_json_has_no_nan_and_every_digit():
    value = {"a": np.float64(0.1), "b": [np.nan, np.inf, 1 + 2j], "c": jnp.arange(2), "d": None}
    assert json.loads(to_json(value)) == {
        "a": 0.1,
        "b": [None, None, [1, 2]],
        "c": [0, 1],
        "d": None,
    }
    x = 1 / 3 + 1e-16
    assert json.loads(to_json([x]))[0] == x


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, lambda p: p.write_text("old"))

    def fail(partial):
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_checkpoint_is_bit_for_bit_and_belongs_to_its_run(tmp_path):
    tree = {"x": jnp.asarray([np.pi, 1e-300]), "n": jnp.asarray(3)}
    path, run = tmp_path / "c.npz", {"seed": 1}
    save_checkpoint(path, tree, run)
    back = load_checkpoint(path, tree, run)
    assert back is not None
    assert back["n"] == 3
    assert np.asarray(back["x"]).tobytes() == np.asarray(tree["x"]).tobytes()
    assert load_checkpoint(path, tree, {"seed": 2}) is None
    assert load_checkpoint(path, {**tree, "x": jnp.zeros(3)}, run) is None
    assert load_checkpoint(tmp_path / "none.npz", tree, run) is None
    path.write_bytes(path.read_bytes()[:100])
    assert load_checkpoint(path, tree, run) is None


def test_provenance_says_versions_device_and_parameters():
    record = provenance({"gain": 0.8})
    assert record["gain"] == 0.8
    assert record["device"].startswith(("cpu", "gpu"))
    assert {"jax_version", "diffrax_version", "precision"} <= set(record)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`out` must be a folder that can be written"):
        prepare_folder(tmp_path / "file" / "folder")
