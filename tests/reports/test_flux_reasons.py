"""What a report of information flux says where a number is missing, and in how many words."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import rnngeo.reports._flux as flux_module
from rnngeo.information import Elimination, Krylov, PowerIteration
from rnngeo.reports import FluxEnsembleReport, Units, flux_report
from rnngeo.reports._flux_ensemble import _in_batches

WEIGHTS, BIAS = np.array([[0.5, -1.5], [2.0, 1.0]]), np.array([0.5, -1.0])
MEASURES = ("entropy", "divergence", "flux", "correlation", "pair_information", "weak_flux")


@pytest.fixture(scope="module")
def true():
    """What the exact methods find, of two units with a bias."""
    given, _ = flux_module.given_network(WEIGHTS, BIAS, Units.PLUS_MINUS, None)
    return jax.tree.map(np.asarray, flux_module._exact(given, Elimination(), True))


@pytest.fixture
def ask(true, monkeypatch):
    """The report on those two units, whose exact methods fail as told."""

    def ask(spoil, has_gradient=True, default=None, **asked):
        used = []

        def exact(given, method, has_gradient):
            used.append(type(method))
            flux, found, gradient = spoil(jax.tree.map(jnp.asarray, true), method)
            return flux, found, gradient if has_gradient else None

        monkeypatch.setattr(flux_module, "_exact", exact)
        if default is not None:
            monkeypatch.setattr(flux_module, "default_method", lambda *_: default)
        report = flux_report(WEIGHTS, bias=BIAS, has_gradient=has_gradient, **asked)
        return report, used

    return ask


def bad_slope(where, value, methods=(Elimination, Krylov, PowerIteration)):
    def spoil(true, method):
        if not isinstance(method, methods):
            return true
        return eqx.tree_at(where, true, replace_fn=lambda slope: slope.at[-1].set(value))

    return spoil


def no_law(methods=(Elimination, Krylov, PowerIteration)):
    def spoil(true, method):
        if not isinstance(method, methods):
            return true
        return eqx.tree_at(lambda t: t[0].entropy, true, jnp.asarray(np.nan))

    return spoil


OF_WEIGHTS, OF_BIAS = lambda t: t[2][0], lambda t: t[2][1]


def test_what_is_known_is_told(ask, true):
    report, used = ask(lambda true, method: true)
    found = report.summary()
    assert used == [Elimination]
    assert found["gradient"] == true[2][0].tolist()
    assert found["gradient_bias"] == true[2][1].tolist()
    assert "reason" not in found
    assert found["residual"] == float(true[0].residual)


@pytest.mark.parametrize("where", [OF_WEIGHTS, OF_BIAS])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_refused(ask, where, value):
    spoil = bad_slope(where, value)
    report, _ = ask(spoil)
    found = report.summary()
    assert found["gradient"] is None
    assert found["gradient_bias"] is None
    assert found["flux"] == pytest.approx(report.entropy - report.divergence)
    assert found["reason"].startswith("gradient, gradient_bias: elimination finds no finite grad")
    assert "gradient" not in report.to_dataset()
    assert report.tables()[-1][2][0][0] == "gradient, gradient_bias"
    with pytest.raises(ValueError, match="`precision` must be float64 .* no finite gradient"):
        ask(spoil, precision="float32")
    # who does not ask for the gradient does not hear of it
    assert "reason" not in ask(spoil, has_gradient=False)[0].summary()


def test_elimination_stands_in_for_a_gradient(ask):
    report, used = ask(bad_slope(OF_WEIGHTS, np.nan, Krylov), default=Krylov())
    assert used == [Krylov, Elimination]
    assert report.method == "elimination"
    assert "reason" not in report.summary()


def test_without_a_law_every_number_that_needs_one_is_named(ask):
    report, used = ask(no_law())
    found = report.summary()
    assert used == [Elimination]  # nothing stands in for it
    names = ("entropy", "divergence", "flux", "correlation", "residual", "gradient")
    assert all(found[name] is None for name in (*names, "gradient_bias"))
    assert "; residual, gradient, gradient_bias: there is no law" in found["reason"]
    assert "--method" not in found["reason"]
    plain = ask(no_law(), has_gradient=False)[0].summary()
    assert plain["reason"].endswith("; residual: there is no law")


def test_a_method_chosen_by_hand_that_fails_names_the_one_that_reaches_further(ask, monkeypatch):
    spoil = no_law((Krylov, PowerIteration))
    for method in (Krylov(), PowerIteration()):
        report, used = ask(spoil, method=method)
        assert used == [type(method)]  # what was asked for, nothing else
        assert "too rare for it, `--method elimination` reaches further; " in report.reason
        assert report.summary()["residual"] is None
    slope = ask(bad_slope(OF_BIAS, np.nan), method=Krylov())[0]
    assert "`--method elimination`" in slope.reason
    with pytest.raises(ValueError, match=r"must be float64 .*`--method elimination`"):
        ask(spoil, method=Krylov(), precision="float32")
    # more states than elimination takes
    monkeypatch.setattr(flux_module, "MOST_ELIMINATED", 3)
    assert "--method" not in ask(spoil, method=Krylov())[0].reason


@pytest.mark.parametrize(
    ("stuck", "words"),
    [([True, False], "1 unit never changes (first: 0)"),
     ([True, True], "2 units never change (first: 0)")],
)  # fmt: skip
def test_units_are_counted(ask, stuck, words):
    spoil = lambda true, _: eqx.tree_at(lambda t: t[1].is_stuck, true, np.array(stuck))
    report, _ = ask(spoil)
    assert words in report.reason
    assert "of 2 bits pass from" in report.verdict
    one = {"weights": np.ones((1, 1)), "bias": None, "gradient": None, "gradient_bias": None}
    alone = dataclasses.replace(report, **one, next_correlations=None)
    assert "of 1 bit passes from" in alone.verdict


@pytest.mark.parametrize(
    ("n_lost", "n_units", "words"),
    [(1, 1, "1 network has weights too strong for any method and is left out"),
     (2, 3, "2 networks have weights too strong for any method and are left out")],
)  # fmt: skip
def test_networks_are_counted(n_lost, n_units, words):
    values = np.arange(1.0, 6.0)[None]
    flux = np.where(np.arange(5) < n_lost, np.nan, values)
    report = FluxEnsembleReport(
        parameters={}, n_units=n_units, widths=np.ones(1),
        values={name: flux if name == "flux" else values for name in MEASURES},
    )  # fmt: skip
    assert report.reason == words
    assert report.verdict.endswith({1: "of 1 bit.", 3: "of 3 bits."}[n_units])


@pytest.mark.parametrize("n_at_once", [1, 3, 100])
def test_batches_are_of_one_size_and_leave_every_draw_in_place(n_at_once):
    keys, sizes = jr.split(jr.key(0), 7), []

    def draw(key):
        sizes.append(key.shape)
        return jr.uniform(key)

    found = _in_batches(draw, keys, n_at_once)
    np.testing.assert_array_equal(found, jax.vmap(jr.uniform)(keys))
    assert len(sizes) == 1  # another size would be another program
