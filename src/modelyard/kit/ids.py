"""Identifiers: short, sortable by time, safe in URLs and file names."""

import hashlib
import os
import re
import time

from modelyard.errors import InvalidInputError

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")


class NameInvalidError(InvalidInputError):
    """A resource name that is not a DNS-like label."""

    code = "name_invalid"


def new_id(prefix: str) -> str:
    """`prefix-` and 26 characters: 48 bits of milliseconds and 80 random bits (the ULID layout, lower case)."""
    return f"{prefix}-{_base32((time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), 'big'))}"


def derived_id(prefix: str, *parts: str) -> str:
    """The same id for the same parts: lets a repeated creation find what the first one made."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"{prefix}-{_base32(int.from_bytes(digest[:16], 'big'))}"


def check_name(name: str, field: str = "name") -> str:
    """`name`, if it is fit for URLs and files: 1 to 63 of a-z 0-9 . _ - , letter or digit at both ends.

    Raises:
        NameInvalidError: it is not.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise NameInvalidError(
            f"'{name[:80]}' is not a valid name",
            hint="Use 1 to 63 lower-case letters, digits, '.', '_' or '-', with a letter or digit at both ends.",
            field=field,
        )
    return name


def _base32(value: int) -> str:
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
