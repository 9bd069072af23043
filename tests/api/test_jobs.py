"""The Jobs API: who may call what, what it answers, how it refuses."""

import hashlib
import io
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from modelyard.control.algorithms.api import router as algorithms_router
from modelyard.control.autoscaling.api import router as autoscaling_router
from modelyard.control.autoscaling.repository import NodeRepository
from modelyard.control.autoscaling.service import AutoscalingService
from modelyard.control.clients.http_jobs import HttpJobsClient
from modelyard.control.environments.api import router as environments_router
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.errors import EnvironmentBuildFailedError
from modelyard.control.environments.locks import Locks
from modelyard.control.environments.repository import EnvironmentRepository
from modelyard.control.environments.schemas import EnvironmentCreate
from modelyard.control.environments.service import EnvironmentService
from modelyard.control.jobs.api import router as jobs_router
from modelyard.control.jobs.automl.api import router as automl_router
from modelyard.control.jobs.automl.service import AutoMLService
from modelyard.control.jobs.batch.api import router as batch_router
from modelyard.control.jobs.batch.service import BatchJobService
from modelyard.control.jobs.debugging.api import router as findings_router
from modelyard.control.jobs.debugging.service import FindingService
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.output import JobOutput
from modelyard.control.jobs.processing.api import router as processing_router
from modelyard.control.jobs.profiling.api import router as profiles_router
from modelyard.control.jobs.profiling.keeping import KeptSamples
from modelyard.control.jobs.profiling.service import ProfileService
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.reruns.api import router as reruns_router
from modelyard.control.jobs.reruns.service import RerunService
from modelyard.control.jobs.scripts.api import router as scripts_router
from modelyard.control.jobs.scripts.assembly import assemble as assemble_scripts
from modelyard.control.jobs.scripts.results import ScriptResults
from modelyard.control.jobs.service import JobService
from modelyard.control.references.fetching import Fetcher
from modelyard.control.references.service import ReferenceService
from modelyard.control.rest.application import create_application
from modelyard.control.scheduling.api import queues_router, waiting_router
from modelyard.control.scheduling.assembly import assemble
from modelyard.control.tuning.api import router as tuning_router
from modelyard.control.tuning.repository import TuningRepository
from modelyard.control.tuning.service import TuningService
from modelyard.engines.base import ProcessNotFoundError
from modelyard.errors import NotFoundError
from modelyard.kit.clock import SystemClock
from modelyard.settings import Home, Settings
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.storage.objects import open_objects
from modelyard.types.automl.reports import AutoMLReport
from modelyard.types.compute.scheduling import HostCapacity, Quota
from modelyard.types.datasets import Column, ColumnKind, DatasetFormat, DatasetSchema, DatasetVersion
from modelyard.types.debugging.rules import Finding, RuleAction
from modelyard.types.jobs import SLICE_BOUND, DatasetRef, JobRecipe, JobStatus, MetricPoint
from modelyard.types.models import ArtifactFormat
from modelyard.types.processes import SandboxLevel
from modelyard.types.signatures import DataType, Signature, TensorSpec
from modelyard.types.tuning.searches import Range, TuningRules

JOBS = "/projects/default/jobs"
TRAIN = "/projects/default/training-jobs"
BODY = {"algorithm": "image-classification", "model": "digits", "channels": {"train": {"dataset": "digits"}}}

SCRIPT = "/projects/default/script-jobs"
PROCESS = "/projects/default/processing-jobs"
BATCH = "/projects/default/batch-jobs"
AUTOML = "/projects/default/automl-jobs"
SCORE = {"model": "houses", "source": {"dataset": "new"}, "output": "scored"}


def column(name: str, kind: ColumnKind = ColumnKind.NUMBER, *examples: str) -> Column:
    return Column(name=name, kind=kind, examples=examples)


AREA = column("area")
TABLES = {
    "new": (column("id", ColumnKind.TEXT, "a1"), column("rooms", ColumnKind.CATEGORY, "many", "3"), AREA),
    "roms": (column("roms"), AREA),
    "words": (column("rooms", ColumnKind.CATEGORY, "many", "few"), AREA),
    "taken": (column("rooms"), AREA, column("error", ColumnKind.TEXT)),
}


class NoProcesses:
    """An engine in which nothing runs."""

    has_nodes = False

    def sandbox_level(self):
        return SandboxLevel.BUBBLEWRAP

    def state(self, process_id):
        raise ProcessNotFoundError(process_id)

    logs = wait = samples = lambda self, process_id, *_: self.state(process_id)

    def resolve_image(self, reference):
        if reference.startswith("absent"):
            raise NotFoundError(f"There is no image '{reference}'")
        return f"{reference}@sha256:0"

    def list(self, labels=None):
        return []


class OneDataset:
    """A registry with the dataset "digits"; the project "default" permits code."""

    def permits_code(self, project):
        return project == "default"

    def model_version(self, project, ref):
        if ref == "nobody":
            raise NotFoundError(f"There is no model '{ref}'")
        spec = TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("rooms", "area"))
        image = TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, 8, 8))
        answer = TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,))
        signature = Signature(inputs=(image if ref.startswith("images") else spec,), outputs=(answer,))
        form = ArtifactFormat.IMAGE if ref.startswith("container") else ArtifactFormat.ONNX
        manifest = SimpleNamespace(signature=signature, artifact_format=form)
        return SimpleNamespace(ref=ref if ":" in ref else f"{ref}:7", manifest=manifest)

    def dataset_version(self, project, dataset, number=None):
        if dataset not in ("digits", *TABLES):
            raise NotFoundError(f"There is no dataset '{dataset}'", hint="Upload it first.")
        return DatasetVersion(
            project=project,
            dataset=dataset,
            number=number or 1,
            digest="d" * 64,
            size_bytes=1,
            format=DatasetFormat.CSV if dataset in TABLES else DatasetFormat.NPZ,
            schema=DatasetSchema(rows=9, columns=TABLES.get(dataset, ())),
            description="",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            created_by="",
        )


