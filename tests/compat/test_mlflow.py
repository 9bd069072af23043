"""MLflow's client, unmodified, against `/mlflow` of a platform that was started as users start it."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, processes_of, until
from modelyard.types.access import Role

REQUIREMENTS = [f"mlflow-skinny=={mlflow.__version__}", "numpy>=2", "pandas>=2"]
HOUSES = pd.DataFrame({"rooms": [3.0, 4.0], "area": [10.0, 20.0]})
SIGNATURE = ModelSignature(
    Schema([ColSpec("double", "rooms"), ColSpec("double", "area")]), Schema([ColSpec("double", "price")])
)


def prices() -> mlflow.pyfunc.PythonModel:
    class Prices(mlflow.pyfunc.PythonModel):  # in here, so that it is pickled with its code and not by its name
        def predict(self, context, model_input, params=None):
            return pd.DataFrame({"price": model_input["rooms"] * 10 + model_input["area"]})

    return Prices()


class Yard:
    """A platform with the projects red and blue, and tokens for them."""

    def __init__(self, folder: Path) -> None:
        self.program = Program(folder / "home", "modelyard.server.up")
        self.url = self.program.start("--port", "0", "--grpc-port", "-1").ready()
        self.admin = Client(self.url, self.program.token)
        self.tokens: dict[str, str] = {}
        for project in ("red", "blue"):
            self.admin.projects.create(project)
            for role in (Role.VIEWER, Role.DEVELOPER):
                made = self.admin.tokens.create(f"{project}-{role}", role, project=project)
                self.tokens[f"{project}-{role}"] = made.secret
        self.admin.projects.allow_code("red", "tests")

    def server(self) -> Mapping[str, object]:
        return self.get("/jobs/v1/experiments/server", self.program.token).json()

    def get(self, path: str, token: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers={"Authorization": f"Bearer {token}", **headers}, timeout=120)

    def get_as_written(self, target: str, token: str) -> tuple[int, bytes]:
        """Without what a client does to a path first."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=120)
        connection.request("GET", target, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def post(self, path: str, token: str, body: object, **headers: str) -> httpx.Response:
        authorization = {"Authorization": f"Bearer {token}", **headers}
        return httpx.post(self.url + path, headers=authorization, json=body, timeout=120)

    def close(self) -> None:
        self.admin.close()
        self.program.end()


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    yard = Yard(tmp_path_factory.mktemp("yard"))
    yield yard
    yard.close()


@pytest.fixture
def act_as(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], MlflowClient]]:
    """`act_as("red-developer")`: MLflow's client with that token."""

    def act(who: str) -> MlflowClient:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", yard.tokens.get(who, yard.program.token))
        mlflow.set_tracking_uri(f"{yard.url}/mlflow")
        mlflow.set_registry_uri(f"{yard.url}/mlflow")
        return MlflowClient()

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    yield act
    mlflow.set_workspace(None)


@pytest.fixture(scope="module")
def red_run(yard: Yard) -> dict[str, str]:
    """A run in the project red with a metric, an artifact and a logged model, made over REST and by a client."""
    os.environ["MLFLOW_TRACKING_TOKEN"] = yard.tokens["red-developer"]
    mlflow.set_tracking_uri(f"{yard.url}/mlflow")
    mlflow.set_experiment("prices")
    with mlflow.start_run() as run:
        mlflow.log_params({"depth": 3})
        for step in range(3):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_text("red only", "notes/secret.txt")
        logged = mlflow.pyfunc.log_model(
            name="model", python_model=prices(), signature=SIGNATURE, pip_requirements=REQUIREMENTS
        )
    del os.environ["MLFLOW_TRACKING_TOKEN"]
    return {
        "run": run.info.run_id,
        "experiment": run.info.experiment_id,
        "artifacts": run.info.artifact_uri,
        "model": logged.model_id,
        "model_uri": logged.model_uri,
    }


