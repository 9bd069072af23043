"""The route of plans."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from modelyard.control.endpoints.planning.service import PlanningService, Wish
from modelyard.control.endpoints.variants import MAXIMUM_REPLICAS
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.planning import Plan


class PlanRequest(BaseModel):
    """The load to plan for."""

    model_config = ConfigDict(extra="forbid")

    target: str = Field(
        description='An endpoint, or a model version: "digits", "digits:2", "digits@champion".', examples=["digits:2"]
    )
    requests_per_second: float = Field(gt=0, le=1e6, description="How many come, on average.", examples=[300])
    p99_ms: float | None = Field(
        default=None, gt=0, description="99 of 100 answers shall come within this time.", examples=[20]
    )
    rows_per_request: float = Field(default=1.0, ge=1, le=65536, description="Rows that a request brings on average.")
    replicas: int | None = Field(
        default=None, ge=1, le=MAXIMUM_REPLICAS, description="Predict for so many, not for the smallest number."
    )
    is_measured_anew: bool = Field(
        default=False, description="Measure the version again, also if its service times are known."
    )


def plans_router(service: PlanningService, guard: Guard) -> APIRouter:
    """/projects/{project}/plans."""
    routes = APIRouter(prefix="/projects/{project}/plans", tags=["endpoints"])

    @routes.post("", summary="Plan for a load", dependencies=[Depends(guard.require(Action.OPERATE))])
    def make_plan(project: str, body: PlanRequest) -> Plan:
        """How many replicas a load needs on this machine, the p50 and p99 to expect, and the cost.

        The first plan of a version measures it for some seconds in a worker of its own. On a machine that is too busy
        for a prediction to hold, the plan says so instead of a number.
        """
        return service.plan(project, Wish(**body.model_dump()))

    return routes
