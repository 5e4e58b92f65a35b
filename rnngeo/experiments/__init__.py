"""What a paper claims, and whether it holds here."""

from ._claims import Claim as Claim
from ._study import Experiment as Experiment
from ._study import Outcome as Outcome
from ._study import Reproduction as Reproduction
from ._study import run_experiments as run_experiments
from .feedback_networks import reproduce_feedback_networks as reproduce_feedback_networks
from .random_modes import reproduce_random_modes as reproduce_random_modes

__all__ = [
    "Claim",
    "Experiment",
    "Outcome",
    "Reproduction",
    "reproduce_feedback_networks",
    "reproduce_random_modes",
    "run_experiments",
]
