"""Carries alerts and events out of the outbox: each until it is taken, with growing pauses, at most for about a day.

A process that is killed between sending and noting it sends again: receivers tell repetitions by the message's id.
"""

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
import structlog

from modelyard.control.alerts.repository import AlertRepository
from modelyard.control.alerts.signatures import headers
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.endpoints import Event
from modelyard.types.monitoring import AlertChannel, AlertDelivery, AlertKind, ChannelKind, DeliveryStatus

_PAUSES_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)
_TIMEOUT_SECONDS = 10.0
_BATCH = 50
_KEPT = timedelta(days=30)
_GONE = 410
_log = structlog.get_logger(__name__)


class NotDeliveredError(Exception):
    """An attempt failed; the message says why. `is_final`: another attempt would too."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


class Sender(Protocol):
    """Sends one alert or event once."""

    def send(self, channel: AlertChannel, delivery: AlertDelivery) -> None:
        """Return when the other side has taken it. Raises NotDeliveredError."""


class WebhookSender:
    """Posts what is told as JSON, signed. Anything but an answer of 2xx is a failure; redirects are not followed."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def send(self, channel: AlertChannel, delivery: AlertDelivery) -> None:
        """See Sender."""
        body = msgspec.json.encode(delivery.content)
        signed = headers(channel.secret or "", delivery.id, int(self._now()), body)
        try:
            answer = httpx.post(
                channel.target,
                content=body,
                headers={"Content-Type": "application/json", "User-Agent": "modelyard", **signed},
                timeout=_TIMEOUT_SECONDS,
            )
        except httpx.HTTPError as error:
            raise NotDeliveredError(f"{type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise NotDeliveredError(f"it answered {answer.status_code}", is_final=answer.status_code == _GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSender:
    """Hands mail to a server by SMTP.

    Attributes:
        url: smtp://[user:password@]host[:port] (STARTTLS where the server has it) or smtps://; empty: there is none.
        sender: the From address.
    """

    url: str
    sender: str

    def send(self, channel: AlertChannel, delivery: AlertDelivery) -> None:
        """See Sender."""
        if not self.url:
            raise NotDeliveredError("no mail server is set up (MODELYARD_SMTP_URL)")
        parts = urlsplit(self.url)
        try:
            with self._connect(parts.scheme, parts.hostname or "", parts.port or 0) as server:
                if parts.scheme == "smtp" and server.has_extn("starttls"):
                    server.starttls(context=ssl.create_default_context())
                    server.ehlo()
                if parts.username:
                    server.login(unquote(parts.username), unquote(parts.password or ""))
                server.send_message(_mail(self.sender, channel, delivery))
        except (OSError, smtplib.SMTPException) as error:
            raise NotDeliveredError(f"{type(error).__name__}: {error}") from error

    @staticmethod
    def _connect(scheme: str, host: str, port: int) -> smtplib.SMTP:
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_SECONDS, context=ssl.create_default_context())
        server = smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS)
        server.ehlo()
        return server


class Courier:
    """Sends what is due. One at a time per process; a second process may send the same alert twice, never lose it."""

    def __init__(
        self, database: Database, repository: AlertRepository, senders: dict[ChannelKind, Sender], clock: Clock
    ) -> None:
        self._database = database
        self._repository = repository
        self._senders = senders
        self._clock = clock

    def run_once(self) -> int:
        """One attempt for every delivery that is due; returns how many were made."""
        with self._database.read() as connection:
            due = self._repository.due(connection, self._clock.now(), _BATCH)
        for delivery in due:
            done = self._attempt(delivery)
            with self._database.transaction() as connection:
                self._repository.update(connection, done)
        return len(due)

    def forget(self) -> None:
        """Delete what ended long ago."""
        with self._database.transaction() as connection:
            self._repository.delete_older(connection, self._clock.now() - _KEPT)

    def _attempt(self, delivery: AlertDelivery) -> AlertDelivery:
        with self._database.read() as connection:
            channel = self._repository.channel(connection, delivery.project, delivery.channel)
        now, attempts = self._clock.now(), delivery.attempts + 1
        ended = replace(delivery, attempts=attempts, next_attempt_at=None, ended_at=now)
        if channel is None:
            return replace(ended, status=DeliveryStatus.GIVEN_UP, error="the channel was deleted")
        try:
            self._senders[channel.kind].send(channel, delivery)
        except NotDeliveredError as error:
            _log.warning("alert not delivered", channel=channel.name, attempt=attempts, reason=str(error))
            if error.is_final or attempts > len(_PAUSES_SECONDS):
                return replace(ended, status=DeliveryStatus.GIVEN_UP, error=str(error))
            pause = timedelta(seconds=_PAUSES_SECONDS[attempts - 1])
            return replace(delivery, attempts=attempts, error=str(error), next_attempt_at=now + pause)
        return replace(ended, status=DeliveryStatus.DELIVERED, error="")


def _mail(sender: str, channel: AlertChannel, delivery: AlertDelivery) -> EmailMessage:
    alert = delivery.alert
    if alert is None:
        return _event_mail(sender, channel, delivery)
    words = {
        AlertKind.DRIFT: f"drift at {alert.endpoint}",
        AlertKind.FAILED: f"monitor {alert.monitor} cannot run",
        AlertKind.ENDED: f"{alert.endpoint} is back to normal",
        AlertKind.REMINDER: f"still: {alert.verdict.lower()} at {alert.endpoint}",
        AlertKind.TEST: "test",
    }
    origin = f"Monitor {alert.monitor} of endpoint {alert.endpoint}, project {alert.project}, report {alert.report}"
    text = f"{alert.message}\n\n{origin if alert.monitor else 'Sent by hand'}, {alert.at.isoformat()}\n"
    return _written(sender, channel, delivery, words[alert.kind], text)


def _event_mail(sender: str, channel: AlertChannel, delivery: AlertDelivery) -> EmailMessage:
    event = delivery.content
    assert isinstance(event, Event)  # noqa: S101 - no alert, so an event
    origin = f"{event.kind} of {event.subject}, project {event.project}, {event.id}, {event.at.isoformat()}"
    words = f"{event.kind.replace('_', ' ')}: {event.subject.partition('/')[2]}"
    return _written(sender, channel, delivery, words, f"{event.message}\n\n{origin}\n")


def _written(sender: str, channel: AlertChannel, delivery: AlertDelivery, words: str, text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, channel.target
    mail["Subject"] = f"[modelyard] {words}"
    mail["Message-ID"] = f"<{delivery.id}@modelyard>"
    mail.set_content(text)
    return mail
