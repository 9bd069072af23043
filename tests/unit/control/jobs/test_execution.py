"""The life of a job, with an engine and a registry that do what the test says."""

import io
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelyard.algorithms.jobfile import JobFault, JobFile, JobResult
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.jobs.automl.work import AutoMLWork
from modelyard.control.jobs.batch.service import BatchJobService
from modelyard.control.jobs.batch.work import BatchWork
from modelyard.control.jobs.contract.assembly import assemble as assemble_contracts
from modelyard.control.jobs.contract.service import ContractJobService
from modelyard.control.jobs.debugging.errors import RuleInvalidError
from modelyard.control.jobs.debugging.service import FindingService
from modelyard.control.jobs.errors import JobInvalidError
from modelyard.control.jobs.execution import MAX_ATTEMPTS, JobExecution
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.kinds.catalog import Kinds
from modelyard.control.jobs.output import JobOutput, parse_metrics, without_metrics
from modelyard.control.jobs.profiling.errors import ProfileNotFoundError
from modelyard.control.jobs.profiling.keeping import KeptSamples
from modelyard.control.jobs.profiling.service import ProfileService
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.scripts.assembly import assemble as assemble_scripts
from modelyard.control.jobs.service import JobService
from modelyard.control.references.fetching import Fetcher
from modelyard.control.references.service import ReferenceService
from modelyard.control.rest.pages import PageQuery
from modelyard.control.scheduling.assembly import assemble
from modelyard.engines.base import NoSuchNodeError, ProcessNotFoundError
from modelyard.engines.machines import this_machine
from modelyard.errors import InvalidStateError
from modelyard.kit.clock import SystemClock
from modelyard.runtimes.bundle import write_manifest
from modelyard.settings import Home
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.objects import open_objects
from modelyard.testing.aws.contract_jobs import FolderBuckets
from modelyard.types.batch.recipes import BatchRecipe
from modelyard.types.compute.scheduling import EntryState, HostCapacity, Placement, Quota
from modelyard.types.contract.recipes import ContractRecipe
from modelyard.types.datasets import Column, ColumnKind, DatasetFormat, DatasetSchema, DatasetVersion
from modelyard.types.debugging.profiles import ProcessSample
from modelyard.types.debugging.rules import RuleAction, RuleChoice
from modelyard.types.jobs import DatasetRef, JobKind, JobRecipe, JobStatus
from modelyard.types.models import ArtifactFormat, Lineage, Manifest, ModelCard
from modelyard.types.processes import (
    EndCause,
    LogChunk,
    ProcessEnd,
    ProcessState,
    ProcessStatus,
    Resources,
    SandboxLevel,
)
from modelyard.types.scripting.recipes import ScriptRecipe
from modelyard.types.signatures import DataType, Signature, TensorSpec

ANYWHERE = Placement()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBER = TensorSpec(name="x", datatype=DataType.FP32, shape=(-1,))
MANIFEST = Manifest(
    artifact="model.onnx",
    artifact_format=ArtifactFormat.ONNX,
    signature=Signature(inputs=(NUMBER,), outputs=(replace(NUMBER, name="prediction"),)),
    card=ModelCard(task="other"),
)
KILLED = ProcessEnd(cause=EndCause.SIGNAL, message="It was ended by signal 9 (SIGKILL).", signal=9)
RECIPE = JobRecipe(algorithm="image-classification", channels={"train": DatasetRef(dataset="digits")})


