"""Bodies of /invocations: rows, records, columns and CSV mean the same tensors."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelyard.dataplane.gateway.dialect import AnswerContext, Operation, Target
from modelyard.dataplane.tensors import OutputRows, WireTensor, whole
from modelyard.errors import InvalidInputError
from modelyard.protocols.invocations.dialect import Invocations
from modelyard.runtimes.tensors import to_raw
from modelyard.types.signatures import DataType, Signature, TensorSpec

DIALECT = Invocations()
CSV = {b"content-type": b"text/csv"}
OUTPUTS = (
    TensorSpec(name="label", datatype=DataType.BYTES, shape=(-1,)),
    TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("no", "yes")),
)
TABLE = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("age", "pay"), allows_missing=True),
        TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("job",), allows_missing=True),
    ),
    outputs=OUTPUTS,
)
STRICT = Signature(
    inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("age", "pay")),),
    outputs=(TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),),
)
IMAGES = Signature(inputs=(TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, 2, 2)),), outputs=OUTPUTS)
VALUES = Signature(inputs=(TensorSpec(name="v", datatype=DataType.INT64, shape=(-1,)),), outputs=OUTPUTS)


def parse(body: Any, signature: Signature = TABLE, headers: dict[bytes, bytes] | None = None) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = DIALECT.parse(content, headers or {}, signature)
    return {tensor.name: tensor.to_array().tolist() for tensor in call.inputs}


EXPECTED = {"numeric": [[30, 1.5], [40, 2.5]], "categorical": [["cook"], ["nurse"]]}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"instances": [[30, 1.5, "cook"], [40, 2.5, "nurse"]]}, {}),
        ({"instances": [{"age": 30, "pay": 1.5, "job": "cook"}, {"job": "nurse", "pay": 2.5, "age": 40}]}, {}),
        ([{"age": 30, "pay": 1.5, "job": "cook"}, {"age": 40, "pay": 2.5, "job": "nurse"}], {}),
        ([[30, 1.5, "cook"], [40, 2.5, "nurse"]], {}),
        ({"inputs": {"numeric": [[30, 1.5], [40, 2.5]], "categorical": [["cook"], ["nurse"]]}}, {}),
        ({"inputs": {"age": [30, 40], "pay": [1.5, 2.5], "job": ["cook", "nurse"]}}, {}),
        (
            {
                "instances": [
                    {"numeric": [30, 1.5], "categorical": ["cook"]},
                    {"numeric": [40, 2.5], "categorical": ["nurse"]},
                ]
            },
            {},
        ),
        (b"30,1.5,cook\n40,2.5,nurse\n", CSV),
        (b"\xef\xbb\xbfjob,pay,age\r\ncook,1.5,30\r\nnurse,2.5,40", CSV),
        (b'"age","pay","job"\n30, 1.5 ,"cook"\n\n40,2.5,nurse', {b"content-type": b"text/csv; header=present"}),
        (b"age ; pay;job\n30;1.5; cook \n40;2.5;nurse", CSV),
        (b"30\t1.5\tcook\n40\t2.5\tnurse", CSV),
    ],
)
def test_every_form_of_a_table_means_the_same(body: Any, headers: dict[bytes, bytes]):
    assert parse(body, TABLE, headers) == EXPECTED


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"instances": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}, {}),
        ([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], {}),
        ({"inputs": {"images": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}}, {}),
        ({"inputs": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}, {}),
        ([{"images": [[1, 2], [3, 4]]}, {"images": [[5, 6], [7, 8]]}], {}),
        ([[1, 2, 3, 4], [5, 6, 7, 8]], {}),
        (b"1,2,3,4\n5,6,7,8\n", CSV),
    ],
)
def test_every_form_of_images_means_the_same(body: Any, headers: dict[bytes, bytes]):
    assert parse(body, IMAGES, headers) == {"images": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}


def test_one_row_needs_no_brackets_around_it():
    assert parse({"age": 30, "pay": 1.5, "job": "cook"}) == {"numeric": [[30, 1.5]], "categorical": [["cook"]]}
    assert parse([30, 1.5, "cook"]) == {"numeric": [[30, 1.5]], "categorical": [["cook"]]}
    assert parse([1, 2, 3, 4], IMAGES) == {"images": [[[1, 2], [3, 4]]]}
    assert parse([1, 2, 3], VALUES) == {"v": [1, 2, 3]}
    assert parse(b"1\n2\n3", VALUES, CSV) == {"v": [1, 2, 3]}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ([{"age": None, "pay": 2.5, "job": None}], {}),
        ([{"pay": 2.5}], {}),
        (b",2.5,", CSV),
        (b" NA , 2.5 ,n/a", CSV),
        (b"na,2.5,?", CSV),
        (b"NaN,2.5,", CSV),
        (b"pay\n2.5", CSV),
    ],
)
def test_what_is_missing_is_nan_or_empty_where_the_model_allows_it(body: Any, headers: dict[bytes, bytes]):
    found = parse(body, TABLE, headers)
    assert math.isnan(found["numeric"][0][0])
    assert found["numeric"][0][1] == 2.5
    assert found["categorical"] == [[""]]


def test_grouped_numbers_and_words_of_truth_are_numbers_as_in_a_data_set():
    assert parse(b'"1,234.5",yes', STRICT, CSV) == {"numeric": [[1234.5, 1]]}
    assert parse(b"9007199254740993\n-1", VALUES, CSV) == {"v": [9007199254740993, -1]}


def test_a_category_written_as_a_number_is_text():
    assert parse([[30, 1.5, 7]])["categorical"] == [["7"]]


@pytest.mark.parametrize(
    ("body", "headers", "signature", "code", "word"),
    [
        ([{"age": 1, "pay": 2, "jop": "x"}], {}, TABLE, "tensor_unknown", "Did you mean 'job'"),
        ([{"age": 1}], {}, STRICT, "tensor_missing", "'pay'"),
        ([[1, None]], {}, STRICT, "tensor_value", "pay"),
        ([["1", 2]], {}, STRICT, "tensor_invalid", "numeric"),
        ([[1, 2, "x"], [1, 2]], {}, TABLE, "tensor_shape", "row 1 has 2 values"),
        ([[1, "2", "x"]], {}, TABLE, "tensor_type", "'pay' must be a number"),
        ([[1, [2], "x"]], {}, TABLE, "tensor_type", "'pay' holds a list"),
        ([{"age": 1, "pay": 2, "job": "x"}, [1, 2, "x"]], {}, TABLE, "tensor_shape", "the same form"),
        ({"instances": []}, {}, TABLE, "tensor_shape", "no row"),
        ({"instances": 5}, {}, TABLE, "invalid_json", "list of rows"),
        ({"instances": [], "more": 1}, {}, TABLE, "invalid_json", "'instances' or 'inputs'"),
        ({}, {}, TABLE, "invalid_json", "'instances' or 'inputs'"),
        ({"inputs": {"age": [1], "pay": [1, 2], "job": ["x"]}}, {}, TABLE, "tensor_shape", "equally long"),
        (b"5", {}, TABLE, "invalid_json", "form"),
        ([[[1, 2], [3]]], {}, IMAGES, "tensor_shape", "equally long"),
        (b"", CSV, TABLE, "invalid_csv", "no line"),
        (b"1,2", CSV, TABLE, "invalid_csv", "line 1 has 2 cells"),
        (b"age,pay,job\n1,2", CSV, TABLE, "invalid_csv", "line 2 has 2 cells"),
        (b"1,x,cook", CSV, TABLE, "invalid_csv", "'x' is no number"),
        (b"1_0,2,cook", CSV, TABLE, "invalid_csv", "no number"),
        (b"1.5", CSV, VALUES, "invalid_csv", "no number"),
        (b'1,"2', CSV, TABLE, "invalid_csv", "no CSV"),
        (b"\xff", CSV, TABLE, "invalid_csv", "UTF-8"),
        (b"1,2", CSV, STRICT, "", ""),
        (b"inf,2", CSV, STRICT, "invalid_csv", "'inf' is no number"),
        (b"age;pay;job\n1;2,5;x", CSV, TABLE, "invalid_csv", "'2,5' is no number"),
        (b"1,2,3", CSV, IMAGES, "tensor_shape", "images"),
        (b"{}", {b"content-type": b"image/png"}, TABLE, "unsupported_media_type", "image/png"),
        (b"[]", {b"accept": b"image/png"}, TABLE, "not_acceptable", "image/png"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    body: Any, headers: dict[bytes, bytes], signature: Signature, code: str, word: str
):
    if not code:
        assert parse(body, signature, headers) == {"numeric": [[1, 2]]}
        return
    with pytest.raises(InvalidInputError) as refused:
        parse(body, signature, headers)
    assert refused.value.code == code
    assert word in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["age", "numeric"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["age", "pay", "job", "numeric", "categorical", "x"]), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(
    st.binary(max_size=200)
    | json_values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
    | json_values.map(lambda value: json.dumps({"instances": value}).encode("utf-8", "surrogatepass"))
    | json_values.map(lambda value: json.dumps({"inputs": value}).encode("utf-8", "surrogatepass"))
    | st.lists(st.lists(st.text("0123456789.,\"'age\r\n- ", max_size=6), max_size=4), max_size=4).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode()
    ),
    st.sampled_from([b"text/csv", b"text/csv; header=present", b"application/json"]),
    st.sampled_from([TABLE, STRICT, IMAGES, VALUES]),
)
@example(b"[" * 100_000, b"application/json", TABLE)
@example(b"1" * 5000, b"text/csv", VALUES)
@example(b"[1" + b"0" * 5000 + b"]", b"application/json", VALUES)
def test_no_body_whatever_gets_past_or_breaks_the_parser(body: bytes, media_type: bytes, signature: Signature):
    try:
        call = DIALECT.parse(body, {b"content-type": media_type}, signature)
    except InvalidInputError:
        return
    assert [tensor.name for tensor in call.inputs] == [spec.name for spec in signature.inputs]
    assert all(tensor.to_array().shape[0] == call.rows for tensor in call.inputs)


def wire(name: str, array: np.ndarray) -> OutputRows:
    raw = to_raw(name, array)
    return whole(WireTensor(raw.name, raw.datatype, raw.shape, raw.data))


def answer(accept: bytes | None = None, signature: Signature = TABLE) -> tuple[bytes, bytes]:
    outputs = (
        wire("label", np.array(["yes", "no"], object)),
        wire("probabilities", np.array([[0.1, 0.9], [0.8, 0.2]], np.float32)),
    )
    if signature is STRICT:
        outputs = (wire("prediction", np.array([1.5, np.nan], np.float32)),)
    content = b"[[1,2],[3,4]]" if signature is STRICT else b'[[1,2,"x"],[3,4,"y"]]'
    call = DIALECT.parse(content, {b"accept": accept} if accept else {}, signature)
    reply = call.reply(outputs, "inf-1", AnswerContext("e", "m", "1", signature))
    return reply.content_type, reply.body


def test_a_classifier_answers_labels_with_confidence_and_short_numbers():
    media_type, body = answer()
    assert media_type == b"application/json"
    assert json.loads(body)["predictions"] == [
        {"label": "yes", "confidence": 0.9, "probabilities": {"no": 0.1, "yes": 0.9}},
        {"label": "no", "confidence": 0.8, "probabilities": {"no": 0.8, "yes": 0.2}},
    ]


def test_another_model_answers_its_outputs_by_name():
    assert json.loads(answer(signature=STRICT)[1])["predictions"] == [{"prediction": 1.5}, {"prediction": None}]


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        (b"text/csv", b"yes,0.9\nno,0.8\n"),
        (b"text/csv; header=present", b"label,confidence\nyes,0.9\nno,0.8\n"),
        (b"application/json;q=0.1, text/*", b"yes,0.9\nno,0.8\n"),
    ],
)
def test_csv_answers(accept: bytes, body: bytes):
    assert answer(accept) == (b"text/csv; charset=utf-8", body)


@pytest.mark.parametrize(
    "accept", [b"*/*", b"text/html, */*;q=0.1", b"text/csv;q=0.2, application/json", b"text/csv;q=x, */*"]
)
def test_json_is_preferred_where_it_may_be(accept: bytes):
    assert answer(accept)[0] == b"application/json"


def test_paths():
    assert DIALECT.target("/endpoints/a/invocations") == Target(Operation.INFER, "a")
    assert DIALECT.target("/endpoints/a/ping") == Target(Operation.ENDPOINT_READY, "a")
    assert DIALECT.target("/endpoints/a") is None
