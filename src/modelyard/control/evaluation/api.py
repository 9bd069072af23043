"""Routes of evaluations and bias reports. They compute and keep nothing: captures and truth are what is kept."""

from fastapi import APIRouter, Depends

from modelyard.control.evaluation.bias import BiasService
from modelyard.control.evaluation.schemas import BiasRequest, EvaluationRequest
from modelyard.control.evaluation.service import EvaluationService
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.evaluation import BiasReport, EndpointEvaluation


def router(service: EvaluationService, bias: BiasService, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints/{endpoint}/evaluations and .../bias-reports."""
    routes = APIRouter(
        prefix="/projects/{project}/endpoints/{endpoint}",
        tags=["evaluation"],
        dependencies=[Depends(guard.require(Action.READ))],
    )

    @routes.post("/evaluations", summary="Evaluate an endpoint on its own traffic")
    def evaluate(project: str, endpoint: str, body: EvaluationRequest) -> EndpointEvaluation:
        """Accuracy, F1, calibration and cost (or RMSE, MAE and R2) by version, variant, day and slice.

        Measured on captured rows whose truth is known, with 95 % intervals. A group with too few rows says so.
        """
        return service.evaluate(project, endpoint, body.to_window(), body.to_question())

    @routes.post("/bias-reports", summary="Report how groups are treated")
    def report_bias(project: str, endpoint: str, body: BiasRequest) -> BiasReport:
        """Selection rate, true and false positive rate, precision and calibration by group, and how they differ.

        The selection rate counts all captured rows, the others those whose truth is known.
        """
        return bias.report(project, endpoint, body.to_window(), body.to_question())

    return routes
