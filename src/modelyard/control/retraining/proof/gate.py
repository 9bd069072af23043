"""The gate: may a new version take the traffic? A pure function of measured figures.

It sees one thing only: the result of an evaluation job, "<channel>/<version>/<metric>" -> value, measured on held-out
rows that neither version has learnt from.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from modelyard.algorithms.evaluation.margins import Paired, PairedRights, from_figures
from modelyard.control.retraining.proof.judgement import Judgement
from modelyard.types.retraining.rules import GateRules

OLD, NEW = "old", "new"
"""Channels: the data of the running version, and the rows labelled since."""

_METRICS = ("accuracy", "rmse")

Result = Mapping[str, str | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """What a version must reach: shares for accuracy, shares of the running version's error for RMSE.

    Attributes:
        gain: it must be better by this much on the new rows.
        loss: it may be worse by this much on the old ones.
        labelled_rows: labelled rows that the held-out new rows are a part of, if known: to say how many it takes.
    """

    gain: float
    loss: float
    labelled_rows: int | None = None


def judge(result: Result, *, running: str, candidate: str, margins: Margins, rules: GateRules) -> Judgement:
    """Better on the new rows, not worse on the old ones, and nowhere much worse; each with the stated confidence.

    Args:
        result: of the evaluation job.
        running: the version that serves ("digits:1").
        candidate: the version that wants to ("digits:2").
        margins: by how much.
        rules: how certain, and the bound for a single slice.

    Never raises: figures that are missing or no numbers are a reason to refuse.
    """
    blank = Judgement(candidate=candidate, approval=f"{candidate} is better than {running}")
    metric = next((m for m in _METRICS if _number(result, f"{NEW}/{candidate}/{m}") is not None), None)
    if metric is None:
        return replace(blank, refusals=("it was not measured on the new rows",))
    measured: dict[str, float] = {}
    for channel in (NEW, OLD):
        for role, version in (("running", running), ("candidate", candidate)):
            value = _number(result, f"{channel}/{version}/{metric}")
            if value is None:
                refusal = f"the {metric} of {version} on the {channel} rows is missing or no number"
                return replace(blank, refusals=(refusal,))
            measured[f"{metric}_{channel}_{role}"] = value
    found = {channel: from_figures(result, f"{channel}/paired/") for channel in (NEW, OLD)}
    new, old = found[NEW], found[OLD]
    if new is None or old is None:
        refusal = "the two versions were not compared row by row"
        return replace(blank, refusals=(refusal,), figures=measured)
    figures = measured | {
        "gain_new": new.gain,
        "loss_old": -old.gain,
        "rows_new": float(new.rows),
        "rows_old": float(old.rows),
        "p_value_new": new.p_value(margins.gain),
        "p_value_old": _p_value_old(old, margins.loss),
    }
    refusals = [_gain_refusal(new, margins, rules, measured), _loss_refusal(old, margins, rules)]
    for channel, bound in ((NEW, rules.maximum_slice_loss), (OLD, max(rules.maximum_slice_loss, margins.loss))):
        refusal, slice_figures = _slice(result, channel, bound, rules)
        refusals.append(refusal)
        figures |= slice_figures
    story = (
        f"on the new rows {metric} is {measured[f'{metric}_new_candidate']:.3f} instead of "
        f"{measured[f'{metric}_new_running']:.3f}, on the old rows {measured[f'{metric}_old_candidate']:.3f} instead "
        f"of {measured[f'{metric}_old_running']:.3f}"
    )
    if new.gain <= 0:
        blank = replace(blank, approval=f"{candidate} is at most {max(0.0, -margins.gain):g} worse than {running}")
    return replace(blank, refusals=tuple(refusal for refusal in refusals if refusal), story=story, figures=figures)


def reaches(value: float, bound: float) -> bool:
    """Value >= bound, forgiving the last digit: 0.95 - 0.93 must count as 0.02."""
    return value >= bound - 1e-9


def _gain_refusal(new: Paired, margins: Margins, rules: GateRules, measured: Mapping[str, float]) -> str:
    if new.p_value(margins.gain) <= rules.significance_level:
        return ""
    if reaches(new.gain, margins.gain):
        needed = new.rows_needed(margins.gain, rules.significance_level)
        return (
            f"that it is better by {margins.gain:g} on the new rows is not certain (p = "
            f"{new.p_value(margins.gain):.2g} with {new.rows} held-out rows, {rules.significance_level:g} is allowed)"
            f"{_needs(needed, new.rows, margins.labelled_rows)}"
        )
    refusal = f"it is not better by the required {margins.gain:g} on the new rows ({new.gain:+.3f})"
    best = _best(new, measured)
    if best is None or best.p_value(margins.gain) <= rules.significance_level:
        return refusal
    needed = best.rows_needed(margins.gain, rules.significance_level)
    told = f"; {new.rows} held-out rows could not have shown it"
    return f"{refusal}{told}{_needs(needed, new.rows, margins.labelled_rows)}"


def _best(new: Paired, measured: Mapping[str, float]) -> Paired | None:
    """A candidate that answers all rightly; None for errors, of which there is no best."""
    accuracy = measured.get("accuracy_new_running")
    if accuracy is None:
        return None
    return PairedRights(rows=new.rows, gained=round(new.rows * (1 - accuracy)), lost=0)


def _loss_refusal(old: Paired, margins: Margins, rules: GateRules) -> str:
    p_value = _p_value_old(old, margins.loss)
    if (p_value <= rules.significance_level) == (margins.loss > 0):
        return ""
    if not reaches(margins.loss, -old.gain) or margins.loss <= 0:
        return f"it loses more than the allowed {margins.loss:g} on the old rows ({-old.gain:.3f})"
    needed = old.rows_needed(-margins.loss, rules.significance_level)
    return (
        f"that it loses at most {margins.loss:g} on the old rows is not certain (p = {p_value:.2g} with {old.rows} "
        f"held-out rows, {rules.significance_level:g} is allowed){_needs(needed, old.rows, None)}"
    )


def _p_value_old(old: Paired, loss: float) -> float:
    """Of "it loses more than `loss`". That it loses nothing at all can never be proven: then of "it loses nothing"."""
    return old.p_value(-loss) if loss > 0 else old.p_value_of_loss(0.0)


def _needs(rows: int | None, seen: int, labelled: int | None) -> str:
    if rows is None or rows <= seen:
        return ""
    if labelled is None:
        return f": it needs about {_rounded(rows)} held-out rows"
    return f": it needs about {_rounded(math.ceil(rows * labelled / seen))} labelled rows"


def _rounded(rows: int) -> str:
    """Two digits: more would be a claim."""
    step = 10 ** max(0, len(str(rows)) - 2)
    return f"{-(-rows // step) * step:,}"


def _slice(result: Result, channel: str, bound: float, rules: GateRules) -> tuple[str, dict[str, float]]:
    """What the weakest slice of a channel says, its p-value corrected for both channels.

    The job has tested against `maximum_slice_loss`. Where more may be lost on the whole (`bound`), no slice need do
    better than that.
    """
    name = result.get(f"{channel}/slice/name")
    values = {part: _number(result, f"{channel}/slice/{part}") for part in ("rows", "first", "second", "p_value")}
    rows, first, second, p_value = values.values()
    if not isinstance(name, str) or rows is None or first is None or second is None or p_value is None:
        return "", {}
    p_value = min(1.0, 2 * p_value)
    figures = {"running": first, "candidate": second, "rows": rows, "p_value": p_value}
    named = {f"slice_{channel}_{part}": value for part, value in figures.items()}
    loss = first - second if f"{channel}/paired/gained" in result else second / first - 1 if first > 0 else 1.0
    if p_value > rules.significance_level or loss <= bound:
        return "", named
    return f"it is worse where {name}: {second:.2f} instead of {first:.2f}, n = {rows:.0f} {channel} rows", named


def _number(result: Result, name: str) -> float | None:
    value = result.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and value is not None else None