LOCK = "numpy==2.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"


class Builder:
    """Locks everything to the same, and installs nothing."""

    def check_python(self, version):
        EnvironmentBuilder(None, Path()).check_python(version)

    def lock(self, requirements, python=""):
        if "broken" in requirements:
            raise EnvironmentBuildFailedError("resolving the requirements failed: broken")
        return LOCK

    def ensure(self, lock):
        return Path("python")


class NoAudit:
    def record(self, entry):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def database(folder, empty_tables):
    """One for all tests, and one application: to build that with all its routes takes longer than any test."""
    database = Database(f"sqlite:///{shutil.copy(empty_tables, folder / 'modelyard.db')}")
    yield database
    database.close()


@pytest.fixture(autouse=True)
def clean(database, scheduling):
    """Each test finds the tables as a new platform has them."""
    scheduling.queues.ensure_default()
    yield
    with database.transaction() as connection:
        for metadata in BRANCHES.values():
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())


@pytest.fixture(scope="module")
def service(database, scheduling):
    engine = NoProcesses()
    return JobService(
        database=database,
        repository=JobRepository(),
        creations=Creations(),
        registry=OneDataset(),
        engine=engine,
        output=JobOutput(engine, open_objects("memory://")),
        clock=SystemClock(),
        scheduling=scheduling.service,
    )


@pytest.fixture(scope="module")
def references():
    return ReferenceService(OneDataset(), open_objects("memory://"), Fetcher(["data.example.com"], 1), 10)


@pytest.fixture(scope="module")
def batches(service, references):
    return BatchJobService(service, OneDataset(), references)


@pytest.fixture(scope="module")
def searches(service, database, environments):
    locks = Locks(open_objects("memory://"))
    return AutoMLService(service, OneDataset(), database, JobRepository(), environments, locks, NoProcesses())


@pytest.fixture(scope="module")
def environments(database):
    return EnvironmentService(database, EnvironmentRepository(), Builder(), SystemClock())


@pytest.fixture(scope="module")
def tunings(service, scripts, database):
    return TuningService(
        database=database,
        repository=TuningRepository(),
        creations=Creations(),
        jobs=service,
        scripts=scripts,
        clock=SystemClock(),
    )


@pytest.fixture(scope="module")
def scripts(service, references, environments, folder):
    registry, engine, home = OneDataset(), NoProcesses(), Home(folder)
    parts = assemble_scripts(
        registry=registry,
        inputs=JobInputs(registry, home),
        references=references,
        environments=None,
        engine=engine,
        objects=open_objects("memory://"),
        home=home,
        is_shared=False,
    )
    return parts.service(service, registry, environments, engine)


@pytest.fixture(scope="module")
def results():
    return ScriptResults(OneDataset(), None, open_objects("memory://"))


@pytest.fixture(scope="module")
def scheduling(database):
    return assemble(
        database=database,
        clock=SystemClock(),
        machines=lambda: [HostCapacity(name="local", cpus=4, memory_bytes=8 << 30, gpus=0, jobs=2)],
        quota=lambda project: Quota(cpus=2) if project == "default" else Quota(),
        carry=lambda _ticket: None,
    )


@pytest.fixture(scope="module")
def autoscaling(database):
    return AutoscalingService(database, NodeRepository(), 2, is_on=True)


@pytest.fixture(scope="module")
def application(
    service,
    batches,
    searches,
    tunings,
    scripts,
    results,
    scheduling,
    autoscaling,
    environments,
    stub_guard,
    folder,
    database,
):
    routers = [
        algorithms_router(stub_guard),
        environments_router(environments, stub_guard),
        jobs_router(service, stub_guard, Settings(home=folder)),
        batch_router(batches, stub_guard, Settings(home=folder)),
        automl_router(searches, stub_guard, Settings(home=folder)),
        tuning_router(tunings, stub_guard, Settings(home=folder)),
        scripts_router(scripts, stub_guard, Settings(home=folder)),
        findings_router(FindingService(database, JobRepository()), stub_guard),
        profiles_router(
            ProfileService(service, database, JobRepository(), KeptSamples(NoProcesses(), open_objects("memory://"))),
            stub_guard,
        ),
        processing_router(scripts, stub_guard, Settings(home=folder)),
        reruns_router(RerunService(service, OneDataset(), results), stub_guard),
        queues_router(scheduling.queues, scheduling.service, stub_guard),
        waiting_router(scheduling.queues, scheduling.service, stub_guard),
        autoscaling_router(autoscaling, stub_guard),
    ]
    return create_application(title="Jobs", description="", routers=routers, audit=NoAudit(), version="0")


@pytest.fixture
def client(application, connect):
    return connect(application, "default-developer")


def test_every_route_is_protected(application, assert_protected):
    assert assert_protected(application) == 56


