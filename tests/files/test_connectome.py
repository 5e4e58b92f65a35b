"""Connectome files: every format holds the same network, signs, and what is refused."""

import pickle
import sys

import numpy as np
import pytest
import scipy.sparse

from rnngeo.connectivity import balance_signed
from rnngeo.files import Connectome, load_connectome, sign_by_transmitter

NAMES = ("720575", "9", "31")
WEIGHTS = np.array([[0.0, 5.0, 2.0], [1.0, 0.0, 0.0], [4.0, 3.0, 7.0]])  # row = postsynaptic


def _write(path, text):
    path.write_text(text)
    return path


def _edges_csv():
    lines = ["pre,post,weight"]
    lines += [f"{NAMES[j]},{NAMES[i]},{WEIGHTS[i, j]}" for i in range(3) for j in range(3)]
    return "\n".join(lines)


def _reordered(connectome):
    """The matrix in the order of NAMES."""
    order = [connectome.names.index(name) for name in NAMES]
    return connectome.weights[np.ix_(order, order)]


def test_arrays_hold_a_matrix(tmp_path):
    np.save(tmp_path / "a.npy", WEIGHTS.astype(np.int32))
    plain = load_connectome(tmp_path / "a.npy")
    assert np.array_equal(plain.weights, WEIGHTS)
    assert plain.weights.dtype == np.float64
    assert (plain.names, plain.transmitters, plain.source) == (("0", "1", "2"), None, "a.npy")
    assert plain.n_units == 3
    np.savez(tmp_path / "b.npz", weights=WEIGHTS, names=NAMES, transmitters=["gaba", "", "ACh"])
    named = load_connectome(tmp_path / "b.npz")
    assert np.array_equal(named.weights, WEIGHTS)
    assert (named.names, named.transmitters) == (NAMES, ("gaba", "", "ACh"))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
def test_sparse_matrices_as_scipy_writes_them(tmp_path, kind):
    scipy.sparse.save_npz(tmp_path / "s.npz", scipy.sparse.coo_array(WEIGHTS).asformat(kind))
    assert np.array_equal(load_connectome(tmp_path / "s.npz").weights, WEIGHTS)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0,5,2\n1,0,0\n4,3,7\n", ("0", "1", "2")),
        ("a,b,31\n0,5,2\n1,0,0\n4,3,7", ("a", "b", "31")),
        (",720575,9,31\n720575,0,5,2\n9,1,0,0\n31,4,3,7\n", NAMES),
        ("post\\pre,720575, 9,31\r\n720575, 0,5,2\r\n9 ,1,0,0\r\n31,4,3,7", NAMES),
        ("\ufeff,720575,9,31\n720575,0,5,2\n9,1,0,0\n31,4,3,7\n", NAMES),
        ("x,y,z\nx,0,5,2\ny,1,0,0\nz,4,3,7\n", ("x", "y", "z")),
    ],
)  # fmt: skip
def test_square_tables_with_and_without_names(tmp_path, text, names):
    path = tmp_path / "m.csv"
    path.write_bytes(text.encode())
    connectome = load_connectome(path)
    assert np.array_equal(connectome.weights, WEIGHTS)
    assert connectome.names == names


def test_edge_lists_point_from_pre_to_post(tmp_path):
    connectome = load_connectome(_write(tmp_path / "e.csv", _edges_csv()))
    assert connectome.names == ("9", "31", "720575")  # in the order of whole numbers
    assert np.array_equal(_reordered(connectome), WEIGHTS)
    # columns in another order, a name of the weight, others that are not read, an edge given twice
    text = "n,roi,post,pre\n2,L,b,a\n3,R,b,a\n1,L,a,a\n"
    other = load_connectome(_write(tmp_path / "o.csv", text), weight_name="n")
    assert np.array_equal(other.weights, [[1.0, 0.0], [5.0, 0.0]])
    assert other.names == ("a", "b")


