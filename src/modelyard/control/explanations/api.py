"""The routes of explanations."""

from fastapi import APIRouter, Depends, Request

from modelyard.control.explanations.answering import ExplainedAnswers
from modelyard.control.explanations.schemas import ExplainedInferenceRequest, ExplanationRequest
from modelyard.control.explanations.service import ExplanationService
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.evaluation.explanations import ExplainedInference, Explanation


def router(service: ExplanationService, answers: ExplainedAnswers, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints/{endpoint}/explanations and .../explained-inferences."""
    routes = APIRouter(prefix="/projects/{project}/endpoints/{endpoint}", tags=["evaluation"])

    @routes.post("/explanations", summary="Explain an answer", dependencies=[Depends(guard.require(Action.INFER))])
    def explain(project: str, endpoint: str, body: ExplanationRequest) -> Explanation:
        """SHAP values of one row, of given inputs or of a captured request: they add up to the answer.

        The running version is asked, in batches. Exact where it has at most 12 inputs or is made of trees that can be
        read, else sampled until the time is up or the values are steady, with their standard errors.
        """
        return service.explain(project, endpoint, body.to_wish())

    @routes.post(
        "/explained-inferences", summary="Answer and explain", dependencies=[Depends(guard.require(Action.INFER))]
    )
    def answer(project: str, endpoint: str, body: ExplainedInferenceRequest, request: Request) -> ExplainedInference:
        """One call for an answer and the reasons for it, of at most 16 rows.

        The request passes through the gateway like any other (queue, rates, captures), then the version that answered
        is explained within `seconds` for all rows. If that fails, `explanation_error` says why; the answer counts.
        """
        return answers.answer(project, endpoint, body.to_wish(), request.headers["Authorization"])

    return routes