def test_an_automl_job_is_accepted_pinned_and_given_time_to_keep_its_budget(client, database):
    body = {"data": {"dataset": "words"}, "target": "rooms", "model": "m", "budget_seconds": 100_000}
    answer = client.post(AUTOML, json=body)
    assert answer.status_code == 201
    job = answer.json()
    assert (job["kind"], job["recipe"]["channels"]["train"]["number"]) == ("automl", 1)
    assert job["resources"]["time_limit_seconds"] == 120_060
    path = f"{AUTOML}/{job['id']}"
    assert client.get(f"{path}/report").json()["code"] == "report_not_found"
    assert client.get(f"{path}/script").json()["code"] == "no_winner"
    report = AutoMLReport(objective="rmse", script="print()")
    with database.transaction() as connection:
        JobRepository().save_report(connection, job["id"], report)
    assert msgspec.convert(client.get(f"{path}/report").json(), AutoMLReport) == report
    assert client.get(f"{path}/script").text == "print()"
    other = client.post(TRAIN, json=BODY).json()["id"]
    assert client.get(f"{AUTOML}/{other}/script").json()["code"] == "report_not_found"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"model": None}, "automl_invalid", "model"),
        ({"target": "roms"}, "target_not_found", "target"),
        ({"data": {"dataset": "digits"}, "task": "regression"}, "automl_invalid", "data"),
        ({"task": "image-classification"}, "automl_invalid", "data"),
        ({"target": None}, "target_not_found", "target"),
        ({"data": {"dataset": "nobody"}}, "not_found", None),
        ({"budget_seconds": 1}, "invalid_input", "budget_seconds"),
        ({"autogluon": "autogluon"}, "automl_invalid", "autogluon"),
        ({"autogluon": "nobody"}, "environment_not_found", "name"),
        ({"autogluon": "x", "task": "text-classification"}, "automl_invalid", "autogluon"),
        ({"task": "forecasting"}, "automl_invalid", "horizon"),
        ({"task": "forecasting", "horizon": 2}, "columns_invalid", "time_column"),
        ({"task": "forecasting", "horizon": 2, "time_column": "day"}, "columns_invalid", "time_column"),
        ({"task": "forecasting", "horizon": 2, "series_column": "shop"}, "columns_invalid", "series_column"),
        ({"task": "forecasting", "horizon": 3, "time_column": "rooms"}, "too_few_rows", "horizon"),
        (
            {"task": "forecasting", "horizon": 1, "time_column": "rooms", "autogluon": "x"},
            "automl_invalid",
            "autogluon",
        ),
    ],
)
def test_an_automl_job_that_cannot_be_is_refused_with_the_field(client, change, code, field):
    body = {"data": {"dataset": "words"}, "target": "rooms", "model": "m"} | change
    told = client.post(AUTOML, json=body).json()
    assert (told["code"], told.get("field")) == (code, field)


def test_an_automl_job_is_pinned_to_the_packages_of_the_environment_that_it_names(client, environments):
    environments.build(EnvironmentCreate(name="compared", requirements="autogluon.tabular"), "root")
    body = {"data": {"dataset": "words"}, "target": "rooms", "model": "m", "autogluon": "compared"}
    job = client.post(AUTOML, json=body).json()
    assert job["recipe"]["automl"]["autogluon"] == hashlib.sha256(LOCK.encode()).hexdigest()


def test_a_training_job_is_accepted_with_its_defaults_filled_in(client):
    answer = client.post(TRAIN, json=BODY | {"hyperparameters": {"epochs": 3}})
    assert answer.status_code == 201
    job = answer.json()
    assert (job["status"], job["recipe"]["hyperparameters"]["epochs"]) == ("PENDING", 3)
    assert job["recipe"]["channels"]["train"] == {"dataset": "digits", "number": 1}
    assert job["resources"]["memory_bytes"] == 4 << 30
    assert client.get(f"{JOBS}/{job['id']}").json() == job


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"algorithm": "image-clasification"}, 404, "algorithm_not_found", "algorithm"),
        ({"hyperparameters": {"epoch": 3}}, 400, "hyperparameter_invalid", "hyperparameters.epoch"),
        ({"hyperparameters": {"epochs": -1}}, 400, "hyperparameter_invalid", "hyperparameters.epochs"),
        ({"channels": {"validation": {"dataset": "digits"}}}, 400, "job_invalid", "channels"),
        ({"channels": {"train": {"dataset": "cats"}}}, 404, "not_found", None),
        ({"algorithm": "linear-regression"}, 400, "job_invalid", "target"),
        ({"model": "../x"}, 400, "name_invalid", "model"),
        ({"colour": "blue"}, 400, "invalid_input", "colour"),
        ({"seed": "many"}, 400, "invalid_input", "seed"),
    ],
)
def test_what_cannot_run_is_refused_with_what_is_wrong(client, change, status, code, field):
    answer = client.post(TRAIN, json=BODY | change)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["field"] == field
    assert body["message"]
    assert body["hint"]


def test_two_versions_are_compared_on_labelled_rows_or_on_captured_requests(client):
    body = {"channels": {"requests": {"dataset": "digits"}}, "candidates": ["digits:1", "digits"]}
    replay = client.post("/projects/default/replay-jobs", json=body).json()
    assert (replay["kind"], replay["recipe"]["algorithm"]) == ("replay", "replay")
    assert replay["recipe"]["candidates"] == ["digits:1", "digits:7"]
    alone = client.post("/projects/default/replay-jobs", json=body | {"candidates": ["digits:1"]})
    assert (alone.status_code, alone.json()["field"]) == (400, "candidates")
    image = client.post("/projects/default/replay-jobs", json=body | {"candidates": ["digits:1", "container"]})
    assert (image.status_code, image.json()["code"]) == (400, "job_invalid")
    assert "'container:7' is a container image" in image.json()["message"]
    evaluation = client.post("/projects/default/evaluation-jobs", json=body | {"slice_bound": 0.1}).json()
    assert (evaluation["kind"], evaluation["recipe"]["hyperparameters"]) == ("evaluation", {"slice_bound": 0.1})
    assert [job["id"] for job in client.get(f"{JOBS}?kind=replay").json()["items"]] == [replay["id"]]


def test_a_batch_job_is_pinned_to_a_version_of_the_model_and_of_the_data(client):
    job = client.post(BATCH, json=SCORE | {"keep": ["id"]}).json()
    assert (job["kind"], job["recipe"]["candidates"]) == ("batch", ["houses:7"])
    assert job["recipe"]["channels"] == {"input": {"dataset": "new", "number": 1}}
    assert (job["recipe"]["batch"]["output"], job["recipe"]["batch"]["keep"]) == ("scored", ["id"])
    url = "https://data.example.com/january?signed=1"
    other = client.post(BATCH, json=SCORE | {"source": {"url": url}, "format": "csv"}).json()
    assert (other["recipe"]["channels"], other["recipe"]["batch"]["url"]) == ({}, url)
    assert len(client.get(f"{JOBS}?kind=batch").json()["items"]) == 2


