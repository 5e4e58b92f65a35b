"""A vector is read as it was written, or the message says what is wrong."""

import numpy as np
import pytest

from rnngeo.files import load_vector


@pytest.mark.parametrize("text", ["0.5 -1 2", "0.5\n-1\n2\n", "0.5,-1,2", "\ufeff0.5, -1\n2"])
def test_text(text, tmp_path):
    for ending in (".txt", ".csv", ".CSV"):
        path = tmp_path / f"vector{ending}"
        path.write_text(text, encoding="utf-8")
        assert load_vector(path).tolist() == [0.5, -1.0, 2.0]


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3)])
def test_arrays(shape, tmp_path):
    path = tmp_path / "vector.npy"
    np.save(path, np.arange(3).reshape(shape))
    assert load_vector(str(path)).tolist() == [0, 1, 2]
    np.save(path, np.float64(0.5))
    assert load_vector(path).tolist() == [0.5]


def test_bad_files(tmp_path):
    def check(name, message):
        with pytest.raises(ValueError, match=message) as caught:
            load_vector(tmp_path / name, name="bias")
        assert str(caught.value).startswith("`bias`")

    for name, values in (
        ("square.npy", np.eye(2)),
        ("words.npy", np.array(["a", "b"])),
        ("complex.npy", np.ones(2) * 1j),
        ("objects.npy", np.array([{}], dtype=object)),
    ):
        np.save(tmp_path / name, values)
    np.savez(tmp_path / "archive.npz", a=np.ones(2))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    (tmp_path / "words.txt").write_text("one two")
    check("square.npy", r"one row or column, got shape \(2, 2\)")
    check("words.npy", "real numbers, got dtype <U1")
    check("complex.npy", "real numbers, got dtype complex128")
    check("objects.npy", "allow_pickle=False")
    check("archive.npy", "one array, got an archive")
    check("words.txt", "could not convert string to float: 'one'")
    check("nowhere.txt", "must name a file")
    check("vector.xlsx", "must be a file that ends in")
