"""Ready replicas are watched: one that gives no sign of life is replaced, one that answers NaN is spoken of."""

import msgspec

from modelyard.control.rest.pages import PageQuery
from modelyard.dataplane.vitals import Vitals, vitals_path


def say(platform, seconds: float, nan_output: str = "") -> None:
    """The ready replica's worker promises to be heard of again in `seconds`."""
    [replica] = platform.route().variants[0].replicas
    path = vitals_path(replica.address)
    path.parent.mkdir(parents=True, exist_ok=True)
    vitals = Vitals(alive_until=platform.clock.monotonic() + seconds, nan_output=nan_output)
    path.write_bytes(msgspec.json.encode(vitals))


def test_a_worker_that_keeps_silent_is_ended_and_replaced(platform):
    platform.create()
    platform.until_status("READY")
    [first] = platform.engine.alive()
    say(platform, 5)
    platform.tick(4)
    platform.tick(2)
    say(platform, 5)
    platform.tick(2)
    platform.tick(2)
    assert platform.engine.alive() == [first], "one late sign is no silence"
    platform.tick(3)
    platform.tick(4)
    platform.until(lambda: platform.status() == "READY" and platform.engine.alive() not in ([], [first]))
    assert first in platform.engine.stops
    events = platform.events.list("default", "endpoint/digits", PageQuery(limit=500)).items
    [failed] = [event for event in events if event.kind == "replica_failed"]
    assert "hangs" in failed.message


def test_nan_answers_are_named_in_the_status_and_announced_once(platform):
    platform.create()
    platform.until_status("READY")
    say(platform, 100, "scores")
    for _ in range(3):
        platform.tick()
    shown = platform.endpoint()
    assert (shown.status, shown.replicas[0].status) == ("READY", "READY")
    assert "answered NaN in output 'scores'" in shown.reason
    assert platform.kinds().count("replica_answered_nan") == 1
