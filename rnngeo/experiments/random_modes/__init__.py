"""Clark et al., PRL 131, 118401 (2023) and PRX 15, 041019 (2025): dimension of activity."""

from ._reproduce import EXPERIMENTS as EXPERIMENTS
from ._reproduce import reproduce_random_modes as reproduce_random_modes

__all__ = ["EXPERIMENTS", "reproduce_random_modes"]
