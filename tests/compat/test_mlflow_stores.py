"""MLflow's server on PostgreSQL and S3, as a platform of several machines has them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine, inspect

from modelyard.testing.programs import Program


@pytest.mark.slow
def test_its_tables_and_artifacts_lie_where_the_platform_s_do(
    tmp_path: Path,
    postgres_url: Callable[[], str],
    s3_server: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
):
    url = postgres_url()
    stores = {"MODELYARD_DATABASE_URL": url, "MODELYARD_OBJECTS_URL": "s3://test/experiments", **s3_server}
    program = Program(tmp_path / "home", "modelyard.server.up", environment=stores)
    try:
        address = program.start("--port", "0", "--grpc-port", "-1").ready()
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", program.token)
        mlflow.set_tracking_uri(f"{address}/mlflow")
        mlflow.set_experiment("shared")
        with mlflow.start_run() as run:
            mlflow.log_metric("loss", 0.5, step=3)
            mlflow.log_text("kept", "notes/a.txt")
        assert MlflowClient().get_run(run.info.run_id).data.metrics == {"loss": 0.5}
        assert [file.path for file in MlflowClient().list_artifacts(run.info.run_id, "notes")] == ["notes/a.txt"]
        assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/a.txt") == "kept"
        assert not (program.home / "mlflow.db").exists()
        assert not any(file.name == "a.txt" for file in (program.home / "objects").rglob("*"))
    finally:
        program.end()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        assert {"experiments", "runs", "metrics"} <= set(inspect(engine).get_table_names(schema="mlflow"))
        assert not {"experiments", "runs", "metrics"} & set(inspect(engine).get_table_names(schema="public"))
    finally:
        engine.dispose()