class ScriptedEngine:
    """Processes end at once, in the way that `ends` says, one after the other."""

    def __init__(self) -> None:
        self.specs: dict[str, object] = {}
        self.ends: list[ProcessEnd] = []
        self.states: dict[str, ProcessState] = {}
        self.log = ""
        self.measured: list[ProcessSample] = []
        self.on_submit = lambda _folder: None
        self.machines = [this_machine()]

    def nodes(self):
        return self.machines

    def knows(self, process_id):
        return process_id in self.states

    def submit(self, process_id, spec):
        if process_id in self.specs:
            return
        if spec.node not in [node.name for node in self.machines]:
            raise NoSuchNodeError(f"there is no node '{spec.node}'")
        self.specs[process_id] = spec
        self.on_submit(Path(spec.work_directory))
        end = self.ends.pop(0) if self.ends else None
        self.states[process_id] = ProcessState(
            id=process_id,
            status=ProcessStatus.ENDED if end else ProcessStatus.RUNNING,
            sandbox=SandboxLevel.BUBBLEWRAP,
            labels=spec.labels,
            started_at=NOW,
            end=end,
        )

    def state(self, process_id):
        if process_id not in self.states:
            raise ProcessNotFoundError(process_id)
        return self.states[process_id]

    def wait(self, process_id, timeout_seconds):
        return self.state(process_id)

    def list(self, labels=None):
        return list(self.states.values())

    def sandbox_level(self):
        return SandboxLevel.BUBBLEWRAP

    def logs(self, process_id, offset=0, limit=1 << 20):
        self.state(process_id)
        return LogChunk(text=self.log[offset:], next_offset=len(self.log))

    def samples(self, process_id):
        self.state(process_id)
        return self.measured

    def stop(self, process_id, *, grace_seconds=5.0, is_preemption=False):
        cause = EndCause.PREEMPTED if is_preemption else EndCause.STOPPED
        end = ProcessEnd(cause=cause, message="It was stopped.", signal=15)
        self.states[process_id] = ProcessState(id=process_id, status=ProcessStatus.ENDED, end=end)

    def remove(self, process_id):
        self.states.pop(process_id, None)


class StubRegistry:
    """One dataset with three versions, and a model that takes whatever it is given."""

    def __init__(self) -> None:
        self.registered: list[tuple[str, Lineage, str]] = []
        self.made: list[tuple[str, bytes, dict[str, str]]] = []
        self.format = DatasetFormat.NPZ
        self.columns = ("x", "id")

    def permits_code(self, project):
        return True

    def dataset_version(self, project, dataset, number=None):
        return DatasetVersion(
            project=project,
            dataset=dataset,
            number=number or 3,
            digest="d" * 64,
            size_bytes=4,
            format=self.format,
            schema=DatasetSchema(
                rows=1, columns=tuple(Column(name=name, kind=ColumnKind.NUMBER) for name in self.columns)
            ),
            description="",
            created_at=NOW,
            created_by="test",
        )

    def download_dataset(self, version, target):
        target.write_bytes(b"data")

    def model_version(self, project, ref):
        return SimpleNamespace(ref=f"{ref.partition(':')[0]}:7", digest="m" * 64, manifest=MANIFEST)

    def download_model(self, version, folder):
        folder.mkdir()
        write_manifest(folder, MANIFEST)

    def create_dataset_version(self, project, dataset, content, format, *, description, source, idempotency_key):
        self.made.append((dataset, content.read_bytes(), dict(source)))
        return SimpleNamespace(dataset=dataset, number=1)

    def create_dataset_versions(self, project, drafts):
        self.made += [(draft.dataset, draft.content.read_bytes(), dict(draft.source)) for draft in drafts]
        return [SimpleNamespace(dataset=draft.dataset, number=1) for draft in drafts]

    def register_model(self, project, model, bundle, lineage, *, idempotency_key):
        self.registered.append((model, lineage, idempotency_key))

        class Version:
            ref = f"{model}:1"

        return Version()


