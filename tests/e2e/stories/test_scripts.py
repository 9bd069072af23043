"""Jobs of people's own code on a whole platform: the how-to's commands, an environment of its own, a preemption."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from modelyard.errors import ConflictError, InvalidInputError, ModelyardError, PermissionDeniedError
from modelyard.sdk.client import Client
from modelyard.sdk.errors import WaitFailedError
from modelyard.settings import Home
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program, until
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import JobStatus
from modelyard.types.processes import EndCause, Resources

pytestmark = pytest.mark.slow
OWN_PACKAGES = """
import importlib.metadata, json, os, sys
from pathlib import Path

import iniconfig
import modelyard
from parts.words import GREETING

packages = sorted(each.metadata["Name"] for each in importlib.metadata.distributions())
assert packages == ["iniconfig"], packages
assert sys.argv[1:] == ["--rate", "0.5", "--name", "x y", "--deep", "true", "--loud", "a b"], sys.argv
assert sorted(os.listdir()) == ["main.py", "parts"], os.listdir()
assert os.environ["MODELYARD_SEED"] == "7"
given = json.loads(Path(os.environ["MODELYARD_HYPERPARAMETERS"]).read_text())
Path(os.environ["MODELYARD_MODEL"], "weights.json").write_text(json.dumps(given))
Path(os.environ["MODELYARD_OUTPUT"], "made.csv").write_text("a,b\\n1,2\\n3,4\\n")
modelyard.log_metric("loud", 1)
modelyard.log_metric("lost", float("nan"), 3)
print(GREETING)
"""
SUM_OVER_SOCKETS = """
import os, socket

import modelyard

rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
print(f"rank {rank} of {size}")
if rank == 0:
    total = 1
    with socket.create_server(address) as server:
        for _ in range(size - 1):
            peer, _ = server.accept()
            total += int(peer.recv(8))
            peer.sendall(b"%d" % total)
else:
    while True:
        try:
            peer = socket.create_connection(address, timeout=5)
            break
        except ConnectionRefusedError:
            pass
    peer.sendall(b"%d" % (rank + 1))
    total = int(peer.recv(8))
modelyard.log_metric("sum", total)
"""
GUIDE = Guide("docs/how-to/run-your-own-script.md")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A platform that runs one job at a time, with the dataset "houses"."""
    folder = tmp_path_factory.mktemp("platform")
    program = Program(folder / "home", "modelyard.server.up", environment={"MODELYARD_MAX_PARALLEL_JOBS": "1"})
    try:
        url = program.start("--port", "0").ready()
        random = np.random.default_rng(0)
        rooms, area = random.integers(1, 9, 400), random.uniform(20, 200, 400).round(1)
        houses = pa.table({"rooms": rooms, "area": area, "price": area * 3 + rooms * 10})
        pa.csv.write_csv(houses, folder / "houses.csv")
        with Client(url, program.token) as client:
            client.datasets.upload("houses", folder / "houses.csv")
        yield program
    finally:
        program.end()


@pytest.fixture
def permitted(client: Client) -> Client:
    """A client in a project that permits code."""
    client.projects.allow_code("default", "our own scripts")
    return client


@pytest.fixture
def client(platform: Program) -> Iterator[Client]:
    with Client(platform.wait_for_line("is ready at ").split("is ready at ")[1].split()[0], platform.token) as client:
        yield client


def test_a_project_permits_code_first_and_then_the_commands_of_the_guide_run_as_they_stand(
    platform: Program, client: Client, tmp_path: Path
):
    GUIDE.write_files(tmp_path)
    with pytest.raises(PermissionDeniedError, match="does not permit code"):
        client.jobs.run(tmp_path / "train.py")
    GUIDE.follow(tmp_path, platform.home, seconds=1000)

    *_, first = client.jobs.list()
    version = client.models.get("houses")
    assert first.result == {"output_files": 1.0, "output_bytes": 9.0, "model_version": "houses:1"}
    assert version.lineage.job == first.id
    assert version.lineage.code == first.recipe.script.code
    assert [data.dataset for data in version.lineage.datasets] == ["houses"]
    assert first.metrics["r2"] > 0.9
    assert first.metrics["leaves"] > 20
    assert [(point.name, point.step) for point in client.jobs.metrics(first.id)] == [("r2", 0), ("leaves", 0)]
    (answer,) = client.predict("houses", np.array([[4, 100]], np.float32))
    assert answer.value == pytest.approx(340, abs=30)
    assert (tmp_path / "results" / "output" / "notes.txt").read_text() == "20 trees\n"


