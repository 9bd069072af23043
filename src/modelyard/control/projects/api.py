"""Routes of projects."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from modelyard.control.projects.schemas import CodePermission, IdlePolicy, ProjectCreate, ProjectUpdate, QuotaRequest
from modelyard.control.projects.service import ProjectService
from modelyard.control.rest.dependencies import Idempotency, IfMatch, PageParameters, set_etag
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal, Project
from modelyard.types.compute.scheduling import QuotaUse


def router(service: ProjectService, guard: Guard) -> APIRouter:
    """/projects and /projects/{project}."""
    routes = APIRouter(tags=["projects"])

    @routes.get("/projects", summary="List projects")
    def list_projects(
        principal: Annotated[Principal, Depends(guard.require(Action.READ))], page: PageParameters
    ) -> Page[Project]:
        """The projects that your token can use: all of them, or the one it is bound to."""
        return service.list(principal, page)

    @routes.post("/projects", summary="Create a project", status_code=status.HTTP_201_CREATED)
    def create_project(
        _principal: Annotated[Principal, Depends(guard.require(Action.ADMINISTER))],
        creation: Idempotency,
        body: ProjectCreate,
        response: Response,
    ) -> Project:
        """A project keeps the data, models and endpoints of one team apart from those of others."""
        project = service.create(body.name, body.description, creation)
        set_etag(response, project.version)
        return project

    @routes.get("/projects/{project}", summary="Show a project", dependencies=[Depends(guard.require(Action.READ))])
    def get_project(project: str, response: Response) -> Project:
        """The answer's ETag header is what If-Match takes in a change."""
        found = service.get(project)
        set_etag(response, found.version)
        return found

    @routes.patch(
        "/projects/{project}", summary="Change a project", dependencies=[Depends(guard.require(Action.ADMINISTER))]
    )
    def update_project(project: str, body: ProjectUpdate, expected_version: IfMatch, response: Response) -> Project:
        """Changes the description; the name stays."""
        changed = service.update(project, body.description, expected_version)
        set_etag(response, changed.version)
        return changed

    @routes.put(
        "/projects/{project}/code-permission",
        summary="Permit models that are programs",
        dependencies=[Depends(guard.require(Action.ADMINISTER))],
    )
    def permit_code(project: str, body: CodePermission, response: Response) -> Project:
        """From now on scripts, MLflow models and model servers may be registered. They run in sandboxes only."""
        changed = service.permit_code(project, body.reason)
        set_etag(response, changed.version)
        return changed

    @routes.delete(
        "/projects/{project}/code-permission",
        summary="Permit no more programs",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(guard.require(Action.ADMINISTER))],
    )
    def forbid_code(project: str) -> None:
        """Nothing new is registered. Versions that are there stay, and endpoints go on."""
        service.permit_code(project, "")

    @routes.delete(
        "/projects/{project}",
        summary="Delete an empty project",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(guard.require(Action.ADMINISTER))],
    )
    def delete_project(project: str, expected_version: IfMatch) -> None:
        """Refused with `project_not_empty` while it holds anything."""
        service.delete(project, expected_version)

    _limits(routes, service, guard)
    return routes


def _limits(routes: APIRouter, service: ProjectService, guard: Guard) -> None:
    @routes.put("/projects/{project}/quota", summary="Limit what a project may have")
    def set_quota(
        project: str,
        body: QuotaRequest,
        principal: Annotated[Principal, Depends(guard.require(Action.ADMINISTER))],
        response: Response,
    ) -> Project:
        """For administrators of the whole platform. What the project has already stays."""
        guard.check(principal, Action.ADMINISTER, None)
        changed = service.set_quota(project, body.quota())
        set_etag(response, changed.version)
        return changed

    @routes.get(
        "/projects/{project}/usage",
        summary="Show what a project stores",
        dependencies=[Depends(guard.require(Action.READ))],
    )
    def get_usage(project: str) -> Page[QuotaUse]:
        """Beside what its quota allows. Every dataset and model version counts with its full size."""
        return Page(items=[*service.usage(project)], next_cursor=None)

    @routes.put(
        "/projects/{project}/idle-policy",
        summary="Say when endpoints rest",
        dependencies=[Depends(guard.require(Action.ADMINISTER))],
    )
    def set_idle_policy(project: str, body: IdlePolicy, response: Response) -> Project:
        """Endpoints without a request for so long end their replicas; the next request brings them back."""
        changed = service.set_idle_after(project, body.after_hours)
        set_etag(response, changed.version)
        return changed
