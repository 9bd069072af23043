"""Routes of experiments that MLflow has not."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.control.experiments.contracts import TrackingServer
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action, Principal
from modelyard.types.experiments.tracking import TrackingServerState


def router(server: TrackingServer, guard: Guard) -> APIRouter:
    """How the tracking server stands."""
    routes = APIRouter(prefix="/experiments", tags=["experiments"])
    reads = guard.require_own(Action.READ)

    @routes.get("/server", summary="How MLflow's server stands")
    def get_server(_: Annotated[Principal, Depends(reads)]) -> TrackingServerState:
        """`running` only while its process was proven alive. Asking does not start it; a request to `/mlflow` does."""
        return server.measured()

    return routes
