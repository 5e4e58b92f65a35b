"""Axes hold what was given: pictures of ensembles."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from rnngeo.plotting import (
    new_axes,
    plot_curves,
    plot_deviations,
    plot_overlap_plane,
    plot_phase_map,
    plot_scaling,
    plot_solution_branches,
    plot_success,
    save_figure,
)


def names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def points(line):
    return np.column_stack([np.asarray(v, float) for v in line.get_data()])


def test_solution_branches_split_by_stability():
    targets = np.array([-1.0, 0.0, 1.0])
    z = np.array([[-1.0, 2.0], [0.0, np.nan], [1.0, -0.5]])
    stable = np.array([[False, True], [True, False], [True, False]])
    ax = plot_solution_branches(targets, z, stable, landmarks={"flex": -0.2}, threshold=1.0)
    first, second, *_ = ax.get_lines()
    np.testing.assert_array_equal(points(first), [[-1, 2], [0, 0], [1, 1]])
    np.testing.assert_array_equal(points(second), [[-1, -1], [1, -0.5]])
    assert names(ax) == ["stable", "unstable"]
    assert [text.get_text() for text in ax.texts] == ["flex"]
    assert ax.get_xlabel() == "target A"


def test_phase_map_holds_codes_and_boundaries():
    x, y = np.linspace(-1, 1, 4), np.linspace(0, 2, 3)
    phase = np.array([[0, 1, 2, -1], [0, 0, 2, 2], [1, 1, 1, 1]])
    line = (np.array([0.1, 0.2, np.nan]), y)
    ax = plot_phase_map(x, y, phase, ("1S", "3U", "3S"), boundaries={"r_c": line})
    drawn = ax.collections[0].get_array()
    assert drawn is not None
    np.testing.assert_array_equal(np.ma.getmaskarray(drawn).ravel(), (phase < 0).ravel())
    np.testing.assert_array_equal(np.ma.compressed(drawn), phase[phase >= 0])
    np.testing.assert_array_equal(points(ax.get_lines()[0]), np.column_stack(line))
    assert names(ax) == ["1S", "3U", "3S", "r_c"]
    assert ax.get_xlim() == (-1, 1)


def test_overlap_plane_holds_points_lines_and_paths():
    given = {"least squares": (np.array([1.0, 2.0]), np.array([0.1, 0.2])),
             "descent": (np.array([3.0]), np.array([0.5]))}  # fmt: skip
    path = {"descent": (np.array([0.0, 3.0]), np.array([0.0, 0.5]))}
    ax = plot_overlap_plane(given, ratios={"r_c": -0.5}, paths=path)
    assert names(ax) == ["least squares", "descent", "r_c"]
    lines = {line.get_label(): line for line in ax.get_lines()}
    np.testing.assert_array_equal(points(lines["least squares"]), [[1, 0.1], [2, 0.2]])
    assert ax.get_lines()[0].get_color() == lines["descent"].get_color()


def test_success_holds_lines_errors_and_references():
    targets = np.array([-1.0, 1.0])
    ax = plot_success(
        targets,
        {"LS": np.array([0.0, 1.0]), "RLS": np.array([0.5, 1.0])},
        errors={"RLS": np.array([0.1, 0.0])},
        references={"LS": np.array([0.1, 0.9])},
        threshold=1.0,
    )
    assert set(names(ax)) == {"LS", "RLS", "LS, reference"}
    assert len(ax.containers) == 2
    crosses = [line for line in ax.get_lines() if line.get_label() == "LS, reference"]
    np.testing.assert_array_equal(points(crosses[0]), [[-1, 0.1], [1, 0.9]])


def test_curves_pair_lines_with_dashes_and_points():
    x = np.linspace(0, 1, 5)
    ax = plot_curves(
        x, {"a": x, "b": 2 * x}, dashed={"a": x**2},
        points={"b": (x[:2], x[:2], np.full(2, 0.1))}, xlabel="x", ylabel="y",
    )  # fmt: skip
    assert names(ax) == ["a", "b"]
    solid, dashed, other = ax.get_lines()[:3]
    assert solid.get_color() == dashed.get_color() != other.get_color()
    np.testing.assert_array_equal(points(dashed)[:, 1], x**2)
    assert len(ax.containers) == 1


def test_scaling_draws_the_power_law_beside_the_data():
    sizes = np.array([100, 400, 1600])
    ax = plot_scaling(sizes, {"A": 3 / np.sqrt(sizes)})
    data, guide = ax.get_lines()
    slope = lambda line: np.polyfit(np.log(points(line)[:, 0]), np.log(points(line)[:, 1]), 1)[0]
    assert slope(data) == pytest.approx(-0.5, abs=1e-12)
    assert slope(guide) == pytest.approx(-0.5, abs=1e-12)
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_deviations_have_one_row_a_quantity():
    ax = plot_deviations(
        ["z", "D0"], {"N = 100": np.array([0.1, -0.1]), "N = 400": np.array([0.0, 0.05])},
        {"N = 100": np.array([0.1, 0.1]), "N = 400": np.array([0.05, 0.05])},
    )  # fmt: skip
    assert [label.get_text() for label in ax.get_yticklabels()] == ["z", "D0"]
    assert len(ax.containers) == 2
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top


def test_figures_are_written_and_axes_are_reused(tmp_path):
    axes = new_axes(1, 2)
    assert axes.shape == (1, 2)
    returned = plot_scaling(np.array([1, 4]), {"A": np.array([1.0, 0.5])}, ax=axes[0, 1])
    assert isinstance(returned, Axes)
    assert returned is axes[0, 1]
    save_figure(returned, tmp_path / "figure.png", dpi=40)
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
