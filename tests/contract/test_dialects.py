"""Every protocol gives the same answer, to the last bit of float32, whatever runtime is behind it."""

import io
import json
import queue
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from tritonclient import grpc as triton_grpc
from tritonclient import http as triton_http
from websockets.sync.client import connect

from modelyard.dataplane.client import WorkerClient
from modelyard.runtimes.bundle import write_manifest
from modelyard.runtimes.catalog import runtime_for
from modelyard.testing.scripted_model import AUTHORIZATION
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard
from modelyard.types.signatures import Signature

pytestmark = pytest.mark.slow

IRIS = load_iris()
ROWS, TARGET = IRIS.data.astype(np.float32), IRIS.target
COLUMNS = ("sepal length", "sepal width", "petal length", "petal width")
CLASSES = ("0", "1", "2")
SENT = ROWS[::9]
METADATA = {name.lower(): value for name, value in AUTHORIZATION.items()}


def onnx_artifact(path: Path) -> None:
    model = LogisticRegression(max_iter=500).fit(ROWS, TARGET)
    path.write_bytes(to_onnx(model, ROWS[:1], options={"zipmap": False}).SerializeToString())


def skops_artifact(path: Path) -> None:
    skops.io.dump(HistGradientBoostingClassifier(max_iter=5).fit(ROWS, TARGET), path)


def xgboost_artifact(path: Path) -> None:
    settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
    booster = xgboost.train(settings, xgboost.DMatrix(ROWS, TARGET), 8)
    booster.save_model(path.with_suffix(".ubj"))
    path.with_suffix(".ubj").rename(path)


def lightgbm_artifact(path: Path) -> None:
    settings = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    lightgbm.train(settings, lightgbm.Dataset(ROWS, TARGET), 8).save_model(path)


ARTIFACTS: Mapping[ArtifactFormat, Callable[[Path], None]] = {
    ArtifactFormat.ONNX: onnx_artifact,
    ArtifactFormat.SKOPS: skops_artifact,
    ArtifactFormat.XGBOOST: xgboost_artifact,
    ArtifactFormat.LIGHTGBM: lightgbm_artifact,
}


def bundle(folder: Path, format: ArtifactFormat) -> Path:
    folder.mkdir()
    ARTIFACTS[format](folder / "artifact")
    inferred = runtime_for(format).infer_signature(folder / "artifact")
    label, probabilities = inferred.outputs
    named = replace(probabilities, columns=probabilities.columns or CLASSES)  # a graph does not say its class names
    signature = Signature(inputs=(replace(inferred.inputs[0], columns=COLUMNS),), outputs=(label, named))
    card = ModelCard(task="tabular-classification")
    write_manifest(folder, Manifest(artifact="artifact", artifact_format=format, signature=signature, card=card))
    return folder


class Target(NamedTuple):
    """Where a dialect sends its request, and the name of the model's input."""

    serving: Serving
    http: httpx.Client
    name: str
    input: str


Probabilities = np.ndarray
Dialect = Callable[[Target], Probabilities]


def array(values: Any) -> Probabilities:
    return np.array(values, np.float32)


