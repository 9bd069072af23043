"""Routes of environments."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.control.environments.schemas import EnvironmentCreate
from modelyard.control.environments.service import EnvironmentService
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import Environment


def router(service: EnvironmentService, guard: Guard) -> APIRouter:
    """/environments and /environments/{name}."""
    routes = APIRouter(prefix="/environments", tags=["environments"])
    reads = guard.require(Action.READ)

    @routes.get("", summary="List environments")
    def list_environments(_: Annotated[Principal, Depends(reads)]) -> Page[Environment]:
        """`builtin` is the packages of this installation; the others are for models that are programs.

        Ready-made ones have a digest and packages once somebody has built them.
        """
        return Page(items=service.list(), next_cursor=None)

    @routes.post("", status_code=201, summary="Build an environment")
    def build_environment(
        body: EnvironmentCreate, principal: Annotated[Principal, Depends(guard.require(Action.WRITE))]
    ) -> Environment:
        """Answers once it is locked and built, which may take minutes; the same request again finds it there.

        It is shared by every project, read-only, so a token of one project makes none.
        """
        return service.build(body, principal.name)

    @routes.get("/{name}", summary="Show an environment with its locked packages")
    def get_environment(name: str, _: Annotated[Principal, Depends(reads)]) -> Environment:
        """`digest` is the SHA-256 of `lock`, and so of the file `environment.lock` in versions made with it."""
        return service.get(name)

    return routes
