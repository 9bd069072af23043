"""A registry with its application, and a caller who uploads files and registers versions."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from modelyard.control.rest.guard import Guard
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.clock import FakeClock
from modelyard.settings import Home
from modelyard.storage.database import Database
from modelyard.testing.registry import LocalRegistry

LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"
MANIFEST = {
    "artifact": "model.txt",
    "artifact_format": "lightgbm",
    "signature": {
        "inputs": [{"name": "numeric", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "prediction", "datatype": "FP32", "shape": [-1]}],
    },
    "card": {"task": "tabular-regression", "metrics": [{"name": "rmse", "value": 1.5}]},
}


class Caller:
    """Somebody with a token of the project "default"."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.project = "/projects/default"

    def upload(self, content: bytes, filename: str = "file") -> str:
        made = self.client.post(f"{self.project}/uploads", json={"filename": filename})
        assert made.status_code == 201, made.text
        sent = self.client.patch(
            f"{self.project}/uploads/{made.json()['id']}", content=content, headers={"Upload-Offset": "0"}
        )
        assert sent.status_code == 200, sent.text
        return made.json()["id"]

    def register(self, model: str, files: Mapping[str, bytes] | None = None, *, key: str | None = None, **body: object):
        """Register a version: the files of a small bundle unless others are given."""
        files = files or {"manifest.json": json.dumps(MANIFEST).encode(), "model.txt": LIGHTGBM + model.encode()}
        uploads = {path: self.upload(content) for path, content in files.items()}
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.client.post(
            f"{self.project}/models/{model}/versions", json={"files": uploads, **body}, headers=headers
        )

    def registered(self, model: str, *args, **kwargs) -> dict:
        answer = self.register(model, *args, **kwargs)
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def local_registry(database: Database, tmp_path: Path, clock: FakeClock) -> LocalRegistry:
    home = Home(tmp_path / "home")
    home.create()
    return LocalRegistry(database, tmp_path / "registry", LocalEngine(home), clock=clock, max_bytes=4 << 20)


@pytest.fixture
def as_caller(local_registry: LocalRegistry, stub_guard: Guard, connect: Callable[..., TestClient]):
    """`as_caller("default-developer")`: a caller with this secret."""
    application = local_registry.application(stub_guard)
    return lambda secret="default-developer": Caller(connect(application, secret))


@pytest.fixture
def caller(as_caller) -> Caller:
    return as_caller()