class Bench:
    """A service and an execution on the same database, joined as the workflow joins them."""

    def __init__(self, database, tmp_path: Path) -> None:
        self.database = database
        self.engine, self.registry = ScriptedEngine(), StubRegistry()
        self.home = Home(tmp_path / "home")
        self.home.create()
        self.enqueued: list[str] = []
        output = JobOutput(self.engine, open_objects("memory://"))
        shared = {
            "database": database,
            "repository": JobRepository(),
            "engine": self.engine,
            "output": output,
            "clock": SystemClock(),
        }
        self.scheduling = assemble(
            database=database,
            clock=SystemClock(),
            machines=lambda: [HostCapacity(name="local", cpus=4, memory_bytes=8 << 30, gpus=0, jobs=2)],
            quota=lambda _project: Quota(),
            carry=self.enqueued.append,
        )
        shared["scheduling"] = self.scheduling.service
        self.service = JobService(creations=Creations(), registry=self.registry, **shared)
        inputs = JobInputs(self.registry, self.home)
        references = ReferenceService(self.registry, open_objects("memory://"), Fetcher([], 1), 1000)
        environments = EnvironmentBuilder(self.engine, self.home.environments)
        batches = BatchWork(self.registry, inputs, references, environments, self.engine, self.home)
        scripts = assemble_scripts(
            registry=self.registry,
            inputs=inputs,
            references=references,
            environments=environments,
            engine=self.engine,
            objects=open_objects("memory://"),
            home=self.home,
            is_shared=False,
        )
        self.snapshots = scripts.snapshots
        contracts = assemble_contracts(
            registry=self.registry,
            environments=environments,
            engine=self.engine,
            objects=open_objects("memory://"),
            home=self.home,
            is_shared=False,
        )
        self.buckets = contracts.buckets
        samples = KeptSamples(self.engine, open_objects("memory://"))
        self.profiles = ProfileService(self.service, database, JobRepository(), samples)
        kinds = Kinds(
            registry=self.registry,
            inputs=inputs,
            batches=batches,
            scripts=scripts.work,
            contracts=contracts.work,
            automl=AutoMLWork(database, shared["repository"], scripts.checkpoints, Path),
            checkpoints=scripts.checkpoints,
        )
        self.execution = JobExecution(kinds=kinds, inputs=inputs, home=self.home, samples=samples, **shared)
        self.batches = BatchJobService(self.service, self.registry, references)

    def queues_for_one(self) -> None:
        machine = HostCapacity(name="local", cpus=1, memory_bytes=8 << 30, gpus=0, jobs=1)
        self.scheduling.queues.set_host(machine)

    def submit(self, recipe=RECIPE, creation=None, placement=ANYWHERE):
        return self.service.create_training(
            "default", recipe, "digits", Resources(), created_by="ann", creation=creation, placement=placement
        )

    def submit_batch(self):
        self.registry.format = DatasetFormat.PARQUET
        wanted = BatchRecipe(output="scored", keep=("id",))
        return self.batches.create("default", "model", "rows:2", wanted, Resources(), created_by="ann")

    def admit(self, job_id: str) -> str:
        self.scheduling.scheduler.round()
        return self.ticket(job_id)

    def ticket(self, job_id: str) -> str:
        return next(each for each in reversed(self.enqueued) if each.startswith(job_id))

    def start(self, job_id: str) -> bool:
        return self.execution.start(self.admit(job_id))

    def carry(self, job_id: str):
        ticket = self.admit(job_id)
        while self.execution.start(ticket):
            self.execution.follow(ticket)
            if not self.execution.settle(ticket):
                break
        self.execution.clean(ticket)
        return self.service.get("default", job_id)


@pytest.fixture
def bench(database, tmp_path):
    return Bench(database, tmp_path)


def exited(code: int) -> ProcessEnd:
    return ProcessEnd(
        cause=EndCause.EXIT, message=f"It exited with code {code}.", exit_code=code, log_tail="last words"
    )


def succeed(folder: Path) -> None:
    JobResult(figures={"accuracy": 0.98}).write(folder / "result.json")


def test_a_job_that_ends_well_registers_its_model_and_keeps_its_log(bench):
    bench.engine.ends, bench.engine.on_submit = [exited(0)], succeed
    bench.engine.log = 'hello\nmetric {"name": "loss", "value": 0.5, "step": 1}\nbye\n'
    job = bench.carry(bench.submit().id)
    assert job.status is JobStatus.COMPLETED
    assert job.result == {"accuracy": 0.98, "model_version": "digits:1"}
    assert job.metrics == {"loss": 0.5}
    assert bench.registry.registered[0][1].datasets[0].number == 3
    assert bench.service.logs("default", job.id, 0)[0].text == bench.engine.log
    assert bench.engine.states == {}, "the process was forgotten"
    assert not (bench.home.run / "jobs" / f"{job.id}-1").exists()


def test_the_job_file_pins_the_newest_dataset_version_and_fills_in_defaults(bench):
    bench.engine.ends = [exited(1)]
    files = []
    bench.engine.on_submit = lambda folder: files.append(JobFile.read(folder / "job.json"))
    bench.carry(bench.submit().id)
    assert files[0].recipe.channels["train"].number == 3
    assert files[0].recipe.hyperparameters["epochs"]
    assert files[0].channels["train"].path.read_bytes() == b"data"


def test_a_job_that_says_what_is_wrong_is_failed_with_that_sentence(bench):
    bench.engine.ends = [exited(2)]
    fault = JobFault(code="target_constant", message="The target has one value", hint="Choose another column.")
    bench.engine.on_submit = lambda folder: JobResult(error=fault).write(folder / "result.json")
    job = bench.carry(bench.submit().id)
    assert (job.status, job.end.cause, job.end.exit_code) == (JobStatus.FAILED, EndCause.EXIT, 2)
    assert job.end.message == "The target has one value. Choose another column."
    assert job.end.log_tail == "last words"


