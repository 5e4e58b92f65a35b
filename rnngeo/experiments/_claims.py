"""One number that a paper or a theory states, beside the number found here."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

Numbers = Sequence[float | int] | np.ndarray


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement with a number in it, and what we measure.

    Attributes:
        experiment: Where it belongs, "E1".
        claim: The statement, in words.
        expected: The number it gives.
        measured: The number found; NaN if nothing was found.
        tolerance: Largest |measured - expected| with which the claim holds.
        source: Where `expected` comes from: "published", "derived", "mean field", ...
    """

    experiment: str
    claim: str
    expected: float | int
    measured: float | int
    tolerance: float | int
    source: str

    @property
    def holds(self) -> bool:
        """Whether the claim holds; a measured NaN never does."""
        return bool(abs(self.measured - self.expected) <= self.tolerance)

    @property
    def verdict(self) -> str:
        """ "holds" or "fails"."""
        return "holds" if self.holds else "fails"

    def as_dict(self) -> dict[str, Any]:
        """The fields and the verdict, for a JSON file."""
        return {**dataclasses.asdict(self), "verdict": self.verdict}

    def as_row(self) -> list[str]:
        """The cells of one line of a table."""
        numbers = [f"{v:.7g}" for v in (self.expected, self.measured)]
        return [self.claim, *numbers, f"{self.tolerance:.2g}", self.source, self.verdict]


def reachable(tolerance: float) -> float:
    """A tolerance that the present precision can reach: not below the root of its rounding unit."""
    return max(tolerance, math.sqrt(float(jnp.finfo(jnp.result_type(float)).eps)))


def largest_deviation(measured: Numbers, expected: Numbers) -> float:
    """Largest |measured - expected|; NaN if the two have not the same length."""
    found, wanted = np.asarray(measured, float), np.asarray(expected, float)
    return float(np.max(np.abs(found - wanted))) if found.shape == wanted.shape else math.nan
