"""A small world for the closed loop: real database, objects, Parquet and spool; endpoints and other applications are
stand-ins that remember what they were asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest

from modelyard.control.alerts.delivery import EmailSender
from modelyard.control.alerts.repository import AlertRepository
from modelyard.control.alerts.subscriptions import EventSubscriptions
from modelyard.control.captures.compaction import Compaction
from modelyard.control.captures.ingest import CaptureIngest
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.captures.retention import CaptureRetention
from modelyard.control.captures.service import CaptureService
from modelyard.control.endpoints.errors import EndpointNotFoundError
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.feedback.labelled import LabelledReader
from modelyard.control.feedback.quality import QualityService
from modelyard.control.feedback.repository import FeedbackRepository
from modelyard.control.feedback.service import FeedbackService, NewTruth
from modelyard.control.feedback.settling import Settling
from modelyard.control.monitors.checking.counting import LabelCounter
from modelyard.control.monitors.service import MonitorService
from modelyard.control.rest.pages import PageQuery
from modelyard.control.retraining.collecting import Collector
from modelyard.control.retraining.conditions.conditions import Conditions
from modelyard.control.retraining.conditions.decay import SequentialDecay
from modelyard.control.retraining.execution import RetrainingExecution
from modelyard.control.retraining.policies import PolicyService
from modelyard.control.retraining.proof.prover import Prover
from modelyard.control.retraining.proof.sampling import RequestSampler
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.control.retraining.schemas import PolicyCreate
from modelyard.control.retraining.service import RetrainingService
from modelyard.control.retraining.tracking import RunTracking
from modelyard.dataplane.captures import SpoolLimits, SpoolWriter
from modelyard.drift.reference import build_reference
from modelyard.engines.local.engine import LocalEngine
from modelyard.errors import NotFoundError
from modelyard.kit.clock import FakeClock
from modelyard.kit.files import sha256_file
from modelyard.kit.ids import derived_id
from modelyard.runtimes.tensors import to_raw
from modelyard.server.applications.monitoring import Monitoring, assemble
from modelyard.settings import Home
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore, open_objects
from modelyard.types.compute.scheduling import Quota
from modelyard.types.datasets import DatasetFormat, DatasetSchema, DatasetVersion
from modelyard.types.endpoints import Endpoint, EndpointStatus, Rollout, RolloutPlan, RolloutStatus, Variant
from modelyard.types.jobs import DatasetRef, Job, JobEnd, JobKind, JobRecipe, JobStatus
from modelyard.types.models import (
    ArtifactFormat,
    BundleFile,
    DataReference,
    Evaluation,
    Lineage,
    Manifest,
    ModelCard,
    ModelVersion,
)
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun
from modelyard.types.processes import EndCause, Resources
from modelyard.types.signatures import DataType, Signature, TensorSpec
from modelyard.types.tensors import CaptureRecord
from modelyard.types.tuning.jobs import TuningJob
from modelyard.types.tuning.searches import Search, TuningRules

PROJECT = "default"
START = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
BETTER = {
    "old/points:1/accuracy": 0.97,
    "old/points:2/accuracy": 0.965,
    "new/points:1/accuracy": 0.60,
    "new/points:2/accuracy": 0.95,
    "new/paired/rows": 40.0,
    "new/paired/gained": 14.0,
    "new/paired/lost": 0.0,
    "old/paired/rows": 1000.0,
    "old/paired/gained": 0.0,
    "old/paired/lost": 5.0,
}
"""Result of an evaluation that favours the new version."""

SIGNATURE = Signature(
    inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("x", "y")),),
    outputs=(
        TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,)),
        TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("0", "1")),
    ),
)


class Endpoints:
    """Endpoints whose rollouts end as the test says, at the second look."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.known: dict[str, Endpoint] = {}
        self.outcome = RolloutStatus.COMPLETED
        self.updates = 0
        self.plans: list[RolloutPlan | None] = []

    def deploy(self, name: str, model: str, number: int) -> None:
        self.known[name] = Endpoint(
            project=PROJECT,
            name=name,
            status=EndpointStatus.READY,
            reason="",
            variants=(Variant(name="main", model=model, number=number),),
            created_at=self.clock.now(),
            updated_at=self.clock.now(),
            version=1,
        )

    def signature(self, project: str, version: str) -> Signature | None:
        return SIGNATURE if version.startswith("points:") else None

    def get(self, project: str, name: str) -> Endpoint:
        if project != PROJECT or name not in self.known:
            raise EndpointNotFoundError(f"There is no endpoint '{name}'")
        endpoint = self.known[name]
        if endpoint.rollout and endpoint.rollout.status is RolloutStatus.RUNNING:
            ended = replace(endpoint.rollout, status=self.outcome, reason="the test says so")
            variants = ended.to_variants if self.outcome is RolloutStatus.COMPLETED else endpoint.variants
            self.known[name] = replace(endpoint, rollout=ended, variants=variants)
        return endpoint

    def update(self, project, name, *, variants, weights, capture_share, expected_version, plan=None) -> Endpoint:
        self.updates += 1
        self.plans.append(plan)
        endpoint = self.known[name]
        assert expected_version == endpoint.version
        wanted = tuple(
            Variant(name=v.name, model=v.model.split(":")[0], number=int(v.model.split(":")[1])) for v in variants
        )
        rollout = Rollout(
            id=f"rollout-{self.updates}",
            endpoint=name,
            status=RolloutStatus.RUNNING,
            reason="",
            from_variants=endpoint.variants,
            to_variants=wanted,
            started_at=self.clock.now(),
        )
        self.known[name] = replace(endpoint, rollout=rollout, version=endpoint.version + 1)
        return self.known[name]


