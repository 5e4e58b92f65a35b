"""Metzner et al., Neural Comput. 36, 351 (2024): information flux of binary networks."""

from ._experiments import EXPERIMENTS as EXPERIMENTS

__all__ = ["EXPERIMENTS"]
