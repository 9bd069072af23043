"""Routes of rollouts."""

from collections.abc import Sequence
from typing import Protocol

from fastapi import APIRouter
from fastapi.params import Depends

from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.types.endpoints import Endpoint, Rollout


class RolloutService(Protocol):
    """Implementation: endpoints.service.EndpointService."""

    def approve(self, project: str, name: str) -> Endpoint:
        """Agree."""

    def roll_back(self, project: str, name: str) -> Endpoint:
        """Go back."""

    def list_rollouts(self, project: str, name: str, page: PageQuery) -> Page[Rollout]:
        """Newest first."""


def rollout_routes(
    routes: APIRouter, service: RolloutService, reading: Sequence[Depends], operating: Sequence[Depends]
) -> None:
    """Add them below the endpoints."""

    @routes.post("/{endpoint}/approve", summary="Approve a rollout", dependencies=operating)
    def approve_rollout(project: str, endpoint: str) -> Endpoint:
        """The new version takes over once its stages are through; for rollouts that were asked to wait for this."""
        return service.approve(project, endpoint)

    @routes.post("/{endpoint}/rollback", summary="Go back", dependencies=operating)
    def roll_back_endpoint(project: str, endpoint: str) -> Endpoint:
        """Ends a rollout that is under way, in the old version's favour and at once.

        Without one: a rollout to what the endpoint served before the last that was completed.
        """
        return service.roll_back(project, endpoint)

    @routes.get("/{endpoint}/rollouts", summary="List rollouts", dependencies=reading)
    def list_rollouts(project: str, endpoint: str, page: PageParameters) -> Page[Rollout]:
        """Every change of variants, newest first, with how it ended and why."""
        return service.list_rollouts(project, endpoint, page)
