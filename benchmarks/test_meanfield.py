"""Phase diagrams of the uncorrelated theory against the bare averages they are made of."""

import jax
import jax.numpy as jnp
import pytest

from rnngeo.meanfield import FeedbackEnsemble, phase_diagram, phase_diagram_gain


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
