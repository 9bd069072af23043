"""Champion against challenger: two models' answers to the same rows. Pure functions of arrays, for whoever has them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.bias import too_few
from modelyard.algorithms.evaluation.confusion import confusion
from modelyard.algorithms.evaluation.errors import error_figures
from modelyard.algorithms.evaluation.intervals import Z, difference_of_paired, mean_interval, wilson
from modelyard.algorithms.evaluation.metrics import is_right
from modelyard.algorithms.evaluation.paired import binomial_p_value, compare
from modelyard.algorithms.evaluation.slices import Slices
from modelyard.types.evaluation.reports import Challenge, Figure, SliceDifference
from modelyard.types.models import Task

Outputs = Mapping[str, NDArray[Any]]
"""A model's answers to n rows: "label" and perhaps "probabilities", or "prediction"."""

CLASSIFICATION, REGRESSION = "classification", "regression"
_SAME_NUMBER = 1e-4  # two machines, or two forms of one model, differ by less


@dataclass(frozen=True, slots=True)
class _Pair:
    """What both did on labelled rows: (n,) right or wrong, or squared errors."""

    champion: NDArray[Any]
    challenger: NDArray[Any]
    is_classified: bool

    def difference(self, mask: NDArray[np.bool_], z: float) -> Figure:
        first, second = self.champion[mask], self.challenger[mask]
        rows = len(first)
        if self.is_classified:
            gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
            value, low, high = difference_of_paired(gained, lost, rows, z)
            return Figure(name="accuracy", value=value, low=low, high=high, n=rows)
        value, low, high = _rmse_difference(first, second, z)
        return Figure(name="rmse", value=value, low=low, high=high, n=rows)


def challenge(
    champion: Outputs,
    challenger: Outputs,
    truth: NDArray[Any] | None,
    *,
    slices: Mapping[str, Slices] | None = None,
    minimum_rows: int = 30,
) -> Challenge:
    """Compare two models on the same n > 0 rows.

    Args:
        champion: its answers.
        challenger: its answers, in the same order.
        truth: (n,) object array, None where unknown; None: no truth at all, then only changes are counted.
        slices: by column: which slice each of the n rows is of.
        minimum_rows: fewer labelled rows give no difference, in the whole and in a slice.
    """
    is_classified = "label" in champion
    known = np.zeros(_rows(champion), bool) if truth is None else np.array([each is not None for each in truth])
    differing, change = _changes(champion, challenger, is_classified=is_classified)
    base = Challenge(
        task=CLASSIFICATION if is_classified else REGRESSION,
        rows=len(known),
        labelled=int(known.sum()),
        differing=differing,
        mean_change=change,
        difference=too_few("accuracy" if is_classified else "rmse", int(known.sum()), minimum_rows),
        p_value=None,
    )
    if truth is None or base.labelled < max(1, minimum_rows):
        return _with_sentence(base)
    wanted = truth[known] if is_classified else truth[known].astype(np.float64)
    first, second = _only(champion, known), _only(challenger, known)
    pair = _pair(first, second, wanted, is_classified=is_classified)
    judged = replace(
        base,
        champion=_figures(first, wanted, is_classified=is_classified),
        challenger=_figures(second, wanted, is_classified=is_classified),
        difference=pair.difference(np.ones(len(wanted), bool), Z),
        p_value=_p_value(pair, first, second, wanted),
        slices=_slices(pair, slices or {}, known, minimum_rows),
    )
    return _with_sentence(judged)


def _pair(first: Outputs, second: Outputs, truth: NDArray[Any], *, is_classified: bool) -> _Pair:
    if is_classified:
        return _Pair(is_right(first, truth), is_right(second, truth), is_classified)
    return _Pair((_numbers(first) - truth) ** 2, (_numbers(second) - truth) ** 2, is_classified)


def _p_value(pair: _Pair, first: Outputs, second: Outputs, truth: NDArray[Any]) -> float:
    if pair.is_classified:
        gained = int((pair.challenger & ~pair.champion).sum())
        return binomial_p_value(gained, int((pair.champion & ~pair.challenger).sum()))
    return compare(Task.TABULAR_REGRESSION, first, second, truth).p_value


