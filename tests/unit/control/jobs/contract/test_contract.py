"""The container contract on real processes: what a program finds below /opt/ml, and what becomes of what it leaves."""

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.jobs.contract.assembly import assemble
from modelyard.control.jobs.contract.errors import ChannelDataInvalidError, ContractInvalidError
from modelyard.engines.local.engine import LocalEngine
from modelyard.settings import Home
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore, open_objects
from modelyard.types.contract.recipes import ChannelSource, ContractChannel, ContractRecipe
from modelyard.types.jobs import Job, JobKind, JobRecipe, JobStatus
from modelyard.types.processes import EndCause, ProcessEnd, Resources

SCRIPT_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
LOOKS_AROUND = """
import argparse, json, os, sys
from pathlib import Path

options = argparse.ArgumentParser()
options.add_argument("--depth", type=int)
options.add_argument("--name")
options.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
options.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
given = options.parse_args()
assert os.getcwd() == "/opt/ml/code", os.getcwd()
seen = {
    "arguments": vars(given),
    "variables": {name: text for name, text in os.environ.items() if name.startswith("SM_")},
    "mine": os.environ["MINE"],
    "rows": Path("/opt/ml/input/data/train/a.csv").read_text(),
    "config": {path.stem: json.loads(path.read_text()) for path in Path("/opt/ml/input/config").glob("*.json")},
}
Path("/opt/ml/model/model.json").write_text(json.dumps(seen))
Path(os.environ["SM_OUTPUT_DATA_DIR"], "notes.txt").write_text("noted")
Path("/opt/ml/checkpoints/last.txt").write_text("3")
os.symlink("/etc/passwd", "/opt/ml/model/link")
"""
MEET = """
import json, os, socket
from pathlib import Path

hosts, me = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
mine = sorted(path.name for path in Path(os.environ["SM_CHANNEL_TRAIN"]).iterdir())
if me == hosts[0]:
    with socket.create_server((hosts[0], 7777)) as server:
        peer, _ = server.accept()
        theirs = json.loads(peer.recv(1000))
    Path(os.environ["SM_MODEL_DIR"], "met.json").write_text(json.dumps({me: mine, **theirs}))
else:
    while True:
        try:
            peer = socket.create_connection((hosts[0], 7777), timeout=5)
            break
        except ConnectionRefusedError:
            pass
    peer.sendall(json.dumps({me: mine}).encode())
"""


class FolderBuckets:
    """Buckets as folders of this machine; each is everybody's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, project: str, bucket: str) -> ObjectStore:
        return open_objects(f"file://{self._folder / bucket}")


class Permission:
    def permits_code(self, project: str) -> bool:
        return project == "default"


class Bench:
    """The parts that jobs of the contract are carried with, and one bucket."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.create()
        self.engine = LocalEngine(self.home, has_cgroups=False)
        buckets = FolderBuckets(folder / "buckets")
        self.bucket = buckets.open("default", "data")
        self.work = assemble(
            registry=Permission(),
            environments=EnvironmentBuilder(self.engine, self.home.environments),
            buckets=buckets,
            engine=self.engine,
            objects=open_objects("memory://"),
            home=self.home,
            is_shared=False,
        ).work
        self.count = 0

    def put(self, key: str, content: str | bytes) -> str:
        self.bucket.put_stream(key, iter([content.encode() if isinstance(content, str) else content]))
        return f"s3://data/{key}"

    def source(self, **files: str) -> str:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(name.replace("__", "."))
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        return self.put("source/sourcedir.tar.gz", content.getvalue())

    def run(self, recipe: ContractRecipe) -> tuple[ProcessEnd, dict[str, str], str]:
        """The end, what was kept, and why it failed."""
        self.count += 1
        recipe = replace(recipe, name=recipe.name or f"job-{self.count}")
        job = Job(
            project="default",
            id=f"job-{self.count}",
            kind=JobKind.CONTRACT,
            status=JobStatus.STARTING,
            recipe=JobRecipe(algorithm="contract", contract=recipe),
            resources=Resources(),
            model=None,
            attempt=1,
            sandbox=None,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        folder = self.home.run / "jobs" / job.id
        spec = self.work.prepare(job, recipe, folder, lambda _pinned: None)
        self.engine.submit(job.id, spec)
        end = self.engine.wait(job.id, 60).end
        assert end is not None
        kept = self.work.conclude(job, recipe, folder) if end.exit_code == 0 else {}
        reason = self.work.account(job, recipe, folder, end)
        self.engine.remove(job.id)
        self.work.remove(job)
        return end, kept, reason

    def packed(self, uri: str) -> dict[str, bytes]:
        content = self.bucket.read(uri.removeprefix("s3://data/"))
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("contract"))