class Registry:
    """Datasets as files in a folder, model versions in memory."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.folder = folder
        self.clock = clock
        self.datasets: dict[tuple[str, int], DatasetVersion] = {}
        self.made: dict[str, DatasetVersion] = {}
        self.models: dict[str, ModelVersion] = {}
        self.bundles: dict[str, Path] = {}
        self.downloads = 0
        self.code_is_permitted = False
        self.aliases: dict[str, int] = {}
        self.evaluations: dict[str, Evaluation] = {}
        self.replays: dict[str, Evaluation] = {}

    def permits_code(self, project: str) -> bool:
        return self.code_is_permitted

    def dataset_version(self, project: str, dataset: str, number: int | None = None) -> DatasetVersion:
        return self.datasets[dataset, number or max(n for d, n in self.datasets if d == dataset)]

    def download_dataset(self, version: DatasetVersion, target: Path) -> None:
        copyfile(self.folder / version.digest, target)

    def create_dataset_version(
        self,
        project: str,
        dataset: str,
        content: Path,
        format: DatasetFormat,
        *,
        description: str,
        source: Mapping[str, str],
        idempotency_key: str,
    ) -> DatasetVersion:
        if idempotency_key in self.made:
            return self.made[idempotency_key]
        digest = sha256_file(content)
        copyfile(content, self.folder / digest)
        number = sum(name == dataset for name, _ in self.datasets) + 1
        version = DatasetVersion(
            project=project,
            dataset=dataset,
            number=number,
            digest=digest,
            size_bytes=content.stat().st_size,
            format=format,
            schema=DatasetSchema(rows=0, columns=()),
            description=description,
            source=dict(source),
            created_at=self.clock.now(),
            created_by="test",
        )
        self.made[idempotency_key] = self.datasets[dataset, number] = version
        return version

    def add_model(self, number: int, *, reference: bytes | None, job: str | None, data: DatasetVersion) -> ModelVersion:
        bundle = self.folder / f"bundle-{number}"
        bundle.mkdir(exist_ok=True)
        files = []
        if reference is not None:
            (bundle / "reference.json").write_bytes(reference)
            digest = sha256_file(bundle / "reference.json")
            files = [BundleFile(path="reference.json", digest=digest, size_bytes=len(reference))]
        version = ModelVersion(
            project=PROJECT,
            model="points",
            number=number,
            digest=f"digest-{number}",
            size_bytes=1,
            manifest=Manifest(
                artifact="model.onnx",
                artifact_format=ArtifactFormat.ONNX,
                signature=SIGNATURE,
                card=ModelCard(task="tabular-classification"),
            ),
            files=tuple(files),
            lineage=Lineage(
                job=job,
                datasets=(
                    DataReference(project=PROJECT, dataset=data.dataset, number=data.number, digest=data.digest),
                ),
            ),
            created_at=self.clock.now(),
        )
        self.models[version.ref] = version
        self.bundles[version.ref] = bundle
        return version

    def quota(self, project: str) -> Quota:
        return Quota()

    def model_version(self, project: str, ref: str) -> ModelVersion:
        if ref not in self.models:
            raise NotFoundError(f"There is no model version '{ref}'")
        return self.models[ref]

    def download_model(self, version: ModelVersion, target: Path) -> None:
        self.downloads += 1
        for file in version.files:
            copyfile(self.bundles[version.ref] / file.path, target / file.path)

    def set_alias(self, project: str, model: str, alias: str, number: int) -> None:
        self.aliases[alias] = number

    def record_evaluation(self, project: str, model: str, number: int, evaluation: Evaluation) -> None:
        kept = self.replays if evaluation.name == "replay" else self.evaluations
        kept[f"{model}:{number}"] = evaluation


class Jobs:
    """Jobs that end at the second look, as the test says."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.known: dict[str, Job] = {}
        self.training_result: dict[str, str | float] = {"model_version": "points:2"}
        self.judgement: dict[str, str | float] = {}
        self.replay: dict[str, str | float] = {"requests": 60.0, "rows": 60.0, "changed/share": 0.1}
        self.failure = ""
        self.searches: dict[str, tuple[JobRecipe, str, TuningRules]] = {}

    def favour_new(self) -> None:
        """The evaluation finds the new version better on new rows and no worse on old ones."""
        self.judgement = dict(BETTER)

    def add(self, job_id: str, recipe: JobRecipe, kind: JobKind, model: str | None = None) -> Job:
        return self.known.setdefault(
            job_id,
            Job(
                project=PROJECT,
                id=job_id,
                kind=kind,
                status=JobStatus.PENDING,
                recipe=recipe,
                resources=Resources(),
                model=model,
                attempt=1,
                sandbox=None,
                created_at=self.clock.now(),
            ),
        )

    def create_training_job(self, project: str, recipe: JobRecipe, model: str, *, idempotency_key: str) -> Job:
        return self.add(derived_id("job", idempotency_key), recipe, JobKind.TRAINING, model)

    def create_tuning_job(
        self, project: str, recipe: JobRecipe, model: str, rules: TuningRules, *, idempotency_key: str
    ) -> TuningJob:
        self.searches[idempotency_key] = recipe, model, rules
        return self.tuning_job(project, idempotency_key)

    def tuning_job(self, project: str, tuning_id: str) -> TuningJob:
        """It has ended when it is looked at; the best is trained as "depth" 3."""
        recipe, model, rules = self.searches[tuning_id]
        result = {}
        if not self.failure:
            chosen = {**recipe.hyperparameters, **dict.fromkeys(rules.space, 3)}
            job = self.add(
                derived_id("job", tuning_id), replace(recipe, hyperparameters=chosen), JobKind.TRAINING, model
            )
            result = {"job": job.id}
        search = Search(
            recipe=recipe,
            model=model,
            objectives=(),
            space=rules.space,
            strategy=rules.strategy,
            max_trials=rules.max_trials,
            parallel_trials=rules.parallel_trials,
        )
        return TuningJob(
            project=project,
            id=tuning_id,
            status=JobStatus.FAILED if self.failure else JobStatus.COMPLETED,
            search=search,
            created_at=self.clock.now(),
            created_by="",
            result=result,
            seconds=12.0,
            message=self.failure,
        )

    def create_evaluation_job(self, project: str, recipe: JobRecipe, *, idempotency_key: str) -> Job:
        return self.add(derived_id("job", idempotency_key), recipe, JobKind.EVALUATION)

    def create_replay_job(self, project: str, recipe: JobRecipe, *, idempotency_key: str) -> Job:
        return self.add(derived_id("job", idempotency_key), recipe, JobKind.REPLAY)

    def job(self, project: str, job_id: str) -> Job:
        job = self.known[job_id]
        if job.status is JobStatus.PENDING:
            if self.failure:
                end = JobEnd(cause=EndCause.OUT_OF_MEMORY, message=self.failure)
                self.known[job_id] = replace(job, status=JobStatus.FAILED, end=end)
            else:
                results = {JobKind.TRAINING: self.training_result, JobKind.REPLAY: self.replay}
                result = results.get(job.kind, self.judgement)
                self.known[job_id] = replace(job, status=JobStatus.COMPLETED, result=result)
        return job


