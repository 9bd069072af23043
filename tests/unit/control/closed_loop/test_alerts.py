"""Alerts: to a real HTTP server and a real mail server, signed, tried again, silenced, acknowledged."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.smtp import SMTP

from modelyard.control.alerts.courier import Courier
from modelyard.control.alerts.delivery import EmailSender
from modelyard.control.alerts.errors import ChannelExistsError, ChannelNotFoundError, ChannelTargetInvalidError
from modelyard.control.alerts.repository import AlertRepository
from modelyard.control.alerts.schemas import ChannelCreate
from modelyard.control.monitors.errors import NothingToAcknowledgeError
from modelyard.control.monitors.schemas import MonitorCreate
from modelyard.control.rest.pages import PageQuery
from modelyard.types.monitoring import AlertChannel, ChannelKind, DeliveryStatus


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted; answers with the given codes in turn, then 200."""

    def __init__(self, *codes: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes = list(codes)
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.drops = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/alerts"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers.items()), body))
        self.send_response(self.server.codes.pop(0) if self.server.codes else 200)
        self.end_headers()
        with suppress(OSError):  # nobody reads it
            for _ in range(self.server.drops):
                self.wfile.write(b".")
                time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiver(*codes: int) -> Iterator[Receiver]:
    server = Receiver(*codes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def channel(world, name: str, kind: ChannelKind, target: str) -> AlertChannel:
    return world.monitoring.alerts.create("default", ChannelCreate(name=name, kind=kind, target=target), None)


def watch(world, *channels: str) -> None:
    body = MonitorCreate(name="watch", endpoint="points", minimum_rows=50, window_rows=100, channels=channels)
    world.monitors.create("default", body, None)


def run(world, **traffic) -> str:
    world.traffic(100, **traffic)
    return world.monitoring.runner.run("default", "watch").verdict


def deliveries(world):
    return world.monitoring.alerts.deliveries("default", PageQuery()).items


def kinds(server: Receiver) -> list[str]:
    return [json.loads(body)["kind"] for _, body in server.received]


def test_an_alarm_is_posted_signed_and_its_end_too(world):
    with receiver() as server:
        made = channel(world, "on-call", ChannelKind.WEBHOOK, server.url)
        watch(world, "on-call")
        assert run(world) == "NO_DRIFT"
        assert world.monitoring.courier.run_once() == 0
        assert run(world, shift=2.0) == "DRIFT"
        assert run(world, shift=2.0) == "DRIFT"
        assert world.monitoring.courier.run_once() == 1
        assert run(world) == "NO_DRIFT"
        assert world.monitoring.courier.run_once() == 1
        assert kinds(server) == ["drift", "ended"]
        headers, body = server.received[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert int(headers["webhook-timestamp"]) == pytest.approx(world.clock.now().timestamp(), abs=200)
    assert "x rose from " in json.loads(body)["message"]
    assert world.monitoring.alerts.channel("default", "on-call").secret is None


def test_events_are_posted_signed_and_tried_again_as_alerts_are(world):
    with receiver(503) as server:
        body = ChannelCreate(name="app", kind=ChannelKind.WEBHOOK, target=server.url, events=["retraining_*"])
        made = world.monitoring.alerts.create("default", body, None)
        world.events.append("default", "endpoint/points", "retraining_rejected", "It is worse", {"run": "run-1"})
        world.monitoring.courier.run_once()
        world.clock.sleep(5)
        world.monitoring.courier.run_once()
        assert kinds(server) == ["retraining_rejected"] * 2
        headers, content = server.received[1]
    assert server.received[0][0]["webhook-id"] == headers["webhook-id"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert deliveries(world)[0].status is DeliveryStatus.DELIVERED


def test_what_is_not_taken_is_sent_again_also_by_another_process_and_never_lost(world):
    with receiver(500, 302) as server:
        channel(world, "on-call", ChannelKind.WEBHOOK, server.url)
        watch(world, "on-call")
        run(world, shift=2.0)
        world.monitoring.courier.run_once()
        (delivery,) = deliveries(world)
        assert (delivery.status, delivery.attempts, delivery.error) == (DeliveryStatus.PENDING, 1, "it answered 500")
        assert world.monitoring.courier.run_once() == 0
        senders = world.monitoring.courier._senders
        second = Courier(world.database, AlertRepository(), senders, world.clock)  # after a restart
        for pause in (5, 30):
            world.clock.sleep(pause)
            assert second.run_once() == 1
        (delivery,) = deliveries(world)
        assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 3)
        assert len({headers["webhook-id"] for headers, _ in server.received}) == 1


def test_a_receiver_that_never_comes_back_is_given_up_after_a_day(world):
    with receiver() as server:
        url = server.url
    channel(world, "on-call", ChannelKind.WEBHOOK, url)
    delivery = world.monitoring.alerts.send_test("default", "on-call")
    attempts, started = 0, world.clock.now()
    while delivery.status is DeliveryStatus.PENDING:
        attempts += world.monitoring.courier.run_once()
        (delivery,) = deliveries(world)
        world.clock.sleep(600)
    assert delivery.status is DeliveryStatus.GIVEN_UP
    assert "ConnectError" in delivery.error
    assert 20 <= (world.clock.now() - started).total_seconds() / 3600 <= 30
    assert attempts == delivery.attempts


def test_a_monitor_that_cannot_run_alarms_once(world):
    with receiver() as server:
        channel(world, "on-call", ChannelKind.WEBHOOK, server.url)
        watch(world, "on-call")
        world.endpoints.known.clear()
        for _ in range(3):
            assert run(world) == "FAILED"
        world.monitoring.courier.run_once()
        assert kinds(server) == ["failed"]
        assert "The monitor could not run: There is no endpoint" in json.loads(server.received[0][1])["message"]


def test_trouble_that_lasts_is_told_every_day_until_it_is_acknowledged(world):
    with receiver() as server:
        channel(world, "on-call", ChannelKind.WEBHOOK, server.url)
        watch(world, "on-call")
        with pytest.raises(NothingToAcknowledgeError):
            world.monitors.acknowledge("default", "watch")
        run(world, shift=2.0)
        world.clock.sleep(86400)
        run(world, shift=2.0)
        assert world.monitors.acknowledge("default", "watch").acknowledged is not None
        world.clock.sleep(86400)
        run(world, shift=2.0)
        run(world)
        run(world, shift=2.0)
        world.monitoring.courier.run_once()
        assert kinds(server) == ["drift", "reminder", "ended", "drift"]
        assert world.monitors.get("default", "watch").acknowledged is None


def test_a_silenced_monitor_tells_nobody_until_the_silence_is_over(world):
    with receiver() as server:
        channel(world, "on-call", ChannelKind.WEBHOOK, server.url)
        watch(world, "on-call")
        until = world.clock.now().replace(year=world.clock.now().year + 1)
        world.monitors.silence("default", "watch", until)
        run(world, shift=2.0)
        assert world.monitoring.courier.run_once() == 0
        assert world.event_kinds() == ["drift_found"]
        world.monitors.silence("default", "watch", None)
        run(world, shift=2.0)
        world.monitoring.courier.run_once()
        assert kinds(server) == ["reminder"]


class Mailbox:
    """What a mail server has taken: (sender, receivers, content)."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], str]] = []
        self.port = 0

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - the library's name
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """A mail server on a port of the system's choice."""
    mailbox, loop = Mailbox(), asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: SMTP(mailbox, loop=loop), "127.0.0.1", 0))
    mailbox.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_an_alarm_is_mailed_through_a_real_server(world):
    with mail_server() as mailbox:
        mail = EmailSender(url=f"smtp://127.0.0.1:{mailbox.port}", sender="modelyard@example.org")
        world.monitoring.courier._senders[ChannelKind.EMAIL] = mail
        channel(world, "team", ChannelKind.EMAIL, "team@example.org")
        watch(world, "team")
        run(world, shift=2.0)
        assert world.monitoring.courier.run_once() == 1
    ((sender, receivers, content),) = mailbox.mails
    assert (sender, receivers) == ("modelyard@example.org", ["team@example.org"])
    assert "Subject: [modelyard] drift at points" in content
    assert "x rose from" in content
    assert deliveries(world)[0].status is DeliveryStatus.DELIVERED


def test_mail_without_a_server_waits_and_says_so(world):
    channel(world, "team", ChannelKind.EMAIL, "team@example.org")
    world.monitoring.alerts.send_test("default", "team")
    world.monitoring.courier.run_once()
    (delivery,) = deliveries(world)
    assert (delivery.status, delivery.error) == (
        DeliveryStatus.PENDING,
        "no mail server is set up (MODELYARD_SMTP_URL)",
    )
    world.monitoring.alerts.delete("default", "team")
    world.clock.sleep(5)
    world.monitoring.courier.run_once()
    assert deliveries(world)[0].error == "the channel was deleted"


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (ChannelKind.WEBHOOK, "ftp://example.org"),
        (ChannelKind.WEBHOOK, "https://user:word@example.org"),
        (ChannelKind.WEBHOOK, "example.org"),
        (ChannelKind.EMAIL, "team"),
        (ChannelKind.EMAIL, "a@b, c@d"),
        (ChannelKind.EMAIL, "a@b\nBcc: c@d"),
    ],
)
def test_a_target_that_is_none_is_refused(world, kind: ChannelKind, target: str):
    with pytest.raises(ChannelTargetInvalidError):
        channel(world, "on-call", kind, target)