def test_nothing_runs_until_somebody_asks(yard: Yard):
    assert yard.server()["status"] == "stopped"
    assert not any("tracking.program" in words for words in processes_of(yard.program.home).values())
    assert yard.get("/mlflow/version", "my_nobody").status_code == 401
    assert yard.server()["status"] == "stopped"
    info = "/mlflow/api/3.0/mlflow/server-info"
    early = yard.get(info, yard.tokens["red-viewer"]).json()
    assert yard.get("/mlflow/version", yard.tokens["red-viewer"]).text == mlflow.__version__
    assert early.items() <= yard.get(info, yard.tokens["red-viewer"]).json().items()
    state = yard.server()
    assert state["status"] == "running"
    assert state["pid"] in processes_of(yard.program.home)
    assert 0 < state["start_seconds"] < 100
    assert 0 < int(str(state["memory_bytes"])) < 600 << 20


def test_runs_metrics_artifacts_and_models_come_back_as_they_were_logged(act_as, red_run: Mapping[str, str]):
    client = act_as("red-developer")
    run = client.get_run(red_run["run"])
    assert (run.data.params, run.data.metrics["loss"], run.info.status) == (
        {"depth": "3"},
        pytest.approx(1 / 3),
        "FINISHED",
    )
    assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [0, 1, 2]
    found = mlflow.search_runs(experiment_names=["prices"], filter_string="metrics.loss < 0.5 and params.depth = '3'")
    assert list(found["run_id"]) == [red_run["run"]]
    assert [file.path for file in client.list_artifacts(red_run["run"])] == ["notes"]
    assert [file.path for file in client.list_artifacts(red_run["run"], "notes")] == ["notes/secret.txt"]
    assert mlflow.artifacts.load_text(f"{red_run['artifacts']}/notes/secret.txt") == "red only"
    assert list(mlflow.pyfunc.load_model(red_run["model_uri"]).predict(HOUSES)["price"]) == [40.0, 60.0]
    assert [workspace.name for workspace in mlflow.list_workspaces()] == ["red"]


def test_artifacts_lie_in_the_object_store(yard: Yard, red_run: Mapping[str, str]):
    folder = yard.program.home / "objects" / "mlflow" / "workspaces" / "red" / red_run["experiment"]
    assert (folder / red_run["run"] / "artifacts" / "notes" / "secret.txt").read_text() == "red only"


def test_an_artifact_that_is_deleted_is_gone(act_as, red_run: Mapping[str, str]):
    client = act_as("red-developer")
    client.log_text(red_run["run"], "x", "passing/one.txt")
    client.log_text(red_run["run"], "y", "passing/two.txt")
    mlflow.artifacts.list_artifacts(run_id=red_run["run"])
    repository = mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(red_run["artifacts"])
    repository.delete_artifacts("passing")
    assert [file.path for file in client.list_artifacts(red_run["run"])] == ["notes"]
    with pytest.raises((MlflowException, OSError)):
        mlflow.artifacts.load_text(f"{red_run['artifacts']}/passing/one.txt")


def test_another_project_s_token_sees_nothing_of_it(yard: Yard, act_as, red_run: Mapping[str, str]):
    blue = act_as("blue-developer")
    for call in (
        lambda: blue.get_run(red_run["run"]),
        lambda: blue.get_experiment(red_run["experiment"]),
        lambda: blue.get_metric_history(red_run["run"], "loss"),
        lambda: blue.log_metric(red_run["run"], "loss", 0.0),
        lambda: blue.set_tag(red_run["run"], "mine", "yes"),
        lambda: blue.delete_run(red_run["run"]),
        lambda: blue.delete_experiment(red_run["experiment"]),
        lambda: blue.get_logged_model(red_run["model"]),
        lambda: blue.delete_logged_model(red_run["model"]),
        lambda: blue.list_artifacts(red_run["run"]),
        lambda: blue.log_text(red_run["run"], "x", "x.txt"),
        lambda: mlflow.artifacts.load_text(f"{red_run['artifacts']}/notes/secret.txt"),
        lambda: blue.create_run(red_run["experiment"]),
        lambda: mlflow.register_model(red_run["model_uri"], "stolen"),
    ):
        with pytest.raises((MlflowException, OSError)):
            call()
    assert blue.search_experiments(filter_string="name = 'prices'") == []
    assert blue.search_runs([red_run["experiment"]]) == []
    assert blue.search_logged_models([red_run["experiment"]]) == []
    assert blue.search_model_versions() == []
    assert act_as("red-viewer").get_run(red_run["run"]).data.metrics["loss"] == pytest.approx(1 / 3)


