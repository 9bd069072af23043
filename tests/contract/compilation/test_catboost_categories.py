"""CatBoost models on categories answer as CatBoost, in every dialect. Run by `make test-catboost`."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import catboost
import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tritonclient import grpc as triton_grpc

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.bundle import load_bundle, read_compilation, read_golden, read_manifest
from modelyard.runtimes.golden import mismatches
from modelyard.runtimes.inspect import inspect
from modelyard.testing.scripted_model import AUTHORIZATION
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.compilation import VariantState
from modelyard.types.signatures import DataType

SETTINGS = {"iterations": 20, "verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": 0}
CITIES, PLANS = ["utrecht", "gouda", "delft", "breda", "éde"], [3, 17, 250]


def customers(rows: int, seed: int) -> pd.DataFrame:
    """Numbers and categories in turn; plans are known by whole numbers."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, rows).astype(np.float32),
            "city": rng.choice(CITIES, rows),
            "income": rng.normal(30, 5, rows).astype(np.float32),
            "plan": rng.choice(PLANS, rows),
        }
    )


TRAINED_ON = customers(600, seed=0)
GROUPS = (TRAINED_ON.age > 40).astype(int) + (TRAINED_ON.city == "delft") + (TRAINED_ON.plan == PLANS[2])
TARGETS = {
    "binary": (GROUPS > 1).astype(int),
    "names": np.array(["stays", "asks", "moves", "leaves"])[GROUPS],
    "value": TRAINED_ON.age + 10 * GROUPS,
}
SENT = customers(20, seed=3)
SENT.loc[2, "city"] = "amersfoort"  # never seen
SENT.loc[3, "plan"] = 999
SENT.loc[5, "age"] = np.nan
SENT.loc[[6, 7], "city"] = ""  # missing


def trained(kind: str, **settings: Any) -> catboost.CatBoost:
    model = catboost.CatBoostRegressor if kind == "value" else catboost.CatBoostClassifier
    return model(**SETTINGS | settings).fit(TRAINED_ON, TARGETS[kind], cat_features=["city", "plan"])


def registered(model: catboost.CatBoost, folder: Path) -> Path:
    model.save_model(folder / "model.cbm")
    (folder / "bundle").mkdir()
    inspect(folder / "model.cbm", folder / "bundle")
    return folder / "bundle"


@pytest.mark.parametrize("settings", [{}, {"one_hot_max_size": 20}], ids=["statistics of targets", "one-hot"])
@pytest.mark.parametrize("kind", TARGETS)
def test_a_model_on_categories_answers_as_catboost_and_says_why_it_is_not_compiled(
    kind: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    model = trained(kind, **settings)
    bundle = registered(model, tmp_path)
    manifest, predictor = load_bundle(bundle)
    numeric, categorical = manifest.signature.inputs
    assert (numeric.datatype, numeric.columns) == (DataType.FP32, ("age", "income"))
    assert (categorical.datatype, categorical.columns) == (DataType.BYTES, ("city", "plan"))
    inputs = {
        "numeric": SENT[["age", "income"]].to_numpy(np.float32),
        "categorical": SENT[["city", "plan"]].astype(str).to_numpy(object),
    }
    answer = predictor.predict(inputs)
    if kind == "value":
        np.testing.assert_allclose(answer["prediction"], model.predict(SENT), rtol=1e-6)
    else:
        assert answer["label"].tolist() == model.predict(SENT).reshape(-1).tolist()
        np.testing.assert_allclose(answer["probabilities"], model.predict_proba(SENT), atol=1e-6)
    assert mismatches(read_golden(bundle), predictor.predict) == []
    compilation = read_compilation(bundle)
    assert compilation is not None
    assert compilation.served == "original"
    assert compilation.variant("onnx").state is VariantState.FAILED
    assert "hash" in " ".join(manifest.card.findings)


def test_names_are_given_by_position_where_the_model_has_none(tmp_path: Path) -> None:
    rows = TRAINED_ON.to_numpy(object)
    model = catboost.CatBoostClassifier(**SETTINGS).fit(rows, TARGETS["binary"], cat_features=[1, 3])
    numeric, categorical = read_manifest(registered(model, tmp_path)).signature.inputs
    assert (numeric.columns, categorical.columns) == (("0", "2"), ("1", "3"))


def test_a_model_on_texts_is_refused_with_a_way_out(tmp_path: Path) -> None:
    data = [[float(age), f"{city} and {plan}"] for age, city, _, plan in TRAINED_ON.itertuples(index=False)]
    model = catboost.CatBoostClassifier(**SETTINGS).fit(data, TARGETS["binary"], text_features=[1])
    with pytest.raises(ArtifactInvalidError, match="texts"):
        registered(model, tmp_path)


class Target(NamedTuple):
    """A running endpoint "m"."""

    serving: Serving
    http: httpx.Client


Dialect = Callable[[Target], np.ndarray]


def records() -> list[dict[str, Any]]:
    rows = json.loads(SENT.to_json(orient="records"))
    return [{**row, "city": row["city"] or None, "plan": str(row["plan"])} for row in rows]


def invoked(content: bytes, media_type: str) -> Dialect:
    def call(target: Target) -> np.ndarray:
        answer = target.http.post("/endpoints/m/invocations", content=content, headers={"Content-Type": media_type})
        assert answer.status_code == 200, answer.text
        return np.array([list(each["probabilities"].values()) for each in answer.json()["predictions"]])

    return call


def as_json(document: Any) -> Dialect:
    return invoked(json.dumps(document).encode(), "application/json")


def parquet(target: Target) -> np.ndarray:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records()), stream)
    return invoked(stream.getvalue(), "application/x-parquet")(target)


