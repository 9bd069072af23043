"""NVIDIA's Triton client, unmodified, against a gateway and workers that run as processes."""

from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient import http
from tritonclient.utils import InferenceServerException

from modelyard.testing.same_model import same_bundle
from modelyard.testing.serving import TOKEN, Serving, endpoint, variant
from modelyard.types.signatures import DataType, TensorSpec

SPECS = (
    TensorSpec(name="numbers", datatype=DataType.FP32, shape=(-1, 4)),
    TensorSpec(name="words", datatype=DataType.BYTES, shape=(-1, 2)),
    TensorSpec(name="counts", datatype=DataType.INT64, shape=(-1,)),
)


def headers() -> dict[str, str]:
    """New ones for every call: the client adds its own to what it is given."""
    return {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator["http.InferenceServerClient"]:
    folder = tmp_path_factory.mktemp("triton")
    with Serving(folder) as serving:
        worker = serving.start_worker("same", same_bundle(folder / "bundle", *SPECS))
        serving.start_gateway()
        serving.publish(endpoint("same", variant(worker, model="same", number=4)))
        with http.InferenceServerClient(serving.url.removeprefix("http://"), concurrency=4) as client:
            yield client


def arrays(rows: int = 3) -> dict[str, np.ndarray]:
    return {
        "numbers": np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32),
        "words": np.array([[f"row {row}", "größer ✓"] for row in range(rows)], dtype=object),
        "counts": np.arange(rows, dtype=np.int64) + (1 << 40),
    }


def inputs(given: dict[str, np.ndarray], *, is_binary: bool = True) -> list["http.InferInput"]:
    made = []
    for spec in SPECS:
        tensor = http.InferInput(spec.name, list(given[spec.name].shape), spec.datatype.value)
        tensor.set_data_from_numpy(given[spec.name], binary_data=is_binary)
        made.append(tensor)
    return made


def check(result: "http.InferResult", given: dict[str, np.ndarray]) -> None:
    for name, array in given.items():
        answer = result.as_numpy(f"same_{name}")
        if name == "words":
            decoded = [item.decode() if isinstance(item, bytes) else item for item in answer.reshape(-1)]
            assert decoded == array.reshape(-1).tolist()
        else:
            assert answer.tolist() == array.tolist()
        assert answer.shape == array.shape


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("same", headers=headers())
    assert client.is_model_ready("same", "4", headers=headers())
    assert not client.is_model_ready("other", headers=headers())
    assert client.get_server_metadata(headers=headers())["name"] == "modelyard"
    metadata = client.get_model_metadata("same", headers=headers())
    assert metadata["versions"] == ["4"]
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["numbers", "words", "counts"]
    assert metadata["inputs"][1]["datatype"] == "BYTES"


@pytest.mark.parametrize("is_binary_in", [True, False])
@pytest.mark.parametrize("is_binary_out", [True, False, None])
def test_tensors_come_back_in_binary_and_in_json(client, is_binary_in: bool, is_binary_out: bool | None):
    given = arrays()
    names = [f"same_{name}" for name in given]
    outputs = (
        None if is_binary_out is None else [http.InferRequestedOutput(n, binary_data=is_binary_out) for n in names]
    )
    result = client.infer(
        "same", inputs(given, is_binary=is_binary_in), outputs=outputs, request_id="mine", headers=headers()
    )
    check(result, given)
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == ("same", "4", "mine")


def test_only_the_wanted_outputs_come_back(client):
    wanted = [
        http.InferRequestedOutput("same_counts", binary_data=True),
        http.InferRequestedOutput("same_words", binary_data=False),
    ]
    result = client.infer("same", inputs(arrays()), outputs=wanted, headers=headers())
    assert [output["name"] for output in result.get_response()["outputs"]] == ["same_counts", "same_words"]
    assert result.as_numpy("same_numbers") is None
    assert result.as_numpy("same_counts").tolist() == arrays()["counts"].tolist()


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_requests_may_be_compressed(client, compression: str):
    given = arrays(50)
    result = client.infer(
        "same",
        inputs(given),
        headers=headers(),
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    check(result, given)


def test_many_requests_at_once_get_their_own_answers(client):
    given = [arrays(1 + count % 7) for count in range(40)]
    for count, each in enumerate(given):
        each["counts"] = each["counts"] + 1000 * count
    running = [client.async_infer("same", inputs(each), headers=headers()) for each in given]
    for each, request in zip(given, running, strict=True):
        check(request.get_result(timeout=30), each)


def test_a_version_can_be_named(client):
    check(client.infer("same", inputs(arrays()), model_version="4", headers=headers()), arrays())
    with pytest.raises(InferenceServerException, match="does not serve version '5'"):
        client.infer("same", inputs(arrays()), model_version="5", headers=headers())


def test_errors_carry_the_reason(client):
    with pytest.raises(InferenceServerException, match="no token came with the request"):
        client.infer("same", inputs(arrays()))
    given = arrays() | {"numbers": np.zeros((3, 5), np.float32)}
    with pytest.raises(InferenceServerException, match=r"'numbers' must have shape \[-1, 4\], got \[3, 5\]"):
        client.infer("same", inputs(given), headers=headers())
    given = arrays() | {"numbers": np.full((3, 4), np.nan, np.float32)}
    with pytest.raises(InferenceServerException, match="'numbers' has nan"):
        client.infer("same", inputs(given), headers=headers())
    given = arrays() | {"counts": np.zeros(4, np.int64)}
    with pytest.raises(InferenceServerException, match="4 rows, the inputs before it have 3"):
        client.infer("same", inputs(given), headers=headers())
    with pytest.raises(InferenceServerException, match="'words' is missing"):
        client.infer("same", [each for each in inputs(arrays()) if each.name() != "words"], headers=headers())
    with pytest.raises(InferenceServerException, match="no output 'other'"):
        client.infer("same", inputs(arrays()), outputs=[http.InferRequestedOutput("other")], headers=headers())
    with pytest.raises(InferenceServerException, match="no endpoint 'sane'"):
        client.infer("sane", inputs(arrays()), headers=headers())
    wanted = [http.InferRequestedOutput("same_numbers", class_count=2)]
    with pytest.raises(InferenceServerException, match="'classification' is not supported"):
        client.infer("same", inputs(arrays()), outputs=wanted, headers=headers())
