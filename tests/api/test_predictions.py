"""Inference by reference: a real gateway and model, real files and objects; row by row, whatever is wrong with some."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelyard.control.predictions.api import router
from modelyard.control.predictions.gateway import GatewayCaller
from modelyard.control.predictions.service import PredictionService
from modelyard.control.references.fetching import Fetcher
from modelyard.control.references.service import ReferenceService
from modelyard.control.rest.application import create_application
from modelyard.errors import NotFoundError
from modelyard.kit.clock import FakeClock
from modelyard.storage.objects import ObjectStore, open_objects
from modelyard.testing.scripted_model import SIGNATURE, start_scripted
from modelyard.testing.serving import Serving, endpoint, token, variant
from modelyard.types.datasets import DatasetFormat, DatasetSchema, DatasetVersion
from modelyard.types.endpoints import Endpoint, EndpointStatus, Variant

PATH = "/projects/default/endpoints/echo/predictions"
SECRET = "default-viewer"  # the control stub's and the gateway's token


class Endpoints:
    """The endpoint "echo"."""

    def get(self, project: str, name: str) -> Endpoint:
        now = FakeClock().now()
        return Endpoint(
            project=project, name=name, status=EndpointStatus.READY, reason="",
            variants=(Variant(name="main", model="model", number=1),), created_at=now, updated_at=now, version=1,
        )  # fmt: skip

    def signature(self, project: str, version: str):
        return SIGNATURE if version == "model:1" else None


class Registry:
    """The dataset "rows" in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.format = DatasetFormat.CSV

    def dataset_version(self, project: str, dataset: str, number: int | None = None) -> DatasetVersion:
        if dataset != "rows":
            raise NotFoundError(f"There is no dataset '{dataset}'")
        return DatasetVersion(
            project=project, dataset=dataset, number=number or 1, digest="", size_bytes=self.file.stat().st_size,
            format=self.format, schema=DatasetSchema(rows=0, columns=()), description="", source={},
            created_at=FakeClock().now(), created_by="test",
        )  # fmt: skip

    def download_dataset(self, version: DatasetVersion, target: Path) -> None:
        copyfile(self.file, target)


@pytest.fixture(scope="module")
def serving(tmp_path_factory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("gateway")) as serving:
        worker = start_scripted(serving, "echo-1")
        serving.start_gateway()
        serving.publish(endpoint("echo", variant(worker)), tokens=[token("viewer", SECRET)])
        yield serving


@pytest.fixture
def objects() -> ObjectStore:
    return open_objects("memory://")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    file = tmp_path / "rows.csv"
    file.write_text("name,value,seconds,act\n" + "".join(f"n{row},{row},0,0\n" for row in range(600)))
    return Registry(file)


@pytest.fixture
def application(serving, objects, registry, tmp_path, stub_guard, list_audit) -> Iterator[FastAPI]:
    gateway = GatewayCaller(serving.folder / "gateway.json", None)
    references = ReferenceService(registry, objects, Fetcher(["data.example.com"], 1000), 100_000)
    service = PredictionService(Endpoints(), references, gateway, tmp_path / "work")
    yield create_application(
        title="T", description="T", routers=[router(service, stub_guard)], audit=list_audit, version="1"
    )
    gateway.close()


@pytest.fixture
def client(application: FastAPI, connect) -> TestClient:
    return connect(application, SECRET)


def ask(client: TestClient, **body) -> httpx.Response:
    return client.post(PATH, json=body)


def lines(answer: httpx.Response) -> list[dict]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_route_is_protected(application, assert_protected):
    assert assert_protected(application) == 1


def test_a_dataset_is_answered_in_order_with_ids_for_feedback(client, tmp_path):
    answers = lines(ask(client, source={"dataset": "rows:1"}))
    assert [answer["row"] for answer in answers] == list(range(600))
    assert [answer["prediction"]["y"][0] for answer in answers] == list(range(600))
    assert len({answer["inference_id"] for answer in answers}) == 3
    assert answers[256]["place"] == 0
    assert list((tmp_path / "work").iterdir()) == []


def test_a_row_that_is_wrong_gets_an_error_and_the_others_an_answer(client, registry):
    registry.file.write_text("value;seconds;act\n1;0;0\nmany;0;0\n3;0;0\n4;0;1\n")
    answers = lines(ask(client, source={"dataset": "rows"}))
    assert [answer["prediction"] and answer["prediction"]["y"][0] for answer in answers] == [1, None, 3, None]
    assert (answers[1]["error"]["code"], answers[3]["error"]["code"]) == ("tensor_type", "model_failed")


def test_parquet_objects_of_the_project_are_answered_and_no_others(client, objects, tmp_path):
    table = pa.table({"value": [5.0, 6.0], "seconds": [0.0, 0.0], "act": [0, 0]})
    pq.write_table(table, tmp_path / "x.parquet")
    for key in ("inputs/default/x.parquet", "inputs/default/plain", "inputs/other/x.parquet"):
        objects.put_file(key, tmp_path / "x.parquet")
    for source in ({"object": "inputs/default/x.parquet"}, {"object": "inputs/default/plain"}):
        answers = lines(ask(client, source=source, format="parquet"))
        assert [answer["prediction"]["y"][0] for answer in answers] == [5, 6]
    for key in ("inputs/other/x.parquet", "sha256/ab/cd", "inputs/default/../other/x.parquet"):
        answer = ask(client, source={"object": key}, format="parquet")
        assert answer.json()["code"] in ("reference_forbidden", "object_key_invalid"), answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"source": {}}, 400, "invalid_input"),
        ({"source": {"dataset": "rows", "url": "https://x"}}, 400, "invalid_input"),
        ({"source": {"dataset": "nothing"}}, 404, "not_found"),
        ({"source": {"dataset": "rows:two"}}, 400, "reference_invalid"),
        ({"source": {"object": "inputs/default/none.csv"}}, 404, "object_not_found"),
        ({"source": {"object": "inputs/default/none"}}, 400, "reference_invalid"),
        ({"source": {"url": "https://data.example.org/x.csv"}}, 400, "reference_forbidden"),
        ({"source": {"url": "http://data.example.com/x.csv"}}, 400, "reference_forbidden"),
    ],
)
def test_what_cannot_be_fetched_is_refused_before_any_row(client, body, status, code):
    answer = client.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_data_of_another_kind_or_size_is_refused(client, registry):
    registry.file.write_text("a,b\n1,2\n")
    assert ask(client, source={"dataset": "rows"}).json()["code"] == "reference_invalid"
    registry.format = DatasetFormat.IMAGE_FOLDER
    assert ask(client, source={"dataset": "rows"}).json()["code"] == "reference_invalid"
    registry.format = DatasetFormat.PARQUET
    assert ask(client, source={"dataset": "rows"}).json()["code"] == "reference_invalid"
    registry.file.write_text("x" * 100_001)
    large = ask(client, source={"dataset": "rows"}).json()
    assert large["code"] == "reference_too_large"
    assert "modelyard batch model:1 --dataset rows --output" in large["hint"]


def test_the_callers_own_token_counts_at_the_gateway(application, connect):
    answers = lines(ask(connect(application, "default-admin"), source={"dataset": "rows"}))
    assert {answer["error"]["code"] for answer in answers} == {"unauthenticated"}