@pytest.fixture
def script(bench: Bench) -> Callable[..., ContractRecipe]:
    """`script(text, **more)` is the recipe of a script."""

    def make(text: str, **more: object) -> ContractRecipe:
        source = bench.source(train__py=text)
        given = {"sagemaker_program": "train.py", "sagemaker_submit_directory": json.dumps(source)}
        hyperparameters = given | more.pop("hyperparameters", {})
        common = {"name": "", "output_uri": "s3://data/results", "image": SCRIPT_IMAGE, "is_script": True}
        return ContractRecipe(**common | more, hyperparameters=hyperparameters)

    return make


def test_a_script_finds_its_job_at_the_literal_paths_and_in_the_variables(bench: Bench, script) -> None:
    train = ContractChannel(name="train", uri=bench.put("train/a.csv", "1,2\n").removesuffix("a.csv"))
    recipe = script(
        LOOKS_AROUND,
        name="looks-around",
        channels=(train,),
        environment={"MINE": "yes"},
        hyperparameters={"depth": "3", "name": "a b", "sagemaker_job_name": "looks-around"},
        checkpoint_uri="s3://data/checkpoints/looks-around",
    )
    end, kept, _ = bench.run(recipe)
    assert (end.cause, end.exit_code) == (EndCause.EXIT, 0), end.log_tail
    assert kept["model_artifacts"] == "s3://data/results/looks-around/output/model.tar.gz"
    model = bench.packed(kept["model_artifacts"])
    assert list(model) == ["model.json"]  # and no link
    seen = json.loads(model["model.json"])
    assert seen["arguments"] == {
        "depth": 3, "name": "a b", "model_dir": "/opt/ml/model", "train": "/opt/ml/input/data/train"
    }  # fmt: skip
    assert seen["mine"] == "yes"
    assert seen["rows"] == "1,2\n"
    variables = seen["variables"]
    assert json.loads(variables["SM_HPS"]) == {"depth": 3, "name": "a b"}
    assert json.loads(variables["SM_HOSTS"]) == ["algo-1"]
    assert json.loads(variables["SM_USER_ARGS"]) == ["--depth", "3", "--name", "a b"]
    assert json.loads(variables["SM_TRAINING_ENV"])["channel_input_dirs"] == {"train": "/opt/ml/input/data/train"}
    assert variables["SM_FRAMEWORK_MODULE"] == "sagemaker_sklearn_container.training:main"
    assert variables["SM_HP_DEPTH"] == "3"
    assert int(variables["SM_NUM_CPUS"]) >= 1
    assert seen["config"]["hyperparameters"]["depth"] == "3"
    assert seen["config"]["resourceconfig"]["current_host"] == "algo-1"
    assert seen["config"]["inputdataconfig"]["train"]["TrainingInputMode"] == "File"
    assert seen["config"]["checkpointconfig"]["LocalPath"] == "/opt/ml/checkpoints"
    assert bench.packed(kept["output_artifacts"]) == {"notes.txt": b"noted"}
    assert bench.bucket.read("checkpoints/looks-around/last.txt") == b"3"


def test_a_later_job_finds_the_checkpoints_of_an_earlier_one(bench: Bench, script) -> None:
    bench.put("checkpoints/earlier/deep/step.txt", "7")
    end, kept, _ = bench.run(
        script(
            "import shutil; shutil.copy('/opt/ml/mine/deep/step.txt', '/opt/ml/model/step.txt')",
            checkpoint_uri="s3://data/checkpoints/earlier/",
            checkpoint_path="/opt/ml/mine",
        )
    )
    assert end.exit_code == 0, end.log_tail
    assert bench.packed(kept["model_artifacts"]) == {"step.txt": b"7"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print('begun'); raise ValueError('rows are empty')", "ValueError: rows are empty, exit code: 1"),
        (
            "open('/opt/ml/output/failure', 'w').write('no column y'); raise SystemExit(9)",
            "AlgorithmError: no column y, exit code: 9",
        ),
    ],
)
def test_the_reason_of_a_failure_is_what_the_program_said_last(bench: Bench, script, text: str, reason: str) -> None:
    _, _, told = bench.run(script(text))
    assert told.startswith("AlgorithmError: ")
    assert told.endswith(reason)


def test_a_script_that_is_not_there_is_told_with_those_that_are(bench: Bench, script) -> None:
    _, _, told = bench.run(script("", hyperparameters={"sagemaker_program": "other.py"}))
    assert told == (
        "AlgorithmError: there is no script 'other.py' in the source code, which holds train.py, exit code: 2"
    )


def test_packages_that_a_script_asks_for_stand_in_front_of_the_platforms_own(bench: Bench) -> None:
    source = bench.source(
        train__py="import iniconfig, numpy; open('/opt/ml/model/where.txt', 'w').write(iniconfig.__file__)",
        requirements__txt="# one package\niniconfig==2.0.0\n",
    )
    given = {"sagemaker_program": "train.py", "sagemaker_submit_directory": source}
    recipe = ContractRecipe(
        name="packages", output_uri="s3://data/results", image=SCRIPT_IMAGE, is_script=True, hyperparameters=given
    )
    end, kept, _ = bench.run(recipe)
    assert end.exit_code == 0, end.log_tail
    assert str(bench.home.environments) in bench.packed(kept["model_artifacts"])["where.txt"].decode()


