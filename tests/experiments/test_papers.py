"""Which paper can be asked what."""

import pytest

from rnngeo.experiments import reproduce


@pytest.mark.parametrize("experiments", [None, ["E8"], []])
def test_exact_fluxes_are_refused_in_float32(experiments):
    with pytest.raises(ValueError, match="`precision` must be float64 for information-flux, got"):
        reproduce("information-flux", experiments, precision="float32")


def test_other_papers_take_float32():
    found = reproduce("random-modes", [], precision="float32")
    assert found.parameters["precision"] == "float32"
    assert reproduce("information-flux", []).parameters["precision"] == "float64"