def test_channels_have_names_of_their_own_and_monitors_name_those_that_are_there(world):
    channel(world, "team", ChannelKind.EMAIL, "team@example.org")
    with pytest.raises(ChannelExistsError):
        channel(world, "team", ChannelKind.EMAIL, "team@example.org")
    with pytest.raises(ChannelNotFoundError):
        watch(world, "nobody")
    assert [each.name for each in world.monitoring.alerts.channels("default", PageQuery()).items] == ["team"]


def test_a_receiver_that_hangs_delays_nobody_else(world):
    with receiver() as server, socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"  # takes connections and never answers
        for name, target in (("dead", url), ("app", server.url)):
            body = ChannelCreate(name=name, kind=ChannelKind.WEBHOOK, target=target, events=[f"{name}_*"])
            world.monitoring.alerts.create("default", body, None)
        for number in range(60):  # more than are looked at together
            world.events.append("default", "endpoint/points", "dead_letter", f"Nobody reads it ({number})", {})
        for number in range(3):
            world.events.append("default", "endpoint/points", "app_news", f"It is worse ({number})", {})
        began = time.monotonic()
        while len(server.received) < 3 and time.monotonic() - began < 9:
            world.monitoring.courier.run_once()
        assert len(server.received) == 3
        assert time.monotonic() - began < 9  # one attempt at the dead one takes ten seconds
        world.monitoring.courier.run_once()
    told = world.monitoring.alerts.deliveries("default", PageQuery(limit=100)).items
    channels = [each.channel for each in told if each.status is DeliveryStatus.DELIVERED]
    assert channels == ["app"] * 3


def test_a_receiver_that_answers_drop_by_drop_has_taken_what_it_says_it_has(world):
    with receiver() as server:
        server.drops = 40
        body = ChannelCreate(name="slow", kind=ChannelKind.WEBHOOK, target=server.url, events=["retraining_*"])
        world.monitoring.alerts.create("default", body, None)
        world.events.append("default", "endpoint/points", "retraining_rejected", "It is worse", {})
        assert world.monitoring.courier.run_once() == 1
    assert deliveries(world)[0].status is DeliveryStatus.DELIVERED
