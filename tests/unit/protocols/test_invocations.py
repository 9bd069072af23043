"""Bodies of /invocations: rows, records, columns and CSV mean the same tensors."""

import io
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelyard.dataplane.errors import NotAcceptableError
from modelyard.dataplane.gateway.dialect import AnswerContext, Operation, Target, UndecodedError
from modelyard.dataplane.tensors import OutputRows, WireTensor, whole
from modelyard.errors import InvalidInputError
from modelyard.kit.foreign_names import own_name
from modelyard.protocols.invocations.dialect import Invocations
from modelyard.runtimes.tensors import to_raw
from modelyard.types.signatures import DataType, Signature, TensorSpec

DIALECT = Invocations()
CSV = {b"content-type": b"text/csv"}
LINES = {b"content-type": b"application/jsonlines"}
NPY = {b"content-type": b"application/x-npy"}
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


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


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
        ({"instances": [{"features": [30, 1.5, "cook"]}, {"features": [40, 2.5, "nurse"]}]}, {}),
        (
            {"instances": [{"data": {"features": {"values": row}}} for row in ([30, 1.5, "cook"], [40, 2.5, "nurse"])]},
            {},
        ),
        ({"dataframe_records": [{"age": 30, "pay": 1.5, "job": "cook"}, {"age": 40, "pay": 2.5, "job": "nurse"}]}, {}),
        (
            {
                "dataframe_split": {
                    "index": [7, 8],
                    "columns": ["job", "age", "pay"],
                    "data": [["cook", 30, 1.5], ["nurse", 40, 2.5]],
                },
                "params": {},
            },
            {},
        ),
        ({"dataframe_split": {"data": [[30, 1.5, "cook"], [40, 2.5, "nurse"]]}}, {}),
        (b'{"features": [30, 1.5, "cook"]}\n\n{"features": [40, 2.5, "nurse"]}\r\n', LINES),
        (b'[30, 1.5, "cook"]\n[40, 2.5, "nurse"]', {b"content-type": b"application/x-ndjson; charset=utf-8"}),
        (b'{"age": 30, "pay": 1.5, "job": "cook"}\n{"job": "nurse", "pay": 2.5, "age": 40}', LINES),
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
        (b"[[1, 2], [3, 4]]\n[[5, 6], [7, 8]]\n", LINES),
        (npy(np.arange(1, 9, dtype=np.float32).reshape(2, 2, 2)), NPY),
        (npy(np.asfortranarray(np.arange(1, 9).reshape(2, 2, 2))), NPY),
        (npy(np.arange(1, 9, dtype=">f8").reshape(2, 4)), NPY),
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
    assert parse(b"1\n2\n3", VALUES, LINES) == {"v": [1, 2, 3]}
    assert parse(npy(np.array([[1, 2], [3, 4]], np.uint8)), IMAGES, NPY) == {"images": [[[1, 2], [3, 4]]]}
    assert parse({"features": [30, 1.5, "cook"]}) == {"numeric": [[30, 1.5]], "categorical": [["cook"]]}


def test_names_of_the_model_come_before_forms_of_the_protocol():
    spec = TensorSpec(name="features", datatype=DataType.FP32, shape=(-1, 2))
    named = Signature(inputs=(spec,), outputs=OUTPUTS)
    assert parse({"instances": [{"features": [1, 2]}]}, named) == {"features": [[1, 2]]}
    column = TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 1), columns=("instances",))
    assert parse({"instances": 5}, Signature(inputs=(column,), outputs=OUTPUTS)) == {"numeric": [[5]]}


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
        (b"{}", {b"content-type": b"text/html"}, TABLE, "unsupported_media_type", "text/html"),
        (b"{}", {b"content-type": b"image/png"}, TABLE, "unsupported_media_type", "takes no images"),
        ({"instances": [], "params": {"a": 1}}, {}, TABLE, "invalid_json", "nothing else"),
        ({"dataframe_split": [1]}, {}, TABLE, "invalid_json", "'data'"),
        ({"dataframe_split": {"columns": ["age"], "data": [[1, 2]]}}, {}, TABLE, "invalid_json", "row 0"),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, {}, TABLE, "invalid_json", "same name"),
        ({"dataframe_records": {}}, {}, TABLE, "invalid_json", "dataframe_records"),
        (b"1\n2", LINES, TABLE, "invalid_json", "one row on each line"),
        (b'{"age": 1}\n{"age', LINES, TABLE, "invalid_json", "JSON"),
        (b"", LINES, TABLE, "tensor_shape", "no row"),
        (npy(np.zeros((1, 2), np.float32)), NPY, TABLE, "tensor_shape", "Parquet"),
        (npy(np.array([[1.5]])), NPY, VALUES, "tensor_type", "INT64"),
        (npy(np.array([["a", "b"]])), NPY, STRICT, "tensor_type", "FP32"),
        (npy(np.array([[1j, 1]])), NPY, STRICT, "invalid_body", "complex"),
        (npy(np.zeros((3, 2)))[:-1], NPY, STRICT, "invalid_body", "47 came"),
        (npy(np.zeros((3, 2))).replace(b"(3, 2)", b"(3,-2)"), NPY, STRICT, "invalid_body", "bytes of data"),
        (npy(np.zeros((3, 3), np.float32)), NPY, STRICT, "tensor_shape", "numeric"),
        (npy(np.array([[np.inf, 1]])), NPY, STRICT, "tensor_value", "inf"),
        (b"PK", NPY, STRICT, "invalid_body", "numpy.save"),
        (b"\x93NUMPY\x07\x00", NPY, STRICT, "invalid_body", "npy"),
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


