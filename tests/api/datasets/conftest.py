"""A registry of uploads and datasets on real storage, with a clock that tests turn."""

import importlib.util
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelyard.control.rest.application import create_application
from modelyard.kit.clock import FakeClock
from modelyard.storage.objects import open_objects

WIRING = Path(__file__).with_name("wiring.py")
MAX_BYTES = 1_000_000
LIMITED = "trained"  # the dataset that models were trained on
CSV = b"x,y\n1,a\n2,b\n"


def load_wiring():
    """The module next to this file; tests are not a package."""
    name = "modelyard_test_wiring"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, WIRING)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def services(database, tmp_path, clock):
    objects = open_objects((tmp_path / "objects").as_uri())

    def users(_project: str, name: str) -> list[str]:
        return ["digits:1", "digits:2", "digits:3", "digits:4"] if name == LIMITED else []

    return load_wiring().wire(database, objects, tmp_path / "scratch", clock, max_bytes=MAX_BYTES, users=users)


@pytest.fixture
def application(services, stub_guard, list_audit) -> FastAPI:
    return create_application(
        title="Test", description="", routers=services.routers(stub_guard), audit=list_audit, version="1"
    )


@pytest.fixture
def client(application, connect) -> TestClient:
    return connect(application, "default-developer")


@pytest.fixture
def upload(client) -> Callable[..., str]:
    """`upload(content, filename)`: a finished upload's id."""

    def send(content: bytes = CSV, filename: str = "data.csv") -> str:
        made = client.post("/projects/default/uploads", json={"filename": filename, "size_bytes": len(content)})
        assert made.status_code == 201, made.text
        path = f"/projects/default/uploads/{made.json()['id']}"
        sent = client.patch(path, content=content, headers={"Upload-Offset": "0"})
        assert sent.json()["offset"] == len(content), sent.text
        return made.json()["id"]

    return send


@pytest.fixture
def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=np.arange(32, dtype=np.uint8).reshape(2, 4, 4), labels=np.array([0, 1]))
    return buffer.getvalue()
