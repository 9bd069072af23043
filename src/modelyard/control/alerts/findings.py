"""Tells of what rules have found on jobs: an event of the project, and so to whoever subscribes to it."""

from collections.abc import Callable, Sequence

from modelyard.control.events.service import EventService
from modelyard.control.rest.pages import MAXIMUM_LIMIT, PageQuery
from modelyard.errors import UnavailableError
from modelyard.types.debugging.rules import Finding

KIND = "finding_"
"""Kinds of these events begin so; the rule follows ("finding_overfitting")."""


class FindingHerald:
    """Each finding is told once: the Jobs application is told so after the event is there, and asked anew until then.

    Args:
        events: where they become events.
        ask: the findings that nobody was told of, as the Jobs application knows them.
        note: tells that application which have been told.
    """

    def __init__(
        self, events: EventService, ask: Callable[[], Sequence[Finding]], note: Callable[[Sequence[int]], None]
    ) -> None:
        self._events = events
        self._ask = ask
        self._note = note

    def look(self) -> None:
        """Tell what is new. While the Jobs application is away nothing is, and nothing is forgotten."""
        try:
            findings = self._ask()
            for finding in findings:
                self._tell(finding)
            if findings:
                self._note([finding.id for finding in findings])
        except UnavailableError:
            return

    def _tell(self, finding: Finding) -> None:
        subject, mark = f"job/{finding.job}", str(finding.id)
        known = self._events.list(finding.project, subject, PageQuery(limit=MAXIMUM_LIMIT)).items
        if any(event.details.get("finding") == mark for event in known):
            return  # it was told, and then this was killed
        details = {
            "finding": mark,
            "rule": finding.rule,
            "action": finding.action.value,
            "step": str(finding.step),
            "value": f"{finding.value:.6g}",
        }
        self._events.append(finding.project, subject, f"{KIND}{finding.rule}", finding.message, details)