def _slices(
    pair: _Pair, slices: Mapping[str, Slices], known: NDArray[np.bool_], minimum_rows: int
) -> tuple[SliceDifference, ...]:
    """Each slice with enough rows, the worst first.

    Among many slices one looks bad by chance: the intervals hold for all of them together (Bonferroni).
    """
    masks = [
        (column, name, each.of_row[known] == number)
        for column, each in slices.items()
        for number, name in enumerate(each.names)
    ]
    large = [(column, name, mask) for column, name, mask in masks if mask.sum() >= max(1, minimum_rows)]
    z = NormalDist().inv_cdf(1 - 0.025 / max(1, len(large)))
    found = []
    for column, name, mask in large:
        figure = pair.difference(mask, z)
        is_worse = figure.high is not None and figure.high < 0
        found.append(SliceDifference(column=column, slice=name, difference=figure, is_worse=is_worse))
    return tuple(sorted(found, key=lambda each: each.difference.value or 0.0))


def _changes(champion: Outputs, challenger: Outputs, *, is_classified: bool) -> tuple[Figure, Figure]:
    rows = _rows(champion)
    if is_classified:
        is_same = is_right(challenger, np.asarray(champion["label"]))
        change = _probability_change(champion, challenger)
    else:
        first, second = _numbers(champion), _numbers(challenger)
        is_same = np.isclose(first, second, rtol=_SAME_NUMBER, atol=_SAME_NUMBER)
        change = np.abs(second - first)
    different = int(rows - is_same.sum())
    low, high = wilson(different, rows)
    differing = Figure(name="differing", value=different / rows, low=low, high=high, n=rows)
    if change is None:
        return differing, Figure(name="mean_change", value=None, n=rows, note="the answers hold no probabilities")
    mean, least, most = mean_interval(change)
    return differing, Figure(name="mean_change", value=mean, low=max(0.0, least), high=most, n=rows)


def _probability_change(champion: Outputs, challenger: Outputs) -> NDArray[np.float64] | None:
    """How far the probability of the champion's class moved."""
    first, second = champion.get("probabilities"), challenger.get("probabilities")
    if first is None or second is None or first.shape != second.shape or first.ndim != 2:  # noqa: PLR2004
        return None
    rows, best = np.arange(len(first)), np.argmax(first, axis=1)
    change: NDArray[np.float64] = np.abs(second[rows, best].astype(np.float64) - first[rows, best])
    return change


def _figures(outputs: Outputs, truth: NDArray[Any], *, is_classified: bool) -> tuple[Figure, ...]:
    if is_classified:
        return confusion(truth, np.asarray(outputs["label"])).figures()
    return error_figures(_numbers(outputs), truth)


def _rmse_difference(first: NDArray[np.float64], second: NDArray[np.float64], z: float) -> tuple[float, float, float]:
    """How much smaller the second's RMSE is; the interval by the delta method on the two mean squares."""
    before, after = math.sqrt(first.mean()), math.sqrt(second.mean())
    value = before - after
    if len(first) < 2 or min(before, after) == 0:  # noqa: PLR2004 - no spread, or no slope
        return value, value, value
    influence = first / (2 * before) - second / (2 * after)
    reach = z * float(influence.std(ddof=1)) / math.sqrt(len(first))
    return value, value - reach, value + reach


def _with_sentence(found: Challenge) -> Challenge:
    changed = f"it answers {found.differing.value or 0:.1%} of {found.rows:,} rows otherwise"
    figure = found.difference
    if figure.value is None or figure.low is None or figure.high is None:
        sentence = f"Nothing is known of the challenger's quality ({figure.note}); {changed}."
    else:
        what = "accuracy" if found.task == CLASSIFICATION else "RMSE (above 0: smaller)"
        verdict = "better" if figure.low > 0 else "worse" if figure.high < 0 else "neither better nor worse"
        sentence = (
            f"The challenger is {verdict}: {figure.value:+.4g} {what} on {found.labelled:,} labelled rows, "
            f"95 % interval {figure.low:+.4g} to {figure.high:+.4g}; {changed}."
        )
        worst = next((each for each in found.slices if each.is_worse), None)
        if worst is not None:
            sentence += f" It is worse where {worst.column} is {worst.slice} ({worst.difference.value:+.4g})."
    return replace(found, sentence=sentence)


def _only(outputs: Outputs, mask: NDArray[np.bool_]) -> Outputs:
    return {name: tensor[mask] for name, tensor in outputs.items()}


def _numbers(outputs: Outputs) -> NDArray[np.float64]:
    return np.asarray(outputs["prediction"], dtype=np.float64).reshape(-1)


def _rows(outputs: Outputs) -> int:
    return len(next(iter(outputs.values())))
