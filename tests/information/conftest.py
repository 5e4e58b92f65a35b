"""Golden numbers of information flux, and the chain of states in plain NumPy."""

import json
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def flux_golden():
    """The reference table of information flux."""
    path = Path(__file__).parents[1] / "golden" / "information_flux.json"
    return json.loads(path.read_text())


class BruteForce:
    """Every formula as it is written, in float64; the law by elimination in plain loops."""

    def __init__(self, weights, bias=None):
        w = np.asarray(weights, float)
        self.n = len(w)
        b = np.zeros(self.n) if bias is None else np.asarray(bias, float)
        k = np.arange(2**self.n)
        self.states = 2.0 * ((k[:, None] >> np.arange(self.n)[::-1]) & 1) - 1
        self.fields = self.states @ w.T + b
        with np.errstate(over="ignore"):
            up = 1 / (1 + np.exp(-self.fields))
            down = 1 / (1 + np.exp(self.fields))
        is_up = self.states[None] > 0
        self.matrix = np.prod(np.where(is_up, up[:, None], down[:, None]), axis=-1)

    def law(self):
        t = self.matrix.copy()
        for k in range(len(t) - 1, 0, -1):
            t[:k, k] /= t[k, :k].sum()
            t[:k, :k] += np.outer(t[:k, k], t[k, :k])
        p = np.ones(1)
        for k in range(1, len(t)):
            p = np.append(p, p @ t[:k, k])
            p /= p.sum()
        return p

    def law_by_eigenvector(self):
        values, vectors = np.linalg.eig(self.matrix.T)
        p = vectors[:, np.argmax(values.real)].real
        return p / p.sum()

    def flux_of(self, p):
        """Double sum over all transitions, and never a difference of two entropies."""
        joint = p[:, None] * self.matrix
        safe = np.where(joint > 0, joint, 1.0)
        ratio = np.where(joint > 0, safe / np.outer(p, p @ self.matrix), 1.0)
        return float(np.sum(joint * np.log2(ratio)))


@pytest.fixture(scope="session")
def brute_force():
    """Builds the chain of a network in NumPy."""
    return BruteForce