def test_no_header_path_or_query_leads_into_another_project(yard: Yard, red_run: Mapping[str, str]):
    blue, path = yard.tokens["blue-developer"], red_run["artifacts"].removeprefix("mlflow-artifacts:/")
    run = {"run_id": red_run["run"], "run_uuid": red_run["run"]}
    get_run = f"/mlflow/api/2.0/mlflow/runs/get?run_id={red_run['run']}"
    assert yard.get(get_run, blue, **{"X-MLFLOW-WORKSPACE": "red"}).status_code == 403
    for headers in ({"X-Modelyard-Project": "red"}, {"X-MLFLOW-WORKSPACE": "blue"}):
        assert yard.get(get_run, blue, **headers).status_code == 404
    for inner in (
        path,
        path.replace("workspaces/red", "../red"),
        f"../../{path}",
        f"%2e%2e/red/{path}",
        f"x/../../../{path}",
    ):
        target = f"/mlflow/api/2.0/mlflow-artifacts/artifacts/{inner}/notes/secret.txt"
        status, content = yard.get_as_written(target, blue)
        assert status >= 400, target
        assert b"red only" not in content
    assert (
        "red only" not in yard.get(f"/mlflow/get-artifact?path=notes/secret.txt&run_uuid={red_run['run']}", blue).text
    )
    query = "query q($d: MlflowGetRunInput!) { mlflowGetRun(input: $d) { run { data { metrics { key } } } } }"
    asked = {"query": query, "operationName": "q", "variables": {"d": {"runId": red_run["run"]}}}
    assert "loss" not in yard.post("/mlflow/graphql", blue, asked).text
    assert "loss" in yard.post("/mlflow/graphql", yard.tokens["red-viewer"], asked).text
    search = {"experiment_ids": [red_run["experiment"]]}
    assert yard.post("/mlflow/api/2.0/mlflow/runs/search", blue, search).json() in ({}, {"runs": []})
    assert (
        "loss"
        not in yard.get(
            f"/mlflow/ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id={run['run_id']}&metric_key=loss", blue
        ).text
    )
    outside = {"name": "escape", "artifact_location": "file:///etc"}
    assert yard.post("/mlflow/api/2.0/mlflow/experiments/create", blue, outside).status_code == 400


def test_viewers_read_and_do_not_write(act_as, red_run: Mapping[str, str]):
    viewer = act_as("red-viewer")
    assert viewer.get_run(red_run["run"]).info.run_id == red_run["run"]
    assert len(viewer.search_runs([red_run["experiment"]])) == 1
    for call in (
        lambda: viewer.create_experiment("mine"),
        lambda: viewer.log_metric(red_run["run"], "loss", 0.0),
        lambda: viewer.log_text(red_run["run"], "x", "x.txt"),
        lambda: viewer.delete_run(red_run["run"]),
        lambda: viewer.create_registered_model("mine"),
    ):
        with pytest.raises((MlflowException, OSError), match=r"PERMISSION_DENIED|may not write|403"):
            call()


def test_an_administrator_chooses_a_project_by_the_workspace(act_as, red_run: Mapping[str, str]):
    client = act_as("admin")
    assert {"default", "red", "blue"} <= {workspace.name for workspace in mlflow.list_workspaces()}
    with pytest.raises(MlflowException):
        client.get_run(red_run["run"])
    mlflow.set_workspace("red")
    assert MlflowClient().get_run(red_run["run"]).info.run_id == red_run["run"]
    mlflow.set_workspace("nowhere")
    with pytest.raises(MlflowException, match="no project 'nowhere'"):
        MlflowClient().get_run(red_run["run"])
    with pytest.raises(MlflowException, match="Workspaces are projects"):
        mlflow.create_workspace("green")


