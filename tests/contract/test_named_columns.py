"""A pipeline that was trained on a data frame gives the answers that it gives in pandas, whatever dialect asks."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import skops.io
from tritonclient import grpc as triton_grpc

from modelyard.runtimes.bundle import read_manifest
from modelyard.runtimes.inspect import inspect
from modelyard.testing.scripted_model import AUTHORIZATION
from modelyard.testing.serving import Serving, endpoint, variant

sys.path.insert(0, str(Path(__file__).parent / "compilation"))
from frames import PIPELINES, customers, leaves

pytestmark = pytest.mark.slow

TRAINED_ON = customers()
PIPELINE = PIPELINES["gaps are categories"]().fit(TRAINED_ON, leaves(TRAINED_ON))
SENT = customers(rows=20, seed=3)[["plan", "income", "city", "age"]]
SENT.loc[4, "city"] = "utrecht"
EXPECTED = PIPELINE.predict_proba(SENT.assign(children=0))

Answer = np.ndarray
Dialect = Callable[[Serving, httpx.Client], Answer]


def records() -> list[dict[str, Any]]:
    return json.loads(SENT.to_json(orient="records"))


def invoked(content: bytes, media_type: str) -> Dialect:
    def call(_: Serving, http: httpx.Client) -> Answer:
        answer = http.post("/endpoints/m/invocations", content=content, headers={"Content-Type": media_type})
        assert answer.status_code == 200, answer.text
        return np.array([list(each["probabilities"].values()) for each in answer.json()["predictions"]])

    return call


def as_json(document: Any) -> Dialect:
    return invoked(json.dumps(document).encode(), "application/json")


def tensorflow(_: Serving, http: httpx.Client) -> Answer:
    answer = http.post("/v1/models/m:predict", json={"instances": records()}).raise_for_status().json()
    return np.array([each["probabilities"] for each in answer["predictions"]])


def open_inference(shape: tuple[int, ...]) -> Dialect:
    def column(name: str) -> dict[str, Any]:
        values = [row[name] for row in records()]
        kind = "BYTES" if name in ("plan", "city") else "FP64"
        return {"name": name, "datatype": kind, "shape": shape, "data": values}

    def call(_: Serving, http: httpx.Client) -> Answer:
        answer = http.post("/v2/models/m/infer", json={"inputs": [column(name) for name in SENT]})
        assert answer.status_code == 200, answer.text
        outputs = {each["name"]: each for each in answer.json()["outputs"]}
        return np.array(outputs["probabilities"]["data"]).reshape(outputs["probabilities"]["shape"])

    return call


def grpc(serving: Serving, _: httpx.Client) -> Answer:
    tensors = []
    for name in SENT:
        is_text = name in ("plan", "city")
        values = SENT[name].fillna("").to_numpy(object) if is_text else SENT[name].to_numpy(np.float64)
        tensor = triton_grpc.InferInput(name, [len(SENT), 1], "BYTES" if is_text else "FP64")
        tensor.set_data_from_numpy(values.reshape(-1, 1))
        tensors.append(tensor)
    metadata = {name.lower(): value for name, value in AUTHORIZATION.items()}
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{serving.grpc_port}") as client:
        return client.infer("m", tensors, headers=metadata).as_numpy("probabilities")


DIALECTS: dict[str, Dialect] = {
    "instances": as_json({"instances": records()}),
    "records": as_json({"dataframe_records": records()}),
    "frame": as_json({"dataframe_split": json.loads(SENT.to_json(orient="split", index=False))}),
    "columns": as_json({"inputs": {name: [row[name] for row in records()] for name in SENT}}),
    "CSV": invoked(SENT.to_csv(index=False).encode(), "text/csv; header=present"),
    "JSON Lines": invoked(SENT.to_json(orient="records", lines=True).encode(), "application/jsonlines"),
    "TensorFlow Serving": tensorflow,
    "Open Inference, an input a column": open_inference((len(SENT), 1)),
    "Open Inference, vectors": open_inference((len(SENT),)),
    "Open Inference gRPC, an input a column": grpc,
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("frames")
    skops.io.dump(PIPELINE, folder / "model.skops")
    (folder / "bundle").mkdir()
    inspect(folder / "model.skops", folder / "bundle")
    with Serving(folder) as serving:
        worker = serving.start_worker("m", folder / "bundle")
        serving.start_gateway(grpc_port=0)
        serving.publish(endpoint("m", variant(worker)))
        yield serving


@pytest.mark.parametrize("dialect", DIALECTS)
def test_named_columns_get_the_answers_of_the_pipeline(serving: Serving, dialect: str) -> None:
    with httpx.Client(base_url=serving.url, headers=AUTHORIZATION, timeout=30.0) as http:
        answer = DIALECTS[dialect](serving, http)
    np.testing.assert_allclose(answer, EXPECTED, atol=1e-5)


def test_a_misspelt_column_is_named_with_what_is_close(serving: Serving) -> None:
    inputs = [{"name": name, "datatype": "FP64", "shape": [1], "data": [1.0]} for name in ("age", "incme")]
    with httpx.Client(base_url=serving.url, headers=AUTHORIZATION, timeout=30.0) as http:
        answer = http.post("/v2/models/m/infer", json={"inputs": inputs})
    assert answer.status_code == 400
    assert answer.json()["code"] == "tensor_unknown"
    assert "'income'" in answer.json()["hint"]


def test_the_pipeline_is_served_compiled(serving: Serving) -> None:
    assert read_manifest(serving.folder / "bundle").artifact == "model.onnx"
    assert pd.isna(SENT["city"]).any()