@pytest.mark.parametrize(
    ("change", "status", "code", "words"),
    [
        ({"model": "nobody"}, 404, "not_found", "nobody"),
        ({"model": "images"}, 400, "columns_invalid", "images"),
        ({"source": {"dataset": "cats"}}, 404, "not_found", "cats"),
        ({"source": {"dataset": "digits"}}, 400, "reference_invalid", "npz"),
        ({"source": {"dataset": "roms"}}, 400, "columns_invalid", "Did you mean 'roms'?"),
        ({"source": {"dataset": "words"}}, 400, "job_invalid", "'many', 'few'"),
        ({"source": {"dataset": "taken"}}, 400, "columns_invalid", "prefix"),
        ({"source": {"object": "inputs/other/x.csv"}}, 400, "reference_forbidden", "inputs/default/"),
        ({"source": {"object": "inputs/default/x.csv"}}, 404, "object_not_found", "inputs/default/x.csv"),
        ({"source": {"url": "https://10.0.0.1/x.csv"}}, 400, "reference_forbidden", "MODELYARD_REFERENCE_HOSTS"),
        ({"source": {}}, 400, "invalid_input", "name one of"),
        ({"output": "../x"}, 400, "name_invalid", "output"),
        ({"output": "new"}, 400, "job_invalid", "own input"),
        ({"keep": ["ID"]}, 400, "columns_invalid", "It has id, rooms, area"),
    ],
)
def test_a_batch_that_cannot_be_answered_is_refused_before_there_is_a_job(client, change, status, code, words):
    answer = client.post(BATCH, json=SCORE | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert words in answer.text
    assert client.get(JOBS).json()["items"] == []


def test_what_another_application_asks_over_http_is_understood(client):
    recipe = JobRecipe(
        algorithm="evaluation",
        hyperparameters={SLICE_BOUND: 0.2},
        channels={"new": DatasetRef(dataset="digits", number=1)},
        target="label",
        candidates=("digits:1", "digits:2"),
    )
    jobs = HttpJobsClient("http://jobs", "token")
    jobs._jobs = SimpleNamespace(call=lambda method, path, kind, *, body, headers: post(client, path, body, headers))
    made = jobs.create_evaluation_job("default", recipe, idempotency_key="one")
    assert made["recipe"]["hyperparameters"] == {SLICE_BOUND: 0.2}
    replay = replace(recipe, algorithm="replay", hyperparameters={}, target=None)
    assert jobs.create_replay_job("default", replay, idempotency_key="two")["kind"] == "replay"


def test_the_client_of_other_applications_describes_a_search_as_the_api_takes_it(client):
    recipe = JobRecipe(
        algorithm="boosted-trees-classification", target="kind", channels={"train": DatasetRef(dataset="new")}
    )
    space = {"max_depth": Range(low=2, high=8, is_whole=True), "class_weight": Range(values=("none", "balanced"))}
    jobs = HttpJobsClient("http://jobs", "token")
    jobs._jobs = SimpleNamespace(call=lambda method, path, kind, *, body, headers: post(client, path, body, headers))
    made = jobs.create_tuning_job("default", recipe, "m", TuningRules(space=space, max_trials=7), idempotency_key="s")
    assert made["search"]["max_trials"] == 7
    assert msgspec.convert(made["search"]["space"], dict[str, Range]) == space


def post(client, path: str, body: dict, headers: dict) -> dict:
    headers = headers | {"Content-Type": "application/json"}
    answer = client.post(path, content=msgspec.json.encode(body), headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_mistyped_hyperparameter_gets_a_suggestion(client):
    body = client.post(TRAIN, json=BODY | {"hyperparameters": {"epoch": 3}}).json()
    assert "epochs" in body["hint"]


def test_a_repeated_request_with_the_same_key_makes_one_job(client):
    headers = {"Idempotency-Key": "once"}
    first, second = (client.post(TRAIN, json=BODY, headers=headers).json() for _ in range(2))
    assert first["id"] == second["id"]
    other = client.post(TRAIN, json=BODY | {"seed": 5}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


def test_jobs_are_listed_newest_first_in_pages_and_filtered(client):
    ids = [client.post(TRAIN, json=BODY).json()["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = client.get(JOBS, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [job["id"] for job in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ids[::-1]
    assert client.get(JOBS, params={"status": "FAILED"}).json()["items"] == []
    assert client.get(JOBS, params={"cursor": "junk"}).json()["code"] == "cursor_invalid"


def test_an_unknown_job_is_not_found_and_another_projects_job_neither(client, application, connect):
    job = client.post(TRAIN, json=BODY).json()["id"]
    for path in (f"{JOBS}/job-unknown", f"{JOBS}/job-unknown/logs", f"{JOBS}/job-unknown/metrics"):
        assert client.get(path).json()["code"] == "job_not_found"
    other = connect(application, "other-admin").get(f"/projects/other/jobs/{job}")
    assert (other.status_code, other.json()["code"]) == (404, "job_not_found")


def test_a_job_is_stopped_once_asked_and_its_log_ends(client):
    job = client.post(TRAIN, json=BODY).json()["id"]
    assert client.post(f"{JOBS}/{job}/stop").status_code == 202
    assert client.get(f"{JOBS}/{job}/logs").text == ""


def test_metrics_come_in_order_and_in_pages(client, service, database):
    job = client.post(TRAIN, json=BODY).json()["id"]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with database.transaction() as connection:
        points = [MetricPoint(name="loss", value=1 / step, step=step, at=at) for step in (1, 2, 3)]
        JobRepository().add_points(connection, job, points)
    page = client.get(f"{JOBS}/{job}/metrics", params={"limit": 2}).json()
    assert [point["step"] for point in page["items"]] == [1, 2]
    rest = client.get(f"{JOBS}/{job}/metrics", params={"cursor": page["next_cursor"]}).json()
    assert [point["value"] for point in rest["items"]] == [1 / 3]


def test_an_ended_job_cannot_be_stopped(client, service, database):
    made = client.post(TRAIN, json=BODY).json()["id"]
    job = service.get("default", made)
    with database.transaction() as connection:
        ended = type(job)(**{**{name: getattr(job, name) for name in job.__slots__}, "status": JobStatus.COMPLETED})
        JobRepository().save(connection, ended)
    answer = client.post(f"{JOBS}/{made}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_state")


def test_algorithms_and_environments_are_described(client):
    names = [item["name"] for item in client.get("/algorithms").json()["items"]]
    assert "image-classification" in names
    assert client.get("/algorithms/image-classification").json()["hyperparameters"]
    assert client.get("/algorithms/nonsense").json()["code"] == "algorithm_not_found"
    listed = {each["name"]: each for each in client.get("/environments").json()["items"]}
    builtin = listed["builtin"]
    assert any(line.startswith("numpy==") for line in builtin["packages"])
    shown = client.get("/environments/builtin").json()
    assert hashlib.sha256(shown["lock"].encode()).hexdigest() == builtin["digest"]
    assert {"sklearn", "xgboost", "lightgbm", "tensorflow"} <= listed.keys()
    assert ("torch" in listed) == (find_spec("torch") is not None)
    assert listed["sklearn"]["digest"] is None
    assert f"scikit-learn=={version('scikit-learn')}" in listed["sklearn"]["requirements"]
    assert client.get("/environments/other").json()["code"] == "environment_not_found"


def test_an_environment_is_locked_once_and_its_name_means_it_for_good(connect, application):
    client = connect(application, "developer")
    wish = {"name": "scoring", "requirements": "numpy\n"}
    made = client.post("/environments", json=wish)
    assert (made.status_code, made.json()["packages"]) == (201, ["numpy==2.0"])
    assert made.json()["digest"] == hashlib.sha256(made.json()["lock"].encode()).hexdigest()
    assert client.post("/environments", json=wish).json() == made.json()
    assert client.post("/environments", json={"name": "sklearn"}).json()["digest"]
    listed = {each["name"]: each["digest"] for each in client.get("/environments").json()["items"]}
    assert listed["scoring"] == made.json()["digest"]
    assert listed["sklearn"] is not None
    locked = client.post("/environments", json={"name": "again", "lock": made.json()["lock"]}).json()
    assert locked["digest"] == made.json()["digest"]
    for secret in ("viewer", "default-developer"):
        assert connect(application, secret).post("/environments", json=wish).status_code == 403, (
            "it is for every project"
        )


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"name": "taken", "requirements": "other\n"}, "environment_exists"),
        ({"name": "nothing"}, "environment_invalid"),
        ({"name": "both", "requirements": "numpy", "lock": LOCK}, "environment_invalid"),
        ({"name": "loose", "lock": "numpy>=2\n"}, "environment_invalid"),
        ({"name": "old", "requirements": "numpy", "python": "2.7"}, "environment_invalid"),
        ({"name": "broken", "requirements": "broken\n"}, "environment_build_failed"),
        ({"name": "A Name", "requirements": "numpy"}, "name_invalid"),
    ],
)
def test_an_environment_that_cannot_be_is_refused_with_the_reason(connect, application, wish, code):
    client = connect(application, "developer")
    client.post("/environments", json={"name": "taken", "requirements": "numpy\n"})
    assert client.post("/environments", json=wish).json()["code"] == code


@pytest.fixture
def admin(application, connect):
    return connect(application, "admin")


def test_a_queue_is_made_changed_held_and_deleted(admin, client):
    made = admin.post("/queues", json={"name": "night", "priority": -5})
    assert (made.status_code, made.json()["priority"]) == (201, -5)
    assert admin.post("/queues", json={"name": "night"}).json()["code"] == "queue_exists"
    assert admin.patch("/queues/night", json={"hold": True}).json()["is_held"] is True
    assert [queue["name"] for queue in client.get("/queues").json()["items"]] == ["default", "night"]
    assert admin.delete("/queues/night").status_code == 204
    assert client.get("/queues/night").json()["code"] == "queue_not_found"
    assert admin.delete("/queues/default").json()["code"] == "queue_in_use"


def test_a_job_waits_shows_why_and_can_be_held_ranked_and_moved(client, scheduling):
    ids = [client.post(TRAIN, json=BODY).json()["id"] for _ in range(4)]
    scheduling.scheduler.round()
    shown = client.get(f"{JOBS}/{ids[2]}").json()["schedule"]
    assert (shown["state"], shown["queue"]) == ("WAITING", "default")
    assert shown["reason"]
    assert shown["planned_start"]
    assert shown["expected_start"]
    assert client.post(f"{JOBS}/{ids[2]}/hold").json()["is_held"] is True
    assert client.post(f"{JOBS}/{ids[2]}/release").json()["is_held"] is False
    assert client.patch(f"{JOBS}/{ids[2]}/schedule", json={"priority": 3}).json()["priority"] == 3
    assert client.post(f"{JOBS}/{ids[3]}/move", json={"before": ids[2]}).json()["priority"] == 3
    line = client.get("/queues/default/jobs").json()["items"]
    assert [(each["job"], each["position"]) for each in line] == [
        (ids[0], 0),
        (ids[1], 0),
        (ids[3], 1),
        (ids[2], 2),
    ]
    assert client.post(f"{JOBS}/{ids[0]}/hold").json()["code"] == "job_not_waiting"


def test_a_job_that_can_never_fit_is_refused(client):
    answer = client.post(TRAIN, json=BODY | {"resources": {"cpus": 3}})
    assert (answer.status_code, answer.json()["code"]) == (400, "job_never_fits")
    assert "quota of project 'default'" in answer.json()["message"]
    unknown = client.post(TRAIN, json=BODY | {"schedule": {"queue": "none"}})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "queue_not_found")