@dataclass
class World:
    database: Database
    objects: ObjectStore
    spool: Path
    clock: FakeClock
    endpoints: Endpoints
    registry: Registry
    jobs: Jobs
    capture_repository: CaptureRepository
    ingest: CaptureIngest
    captures: CaptureService
    compaction: Compaction
    retention: CaptureRetention
    settling: Settling
    rules: dict[tuple[str, str], timedelta]
    feedback: FeedbackService
    labelled: LabelledReader
    quality: QualityService
    events: EventService
    monitors: MonitorService
    monitoring: Monitoring
    policies: PolicyService
    retraining: RetrainingService
    execution: RetrainingExecution
    sent: int = 0
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def records(
        self, requests: int, *, rows: int = 1, number: int = 1, shift: float = 0.0, endpoint: str = "points"
    ) -> list[CaptureRecord]:
        """Requests one second apart; the right answer is 1 where x > 0, and the model gives it."""
        made = []
        for _ in range(requests):
            values = self.generator.normal(shift, 1, size=(rows, 2)).astype(np.float32)
            label = (values[:, 0] > 0).astype(np.int64)
            probabilities = np.tile(np.array([[0.9, 0.1]], dtype=np.float32), (rows, 1))
            self.sent += 1
            self.clock.sleep(1)
            made.append(
                CaptureRecord(
                    id=f"inf-{self.sent:06d}",
                    at_ns=int(self.clock.now().timestamp() * 1e6) * 1000,
                    project=PROJECT,
                    endpoint=endpoint,
                    variant="main",
                    model="points",
                    number=number,
                    rows=rows,
                    latency_us=1500,
                    queue_us=200,
                    principal="token-1",
                    inputs=(to_raw("numeric", values),),
                    outputs=(to_raw("label", label), to_raw("probabilities", probabilities)),
                )
            )
        return made

    def write(self, records: Sequence[CaptureRecord]) -> None:
        """A closed segment in the spool."""
        writer = SpoolWriter(self.spool, SpoolLimits(segment_seconds=60))
        for record in records:
            writer.append(record)
        writer.close()

    def traffic(self, requests: int, **how) -> list[CaptureRecord]:
        """Requests, captured and taken over."""
        records = self.records(requests, **how)
        self.write(records)
        self.ingest.run_once()
        return records

    def label(self, records: Sequence[CaptureRecord], *, is_right: bool = True) -> None:
        """The truth: what the model answered, or the other class."""
        items = []
        for record in records:
            answers = np.frombuffer(record.outputs[0].data, dtype=np.int64).tolist()
            items.append(NewTruth(record.id, [a if is_right else 1 - a for a in answers]))
        self.feedback.record(PROJECT, "points", items)

    def policy(self, **changes) -> RetrainingPolicy:
        """The policy "again"."""
        body = {"name": "again", "endpoint": "points", "minimum_new_labels": 20, "cooldown_seconds": 100}
        return self.policies.create(PROJECT, PolicyCreate(**body | changes), None)

    def start(self) -> RetrainingRun:
        """A run of it."""
        return self.retraining.start(PROJECT, "again", "Started by a test.")

    def carry(self, run_id: str) -> RetrainingRun:
        """What the workflow does, without DBOS."""
        for step in ("collect", "train", "judge", "roll_out"):
            if not getattr(self.execution, step)(run_id):
                break
        self.execution.settle(run_id)
        return self.run(run_id)

    def run(self, run_id: str) -> RetrainingRun:
        """A run as it is recorded."""
        return next(run for run in self.policies.runs(PROJECT, "again", PageQuery()).items if run.id == run_id)

    def event_kinds(self) -> list[str]:
        return [event.kind for event in self.events.list(PROJECT, None, PageQuery(), is_oldest_first=True).items]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def world(database: Database, tmp_path: Path, clock: FakeClock) -> World:
    folders = {name: tmp_path / name for name in ("spool", "datasets", "cache", "temporary")}
    for folder in folders.values():
        folder.mkdir()
    endpoints, registry, jobs = Endpoints(clock), Registry(folders["datasets"], clock), Jobs(clock)
    objects, creations = open_objects("memory://"), Creations()
    events = EventService(database, EventRepository(), clock, EventSubscriptions(AlertRepository(), clock).forward)
    feedback = FeedbackService(database, FeedbackRepository(), endpoints, clock)
    repository = CaptureRepository()
    captures = CaptureService(database, repository, objects, feedback)
    rules: dict[tuple[str, str], timedelta] = {}
    labelled = LabelledReader(captures, feedback)
    engine = LocalEngine(Home(tmp_path / "home"))
    monitoring = assemble(
        database=database,
        creations=creations,
        endpoints=endpoints,
        registry=registry,
        engine=engine,
        captures=captures,
        feedback=feedback,
        labelled=labelled,
        events=events,
        references=folders["cache"],
        workplace=tmp_path / "detectors",
        mail=EmailSender(url="", sender="modelyard@example.org"),
        clock=clock,
    )
    monitors = monitoring.service
    runs = RetrainingRepository()
    policies = PolicyService(database, runs, creations, endpoints, monitors, events, clock)
    collector = Collector(registry, jobs, labelled, feedback, folders["temporary"])
    quality = QualityService(labelled, endpoints, clock)
    decay = SequentialDecay(database, runs, registry, LabelCounter(labelled, feedback, clock))
    conditions = Conditions(database, runs, monitors, endpoints, feedback, collector, decay, clock)
    retraining = RetrainingService(database, runs, creations, policies, conditions, endpoints, collector, events, clock)
    tracking = RunTracking(database, runs, events, clock)
    prover = Prover(registry, jobs, RequestSampler(captures, registry, folders["temporary"]), clock)
    execution = RetrainingExecution(tracking, policies, collector, prover, feedback, registry, jobs, endpoints, clock)
    world = World(
        database=database,
        objects=objects,
        spool=folders["spool"],
        clock=clock,
        endpoints=endpoints,
        registry=registry,
        jobs=jobs,
        capture_repository=repository,
        ingest=CaptureIngest(database, repository, objects, folders["spool"], clock),
        captures=captures,
        compaction=Compaction(database, repository, objects, clock),
        retention=CaptureRetention(database, repository, objects, feedback, lambda: rules, timedelta(days=90), clock),
        settling=Settling(database, FeedbackRepository(), captures, events, timedelta(hours=24), clock),
        rules=rules,
        feedback=feedback,
        labelled=labelled,
        quality=quality,
        events=events,
        monitors=monitors,
        monitoring=monitoring,
        policies=policies,
        retraining=retraining,
        execution=execution,
    )
    _populate(world, tmp_path)
    return world


