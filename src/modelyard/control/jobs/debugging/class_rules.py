"""The rule on the data: classes of very different size."""

from collections.abc import Mapping

from modelyard.control.jobs.debugging.curves import Curves
from modelyard.control.jobs.debugging.verdicts import Rule, Verdict
from modelyard.types.debugging.rules import CLASS_ROWS, RuleDescription, RuleSetting


def _imbalanced(curves: Curves, settings: Mapping[str, float]) -> Verdict | None:
    if curves.get(CLASS_ROWS) is None:
        return None  # some may still be missing
    rows = {label: each.values[-1] for label, each in curves.below(CLASS_ROWS).items()}
    if not rows or max(rows.values()) <= 0:
        return None
    least, most = min(rows, key=rows.__getitem__), max(rows, key=rows.__getitem__)
    ratio = rows[least] / rows[most]
    if ratio >= settings["ratio"]:
        return None
    total = sum(rows.values())
    message = (
        f"Class '{least}' has {rows[least]:,.0f} of {total:,.0f} training rows ({rows[least] / total:.2g} of all), "
        f"class '{most}' {rows[most]:,.0f} ({rows[most] / total:.2g}). Accuracy says little then: look at "
        "balanced_accuracy or macro_f1, weigh the classes (class_weight=balanced), or collect more of the rare one."
    )
    return Verdict(step=0, value=ratio, message=message)


CLASS_IMBALANCE = Rule(
    description=RuleDescription(
        name="class_imbalance",
        looks_at="the labels of the training rows, at the start: class_rows/<label>",
        finds="The smallest class has few rows beside the largest.",
        settings=(
            RuleSetting(name="ratio", default=0.1, minimum=0, description="Fewer than this share of the largest."),
        ),
    ),
    check=_imbalanced,
)