@pytest.fixture
def networkx():
    return pytest.importorskip("networkx")


@pytest.fixture
def graphml(tmp_path, networkx):
    def write(graph):
        networkx.write_graphml(graph, tmp_path / "g.graphml")
        return tmp_path / "g.graphml"

    return write


def test_graphs_point_from_source_to_target(graphml, networkx):
    graph = networkx.MultiDiGraph()
    for name, transmitter in zip(NAMES, ("gaba", "acetylcholine", None), strict=True):
        graph.add_node(name, **({"nt": transmitter} if transmitter else {}))
    for i, j in zip(*np.nonzero(WEIGHTS), strict=True):
        graph.add_edge(NAMES[j], NAMES[i], synapses=float(WEIGHTS[i, j]) - 0.5)
        graph.add_edge(NAMES[j], NAMES[i], synapses=0.5)
    path = graphml(graph)
    connectome = load_connectome(path, weight_name="synapses", transmitter_name="nt")
    assert connectome.names == NAMES
    assert np.array_equal(connectome.weights, WEIGHTS)
    assert connectome.transmitters == ("gaba", "acetylcholine", "")
    assert load_connectome(path, weight_name="synapses").transmitters is None
    with pytest.raises(ValueError, match=r"'weight' \(`weight_name`\), got 12 of 12.*synapses"):
        load_connectome(path)


def test_edges_without_direction_count_both_ways(graphml, networkx):
    graph = networkx.Graph()
    graph.add_edge("a", "b", weight=2)
    graph.add_edge("b", "b", weight=3)
    connectome = load_connectome(graphml(graph))
    assert np.array_equal(connectome.weights, [[0.0, 2.0], [2.0, 3.0]])


def test_a_missing_networkx_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="needs the package networkx"):
        load_connectome(_write(tmp_path / "g.graphml", "<graphml/>"))


def test_signs_are_those_of_the_presynaptic_neurons():
    connectome = Connectome(WEIGHTS, NAMES, ("GABA", " Acetylcholine", "glutamate"))
    signed = sign_by_transmitter(connectome)
    assert np.array_equal(signed.weights, WEIGHTS * [-1, 1, -1])
    assert signed.is_signed
    custom = sign_by_transmitter(connectome, {"gaba": 1, "acetylcholine": -1, "Glutamate": 1})
    assert np.array_equal(custom.weights, -WEIGHTS * [-1, 1, -1])


def test_neurons_of_other_transmitters_are_dropped_or_refused():
    connectome = Connectome(WEIGHTS, NAMES, ("ach", "dopamine", "gaba"))
    signed = sign_by_transmitter(connectome)
    assert signed.names == ("720575", "31")
    assert signed.transmitters == ("ach", "gaba")
    assert np.array_equal(signed.weights, [[0.0, -2.0], [4.0, -7.0]])
    with pytest.raises(ValueError, match="every neuron, got 1 of 3 with others: 'dopamine'"):
        sign_by_transmitter(connectome, drop_unknown=False)
    with pytest.raises(ValueError, match="some neuron, got none"):
        sign_by_transmitter(connectome, {"serotonin": 1})


def test_signs_of_edges(tmp_path):
    text = "pre,post,weight,type\na,b,5,ACH\na,b,2,GABA\nb,a,3,GLUT\nb,b,4,DA\nc,a,1,\n"
    connectome = load_connectome(_write(tmp_path / "t.csv", text))
    assert np.array_equal(connectome.weights, [[0, 3, 1], [7, 4, 0], [0, 0, 0]])
    signed = sign_by_transmitter(connectome)
    assert np.array_equal(signed.weights, [[0, -3, 0], [3, 0, 0], [0, 0, 0]])
    assert signed.names == ("a", "b", "c")
    with pytest.raises(ValueError, match="every edge, got 2 of 5 with others: '', 'DA'"):
        sign_by_transmitter(connectome, drop_unknown=False)


