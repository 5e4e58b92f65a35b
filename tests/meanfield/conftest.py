"""The published ensemble, and how an entry of the reference table is read."""

import numpy as np
import pytest
from helpers import assert_golden

from rnngeo.meanfield import FeedbackEnsemble


@pytest.fixture
def ensemble():
    return FeedbackEnsemble(0.3, 1.2, 0.5, 0.5)


@pytest.fixture
def ensemble_of():
    """Ensemble of a table entry; the gain is 0 where the entry leaves it open."""
    names = ("gain", "feedback_std", "input_std", "shared_weight")
    return lambda entry: FeedbackEnsemble(*(entry["inputs"].get(name, 0.0) for name in names))


@pytest.fixture
def assert_fixed_points():
    """Compare every number of every fixed point with a table entry."""
    fields = {"z": "output", "D0": "variance", "bulk_radius": "bulk_radius", "slope": "slope"}
    fields["covariance_with_target"] = "covariance"

    def check(found, expected, tolerance):
        assert int(found.count) == len(expected)
        assert np.all(np.isnan(found.output[len(expected) :]))
        for k, row in enumerate(expected):
            for name, field in fields.items():
                if name in row:
                    assert_golden(getattr(found, field)[k], row[name], tolerance, name)
            for j, pair in enumerate((row["lambda_1"], row["lambda_2"])):
                if pair is not None:
                    assert_golden(found.roots[k, j], complex(*pair), tolerance, "lambda")
                    assert bool(found.is_outlier[k, j]) == row["is_outlier"][j]
            assert bool(found.is_stable[k]) == row["is_stable"]

    return check