def test_two_hosts_reach_each_other_by_name_and_have_their_parts_of_the_data(bench: Bench, script) -> None:
    for name in ("a", "b", "c"):
        bench.put(f"parts/{name}.csv", name)
    train = ContractChannel(name="train", uri="s3://data/parts", is_sharded=True)
    end, kept, _ = bench.run(script(MEET, channels=(train,), hosts=2))
    assert end.exit_code == 0, end.log_tail
    met = json.loads(bench.packed(kept["model_artifacts"])["met.json"])
    assert met == {"algo-1": ["a.csv", "c.csv"], "algo-2": ["b.csv"]}


def test_a_program_of_the_jobs_own_runs_in_place_of_the_images(bench: Bench) -> None:
    bench.put("drivers/go.sh", "echo $SM_CURRENT_HOST $1 > /opt/ml/model/said.txt\n")
    recipe = ContractRecipe(
        name="entry",
        output_uri="s3://data/results/",
        image=SCRIPT_IMAGE,
        is_script=True,
        entry_point=("/bin/sh", "/opt/ml/input/data/drivers/go.sh"),
        arguments=("well",),
        channels=(ContractChannel(name="drivers", uri="s3://data/drivers/"),),
        is_output_compressed=False,
    )
    end, kept, _ = bench.run(recipe)
    assert end.exit_code == 0, end.log_tail
    assert kept["model_artifacts"] == "s3://data/results/entry/output/model/"
    assert bench.bucket.read("results/entry/output/model/said.txt") == b"algo-1 well\n"


def test_a_prefix_a_key_and_the_kinds_of_manifest_name_the_files_of_a_channel(bench: Bench, script) -> None:
    for name in ("one/a.txt", "one/deep/b.txt", "one-more.txt"):
        bench.put(f"files/{name}", name)
    bench.put("files/list.manifest", json.dumps([{"prefix": "s3://data/files/one/"}, "a.txt", "deep/b.txt"]))
    records = [{"source-ref": "s3://data/files/one/a.txt", "class": 1}, {"source-ref": "s3://data/files/one-more.txt"}]
    bench.put("files/augmented.manifest", "\n".join(map(json.dumps, records)))
    channels = (
        ContractChannel(name="prefix", uri="s3://data/files/one"),
        ContractChannel(name="folder", uri="s3://data/files/one/"),
        ContractChannel(name="key", uri="s3://data/files/one-more.txt"),
        ContractChannel(name="manifest", uri="s3://data/files/list.manifest", source=ChannelSource.MANIFEST),
        ContractChannel(
            name="augmented",
            uri="s3://data/files/augmented.manifest",
            source=ChannelSource.AUGMENTED_MANIFEST,
            attributes=("source-ref", "class"),
        ),
    )
    lists = """
import json, pathlib
data = pathlib.Path("/opt/ml/input/data")
folders = [folder for folder in data.iterdir() if folder.is_dir()]
files = {each.name: sorted(str(file.relative_to(each)) for file in each.rglob("*.txt")) for each in folders}
files["labels"] = (data / "augmented-manifest").read_text()
pathlib.Path("/opt/ml/model/files.json").write_text(json.dumps(files))
"""
    end, kept, _ = bench.run(script(lists, channels=channels))
    assert end.exit_code == 0, end.log_tail
    found = json.loads(bench.packed(kept["model_artifacts"])["files.json"])
    assert found["prefix"] == ["one-more.txt", "one/a.txt", "one/deep/b.txt"]
    assert found["folder"] == ["a.txt", "deep/b.txt"]
    assert found["key"] == ["one-more.txt"]
    assert found["manifest"] == ["a.txt", "deep/b.txt"]
    assert found["augmented"] == ["files/one-more.txt", "files/one/a.txt"]
    assert [json.loads(line)["class"] for line in found["labels"].splitlines()] == [1, None]


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        (ContractChannel(name="train", uri="s3://data/nothing/"), ChannelDataInvalidError),
        (ContractChannel(name="train", uri="s3://data/none", source=ChannelSource.MANIFEST), ObjectNotFoundError),
        (ContractChannel(name="train", uri="http://data/x"), ContractInvalidError),
    ],
)
def test_data_that_is_not_there_is_told_before_anything_runs(bench: Bench, script, channel, error) -> None:
    with pytest.raises(error):
        bench.run(script("", channels=(channel,)))


def test_an_archive_that_would_leave_its_folder_is_refused(bench: Bench, script) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../escaped.py"))
    uri = bench.put("source/bad.tar.gz", content.getvalue())
    with pytest.raises(ContractInvalidError, match="outside"):
        bench.run(script("", hyperparameters={"sagemaker_submit_directory": uri}))
