"""Credentials that sign requests instead of travelling with them."""

from dataclasses import dataclass
from datetime import datetime

from modelyard.types.access import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A pair of an id and a secret that signs requests to the AWS APIs and S3, without the secret.

    It always belongs to one project.
    """

    id: str
    name: str
    project: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """What a signature of `id` is checked with, and for whom it then speaks."""

    id: str
    secret: str
    name: str
    project: str
    role: Role
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryKey:
    """An access key for a while, in no list: the session token says what it may, under our seal."""

    id: str
    secret: str
    session_token: str
    project: str
    role: Role
    expires_at: datetime