def test_from_a_file_to_a_balanced_matrix(tmp_path):
    n = 30
    rng = np.random.default_rng(1)
    kinds = rng.choice(["acetylcholine", "gaba", "octopamine"], n, p=[0.5, 0.4, 0.1])
    np.savez(tmp_path / "c.npz", weights=rng.poisson(2.0, (n, n)), transmitters=kinds)
    signed = sign_by_transmitter(load_connectome(tmp_path / "c.npz"))
    assert signed.n_units == (kinds != "octopamine").sum()
    balanced = np.asarray(balance_signed(signed.weights, rtol=1e-10).weights)
    assert np.allclose(np.sum(np.maximum(balanced, 0) ** 2, axis=1), 0.5)
    assert np.all(np.sign(balanced) == np.sign(signed.weights))


def test_signs_need_counts_transmitters_and_units():
    with pytest.raises(ValueError, match="must be counts.*got 1 negative"):
        sign_by_transmitter(Connectome(WEIGHTS - 7 * np.eye(3)[0] * np.eye(3), NAMES, ("ach",) * 3))
    with pytest.raises(ValueError, match="must hold transmitters to be given signs, got none"):
        sign_by_transmitter(Connectome(WEIGHTS, NAMES))
    with pytest.raises(ValueError, match="`signs` must be 1 or -1, got {'gaba': 2}"):
        sign_by_transmitter(Connectome(WEIGHTS, NAMES, ("gaba",) * 3), {"gaba": 2})
    with pytest.raises(ValueError, match="one row for each name"):
        Connectome(WEIGHTS, NAMES[:2])
    with pytest.raises(ValueError, match="`transmitters` must be one for each of 3 neurons, got 1"):
        Connectome(WEIGHTS, NAMES, ("gaba",))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("w.npy", np.ones((2, 3)), r"w.npy must be a square matrix, got shape \(2, 3\)"),
        ("w.npy", np.ones(3), r"square matrix, got shape \(3,\)"),
        ("w.npy", np.ones((0, 0)), "at least one neuron, got an empty matrix"),
        ("w.npy", np.array([[1, np.nan], [np.inf, 0]]), "finite numbers, got 2 .* of 4"),
        ("w.npy", np.eye(2) * 1j, "real numbers, got dtype complex128"),
        ("w.npy", np.array([["a"]]), "real numbers, got dtype <U1"),
        ("w.npy", np.array([[{}]], object), "got Python objects, which are never unpickled"),
        ("w.npz", {"weights": np.array([[{}]], object)}, "got Python objects, which are never"),
        ("w.npz", {"J": np.eye(2)}, "must hold `weights`.* got the fields J"),
        ("w.npz", {"weights": np.eye(2), "extra": 1}, "got the fields extra, weights"),
        ("w.npz", {"weights": np.eye(2), "names": ["a", "a"]}, "`names` .* got 'a' twice"),
        ("w.npz", {"weights": np.eye(2), "names": ["a"]}, "`names` .* must be 2 strings"),
        ("w.npz", {"weights": np.eye(2), "transmitters": [1.5, 2]}, "`transmitters` .* strings"),
        ("w.npz", {"format": "csr"}, "cannot be read"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, name, values, words):
    path = tmp_path / name
    np.savez(path, **values) if isinstance(values, dict) else np.save(path, values)
    with pytest.raises(ValueError, match=words):
        load_connectome(path)


