"""The linear network with independent noise, against closed formulas of random couplings."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest
from scipy.optimize import brentq

from rnngeo.geometry import (
    linear_equivalent_covariance,
    linear_equivalent_currents,
    linear_equivalent_four_point,
)

W = np.array([0.5, -1.0, 0.3, 0.4])  # far from critical: |z| < 0.45 for every pair used
N_UNITS, N_MATRICES = 320, 10
# The measured offset at finite N is at most one percent at N = 400 and falls as 1/N.
OFFSET = 0.01 * 400 / N_UNITS


def _rows():
    path = Path(__file__).parents[1] / "golden" / "random_modes.json"
    (group,) = (
        entry
        for entry in json.loads(path.read_text())["golden"]
        if entry["id"] == "linear_equivalence_runs"
    )
    return {(row["case"], *row["w"]): row for row in group["rows"]}


GOLDEN = _rows()


def _check(measured, theory, case, pair, *, max_error, offset=OFFSET):
    """Mean over matrices against the closed formula, and the formula against the table."""
    i, k = pair
    row = GOLDEN[(case, W[i], W[k])]
    # The closed formula, at the N of this test, is the printed number.
    assert np.isclose(theory, row["theory"], rtol=6e-4 if offset == OFFSET else 0.02)
    values = np.asarray(measured)[:, i, k]
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert error < max_error * theory, f"standard error {error}"
    assert abs(values.mean() - theory) < 4 * error + offset * theory, (values.mean(), error, theory)
    # The published run of another program, within both errors.
    spread = np.hypot(error, row["stderr"])
    assert abs(values.mean() - row["measured"]) < 4 * spread + offset * theory


def _response(s0):
    return s0 / (1 + 1j * W)


def _gaussian(rng, *shape):
    return rng.standard_normal(shape) / np.sqrt(shape[0])


def _haar(rng, n):
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diag(r))


def _modes(rng, d):
    left, right = _gaussian(rng, N_UNITS, len(d)), _gaussian(rng, N_UNITS, len(d))
    return left * d @ right.T


def _four_points(draw, response, noise, n_matrices=N_MATRICES):
    rng = np.random.default_rng(20230)
    one = lambda j: linear_equivalent_covariance(jnp.asarray(j), response, noise=noise)
    return [linear_equivalent_four_point(one(draw(rng))) for _ in range(n_matrices)]


def _random_mode_theory(s, pair, inverse_rank):
    z = s[pair[0]] * s[pair[1]]
    return (1 + abs(z) ** 2 * inverse_rank) / abs(1 - z) ** 2


def _exponential(rank):
    """D_a proportional to exp(-beta a/M) with tanh(beta)/beta = rank, sum of squares N."""
    beta = brentq(lambda b: np.tanh(b) / b - rank, 1e-6, 1e3)
    d = np.exp(-beta * (np.arange(N_UNITS) + 0.5) / N_UNITS)
    return d * np.sqrt(N_UNITS / np.sum(d**2))


def _step(rank):
    d = np.ones(round(rank * N_UNITS))
    return d * np.sqrt(N_UNITS / d.size)


@pytest.mark.parametrize(
    ("case", "d", "max_error"),
    [
        ("random modes, step, er=0.2", _step(0.2), 0.035),
        ("random modes, exponential, er=0.3", _exponential(0.3), 0.02),
    ],
)
def test_random_modes(case, d, max_error):
    s, pair = _response(0.7), (0, 1)
    noise = jnp.asarray(1 - np.abs(s) ** 2)
    # These scatter most, the fewer modes the more.
    measured = _four_points(lambda rng: _modes(rng, d), jnp.asarray(s), noise, n_matrices=24)
    inverse_rank = N_UNITS * np.sum(d**4) / np.sum(d**2) ** 2
    theory = _random_mode_theory(s, pair, inverse_rank)
    _check(measured, theory, case, pair, max_error=max_error)


def _orthogonal_statistics(s, pair):
    """Limit, mean and standard deviation over orthogonal matrices of this size.

    The eigenvalues of C(w1) C(w2)^T are f(theta) at the eigenangles of J, and tr J^k has mean 1 for
    even k > 0, 0 for odd k, and variance k, all independent (Diaconis & Shahshahani 1994).
    """
    turn = np.exp(2j * np.pi * np.arange(256) / 256)
    s1, s2 = s[pair[0]], s[pair[1]]
    f = (1 - abs(s1) ** 2) * (1 - abs(s2) ** 2)
    f = f / np.abs((1 - s1 * turn) * (1 - s2 * turn.conj())) ** 2
    coefficients = np.fft.fft(f).real / 256
    mean = coefficients[0] + coefficients[2::2].sum() / N_UNITS
    k = np.arange(1, 128)
    paired = coefficients[1:128] + coefficients[:128:-1]
    return coefficients[0], mean, np.sqrt(np.sum(k * paired**2)) / N_UNITS


def test_orthogonal_couplings_rates_and_currents():
    s, sx = _response(0.7), 1 / (1 + 1j * W)
    rng = np.random.default_rng(3)
    rates, currents = [], []
    for _ in range(N_MATRICES):
        j = jnp.asarray(_haar(rng, N_UNITS))
        c = linear_equivalent_covariance(j, jnp.asarray(s), jnp.ones(4))
        rates.append(linear_equivalent_four_point(c))
        cx = linear_equivalent_currents(j, jnp.asarray(sx), c)
        currents.append(linear_equivalent_four_point(cx))
    for pair in ((0, 1), (2, 3)):
        theory = _random_mode_theory(s, pair, -1.0)
        _check(rates, theory, "orthogonal", pair, max_error=0.005)
        limit, exact, deviation = _orthogonal_statistics(s, pair)
        assert np.isclose(limit, theory, rtol=1e-12)
        values = np.asarray(rates)[:, *pair]
        assert abs(values.mean() - exact) < 3 * deviation / N_MATRICES**0.5
        assert 0.4 < values.std(ddof=1) / deviation < 1.7  # chi of 9 degrees, 99.8 %
    # Psi^x = Cx12 + (1 + 1/er)|U|^2 Cphi12 + 2 Re(U) Cxphi Cxphi, with 1/er = -1, Cx = |Sx|^2 and
    # Cxphi = gain Cx, where the response is gain x Sx with gain 0.7.
    sx12, z = sx[0] * sx[1], s[0] * s[1]
    u, cx12 = sx12 / (1 - z), abs(sx12) ** 2
    theory = cx12 + 2 * u.real * 0.7**2 * cx12
    _check(currents, theory, "orthogonal, x", (0, 1), max_error=0.005)


def _overlap_profile(gamma, rank):
    """Exponential D with the PRX profile of overlaps, shifted so that <D rho> = 0."""
    d, a = _exponential(rank), (np.arange(N_UNITS) + 0.5) / N_UNITS
    rho = lambda u: gamma * (1 - 2 / (1 + np.exp(-16 * (a - u))))
    u = brentq(lambda u: np.mean(d * rho(u)), 0.0, 1.0)
    return d, rho(u)


def test_left_right_overlaps():
    d, rho = _overlap_profile(-0.3, 0.6)
    s = _response(0.5)
    # Bare response and noise from the single-site problem: R, Q with C = 1 and alpha = 1.
    loop = 1 - np.outer(s, d * rho)
    r = np.mean(d * rho / loop, axis=1)
    q = np.mean(d**2 / np.abs(loop) ** 2, axis=1)
    bare = s / (1 + r * s)
    noise = (1 - np.abs(s) ** 2 * q) * np.abs(1 - r * bare) ** 2
    assert noise.min() > 0

    def draw(rng):
        left, other = _gaussian(rng, N_UNITS, N_UNITS), _gaussian(rng, N_UNITS, N_UNITS)
        return left * d @ (rho * left + np.sqrt(1 - rho**2) * other).T

    measured = _four_points(draw, jnp.asarray(bare), jnp.asarray(noise))
    s1, s2 = s[0] / (1 - d * rho * s[0]), s[1] / (1 - d * rho * s[1])
    u, v = np.mean(d**2 * s1 * s2), np.mean(d**4 * np.abs(s1 * s2) ** 2)
    w = np.mean(d**2 * rho**2 * s1.conj() * s2)
    x12 = np.mean(d**3 * rho * s1 * np.abs(s2) ** 2)
    x21 = np.mean(d**3 * rho * s2 * np.abs(s1) ** 2)
    mixed = ((1 + x12) * (1 + x21.conj()) / (1 - w.conj())).real
    theory = (v - 1 + 2 * mixed) / abs(1 - u) ** 2
    case = "overlap profile gamma=-0.3, PR_D=0.6"
    _check(measured, theory, case, (0, 1), max_error=0.01)


def test_partial_symmetry():
    rho, s = 0.3, _response(0.525)
    bare = s / (1 + rho * s**2)
    noise = (1 - np.abs(s) ** 2) / np.abs(1 + rho * s**2) ** 2

    def draw(rng):
        a = rng.standard_normal((N_UNITS, N_UNITS))
        symmetric, skew = (a + a.T) / 2**0.5, (a - a.T) / 2**0.5
        return (np.sqrt((1 + rho) / 2) * symmetric + np.sqrt((1 - rho) / 2) * skew) / N_UNITS**0.5

    measured = _four_points(draw, jnp.asarray(bare), jnp.asarray(noise))
    q = rho * np.conj(s[0]) * s[1]
    theory = (1 - abs(q) ** 2) / abs(1 - q) ** 2 / abs(1 - s[0] * s[1]) ** 2
    _check(measured, theory, "partial symmetry rho=0.3", (0, 1), max_error=0.005)


def test_row_and_column_gains_raw_and_weighted():
    """Sites that differ in everything; the weighted observation is that of z-scored activity."""
    rng = np.random.default_rng(5)
    a, b = rng.uniform(0.7, 1.3, N_UNITS), rng.uniform(0.6, 1.4, N_UNITS)
    modulation, level = rng.uniform(0.6, 1.2, N_UNITS), rng.uniform(0.8, 1.6, N_UNITS)
    observation = rng.uniform(0.5, 2.0, N_UNITS)
    s = _response(0.5)[:, None] * modulation
    c = np.ones((4, 1)) * level
    d = _exponential(0.6)
    drive = a**2 * np.mean(b**2 * level)
    noise = c - np.abs(s) ** 2 * drive
    assert noise.min() > 0
    draw = lambda: jnp.asarray(a[:, None] * _modes(rng, d) * b)
    one = lambda j: linear_equivalent_covariance(j, jnp.asarray(s), noise=jnp.asarray(noise))
    matrices = [one(draw()) for _ in range(N_MATRICES)]
    s1, s2, c1, c2 = s[0], s[1], c[0], c[1]
    u, kappa = np.mean(a**2 * b**2 * s1 * s2), np.mean(d**4)
    bare = []
    for weights in (np.ones(N_UNITS), observation):
        v = np.mean(weights * a**2 * s1 * s2)
        t = v / (1 - u)
        theory = 2 * (t * np.mean(weights * b**2 * c1 * c2)).real
        theory += abs(t) ** 2 * np.mean(b**4 * c1 * c2)
        theory += kappa * np.mean(b**2 * c1) * np.mean(b**2 * c2) * abs(v / (1 - u)) ** 2
        theory += np.mean(weights**2 * c1 * c2)
        observe = lambda m, w=weights: linear_equivalent_four_point(m, observation=jnp.asarray(w))
        measured = [observe(matrix)[0, 1] for matrix in matrices]
        error = np.std(measured, ddof=1) / N_MATRICES**0.5
        assert error < 0.01 * theory
        assert abs(np.mean(measured) - theory) < 4 * error + OFFSET * theory
        bare.append(theory)
    assert abs(bare[1] / bare[0] - 1) > 0.3  # the weights matter


def test_covariance_equals_numpy_and_its_noise_the_drive_of_each_site():
    rng = np.random.default_rng(1)
    j = 0.5 * rng.standard_normal((6, 6)) / 6**0.5
    s = _response(0.6)[:, None] * rng.uniform(0.5, 1.0, 6)
    c = rng.uniform(1.0, 2.0, (4, 6))
    per_site = linear_equivalent_covariance(jnp.asarray(j), jnp.asarray(s), jnp.asarray(c))
    uniform = linear_equivalent_covariance(
        lx.MatrixLinearOperator(jnp.asarray(j)), jnp.asarray(s[:, 0]), jnp.asarray(c[:, 0])
    )
    for k in range(4):
        inverse = np.linalg.inv(np.eye(6) - np.diag(s[k]) @ j)
        xi = c[k] - np.abs(s[k]) ** 2 * (j**2 @ c[k])
        expected = inverse @ np.diag(xi) @ inverse.conj().T
        assert np.allclose(per_site[k], expected, rtol=1e-12)
        inverse = np.linalg.inv(np.eye(6) - s[k, 0] * j)
        xi = c[k, 0] * (1 - np.abs(s[k, 0]) ** 2 * np.sum(j**2) / 6)
        assert np.allclose(uniform[k], xi * inverse @ inverse.conj().T, rtol=1e-12)
    psi = linear_equivalent_four_point(per_site, observation=jnp.asarray(c[0]))
    root = np.diag(np.sqrt(c[0]))
    one, two = root @ per_site[1] @ root, root @ per_site[2] @ root
    assert np.isclose(psi[1, 2], np.trace(one @ two.T).real / 6, rtol=1e-12)
    assert np.allclose(psi, psi.T)


@pytest.mark.float32
def test_precision_of_the_weights_is_kept():
    real = jnp.result_type(float)
    s = jnp.asarray(_response(0.6))
    c = linear_equivalent_covariance(0.3 * jnp.eye(3, dtype=real), s, jnp.ones(4, real))
    assert c.dtype == jnp.result_type(real, jnp.complex64)
    expected = (1 - 0.09 * np.abs(s) ** 2) / np.abs(1 - 0.3 * s) ** 2
    assert np.allclose(jax.vmap(jnp.diagonal)(c), expected[:, None], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(spectrum=None), "exactly one of `spectrum` and `noise`"),
        (dict(noise=jnp.ones(4)), "exactly one of `spectrum` and `noise`"),
        (dict(spectrum=jnp.ones(3)), "`spectrum` must have shape"),
        (dict(weights=jnp.ones((3, 2))), "`weights` must be square"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    arguments = dict(weights=jnp.eye(3), response=0.1 * jnp.ones(4), spectrum=jnp.ones(4))
    with pytest.raises(ValueError, match=message):
        linear_equivalent_covariance(**{**arguments, **change})
    with pytest.raises(ValueError, match="`observation` must have shape"):
        linear_equivalent_four_point(jnp.ones((2, 3, 3), complex), observation=jnp.ones(2))
