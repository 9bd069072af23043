"""Answers in the forms of SageMaker's built-in algorithms, names of other systems, and event streams."""

import json
import struct
import zlib

import numpy as np
import pytest

from modelyard.dataplane.gateway.dialect import AnswerContext, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor, whole
from modelyard.kit.foreign_names import own_name
from modelyard.kit.ids import check_name
from modelyard.protocols.invocations.dialect import Invocations
from modelyard.protocols.invocations.eventstream import message
from modelyard.runtimes.tensors import to_raw
from modelyard.testing.aws.records import answers
from modelyard.types.serving.answers import AnswerForm
from modelyard.types.signatures import DataType, Signature, TensorSpec

X = (TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 1), columns=("x",)),)


def rows(name: str, array: np.ndarray) -> OutputRows:
    raw = to_raw(name, array)
    return whole(WireTensor(raw.name, raw.datatype, raw.shape, raw.data))


BINARY = (
    rows("label", np.array(["1", "0"], object)),
    rows("probabilities", np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)),
)
THREE = (
    rows("label", np.array(["2"], object)),
    rows("probabilities", np.array([[0.25, 0.25, 0.5]], np.float32)),
)
COMPONENTS = (rows("projection", np.array([[1.0, 2.0]], np.float32)),)
NUMBER = (rows("prediction", np.array([1.5, 2.5], np.float32)),)


def answer(form: AnswerForm, outputs: tuple[OutputRows, ...], accept: bytes = b"") -> Reply:
    specs = tuple(TensorSpec(name=o.name, datatype=o.datatype, shape=(-1, *o.shape[1:])) for o in outputs)
    signature = Signature(inputs=X, outputs=specs)
    headers = {b"accept": accept} if accept else {}
    call = Invocations().parse(b"[[1]]", {b"content-type": b"application/json", **headers}, signature)
    return call.reply(outputs, "inf-1", AnswerContext("e", "m", "1", signature, "main", form))


@pytest.mark.parametrize(
    ("form", "outputs", "accept", "body"),
    [
        (AnswerForm.VALUE, BINARY, b"", b"0.75\n0.5\n"),
        (AnswerForm.VALUE, BINARY, b"*/*", b"0.75\n0.5\n"),
        (AnswerForm.VALUE, THREE, b"", b"0.25,0.25,0.5\n"),
        (AnswerForm.VALUE, NUMBER, b"", b"1.5\n2.5\n"),
        (AnswerForm.VALUE, BINARY, b"application/json", b'{"predictions":[{"score":0.75},{"score":0.5}]}'),
        (AnswerForm.LABEL, THREE, b"", b"2.0\n"),
        (AnswerForm.SCORE, NUMBER, b"", b'{"predictions":[{"score":1.5},{"score":2.5}]}'),
        (AnswerForm.SCORE, THREE, b"", b'{"predictions":[{"score":[0.25,0.25,0.5],"predicted_label":2.0}]}'),
        (AnswerForm.SCORE, NUMBER, b"application/jsonlines", b'{"score":1.5}\n{"score":2.5}\n'),
        (AnswerForm.PREDICTED_LABEL, NUMBER, b"", b'{"predictions":[{"predicted_label":1.5},{"predicted_label":2.5}]}'),
        (AnswerForm.PROBABILITIES, THREE, b"", b"[0.25,0.25,0.5]"),
        (AnswerForm.PROBABILITIES, BINARY, b"", b"[[0.25,0.75],[0.5,0.5]]"),
        (AnswerForm.SCORES, NUMBER, b"", b'{"scores":[{"score":1.5},{"score":2.5}]}'),
        (AnswerForm.SCORES, NUMBER, b"text/csv", b"1.5\n2.5\n"),
        (AnswerForm.SCORES, NUMBER, b"application/jsonlines", b'{"score":1.5}\n{"score":2.5}\n'),
        (AnswerForm.PROJECTIONS, COMPONENTS, b"", b'{"projections":[{"projection":[1.0,2.0]}]}'),
        (AnswerForm.PROJECTIONS, COMPONENTS, b"application/jsonlines", b'{"projection":[1.0,2.0]}\n'),
        (AnswerForm.COLUMNS, NUMBER, b"", b'{"prediction":[1.5,2.5]}'),
        (AnswerForm.COLUMNS, BINARY, b"", b'{"probabilities":[[0.25,0.75],[0.5,0.5]]}'),
    ],
)
def test_each_form_is_written_as_its_algorithm_writes_it(
    form: AnswerForm, outputs: tuple[OutputRows, ...], accept: bytes, body: bytes
):
    assert answer(form, outputs, accept).body == body


def test_a_score_keeps_labels_that_are_no_numbers():
    outputs = (rows("label", np.array(["yes"], object)), rows("probabilities", np.array([[0.25, 0.75]], np.float32)))
    predictions = json.loads(answer(AnswerForm.SCORE, outputs).body)["predictions"]
    assert predictions == [{"score": 0.75, "predicted_label": "yes"}]


@pytest.mark.parametrize("name", ["MyEndpoint", "a", "A" * 63, "Digits-2026-01-31", "-", "ä"])
def test_names_of_other_systems_become_valid_and_stay_apart(name: str):
    own = own_name(name)
    assert check_name(own) == own == own_name(name)
    assert own_name(own) == own
    assert len({own_name(each) for each in (name, name + "x", "x" + name)}) == 3


def test_an_event_has_the_checksums_of_its_prelude_and_of_itself():
    event = message({":event-type": "PayloadPart"}, b"hello")
    total, head = struct.unpack(">II", event[:8])
    assert total == len(event)
    assert zlib.crc32(event[:8]) == struct.unpack(">I", event[8:12])[0]
    assert zlib.crc32(event[:-4]) == struct.unpack(">I", event[-4:])[0]
    assert event[12 + head : -4] == b"hello"


@pytest.mark.parametrize(
    ("form", "outputs", "rows"),
    [
        (
            AnswerForm.SCORE,
            BINARY,
            [{"score": [0.75], "predicted_label": [1]}, {"score": [0.5], "predicted_label": [0]}],
        ),
        (AnswerForm.SCORES, NUMBER, [{"score": [1.5]}, {"score": [2.5]}]),
        (AnswerForm.PREDICTED_LABEL, NUMBER, [{"predicted_label": [1.5]}, {"predicted_label": [2.5]}]),
        (AnswerForm.PROJECTIONS, COMPONENTS, [{"projection": [1, 2]}]),
        (AnswerForm.NAMED, NUMBER, [{"prediction": [1.5]}, {"prediction": [2.5]}]),
    ],
)
def test_the_sdks_predictors_get_records_whose_labels_hold_the_answers(form, outputs, rows):
    reply = answer(form, outputs, b"application/x-recordio-protobuf")
    assert reply.content_type == b"application/x-recordio-protobuf"
    assert answers(reply.body) == rows