def test_a_lost_process_is_tried_again_and_the_next_attempt_counts(bench):
    lost = ProcessEnd(cause=EndCause.LOST, message="gone")
    bench.engine.ends, bench.engine.on_submit = [lost, lost, exited(0)], succeed
    bench.engine.log = 'metric {"name": "loss", "value": 0.5, "step": 1}\n'
    job = bench.carry(bench.submit().id)
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 3)
    points = bench.service.metrics("default", job.id, PageQuery()).items
    assert [point.step for point in points] == [1], "the values of the lost attempts are gone"


def test_a_job_whose_process_is_lost_every_time_is_failed_in_the_end(bench):
    bench.engine.ends = [ProcessEnd(cause=EndCause.LOST, message="gone")] * MAX_ATTEMPTS
    job = bench.carry(bench.submit().id)
    assert (job.status, job.attempt, job.end.cause) == (JobStatus.FAILED, MAX_ATTEMPTS, EndCause.LOST)


def test_a_job_whose_machine_was_lost_with_it_waits_with_its_place_for_another(bench):
    bench.engine.ends = [ProcessEnd(cause=EndCause.LOST, message="gone")]
    bench.engine.on_submit = lambda _folder: setattr(bench.engine, "machines", [])
    job = bench.carry(bench.submit().id)
    entry = bench.scheduling.service.entry(job.id)
    assert (job.status, job.attempt) == (JobStatus.PENDING, 2)
    assert (entry.state, entry.host, entry.preemptions) == (EntryState.WAITING, None, 0)
    bench.engine.on_submit, bench.engine.machines, bench.engine.ends = succeed, [this_machine()], [exited(0)]
    assert bench.carry(job.id).status is JobStatus.COMPLETED
    assert bench.engine.specs[f"{job.id}-2"].node == "local"


def test_a_machine_that_is_gone_before_the_job_began_there_costs_no_attempt(bench):
    job = bench.submit()
    ticket = bench.admit(job.id)
    bench.engine.machines = []
    assert bench.execution.start(ticket) is False
    bench.engine.machines, bench.engine.ends, bench.engine.on_submit = [this_machine()], [exited(0)], succeed
    done = bench.carry(job.id)
    assert (done.status, done.attempt) == (JobStatus.COMPLETED, 1)


def test_out_of_memory_is_not_tried_again(bench):
    bench.engine.ends = [ProcessEnd(cause=EndCause.OUT_OF_MEMORY, message="It needed more than 1 GiB.")]
    job = bench.carry(bench.submit().id)
    assert (job.status, job.attempt, job.end.cause) == (JobStatus.FAILED, 1, EndCause.OUT_OF_MEMORY)


def test_a_stop_before_the_start_leaves_no_process(bench):
    job = bench.submit()
    bench.service.stop("default", job.id)
    assert bench.carry(job.id).status is JobStatus.STOPPED
    assert bench.engine.specs == {}


def test_a_running_job_is_stopped_and_cannot_be_stopped_again(bench):
    job = bench.submit()
    bench.start(job.id)
    bench.service.stop("default", job.id)
    assert bench.carry(job.id).status is JobStatus.STOPPED
    with pytest.raises(InvalidStateError, match="has ended"):
        bench.service.stop("default", job.id)


def test_a_record_never_says_running_without_a_process(bench):
    job = bench.submit()
    bench.start(job.id)
    bench.engine.ends = []
    bench.service.stop("default", job.id)
    bench.execution.follow(bench.ticket(job.id))
    bench.engine.states.clear()
    assert bench.service.get("default", job.id).status is not JobStatus.RUNNING


def test_every_step_may_be_repeated_after_a_crash(bench):
    bench.engine.ends, bench.engine.on_submit = [exited(0)], succeed
    bench.engine.log = 'metric {"name": "loss", "value": 0.5, "step": 1}\n'
    job = bench.submit()
    ticket = bench.admit(job.id)
    for step in (bench.execution.start, bench.execution.follow, bench.execution.settle, bench.execution.clean):
        step(ticket)
        step(ticket)
    points = bench.service.metrics("default", job.id, PageQuery())
    assert [point.value for point in points.items] == [0.5]
    assert bench.service.get("default", job.id).status is JobStatus.COMPLETED


