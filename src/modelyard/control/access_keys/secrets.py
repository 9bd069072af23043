"""Ids and secrets of access keys.

A signature can only be checked by who has the secret itself, so a hash will not do. Nothing is stored all the same: the
secret is an HMAC of the id under a random key that lies in the state directory, beside the database and not in it.
"""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any

import msgspec

from modelyard.kit.files import write_atomic

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_RANDOM_CHARACTERS = 16
PERMANENT, TEMPORARY = "AKIA", "ASIA"
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
        return base64.b64encode(self._digest("secret", key_id.encode())[:30]).decode()

    def seal(self, claims: dict[str, Any]) -> str:
        """Claims as text that nobody else can make."""
        content = msgspec.json.encode(claims)
        return f"{_text(content)}.{_text(self._digest('session', content))}"

    def unseal(self, sealed: str) -> dict[str, Any] | None:
        """The claims, or None if they were not sealed here."""
        content_text, _, digest_text = sealed.partition(".")
        try:
            content, digest = _bytes(content_text), _bytes(digest_text)
        except ValueError:
            return None
        if not hmac.compare_digest(digest, self._digest("session", content)):
            return None
        return msgspec.json.decode(content, type=dict[str, Any])

    def _digest(self, purpose: str, content: bytes) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + content, hashlib.sha256)


def new_key_id(prefix: str = PERMANENT) -> str:
    """A new id in AWS's form: 20 capital letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
