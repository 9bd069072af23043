"""Findings in plain words: what a person would say who had looked at both data sets."""

from collections.abc import Mapping, Sequence

import numpy as np

from modelyard.drift.features import PROBABILITY
from modelyard.drift.sketches import CategorySketch, NumberSketch
from modelyard.types.monitoring import ColumnFinding

_IMAGE_WORDS: Mapping[str, tuple[str, str]] = {
    "brightness": ("brighter", "darker"),
    "contrast": ("richer in contrast", "poorer in contrast"),
    "noise": ("noisier", "less noisy"),
    "sharpness": ("sharper", "blurrier"),
    "center_x": ("shifted right", "shifted left"),
    "center_y": ("shifted down", "shifted up"),
    "ink": ("bolder", "thinner"),
}
_NAMED = 5
_CLEAR_SHIFT = 0.1


def number(value: float) -> str:
    """A figure as a person writes it: three significant digits, no exponent for everyday sizes."""
    if value == 0 or not np.isfinite(value):
        return "0" if value == 0 else str(value)
    size = abs(value)
    if size >= 1e6 or size < 1e-3:  # noqa: PLR2004 - outside of what is read at a glance
        return f"{value:.3g}"
    decimals = max(0, 2 - int(np.floor(np.log10(size))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share in percent: "12 %", "0.3 %"."""
    return f"{number(round(100 * share, 1 if share < 0.1 else 0))} %"  # noqa: PLR2004


def describe_number(name: str, reference: NumberSketch, window: NumberSketch, distance: float) -> str:
    """How a number's distribution changed: its mean, else its spread, else its shape."""
    before, after = number(reference.mean), number(window.mean)
    label = _short(name)
    shift = (window.mean - reference.mean) / (reference.deviation or abs(reference.mean) or 1.0)
    if abs(shift) >= _CLEAR_SHIFT and before != after:
        words = _IMAGE_WORDS.get(label) if name.startswith("image.") else None
        if words:
            return f"{words[0] if shift > 0 else words[1]} ({label} {after} instead of {before})"
        size = f" by {number(abs(shift))} standard deviations" if reference.deviation else ""
        return f"{label} {'rose' if shift > 0 else 'fell'} from {before} to {after}{size}"
    spread, usual = number(window.deviation), number(reference.deviation)
    if spread != usual and not 0.9 < window.deviation / (reference.deviation or 1.0) < 1.1:  # noqa: PLR2004
        verb = "varies more" if window.deviation > reference.deviation else "varies less"
        return f"{label} {verb} (standard deviation {spread} instead of {usual})"
    return f"{label} is distributed differently ({percent(distance)} of the rows moved)"


def describe_category(name: str, reference: CategorySketch, window: CategorySketch) -> str:
    """The category whose share changed most."""
    totals = max(1, reference.count), max(1, window.count)
    changes = {c: window.counts[c] / totals[1] - reference.counts[c] / totals[0] for c in reference.counts}
    if not changes:
        return f"{_short(name)} holds values where there were none"
    top = max(changes, key=lambda category: (abs(changes[category]), category))
    now, then = percent(window.counts[top] / totals[1]), percent(reference.counts[top] / totals[0])
    label = "the answer" if name == "prediction.label" else _short(name)
    return f"{label} is '{top[:40]}' in {now} of the rows instead of {then}"


def sentence(findings: Sequence[ColumnFinding], rows: int) -> str:
    """One sentence over the drifted columns, images first: "Images are noisier (...) and shifted right (...), ..."."""
    drifted = [finding for finding in findings if finding.is_drifted]
    if not drifted:
        return f"No drift: {rows} rows look like the reference data."
    telling = [finding for finding in drifted if not finding.column.startswith(PROBABILITY)]
    drifted = telling or drifted  # the label and the confidence say the same in plainer words
    columns = {finding.column: finding for finding in reversed(drifted)}  # of each column its largest effect
    ranked = sorted(columns.values(), key=drifted.index)
    named = [f for place, f in enumerate(ranked) if place < _NAMED or f.column == "prediction.confidence"]
    rest = len(ranked) - len(named)
    looks = [f.description for f in named if _is_look(f)]
    others = [f.description for f in named if not _is_look(f)]
    parts = [f"images are {_listed(looks)}"] if looks else []
    text = ", ".join(parts + others) + (f", and {rest} more column{'s' if rest > 1 else ''} drifted" if rest else "")
    is_own_word = text.startswith(("images are ", "the answer ", "confidence "))  # a column's name stays as it is
    return f"{text[0].upper() if is_own_word else text[0]}{text[1:]}."


def _is_look(finding: ColumnFinding) -> bool:
    words = _IMAGE_WORDS.get(_short(finding.column), ())
    return finding.column.startswith("image.") and finding.description.startswith(words or "\0")


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _short(name: str) -> str:
    return name.removeprefix("image.").removeprefix("prediction.")
