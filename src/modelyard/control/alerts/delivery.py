"""How alerts and events reach a receiver: posted as JSON, or by mail."""

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cached_property
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx
import msgspec

from modelyard.control.alerts.signatures import headers
from modelyard.types.endpoints import Event
from modelyard.types.monitoring import AlertChannel, AlertDelivery, AlertKind

_TIMEOUT_SECONDS = 10.0
_GONE = 410


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

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Whom to trust; reading that anew takes longer than all the rest of a delivery."""
        return httpx.create_ssl_context()

    def send(self, channel: AlertChannel, delivery: AlertDelivery) -> None:
        """See Sender."""
        body = msgspec.json.encode(delivery.content)
        signed = headers(channel.secret or "", delivery.id, int(self._now()), body)
        try:
            sending = httpx.stream(
                "POST",
                channel.target,
                content=body,
                headers={"Content-Type": "application/json", "User-Agent": "modelyard", **signed},
                timeout=_TIMEOUT_SECONDS,
                verify=self._trust,
            )
            with sending as answer:  # what it says besides its code, and however slowly, is not read
                code = answer.status_code
        except httpx.HTTPError as error:
            raise NotDeliveredError(f"{type(error).__name__}: {error}") from error
        if not httpx.codes.is_success(code):
            raise NotDeliveredError(f"it answered {code}", is_final=code == _GONE)


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
