"""Errors of experiments. MLflow is not installed where these run, which is an error of its own."""

import socket
import tempfile
from pathlib import Path

import httpx
from stage import Stage

from modelyard.control.experiments.tracking_client import TrackingClient
from modelyard.sdk.client import Client
from provokers.registration import provokes


@provokes("experiments_off")
def experiments_off(stage: Stage) -> httpx.Response:
    return stage.call("GET", "/mlflow/api/2.0/mlflow/runs/get")


@provokes("tracking_route_not_offered")
def tracking_route_not_offered(stage: Stage) -> httpx.Response:
    return stage.call("POST", "/mlflow/api/2.0/mlflow/webhooks", json={})


@provokes("cross_site_request")
def cross_site_request(stage: Stage) -> httpx.Response:
    path = "/mlflow/api/2.0/mlflow/runs/create"
    return stage.call("POST", path, json={}, headers={"Origin": "https://elsewhere.example"})


@provokes("tracking_unavailable")
def tracking_unavailable(_stage: Stage) -> None:
    with TrackingClient(Path("/nowhere/mlflow.sock")) as client:
        client.experiment("default", "houses")


@provokes("tracking_refused")
def tracking_refused(_stage: Stage) -> None:
    answer = httpx.Response(400, json={"error_code": "INVALID_STATE", "message": "The experiment must be active"})
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/s")
        server.listen()
        with TrackingClient(Path(folder, "s")) as client:
            client._http = httpx.Client(transport=httpx.MockTransport(lambda _request: answer))
            client.create_run("default", "1", "job-1", 0, {})


@provokes("experiment_not_found")
def experiment_not_found(_stage: Stage) -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json={}))
    with Client("http://127.0.0.1:8470", "token", transport=transport) as client:
        next(client.experiments.runs("huoses"))
