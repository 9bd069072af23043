"""The route of explanations."""

from fastapi import APIRouter, Depends

from modelyard.control.explanations.schemas import ExplanationRequest
from modelyard.control.explanations.service import ExplanationService
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.evaluation.explanations import Explanation


def router(service: ExplanationService, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints/{endpoint}/explanations."""
    routes = APIRouter(prefix="/projects/{project}/endpoints/{endpoint}", tags=["evaluation"])

    @routes.post("/explanations", summary="Explain an answer", dependencies=[Depends(guard.require(Action.INFER))])
    def explain(project: str, endpoint: str, body: ExplanationRequest) -> Explanation:
        """SHAP values of one row, of given inputs or of a captured request: they add up to the answer.

        The running version is asked, in batches. Exact where it has at most 12 inputs or is made of trees that can be
        read, else sampled until the time is up or the values are steady, with their standard errors.
        """
        return service.explain(project, endpoint, body.to_wish())

    return routes