def test_sparse_indices_out_of_range_are_refused(tmp_path):
    scipy.sparse.save_npz(tmp_path / "s.npz", scipy.sparse.csr_array(WEIGHTS), compressed=False)
    with np.load(tmp_path / "s.npz") as stored:
        fields = {name: stored[name] for name in stored.files}
    fields["indices"] = fields["indices"] + 1000
    np.savez(tmp_path / "s.npz", **fields)
    with pytest.raises(ValueError, match=r"s\.npz cannot be read.*indices"):
        load_connectome(tmp_path / "s.npz")
    scipy.sparse.save_npz(tmp_path / "r.npz", scipy.sparse.csr_array(WEIGHTS[:2]))
    with pytest.raises(ValueError, match=r"r\.npz must be square, got shape \(2, 3\)"):
        load_connectome(tmp_path / "r.npz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got an empty file"),
        ("a,b\n", "cannot be read"),
        ("1,2,3\n4,5,6\n", r"square matrix, got shape \(2, 3\)"),
        ("1,2\n3,4,5\n", "cannot be read"),
        ("1,2\n3\n", "finite numbers, got 1 .* of 4"),
        ("1,2\n3,x\n", "finite numbers, got 1 .* of 4"),
        (",a,a\na,1,2\na,3,4\n", "`names` .* got 'a' twice"),
        (",a,b\nb,1,2\na,3,4\n", "same names in the same order.*'b' and 'a' at place 0"),
        ("pre,post\na,b\n", "columns pre, post and weight .* without weight"),
        ("pre,weight\na,1\n", "without post"),
        ("pre,post,weight\n", "at least one edge .* got none"),
        ("pre,post,weight\na,b,nan\n", "finite numbers, got 1 .* of 1"),
        ("pre,post,weight\na,b,many\n", "finite numbers, got 1 .* of 1"),
        ("pre,post,weight\na,b\n", "finite numbers, got 1 .* of 1"),
        ("pre,post,weight\na,,1\n", "must name `pre` and `post`, got 1"),
        ("pre,post,weight,weight\na,b,1,2\n", "one column weight .*, got several"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        load_connectome(_write(tmp_path / "t.csv", text))


def test_bad_graphs_are_refused(tmp_path, graphml, networkx):
    graph = networkx.DiGraph()
    with pytest.raises(ValueError, match="at least one neuron, got none"):
        load_connectome(graphml(graph))
    graph.add_edge("a", "b", weight="heavy")
    with pytest.raises(ValueError, match="must be numbers"):
        load_connectome(graphml(graph))
    text = (tmp_path / "g.graphml").read_text()
    with pytest.raises(ValueError, match="is not GraphML or is cut off"):
        load_connectome(_write(tmp_path / "cut.graphml", text[: len(text) // 2]))


def test_other_files_are_refused_and_nothing_is_unpickled(tmp_path):
    with pytest.raises(ValueError, match=r"must end in .npy, .npz, .csv, .graphml.*'.pkl'"):
        load_connectome(tmp_path / "c.pkl")
    with pytest.raises(ValueError, match="must name a file, got .*none.npy"):
        load_connectome(tmp_path / "none.npy")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ValueError, match="must name a file, got .*folder.npy"):
        load_connectome(tmp_path / "folder.npy")

    class Bomb:
        def __reduce__(self):
            return (_write, (tmp_path / "exploded", "boom"))

    for name in ("p.npy", "p.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(ValueError, match=f"{name} .*(objects|cannot be read)"):
            load_connectome(tmp_path / name)
    assert not (tmp_path / "exploded").exists()
    np.save(tmp_path / "whole.npy", np.eye(50))
    np.savez(tmp_path / "whole.npz", weights=np.eye(50))
    for name in ("whole.npy", "whole.npz"):
        data = (tmp_path / name).read_bytes()
        cut = tmp_path / f"cut{name[-4:]}"
        cut.write_bytes(data[: len(data) // 2])
        with pytest.raises(ValueError, match="cut.* cannot be read"):
            load_connectome(cut)
    (tmp_path / "a.npz").write_bytes((tmp_path / "whole.npy").read_bytes())
    with pytest.raises(ValueError, match="must be an archive, got one array"):
        load_connectome(tmp_path / "a.npz")
    (tmp_path / "a.npy").write_bytes((tmp_path / "whole.npz").read_bytes())
    with pytest.raises(ValueError, match="must be one array, got an archive"):
        load_connectome(tmp_path / "a.npy")
