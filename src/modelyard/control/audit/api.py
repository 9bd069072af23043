"""Routes of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from modelyard.control.audit.service import AuditService
from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, AuditEntry, Principal


def router(service: AuditService, guard: Guard) -> APIRouter:
    """GET /audit."""
    routes = APIRouter(tags=["audit"])

    @routes.get("/audit", summary="Who changed what, newest first")
    def list_entries(
        principal: Annotated[Principal, Depends(guard.require_own(Action.ADMINISTER))],
        page: PageParameters,
        project: Annotated[str | None, Query(description="Only entries of this project.")] = None,
    ) -> Page[AuditEntry]:
        """One entry for each request that could change something, with who sent it and how it ended.

        Tokens bound to a project see that project's entries.
        """
        if principal.project is not None and project not in (None, principal.project):
            guard.check(principal, Action.ADMINISTER, project)
        return service.list(principal.project or project, page)

    return routes