def tensorflow(target: Target) -> np.ndarray:
    answer = target.http.post("/v1/models/m:predict", json={"instances": records()}).raise_for_status().json()
    return np.array([each["probabilities"] for each in answer["predictions"]])


def open_inference(target: Target) -> np.ndarray:
    inputs = [
        {
            "name": name,
            "datatype": "BYTES" if name in ("city", "plan") else "FP32",
            "shape": [len(SENT), 1],
            "data": [row[name] for row in records()],
        }
        for name in SENT
    ]
    answer = target.http.post("/v2/models/m/infer", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    outputs = {each["name"]: each for each in answer.json()["outputs"]}
    return np.array(outputs["probabilities"]["data"]).reshape(outputs["probabilities"]["shape"])


def grpc(target: Target) -> np.ndarray:
    numbers, texts = SENT[["age", "income"]].to_numpy(np.float32), SENT[["city", "plan"]].astype(str).to_numpy(object)
    tensors = []
    for name, datatype, values in (("numeric", "FP32", numbers), ("categorical", "BYTES", texts)):
        tensor = triton_grpc.InferInput(name, values.shape, datatype)
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    metadata = {name.lower(): value for name, value in AUTHORIZATION.items()}
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{target.serving.grpc_port}") as client:
        return client.infer("m", tensors, headers=metadata).as_numpy("probabilities")


DIALECTS: dict[str, Dialect] = {
    "instances": as_json({"instances": records()}),
    "records": as_json({"dataframe_records": records()}),
    "columns": as_json({"inputs": {name: [row[name] for row in records()] for name in SENT}}),
    "CSV": invoked(SENT.to_csv(index=False).encode(), "text/csv; header=present"),
    "JSON Lines": invoked("\n".join(map(json.dumps, records())).encode(), "application/jsonlines"),
    "Parquet": parquet,
    "TensorFlow Serving": tensorflow,
    "Open Inference": open_inference,
    "Open Inference gRPC": grpc,
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("categories")
    bundle = registered(trained("names"), folder)
    with Serving(folder) as serving:
        worker = serving.start_worker("m", bundle)
        serving.start_gateway(grpc_port=0)
        serving.publish(endpoint("m", variant(worker)))
        with httpx.Client(base_url=serving.url, headers=AUTHORIZATION, timeout=30.0) as http:
            yield Target(serving, http)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_unseen_and_missing_values_are_answered_as_by_catboost(target: Target, dialect: str) -> None:
    np.testing.assert_allclose(DIALECTS[dialect](target), trained("names").predict_proba(SENT), atol=1e-5)
