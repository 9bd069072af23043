"""Requests and answers of BlazingText and DeepAR, as SageMaker's callers write them."""

import json

import numpy as np
import pytest

from modelyard.dataplane.errors import JsonInvalidError
from modelyard.dataplane.gateway.dialect import AnswerContext, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor, whole
from modelyard.errors import InvalidInputError
from modelyard.protocols.invocations.dialect import Invocations
from modelyard.runtimes.tensors import to_raw
from modelyard.types.serving.forecasts import LEVELS, forecast_signature
from modelyard.types.serving.texts import classifier_signature, vectors_signature
from modelyard.types.signatures import Signature

CLASSIFIER, VECTORS, FORECAST = classifier_signature(2), vectors_signature(2), forecast_signature(3, 2)
LINES = b"application/jsonlines"


def rows(name: str, array: np.ndarray) -> OutputRows:
    raw = to_raw(name, array)
    return whole(WireTensor(raw.name, raw.datatype, raw.shape, raw.data))


LABELLED = (
    rows("label", np.array([["__label__a", "__label__b"]] * 2, object)),
    rows("prob", np.array([[0.75, 0.25]] * 2, np.float32)),
)
FORECASTS = (
    rows("mean", np.array([[1, 2]], np.float32)),
    rows("quantiles", np.stack([[level * 100, level * 200] for level in LEVELS])[None].astype(np.float32)),
)


def asked(signature: Signature, document: object, outputs: tuple[OutputRows, ...]) -> tuple[np.ndarray, Reply]:
    """What the model gets, and what the caller does."""
    is_lines = isinstance(document, list)
    body = "\n".join(map(json.dumps, document)) if is_lines else json.dumps(document)
    headers = {b"content-type": LINES if is_lines else b"application/json"}
    call = Invocations().parse(body.encode(), headers, signature)
    reply = call.reply(outputs, "inf-1", AnswerContext("e", "m", "1", signature, "main"))
    return call.inputs[0].to_array(), reply


def test_sentences_get_as_many_labels_as_k_says():
    sent, reply = asked(CLASSIFIER, {"instances": ["one", "two"], "configuration": {"k": 2}}, LABELLED)
    assert sent.tolist() == ["one", "two"]
    assert json.loads(reply.body) == [{"label": ["__label__a", "__label__b"], "prob": [0.75, 0.25]}] * 2
    _, reply = asked(CLASSIFIER, {"instances": ["one", "two"]}, LABELLED)
    assert json.loads(reply.body)[0] == {"label": ["__label__a"], "prob": [0.75]}


def test_lines_are_answered_with_lines():
    _, reply = asked(CLASSIFIER, [{"source": "one", "k": 2}, {"source": "two"}], LABELLED)
    found = [json.loads(line) for line in reply.body.splitlines()]
    assert [len(each["label"]) for each in found] == [2, 1]
    assert reply.content_type == LINES


def test_words_get_their_vectors():
    outputs = rows("vector", np.array([[1, 2]], np.float32)), rows("word", np.array(["one"], object))
    _, reply = asked(VECTORS, {"instances": ["one"]}, outputs)
    assert json.loads(reply.body) == [{"vector": [1.0, 2.0], "word": "one"}]


def test_series_of_any_length_get_mean_and_quantiles():
    instance = {"start": "2026-01-01 00:00:00", "target": [9, 1, "NaN", 3], "cat": [0]}
    sent, reply = asked(FORECAST, {"instances": [instance], "configuration": {"quantiles": ["0.5", "0.95"]}}, FORECASTS)
    assert sent.tolist() == [[1, 2, 3]]
    told = json.loads(reply.body)["predictions"][0]
    assert told == {"mean": [1.0, 2.0], "quantiles": {"0.5": [50.0, 100.0], "0.95": [95.0, 190.0]}}
    sent, reply = asked(FORECAST, [{"start": "2026-01-01", "target": [4.0]}], FORECASTS)
    assert sent.tolist() == [[4, 4, 4]]
    assert list(json.loads(reply.body)["quantiles"]) == ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]


def test_a_model_of_this_kind_takes_plain_tensors_too():
    call = Invocations().parse(b'{"inputs": {"series": [[1, 2, 3]]}}', {}, FORECAST)
    assert call.inputs[0].to_array().tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("signature", "document", "reason"),
    [
        (CLASSIFIER, {"instances": []}, "must be a list that is not empty"),
        (CLASSIFIER, {"instances": [3]}, "no text"),
        (CLASSIFIER, {"instances": ["one"], "configuration": {"k": 0}}, "'k' is no whole number"),
        (CLASSIFIER, [{"words": "one"}], "no text"),
        (FORECAST, {"instances": [{"start": "2026-01-01"}]}, "no target"),
        (FORECAST, {"instances": [{"target": ["x"]}]}, "no target"),
        (FORECAST, {"instances": [{"target": [1]}], "configuration": {"quantiles": ["2"]}}, "between 0.01 and 0.99"),
        (FORECAST, {"instances": [{"target": [1]}], "configuration": {"quantiles": 3}}, "between 0.01 and 0.99"),
        (FORECAST, {"instances": [{"target": [1]}], "configuration": {"output_types": ["samples"]}}, "output_types"),
        (FORECAST, {"instances": [{"target": [1]}], "configuration": 3}, "an object"),
    ],
)
def test_what_is_no_request_is_refused_with_the_reason(signature: Signature, document: object, reason: str):
    with pytest.raises((JsonInvalidError, InvalidInputError), match=reason):
        asked(signature, document, ())
