"""Errors of evaluations and explanations."""

from contextlib import nullcontext
from types import SimpleNamespace

import httpx
import numpy as np
from stage import Stage

from modelyard.algorithms.evaluation.challenge import CLASSIFICATION
from modelyard.control.evaluation.bias import BiasQuestion, BiasService
from modelyard.control.evaluation.frames import Frame
from modelyard.control.evaluation.reading import column_of
from modelyard.control.evaluation.service import Window, split_rows
from modelyard.control.explanations.answering import ExplainedAnswers
from modelyard.control.explanations.inputs import row_of
from modelyard.control.explanations.service import ExplanationService, Wish, _row
from modelyard.control.predictions.gateway import Fault
from modelyard.kit.clock import SystemClock
from modelyard.types.signatures import DataType, Signature, TensorSpec
from provokers.registration import provokes

_WIDE = 20
_ENDPOINTS = SimpleNamespace(get=lambda _project, _name: None)
_PREDICTION = TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,))


def _signature(*columns: str) -> Signature:
    inputs = TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, len(columns) or _WIDE), columns=columns)
    return Signature(inputs=(inputs,), outputs=(_PREDICTION,))


@provokes("evaluation_column_unknown")
def evaluation_column_unknown(_stage: Stage) -> None:
    column_of(_signature("age", "tenure"), {"numeric": np.zeros((1, 2), dtype=np.float32)}, "agee")


@provokes("evaluation_groups_too_many")
def evaluation_groups_too_many(_stage: Stage) -> None:
    next(split_rows([np.arange(1001)]))


@provokes("nothing_captured")
def nothing_captured(stage: Stage) -> httpx.Response:
    body = {"column": "sex", "favourable": "granted"}
    return stage.operations_call("POST", f"/endpoints/{stage.endpoint}/bias-reports", json=body)


@provokes("favourable_unknown")
def favourable_unknown(_stage: Stage) -> None:
    frame = Frame(task=CLASSIFICATION, classes=("granted", "refused"), column=np.zeros(1))
    reader = SimpleNamespace(frame=lambda *_, **__: frame)
    question = BiasQuestion(column="sex", favourable="yes")
    BiasService(reader, _ENDPOINTS, SystemClock()).report("default", "loans", Window(), question)


@provokes("explanation_impossible")
def explanation_impossible(_stage: Stage) -> None:
    row_of(_signature(), {"age": 61})


@provokes("column_masked")
def column_masked(_stage: Stage) -> None:
    captured = SimpleNamespace(masked=("age",), inputs={"numeric": np.zeros((1, 2), dtype=np.float32)})
    model = SimpleNamespace(version="churn:1", signature=_signature("age", "tenure"))
    _row(model, captured, Wish(inference="inf-01k7"))


@provokes("inference_refused")
def inference_refused(_stage: Stage) -> None:
    signatures = SimpleNamespace(signature=lambda *_: _signature("age", "tenure"))
    gateway = SimpleNamespace(infer=lambda *_: Fault("overloaded", "64 requests wait for endpoint 'churn' already"))
    wish = Wish(columns={"age": 61, "tenure": 3})
    ExplainedAnswers(signatures, gateway, SimpleNamespace()).answer("default", "churn", wish, "Bearer my_...")


class _Slow:
    """A running model whose time is up at once."""

    version, signature, asked_rows, is_time_up = "churn:1", _signature(), 66, True

    def infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"prediction": inputs["numeric"].sum(axis=1)}


@provokes("explanation_too_slow")
def explanation_too_slow(_stage: Stage) -> None:
    background = {"numeric": np.ones((4, _WIDE), dtype=np.float32)}
    service = ExplanationService(
        _ENDPOINTS,
        SimpleNamespace(),
        SimpleNamespace(ask=lambda *_: nullcontext(_Slow())),
        SimpleNamespace(rows=lambda *_: (background, "training"), trees=lambda *_: None),
    )
    service.explain("default", "churn", Wish(inputs={"numeric": [[0.0] * _WIDE]}, seconds=0.5))
