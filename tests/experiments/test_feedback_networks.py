"""The claims of the paper and of its theory hold; simulation at reduced size."""

import jax.random as jr
import numpy as np
import pytest

from rnngeo._progress import silent
from rnngeo.experiments import reproduce
from rnngeo.experiments.feedback_networks import (
    _chaos,
    _clouds,
    _finite_size,
    _least_squares,
    _maps,
    _plane,
    _success,
)
from rnngeo.experiments.feedback_networks._finite_size import (
    SETS,
    compare_means,
    compare_spreads,
    measure_networks,
)


def assert_all_hold(claims):
    failures = [claim for claim in claims if not claim.holds]
    assert not failures, "\n".join(str(claim.as_row()) for claim in failures)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("E1", 35),
        ("E2", 21),
        ("E3", 23),
        pytest.param("E4", 21, marks=[pytest.mark.slow, pytest.mark.computes]),
    ],
)
def test_claims_of_the_theory_hold(name, least, monkeypatch):
    monkeypatch.setattr(_maps, "LEAST_SQUARES_MAP", (5, 24))  # a picture, no claim
    reproduction = reproduce("feedback-networks", [name])
    assert len(reproduction.claims) >= least
    assert_all_hold(reproduction.claims)
    assert {claim.experiment for claim in reproduction.claims} == {name}
    ax = reproduction.figures[name]()
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in ax.figure.axes)


@pytest.mark.slow
@pytest.mark.theory
def test_networks_follow_the_mean_field_and_their_spread_falls(key):
    sizes = {75: 40, 300: 16}
    found = measure_networks(sizes, silent, key)
    assert found[300].shape == (len(SETS), 16, 3, 3)
    assert_all_hold(compare_spreads(found))
    means = compare_means(found)
    assert_all_hold(means)
    for claim in means:  # sharp enough to fail
        assert claim.tolerance < 0.75 * (1 + abs(claim.expected))


@pytest.mark.slow
def test_networks_are_repeatable_and_differ():
    rows = [measure_networks({30: 2}, silent, jr.key(seed))[30] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.allclose(rows[0], rows[2])


REDUCED = {
    "E5": (_finite_size, {"SIZES": {40: 3, 80: 3}}),
    "E6": (_clouds, {"N_UNITS": 60, "N_NETWORKS": 2}),
    "E7": (_least_squares, {"N_UNITS": 60, "N_NETWORKS": 2}),
    "E8": (_plane, {"N_UNITS": 60, "N_NETWORKS": 2, "_N_STEPS": 60}),
    "E9": (_success, {"N_NETWORKS": 2, "N_STARTS": 2,
                      "CELLS": {(0.3, 0.5, 40): _success.CELLS[0.8, 0.5, 250]}}),
    "E10": (_chaos, {"SIZES": {40: 2, 80: 2}, "WINDOW": 30.0}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", REDUCED)
def test_simulated_experiments_measure_every_claim_and_draw(name, monkeypatch, tmp_path):
    module, sizes = REDUCED[name]
    for constant, value in sizes.items():
        monkeypatch.setattr(module, constant, value)
    stages = []
    reproduction = reproduce(
        "feedback-networks", [name], folder=tmp_path, progress=lambda *call: stages.append(call)
    )
    assert len(reproduction.claims) >= 5
    assert sum(np.isfinite(claim.measured) for claim in reproduction.claims) >= 5
    assert all(0 <= done <= total for _, done, total in stages)
    assert stages[-1][1] == stages[-1][2]
    again = reproduce("feedback-networks", [name], folder=tmp_path)  # from its file
    assert str(again.claims) == str(reproduction.claims)  # NaN included
    ax = again.figures[name]()
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in ax.figure.axes)
