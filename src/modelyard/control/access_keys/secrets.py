"""Ids and secrets of access keys.

A signature can only be checked by who has the secret itself, so a hash will not do. Nothing is stored all the same: the
secret is an HMAC of the id under a random key that lies in the state directory, beside the database and not in it.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from modelyard.dataplane.gateway.sessions import ALPHABET, PREFIX, day_characters, day_of, session_seal, session_secret
from modelyard.kit.files import write_atomic

_ID_CHARACTERS = 20
PERMANENT, TEMPORARY = "AKIA", PREFIX
"""How AWS's own ids of the two kinds begin."""


class Sealer:
    """Derives secrets and seals claims. Immutable.

    Args:
        key: at least 32 random bytes; who has it can sign as anybody.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def at(cls, path: Path) -> "Sealer":
        """With the key in `path` (mode 0600), which is made if it is not there."""
        if not path.exists():
            write_atomic(path, secrets.token_hex(32).encode(), mode=0o600)
        return cls(bytes.fromhex(path.read_text().strip()))

    def secret(self, key_id: str) -> str:
        """The secret of an access key: 40 characters."""
        if day := day_of(key_id):
            return session_secret(self._day_key(day), key_id)
        return base64.b64encode(self._digest("secret", key_id.encode())[:30]).decode()

    def seal(self, claims: dict[str, Any]) -> str:
        """Claims as text that nobody else can make; `id` is a temporary key's.

        It has two seals: the gateways know only how to make the second, for control both must be right.
        """
        return self._sealed(msgspec.json.encode(claims))

    def unseal(self, sealed: str) -> dict[str, Any] | None:
        """The claims, or None if they were not sealed here."""
        try:
            content = _bytes(sealed.partition(".")[0])
            claims = msgspec.json.decode(content, type=dict[str, Any])
        except ValueError:
            return None
        return claims if hmac.compare_digest(sealed.encode(), self._sealed(content).encode()) else None

    def day_key(self, day: str) -> str:
        """What temporary keys that are lent on a day (its characters in their ids) follow from, hex."""
        return self._day_key(day).hex()

    def _sealed(self, content: bytes) -> str:
        day = day_of(str(msgspec.json.decode(content, type=dict[str, Any]).get("id", "")))
        seals = (self._digest("session", content), session_seal(self._day_key(day), content))
        return ".".join(_text(part) for part in (content, *seals))

    def _day_key(self, day: str) -> bytes:
        return self._digest("day", day.encode())

    def _digest(self, purpose: str, content: bytes) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + content, hashlib.sha256)


def new_key_id(prefix: str = PERMANENT) -> str:
    """A new id in AWS's form: 20 capital letters and digits, `prefix` and perhaps more of it given."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(_ID_CHARACTERS - len(prefix)))


def new_temporary_id(day: date) -> str:
    """A new id of a temporary key that is lent on a day."""
    return new_key_id(TEMPORARY + day_characters(day))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