def test_the_same_idempotency_key_makes_one_job(bench):
    creation = Creation("key", "request")
    assert bench.submit(creation=creation).id == bench.submit(creation=creation).id


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (JobRecipe(algorithm="image-classification"), "no 'train' channel"),
        (JobRecipe(algorithm="boosted-trees-classification", channels=RECIPE.channels), "column to predict"),
    ],
)
def test_a_recipe_that_cannot_run_is_refused_at_once(bench, recipe, words):
    with pytest.raises(JobInvalidError, match=words):
        bench.submit(recipe)


def test_a_spot_job_makes_room_waits_again_and_is_carried_to_its_end_under_another_ticket(bench):
    bench.queues_for_one()
    spot = bench.submit(placement=Placement(is_spot=True))
    first = bench.admit(spot.id)
    assert bench.execution.start(first)
    urgent = bench.submit()
    bench.scheduling.scheduler.round()
    assert bench.scheduling.service.entry(spot.id).state is EntryState.LEAVING
    bench.execution.follow(first)
    assert not bench.execution.settle(first), "its workflow ends"
    bench.execution.clean(first)
    waiting = bench.service.get("default", spot.id)
    assert (waiting.status, waiting.attempt, waiting.schedule.preemptions) == (JobStatus.PENDING, 2, 1)
    assert bench.execution.settle(first) is False, "what is repeated after a kill changes nothing"
    assert bench.service.get("default", spot.id) == waiting
    bench.engine.ends, bench.engine.on_submit = [exited(0), exited(0)], succeed
    assert bench.carry(urgent.id).status is JobStatus.COMPLETED
    assert bench.execution.start(first) is False, "an old ticket starts nothing"
    done = bench.carry(spot.id)
    assert (done.status, done.attempt, bench.ticket(spot.id)) == (JobStatus.COMPLETED, 2, f"{spot.id}/2")


def test_an_interrupted_training_job_of_the_contract_goes_on_from_its_checkpoints_and_tells_its_phases(bench, tmp_path):
    bench.queues_for_one()
    bench.buckets.join(FolderBuckets(tmp_path / "buckets"))
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1"
    recipe = ContractRecipe(
        name="spot", output_uri="s3://data/out", image=image, entry_point=("train",), checkpoint_uri="s3://data/steps"
    )
    contracts = ContractJobService(bench.service, bench.registry, bench.engine)
    job = contracts.create("default", recipe, Resources(), created_by="ann", placement=Placement(is_spot=True))
    first = bench.admit(job.id)
    assert bench.execution.start(first)
    step = bench.home.run / "checkpoints" / job.id / "step"
    step.write_text("3")
    urgent = bench.submit()
    bench.scheduling.scheduler.round()
    bench.execution.follow(first)
    assert not bench.execution.settle(first)
    bench.execution.clean(first)
    bucket = bench.buckets.open("default", "data")
    assert bucket.read("steps/step") == b"3"
    bench.engine.ends, bench.engine.on_submit = [exited(0), exited(0)], succeed
    assert bench.carry(urgent.id).status is JobStatus.COMPLETED
    assert step.read_text() == "3", "it is there for the next attempt"
    done = bench.carry(job.id)
    assert (done.status, done.attempt) == (JobStatus.COMPLETED, 2)
    assert done.result == {"model_artifacts": "s3://data/out/spot/output/model.tar.gz"}
    names = [phase.name.value for phase in done.phases]
    assert names == ["Downloading", "Training", "Interrupted", "Downloading", "Uploading"]
    assert not step.exists(), "the job has ended"


def test_a_job_that_could_not_start_in_time_ends_with_that_reason(bench):
    bench.queues_for_one()
    bench.start(bench.submit().id)
    late = bench.submit(placement=Placement(start_before=SystemClock().now() + timedelta(seconds=0.2)))
    bench.scheduling.scheduler.round()
    assert bench.service.get("default", late.id).schedule.reason == "it waits for capacity"
    time.sleep(0.25)
    job = bench.carry(late.id)
    assert (job.status, job.end.cause, job.schedule) == (JobStatus.FAILED, EndCause.EXPIRED, None)
    assert job.end.message == "It did not run: there was no capacity for it by the time it had to start."