def test_what_a_host_offers_can_be_set(admin, client):
    (before,) = client.get("/hosts").json()["items"]
    assert before["cpus"] == 4
    body = {"cpus": 1, "memory_bytes": 1 << 30, "jobs": 1}
    assert admin.put("/hosts/local", json=body).json()["cpus"] == 1
    assert client.get("/hosts").json()["items"][0]["jobs"] == 1
    assert admin.put("/hosts/other", json=body).json()["code"] == "host_not_found"


def test_kinds_of_nodes_are_set_listed_and_deleted(admin, client):
    body = {"max_nodes": 2, "cpus": 8, "memory_bytes": 1 << 34, "gpus": 1, "gpu_kind": "A100", "labels": {"zone": "a"}}
    made = admin.put("/node-kinds/big", json=body).json()
    assert made["traits"] == {"labels": {"zone": "a"}, "gpu_kind": "A100", "gpu_memory_bytes": 0}
    assert client.get("/node-kinds").json()["items"] == [made]
    assert client.get("/nodes").json()["items"] == []
    assert admin.put("/node-kinds/big", json=body | {"min_nodes": 3}).json()["code"] == "node_kind_invalid"
    assert admin.put("/node-kinds/Big!", json=body).json()["code"] == "name_invalid"
    assert admin.delete("/node-kinds/big").status_code == 204
    assert admin.delete("/node-kinds/big").json()["code"] == "node_kind_not_found"