def npy_head(header: str) -> bytes:
    content = header.encode("utf-8", "surrogatepass")
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


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
    | json_values.map(lambda value: json.dumps({"dataframe_split": value}).encode("utf-8", "surrogatepass"))
    | st.lists(json_values, max_size=4).map(lambda lines: "\n".join(map(json.dumps, lines)).encode())
    | st.binary(max_size=120).map(lambda junk: b"\x93NUMPY\x01\x00" + junk)
    | st.tuples(st.text(max_size=30), st.binary(max_size=40)).map(
        lambda parts: npy_head("{'descr': '<f4', 'fortran_order': False, 'shape': (" + parts[0] + ")}") + parts[1]
    )
    | st.lists(st.lists(st.text("0123456789.,\"'age\r\n- ", max_size=6), max_size=4), max_size=4).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode()
    ),
    st.sampled_from(
        [b"text/csv", b"text/csv; header=present", b"application/json", b"application/jsonlines", b"application/x-npy"]
    ),
    st.sampled_from([TABLE, STRICT, IMAGES, VALUES]),
)
@example(b"[" * 100_000, b"application/json", TABLE)
@example(b"[" * 100_000, b"application/jsonlines", TABLE)
@example(npy_head("[" * 5000), b"application/x-npy", STRICT)
@example(npy_head("{'descr': '<f4', 'fortran_order': False, 'shape': (1 << 60,)}"), b"application/x-npy", STRICT)
@example(npy_head(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**18},)}}"), b"application/x-npy", STRICT)
@example(npy_head("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), b"application/x-npy", STRICT)
@example(npy_head("{'descr': '<f4', 'fortran_order': False, 'shape': (1L,)}"), b"application/x-npy", STRICT)
@example(npy(np.zeros((0, 2), np.float32)), b"application/x-npy", STRICT)
@example(npy(np.array(3.0)), b"application/x-npy", STRICT)
@example(b"1" * 5000, b"text/csv", VALUES)
@example(b"[1" + b"0" * 5000 + b"]", b"application/json", VALUES)
def test_no_body_whatever_gets_past_or_breaks_the_parser(body: bytes, media_type: bytes, signature: Signature):
    try:
        call = DIALECT.parse(body, {b"content-type": media_type}, signature)
    except InvalidInputError:
        return
    assert [tensor.name for tensor in call.inputs] == [spec.name for spec in signature.inputs]
    assert all(tensor.to_array().shape[0] == call.rows for tensor in call.inputs)


columns_of_tables = st.dictionaries(
    st.sampled_from(["age", "pay", "job", "numeric", "categorical", "images", "v", "x"]),
    st.sampled_from(
        [
            np.array([1.5, np.nan]),
            np.array([1, 2], np.int8),
            np.array([2**60, -(2**60)]),
            np.array([True, False]),
            np.array(["a", ""], object),
            np.array([[1, 2], [3, 4]], np.float32),
            np.zeros((2, 2, 2)),
            np.full((2,), np.inf),
            np.full((2,), 1e300),
        ]
    ),
    min_size=1,
    max_size=4,
)


@given(columns_of_tables, st.sampled_from([TABLE, STRICT, IMAGES, VALUES]))
def test_no_table_whatever_gets_past_the_check(columns: dict[str, np.ndarray], signature: Signature):
    with pytest.raises(UndecodedError) as undecoded:
        DIALECT.parse(b"", {b"content-type": b"application/x-parquet"}, signature)
    try:
        call = undecoded.value.finish([wire(name, array) for name, array in columns.items()])
    except InvalidInputError:
        return
    assert call.rows == 2
    assert [tensor.name for tensor in call.inputs] == [spec.name for spec in signature.inputs]
    assert [tensor.datatype for tensor in call.inputs] == [spec.datatype for spec in signature.inputs]


def wire(name: str, array: np.ndarray) -> WireTensor:
    raw = to_raw(name, array)
    return WireTensor(raw.name, raw.datatype, raw.shape, raw.data)


def output(name: str, array: np.ndarray) -> OutputRows:
    return whole(wire(name, array))


def answer(accept: bytes | None = None, signature: Signature = TABLE) -> tuple[bytes, bytes]:
    outputs = (
        output("label", np.array(["yes", "no"], object)),
        output("probabilities", np.array([[0.1, 0.9], [0.8, 0.2]], np.float32)),
    )
    if signature is STRICT:
        outputs = (output("prediction", np.array([1.5, np.nan], np.float32)),)
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
    ("accept", "media_type"),
    [
        (b"*/*", b"application/json"),
        (b"", b"application/json"),
        (b"text/html, */*;q=0.1", b"application/json"),
        (b"text/csv;q=0.2, application/json", b"application/json"),
        (b"text/csv;q=x, */*", b"application/json"),
        (b"text/csv;q=0, text/*, application/json;q=0.5", b"application/json"),
        (b"application/*", b"application/json"),
        (b"application/json;q=0, application/*", b"application/jsonlines"),
        (b"application/json, text/csv", b"application/json"),
        (b"*/*, text/csv", b"text/csv; charset=utf-8"),
        (b"text/*;q=0.9, application/x-npy;q=0.95", b"application/x-npy"),
        (b"application/x-ndjson", b"application/x-ndjson"),
        (b"application/jsonlines;q=0.5, application/x-npy;q=0.4", b"application/jsonlines"),
    ],
)
def test_the_preferred_form_is_chosen(accept: bytes, media_type: bytes):
    assert answer(accept)[0] == media_type


@pytest.mark.parametrize("accept", [b"image/png", b"application/json;q=0", b"*/*;q=0", b"text/html, ,;;", b"q=1"])
def test_what_cannot_be_sent_is_not_acceptable(accept: bytes):
    with pytest.raises(InvalidInputError) as refused:
        answer(accept)
    assert refused.value.code == "not_acceptable"


@given(st.binary(max_size=60) | st.lists(st.sampled_from([b"*/*", b"text/csv", b";q=", b"0.5", b","])).map(b"".join))
def test_no_accept_header_whatever_breaks_the_choice(accept: bytes):
    try:
        media_type = answer(accept)[0]
    except NotAcceptableError:
        return
    assert media_type.startswith((b"application/", b"text/csv"))


def test_json_lines_answer_one_prediction_on_each_line():
    lines = answer(b"application/jsonlines")[1].splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["yes", "no"]


def test_npy_answers_the_only_output_or_the_probabilities():
    array = np.load(io.BytesIO(answer(b"application/x-npy")[1]), allow_pickle=False)
    assert (array.dtype, array.tolist()) == (np.float32, np.array([[0.1, 0.9], [0.8, 0.2]], np.float32).tolist())
    array = np.load(io.BytesIO(answer(b"application/x-npy", STRICT)[1]), allow_pickle=False)
    assert array[0] == 1.5
    several = Signature(inputs=STRICT.inputs, outputs=(*STRICT.outputs, *STRICT.inputs))
    with pytest.raises(InvalidInputError) as refused:
        DIALECT.parse(b"[[1,2]]", {b"accept": b"application/x-npy"}, several)
    assert refused.value.code == "not_acceptable"


def test_paths():
    assert DIALECT.target("/endpoints/a/invocations") == Target(Operation.INFER, "a", detail="a")
    assert DIALECT.target("/endpoints/a/ping") == Target(Operation.ENDPOINT_READY, "a", detail="a")
    assert DIALECT.target("/endpoints/a") is None


def test_only_signed_requests_name_a_model_of_a_multi_model_endpoint():
    target = DIALECT.target("/endpoints/Shops/invocations")
    headers = {b"x-amzn-sagemaker-target-model": b"delft/v1.tar.gz"}
    signed = {**headers, b"authorization": b"AWS4-HMAC-SHA256 Credential=..."}
    assert DIALECT.part(target, signed) == own_name("Shops/delft/v1.tar.gz")
    assert DIALECT.part(target, headers) == ""
    assert DIALECT.part(target, {b"authorization": signed[b"authorization"]}) == ""


def test_lines_of_libsvm_and_records_are_for_models_of_rows_of_a_known_width():
    spec = TensorSpec(name="features", datatype=DataType.FP32, shape=(-1, -1))
    for kind in (b"text/x-libsvm", b"application/x-recordio-protobuf"):
        for signature in (TABLE, Signature(inputs=(spec,), outputs=STRICT.outputs)):
            with pytest.raises(InvalidInputError, match="no rows of numbers"):
                parse(b"1 0:1", signature, {b"content-type": kind})
