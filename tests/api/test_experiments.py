"""The one route of experiments that is not MLflow's."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelyard.control.experiments.api import router
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.kit.clock import SystemClock
from modelyard.server.tracking.supervision import TrackingSupervisor
from modelyard.settings import Settings


def test_every_token_may_know_how_the_server_stands(
    tmp_path: Path,
    stub_guard: Guard,
    list_audit,
    connect: Callable[..., TestClient],
    assert_protected: Callable[[FastAPI], int],
):
    server = TrackingSupervisor(Settings(home=tmp_path, experiments=False), SystemClock())
    application = create_application(
        title="Jobs", description="", routers=[router(server, stub_guard)], audit=list_audit, version="1"
    )
    assert assert_protected(application) == 1
    answer = connect(application, "other-viewer").get("/experiments/server")
    assert answer.json()["status"] == "off"
    assert "MODELYARD_EXPERIMENTS" in answer.json()["message"]
