"""Routes of evaluation and explanation: who may ask, what is asked, how mistakes are answered."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelyard.control.evaluation import api as evaluation_api
from modelyard.control.evaluation.errors import ColumnUnknownError
from modelyard.control.explanations import api as explanations_api
from modelyard.control.explanations.service import Wish
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.types.evaluation.explanations import ExplainedInference, Explanation, ExplanationMethod
from modelyard.types.evaluation.reports import BiasReport, Challenge, EndpointComparison, EndpointEvaluation, Figure

CHURN = "/projects/default/endpoints/churn"
MANY = Figure(name="accuracy", value=None, n=3, note="too few rows: 3 of 30")


class Stand:
    """Services that remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def evaluate(self, *asked: object) -> EndpointEvaluation:
        self.asked.append(asked)
        if asked[3].slice_column == "z":
            raise ColumnUnknownError("The captured requests have no column 'z'", hint="There are: x.", field="column")
        return EndpointEvaluation(
            endpoint="churn",
            task="",
            slice_column=None,
            minimum_rows=30,
            rows=0,
            labelled=0,
            is_cut=False,
            since=None,
            until=None,
        )

    def compare(self, *asked: object) -> EndpointComparison:
        self.asked.append(asked)
        challenge = Challenge(
            task="classification", rows=3, labelled=3, differing=MANY, mean_change=MANY, difference=MANY, p_value=None
        )
        return EndpointComparison(
            endpoint="churn", champion="churn:1", challenger="churn:2", is_cut=False, challenge=challenge
        )

    def report(self, *asked: object) -> BiasReport:
        self.asked.append(asked)
        return BiasReport(endpoint="churn", version="churn:1", column="sex", favourable="yes", minimum_rows=30)

    def explain(self, *asked: object) -> Explanation:
        self.asked.append(asked)
        return Explanation(
            endpoint="churn",
            version="churn:1",
            inference=None,
            row=0,
            output="prediction",
            unit="prediction",
            answer=1.0,
            base=0.5,
            contributions=(),
            method=ExplanationMethod.EXACT,
            background="training",
            background_rows=64,
            asked_rows=65,
            seconds=0.1,
        )

    def answer(self, *asked: object) -> ExplainedInference:
        self.asked.append(asked)
        return ExplainedInference(
            inference_id="inf-1", endpoint="churn", version="churn:1", variant="main", outputs=(), explanations=()
        )


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
def application(stand: Stand, stub_guard: Guard, list_audit) -> FastAPI:
    bias = SimpleNamespace(report=stand.report)
    comparison = SimpleNamespace(compare=stand.compare)
    routers = [
        evaluation_api.router(stand, comparison, bias, stub_guard),
        explanations_api.router(stand, stand, stub_guard),
    ]
    return create_application(title="Evaluation", description="Test.", routers=routers, audit=list_audit, version="1")


@pytest.fixture
def client(application: FastAPI, connect: Callable[..., TestClient]) -> TestClient:
    return connect(application, "default-viewer")


def test_every_route_is_protected(application: FastAPI, assert_protected):
    assert assert_protected(application) == 5


def test_an_evaluation_is_asked_for_as_it_was_written(client: TestClient, stand: Stand):
    body = {
        "window": "7d",
        "until": "2026-01-31T00:00:00Z",
        "by": ["variant", "day"],
        "slice": "age",
        "costs": {"yes": {"no": 5}},
        "version": "churn:2",
    }
    answer = client.post(f"{CHURN}/evaluations", json=body)
    assert (answer.status_code, answer.json()["groups"]) == (200, [])
    project, endpoint, window, question = stand.asked[0]
    assert (project, endpoint, window.length, window.version) == ("default", "churn", "7d", "churn:2")
    assert window.until == datetime(2026, 1, 31, tzinfo=UTC)
    assert (question.by, question.slice_column, question.costs) == (("variant", "day"), "age", {"yes": {"no": 5.0}})


def test_comparisons_and_bias_reports_are_answered(client: TestClient, stand: Stand):
    answer = client.post(f"{CHURN}/comparisons", json={"challenger": "churn:2", "slices": ["age"], "seconds": 5})
    assert answer.json()["challenge"]["difference"]["note"] == "too few rows: 3 of 30"
    assert (stand.asked[0][3].slices, stand.asked[0][3].seconds, stand.asked[0][2].rows) == (("age",), 5.0, 10_000)
    answer = client.post(f"{CHURN}/bias-reports", json={"column": "sex", "favourable": "yes"})
    assert answer.json()["version"] == "churn:1"
    assert stand.asked[1][3].favourable == "yes"


def test_an_explanation_takes_one_source_of_inputs(client: TestClient, stand: Stand):
    answer = client.post(f"{CHURN}/explanations", json={"columns": {"age": 61, "town": None}, "seconds": 2})
    assert (answer.status_code, answer.json()["method"]) == (200, "exact")
    assert stand.asked == [("default", "churn", Wish(columns={"age": 61, "town": None}, seconds=2.0))]
    for body in ({}, {"inference": "inf-1", "columns": {"age": 61}}):
        answer = client.post(f"{CHURN}/explanations", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
        assert "one of inference, inputs and columns" in answer.text


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        ("evaluations", {"slice": "z"}, "evaluation_column_unknown", "column"),
        ("evaluations", {"by": ["week"]}, "invalid_input", "by.0"),
        ("comparisons", {}, "invalid_input", "challenger"),
        ("bias-reports", {"column": "sex"}, "invalid_input", "favourable"),
        ("explanations", {"inference": "inf-1", "seconds": 1000}, "invalid_input", "seconds"),
        ("explanations", {"inference": "inf-1", "method": "guess"}, "invalid_input", "method"),
    ],
)
def test_wrong_questions_name_the_field_at_fault(client: TestClient, path: str, body: dict, code: str, field: str):
    answer = client.post(f"{CHURN}/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["field"].startswith(field)


def test_an_answer_with_its_explanation_is_asked_for_with_the_callers_token(client: TestClient, stand: Stand):
    answer = client.post(f"{CHURN}/explained-inferences", json={"columns": {"age": 61}, "seconds": 2})
    assert answer.status_code == 200
    assert answer.json()["inference_id"] == "inf-1"
    *_, wish, token = stand.asked[-1]
    assert wish == Wish(columns={"age": 61}, seconds=2.0)
    assert token == client.headers["Authorization"]
    for body in ({}, {"columns": {}, "inputs": {}}, {"inference": "inf-1"}):
        assert client.post(f"{CHURN}/explained-inferences", json=body).status_code == 400
