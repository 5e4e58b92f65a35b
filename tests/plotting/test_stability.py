"""Axes hold what was given: pictures of one network."""

import numpy as np
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import Circle

from rnngeo.plotting import (
    STABLE,
    UNSTABLE,
    plot_basins,
    plot_eigenvalues,
    plot_readout_curve,
    plot_trajectories,
)


def by_label(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_readout_curve_separates_stable_from_unstable():
    z = np.linspace(-2, 2, 9)
    ax = plot_readout_curve(
        [z, z],
        [np.tanh(2 * z), np.tanh(3 * z)],
        [np.array([-0.9, 0.0, 0.9]), np.array([0.0])],
        [np.array([True, False, True]), np.array([False])],
        theory_outputs=np.array([0.95]),
        target=0.95,
    )
    lines = by_label(ax)
    np.testing.assert_array_equal(lines["stable"].get_xdata(), [-0.9, 0.9])
    np.testing.assert_array_equal(lines["unstable"].get_xdata(), [0.0, 0.0])
    np.testing.assert_array_equal(lines["mean field"].get_ydata(), [0.95])
    assert names(ax).count("F(z), networks") == 1
    assert ax.get_xlabel() == "output z"


def test_readout_curve_without_networks_is_empty():
    ax = plot_readout_curve([], [], [], [])
    assert np.size(by_label(ax)["stable"].get_xdata()) == 0


def test_eigenvalues_hold_every_cloud_disc_and_outlier():
    clouds = [np.array([0.1 + 0.1j, 0.1 - 0.1j, 2.0]), np.array([0.2 + 0j, -0.2])]
    ax = plot_eigenvalues(clouds, ["a", "b"], bulk_radius=[0.3, 0.25], outliers=[[2.0 + 0j], []])
    lines = by_label(ax)
    for label, cloud in zip("ab", clouds, strict=True):
        np.testing.assert_array_equal(lines[label].get_xdata(), np.real(cloud))
        np.testing.assert_array_equal(lines[label].get_ydata(), np.imag(cloud))
    np.testing.assert_array_equal(lines["mean-field outlier"].get_xdata(), [2.0])
    discs = [patch for patch in ax.patches if isinstance(patch, Circle)]
    assert [disc.get_radius() for disc in discs] == [0.3, 0.25]
    assert names(ax) == ["a", "b", "mean-field outlier"]


def test_basins_hold_fractions_with_their_intervals():
    fraction, low, high = np.array([0.25, 0.75]), np.array([0.2, 0.7]), np.array([0.3, 0.8])
    ax = plot_basins([np.array([-1.0, 1.0])], [fraction], [low], [high])
    (container,) = ax.containers
    assert isinstance(container, ErrorbarContainer)
    line, _, (bars,) = container.lines
    np.testing.assert_array_equal(line.get_xdata(), [-1, 1])
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, np.column_stack([low, high]), rtol=1e-12)
    assert names(ax) == ["network 0"]


def test_trajectories_are_coloured_by_where_they_end():
    t = np.linspace(0, 10, 5)
    ax = plot_trajectories(t, np.array([[0, 0.5, 0.8, 0.9, 1.0], [0, -0.5, -0.8, -0.9, -1.0]]),
                           target=1.0)  # fmt: skip
    colors = [line.get_color() for line in ax.get_lines()]
    assert colors[:2] == [STABLE, UNSTABLE]
    assert len(ax.get_lines()) == 3  # with the target
    assert ax.get_xlabel() == "time (time constants)"
