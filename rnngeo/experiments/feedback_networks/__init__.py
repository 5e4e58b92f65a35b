"""Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019): trained feedback networks."""

from ._experiments import EXPERIMENTS as EXPERIMENTS

__all__ = ["EXPERIMENTS"]
