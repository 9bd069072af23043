"""Applications subscribe to events: which ones they get, in which form, and that none is lost or invented."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import ValidationError

from modelyard.control.alerts.schemas import ChannelCreate
from modelyard.control.alerts.subscriptions import takes
from modelyard.control.monitors.schemas import MonitorCreate
from modelyard.control.rest.pages import PageQuery
from modelyard.types.endpoints import Event
from modelyard.types.monitoring import AlertChannel, ChannelKind, DeliveryStatus

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class Sent:
    """Takes what the courier sends."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, str, dict]] = []

    def send(self, channel, delivery) -> None:
        self.bodies.append((channel.name, delivery.id, json.loads(msgspec.json.encode(delivery.content))))


@pytest.fixture
def sent(world) -> Sent:
    sent = Sent()
    world.monitoring.courier._senders = {ChannelKind.WEBHOOK: sent, ChannelKind.EMAIL: sent}
    return sent


def subscribe(world, name: str, *events: str, endpoint: str | None = None) -> AlertChannel:
    body = ChannelCreate(
        name=name, kind=ChannelKind.WEBHOOK, target="https://example.org/hook", events=events, endpoint=endpoint
    )
    return world.monitoring.alerts.create("default", body, None)


def told(world, sent: Sent) -> list[tuple[str, str]]:
    while world.monitoring.courier.run_once():
        pass
    return [(name, body["kind"]) for name, _, body in sent.bodies]


def event(kind: str, subject: str = "endpoint/digits") -> Event:
    return Event(id="event-000000000001", at=WHEN, project="default", subject=subject, kind=kind, message="")


@pytest.mark.parametrize(
    ("events", "endpoint", "kind", "subject", "is_taken"),
    [
        (("drift_found",), None, "drift_found", "endpoint/digits", True),
        (("drift_found",), None, "drift_ended", "endpoint/digits", False),
        (("rollout_*", "drift_found"), None, "rollout_rolled_back", "endpoint/digits", True),
        (("rollout_*",), None, "rollout", "endpoint/digits", False),
        (("*",), None, "anything", "monitor/x", True),
        (("*",), "digits", "anything", "endpoint/digits", True),
        (("*",), "digits", "anything", "endpoint/digits-2", False),
        (("*",), "digits", "anything", "monitor/digits", False),
        ((), None, "anything", "endpoint/digits", False),
    ],
)
def test_a_channel_takes_what_it_asked_for(events, endpoint, kind, subject, is_taken):
    channel = AlertChannel(
        project="default",
        name="app",
        kind=ChannelKind.WEBHOOK,
        target="",
        events=events,
        endpoint=endpoint,
        created_at=WHEN,
        version=1,
    )
    assert takes(channel, event(kind, subject)) is is_taken


@pytest.mark.parametrize("kind", ["", "Drift", "*found", "drift found", "drift_**", "a" * 61])
def test_what_is_no_kind_is_refused(kind):
    with pytest.raises(ValidationError):
        ChannelCreate(name="app", kind=ChannelKind.WEBHOOK, target="https://example.org", events=[kind])


def test_subscribers_get_events_in_order_as_the_stream_shows_them(world, sent):
    subscribe(world, "all", "*")
    subscribe(world, "rollouts", "rollout_*", endpoint="points")
    subscribe(world, "alerts-only")
    world.events.append("default", "endpoint/points", "rollout_started", "It begins", {"rollout": "rollout-1"})
    world.clock.sleep(1)
    world.events.append("default", "endpoint/other", "rollout_completed", "Another one's")
    world.clock.sleep(1)
    world.events.append("elsewhere", "endpoint/points", "rollout_completed", "Another project's")
    world.events.append("default", "endpoint/points", "rollout_rolled_back", "It went back")
    found = told(world, sent)
    by_channel = {name: [kind for channel, kind in found if channel == name] for name, _ in found}
    assert by_channel == {
        "all": ["rollout_started", "rollout_completed", "rollout_rolled_back"],
        "rollouts": ["rollout_started", "rollout_rolled_back"],
    }
    first = world.events.list("default", None, PageQuery(limit=1), is_oldest_first=True).items[0]
    assert sent.bodies[0][2]["id"] == first.id
    assert sent.bodies[0][2]["details"] == {"rollout": "rollout-1"}
    assert len({delivery for _, delivery, _ in sent.bodies}) == 5
    deliveries = world.monitoring.alerts.deliveries("default", PageQuery()).items
    assert {delivery.status for delivery in deliveries} == {DeliveryStatus.DELIVERED}
    assert deliveries[0].alert is None
    assert deliveries[0].event.kind == "rollout_rolled_back"


def test_an_event_that_did_not_come_about_is_told_nobody(world, sent):
    subscribe(world, "all", "*")
    with suppress(RuntimeError), world.database.transaction() as connection:
        world.events.append("default", "endpoint/points", "rollout_started", "No", connection=connection)
        raise RuntimeError
    assert told(world, sent) == []


def test_drift_reaches_subscribers_without_being_named_in_the_monitor(world, sent):
    subscribe(world, "app", "drift_found", endpoint="points")
    body = MonitorCreate(name="watch", endpoint="points", minimum_rows=50, window_rows=100)
    world.monitors.create("default", body, None)
    world.traffic(100, shift=2.0)
    assert world.monitoring.runner.run("default", "watch").verdict == "DRIFT"
    assert told(world, sent) == [("app", "drift_found")]
    assert "x rose from " in sent.bodies[0][2]["message"]
