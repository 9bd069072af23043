"""Routes of environments."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.control.environments.service import EnvironmentService
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import Environment


def router(service: EnvironmentService, guard: Guard) -> APIRouter:
    """GET /environments and /environments/{name}."""
    routes = APIRouter(prefix="/environments", tags=["environments"])
    reads = guard.require(Action.READ)

    @routes.get("", summary="List the environments that jobs can run in")
    def list_environments(_: Annotated[Principal, Depends(reads)]) -> Page[Environment]:
        """The packages of this installation, under which jobs run and replicas serve."""
        return Page(items=service.list(), next_cursor=None)

    @routes.get("/{name}", summary="Show an environment with its locked packages")
    def get_environment(name: str, _: Annotated[Principal, Depends(reads)]) -> Environment:
        """`digest` is that of the sorted list of packages: equal digests, equal environments."""
        return service.get(name)

    return routes