def test_a_job_that_waits_is_stopped_without_having_run(bench):
    bench.queues_for_one()
    bench.start(bench.submit().id)
    waiting = bench.submit()
    bench.scheduling.scheduler.round()
    bench.service.stop("default", waiting.id)
    assert bench.carry(waiting.id).end.message == "It was stopped before it ran."


def test_how_long_such_jobs_took_tells_when_the_next_one_will_start(bench):
    for seconds in (10, 20, 90):
        job = bench.submit()
        ended = replace(
            job, status=JobStatus.COMPLETED, started_at=NOW, ended_at=NOW + timedelta(seconds=seconds), schedule=None
        )
        with bench.database.transaction() as connection:
            JobRepository().save(connection, ended)
    assert bench.scheduling.service.entry(bench.submit().id).expected_seconds == 20


def test_a_process_of_an_ended_job_is_reaped(bench):
    job = bench.submit()
    bench.start(job.id)
    bench.service.reap()
    assert bench.engine.states, "the job has not ended"
    bench.service.stop("default", job.id)
    bench.carry(job.id)
    bench.engine.states["stray"] = ProcessState(id="stray", status=ProcessStatus.RUNNING, labels={"job": "job-unknown"})
    bench.service.reap()
    assert bench.engine.states == {}


def test_a_batch_job_that_was_killed_keeps_its_shards_and_its_answers_become_a_dataset(bench):
    bench.engine.ends = [KILLED, exited(0)]
    told = {"rows": 4, "total_rows": 8, "failed_rows": 1, "rows_per_second": 2, "expected_end": 9}
    bench.engine.log = "".join(f'metric {{"name": "{name}", "value": {value}}}\n' for name, value in told.items())
    seen = []

    def work(folder: Path) -> None:
        batch = JobFile.read(folder / "job.json").batch
        seen.append(sorted(path.name for path in batch.shards.iterdir()))
        (batch.shards / "finished").touch()
        (folder / "output" / "predictions.parquet").write_bytes(b"answers")
        succeed(folder)

    bench.engine.on_submit = work
    job = bench.carry(bench.submit_batch().id)
    assert (job.status, job.attempt, job.result["dataset"]) == (JobStatus.COMPLETED, 2, "scored:1")
    assert seen == [[], ["finished"]]
    lineage = {"model": "model:7", "model_digest": "m" * 64, "input": "rows:2", "input_digest": "d" * 64}
    assert bench.registry.made == [("scored", b"answers", {"job": job.id, **lineage})]
    assert not list((bench.home.run / "batches").iterdir())
    progress = job.progress
    assert (progress.rows, progress.total_rows, progress.failed_rows, progress.expected_end) == (4, 8, 1, None)


def test_other_jobs_that_were_killed_are_not_tried_again(bench):
    bench.engine.ends, bench.registry.format = [KILLED], DatasetFormat.CSV
    job = bench.carry(bench.submit(replace(RECIPE, algorithm="linear-regression", target="x")).id)
    assert (job.status, job.attempt, job.end.cause) == (JobStatus.FAILED, 1, EndCause.SIGNAL)


def test_a_training_that_was_killed_goes_on_from_its_checkpoint_and_says_no_step_twice(bench):
    bench.engine.ends = [KILLED, exited(0)]
    seen = []

    def work(folder: Path) -> None:
        kept = JobFile.read(folder / "job.json").checkpoints
        seen.append([path.name for path in kept.iterdir()])
        (kept / "epoch-2").touch()
        steps = (1, 2, 3) if len(seen) == 1 else (3, 4)  # the checkpoint is of step 2
        lines = [f'metric {{"name": "loss", "value": {len(seen)}, "step": {step}}}\n' for step in steps]
        bench.engine.log = "".join(lines)
        succeed(folder)

    bench.engine.on_submit = work
    job = bench.carry(bench.submit().id)
    assert (job.status, job.attempt, seen) == (JobStatus.COMPLETED, 2, [[], ["epoch-2"]])
    points = bench.service.metrics("default", job.id, PageQuery()).items
    assert [(point.step, point.value) for point in points] == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]
    assert not list((bench.home.run / "checkpoints").iterdir())


def test_a_program_that_leaves_a_link_instead_of_its_answers_gets_nothing_of_others(bench, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"of another project")
    bench.engine.ends = [exited(0)]

    def cheat(folder: Path) -> None:
        (folder / "output" / "predictions.parquet").symlink_to(secret)
        succeed(folder)

    bench.engine.on_submit = cheat
    job = bench.carry(bench.submit_batch().id)
    assert job.status is JobStatus.FAILED
    assert "points outside its folder" in job.end.message
    assert bench.registry.made == []


