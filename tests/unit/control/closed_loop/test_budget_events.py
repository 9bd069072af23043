"""Budgets that have reached something are told once in a month, to whoever subscribed, also after a kill."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from modelyard.control.alerts.budgets import BudgetHerald
from modelyard.control.alerts.repository import AlertRepository
from modelyard.control.alerts.schemas import ChannelCreate
from modelyard.control.rest.pages import PageQuery
from modelyard.errors import UnavailableError
from modelyard.types.compute.costs import Budget, BudgetState
from modelyard.types.monitoring import ChannelKind

BUDGET = Budget(
    project="default",
    amount=100.0,
    alert_share=0.8,
    stops=True,
    state=BudgetState.OK,
    spent=10.0,
    month=date(2026, 5, 1),
    alerted_at=None,
)


@pytest.fixture
def budgets():
    return [BUDGET]


@pytest.fixture
def herald(world, budgets):
    return BudgetHerald(world.database, AlertRepository(), world.events, lambda: budgets)


def told(world) -> list[tuple[str, str]]:
    page = world.events.list("default", "budget/default", PageQuery(limit=100), is_oldest_first=True)
    return [(event.kind, event.details["spent"]) for event in page.items]


def test_each_state_is_told_once_in_a_month_and_again_when_the_budget_is_another_one(world, herald, budgets):
    herald.look()
    assert told(world) == []
    for spent, state in ((85.0, BudgetState.ALERT), (90.0, BudgetState.ALERT), (120.0, BudgetState.EXHAUSTED)):
        budgets[:] = [replace(BUDGET, spent=spent, state=state)]
        herald.look()
        BudgetHerald(world.database, AlertRepository(), world.events, lambda: budgets).look()  # it was started again
    assert told(world) == [("budget_alert", "85.00"), ("budget_exhausted", "120.00")]
    budgets[:] = [replace(BUDGET, amount=150.0, spent=125.0, state=BudgetState.ALERT)]
    herald.look()
    assert told(world)[2:] == [("budget_alert", "125.00")], "a raised budget is told of as well"
    budgets[:] = [replace(BUDGET, month=BUDGET.month + timedelta(days=31), spent=81.0, state=BudgetState.ALERT)]
    herald.look()
    assert told(world)[3:] == [("budget_alert", "81.00")]


def test_subscribers_get_it_and_a_kill_between_note_and_event_leaves_neither(world, herald, budgets, monkeypatch):
    body = ChannelCreate(name="chat", kind=ChannelKind.WEBHOOK, target="https://example.org/hook", events=("budget_*",))
    world.monitoring.alerts.create("default", body, None)
    budgets[:] = [replace(BUDGET, spent=120.0, state=BudgetState.EXHAUSTED)]
    with monkeypatch.context() as killed:
        killed.setattr(world.events, "append", lambda *_, **__: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            herald.look()
    assert told(world) == []
    herald.look()
    (delivery,) = world.monitoring.alerts.deliveries("default", PageQuery()).items
    assert (delivery.channel, delivery.content.kind) == ("chat", "budget_exhausted")
    assert delivery.content.message == (
        "Project 'default' has spent 120.00 of its 100.00 for this month: its jobs are stopped, and new ones refused"
    )


def test_nothing_is_told_while_the_jobs_application_is_away(world):
    def away() -> list[Budget]:
        raise UnavailableError("it is away")

    BudgetHerald(world.database, AlertRepository(), world.events, away).look()
    assert told(world) == []
