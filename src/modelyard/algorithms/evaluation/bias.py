"""How a classifier treats groups of rows: rates by group, and their differences and ratios to a reference group.

Sources: M. Hardt, E. Price, N. Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016 (true and false
positive rates); J. Kleinberg, S. Mullainathan, M. Raghavan, "Inherent Trade-Offs in the Fair Determination of Risk
Scores", ITCS 2017 (calibration by group).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.intervals import (
    difference_of_shares,
    mean_interval,
    ratio_of_shares,
    wilson,
)
from modelyard.algorithms.evaluation.slices import Slices
from modelyard.types.evaluation.reports import BiasGroup, Figure

Mask = NDArray[np.bool_]
Share = tuple[int, int]

_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision")
_FOUR_FIFTHS = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What each of n rows got and deserved.

    Attributes:
        is_selected: (n,) the answer was the favourable one.
        is_known: (n,) the truth is known.
        is_deserving: (n,) the truth is the favourable answer; of no meaning where it is not known.
        score: (n,) the probability of the favourable answer, if the model gives it.
    """

    is_selected: Mask
    is_known: Mask
    is_deserving: Mask
    score: NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True, slots=True)
class _Rated:
    name: str
    rows: int
    labelled: int
    shares: dict[str, Share]
    gaps: NDArray[np.float64] | None


def compare_groups(
    outcomes: Outcomes, groups: Slices, *, minimum_rows: int, reference: str | None = None
) -> tuple[BiasGroup, ...]:
    """Rates of each group, the largest group first.

    Args:
        outcomes: of n rows.
        groups: which group each row is of.
        minimum_rows: a rate over fewer rows is not stated; a group with fewer rows is small and has none.
        reference: the group to compare with; the largest if None.
    """
    rated = [
        _rate(name, outcomes, groups.of_row == number)
        for number, name in enumerate(groups.names)
        if (groups.of_row == number).any()
    ]
    rated.sort(key=lambda group: (-group.rows, group.name))
    chosen = next((group for group in rated if group.name == reference), rated[0] if rated else None)
    return tuple(_report(group, chosen, minimum_rows) for group in rated if chosen is not None)


def findings(groups: Iterable[BiasGroup]) -> tuple[str, ...]:
    """Sentences about what chance does not explain: an interval of a difference without 0, a ratio under four fifths.

    Source of the four fifths: U.S. Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D, 1978.
    """
    found = []
    every = list(groups)
    reference = next((group.group for group in every if group.is_reference), "")
    for group in every:
        if group.is_small:
            found.append(f"'{group.group}' has {group.rows} rows, too few to judge.")
        for figure in group.differences:
            if figure.value is None or figure.low is None or figure.high is None or figure.low <= 0 <= figure.high:
                continue
            word = "below" if figure.value < 0 else "above"
            found.append(
                f"{figure.name} of '{group.group}' is {abs(figure.value):.3f} {word} that of '{reference}' "
                f"(95 % interval {figure.low:+.3f} to {figure.high:+.3f})."
            )
        for figure in group.ratios:
            is_low = figure.value is not None and figure.value < _FOUR_FIFTHS
            if figure.name == "selection_rate" and is_low:
                found.append(
                    f"'{group.group}' is selected {figure.value:.2f} times as often as '{reference}': "
                    "less than four fifths."
                )
    return tuple(found)


def _rate(name: str, outcomes: Outcomes, mask: Mask) -> _Rated:
    selected, known, deserving = (
        part[mask] for part in (outcomes.is_selected, outcomes.is_known, outcomes.is_deserving)
    )
    positive, negative = known & deserving, known & ~deserving
    shares = {
        "selection_rate": (int(selected.sum()), len(selected)),
        "true_positive_rate": (int((selected & positive).sum()), int(positive.sum())),
        "false_positive_rate": (int((selected & negative).sum()), int(negative.sum())),
        "precision": (int((selected & positive).sum()), int((selected & known).sum())),
    }
    gaps = None if outcomes.score is None else (outcomes.score[mask][known] - deserving[known]).astype(np.float64)
    return _Rated(name=name, rows=len(selected), labelled=int(known.sum()), shares=shares, gaps=gaps)


def _report(group: _Rated, reference: _Rated, minimum_rows: int) -> BiasGroup:
    is_small, is_reference = group.rows < minimum_rows, group is reference
    rates = [_share(name, group.shares[name], minimum_rows) for name in _RATES]
    if group.gaps is not None:
        rates.append(_gap(group.gaps, minimum_rows))
    differences: list[Figure] = []
    ratios: list[Figure] = []
    for name in _RATES if not (is_small or is_reference) else ():
        one, other = group.shares[name], reference.shares[name]
        if min(one[1], other[1]) < minimum_rows:
            continue
        rows = one[1] + other[1]
        value, low, high = difference_of_shares(one, other)
        differences.append(Figure(name=name, value=value, low=low, high=high, n=rows))
        ratio, low, high = ratio_of_shares(one, other)
        note = "" if ratio is not None else "the reference group's rate is 0"
        ratios.append(Figure(name=name, value=ratio, low=low, high=high, n=rows, note=note))
    return BiasGroup(
        group=group.name,
        rows=group.rows,
        labelled=group.labelled,
        is_small=is_small,
        is_reference=is_reference,
        rates=() if is_small else tuple(rates),
        differences=tuple(differences),
        ratios=tuple(ratios),
    )


def _share(name: str, share: Share, minimum_rows: int) -> Figure:
    hits, rows = share
    if rows < max(1, minimum_rows):
        return too_few(name, rows, minimum_rows)
    low, high = wilson(hits, rows)
    return Figure(name=name, value=hits / rows, low=low, high=high, n=rows)


def _gap(gaps: NDArray[np.float64], minimum_rows: int) -> Figure:
    """Mean probability less the share that came true: above 0, the model promises the group too much."""
    if len(gaps) < max(1, minimum_rows):
        return too_few("calibration_gap", len(gaps), minimum_rows)
    mean, low, high = mean_interval(gaps)
    return Figure(name="calibration_gap", value=mean, low=low, high=high, n=len(gaps))


def too_few(name: str, rows: int, minimum_rows: int) -> Figure:
    """A figure that is not stated."""
    return Figure(name=name, value=None, n=rows, note=f"too few rows: {rows} of {minimum_rows}")
