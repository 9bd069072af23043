"""The container contract on real processes: what a program finds below /opt/ml, and what becomes of what it leaves."""

import io
import json
import tarfile
from collections.abc import Callable

import pytest

from modelyard.control.jobs.contract.errors import ChannelDataInvalidError, ContractInvalidError
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.formats.recordio import frames
from modelyard.settings import Home
from modelyard.storage.objects import ObjectNotFoundError
from modelyard.testing.aws.contract_jobs import ContractBench
from modelyard.types.contract.recipes import ChannelSource, ContractChannel, ContractRecipe, InputMode
from modelyard.types.processes import EndCause

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


class Permission:
    def permits_code(self, project: str) -> bool:
        return project == "default"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> ContractBench:
    folder = tmp_path_factory.mktemp("contract")
    home = Home(folder / "home")
    home.create()
    return ContractBench(home, LocalEngine(home, has_cgroups=False), Permission(), folder / "buckets")


@pytest.fixture
def script(bench: ContractBench) -> Callable[..., ContractRecipe]:
    """`script(text, **more)` is the recipe of a script."""

    def make(text: str, **more: object) -> ContractRecipe:
        source = bench.source(train__py=text)
        given = {"sagemaker_program": "train.py", "sagemaker_submit_directory": json.dumps(source)}
        hyperparameters = given | more.pop("hyperparameters", {})
        common = {
            "name": f"script-{bench.count}",
            "output_uri": "s3://data/results",
            "image": SCRIPT_IMAGE,
            "is_script": True,
        }
        return ContractRecipe(**common | more, hyperparameters=hyperparameters)

    return make


def test_a_script_finds_its_job_at_the_literal_paths_and_in_the_variables(bench: ContractBench, script) -> None:
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


def test_a_later_job_finds_the_checkpoints_of_an_earlier_one(bench: ContractBench, script) -> None:
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
def test_the_reason_of_a_failure_is_what_the_program_said_last(
    bench: ContractBench, script, text: str, reason: str
) -> None:
    _, _, told = bench.run(script(text))
    assert told.startswith("AlgorithmError: ")
    assert told.endswith(reason)


def test_a_script_that_is_not_there_is_told_with_those_that_are(bench: ContractBench, script) -> None:
    _, _, told = bench.run(script("", hyperparameters={"sagemaker_program": "other.py"}))
    assert told == (
        "AlgorithmError: there is no script 'other.py' in the source code, which holds train.py, exit code: 2"
    )


def test_packages_that_a_script_asks_for_stand_in_front_of_the_platforms_own(bench: ContractBench) -> None:
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


def test_two_hosts_reach_each_other_by_name_and_have_their_parts_of_the_data(bench: ContractBench, script) -> None:
    for name in ("a", "b", "c"):
        bench.put(f"parts/{name}.csv", name)
    train = ContractChannel(name="train", uri="s3://data/parts", is_sharded=True)
    end, kept, _ = bench.run(script(MEET, channels=(train,), hosts=2))
    assert end.exit_code == 0, end.log_tail
    met = json.loads(bench.packed(kept["model_artifacts"])["met.json"])
    assert met == {"algo-1": ["a.csv", "c.csv"], "algo-2": ["b.csv"]}


def test_a_program_of_the_jobs_own_runs_in_place_of_the_images(bench: ContractBench) -> None:
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


def test_a_prefix_a_key_and_the_kinds_of_manifest_name_the_files_of_a_channel(bench: ContractBench, script) -> None:
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


def test_nothing_that_a_job_brings_becomes_code_in_a_built_in_algorithm(bench: ContractBench) -> None:
    trap = "open('/opt/ml/model/trapped', 'w').close()"
    source = bench.source(json__py=trap, sitecustomize__py=trap, modelyard__py=trap)
    bench.put("trap/sitecustomize.py", trap)
    bench.put("rows/a.csv", "1,2\n3,4\n5,7\n")
    recipe = ContractRecipe(
        name="trapped",
        output_uri="s3://data/results",
        algorithm="k-means",
        hyperparameters={"k": "1", "sagemaker_submit_directory": source, "sagemaker_program": "train.py"},
        environment={"PYTHONPATH": "/opt/ml/input/data/trap"},
        channels=(
            ContractChannel(name="train", uri="s3://data/rows/", content_type="text/csv"),
            ContractChannel(name="trap", uri="s3://data/trap/"),
        ),
    )
    end, kept, _ = bench.run(recipe)
    assert end.exit_code == 0, end.log_tail
    assert list(bench.packed(kept["model_artifacts"])) == ["model.onnx"]


def test_pipes_give_all_objects_once_an_epoch(bench: ContractBench, script) -> None:
    for name in ("a", "b"):
        bench.put(f"piped/{name}.csv", f"{name}\n")
    lines = [{"source-ref": "s3://data/piped/a.csv", "class": 3}]
    bench.put("records.manifest", "\n".join(map(json.dumps, lines)))
    channels = (
        ContractChannel(name="train", uri="s3://data/piped/", mode=InputMode.PIPE),
        ContractChannel(
            name="records",
            uri="s3://data/records.manifest",
            mode=InputMode.PIPE,
            source=ChannelSource.AUGMENTED_MANIFEST,
            attributes=("source-ref", "class"),
            record_wrapper="RecordIO",
        ),
    )
    reads = """
import json
read = [open(f"/opt/ml/input/data/train_{epoch}").read() for epoch in range(3)]
records = open("/opt/ml/input/data/records_0", "rb").read()
json.dump([read, records.hex()], open("/opt/ml/model/read.json", "w"))
"""
    end, kept, _ = bench.run(script(reads, channels=channels))
    assert end.exit_code == 0, end.log_tail
    read, records = json.loads(bench.packed(kept["model_artifacts"])["read.json"])
    assert read == ["a\nb\n"] * 3
    assert list(frames(bytes.fromhex(records))) == [b"a\n", b"3"]


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        (ContractChannel(name="train", uri="s3://data/nothing/"), ChannelDataInvalidError),
        (ContractChannel(name="train", uri="s3://data/none", source=ChannelSource.MANIFEST), ObjectNotFoundError),
        (ContractChannel(name="train", uri="http://data/x"), ContractInvalidError),
    ],
)
def test_data_that_is_not_there_is_told_before_anything_runs(bench: ContractBench, script, channel, error) -> None:
    with pytest.raises(error):
        bench.run(script("", channels=(channel,)))


def test_an_archive_that_would_leave_its_folder_is_refused(bench: ContractBench, script) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../escaped.py"))
    uri = bench.put("source/bad.tar.gz", content.getvalue())
    with pytest.raises(ContractInvalidError, match="outside"):
        bench.run(script("", hyperparameters={"sagemaker_submit_directory": uri}))
