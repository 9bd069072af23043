"""The gate: may a new version take the traffic? A pure function of measured figures.

It sees one thing only: the result of an evaluation job, "<channel>/<version>/<metric>" -> value, measured on held-out
rows that neither version has learnt from.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

OLD, NEW = "old", "new"
"""Channels: the data of the running version, and the rows labelled since."""

_PREFERRED = ("accuracy", "rmse", "balanced_accuracy", "macro_f1", "roc_auc", "mae", "r2", "log_loss")
_MINIMISED = ("rmse", "mae", "log_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The gate's verdict, with the reason in words and the figures it rests on."""

    is_passed: bool
    reason: str
    figures: dict[str, float] = field(default_factory=dict)


def judge(
    result: Mapping[str, str | float],
    *,
    running: str,
    candidate: str,
    minimum_gain: float,
    maximum_loss: float,
) -> Judgement:
    """Better on the new rows by `minimum_gain`, and not worse on the old ones than `maximum_loss`.

    Args:
        result: of the evaluation job.
        running: the version that serves ("digits:1").
        candidate: the version that wants to ("digits:2").
        minimum_gain: a difference for shares (accuracy), a share of the running version's error for errors (RMSE).
        maximum_loss: the same units.

    Never raises: figures that are missing or no numbers are a reason to refuse.
    """
    metric = next((m for m in _PREFERRED if _figure(result, NEW, candidate, m) is not None), None)
    if metric is None:
        return Judgement(is_passed=False, reason=f"{candidate} was not measured on the new rows.")
    measured: dict[tuple[str, str], float] = {}
    for channel in (NEW, OLD):
        for version in (running, candidate):
            value = _figure(result, channel, version, metric)
            if value is None:
                reason = f"The {metric} of {version} on the {channel} rows is missing or no number."
                return Judgement(is_passed=False, reason=reason)
            measured[channel, version] = value
    gain = _gain(metric, measured[NEW, running], measured[NEW, candidate])
    loss = -_gain(metric, measured[OLD, running], measured[OLD, candidate])
    figures = {
        f"{metric}_new_running": measured[NEW, running],
        f"{metric}_new_candidate": measured[NEW, candidate],
        f"{metric}_old_running": measured[OLD, running],
        f"{metric}_old_candidate": measured[OLD, candidate],
        "gain_new": gain,
        "loss_old": loss,
        **_evidence(result, candidate, metric),
    }
    story = (
        f"on the new rows {metric} is {measured[NEW, candidate]:.3f} instead of {measured[NEW, running]:.3f}, "
        f"on the old rows {measured[OLD, candidate]:.3f} instead of {measured[OLD, running]:.3f}"
    )
    refusals = []
    if not reaches(gain, minimum_gain):
        refusals.append(f"it is not better by the required {minimum_gain:g} on the new rows ({gain:+.3f})")
    if not reaches(maximum_loss, loss):
        refusals.append(f"it loses more than the allowed {maximum_loss:g} on the old rows ({loss:.3f})")
    if refusals:
        return Judgement(
            is_passed=False, reason=f"{candidate} is refused: {' and '.join(refusals)}; {story}.", figures=figures
        )
    return Judgement(is_passed=True, reason=f"{candidate} is better than {running}: {story}.", figures=figures)


def reaches(value: float, bound: float) -> bool:
    """Value >= bound, forgiving the last digit: 0.95 - 0.93 must count as 0.02."""
    return value >= bound - 1e-9


def _gain(metric: str, running: float, candidate: float) -> float:
    if metric not in _MINIMISED:
        return candidate - running
    if running == 0:
        return 0.0 if candidate == 0 else -1.0  # nothing is a share of no error: count it as worse by all of it
    return (running - candidate) / running


def _figure(result: Mapping[str, str | float], channel: str, version: str, metric: str) -> float | None:
    value = result.get(f"{channel}/{version}/{metric}")
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and value is not None else None


def _evidence(result: Mapping[str, str | float], candidate: str, metric: str) -> dict[str, float]:
    """Rows behind the figures, and how likely chance alone explains each difference (paired test of the job)."""
    found = {f"rows_{channel}": result.get(f"{channel}/{candidate}/{metric}/n") for channel in (NEW, OLD)}
    found |= {f"p_value_{channel}": result.get(f"{channel}/paired/p_value") for channel in (NEW, OLD)}
    return {name: float(v) for name, v in found.items() if isinstance(v, int | float) and math.isfinite(v)}