def test_a_folder_runs_with_packages_of_its_own_and_its_model_is_kept_as_files(permitted: Client, tmp_path: Path):
    code = tmp_path / "project"
    (code / "parts" / "__pycache__").mkdir(parents=True)
    (code / "parts" / "__pycache__" / "words.pyc").write_bytes(b"compiled")
    (code / ".secret").write_text("not to be sent")
    (code / "parts" / "words.py").write_text("GREETING = 'hello'\n")
    (code / "main.py").write_text(OWN_PACKAGES)
    (tmp_path / "requirements.txt").write_text("iniconfig==2.1.0\n")
    job = permitted.jobs.run(
        code,
        entry_point="main.py",
        arguments=["--loud", "a b"],
        hyperparameters={"rate": 0.5, "name": "x y", "deep": True},
        requirements=tmp_path / "requirements.txt",
        dataset="made",
        seed=7,
        wait=True,
    )
    assert len(job.recipe.script.environment) == 64
    assert job.metrics == {"loud": 1.0}
    assert job.result["dataset"] == "made:1"
    assert [file.path for file in permitted.jobs.output(job.id)] == ["model/weights.json", "output/made.csv"]
    permitted.jobs.download(job.id, tmp_path / "left")
    assert (tmp_path / "left" / "model" / "weights.json").read_text() == '{"rate": 0.5, "name": "x y", "deep": true}'
    script = job.recipe.script
    made_of = {"job": job.id, "code": script.code, "environment": script.environment}
    assert permitted.datasets.version("made").source == made_of
    told = "\n".join(permitted.jobs.logs(job.id))
    assert "lost is nan at step 3" in told
    assert told.rstrip().endswith("hello")


def test_a_preempted_job_goes_on_from_its_checkpoint_and_does_no_step_twice_beyond_it(
    platform: Program, permitted: Client, tmp_path: Path
):
    slow = GUIDE.files["count.py"].replace("while step < 20", "while step < 200")
    (tmp_path / "count.py").write_text(slow)
    (tmp_path / "quick.py").write_text("print('at once')")
    job = permitted.jobs.run(tmp_path / "count.py", placement=Placement(is_spot=True))
    until(lambda: permitted.jobs.get(job.id).metrics.get("progress", 0) > 0.05, "it counts")

    urgent = permitted.jobs.run(tmp_path / "quick.py", placement=Placement(priority=10), wait=True)
    assert urgent.status is JobStatus.COMPLETED
    assert permitted.jobs.get(job.id).status is not JobStatus.COMPLETED
    ended = permitted.jobs.wait(job.id, timeout_seconds=120)

    assert ended.attempt == 2
    steps = [point.step for point in permitted.jobs.metrics(job.id)]
    assert sorted(set(steps)) == list(range(1, 201)), "every step was done"
    again = len(steps) - 200
    assert again <= 1, "the step that SIGTERM came into may be done twice; none that is in the checkpoint"
    begun = int(next(line for line in permitted.jobs.logs(job.id) if "begins at step" in line).split()[-1])
    assert begun > 0
    assert steps == sorted(steps), "the second attempt begins where the checkpoint is"
    until(lambda: not [*(Home(platform.home).run / "checkpoints").iterdir()], "the folder goes with the job")