def test_lines_that_only_look_like_metrics_are_left_alone():
    text = (
        'metric nonsense\nmetric {"name": "a"}\n metric {"name": "b", "value": 1}\nmetric {"name": "c", "value": 2}\n'
    )
    assert [(point.name, point.value) for point in parse_metrics(text, NOW)] == [("c", 2.0)]


def test_the_last_words_of_a_job_are_not_buried_under_its_metrics():
    assert without_metrics('start\nmetric {"name":"loss","value":1,"step":1}\nmetrics are fine\nout of luck') == (
        "start\nmetrics are fine\nout of luck"
    )


def test_a_lost_script_finds_its_checkpoints_and_keeps_its_metrics_in_its_next_attempt(bench):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("count.py", "print()")
    code = bench.snapshots.add("default", packed.getvalue()).digest
    bench.engine.ends = [ProcessEnd(cause=EndCause.LOST, message="gone"), exited(0)]
    found = []

    def work(folder: Path) -> None:
        assert [path.name for path in folder.iterdir()] == ["count.py"]
        (spec,) = (spec for spec in bench.engine.specs.values() if spec.work_directory == str(folder))
        state = Path(spec.environment["MODELYARD_CHECKPOINTS"], "step")
        found.append(state.read_text() if state.exists() else "")
        state.write_text(spec.environment["MODELYARD_ATTEMPT"])
        (folder / "left.txt").write_text("of an attempt that did not count")
        bench.engine.log = f'metric {{"name": "step", "value": {len(found)}, "step": {len(found)}}}\n'

    bench.engine.on_submit = work
    recipe = JobRecipe(algorithm="script", script=ScriptRecipe(code=code, entry_point="count.py"))
    submitted = bench.service.submit(
        "default", JobKind.SCRIPT, recipe, None, Resources(), created_by="ann", placement=ANYWHERE
    )
    job = bench.carry(submitted.id)
    assert (job.status, job.attempt, found) == (JobStatus.COMPLETED, 2, ["", "1"])
    points = bench.service.metrics("default", job.id, PageQuery()).items
    assert [(point.value, point.step) for point in points] == [(1.0, 1), (2.0, 2)]
    assert not list((bench.home.run / "checkpoints").iterdir())


def processing(bench, **more):
    """A processing job that is submitted, of an image."""
    script = ScriptRecipe(image="cleaner:1", image_digest="cleaner@sha256:0", outputs={"rows": "clean"}, **more)
    channels = {"train": DatasetRef(dataset="digits", number=3)}
    recipe = JobRecipe(algorithm="processing", channels=channels, script=script)
    return bench.service.submit(
        "default", JobKind.PROCESSING, recipe, None, Resources(), created_by="ann", placement=ANYWHERE
    )


def test_a_job_that_fails_by_itself_is_begun_again_as_often_as_it_asked(bench):
    bench.engine.ends = [exited(1), KILLED, exited(1)]
    assert (bench.carry(processing(bench, retries=2).id).attempt, bench.engine.ends) == (3, [])
    bench.engine.ends = [exited(1), exited(0)]
    assert bench.carry(processing(bench).id).attempt == 1


def test_the_one_file_of_an_output_becomes_a_dataset_that_says_what_it_is_made_of(bench):
    bench.engine.ends = [exited(0)]

    def work(folder: Path) -> None:
        rows = folder.parent / "output" / "rows"
        (rows / "_SUCCESS").touch()
        (rows / "part-0.csv").write_text("a,b\n1,2\n")
        (rows / ".part-0.csv.crc").touch()
        (rows.parent / "report.txt").write_text("one row")

    bench.engine.on_submit = work
    job = bench.carry(processing(bench).id)
    assert job.status is JobStatus.COMPLETED, job.end
    assert job.result == {"dataset/rows": "clean:1", "output_files": 1, "output_bytes": 7}
    source = {"train": "digits:3", "image": "cleaner@sha256:0", "job": job.id}
    assert bench.registry.made == [("clean", b"a,b\n1,2\n", source)]
    assert job.conditions.data == {"train": "d" * 64}
    with bench.database.read() as connection:
        assert JobRepository().output_bytes(connection) == {("default", ""): 7}


