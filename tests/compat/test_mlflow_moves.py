"""Experiments move with a platform's state between SQLite and PostgreSQL, and MLflow's client finds no difference."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from sqlalchemy import create_engine, inspect

from modelyard.testing.programs import Program

ENOUGH_POINTS = 1_300  # several batches of a copy


def log(address: str) -> None:
    """What databases keep in different ways: text of any script, numbers that are none, many rows, what is deleted."""
    mlflow.set_tracking_uri(address)
    mlflow.set_experiment("prices")
    with mlflow.start_run(run_name="first 'ünï'", tags={"team": "grün; --"}) as run:
        mlflow.log_params({"depth": 3, "note": 'a "quoted"\nline'})
        client = MlflowClient()
        points = [Metric("loss", 1.0 / (step + 1), 1_700_000_000_000 + step, step) for step in range(ENOUGH_POINTS)]
        client.log_batch(run.info.run_id, metrics=points[:700])
        client.log_batch(run.info.run_id, metrics=points[700:])
        for step, value in enumerate((float("nan"), float("inf"), float("-inf"))):
            mlflow.log_metric("odd", value, step=step)
        mlflow.log_text("kept", "notes/a.txt")
        mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"x": [1.0]}), name="rows"))
    with mlflow.start_run(run_name="second", nested=False) as second:
        mlflow.log_metric("loss", 0.25)
    with mlflow.start_span("question") as span:
        span.set_inputs({"text": "why?"})
        span.set_outputs({"text": "because"})
    mlflow.flush_trace_async_logging()
    client.delete_run(second.info.run_id)


def answers(address: str) -> Mapping[str, Any]:
    """All that a client can ask about it."""
    mlflow.set_tracking_uri(address)
    client = MlflowClient()
    experiments = sorted(client.search_experiments(), key=lambda each: each.experiment_id)
    ids = [each.experiment_id for each in experiments]
    runs = client.search_runs(ids, run_view_type=mlflow.entities.ViewType.ALL)
    histories = {
        (run.info.run_id, name): [str(point) for point in client.get_metric_history(run.info.run_id, name)]
        for run in runs
        for name in run.data.metrics
    }
    files = {
        file.path: mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{file.path}")
        for run in runs
        for file in client.list_artifacts(run.info.run_id, "notes")
    }
    found = client.search_runs(ids, "metrics.loss < 0.1 and params.depth = '3' and tags.team LIKE 'gr%'")
    traces = [trace.to_dict() for trace in mlflow.search_traces(locations=ids, return_type="list")]
    return {
        "experiments": [dict(each) for each in experiments],
        "runs": [str(run.to_dictionary()) for run in runs],
        "histories": histories,
        "files": files,
        "found": [run.info.run_name for run in found],
        "traces": traces,
    }


class Places:
    """Platforms one after the other; only the newest runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self._count = 0

    def ask(self, home: Path, stores: Mapping[str, str], act: Callable[[str], Any]) -> Any:
        """What `act` gives on a platform that runs meanwhile."""
        program = Program(home, "modelyard.server.up", environment=stores)
        try:
            address = program.start("--port", "0", "--grpc-port", "-1").ready()
            self._monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", program.token)
            result = act(f"{address}/mlflow")
            assert program.stop() == 0
            return result
        finally:
            program.end()

    def move(self, source: tuple[Path, Mapping[str, str]], target: tuple[Path, Mapping[str, str]]) -> None:
        self._count += 1
        archive = self._folder / f"{self._count}.tar"
        for verb, (home, stores) in (("export", source), ("import", target)):
            command = [sys.executable, "-m", "modelyard.cli.main", verb, str(archive), "--home", str(home)]
            subprocess.run(command, check=True, timeout=300, env={**os.environ, **stores})


@pytest.mark.slow
def test_experiments_answer_alike_in_sqlite_and_postgresql_whichever_way_they_move(
    tmp_path: Path, postgres_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    places = Places(tmp_path, monkeypatch)
    url = postgres_url()
    first, second, third = (
        (tmp_path / "first", {}), (tmp_path / "second", {"MODELYARD_DATABASE_URL": url}), (tmp_path / "third", {}),
    )  # fmt: skip

    before = places.ask(*first, lambda address: (log(address), answers(address))[1])
    assert before["found"] == ["first 'ünï'"]
    assert before["files"] == {"notes/a.txt": "kept"}
    assert len(before["runs"]) == 2
    assert {len(points) for points in before["histories"].values()} == {1, 3, ENOUGH_POINTS}
    assert "because" in str(before["traces"])

    places.move(first, second)
    assert not (second[0] / "mlflow.db").exists()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    assert "runs" in inspect(engine).get_table_names(schema="mlflow")
    engine.dispose()

    def go_on(address: str) -> Mapping[str, Any]:
        found = answers(address)
        MlflowClient().create_experiment("made in PostgreSQL")  # a number that nobody has
        return found

    assert places.ask(*second, go_on) == before
    places.move(second, third)
    after = places.ask(*third, answers)
    assert [each["name"] for each in after["experiments"]][-1] == "made in PostgreSQL"
    assert {**after, "experiments": after["experiments"][:-1]} == before
