"""Numbers without neurons: Gaussian averages, scalar roots, tolerances, intervals."""

from ._concrete import is_concrete as is_concrete
from ._elementwise import derivative as derivative
from ._elementwise import product as product
from ._gaussian import bivariate_average as bivariate_average
from ._gaussian import gaussian_average as gaussian_average
from ._intervals import wilson_interval as wilson_interval
from ._logistic import noisy_logistic as noisy_logistic
from ._precision import computing as computing
from ._precision import find_device as find_device
from ._roots import bracketed_minimum as bracketed_minimum
from ._roots import bracketed_root as bracketed_root
from ._roots import find_roots as find_roots
from ._tolerance import tolerances as tolerances

__all__ = [
    "bivariate_average",
    "bracketed_minimum",
    "bracketed_root",
    "computing",
    "derivative",
    "find_device",
    "find_roots",
    "gaussian_average",
    "is_concrete",
    "noisy_logistic",
    "product",
    "tolerances",
    "wilson_interval",
]