def test_an_accelerator_is_asked_for_by_kind_memory_and_part(client):
    wanted = {"gpus": 0.5, "gpu_kind": "T4", "gpu_memory_bytes": 8 << 30}
    answer = client.post(TRAIN, json=BODY | {"resources": wanted})
    assert (answer.status_code, answer.json()["code"]) == (400, "job_never_fits")
    assert "GPUs of the kind 'T4', which no host has" in answer.json()["message"]
    odd = client.post(TRAIN, json=BODY | {"resources": {"gpus": 1.5}}).json()
    assert (odd["code"], odd["field"]) == ("invalid_input", "resources.gpus")


def test_capacity_is_reserved_and_given_back(application, connect):
    operator = connect(application, "default-operator")
    start = datetime.now(UTC) + timedelta(hours=1)
    body = {"cpus": 2, "starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}
    path = "/projects/default/reservations"
    made = operator.post(path, json=body)
    assert made.status_code == 201, made.text
    assert [each["id"] for each in operator.get(path).json()["items"]] == [made.json()["id"]]
    again = operator.post(path, json=body)
    assert (again.status_code, again.json()["code"]) == (400, "reservation_invalid")
    assert operator.delete(f"{path}/{made.json()['id']}").status_code == 204
    assert operator.delete(f"{path}/{made.json()['id']}").json()["code"] == "reservation_not_found"


TUNE = "/projects/default/tuning-jobs"
SEARCH = {
    "algorithm": "boosted-trees-classification",
    "target": "kind",
    "channels": {"train": {"dataset": "new"}},
    "space": {"max_depth": {"low": 2, "high": 8}, "learning_rate": {"low": 0.01, "high": 0.3, "log": True}},
}


def test_a_search_is_accepted_with_its_defaults_and_pinned_to_versions(client):
    made = client.post(TUNE, json=SEARCH, headers={"Idempotency-Key": "one"}).json()
    assert made["status"] == "RUNNING"
    search = made["search"]
    assert search["recipe"]["channels"] == {"train": {"dataset": "new", "number": 1}}
    assert search["recipe"]["hyperparameters"]["rounds"] == 300
    assert search["objectives"] == [{"metric": "accuracy", "direction": "maximise"}]
    assert search["space"]["max_depth"]["is_whole"] is True
    assert client.post(TUNE, json=SEARCH, headers={"Idempotency-Key": "one"}).json()["id"] == made["id"]
    assert [each["id"] for each in client.get(TUNE).json()["items"]] == [made["id"]]
    path = f"{TUNE}/{made['id']}"
    assert client.get(f"{path}/trials").json() == {"items": [], "next_cursor": None}
    assert client.get(f"{path}/importances").json() == {"accuracy": {}}
    assert client.post(f"{path}/stop").json()["status"] == "STOPPING"
    assert client.post(f"{path}/trials/0/register", json={"model": "m"}).json()["code"] == "trial_not_found"
    assert client.get(f"{TUNE}/nothing").json()["code"] == "tuning_not_found"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"space": {}}, "tuning_invalid", "`--try max_depth=2..8`"),
        ({"space": {"max_depth": {"low": 2}}}, "invalid_input", 'give either "values", or "low" and "high"'),
        ({"space": {"max_dept": {"low": 2, "high": 8}}}, "hyperparameter_invalid", "Did you mean 'max_depth'?"),
        ({"space": {"max_depth": {"low": 2, "high": 80}}}, "hyperparameter_invalid", "from 1 to 16"),
        ({"space": {"max_depth": {"values": [2, 2.5]}}}, "hyperparameter_invalid", "a whole number"),
        ({"space": {"max_depth": {"low": 8, "high": 2}}}, "tuning_invalid", "must be below"),
        ({"space": {"max_depth": {"low": 2, "high": 8, "step": 1.5}}}, "tuning_invalid", "whole step"),
        ({"space": {"reg_lambda": {"low": 0, "high": 8, "log": True}}}, "tuning_invalid", "Begin above 0"),
        ({"space": {"class_weight": {"low": 0, "high": 1}}}, "tuning_invalid", "is no number"),
        ({"hyperparameters": {"max_depth": 3}}, "tuning_invalid", "set and searched for"),
        ({"hyperparameters": {"rounds": "many"}}, "hyperparameter_invalid", "takes a number"),
        ({"objectives": [{"metric": "acuracy"}]}, "tuning_invalid", "It has accuracy"),
        ({"objectives": [{"metric": "accuracy"}] * 2}, "tuning_invalid", "Name each metric once"),
        ({"objectives": [{"metric": "accuracy"}, {"metric": "seconds"}], "model": "m"}, "tuning_invalid", "front"),
        ({"constraints": [{"metric": "seconds"}]}, "invalid_input", 'give "at_least"'),
        ({"strategy": "grid"}, "tuning_invalid", "no steps for 'learning_rate'"),
        ({"strategy": "cma-es", "space": {"max_depth": {"low": 2, "high": 8}}}, "tuning_invalid", "two or more"),
        ({"strategy": "gp"}, "tuning_invalid", "needs torch"),
        ({"target": None}, "job_invalid", "the column to predict"),
        ({"channels": {"train": {"dataset": "nobody"}}}, "not_found", "no dataset"),
        ({"warm_start": ["tuning-1"]}, "tuning_not_found", "tuning-1"),
        ({"model": "No Name"}, "name_invalid", "No Name"),
        ({"resources": {"cpus": 64}}, "job_never_fits", "64"),
        ({"schedule": {"queue": "fast"}}, "queue_not_found", "fast"),
    ],
)
def test_a_search_that_cannot_be_carried_out_is_refused_with_what_would(client, change, code, words):
    answer = client.post(TUNE, json=SEARCH | change)
    assert answer.status_code in (400, 404, 422)
    assert (answer.json()["code"], words in answer.text.replace('\\"', '"')) == (code, True), answer.text
    assert client.get(TUNE).json()["items"] == []


