"""Processing jobs on a whole platform: the tutorial as it stands, all outputs or none, objects as inputs."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.interpreters import HERE, find_interpreter
from modelyard.errors import NotFoundError
from modelyard.sdk.client import Client
from modelyard.sdk.errors import WaitFailedError
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a minute; the rest is for a busy machine
TUTORIAL = Guide("docs/tutorials/data-into-a-model.md")
HALVES = """
import os
from pathlib import Path

lines = next(Path(os.environ["MODELYARD_CHANNEL_RAW"]).iterdir()).read_text().splitlines()
assert Path(os.environ["MODELYARD_CHANNEL_RAW"], "raw.csv").exists()
head, rows = lines[0], lines[1:]
for name, part in (("FIRST", rows[::2]), ("SECOND", rows[1::2])):
    folder = Path(os.environ[f"MODELYARD_OUTPUT_{name}"])
    if part:
        (folder / "rows.csv").write_text("\\n".join([head, *part]) + "\\n")
Path(os.environ["MODELYARD_OUTPUT"], "report.txt").write_text(f"{len(rows)} rows\\n")
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("platform") / "home", "modelyard.server.up")
    try:
        program.start("--port", "0").ready()
        yield program
    finally:
        program.end()


@pytest.fixture
def client(platform: Program) -> Iterator[Client]:
    url = platform.wait_for_line("is ready at ").split("is ready at ")[1].split()[0]
    with Client(url, platform.token) as client:
        client.projects.allow_code("default", "our own preparation of data")
        yield client


def test_the_tutorial_runs_as_it_stands_and_its_model_names_all_that_it_is_made_of(
    platform: Program, client: Client, tmp_path: Path
):
    said = TUTORIAL.follow(tmp_path, platform.home, seconds=900)
    again, job = client.jobs.list(kind="processing")
    assert job.result == {"dataset/train": "wine-train:1", "dataset/test": "wine-test:1"}
    assert job.metrics == {"test_rows": 44, "train_rows": 134}
    assert f"wines:1 was trained on wine-train:1\nwhich job {job.id} made of wines:1 and growers:1\n" in said
    assert (again.rerun_of, again.result, client.jobs.verification(again.id).is_same) == (job.id, job.result, True)
    version = client.datasets.version("wine-train")
    assert (version.schema.rows, len(version.schema.columns)) == (134, 14)
    assert version.source["code"] == job.recipe.script.code
    assert job.conditions.machine.libraries["numpy"]
    trained = next(iter(client.jobs.list(kind="training")))
    assert trained.conditions.data == {"train": version.digest}
    assert trained.conditions.machine.cpu == job.conditions.machine.cpu
    assert trained.conditions.machine.blas


def test_an_object_is_read_and_either_all_outputs_become_datasets_or_none(
    platform: Program, client: Client, tmp_path: Path
):
    stored = platform.home / "objects" / "inputs" / "default" / "numbers.csv"
    stored.parent.mkdir(parents=True)
    stored.write_text("a,b\n1,2\n3,4\n5,6\n")
    (tmp_path / "halves.py").write_text(HALVES)
    wish = {
        "inputs": {"raw": "inputs/default/numbers.csv"},
        "outputs": {"first": "odd-rows", "second": "even-rows"},
        "wait": True,
    }
    job = client.jobs.process(tmp_path / "halves.py", **wish)
    assert job.result == {
        "dataset/first": "odd-rows:1", "dataset/second": "even-rows:1", "output_files": 1.0, "output_bytes": 7.0
    }  # fmt: skip
    source = client.datasets.version("odd-rows").source
    assert source["raw"] == "inputs/default/numbers.csv"
    assert source["raw digest"] == job.conditions.data["raw"]

    stored.write_text("a,b\n9,9\n")

    with pytest.raises(WaitFailedError, match="output 'second' has 0 files"):
        client.jobs.process(tmp_path / "halves.py", **wish | {"outputs": {"first": "odd-rows", "second": "new"}})
    assert client.datasets.get("odd-rows").latest == 1
    with pytest.raises(NotFoundError):
        client.datasets.get("new")

    stored.write_text("a,b\n7,8\n9,10\n")
    found = client.jobs.verification(client.jobs.rerun(job.id, wait=True).id)
    assert [each.name for each in found.differences] == ["dataset/first", "dataset/second", "files/output/report.txt"]
    (change,) = found.conditions
    assert (change.name, change.before) == ("data of 'raw'", job.conditions.data["raw"])


def test_a_script_runs_with_the_python_that_it_names(client: Client, tmp_path: Path):
    (tmp_path / "says.py").write_text("import sys; print(sys.version_info[:2])")
    (tmp_path / "none.txt").write_text("# no packages\n")
    job = client.jobs.run(tmp_path / "says.py", requirements=tmp_path / "none.txt", python=HERE, wait=True)
    assert str(sys.version_info[:2]) in [*client.jobs.logs(job.id)]
    own = find_interpreter(EnvironmentBuilder._uv(), HERE)
    assert own.version == sys.version
