"""Routes of endpoints."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from modelyard.control.endpoints.rollouts.api import rollout_routes
from modelyard.control.endpoints.schemas import EndpointCreate, EndpointUpdate, Scale
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.rest.dependencies import Idempotency, IfMatch, PageParameters, set_etag
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.endpoints import Endpoint


def router(service: EndpointService, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints and below."""
    routes = APIRouter(prefix="/projects/{project}/endpoints", tags=["endpoints"])
    reading = [Depends(guard.require(Action.READ))]
    operating = [Depends(guard.require(Action.OPERATE))]

    @routes.get("", summary="List endpoints", dependencies=reading)
    def list_endpoints(project: str, page: PageParameters) -> Page[Endpoint]:
        """By name, each with what its replicas do at this moment."""
        return service.list(project, page)

    @routes.post("", summary="Create an endpoint", status_code=status.HTTP_201_CREATED)
    def create_endpoint(
        project: str,
        _principal: Annotated[Principal, Depends(guard.require(Action.OPERATE))],
        creation: Idempotency,
        body: EndpointCreate,
        response: Response,
    ) -> Endpoint:
        """A stable address for a model version. Answers at once with status CREATING.

        It is READY when each replica has loaded the model and answered the version's golden requests as recorded.
        Applications then call it at its `url` through the gateway.
        """
        scaling = body.scaling.to_scaling() if body.scaling else None
        rules = body.capture.to_rules() if body.capture else None
        endpoint = service.create(
            project, body.name, body.variants, body.capture_share, creation, scaling, rules, stays_warm=body.stays_warm
        )
        set_etag(response, endpoint.version)
        return endpoint

    @routes.get("/{endpoint}", summary="Show an endpoint", dependencies=reading)
    def get_endpoint(project: str, endpoint: str, response: Response) -> Endpoint:
        """Its status with the reason for it, its variants, replicas and newest rollout."""
        found = service.get(project, endpoint)
        set_etag(response, found.version)
        return found

    @routes.patch("/{endpoint}", summary="Change an endpoint", dependencies=operating)
    def update_endpoint(
        project: str, endpoint: str, body: EndpointUpdate, expected_version: IfMatch, response: Response
    ) -> Endpoint:
        """Other versions or weights come by a rollout, without a failed request; `rollout` says in which stages.

        The new replicas are made ready first, then the traffic moves to them, then the old ones finish what they hold
        and end. If the new ones fail three times or take too long, everything stays as it was and the rollout says why.
        """
        changed = service.update(
            project,
            endpoint,
            variants=body.variants,
            weights=body.weights,
            capture_share=body.capture_share,
            capture=body.capture.to_rules() if body.capture else None,
            scaling=body.scaling.to_scaling() if body.scaling else None,
            stays_warm=body.stays_warm,
            expected_version=expected_version,
            plan=body.rollout.to_plan() if body.rollout else None,
        )
        set_etag(response, changed.version)
        return changed

    @routes.delete(
        "/{endpoint}", summary="Delete an endpoint", dependencies=operating, status_code=status.HTTP_202_ACCEPTED
    )
    def delete_endpoint(project: str, endpoint: str, expected_version: IfMatch) -> Endpoint:
        """Whatever it is doing: it takes no more requests, its replicas end, then it is gone (404)."""
        return service.delete(project, endpoint, expected_version)

    @routes.post("/{endpoint}/scale", summary="Change the number of replicas", dependencies=operating)
    def scale_endpoint(project: str, endpoint: str, body: Scale) -> Endpoint:
        """More replicas answer more requests at once; fewer leave without a failed request.

        The number is fixed from then on, also if it was scaled by itself before.
        """
        return service.scale(project, endpoint, body.replicas, body.variant)

    @routes.post("/{endpoint}/stop", summary="Stop an endpoint", dependencies=operating)
    def stop_endpoint(project: str, endpoint: str) -> Endpoint:
        """Ends its replicas and keeps its configuration, captures and monitors."""
        return service.stop(project, endpoint)

    @routes.post("/{endpoint}/start", summary="Start a stopped endpoint", dependencies=operating)
    def start_endpoint(project: str, endpoint: str) -> Endpoint:
        """Starts its replicas again, as they were configured when it was stopped or changed since."""
        return service.start(project, endpoint)

    rollout_routes(routes, service, reading, operating)
    return routes
