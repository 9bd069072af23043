"""Temporary access keys, which stand in no table: their secrets and the seals of their tokens follow from a day's key.

The day on which a key was lent stands in its id. Control writes the keys of a few days into the routing table: who
reads it can make temporary keys that call models of any project, but none for control, which has a seal of its own.
Only with a token that was lent can they sign requests to control, as its holder and until its time is over.
"""

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec

from modelyard.dataplane.errors import AccessKeyUnknownError
from modelyard.types.access import Role

PREFIX = "ASIA"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
"""Of which AWS makes ids of keys."""
LONGEST = timedelta(hours=36)
"""What AWS lends a key for at most."""

_DAY_CHARACTERS = 4
_SECRET_BYTES = 30
_HINT = "Send the three values that came together, id, secret and session token, and ask for new ones when they end."


class Session(msgspec.Struct, frozen=True):
    """What a session token says: who may do what, where, and until when."""

    id: str
    name: str
    project: str
    role: Role
    until: datetime


class SessionSigner(NamedTuple):
    """Whose signature is to be checked, and with which secret."""

    session: Session
    secret: str


def day_characters(day: date) -> str:
    """A day as it stands in ids after their prefix."""
    number, characters = day.toordinal(), ""
    for _ in range(_DAY_CHARACTERS):
        number, rest = divmod(number, len(ALPHABET))
        characters = ALPHABET[rest] + characters
    return characters


def day_of(key_id: str) -> str:
    """The characters of the day on which a key was lent; empty: it is no temporary key."""
    end = len(PREFIX) + _DAY_CHARACTERS
    return key_id[len(PREFIX) : end] if key_id.startswith(PREFIX) and len(key_id) > end else ""


def lending_days(now: datetime, ahead: int) -> list[str]:
    """Days on which keys were lent that may be in force now, or in as many days."""
    behind = LONGEST.days + 1
    return [day_characters(now.date() + timedelta(days=offset)) for offset in range(-behind, ahead)]


def session_secret(day_key: bytes, key_id: str) -> str:
    """The secret of a temporary key: 40 characters."""
    return base64.b64encode(_digest(day_key, b"secret", key_id.encode())[:_SECRET_BYTES]).decode()


def session_seal(day_key: bytes, content: bytes) -> bytes:
    """What nobody else can make of the claims in a token."""
    return _digest(day_key, b"seal", content)


def session_signer(day_keys: Mapping[str, str], key_id: str, token: bytes) -> SessionSigner:
    """Whom a temporary key speaks for, by its token.

    Raises:
        AccessKeyUnknownError: the token is missing, not ours, of another key, or its time is over.
    """
    day_key = bytes.fromhex(day_keys.get(day_of(key_id), ""))
    content_text, _, seals = token.partition(b".")
    try:
        content, seal = _bytes(content_text), _bytes(seals.rpartition(b".")[2])
        is_sealed = bool(day_key) and hmac.compare_digest(seal, session_seal(day_key, content))
        session = msgspec.json.decode(content, type=Session) if is_sealed else None
    except ValueError:
        session = None
    if session is None or session.id != key_id:
        raise AccessKeyUnknownError(f"the session token does not belong to the access key '{key_id[:40]}'", hint=_HINT)
    if session.until <= datetime.now(UTC):
        raise AccessKeyUnknownError(f"the temporary key '{key_id}' was good until {session.until}", hint=_HINT)
    return SessionSigner(session, session_secret(day_key, key_id))


def _digest(key: bytes, purpose: bytes, content: bytes) -> bytes:
    return hmac.digest(key, purpose + b"\0" + content, "sha256")


def _bytes(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
