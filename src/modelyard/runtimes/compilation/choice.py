"""Which of the forms that agree is served: the fastest, but that a simpler one within the noise comes before it."""

import math
from collections.abc import Sequence
from dataclasses import replace

from modelyard.types.compilation import Timing, Variant, VariantState

MARGIN = 1.25
"""A form must be a quarter faster than a simpler one: less than that is what other work on a machine makes of it."""


def choose(simplest_first: Sequence[Variant]) -> str:
    """Name of the form to serve, out of measured ones that agree."""
    fastest = min(pace(variant.timings) for variant in simplest_first)
    return next(variant.name for variant in simplest_first if pace(variant.timings) <= fastest * MARGIN)


def pace(timings: Sequence[Timing]) -> float:
    """Microseconds, as the geometric mean over the batch sizes: each counts alike, however long it takes."""
    return math.exp(sum(math.log(max(timing.microseconds, 0.1)) for timing in timings) / len(timings))


def judged(variant: Variant, served: Variant) -> Variant:
    """A variant that agrees, with its place beside the served one in words."""
    if variant.name == served.name:
        return replace(variant, state=VariantState.SERVED, reason=variant.reason or "the fastest that agrees")
    ratio = pace(variant.timings) / pace(served.timings)
    if ratio > MARGIN:
        reason = f"{_times(ratio)} the time of {served.name}"
    elif ratio * MARGIN >= 1:
        reason = f"no faster than {served.name}, beyond the noise"
    else:
        reason = f"faster than {served.name}, and not kept"
    return replace(variant, state=VariantState.SLOWER, reason=variant.reason or reason)


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.1f} times"  # noqa: PLR2004 - two digits that matter
