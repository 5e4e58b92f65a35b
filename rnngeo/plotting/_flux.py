"""Pictures of information flux: its terms, its bound, and what correlations tell of it."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from rnngeo.information import weak_coupling_flux

from ._axes import CYCLE, QUIET, STABLE, THEORY, UNSTABLE, axes_or_new

_TERMS = (STABLE, CYCLE[4], UNSTABLE)


def _two_digits(w: float) -> str:
    """At least two digits, and no exponent where the integer is as short."""
    return f"{w:.0f}" if 99.5 <= abs(w) < 99999.5 else f"{w:.2g}"


def plot_weights(
    weights: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    limit: float | None = None,
    label: str = "weight",
    title: str = "Weights",
    ax: Axes | None = None,
) -> Axes:
    """Draw a matrix of pairs of units, red where positive and blue where negative.

    Up to eight units the numbers are written on it.

    Args:
        weights: Row = target, column = source, shape `(n_units, n_units)`.
        names: Of the units; default numbers where they fit.
        limit: Modulus of the strongest colour; default the largest entry.
        label: Of the colour bar.
        title: Of the axes.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    weights = np.asarray(weights)
    limit = float(np.abs(weights).max(initial=0.0)) if limit is None else limit
    limit = limit if limit > 0 else 1.0
    image = ax.imshow(weights, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    figure = ax.get_figure(root=True)
    assert figure is not None  # axes belong to a figure from birth
    figure.colorbar(image, ax=ax, label=label, shrink=0.85)
    n = len(weights)
    if n <= 8:
        for (row, column), w in np.ndenumerate(weights):
            shown = "0" if abs(w) < 5e-3 * limit else _two_digits(w)
            color = "white" if abs(w) > 0.6 * limit else "#555555"
            ax.text(column, row, shown, ha="center", va="center", fontsize=8, color=color)
    if names is not None or n <= 12:
        shown = list(map(str, range(n))) if names is None else list(names)
        is_long = max(map(len, shown)) > 2
        ax.set_xticks(range(n), shown, rotation=90 if is_long else 0, fontsize=8)
        ax.set_yticks(range(n), shown, fontsize=8)
    ax.set(xlabel="source", ylabel="target", title=title)
    return ax


def plot_flux_terms(
    terms: Mapping[str, float],
    *,
    bound: float,
    n_units: int,
    bracket: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw entropy, divergence and flux as bars beside what the weights and units allow.

    Args:
        terms: Values by name in bits; the last is the flux, NaN where not known.
        bound: What the row norms allow at most, a line at the last bar.
        n_units: N, the most that units can hold.
        bracket: Lower and upper value of the flux, where it is known between these only.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    values = np.array([*terms.values()], float)
    bars = ax.bar(range(values.size), np.nan_to_num(values), color=_TERMS, width=0.62)
    for bar, value in zip(bars, values, strict=True):
        if np.isfinite(value):
            is_tall = value > 0.12 * n_units
            ax.annotate(f"{value:.3f}", (bar.get_x() + bar.get_width() / 2, value),
                        (0, -4 if is_tall else 3), textcoords="offset points", ha="center",
                        va="top" if is_tall else "bottom", color="white" if is_tall else THEORY,
                        fontsize=9)  # fmt: skip
    last = values.size - 1
    if bracket is not None:
        low, high = bracket
        ax.vlines(last, low, high, color=UNSTABLE, lw=9)
        ax.annotate(f"{low:.3f} to {high:.3f}", (last, high), (0, 5),
                    textcoords="offset points", ha="center", fontsize=9)  # fmt: skip
    ax.hlines(bound, last - 0.42, last + 0.42, color=THEORY, lw=1.8, label="bound of row norms")
    ax.axhline(n_units, color=QUIET, ls="--", lw=1, label=f"N = {n_units} bits")
    ax.set_xticks(range(values.size), list(terms))
    ax.set(ylabel="bits", ylim=(0, 1.22 * n_units), title="What passes from state to state")
    ax.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    return ax


def plot_flux_correlation(
    correlation: np.ndarray,
    flux: np.ndarray,
    widths: np.ndarray,
    n_units: int,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Scatter flux against correlation, one point a network, beside the law of weak weights.

    Args:
        correlation: RMS correlation one step apart, shape `(width, network)`.
        flux: In bits, likewise.
        widths: Root mean square weight, positive, shape `(width,)`.
        n_units: N.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    correlation, flux = np.asarray(correlation), np.asarray(flux)
    color = np.broadcast_to(np.asarray(widths, float)[:, None], flux.shape)
    low, high = float(color.min()), float(color.max())
    norm = LogNorm(low, high) if high > low else Normalize(0.5 * low, 1.5 * low)
    points = ax.scatter(correlation.ravel(), flux.ravel(), c=color.ravel(), norm=norm,
                        cmap="viridis", s=9, alpha=0.65, linewidths=0)  # fmt: skip
    top = 1.12 * float(np.nanmax(flux, initial=1e-12))
    full = float(weak_coupling_flux(jnp.ones(()), n_units))
    c = np.linspace(0, np.sqrt(top / full), 200)
    ax.plot(c, full * c**2, color=THEORY, lw=1.3,
            label=r"weak weights, $N^2 C^2 / (2 \ln 2)$")  # fmt: skip
    figure = ax.get_figure(root=True)
    assert figure is not None  # axes belong to a figure from birth
    figure.colorbar(points, ax=ax, label="width of the weights")
    ax.set(xlabel="RMS correlation one step apart", ylabel="information flux (bits)",
           xlim=(0, min(1.0, 1.08 * float(np.nanmax(correlation, initial=1e-12)))), ylim=(0, top),
           title="One point, one network")  # fmt: skip
    ax.legend(frameon=False, fontsize=8, loc="upper right")
    return ax


def plot_flux_by_width(
    widths: np.ndarray, terms: Mapping[str, np.ndarray], *, ax: Axes | None = None
) -> Axes:
    """Draw means over networks against the width of their weights, and the middle two thirds.

    Args:
        widths: Positive, shape `(width,)`.
        terms: By name, in bits, shape `(width, network)`; NaN where not known.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    order = np.argsort(widths)
    x = np.asarray(widths)[order]
    for color, (name, values) in zip(_TERMS, terms.items(), strict=False):
        rows = np.asarray(values)[order]
        known = np.isfinite(rows).any(axis=1)
        low, high = np.nanpercentile(rows[known], [16, 84], axis=1)
        ax.fill_between(x[known], low, high, color=color, alpha=0.2, lw=0)
        ax.plot(x[known], np.nanmean(rows[known], axis=1), "o-", ms=3.5, color=color, label=name)
    ax.set(xscale="log", xlabel="width of the weights", ylabel="bits", ylim=(0, None),
           title="Mean over networks, band of 68 %")  # fmt: skip
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_rank_correlation(
    widths: np.ndarray, coefficients: np.ndarray, *, ax: Axes | None = None
) -> Axes:
    """Draw Spearman's coefficient of flux and correlation against the width of the weights.

    Args:
        widths: Positive, shape `(width,)`.
        coefficients: In [-1, 1] or NaN, shape `(width,)`.
        ax: Axes to draw on; default new ones.

    Returns:
        The axes.
    """
    ax = axes_or_new(ax)
    order = np.argsort(widths)
    ax.axhline(0, color=QUIET, lw=0.8)
    ax.plot(np.asarray(widths)[order], np.asarray(coefficients)[order], "o-", ms=4, color=STABLE)
    ax.set(xscale="log", xlabel="width of the weights", ylabel="Spearman coefficient",
           ylim=(-1.05, 1.05), title="Does the correlation rank the flux?")  # fmt: skip
    return ax
