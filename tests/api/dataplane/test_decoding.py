"""Parquet, images, records and lines: decoded beside the gateway, so that a bad one fails alone."""

import asyncio
import gzip
import io
import socket
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from modelyard.dataplane.decoding.messages import ImageForm, Job, JobKind
from modelyard.dataplane.gateway.config import Limits
from modelyard.dataplane.gateway.decoder import Decoder
from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import InvalidInputError
from modelyard.testing.aws.records import answers, record
from modelyard.testing.same_model import same_bundle
from modelyard.testing.scripted_model import client
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.signatures import DataType, TensorSpec

PARQUET = {"Content-Type": "application/x-parquet"}
RECORDS = {"Content-Type": "application/x-recordio-protobuf"}
LIBSVM = {"Content-Type": "text/x-libsvm"}
SPECS = {
    "table": (
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("age", "pay"), allows_missing=True),
        TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("job",), allows_missing=True),
    ),
    "grey": (TensorSpec(name="pixels", datatype=DataType.FP32, shape=(-1, 4, 6)),),
    "colour": (TensorSpec(name="pixels", datatype=DataType.UINT8, shape=(-1, 3, -1, -1)),),
    "vectors": (TensorSpec(name="v", datatype=DataType.FP32, shape=(-1, 3)),),
    "gaps": (TensorSpec(name="v", datatype=DataType.FP32, shape=(-1, 3), allows_missing=True),),
}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("decoding")
    with Serving(folder, Limits(max_request_bytes=1 << 20)) as serving:
        workers = {name: serving.start_worker(name, same_bundle(folder / name, *each)) for name, each in SPECS.items()}
        serving.start_gateway()
        serving.publish(*(endpoint(name, variant(worker)) for name, worker in workers.items()))
        with client(serving) as connection:
            yield connection


def parquet(**columns: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def image(pixels: np.ndarray, format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def predictions(response: httpx.Response) -> list[dict[str, object]]:
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


def refusal(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body["message"]
    assert body["hint"]
    return response.status_code, body["code"]


def test_a_table_comes_by_column_names_in_any_order_and_type(http):
    job = pa.array(["cook", None, "nurse"]).dictionary_encode()
    body = parquet(job=job, pay=[1.5, None, 2.5], age=pa.array([30, 40, 50], pa.int16()))
    assert predictions(http.post("/endpoints/table/invocations", content=body, headers=PARQUET)) == [
        {"same_numeric": [30, 1.5], "same_categorical": ["cook"]},
        {"same_numeric": [40, None], "same_categorical": [""]},
        {"same_numeric": [50, 2.5], "same_categorical": ["nurse"]},
    ]


def test_lists_of_equal_length_are_a_tensor(http):
    body = parquet(v=[[1, 2, 3], [4, 5, 6]])
    answered = predictions(http.post("/endpoints/vectors/invocations", content=body, headers=PARQUET))
    assert answered == [{"same_v": [1, 2, 3]}, {"same_v": [4, 5, 6]}]


def test_protobuf_records_come_as_rows_and_go_as_labels(http):
    rows = [np.array([1, 2, 3]), np.array([0, 5, 0]), np.zeros(3)]
    body = b"".join(record(row, is_sparse=number > 0) for number, row in enumerate(rows))
    answered = predictions(http.post("/endpoints/vectors/invocations", content=body, headers=RECORDS))
    assert answered == [{"same_v": [1, 2, 3]}, {"same_v": [0, 5, 0]}, {"same_v": [0, 0, 0]}]
    wanted = RECORDS | {"Accept": "application/x-recordio-protobuf"}
    response = http.post("/endpoints/vectors/invocations", content=body, headers=wanted)
    assert response.headers["content-type"] == "application/x-recordio-protobuf"
    assert answers(response.content) == answered
    for wrong in (record(np.zeros(2)), record(np.array([0, 0, 0, 1]), is_sparse=True), body[:-9], b""):
        refused = refusal(http.post("/endpoints/vectors/invocations", content=wrong, headers=RECORDS))
        assert refused == (400, "invalid_body")
    refused = http.post("/endpoints/table/invocations", content=body, headers=RECORDS)
    assert refusal(refused) == (415, "unsupported_media_type")


def test_lines_of_libsvm_are_rows_with_gaps(http):
    body = b"7 0:1.5 2:-2 # of a training\n\r\n1:3\r\n"
    answered = predictions(http.post("/endpoints/gaps/invocations", content=body, headers=LIBSVM))
    assert answered == [{"same_v": [1.5, None, -2.0]}, {"same_v": [None, 3.0, None]}]
    for wrong in (b"", b"1 3:1", b"1 0:x", b"1 x", b"1 -1:2", b"1 0"):
        refused = refusal(http.post("/endpoints/gaps/invocations", content=wrong, headers=LIBSVM))
        assert refused == (400, "invalid_body")
    many = gzip.compress(b"1\n" * 500_000)
    answer = http.post("/endpoints/gaps/invocations", content=many, headers=LIBSVM | {"Content-Encoding": "gzip"})
    assert refusal(answer) == (413, "too_large")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"PAR1 no PAR1", 400, "invalid_body"),
        (b"", 400, "invalid_body"),
        (parquet(age=[1], pay=[1.0], jop=["x"]), 400, "tensor_unknown"),
        (parquet(age=["old"], pay=[1.0], job=["x"]), 400, "tensor_type"),
        (parquet(age=[[1]], pay=[1.0], job=["x"]), 400, "tensor_shape"),
        (parquet(age=[b"1"], pay=[1.0], job=["x"]), 400, "invalid_body"),
        (parquet(age=[], pay=[], job=[]), 400, "invalid_body"),
        (parquet(age=pa.array(np.zeros(3_000_000)), pay=[0.0] * 3_000_000, job=["x"] * 3_000_000), 413, "too_large"),
    ],
    ids=["junk", "nothing", "other column", "text", "lists", "bytes", "no rows", "unpacks to too much"],
)
def test_a_table_that_does_not_fit_is_refused_in_words(http, body: bytes, status: int, code: str):
    answer = http.post("/endpoints/table/invocations", content=body, headers=PARQUET)
    assert refusal(answer) == (status, code), answer.text


