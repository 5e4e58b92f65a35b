"""How near a matrix is to one with a single weight in every row and column."""

import equinox as eqx
import numpy as np
from jaxtyping import ArrayLike, Float, Int
from scipy.optimize import linear_sum_assignment


class NearestRooks(eqx.Module):
    r"""The rooks matrix $W_{n\pi(n)} = s_n w_n$ that carries most of a matrix.

    Attributes:
        permutation: $\pi$.
        signs: $s_n$, 1 or -1 (1 for a weight of zero).
        share: $\sum_n |W_{n\pi(n)}| / \sum_{nm} |W_{nm}|$; 1 for rooks, NaN for W = 0.
    """

    permutation: Int[np.ndarray, " n_units"]
    signs: Int[np.ndarray, " n_units"]
    share: float


def nearest_rooks(weights: Float[ArrayLike, "n_post n_pre"]) -> NearestRooks:
    r"""The one place in every row and column where the moduli of a matrix add up to most.

    Args:
        weights: W, row = the unit that receives.

    Returns:
        `NearestRooks`.

    Raises:
        ValueError: Not square, or not finite.

    Cost: $N^3$, by the Hungarian method, in NumPy.

    Reference: derived here.
    """
    w = np.asarray(weights)
    if w.ndim != 2 or w.shape[0] != w.shape[1]:
        raise ValueError(f"`weights` must be square, got shape {w.shape}.")
    if not np.isfinite(w).all():
        raise ValueError("`weights` must be finite, got NaN or infinity.")
    rows, permutation = linear_sum_assignment(np.abs(w), maximize=True)
    chosen, total = w[rows, permutation], np.abs(w).sum()
    share = float(np.abs(chosen).sum() / total) if total > 0 else float("nan")
    return NearestRooks(permutation, np.where(chosen < 0, -1, 1), share)


def rookness(weights: Float[ArrayLike, "n_post n_pre"]) -> float:
    r"""Share of the moduli that one weight in every row and column can carry, $1/N$ to 1.

    Args:
        weights: W.

    Returns:
        `nearest_rooks(weights).share`.

    Raises:
        ValueError: Not square, or not finite.

    Reference: derived here.
    """
    return nearest_rooks(weights).share