def test_parts_of_mlflow_that_run_code_or_call_out_are_not_offered(yard: Yard):
    token = yard.program.token
    for method, path in (
        ("POST", "/mlflow/api/2.0/mlflow/webhooks"),
        ("POST", "/mlflow/ajax-api/3.0/mlflow/gateway/secrets/create"),
        ("POST", "/mlflow/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/mlflow/ajax-api/3.0/mlflow/assistant/message"),
        ("POST", "/mlflow/ajax-api/3.0/mlflow/jobs/"),
        ("POST", "/mlflow/api/3.0/mlflow/scorer/invoke"),
        ("DELETE", "/mlflow/api/3.0/mlflow/workspaces/red"),
    ):
        answer = httpx.request(method, yard.url + path, headers={"Authorization": f"Bearer {token}"}, json={})
        assert answer.status_code == 404, (path, answer.text)
    for target in ("/mlflow/api/2.0/mlflow/runs/../webhooks", "/mlflow/api/2.0/mlflow/runs/%2e%2e/webhooks"):
        assert yard.get_as_written(target, token)[0] == 404, target


def test_a_browser_shows_the_pages_with_a_token_as_the_password(yard: Yard, red_run: Mapping[str, str]):
    asked = httpx.get(f"{yard.url}/mlflow/")
    assert (asked.status_code, asked.headers["WWW-Authenticate"].partition(" ")[0]) == (401, "Basic")
    with httpx.Client(base_url=yard.url, auth=("me", yard.tokens["red-developer"]), timeout=60) as browser:
        page = browser.get("/mlflow", follow_redirects=True)
        assert "mlflow-ui-container" in page.text
        script = page.text.partition('src="')[2].partition('"')[0]
        assert browser.get(f"/mlflow/{script}").headers["Content-Type"].startswith("text/javascript")
        search = {"max_results": 5, "experiment_ids": [red_run["experiment"]]}
        path = "/mlflow/ajax-api/2.0/mlflow/runs/search"
        assert len(browser.post(path, json=search, headers={"Origin": yard.url}).json()["runs"]) == 1
        foreign = browser.post(path, json=search, headers={"Origin": "https://evil.example"})
        assert (foreign.status_code, foreign.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_what_is_removed_is_in_the_audit(yard: Yard, act_as):
    client = act_as("red-developer")
    run = client.create_run(client.create_experiment("passing")).info.run_id
    client.delete_run(run)
    entries = [entry for entry in yard.admin.audit.list(project="red") if entry.path.startswith("/mlflow")]
    assert [(entry.principal_name, entry.path.rpartition("/")[2]) for entry in entries][:1] == [
        ("red-developer", "delete")
    ]


@pytest.mark.slow
def test_a_registered_model_is_a_version_that_deploys_with_its_own_environment(yard: Yard, act_as, red_run):
    client = act_as("red-developer")
    version = mlflow.register_model(red_run["model_uri"], "prices", tags={"team": "green"})
    assert (version.version, version.status, version.tags) == ("1", "READY", {"team": "green"})
    with Client(yard.url, yard.program.token, "red") as platform:
        ours = platform.models.get("prices:1")
        assert ours.manifest.artifact_format == "mlflow"
        assert ours.manifest.card.custom["mlflow.model_id"] == red_run["model"]
        assert ours.lineage.created_by == "red-developer"
        platform.endpoints.deploy("prices", "prices:1", wait=True, timeout_seconds=300)
        answer = platform.predict("prices", {"rooms": 3.0, "area": 10.0})
        assert answer.outputs["price"].data == [40.0]
        client.set_registered_model_alias("prices", "champion", "1")
        assert platform.models.get("prices@champion").number == 1
        platform.models.create("elsewhere", description="no version yet")
    assert list(mlflow.pyfunc.load_model("models:/prices@champion").predict(HOUSES)["price"]) == [40.0, 60.0]
    client.set_registered_model_tag("prices", "stage", "trial")
    model = client.get_registered_model("prices")
    assert (model.tags, model.aliases) == ({"stage": "trial"}, {"champion": "1"})
    client.delete_registered_model_tag("prices", "stage")
    client.update_registered_model("prices", "What houses cost.")
    assert [each.name for each in client.search_registered_models("name LIKE 'pri%'")] == ["prices"]
    assert [each.version for each in client.search_model_versions(f"run_id = '{red_run['run']}'")] == ["1"]
    assert client.get_model_version("prices", "1").description == ours.manifest.card.description
    for call in (
        lambda: client.rename_registered_model("prices", "costs"),
        lambda: client.set_model_version_tag("prices", "1", "late", "yes"),
        lambda: client.update_model_version("prices", "1", "late"),
        lambda: client.create_model_version("prices", "file:///etc", red_run["run"]),
        lambda: client.create_model_version("prices", "https://example.com/model", red_run["run"]),
        lambda: client.get_registered_model("nothing"),
    ):
        with pytest.raises(MlflowException):
            call()


def train(yard: Yard, folder: Path, project: str) -> str:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"rooms": random.integers(1, 7, 300), "area": random.uniform(30, 200, 300)})
    rows["price"] = rows["rooms"] * 20_000 + rows["area"] * 1500
    rows.to_csv(folder / "houses.csv", index=False)
    with Client(yard.url, yard.program.token, project) as platform:
        platform.datasets.upload("houses", folder / "houses.csv")
        job = platform.jobs.train(
            "boosted-trees-regression", "houses", target="price", model="houses", hyperparameters={"rounds": 20}
        )
        return platform.jobs.wait(job.id, timeout_seconds=180).id