def test_an_image_becomes_what_the_model_takes(http):
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    answered = predictions(
        http.post("/endpoints/grey/invocations", content=image(grey), headers={"Content-Type": "image/png"})
    )
    assert answered == [{"same_pixels": grey.tolist()}]
    colour = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    answer = http.post(
        "/endpoints/colour/invocations",
        content=image(colour, "BMP"),
        headers={"Content-Type": "application/x-image", "Accept": "application/x-npy"},
    )
    assert np.load(io.BytesIO(answer.content)).tolist() == [np.moveaxis(colour, -1, 0).tolist()]


def test_an_image_of_another_size_is_resized_and_turned_grey(http):
    colour = np.full((40, 60, 3), 200, np.uint8)
    answer = http.post(
        "/endpoints/grey/invocations", content=image(colour, "JPEG"), headers={"Content-Type": "image/jpeg"}
    )
    assert predictions(answer) == [{"same_pixels": [[200] * 6] * 4}]


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("endpoint_name", "body", "status", "code"),
    [
        ("grey", b"GIF89a", 400, "invalid_body"),
        ("grey", image(np.zeros((8, 8), np.uint8))[:-30], 400, "invalid_body"),
        ("grey", b"%!PS-Adobe-3.0 EPSF-3.0\n", 400, "invalid_body"),
        ("grey", png_that_claims(100_000, 100_000), 400, "invalid_body"),
        ("grey", png_that_claims(9_000, 9_000), 413, "too_large"),
        ("colour", png_that_claims(1_000, 1_000), 413, "too_large"),
        ("vectors", image(np.zeros((8, 8), np.uint8)), 415, "unsupported_media_type"),
    ],
    ids=["cut off", "damaged", "postscript", "bomb", "too many pixels", "too many for a free size", "no image model"],
)
def test_a_picture_that_is_none_or_too_large_is_refused(http, endpoint_name: str, body: bytes, status: int, code: str):
    answer = http.post(f"/endpoints/{endpoint_name}/invocations", content=body, headers={"Content-Type": "image/png"})
    assert refusal(answer) == (status, code), answer.text


def test_a_body_that_takes_all_memory_fails_alone(http):
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 4096, pa.int32()), pa.array(["x" * 30_000_000]))
    stream = io.BytesIO()
    pq.write_table(pa.table({"job": words}), stream, compression="zstd")
    assert len(stream.getvalue()) < 1 << 20
    answer = http.post("/endpoints/table/invocations", content=stream.getvalue(), headers=PARQUET)
    assert refusal(answer) == (413, "too_large"), answer.text
    body = parquet(v=[[1, 2, 3]])
    assert predictions(http.post("/endpoints/vectors/invocations", content=body, headers=PARQUET))


def test_answers_keep_the_order_of_requests_whatever_has_to_be_decoded_first(http):
    slow, fast = parquet(v=[[1, 2, 3]] * 1000), b"[[1, 2, 3]]"
    head = (
        "POST /endpoints/vectors/invocations HTTP/1.1\r\nHost: x\r\nAccept: application/jsonlines\r\n"
        f"Authorization: {http.headers['authorization']}\r\n"
    )
    requests = head.encode() + b"Content-Type: application/x-parquet\r\nContent-Length: %d\r\n\r\n" % len(slow) + slow
    requests += head.encode() + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(fast) + fast
    with socket.create_connection((http.base_url.host, http.base_url.port), timeout=20) as connection:
        connection.sendall(requests)
        answers = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    first, second = answers.split(b"HTTP/1.1 200 OK")[1:]
    assert first.count(b"same_v") == 1000
    assert second.count(b"same_v") == 1


@pytest.fixture(scope="module")
def decode() -> Iterator[Callable[[Job], Sequence[WireTensor]]]:
    decoder = Decoder(1 << 20)
    with asyncio.Runner() as runner:
        yield lambda job: runner.run(decoder.decode(job, 30.0))

        async def end() -> None:
            decoder.close()
            await asyncio.sleep(0.1)

        runner.run(end())


SEEDS = {
    JobKind.PARQUET: parquet(age=[1, None], pay=[1.0, 2.0], job=["x", "y"], v=[[1], [2]]),
    JobKind.IMAGE: image(np.arange(200, dtype=np.uint8).reshape(10, 20)),
    JobKind.RECORDS: record(np.arange(3.0), 1.0) + record(np.array([0, 7.0, 0]), is_sparse=True),
    JobKind.LIBSVM: b"1 0:1.5 2:-2\n0 1:3\n",
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.sampled_from(list(JobKind)), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4), st.data())
def test_no_damage_whatever_gets_past_the_decoding(decode, kind: JobKind, damage: list[tuple[int, int]], data):
    body = bytearray(SEEDS[kind])
    for position, value in damage:
        body[position % len(body)] = value
    del body[data.draw(st.integers(0, len(body))) :]
    try:
        columns = decode(Job(kind, bytes(body), ImageForm(4, 4, 3), width=3))
    except InvalidInputError:
        return
    assert all(column.to_array().size for column in columns)