@pytest.fixture
def snapshot(client):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("train.py", "print()")
    sent = client.post("/projects/default/snapshots", content=packed.getvalue())
    assert (sent.status_code, sent.json()["files"]) == (201, ["train.py"])
    return sent.json()["digest"]


def test_a_script_job_is_accepted_with_its_data_and_its_image_pinned(client, snapshot):
    body = {"code": snapshot, "entry_point": "train.py", "channels": {"train": {"dataset": "digits"}}}
    job = client.post(SCRIPT, json=body | {"hosts": 2, "resources": {"cpus": 0.5}}).json()
    assert (job["kind"], job["recipe"]["script"]["hosts"], job["schedule"]["hosts"]) == ("script", 2, 2)
    assert job["recipe"]["channels"]["train"] == {"dataset": "digits", "number": 1}
    assert client.get(f"{JOBS}/{job['id']}/output").json() == {"items": [], "next_cursor": None}
    assert client.get(f"{JOBS}/{job['id']}/output/model/x").json()["code"] == "output_not_found"

    image = client.post(SCRIPT, json={"image": "trainer:3", "command": ["train"]}).json()["recipe"]["script"]
    assert (image["image"], image["image_digest"], image["command"]) == ("trainer:3", "trainer:3@sha256:0", ["train"])


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 400, "job_invalid", "code"),
        ({"code": "../x"}, 404, "snapshot_not_found", "code"),
        ({"image": "absent:1"}, 404, "not_found", None),
        ({"image": "trainer:3", "requirements": "numpy"}, 400, "job_invalid", "image"),
        ({"image": "trainer:3", "hyperparameters": {"a b": 1}}, 400, "job_invalid", None),
        ({"image": "trainer:3", "metrics": [{"name": "loss", "regex": "("}]}, 400, "job_invalid", "metrics.0.regex"),
        ({"image": "trainer:3", "model": "../x"}, 400, "name_invalid", "model"),
        ({"image": "trainer:3", "channels": {"train": {"dataset": "cats"}}}, 404, "not_found", None),
        ({"image": "trainer:3", "resources": {"cpus": 3}}, 400, "job_never_fits", "resources"),
    ],
)
def test_a_script_job_that_cannot_run_is_refused_with_what_is_wrong(client, body, status, code, field):
    answer = client.post(SCRIPT, json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field)


def test_a_processing_job_is_accepted_with_its_inputs_pinned_and_its_outputs_named(client):
    inputs = {"raw": {"dataset": "digits:1"}, "prices": {"url": "https://data.example.com/prices.csv"}}
    body = {"image": "cleaner:1", "inputs": inputs, "outputs": {"train": "clean", "test": "held-out"}, "retries": 2}
    job = client.post(PROCESS, json=body).json()
    assert (job["kind"], job["recipe"]["algorithm"], job["model"]) == ("processing", "processing", None)
    assert job["recipe"]["channels"] == {"raw": {"dataset": "digits", "number": 1}}
    script = job["recipe"]["script"]
    assert script["sources"]["prices"]["url"] == "https://data.example.com/prices.csv"
    assert (script["outputs"], script["retries"]) == ({"train": "clean", "test": "held-out"}, 2)


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"outputs": {}}, 400, "invalid_input", "outputs"),
        ({"outputs": {"a": "same", "b": "same"}}, 400, "invalid_input", "outputs"),
        ({"outputs": {"a": "../x"}}, 400, "name_invalid", "outputs.a"),
        ({"outputs": {"../a": "clean"}}, 400, "job_invalid", None),
        ({"inputs": {"raw": {"dataset": "cats"}}}, 404, "not_found", None),
        ({"inputs": {"raw": {}}}, 400, "invalid_input", "inputs.raw"),
        ({"inputs": {"raw": {"object": "inputs/other/a.csv"}}}, 400, "reference_forbidden", None),
        ({"inputs": {"raw": {"url": "https://elsewhere.example.com/a.csv"}}}, 400, "reference_forbidden", None),
        ({"image": "", "code": ""}, 400, "job_invalid", "code"),
        ({"environment": "sklearn"}, 400, "job_invalid", "image"),
        ({"retries": 9}, 400, "invalid_input", "retries"),
    ],
)
def test_a_processing_job_that_cannot_run_is_refused_with_what_is_wrong(client, change, status, code, field):
    answer = client.post(PROCESS, json={"image": "cleaner:1", "outputs": {"out": "clean"}} | change)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field), answer.text


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"environment": "nobody"}, "environment_not_found", "nobody"),
        ({"environment": "sklearn", "requirements": "numpy"}, "job_invalid", "has its packages"),
        ({"python": "3.12"}, "job_invalid", "Nothing says which packages"),
        ({"python": "2.7", "requirements": "numpy"}, "environment_invalid", "Installed are 3."),
    ],
)
def test_an_environment_that_a_script_cannot_have_is_refused_before_there_is_a_job(
    client, snapshot, change, code, words
):
    answer = client.post(SCRIPT, json={"code": snapshot, "entry_point": "train.py"} | change)
    assert (answer.json()["code"], words in answer.text) == (code, True), answer.text


