"""Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019): trained feedback networks."""

from ._reproduce import EXPERIMENTS as EXPERIMENTS
from ._reproduce import reproduce_feedback_networks as reproduce_feedback_networks

__all__ = ["EXPERIMENTS", "reproduce_feedback_networks"]
