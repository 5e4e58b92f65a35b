"""Network files: round trips, and an error that names what is wrong."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from safetensors.numpy import save_file

from rnngeo.connectivity import low_rank
from rnngeo.files import StoredNetwork, load_networks, save_networks
from rnngeo.models import NONLINEARITIES, FeedbackNetwork, RateFlow, RateMap
from rnngeo.stability import velocity

N = 5


def _stored(key, kind=RateFlow, n_outputs=1, weights=None):
    a, b, c, d = jr.split(key, 4)
    weights = jr.normal(a, (N, N)) if weights is None else weights
    recurrent = kind(weights, 0.3, jnp.linspace(1, 2, N), NONLINEARITIES["erf"])
    m, n = jr.normal(b, (2, N, n_outputs))
    network = FeedbackNetwork(recurrent, m, n, jr.normal(c, (N,)))
    return StoredNetwork(network, jr.normal(d, (n_outputs,)))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("kind", [RateFlow, RateMap])
@pytest.mark.parametrize("n_outputs", [0, 1, 3])
def test_a_network_survives_the_disk(key, tmp_path, suffix, kind, n_outputs):
    stored, path = _stored(key, kind, n_outputs), tmp_path / f"network{suffix}"
    save_networks(path, [stored])
    (back,) = load_networks(path)
    x = jr.normal(key, (N,))
    assert type(back.network.recurrent) is kind
    assert back.network.recurrent.nonlinearity is NONLINEARITIES["erf"]
    assert np.array_equal(
        velocity(back.network.closed_loop, x), velocity(stored.network.closed_loop, x)
    )
    if n_outputs:
        assert np.array_equal(back.target, stored.target)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_several_networks_in_one_file(key, tmp_path, suffix):
    networks, path = [_stored(k) for k in jr.split(key, 3)], tmp_path / f"networks{suffix}"
    save_networks(path, networks)
    for a, b in zip(networks, load_networks(path), strict=True):
        assert np.array_equal(a.network.readout_weights, b.network.readout_weights)
        assert np.array_equal(a.target, b.target)


def test_a_factored_bulk_stays_factored(key, tmp_path):
    left, right = jr.normal(key, (2, N, 2))
    save_networks(tmp_path / "n.npz", [_stored(key, weights=low_rank(left, right))])
    with np.load(tmp_path / "n.npz") as fields:
        assert {"bulk_left", "bulk_right"} <= set(fields.files)
        assert "bulk" not in fields.files
    (back,) = load_networks(tmp_path / "n.npz")
    assert np.allclose(back.network.recurrent.weights.as_matrix(), left @ right.T)


def test_defaults_and_a_plain_matrix(tmp_path):
    weights = np.arange(9).reshape(3, 3)  # integers are welcome
    np.savez(tmp_path / "plain.npz", weights=weights, readout=np.ones(3))
    (stored,) = load_networks(tmp_path / "plain.npz")
    network = stored.network
    assert isinstance(network.recurrent, RateFlow)
    assert network.recurrent.nonlinearity is jnp.tanh
    assert stored.target is None
    assert np.array_equal(network.closed_loop.weights.as_matrix(), weights)  # no loop was given
    assert network.n_outputs == 1


def test_feedback_is_added_to_the_matrix(tmp_path):
    m, n = np.arange(3.0), np.ones(3)
    save_file({"weights": np.eye(3), "feedback": m, "readout": n}, tmp_path / "f.safetensors",
              metadata={"kind": "map", "nonlinearity": "linear"})  # fmt: skip
    (stored,) = load_networks(tmp_path / "f.safetensors")
    expected = np.eye(3) + np.outer(m, n)
    assert np.array_equal(stored.network.closed_loop.weights.as_matrix(), expected)
    assert isinstance(stored.network.recurrent, RateMap)


BAD = {
    "not square": ({"weights": np.ones((2, 3))}, r"`weights` .* square .* got shape \(2, 3\)"),
    "empty": ({"weights": np.ones((0, 0))}, "at least one unit"),
    "nan": ({"weights": np.full((2, 2), np.nan)}, "`weights` .* finite, got 4 NaN or infinite"),
    "infinite input": ({"weights": np.eye(2), "input": [1, np.inf]}, "`input` .* finite"),
    "complex": ({"weights": np.eye(2) * 1j}, "real numbers, got dtype complex128"),
    "feedback shape": (
        {"weights": np.eye(2), "feedback": np.ones(3), "readout": np.ones(2)},
        r"`feedback` .* \(2,\) .* got \(3,\)",
    ),
    "readout shape": (
        {"bulk": np.eye(2), "feedback": np.ones(2), "readout": np.ones((2, 2))}, "one shape",
    ),
    "no readout": ({"bulk": np.eye(2), "feedback": np.ones(2)}, "`feedback` .* needs a `readout`"),
    "input shape": ({"weights": np.eye(2), "input": np.ones(3)}, r"`input` .* got \(3,\)"),
    "tau": ({"weights": np.eye(2), "tau": -1.0}, "`tau` .* positive, got -1"),
    "target": ({"weights": np.eye(2), "readout": np.ones(2), "target": [1.0, 2.0]}, "1 outputs"),
    "kind": ({"weights": np.eye(2), "kind": "torus"}, "'flow' or 'map', got 'torus'"),
    "nonlinearity": ({"weights": np.eye(2), "nonlinearity": "cos"}, "must be one of .* got 'cos'"),
    "unknown field": ({"weights": np.eye(2), "colour": 1.0}, "unknown field `colour`"),
    "two matrices": ({"weights": np.eye(2), "bulk": np.eye(2)}, "exactly one of .* weights and bu"),
    "no matrix": ({"readout": np.ones(2)}, "exactly one of .* got none"),
    "half a product": ({"bulk_left": np.ones((2, 1))}, "exactly one of .* got bulk_left"),
    "product": (
        {"bulk_left": np.ones((2, 1)), "bulk_right": np.ones((2, 2))}, "one shape .*rank",
    ),
    "batch": ({"weights": np.ones((2, 3, 3)), "input": np.ones((4, 3))}, "axis of 2 networks"),
    "objects": ({"weights": np.array([[{}]], object)}, "never unpickled"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_fields_are_named(name, tmp_path):
    fields, words = BAD[name]
    np.savez(tmp_path / "bad.npz", **fields)
    with pytest.raises(ValueError, match=words):
        load_networks(tmp_path / "bad.npz")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.97])
def test_a_truncated_file_is_refused(key, tmp_path, suffix, keep):
    path = tmp_path / f"n{suffix}"
    save_networks(path, [_stored(key)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])
    with pytest.raises(ValueError, match=r"n\.(npz|safetensors)' cannot be read"):
        load_networks(path)


def test_paths_and_lists_are_checked(key, tmp_path):
    with pytest.raises(ValueError, match="which is not there"):
        load_networks(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="suffix '.txt'"):
        load_networks(tmp_path / "network.txt")
    with pytest.raises(ValueError, match="one or more networks of one kind"):
        save_networks(tmp_path / "n.npz", [_stored(key), _stored(key, RateMap)])
    with pytest.raises(ValueError, match=r"must end in \.npz or \.safetensors"):
        save_networks(tmp_path / "n.txt", [_stored(key)])
