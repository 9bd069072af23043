"""Routes of evaluations, comparisons and bias reports. They compute and keep nothing."""

from fastapi import APIRouter, Depends

from modelyard.control.evaluation.bias import BiasService
from modelyard.control.evaluation.comparing import ComparisonService
from modelyard.control.evaluation.schemas import BiasRequest, ComparisonRequest, EvaluationRequest
from modelyard.control.evaluation.service import EvaluationService
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.evaluation.reports import BiasReport, EndpointComparison, EndpointEvaluation


def router(service: EvaluationService, comparison: ComparisonService, bias: BiasService, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints/{endpoint}/evaluations, .../comparisons and .../bias-reports."""
    routes = APIRouter(prefix="/projects/{project}/endpoints/{endpoint}", tags=["evaluation"])
    reads, infers = [Depends(guard.require(Action.READ))], [Depends(guard.require(Action.INFER))]

    @routes.post("/evaluations", summary="Evaluate an endpoint on its own traffic", dependencies=reads)
    def evaluate(project: str, endpoint: str, body: EvaluationRequest) -> EndpointEvaluation:
        """Accuracy, F1, calibration and cost (or RMSE, MAE and R2) by version, variant, day and slice.

        Measured on captured rows whose truth is known, with 95 % intervals. A group with too few rows says so.
        """
        return service.evaluate(project, endpoint, body.to_window(), body.to_question())

    @routes.post("/comparisons", summary="Compare two versions on the same requests", dependencies=infers)
    def compare(project: str, endpoint: str, body: ComparisonRequest) -> EndpointComparison:
        """Champion against challenger: answers that differ, difference in accuracy or RMSE, and the worst slices.

        Both answer the same captured requests: as they did then, or now. Differences above 0 speak for the challenger.
        """
        return comparison.compare(project, endpoint, body.to_window(), body.to_match())

    @routes.post("/bias-reports", summary="Report how groups are treated", dependencies=reads)
    def report_bias(project: str, endpoint: str, body: BiasRequest) -> BiasReport:
        """Selection rate, true and false positive rate, precision and calibration by group, and how they differ.

        The selection rate counts all captured rows, the others those whose truth is known.
        """
        return bias.report(project, endpoint, body.to_window(), body.to_question())

    return routes
