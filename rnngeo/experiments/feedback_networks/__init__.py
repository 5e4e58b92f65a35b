"""Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019): trained feedback networks."""

from ._reproduce import EXPERIMENTS as EXPERIMENTS

__all__ = ["EXPERIMENTS"]
