"""Routes of access keys."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from modelyard.control.access_keys.schemas import AccessKeySecret, AccessKeyWanted
from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.foreign.access_keys import AccessKey


def router(service: AccessKeyService, guard: Guard) -> APIRouter:
    """/access-keys."""
    routes = APIRouter(tags=["access keys"])
    Administrator = Annotated[Principal, Depends(guard.require_own(Action.ADMINISTER))]  # noqa: N806 - a type

    @routes.get("/access-keys", summary="List access keys")
    def list_access_keys(
        principal: Administrator,
        page: PageParameters,
        project: Annotated[str | None, Query(description="Only keys of this project.")] = None,
    ) -> Page[AccessKey]:
        """Newest first, without their secrets. A project's administrator sees the keys of that project."""
        if project is not None:
            guard.check(principal, Action.ADMINISTER, project)
        return service.list(principal.project or project, page)

    @routes.put("/access-keys", summary="Make or show an access key")
    def ensure_access_key(principal: Administrator, body: AccessKeyWanted) -> AccessKeySecret:
        """For the AWS APIs and S3. The project's key of this name and role, if there is one, else a new one."""
        guard.check(principal, Action.ADMINISTER, body.project)
        guard.check_project(body.project)
        key = service.ensure(body.name, body.project, body.role)
        return AccessKeySecret(key=key, secret=service.secret(key.id))

    @routes.delete("/access-keys/{key_id}", summary="Revoke an access key")
    def revoke_access_key(principal: Administrator, key_id: str) -> AccessKey:
        """Ends it at once here, within five seconds in other processes and in the S3 server."""
        return service.revoke(key_id, principal.project)

    return routes
