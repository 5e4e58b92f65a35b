"""Clark et al., PRL 131, 118401 (2023) and PRX 15, 041019 (2025): dimension of activity."""

from ._experiments import EXPERIMENTS as EXPERIMENTS

__all__ = ["EXPERIMENTS"]
