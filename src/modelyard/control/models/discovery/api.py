"""The route of discovery."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from modelyard.control.models.discovery.fields import FIELDS
from modelyard.control.models.discovery.service import DiscoveryService
from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.discovery import SearchPage

_FIELDS = "\n".join(f"| `{field.title}` | {field.description} | `{field.example}` |" for field in FIELDS.values())
_DESCRIPTION = f"""\
Give a query of the language below, or a plain phrase ("image classification with accuracy above 0.95"): the answer's
`query` shows what was understood. Without a query: the newest version of each model.

`task = "image-classification" and metrics.accuracy >= 0.95 order by metrics.accuracy desc`

Operators are `=` `!=` `>` `>=` `<` `<=` `~` (contains) and `in (...)`, joined by `and`, `or`, `not` and parentheses.
Text is compared without case. A version that lacks a field equals nothing there (`!=` is true) and comes last when
sorting. A fault in a query answers 400 `search_query_invalid` and points at the word.

| field | what it is | example |
|---|---|---|
{_FIELDS}
"""


def router(service: DiscoveryService, guard: Guard) -> APIRouter:
    """/projects/{project}/search."""
    routes = APIRouter(tags=["discovery"])

    @routes.get(
        "/projects/{project}/search",
        summary="Find models by what they do and how well",
        description=_DESCRIPTION,
        dependencies=[Depends(guard.require(Action.READ))],
    )
    def search(
        project: str,
        page: PageParameters,
        query: Annotated[str, Query(description="A query or a phrase.", examples=["metrics.accuracy >= 0.95"])] = "",
    ) -> SearchPage:
        return service.search(project, query, page)

    return routes
