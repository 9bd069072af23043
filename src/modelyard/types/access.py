"""Projects, roles, tokens, and who is calling."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.compute.scheduling import Quota


class Role(StrEnum):
    """What a token may do in its project; each role includes the ones before it.

    VIEWER reads and calls models. DEVELOPER also sends feedback, uploads data, trains, registers. OPERATOR also
    deploys, scales, monitors, retrains. ADMIN also manages projects and tokens.
    """

    VIEWER = "viewer"
    DEVELOPER = "developer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Action(StrEnum):
    """What a route asks leave for; the Cedar policies grant them to roles."""

    READ = "read"
    INFER = "infer"
    WRITE = "write"
    OPERATE = "operate"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A tenant: everything else belongs to one project. `version` grows with each update and is the ETag.

    `code_permission` is the written reason for which models that are programs may be registered; empty: they may not.
    `quota` is the most that it may have at the same time. `idle_after_hours`: its endpoints end their
    replicas after so long without a request; 0: never, None: as the platform has it.
    """

    name: str
    description: str
    created_at: datetime
    updated_at: datetime
    version: int
    code_permission: str = ""
    quota: Quota = field(default_factory=Quota)
    idle_after_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A credential as shown after its creation: never the secret itself. `project` None means every project.

    `requests_per_second`: how often it may call models, None for as often as it likes.
    """

    id: str
    name: str
    role: Role
    project: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    requests_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls: the token's id and name, its role, and the project it is bound to (None: every project)."""

    id: str
    name: str
    role: Role
    project: str | None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change: who did what to which resource, and how it ended."""

    id: str
    at: datetime
    principal_id: str
    principal_name: str
    project: str | None
    method: str
    path: str
    status: int
