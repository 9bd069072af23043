"""What rules find on jobs becomes events, each once."""

from datetime import UTC, datetime

import pytest

from modelyard.control.alerts.findings import FindingHerald
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.rest.pages import PageQuery
from modelyard.errors import UnavailableError
from modelyard.kit.clock import SystemClock
from modelyard.types.debugging.rules import Finding, RuleAction


def finding(number: int) -> Finding:
    return Finding(
        id=number,
        project="default",
        job="job-1",
        rule="overfitting",
        action=RuleAction.STOP,
        step=20,
        value=0.25,
        message="val_loss rose.",
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )


class Jobs:
    """The Jobs application, which may be away."""

    def __init__(self) -> None:
        self.untold = [finding(1), finding(2)]
        self.is_away = self.is_note_lost = False

    def ask(self):
        if self.is_away:
            raise UnavailableError("it is away", hint="Wait.")
        return list(self.untold)

    def note(self, ids):
        if self.is_note_lost:
            raise UnavailableError("it went away", hint="Wait.")
        self.untold = [each for each in self.untold if each.id not in ids]


@pytest.fixture
def events(database):
    return EventService(database, EventRepository(), SystemClock())


def test_a_finding_is_told_once_though_the_note_of_it_may_be_lost(events):
    jobs = Jobs()
    herald = FindingHerald(events, jobs.ask, jobs.note)
    jobs.is_away = True
    herald.look()
    assert events.list("default", None, PageQuery()).items == []
    jobs.is_away, jobs.is_note_lost = False, True
    herald.look()
    herald.look()
    jobs.is_note_lost = False
    herald.look()
    told = events.list("default", "job/job-1", PageQuery()).items
    assert [(event.kind, event.details["finding"]) for event in told] == [
        ("finding_overfitting", "2"),
        ("finding_overfitting", "1"),
    ]
    assert (told[0].message, told[0].details["step"], told[0].details["action"]) == ("val_loss rose.", "20", "stop")
    assert jobs.untold == []
