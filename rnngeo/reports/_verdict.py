"""One sentence, and one table per question."""

from collections.abc import Sequence

import numpy as np

from rnngeo.models import AbstractMap

from ._network import NetworkReport

Table = tuple[str, list[str], list[list[str]]]

FIT_TOLERANCE = 0.05  # |z - A| of a fit, the paper's criterion of success
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def _word(n: int) -> str:
    return _NUMBERS[n] if n < len(_NUMBERS) else str(n)


def at_target(report: NetworkReport) -> int | None:
    """Index of the fixed point that answers the target, or None."""
    if report.stored.target is None or not len(report.output) or not report.output.shape[1]:
        return None
    gap = np.abs(report.output - np.asarray(report.stored.target)).max(axis=1)
    k = int(np.argmin(gap))
    return k if gap[k] <= FIT_TOLERANCE else None


def _among(count: int, total: int) -> str:
    return "" if count == total else f" in {count} of {total} networks"


def _target_share(report: NetworkReport) -> float:
    """Fraction of starts that end at the target."""
    if report.stored.target is None:
        return float("nan")
    gap = np.abs(np.asarray(report.basins.output) - np.asarray(report.stored.target))
    near = gap.max(axis=1, initial=0.0) <= FIT_TOLERANCE
    return float(np.sum(np.asarray(report.basins.fraction)[near]))


def _range(values: Sequence[float]) -> str:
    low, high = f"{100 * min(values):.0f}", f"{100 * max(values):.0f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


def _basin_words(reports: Sequence[NetworkReport]) -> str:
    counts = [len(r.basins.count) for r in reports]
    most = max(counts)
    if most == 0:
        return "no start comes to rest"
    fewest = min(counts)
    number = _word(most) if fewest == most else f"{_word(fewest)} to {_word(most)}"
    if most == 1 and fewest == 1:
        share = [float(np.sum(r.basins.fraction)) for r in reports]
        return f"one attractor owns {_range(share)} of the starts"
    shares = [np.asarray(r.basins.fraction) for r in reports if len(r.basins.count) == most]
    if all(np.abs(s - 1 / most).max() < 0.12 for s in shares) and fewest == most:
        return f"{number} attractors share the starts about evenly"
    largest = [float(s.max()) for s in shares]
    return f"{number} attractors, the largest owns {_range(largest)} of the starts"


def verdict(reports: Sequence[NetworkReport]) -> str:
    """What the networks do, in one sentence.

    Args:
        reports: One or more networks.

    Returns:
        Whether they fit the target, whether it is locally and globally stable, who owns the starts.
    """
    n = len(reports)
    basins = _basin_words(reports)
    unsettled = sum(r.basins.n_undecided + r.basins.n_diverged for r in reports)
    tail = f"; {unsettled} of {sum(r.basins.n_starts for r in reports)} starts did not settle" * (
        unsettled > 0
    )
    if all(r.stored.target is None or r.output.shape[1] == 0 for r in reports):
        n_stable = [int(r.is_stable.sum()) for r in reports]
        spread = " to ".join(_word(v) for v in sorted({min(n_stable), max(n_stable)}))
        plural = "" if max(n_stable) == min(n_stable) == 1 else "s"
        return f"{spread.capitalize()} stable fixed point{plural}; {basins}{tail}."
    places = [at_target(r) for r in reports]
    fits = [r for r, k in zip(reports, places, strict=True) if k is not None]
    if not fits:
        return f"Misses the target; {basins}{tail}."
    stable = [r for r, k in zip(reports, places, strict=True) if k is not None and r.is_stable[k]]
    if stable:
        local = f"locally stable{_among(len(stable), n)}"
    else:
        local = "locally unstable"
    winners = [r for r in stable if _target_share(r) == 1.0]
    others = any(r.is_stable.sum() > 1 for r in stable)
    if not winners:
        globally = "not globally" if stable else "so not globally"
    else:
        globally = f"globally stable in every start{_among(len(winners), n)}"
        if others:
            globally += " although other attractors exist"
    return f"Fits the target{_among(len(fits), n)}, {local}, {globally}; {basins}{tail}."


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"


def _complex(values) -> str:
    shown = [
        f"{v.real:.4f}" + (f"{v.imag:+.4f}i" if abs(v.imag) > 1e-12 else "") for v in values[:4]
    ]
    more = f" +{len(values) - 4}" if len(values) > 4 else ""
    return (", ".join(shown) + more) or "-"


def _output(z: np.ndarray) -> str:
    return ", ".join(f"{value:.4f}" for value in np.atleast_1d(z)) or "-"


def tables(reports: Sequence[NetworkReport], theory: dict) -> list[Table]:
    """Title, header and rows of one table per question.

    Args:
        reports: The networks.
        theory: The theory part of the summary.

    Returns:
        The tables, in the order to be read.
    """
    points = []
    for i, r in enumerate(reports):
        for k in range(len(r.output)):
            radius = r.spectral_radius[k] if _is_map(r) else r.abscissa[k]
            points.append(
                [
                    str(i),
                    _output(r.output[k]),
                    _number(r.variance[k]),
                    _number(r.slope[k]),
                    _number(r.bulk_radius[k]),
                    _complex(r.effective[k][r.is_outlier[k]]),
                    _number(radius),
                    "stable" if r.is_stable[k] else "unstable",
                    f"{r.residual[k]:.0e}",
                ]
            )
    top = "spectral radius" if reports and _is_map(reports[0]) else "abscissa"
    header = ["network", "output z", "variance", "slope F'", "bulk radius", "outliers"]
    result: list[Table] = [
        (
            "Which fixed points are there, and is each locally stable?",
            [*header, top, "verdict", "residual"],
            points,
        )
    ]
    rows = [
        [
            name,
            _number(p["output"]),
            _number(p["variance"]),
            _number(p["slope"]),
            _number(p["bulk_radius"]),
            _complex([complex(*v) for v in p["outliers"]]),
            "stable" if p["stable"] else "unstable",
        ]
        for name in ("exact", "uncorrelated")
        if theory[name] is not None
        for p in theory[name]["fixed_points"]
    ]
    if rows:
        result.append(
            ("What does the mean field predict?", ["theory", *header[1:], "verdict"], rows)
        )
    complete = [
        [
            str(i),
            str(len(r.output)),
            str(r.completeness),
            _number(r.contraction_margin, 3),
            f"{r.n_clamped_agreed} of {r.n_clamped_tests}",
            str(r.n_newton_failed),
        ]
        for i, r in enumerate(reports)
    ]
    columns = [
        "network",
        "fixed points",
        "complete?",
        "contraction margin",
        "clamped runs agreeing",
    ]
    result.append(("Are these all?", [*columns, "Newton starts lost"], complete))
    basins = []
    for i, r in enumerate(reports):
        b = r.basins
        for k in range(len(b.count)):
            interval = f"[{b.low[k]:.3f}, {b.high[k]:.3f}]"
            owner = [
                _output(np.asarray(b.output[k])),
                str(b.count[k]),
                f"{b.fraction[k]:.3f}",
                interval,
            ]
            basins.append([str(i), *owner])
        if b.n_undecided or b.n_diverged:
            left = [("undecided", b.n_undecided), ("diverged", b.n_diverged)]
            basins += [
                [str(i), name, str(n), f"{n / b.n_starts:.3f}", "-"] for name, n in left if n
            ]
    columns = ["network", "attractor z", "starts", "fraction", "95 % interval"]
    result.append(("How much of state space does each attractor own?", columns, basins))
    return result


def _is_map(report: NetworkReport) -> bool:
    return isinstance(report.stored.network.recurrent, AbstractMap)