def test_a_named_environment_is_pinned_to_what_it_is_locked_to(client, connect, application, snapshot):
    wish = {"code": snapshot, "entry_point": "train.py", "environment": "scoring"}
    made = connect(application, "developer").post("/environments", json={"name": "scoring", "requirements": "numpy\n"})
    script = client.post(SCRIPT, json=wish).json()["recipe"]["script"]
    assert (script["environment"], script["environment_name"]) == (made.json()["digest"], "scoring")
    unlocked = client.post(SCRIPT, json=wish | {"environment": "sklearn"}).json()["recipe"]["script"]
    assert (unlocked["environment"], "scikit-learn==" in unlocked["requirements"]) == ("", True)


def test_a_project_that_does_not_permit_code_runs_none(application, connect):
    answer = connect(application, "other-developer").post("/projects/other/script-jobs", json={"image": "trainer:3"})
    assert (answer.status_code, answer.json()["code"]) == (403, "script_forbidden")


def test_a_search_over_a_script_is_accepted_with_its_objective_and_its_image_pinned(client):
    program = {"image": "trainer", "metrics": [{"name": "val_loss", "regex": "loss=(.*)"}]}
    body = {
        "script": program,
        "space": {"rate": {"low": 0.001, "high": 0.1, "log": True}, "layers": {"low": 1, "high": 4, "whole": True}},
        "early_stopping": {"rule": "median"},
    }
    search = client.post(TUNE, json=body).raise_for_status().json()["search"]
    assert (search["recipe"]["algorithm"], search["recipe"]["is_trial"]) == ("script", True)
    assert search["recipe"]["script"]["image_digest"] == "trainer@sha256:0"
    assert search["recipe"]["hyperparameters"] == {}
    assert search["objectives"] == [{"metric": "val_loss", "direction": "minimise"}]
    assert (search["early_stopping"]["metric"], search["early_stopping"]["direction"]) == ("val_loss", "minimise")
    assert [search["space"][name]["is_whole"] for name in ("rate", "layers")] == [False, True]
    for change, code, words in (
        ({"algorithm": "linear-classification"}, "invalid_input", 'either "algorithm" or "script"'),
        ({"script": None}, "invalid_input", 'either "algorithm" or "script"'),
        ({"script": program | {"metrics": []}}, "tuning_invalid", "--metric val_loss"),
        ({"space": {"two words": {"low": 1, "high": 2}}}, "job_invalid", "two words"),
        ({"script": program | {"image": "absent"}}, "not_found", "absent"),
        ({"hyperparameters": {"rate": 1}}, "tuning_invalid", "set and searched for"),
    ):
        told = client.post(TUNE, json=body | change).json()
        assert (told["code"], words in f"{told['message']} {told['hint']}") == (code, True), told


def test_rules_are_listed_and_a_job_keeps_how_they_are_applied(client):
    names = {rule["name"]: rule["settings"] for rule in client.get("/rules").json()["items"]}
    assert [each["name"] for each in names["overfitting"]] == ["patience", "rise"]
    stop = {"rule": "overfitting", "action": "stop", "settings": {"patience": 3.0}}
    job = client.post(TRAIN, json=BODY | {"rules": [stop]}).json()
    assert (job["rules"], job["findings"]) == ([stop], [])
    answer = client.post(TRAIN, json=BODY | {"rules": [{"rule": "overfit"}]})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "rule_invalid", "rules")
    for picture in ("profile", "profile.svg"):
        assert client.get(f"{JOBS}/{job['id']}/{picture}").json()["code"] == "profile_not_found"


def test_findings_are_asked_for_and_acknowledged_over_http(application, connect, client, database):
    job = client.post(TRAIN, json=BODY).json()
    finding = Finding(
        id=0,
        project="default",
        job=job["id"],
        rule="not_finite",
        action=RuleAction.NOTIFY,
        step=3,
        value=1.0,
        message="loss was NaN.",
        at=datetime.now(UTC),
    )
    with database.transaction() as connection:
        JobRepository().add_finding(connection, finding, is_told=False)
    (shown,) = client.get(f"{JOBS}/{job['id']}").json()["findings"]
    jobs = HttpJobsClient("http://jobs", "token")
    platform = connect(application, "developer")
    jobs._jobs = SimpleNamespace(
        call=lambda method, path, kind, *, body=None: msgspec.json.decode(
            platform.request(method, path, json=body).raise_for_status().content, type=kind
        )
    )
    assert [(each.id, each.message) for each in jobs.untold_findings()] == [(shown["id"], "loss was NaN.")]
    jobs.note_findings_told([shown["id"]])
    assert jobs.untold_findings() == []
    assert client.get(f"{JOBS}/{job['id']}").json()["findings"] == [shown], "it stays on the job"