def test_what_is_wrong_is_said_before_there_is_a_job_or_by_its_end(permitted: Client, tmp_path: Path):
    (tmp_path / "fails.py").write_text("print('on the way')\nraise SystemExit('no luck today')")
    (tmp_path / "idle.py").write_text("")
    with pytest.raises(InvalidInputError, match=r"has no file 'train\.py'"):
        permitted.jobs.run(tmp_path / "idle.py", entry_point="train.py")
    with pytest.raises(InvalidInputError, match="pattern of metric 'loss'"):
        permitted.jobs.run(tmp_path / "idle.py", metrics={"loss": "no group"})
    with pytest.raises(InvalidInputError, match="pattern of metric 'loss'"):
        permitted.jobs.run(tmp_path / "idle.py", metrics={"loss": "(loss"})
    with pytest.raises(InvalidInputError, match="nothing to run"):
        permitted.jobs.run()
    with pytest.raises(WaitFailedError, match=r"(?s)code 1.*no luck today"):
        permitted.jobs.run(tmp_path / "fails.py", wait=True)
    with pytest.raises(WaitFailedError, match="nothing to the folder MODELYARD_MODEL"):
        permitted.jobs.run(tmp_path / "idle.py", model="empty", wait=True)
    with pytest.raises(WaitFailedError, match="has 0 files"):
        permitted.jobs.run(tmp_path / "idle.py", dataset="empty", wait=True)
    (tmp_path / "wants.txt").write_text("no-such-package-as-this-one==1.0\n")
    with pytest.raises(WaitFailedError, match="resolving the requirements failed"):
        permitted.jobs.run(tmp_path / "idle.py", requirements=tmp_path / "wants.txt", wait=True)
    newest = next(iter(permitted.jobs.list()))
    assert newest.end.cause is EndCause.START_FAILED
    with pytest.raises(ModelyardError, match=r"Docker|Podman|containers"):
        permitted.jobs.run(image="registry.example.com/trainer:3", command=["train"])


def test_the_members_of_a_gang_reach_each_other_and_start_and_end_together(permitted: Client, tmp_path: Path):
    (tmp_path / "sum.py").write_text(SUM_OVER_SOCKETS)
    job = permitted.jobs.run(tmp_path / "sum.py", hosts=2, resources=Resources(cpus=0.5), wait=True)
    assert (job.recipe.script.hosts, job.metrics) == (2, {"sum": 3.0})
    lines = [*permitted.jobs.logs(job.id)]
    assert {"[0] rank 0 of 2", "[1] rank 1 of 2"} <= set(lines)

    (tmp_path / "fails.py").write_text(
        "import os, sys, time\nos.environ['RANK'] == '1' and sys.exit(3)\ntime.sleep(60)"
    )
    with pytest.raises(WaitFailedError, match="Rank 1 of 2 ended with exit code 3; the others were ended with it"):
        permitted.jobs.run(tmp_path / "fails.py", hosts=2, resources=Resources(cpus=0.5), wait=True)
    with pytest.raises(InvalidInputError, match="it needs 64 cores"):
        permitted.jobs.run(tmp_path / "sum.py", hosts=64)


def test_a_job_is_run_again_from_its_record_and_what_differs_is_named(permitted: Client, tmp_path: Path):
    job = permitted.jobs.train("linear-regression", "houses", target="price", model="lines", seed=3, wait=True)
    again = permitted.jobs.rerun(job.id, wait=True)
    assert (again.rerun_of, again.recipe, again.result["model_version"]) == (job.id, job.recipe, "lines:1")
    assert permitted.jobs.verification(again.id).is_same
    with pytest.raises(ConflictError, match="is no rerun"):
        permitted.jobs.verification(job.id)

    (tmp_path / "clock.py").write_text(
        "import os, time\nfrom pathlib import Path\noutput = Path(os.environ['MODELYARD_OUTPUT'])\n"
        "(output / 'same.txt').write_text('same')\n(output / 'time.txt').write_text(str(time.time_ns()))\n"
    )
    job = permitted.jobs.run(tmp_path / "clock.py", wait=True)
    found = permitted.jobs.verification(permitted.jobs.rerun(job.id, wait=True).id)
    assert (found.is_same, [each.name for each in found.differences]) == (False, ["files/output/time.txt"])