@pytest.mark.slow
def test_every_job_is_a_run_and_a_server_that_dies_harms_none(yard: Yard, act_as, tmp_path: Path):
    client = act_as("blue-developer")
    client.search_experiments()
    pid = int(str(yard.server()["pid"]))
    os.kill(pid, signal.SIGKILL)
    job = train(yard, tmp_path, "blue")

    def runs():
        experiment = client.get_experiment_by_name("houses")
        return experiment and client.search_runs([experiment.experiment_id], f"tags.`modelyard.job` = '{job}'")

    until(lambda: (found := runs()) and found[0].info.status == "FINISHED", "the job's run is finished in MLflow")
    (run,) = runs()
    assert yard.server()["pid"] not in (None, pid)
    assert int(str(yard.server()["restarts"])) >= 1
    assert run.data.params["rounds"] == "20"
    assert run.data.tags["modelyard.dataset.train"] == "houses:1"
    assert len(run.data.tags["modelyard.dataset.train.digest"]) == 64
    assert run.data.tags["modelyard.end"] == "EXIT"
    assert run.inputs.dataset_inputs[0].dataset.name == "houses:1"
    with Client(yard.url, yard.program.token, "blue") as platform:
        points = [point for point in platform.jobs.metrics(job) if point.name == "train_rmse"]
    history = client.get_metric_history(run.info.run_id, "train_rmse")
    assert [(point.step, point.value) for point in history] == [(point.step, point.value) for point in points]
    assert len(points) > 3
    assert run.data.metrics["holdout_r2"] > 0.9


@pytest.mark.slow
def test_export_and_import_keep_runs_and_artifacts(yard: Yard, act_as, red_run, tmp_path: Path):
    # Last in this file: it stops the platform.
    assert yard.program.stop() == 0
    assert not processes_of(yard.program.home)
    archive, second = tmp_path / "state.tar", tmp_path / "second"
    for arguments in (("export", archive, "--home", yard.program.home), ("import", archive, "--home", second)):
        subprocess.run([sys.executable, "-m", "modelyard.cli.main", *arguments], check=True, timeout=120)
    program = Program(second, "modelyard.server.up")
    try:
        url = program.start("--port", "0", "--grpc-port", "-1").ready()
        act_as("red-viewer")
        mlflow.set_tracking_uri(f"{url}/mlflow")
        assert MlflowClient().get_run(red_run["run"]).data.metrics["loss"] == pytest.approx(1 / 3)
        assert mlflow.artifacts.load_text(f"{red_run['artifacts']}/notes/secret.txt") == "red only"
    finally:
        program.end()
