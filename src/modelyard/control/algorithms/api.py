"""Routes that list the built-in algorithms and their hyper-parameters."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.algorithms import catalog
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import AlgorithmDescription


def router(guard: Guard) -> APIRouter:
    """GET /algorithms and /algorithms/{name}."""
    routes = APIRouter(prefix="/algorithms", tags=["algorithms"])
    reads = guard.require(Action.READ)

    @routes.get("", summary="List the built-in training algorithms")
    def list_algorithms(_: Annotated[Principal, Depends(reads)]) -> Page[AlgorithmDescription]:
        """What each takes, measures and can be told. All of them come with the core installation."""
        return Page(items=list(catalog.descriptions()), next_cursor=None)

    @routes.get("/{name}", summary="Describe an algorithm: data it takes, hyper-parameters, metrics")
    def get_algorithm(name: str, _: Annotated[Principal, Depends(reads)]) -> AlgorithmDescription:
        """Each hyper-parameter with its type, default and range."""
        return catalog.describe(name)

    return routes
