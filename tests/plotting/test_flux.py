"""Pictures of information flux hold what was given."""

import numpy as np
import pytest

from rnngeo.plotting import (
    lay_out_map,
    plot_basin_sizes,
    plot_flux_by_width,
    plot_flux_correlation,
    plot_flux_terms,
    plot_rank_correlation,
    plot_state_transitions,
    plot_weights,
)


def points(line):
    return np.column_stack([np.asarray(v, float) for v in line.get_data()])


def test_weights_keep_rows_and_are_centred_at_zero():
    weights = np.array([[1.0, -2.0], [0.0, 0.5]])
    ax = plot_weights(weights, names=["a", "b"])
    (image,) = ax.get_images()
    np.testing.assert_array_equal(image.get_array(), weights)
    assert image.get_clim() == (-2.0, 2.0)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("source", "target")
    assert plot_weights(np.zeros((3, 3))).get_images()[0].get_clim() == (-1.0, 1.0)


def test_terms_are_bars_under_their_bound():
    terms = {"H": 3.0, "D": 2.0, "I": 1.0}
    ax = plot_flux_terms(terms, bound=1.5, n_units=4)
    assert [bar.get_height() for bar in ax.patches] == [3.0, 2.0, 1.0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["H", "D", "I"]
    (bound,) = ax.collections
    np.testing.assert_array_equal(np.asarray(bound.get_segments())[0][:, 1], [1.5, 1.5])
    assert ax.get_lines()[0].get_ydata()[0] == 4


def test_unknown_terms_are_empty_and_a_bracket_stands_for_the_flux():
    terms = {"H": np.nan, "D": 2.0, "I": np.nan}
    ax = plot_flux_terms(terms, bound=3.5, n_units=4, bracket=(0.75, 1.25))
    assert [bar.get_height() for bar in ax.patches] == [0.0, 2.0, 0.0]
    (segment,) = ax.collections[0].get_segments()
    np.testing.assert_array_equal(segment, [[2, 0.75], [2, 1.25]])
    assert [text.get_text() for text in ax.texts] == ["2.000", "0.750 to 1.250"]


def test_scatter_has_one_point_a_network_and_the_law_of_weak_weights():
    correlation = np.array([[0.1, 0.2, 0.3], [0.5, 0.6, 0.7]])
    flux = np.array([[0.2, 0.4, 0.9], [2.0, np.nan, 1.0]])
    ax = plot_flux_correlation(correlation, flux, np.array([0.5, 5.0]), 5)
    (scatter,) = ax.collections
    known = np.isfinite(flux)  # an unknown flux is masked
    drawn = np.ma.getmaskarray(scatter.get_offsets())
    np.testing.assert_array_equal(~drawn.any(axis=1), known.ravel())
    drawn = np.ma.getdata(scatter.get_offsets())[known.ravel()]
    np.testing.assert_array_equal(drawn, np.column_stack([correlation[known], flux[known]]))
    np.testing.assert_array_equal(scatter.get_array(), [0.5] * 3 + [5.0] * 3)
    c, law = points(ax.get_lines()[0]).T
    np.testing.assert_allclose(law, 25 * c**2 / (2 * np.log(2)))
    assert plot_flux_correlation(correlation[:1], flux[:1], np.array([0.5]), 5).collections


def test_widths_are_sorted_and_unknown_networks_left_out():
    widths = np.array([2.0, 0.5])
    values = np.array([[1.0, 3.0], [0.5, np.nan]])
    ax = plot_flux_by_width(widths, {"flux": values})
    np.testing.assert_array_equal(points(ax.get_lines()[0]), [[0.5, 0.5], [2.0, 2.0]])
    ax = plot_rank_correlation(widths, np.array([-0.5, 1.0]))
    np.testing.assert_array_equal(points(ax.get_lines()[1]), [[0.5, 1.0], [2.0, -0.5]])


@pytest.fixture
def following():
    """A 3-cycle with two states flowing in, a fixed point with one, a 2-cycle alone."""
    return np.array([1, 2, 0, 0, 3, 5, 5, 8, 7])


def test_states_lie_on_rings_around_their_cycle(following):
    places, cycles, owner = lay_out_map(following)
    assert cycles == [[0, 1, 2], [7, 8], [5]]
    np.testing.assert_array_equal(owner, [0, 0, 0, 0, 0, 2, 2, 1, 1])
    centre = lambda a, b, c: np.linalg.solve(  # of the circle through three points
        2 * np.array([b - a, c - a]), [b @ b - a @ a, c @ c - a @ a]
    )
    middle = centre(*places[:3])
    distance = np.linalg.norm(places[[0, 3, 4]] - middle, axis=1)
    np.testing.assert_allclose(np.diff(distance), 1.0)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(len(places))
    assert gaps.min() > 0.5


def test_no_two_states_of_a_random_map_collide():
    rng = np.random.default_rng(0)
    for n in (1, 2, 16, 128, 256):
        following = rng.integers(0, n, n)
        places, cycles, owner = lay_out_map(following)
        assert sum(map(len, cycles)) == np.unique(_land(following)).size
        np.testing.assert_array_equal(owner, owner[following])
        gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + 9 * np.eye(n)
        assert gaps.min() > 0.3


def _land(following):
    x = np.arange(following.size)
    for _ in range(following.size):
        x = following[x]
    return x


def test_arrows_point_from_each_state_to_the_next(following):
    ax = plot_state_transitions(following)
    places, _, owner = lay_out_map(following)
    arrows, transient, cyclic = ax.collections
    moved = np.flatnonzero(following != np.arange(9))  # a fixed point has no arrow
    along = np.column_stack([arrows.U, arrows.V])
    step = places[following[moved]] - places[moved]
    cosine = np.sum(along * step, 1) / np.linalg.norm(along, axis=1) / np.linalg.norm(step, axis=1)
    np.testing.assert_allclose(cosine, 1.0)
    assert (np.linalg.norm(along, axis=1) < np.linalg.norm(step, axis=1)).all()
    np.testing.assert_array_equal(transient.get_offsets(), places[[3, 4, 6]])
    np.testing.assert_array_equal(cyclic.get_offsets(), places[[0, 1, 2, 5, 7, 8]])
    assert np.unique(cyclic.get_facecolors(), axis=0).shape[0] == np.unique(owner).size
    assert ax.get_title() == "Sign map: cycles of length 3, 2, 1"


def test_basins_are_shares():
    ax = plot_basin_sizes(np.array([4, 1]), np.array([12, 4]))
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[4, 0.75], [1, 0.25]])
