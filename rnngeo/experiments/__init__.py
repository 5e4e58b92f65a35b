"""What a paper claims, and whether it holds here."""

from ._claims import Claim as Claim
from ._papers import PAPERS as PAPERS
from ._papers import reproduce as reproduce
from ._study import Experiment as Experiment
from ._study import Outcome as Outcome
from ._study import Reproduction as Reproduction
from ._study import run_experiments as run_experiments

__all__ = [
    "PAPERS",
    "Claim",
    "Experiment",
    "Outcome",
    "Reproduction",
    "reproduce",
    "run_experiments",
]