def invoked(target: Target, content: bytes, content_type: str, accept: str = "application/json") -> httpx.Response:
    headers = {"Content-Type": content_type, "Accept": accept}
    answer = target.http.post(f"/endpoints/{target.name}/invocations", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def of_predictions(predictions: list[dict[str, Any]]) -> Probabilities:
    return array([list(each["probabilities"].values()) for each in predictions])


def json_form(document: Any) -> Dialect:
    def call(target: Target) -> Probabilities:
        answer = invoked(target, json.dumps(document).encode(), "application/json")
        return of_predictions(answer.json()["predictions"])

    return call


def json_lines(target: Target) -> Probabilities:
    content = "\n".join(json.dumps({"features": row}) for row in SENT.tolist()).encode()
    answer = invoked(target, content, "application/jsonlines", "application/jsonlines")
    return of_predictions([json.loads(line) for line in answer.text.splitlines()])


def csv(target: Target) -> Probabilities:
    content = "\n".join(",".join(map(repr, row)) for row in SENT.tolist()).encode()
    return of_predictions(invoked(target, content, "text/csv").json()["predictions"])


def npy(target: Target) -> Probabilities:
    stream = io.BytesIO()
    np.save(stream, SENT)
    answer = invoked(target, stream.getvalue(), "application/x-npy", "application/x-npy")
    return np.load(io.BytesIO(answer.content), allow_pickle=False)


def parquet(target: Target) -> Probabilities:
    stream = io.BytesIO()
    pq.write_table(pa.table({name: SENT[:, index] for index, name in enumerate(COLUMNS)}), stream)
    return of_predictions(invoked(target, stream.getvalue(), "application/x-parquet").json()["predictions"])


def tensor_request(target: Target) -> dict[str, Any]:
    data = SENT.reshape(-1).tolist()
    return {"inputs": [{"name": target.input, "datatype": "FP32", "shape": SENT.shape, "data": data}], "id": "x"}


def of_outputs(answer: dict[str, Any]) -> Probabilities:
    output = next(each for each in answer["outputs"] if each["name"] == "probabilities")
    return array(output["data"]).reshape(output["shape"])


def rest_json(target: Target) -> Probabilities:
    answer = target.http.post(f"/v2/models/{target.name}/infer", json=tensor_request(target))
    return of_outputs(answer.raise_for_status().json())


def web_socket(target: Target) -> Probabilities:
    address = f"ws://127.0.0.1:{target.serving.port}/endpoints/{target.name}/stream"
    with connect(address, additional_headers=AUTHORIZATION) as stream:
        stream.send(json.dumps(tensor_request(target)))
        return of_outputs(json.loads(stream.recv(timeout=20)))


def triton_input(library: Any, target: Target) -> list[Any]:
    tensor = library.InferInput(target.input, list(SENT.shape), "FP32")
    tensor.set_data_from_numpy(SENT)
    return [tensor]


def rest_binary(target: Target) -> Probabilities:
    with triton_http.InferenceServerClient(f"127.0.0.1:{target.serving.port}") as client:
        result = client.infer(target.name, triton_input(triton_http, target), headers=dict(AUTHORIZATION))
        outputs = [triton_http.InferRequestedOutput("probabilities", binary_data=True)]
        binary = client.infer(
            target.name, triton_input(triton_http, target), outputs=outputs, headers=dict(AUTHORIZATION)
        )
        assert result.as_numpy("probabilities").tobytes() == binary.as_numpy("probabilities").tobytes()
        return binary.as_numpy("probabilities")


def grpc_unary(target: Target) -> Probabilities:
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{target.serving.grpc_port}") as client:
        return client.infer(target.name, triton_input(triton_grpc, target), headers=METADATA).as_numpy("probabilities")


def grpc_stream(target: Target) -> Probabilities:
    answers: queue.Queue[Any] = queue.Queue()
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{target.serving.grpc_port}") as client:
        client.start_stream(lambda result, error: answers.put((result, error)), headers=METADATA)
        client.async_stream_infer(target.name, triton_input(triton_grpc, target))
        result, error = answers.get(timeout=20)
        client.stop_stream()
    assert error is None
    return result.as_numpy("probabilities")


def tensorflow_rows(target: Target) -> Probabilities:
    answer = target.http.post(f"/v1/models/{target.name}:predict", json={"instances": SENT.tolist()})
    return array([each["probabilities"] for each in answer.raise_for_status().json()["predictions"]])


def tensorflow_columns(target: Target) -> Probabilities:
    answer = target.http.post(f"/v1/models/{target.name}:predict", json={"inputs": SENT.tolist()})
    return array(answer.raise_for_status().json()["outputs"]["probabilities"])


DIALECTS: Mapping[str, Dialect] = {
    "Open Inference REST": rest_json,
    "Open Inference REST, binary": rest_binary,
    "Open Inference gRPC": grpc_unary,
    "Open Inference gRPC stream": grpc_stream,
    "WebSocket": web_socket,
    "rows": json_form(SENT.tolist()),
    "instances": json_form({"instances": SENT.tolist()}),
    "records": json_form({"dataframe_records": [dict(zip(COLUMNS, row, strict=True)) for row in SENT.tolist()]}),
    "frame": json_form({"dataframe_split": {"columns": list(COLUMNS), "data": SENT.tolist()}}),
    "SageMaker": json_form({"instances": [{"features": row} for row in SENT.tolist()]}),
    "columns": json_form({"inputs": {name: SENT[:, index].tolist() for index, name in enumerate(COLUMNS)}}),
    "JSON Lines": json_lines,
    "CSV": csv,
    "npy": npy,
    "Parquet": parquet,
    "TensorFlow Serving rows": tensorflow_rows,
    "TensorFlow Serving columns": tensorflow_columns,
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("dialects")
    with Serving(folder) as serving:
        workers = {each: serving.start_worker(each.value, bundle(folder / each.value, each)) for each in ARTIFACTS}
        serving.start_gateway(grpc_port=0)
        serving.publish(*(endpoint(each.value, variant(worker)) for each, worker in workers.items()))
        yield serving


@pytest.mark.parametrize("format", ARTIFACTS, ids=str)
def test_all_dialects_give_the_answer_of_the_model(serving: Serving, format: ArtifactFormat):
    with WorkerClient(str(serving.folder / f"{format.value}.sock")) as worker:
        name = worker.signature.inputs[0].name
        expected = worker.infer({name: SENT})["probabilities"]
    assert (expected.dtype, expected.shape) == (np.float32, (len(SENT), 3))
    with httpx.Client(base_url=serving.url, headers=AUTHORIZATION, timeout=30.0) as http:
        target = Target(serving, http, format.value, name)
        answers = {dialect: call(target) for dialect, call in DIALECTS.items()}
    for dialect, answer in answers.items():
        assert answer.dtype == np.float32, dialect
        assert answer.tobytes() == expected.tobytes(), dialect