def _populate(world: World, folder: Path) -> None:
    """Dataset points:1, model points:1 trained on it, endpoint "points" that serves it."""
    generator = np.random.default_rng(42)
    values = generator.normal(size=(1000, 2)).astype(np.float32)
    labels = (values[:, 0] > 0).astype(np.int64)
    content = folder / "points.csv"
    lines = [f"{x},{y},{label}" for (x, y), label in zip(values.tolist(), labels.tolist(), strict=True)]
    content.write_text("x,y,kind\n" + "\n".join(lines) + "\n")
    data = world.registry.create_dataset_version(
        PROJECT, "points", content, DatasetFormat.CSV, description="", source={}, idempotency_key="first"
    )
    recipe = JobRecipe(
        algorithm="linear", channels={"train": DatasetRef(dataset="points", number=1)}, target="kind", seed=7
    )
    world.jobs.add("job-1", recipe, JobKind.TRAINING, "points")
    probabilities = np.tile(np.array([[0.9, 0.1]], dtype=np.float32), (1000, 1))
    reference = build_reference(SIGNATURE, {"numeric": values}, {"label": labels, "probabilities": probabilities})
    world.registry.add_model(1, reference=reference.to_json(), job="job-1", data=data)
    world.registry.add_model(2, reference=reference.to_json(), job="job-2", data=data)
    world.endpoints.deploy("points", "points", 1)


@pytest.fixture
def later(clock: FakeClock) -> Callable[[float], None]:
    """Let seconds pass."""
    return lambda seconds: clock.sleep(timedelta(seconds=seconds).total_seconds())
