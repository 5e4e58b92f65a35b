"""Pictures of a search: nothing hides what it lies on."""

import numpy as np
import pytest

from rnngeo.plotting import plot_pareto_front, plot_restarts, plot_search_history, plot_weights


def points(line):
    return np.column_stack([np.asarray(v, float) for v in line.get_data()])


def by_label(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_landmarks_that_coincide_are_both_seen():
    history = np.array([[1.0, 1.5, 2.0], [0.5, 1.0, 1.9]])
    ax = plot_search_history(history, best=1, landmarks={"rooks": 2.0, "ascent": 2.0})
    lines = by_label(ax)
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), history[0])
    np.testing.assert_array_equal(lines["best restart"].get_ydata(), history[1])
    over, under = lines["rooks"], lines["ascent"]
    assert points(over)[:, 1].tolist() == points(under)[:, 1].tolist() == [2.0, 2.0]
    assert under.get_linewidth() > 3 * over.get_linewidth()
    assert under.get_zorder() < lines["best restart"].get_zorder() < over.get_zorder()


def restarts():
    return plot_restarts(
        np.array([1.0, 0.4, 1.0, 1.0]), np.array([2.0, 1.5, 2.0, 1.9999]), best=2, rooks_flux=2.0
    )


def front():
    others = np.array([2.0, 2.0, 1.5, 1.4]), np.array([4.0, 4.0, 6.0, 4.0])
    return plot_pareto_front(np.array([2.0, 1.5]), np.array([4.0, 6.0]), others, (2.0, 4.0))


@pytest.mark.parametrize(
    ("draw", "star", "count"),
    [(restarts, "rooks", "3 restarts"), (front, "longest rooks", "2 restarts")],
)
def test_symbols_in_one_place_are_all_seen(draw, star, count):
    ax = draw()
    lines = by_label(ax)
    assert lines[star].get_markerfacecolor() == "none"
    assert [text.get_text() for text in ax.texts] == [count]
    sizes = [line.get_markersize() for line in lines.values() if line.get_marker() in ("o", "*")]
    assert len(sizes) == 3 == len(set(sizes))  # concentric, none as large as another
    assert max(sizes) == lines[star].get_markersize()


@pytest.mark.parametrize("draw", [restarts, front])
def test_legend_is_below_and_symbols_keep_off_the_frame(draw):
    ax = draw()
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().y1 < ax.get_window_extent().y0
    places = np.concatenate(
        [points(line) for line in ax.get_lines() if line.get_marker() != "None"]
    )
    inside = ax.transAxes.inverted().transform(ax.transData.transform(places))
    # room of 0.15 of the span on either side: 0.15/1.3 of the axes
    assert inside.min() > 0.115
    assert inside.max() < 0.885


def test_restarts_that_all_end_alike_have_an_axis():
    ax = plot_restarts(np.ones(5), np.full(5, 3.0), rooks_flux=3.0)
    assert ax.get_xlim() == pytest.approx((0.95, 1.05))
    assert ax.get_ylim() == pytest.approx((2.9985, 3.0015))
    assert [text.get_text() for text in ax.texts] == ["5 restarts"]
    ax = plot_restarts(np.array([0.5]), np.array([1.0]))
    assert not ax.texts


def test_weights_are_written_without_needless_exponents():
    weights = np.array([[-101.2, 300.0, 99.7], [99.4, 7.25, -12.6], [0.0, 2e5, 1.0]])
    shown = [text.get_text() for text in plot_weights(weights, limit=100.0).texts]
    assert shown == ["-101", "300", "100", "99", "7.2", "-13", "0", "2e+05", "1"]
