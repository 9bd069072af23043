"""The drift tests of one column: has it moved, are values missing, of another type, or never seen before."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.base import Comparison, DriftTest
from modelyard.drift.sketches import CategorySketch, NumberSketch, Sketch
from modelyard.drift.statistics import chi_square, excess, kolmogorov_smirnov, least_excess
from modelyard.drift.wording import describe_category, describe_number, percent
from modelyard.types.monitoring import FindingKind

MOVED = "share of rows moved"
SHARE = "share of rows"
# Below these a difference harms nobody, however certain it is. 0.05 of the rows moved is a shift of 0.125 standard
# deviations of a bell curve.
_FLOOR_MOVED = 0.05
_FLOOR_SHARE = 0.02
_FLOOR_NEW = 0.01


class DistributionTest(DriftTest):
    """Kolmogorov-Smirnov for numbers, chi-square for categories and for numbers with few distinct values."""

    kind: ClassVar[FindingKind] = FindingKind.DISTRIBUTION

    def compare(self, name: str, reference: Sketch, window: Sketch, *, rows: int) -> Comparison | None:
        """Effect: the share of the rows that moved (numbers: the least that must have moved)."""
        rows = min(rows, window.count)
        if rows <= 0:
            return None
        if isinstance(reference, NumberSketch) and isinstance(window, NumberSketch):
            test = chi_square if reference.is_discrete else kolmogorov_smirnov
            effect, p_value = test(_array(reference.counts), _array(window.counts), rows)
            description = describe_number(name, reference, window, effect)
        elif isinstance(reference, CategorySketch) and isinstance(window, CategorySketch):
            effect, p_value = chi_square(_cells(reference), _cells(window), rows)
            description = describe_category(name, reference, window)
        else:
            return None
        return Comparison(
            effect=effect,
            effect_unit=MOVED,
            p_value=p_value,
            is_large=effect >= _FLOOR_MOVED,
            description=description,
        )


class MissingTest(DriftTest):
    """More missing values than before: Fisher's exact test."""

    kind: ClassVar[FindingKind] = FindingKind.MISSING

    def compare(self, name: str, reference: Sketch, window: Sketch, *, rows: int) -> Comparison | None:
        """Effect: growth of the missing share."""
        return _growth(
            (reference.missing, reference.missing + reference.count),
            (window.missing, window.missing + window.count),
            rows,
            _FLOOR_SHARE,
            f"{name} is missing in {{now}} of the rows instead of {{before}}",
            has_margin=True,
        )


class TypeTest(DriftTest):
    """Text among numbers that came as text, fractions among whole numbers: Fisher's exact test."""

    kind: ClassVar[FindingKind] = FindingKind.TYPE

    def compare(self, name: str, reference: Sketch, window: Sketch, *, rows: int) -> Comparison | None:
        """Effect: share of the rows with such values."""
        if not reference.count or not window.count:
            return None
        if isinstance(reference, CategorySketch):
            expects, kind = reference.is_numeric, "no number"
        else:
            expects, kind = reference.is_whole, "no whole number"
        if not expects:
            return None
        text = f"{name} is {kind} in {{now}} of the rows"
        return _growth((0, reference.count), (window.odd, window.count), rows, _FLOOR_NEW, text)


class NoveltyTest(DriftTest):
    """Categories never seen before, numbers outside everything seen before: Fisher's exact test."""

    kind: ClassVar[FindingKind] = FindingKind.NEVER_SEEN

    def compare(self, name: str, reference: Sketch, window: Sketch, *, rows: int) -> Comparison | None:
        """Effect: share of the rows with such values. None when there are none, or none could be told."""
        if not reference.count or not window.count:
            return None
        if isinstance(window, NumberSketch):
            # Each side by itself, and twice its p-value: the sum of two extremes is not one hypergeometric count.
            text = f"{name} is outside the range of the training data in {{now}} of the rows"
            side = max(window.counts[0], window.counts[-1])
            found = _growth((0, reference.count), (side, window.count), rows, _FLOOR_NEW, text)
            share = (window.counts[0] + window.counts[-1]) / window.count
            return replace(
                found,
                effect=share,
                p_value=min(1.0, 2 * found.p_value),
                is_large=share >= _FLOOR_NEW,
                description=text.format(now=percent(share)),
            )
        if not window.is_complete or not isinstance(reference, CategorySketch):
            return None
        # Categories seen once estimate the mass of those never seen (Good-Turing).
        once = sum(count == 1 for count in reference.counts.values())
        names = ", ".join(f"'{category[:40]}'" for category in list(window.new)[:3])
        text = f"{name} has values never seen before in {{now}} of the rows ({names})"
        return _growth((once, reference.count), (window.other, window.count), rows, _FLOOR_NEW, text)


def _growth(
    reference: tuple[int, int],
    window: tuple[int, int],
    rows: int,
    floor: float,
    text: str,
    *,
    has_margin: bool = False,
) -> Comparison:
    """Compare two (marked, all) counts; `text` has {now} and {before}.

    `has_margin`: rows are marked by a rule that was there before the data, so that the number of marked rows says
    nothing about the question and bounds the p-value. Where the reference itself drew the line (its range, its
    categories), the number of marked rows is the evidence.
    """
    before, now = reference[0] / max(1, reference[1]), window[0] / max(1, window[1])
    scale = min(1.0, rows / max(1, window[1]))
    marked, size = int(window[0] * scale), int(window[1] * scale)
    return Comparison(
        effect=max(0.0, now - before),
        effect_unit=SHARE,
        p_value=excess(reference[0], reference[1], marked, size),
        least_p_value=least_excess(reference[0], reference[1], marked, size) if has_margin else 0.0,
        is_large=now - before >= floor,
        description=text.format(now=percent(now), before=percent(before)),
    )


def _array(counts: tuple[int, ...]) -> NDArray[np.int64]:
    return np.asarray(counts, dtype=np.int64)


def _cells(sketch: CategorySketch) -> NDArray[np.int64]:
    """Counts by category; values beyond a complete list are new, and are the novelty test's business."""
    counts = tuple(sketch.counts.values())
    return _array(counts if sketch.is_complete else (*counts, sketch.other))
