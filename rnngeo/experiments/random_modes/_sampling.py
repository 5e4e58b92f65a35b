"""What finite data do to the dimension of activity: the noise of measured covariances."""

import math

import numpy as np

from rnngeo.geometry import BlockProducts
from rnngeo.meanfield import four_point_at_lags, four_point_value

from ._setting import mean_field

_MAX_DELAY = 20


def sampling_bias(products: BlockProducts) -> tuple[float, float]:
    """By how much 1/PR of all samples exceeds 1/PR across runs, and the error.

    Leaving out one run at a time gives the error; the fluctuations that both estimates share drop
    out of the difference.
    """
    traces, square = np.asarray(products.traces[:, 0]), np.asarray(products.products[:, :, 0, 0])

    def excess(keep):
        t, s = traces[keep], square[np.ix_(keep, keep)]
        n, diagonal = t.size, float(np.trace(s))
        return float((s.sum() / n**2 - (s.sum() - diagonal) / (n * (n - 1))) / t.mean() ** 2)

    everything = np.arange(traces.size)
    rest = np.array([excess(np.delete(everything, k)) for k in everything])
    # An estimate from n - 1 runs is larger by n/(n - 1).
    rest *= (everything.size - 1) / everything.size
    error = math.sqrt((everything.size - 1) * rest.var())
    return excess(everything), error


def sampling_terms(
    gain: float, inverse_rank: float, n_units: int, n_samples: int
) -> tuple[float, float]:
    """T_total/T_eff of blocks sampled once per time constant, and what it leaves out, relatively.

    The noise of a measured covariance has the Wick terms C_ii C_jj, which T_eff counts, and
    C_ij C_ji, smaller by the size of the network; what else the rates of one network share is of
    the same order.
    """
    site, _ = mean_field(gain)
    delays = np.arange(_MAX_DELAY + 1.0)
    weights = np.where(delays == 0, 1.0, 2.0) * (1 - delays / n_samples)
    neuron = np.asarray(site.rate_at(delays))
    parts = four_point_at_lags(site, delays)
    pairs = np.diag(np.asarray(four_point_value(parts, inverse_rank))) / n_units
    first = float(weights @ neuron**2 / neuron[0] ** 2)
    return first, float(weights @ pairs / (weights @ neuron**2))
