"""What a rule says of the figures that it was shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modelyard.control.jobs.debugging.curves import Curves
from modelyard.types.debugging.rules import RuleDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Something was found: at which step, by which value, in words that end with what to try."""

    step: int
    value: float
    message: str


Check = Callable[[Curves, Mapping[str, float]], Verdict | None]
"""Looks at the figures so far, with the rule's settings; the same figures give the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: what it says of itself, and how it looks."""

    description: RuleDescription
    check: Check

    def look(self, curves: Curves, given: Mapping[str, float]) -> Verdict | None:
        """Look with the rule's own settings where none are given."""
        defaults = {each.name: each.default for each in self.description.settings}
        return self.check(curves, {**defaults, **given})
