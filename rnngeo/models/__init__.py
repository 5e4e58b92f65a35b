"""Networks: dx/dt = F(t, x, u) or x' = F(x, u), as pure values."""

from ._base import AbstractFlow as AbstractFlow
from ._base import AbstractMap as AbstractMap
from ._base import AbstractNetwork as AbstractNetwork
from ._binary import BinaryNetwork as BinaryNetwork
from ._feedback import FeedbackNetwork as FeedbackNetwork
from ._nonlinearities import NONLINEARITIES as NONLINEARITIES
from ._nonlinearities import nonlinearity_by_name as nonlinearity_by_name
from ._nonlinearities import nonlinearity_name as nonlinearity_name
from ._rate import RateFlow as RateFlow
from ._rate import RateMap as RateMap

__all__ = [
    "NONLINEARITIES",
    "AbstractFlow",
    "AbstractMap",
    "AbstractNetwork",
    "BinaryNetwork",
    "FeedbackNetwork",
    "RateFlow",
    "RateMap",
    "nonlinearity_by_name",
    "nonlinearity_name",
]
