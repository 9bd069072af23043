"""Projects, tokens, the audit log, and who one is."""

import builtins
from dataclasses import dataclass
from datetime import datetime

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import (
    JOBS,
    OPERATIONS,
    REGISTRY,
    PageOf,
    Resource,
    at,
    create,
    decode,
    delete,
    encode,
    pages,
    put,
    read,
    send,
    update,
)
from modelyard.sdk.steps import Flow, Request
from modelyard.types.access import AuditEntry, Principal, Project, Role, Token
from modelyard.types.compute.scheduling import Quota, QuotaUse


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token and its secret, which is shown this once."""

    token: Token
    secret: str


class Projects(Resource[Mode]):
    """Tenants: everything else belongs to one project."""

    @call
    def create(self, name: str, *, description: str = "") -> Flow[Project]:
        """Make a project."""
        return create(Project, at(REGISTRY, "projects"), {"name": name, "description": description})

    @call
    def get(self, name: str) -> Flow[Project]:
        """A project by name."""
        return read(Project, at(REGISTRY, "projects", name))

    @call
    def update(self, name: str, *, description: str, version: int | None = None) -> Flow[Project]:
        """Change the description; refused if `version` is given and no longer the project's."""
        return update(Project, at(REGISTRY, "projects", name), {"description": description}, version)

    @call
    def allow_code(self, name: str, reason: str) -> Flow[Project]:
        """Permit models that are programs (scripts, MLflow models, servers) in a project, for a written reason."""
        return put(Project, at(REGISTRY, "projects", name, "code-permission"), {"reason": reason})

    @call
    def usage(self, name: str) -> Flow[builtins.list[QuotaUse]]:
        """What a project has of everything that its quota may limit."""
        found: builtins.list[QuotaUse] = []
        for application in (REGISTRY, JOBS, OPERATIONS):
            page: PageOf[QuotaUse] = yield from read(PageOf[QuotaUse], at(application, "projects", name, "usage"))
            found += page.items
        return found

    @call
    def set_idle_after(self, name: str, hours: float | None) -> Flow[Project]:
        """Let endpoints rest that had no request for so long; 0: never, None: as the platform has it."""
        return put(Project, at(REGISTRY, "projects", name, "idle-policy"), {"after_hours": hours})

    @call
    def set_quota(self, name: str, quota: Quota) -> Flow[Project]:
        """Limit what a project may have; what it has already stays."""
        return put(Project, at(REGISTRY, "projects", name, "quota"), quota)

    @call
    def forbid_code(self, name: str) -> Flow[None]:
        """Permit no more programs; versions that are there stay."""
        return delete(at(REGISTRY, "projects", name, "code-permission"))

    @call
    def delete(self, name: str) -> Flow[None]:
        """Delete an empty project."""
        return delete(at(REGISTRY, "projects", name))

    @listing
    def list(self) -> Pages[Project]:
        """Projects that the token reaches."""
        return pages(Project, at(REGISTRY, "projects"))


class Tokens(Resource[Mode]):
    """Credentials: a role in one project or in all."""

    @call
    def create(
        self,
        name: str,
        role: Role | str,
        *,
        project: str | None = None,
        expires_at: datetime | None = None,
        requests_per_second: float | None = None,
    ) -> Flow[NewToken]:
        """Make a token; its secret is in the answer and nowhere else.

        Args:
            name: who or what will use it.
            role: viewer, developer, operator or admin.
            project: the only one it reaches; None: every project.
            expires_at: with a time zone; None: never.
            requests_per_second: how often it may call models; None: as often as it likes.
        """
        body = {
            "name": name,
            "role": Role(role),
            "project": project,
            "expires_at": expires_at,
            "requests_per_second": requests_per_second,
        }
        request = Request(
            method="POST",
            path=at(REGISTRY, "tokens"),
            headers={"Content-Type": "application/json"},
            content=encode(body),
        )
        # Not repeatable: a lost answer has a secret in it, and a second one would leave a token that nobody knows.
        response = yield from send(request, is_repeatable=False)
        return decode(response.content, NewToken)

    @call
    def revoke(self, id: str) -> Flow[None]:
        """End a token now."""
        return delete(at(REGISTRY, "tokens", id))

    @listing
    def list(self, *, project: str | None = None) -> Pages[Token]:
        """Tokens, newest first, without secrets."""
        return pages(Token, at(REGISTRY, "tokens"), {"project": project})

    @call
    def whoami(self) -> Flow[Principal]:
        """Identity, role and project of the token in use."""
        return read(Principal, at(REGISTRY, "whoami"))


class Audit(Resource[Mode]):
    """Who changed what."""

    @listing
    def list(self, *, project: str | None = None) -> Pages[AuditEntry]:
        """Entries, newest first."""
        return pages(AuditEntry, at(REGISTRY, "audit"), {"project": project})
