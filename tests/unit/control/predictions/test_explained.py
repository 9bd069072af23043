"""An answer with its reasons: whatever becomes of the explanation, the answer is given."""

from types import SimpleNamespace

import pytest

from modelyard.control.explanations.answering import MOST_ROWS, ExplainedAnswers
from modelyard.control.explanations.errors import ExplanationImpossibleError, ExplanationTooSlowError
from modelyard.control.explanations.service import Wish
from modelyard.control.predictions.errors import InferenceRefusedError
from modelyard.control.predictions.gateway import Fault, Inferred
from modelyard.types.evaluation.explanations import Explanation, ExplanationMethod
from modelyard.types.signatures import DataType, Signature, TensorSpec
from modelyard.types.tensors import JsonTensor

SIGNATURE = Signature(
    inputs=(
        TensorSpec(
            name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("age", "tenure"), allows_missing=True
        ),
    ),
    outputs=(TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),),
)


class Explanations:
    """Explains rows until it is told to stop."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self.most = most
        self.asked: list[Wish] = []

    def explain(self, _project: str, endpoint: str, wish: Wish) -> Explanation:
        if len(self.asked) == self.most:
            raise ExplanationTooSlowError("too slow")
        self.asked.append(wish)
        return Explanation(
            endpoint=endpoint,
            version=str(wish.variant),
            inference=None,
            row=wish.row,
            output="prediction",
            unit="prediction",
            answer=1.0,
            base=1.0,
            contributions=(),
            method=ExplanationMethod.EXACT,
            background="training",
            background_rows=1,
            asked_rows=1,
            seconds=0.1,
        )


def answers(explanations, answered=None):
    sent = []

    def infer(_project, _endpoint, variant, inputs, _token):
        sent.append((variant, inputs))
        rows = inputs[0].shape[0]
        output = JsonTensor(name="prediction", datatype=DataType.FP32, shape=(rows,), data=[1.0] * rows)
        return answered or Inferred("inf-1", "churn:3", "canary", [output])

    signatures = SimpleNamespace(signature=lambda *_: SIGNATURE)
    service = ExplainedAnswers(signatures, SimpleNamespace(infer=infer), explanations)
    return lambda **wish: service.answer("default", "churn", Wish(**wish), "Bearer token"), sent


def test_the_version_that_answered_is_explained_row_by_row_within_the_time():
    explanations = Explanations()
    answer, sent = answers(explanations)
    found = answer(inputs={"numeric": [[1.0, 2.0], [3.0, None]]}, seconds=4.0)
    assert (found.inference_id, found.version, found.variant, found.explanation_error) == (
        "inf-1",
        "churn:3",
        "canary",
        None,
    )
    assert [each.inference for each in found.explanations] == ["inf-1", "inf-1"]
    assert [(wish.row, wish.variant) for wish in explanations.asked] == [(0, "churn:3"), (1, "churn:3")]
    assert 1.5 < explanations.asked[0].seconds <= 2.0
    ((variant, (tensor,)),) = sent
    assert variant is None
    assert (tensor.shape, tensor.data) == ((2, 2), [1.0, 2.0, 3.0, None])


def test_an_answer_outlives_an_explanation_that_fails():
    answer, _ = answers(Explanations(most=1))
    found = answer(inputs={"numeric": [[1.0, 2.0], [3.0, 4.0]]})
    assert len(found.outputs[0].data) == 2
    assert len(found.explanations) == 1
    assert found.explanation_error == {"code": "explanation_too_slow", "message": "too slow"}


def test_too_many_rows_and_a_gateway_that_refuses_are_errors():
    answer, sent = answers(Explanations())
    with pytest.raises(ExplanationImpossibleError):
        answer(inputs={"numeric": [[1.0, 2.0]] * (MOST_ROWS + 1)})
    assert sent == []
    answer, _ = answers(Explanations(), Fault("overloaded", "too many wait"))
    with pytest.raises(InferenceRefusedError) as caught:
        answer(columns={"age": 61, "tenure": 2})
    assert "too many wait (overloaded)" in caught.value.message