def test_an_output_without_its_file_fails_the_job_and_makes_no_dataset(bench):
    bench.engine.ends = [exited(0)]
    job = bench.carry(processing(bench).id)
    assert (job.status, bench.registry.made) == (JobStatus.FAILED, [])
    assert "of the output 'rows' has 0 files" in job.end.message


def test_a_start_that_is_repeated_leaves_the_folder_of_a_running_script_alone(bench):
    recipe = JobRecipe(algorithm="script", script=ScriptRecipe(image="trainer:3", image_digest="trainer@sha256:0"))
    job = bench.service.submit(
        "default", JobKind.SCRIPT, recipe, None, Resources(), created_by="ann", placement=ANYWHERE
    )
    ticket = bench.admit(job.id)
    assert bench.execution.start(ticket)
    config = Path(bench.engine.specs[f"{job.id}-1"].work_directory).parent / "config" / "hyperparameters.json"
    config.write_text("touched by the running job")
    assert bench.execution.start(ticket)
    assert config.read_text() == "touched by the running job"


RISING = "".join(
    f'metric {{"name": "{name}", "value": {value}, "step": {step}}}\n'
    for step in range(20)
    for name, value in (("train_loss", 1 / (step + 1)), ("val_loss", 0.5 + abs(step - 8) / 10))
)


def test_what_a_rule_finds_is_on_the_job_once_and_a_rule_that_may_stop_it_does(bench):
    bench.engine.log = RISING + 'metric {"name": "not_finite/loss", "value": 1, "step": 3}\n'
    rules = (RuleChoice(rule="overfitting", action=RuleAction.STOP),)
    job = bench.service.create_training("default", RECIPE, "digits", Resources(), created_by="ann", rules=rules)
    done = bench.carry(job.id)
    assert [(each.rule, each.action) for each in done.findings] == [("not_finite", "notify"), ("overfitting", "stop")]
    assert (done.status, done.end.cause) == (JobStatus.STOPPED, EndCause.STOPPED)
    assert done.end.message.startswith("The rule 'overfitting' stopped it. val_loss was best at step 8")
    assert done.metrics.keys() == {"train_loss", "val_loss"}
    assert bench.service.list("default", page=PageQuery()).items[0].findings == done.findings


def test_a_job_that_was_followed_before_gives_no_finding_twice(bench):
    bench.engine.log = RISING
    bench.engine.ends = [exited(1)]
    job = bench.submit()
    ticket = bench.admit(job.id)
    bench.execution.start(ticket)
    bench.execution.follow(ticket)
    bench.execution.follow(ticket)  # control was killed, and goes on
    (finding,) = bench.service.get("default", job.id).findings
    told = FindingService(bench.database, JobRepository())
    assert ([*told.untold("default")], told.untold("other")) == ([finding], [])
    told.note_told([finding.id])
    assert told.untold(None) == []


def test_a_rule_that_is_off_does_not_look_and_one_that_is_unknown_is_refused(bench):
    bench.engine.log = RISING
    bench.engine.ends = [exited(1)]
    off = (RuleChoice(rule="all", action=RuleAction.OFF),)
    job = bench.service.create_training("default", RECIPE, "digits", Resources(), created_by="ann", rules=off)
    assert bench.carry(job.id).findings == ()
    with pytest.raises(RuleInvalidError, match="There is no rule 'overfit'"):
        bench.service.create_training(
            "default", RECIPE, "digits", Resources(), created_by="ann", rules=(RuleChoice(rule="overfit"),)
        )


def test_a_profile_outlives_the_process_and_a_job_that_nobody_looked_at_has_none(bench):
    job = bench.submit()
    with pytest.raises(ProfileNotFoundError):
        bench.profiles.profile("default", job.id)
    bench.engine.ends = [exited(1)]
    look = {"waiting_seconds": 0.0, "blocked_tasks": 0, "memory_bytes": 64 << 20, "read_bytes": 0, "written_bytes": 0}
    bench.engine.measured = [ProcessSample(at=NOW.timestamp() + at, cpu_seconds=at, **look) for at in (0.0, 1.0, 2.0)]
    bench.carry(job.id)
    assert not bench.engine.states, "the engine has forgotten it"
    profile = bench.profiles.profile("default", job.id)
    assert (profile.seconds, profile.cpu_seconds, len(profile.points)) == (2.0, 2.0, 2)
    assert profile.verdicts[0].startswith("It is CPU bound: it used 1 of its 1 cores")
