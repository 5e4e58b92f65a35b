"""Phase diagrams of the uncorrelated theory against the bare averages they are made of."""

import jax
import jax.numpy as jnp
import pytest

from rnngeo.meanfield import (
    FeedbackEnsemble,
    participation_ratio_curves,
    phase_diagram,
    phase_diagram_gain,
)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("over", ["target", "gain"])
def test_phase_diagram(benchmark, measure, report, pick, over):
    """200 x 200 cells; the floor is one open-loop state (8 Newton steps of two 240-point averages)
    on each of the 64 outputs scanned in each of the 200 rows."""
    n = pick(200, 20)
    ensemble = FeedbackEnsemble(0.8, 1.2, 0.5, 0.5)
    ratios, targets = jnp.linspace(-3.0, 3.0, n), jnp.linspace(-2.5, 2.5, n)
    gains = jnp.linspace(0.0, 1.5, n)
    draw = {
        "target": lambda: phase_diagram(ensemble, ratios, targets).phase,
        "gain": lambda: phase_diagram_gain(ensemble, ratios, gains, 2.0).phase,
    }[over]
    points = jnp.ones((n, 64, 16, 240))
    floor = jax.jit(lambda x: jnp.sum(jnp.tanh(x) ** 2, axis=-1))
    measured = measure({"averages": lambda: floor(points), "phase diagram": draw}, pick(5, 2))
    report(f"Phases over (r, {over})", measured, "averages", dtype="float64", cells=f"{n} x {n}")
    benchmark.pedantic(lambda: jax.block_until_ready(draw()), rounds=1)


def test_dimension_curves(benchmark, measure, report, pick):
    """20 gains x 10 effective ranks, erf; the floor is the complex exponentials of the transforms
    alone: 129 points of the circle and 640 lags for each gain, twice (rates and currents share
    them, the pole has its own)."""
    n = pick(20, 3)
    gains, ranks = jnp.linspace(2.0, 10.0, n), 1 / jnp.geomspace(0.1, 10.0, 10)
    draw = lambda: participation_ratio_curves(gains, ranks)
    points = jnp.ones((n, 129, 640)) * (0.1 + 1j)
    floor = jax.jit(lambda x: jnp.sum(jnp.exp(-x), axis=-1))
    measured = measure({"exponentials": lambda: floor(points), "curves": draw}, pick(9, 2))
    report("Dimension over gain and rank", measured, "exponentials", dtype="float64", gains=n)
    benchmark.pedantic(lambda: jax.block_until_ready(draw()), rounds=1)
