"""Images that fulfil the container contract train as SageMaker's training jobs do."""

import json

import pytest

from modelyard.engines.containers.engine import ContainerEngine
from modelyard.settings import Home
from modelyard.testing.aws.contract_jobs import ContractBench
from modelyard.testing.services.containers import Podman, python_root
from modelyard.types.contract.recipes import ContractChannel, ContractRecipe

pytestmark = pytest.mark.slow
IMAGE = "localhost/test/byo:1"
TRAINER = """
import json, os, socket, sys, time
from pathlib import Path

root = Path("/opt/ml")
hyperparameters = json.loads((root / "input/config/hyperparameters.json").read_text())
if hyperparameters["mode"] == "fail":
    (root / "output/failure").write_text("mode is fail")
    sys.exit(3)
rows = (root / "input/data/train/rows.csv").read_text().split()
host = json.loads((root / "input/config/resourceconfig.json").read_text())["current_host"]
told = {"arguments": sys.argv[1:], "rows": rows, "host": host, "job": os.environ["TRAINING_JOB_NAME"]}
if hyperparameters["mode"] == "meet":
    own = socket.create_server((host, 7777))  # each on its own name
    other = {"algo-1": "algo-2", "algo-2": "algo-1"}[host]
    while True:
        try:
            socket.create_connection((other, 7777), 5).close()
            break
        except OSError:
            time.sleep(0.05)
    own.accept()
    (root / f"model/{host}.json").write_text(json.dumps(told))
    sys.exit()
(root / "model/told.json").write_text(json.dumps(told))
(root / "checkpoints/step").write_text("1")
"""


class Permission:
    def permits_code(self, project: str) -> bool:
        return project == "default"


@pytest.fixture(scope="module")
def bench(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> ContractBench:
    podman.load(IMAGE, python_root({"train.py": TRAINER}), 'ENTRYPOINT ["/usr/bin/python3", "/train.py"]')
    folder = tmp_path_factory.mktemp("training")
    home = Home(folder / "home")
    home.create()
    engine = ContainerEngine(home, socket=podman.socket, may_pull=False)
    return ContractBench(home, engine, Permission(), folder / "buckets")


def recipe(bench: ContractBench, name: str, **more: object) -> ContractRecipe:
    train = ContractChannel(name="train", uri=bench.put("rows/rows.csv", "1,2\n3,4\n"))
    common = {
        "output_uri": "s3://data/results",
        "image": IMAGE,
        "channels": (train,),
        "hyperparameters": {"mode": "learn"},
    }
    return ContractRecipe(name=name, image_digest=bench.engine.resolve_image(IMAGE), **common | more)


def test_an_image_is_told_to_train_and_finds_its_folders(bench: ContractBench):
    end, kept, _ = bench.run(recipe(bench, "learns", checkpoint_uri="s3://data/steps"))
    assert end.exit_code == 0, end.log_tail
    told = json.loads(bench.packed(kept["model_artifacts"])["told.json"])
    assert told == {"arguments": ["train"], "rows": ["1,2", "3,4"], "host": "algo-1", "job": "learns"}
    assert bench.bucket.read("steps/step") == b"1"


def test_an_image_may_have_other_arguments_and_says_why_it_fails(bench: ContractBench):
    _, kept, _ = bench.run(recipe(bench, "other", arguments=("fit", "--fast")))
    assert json.loads(bench.packed(kept["model_artifacts"])["told.json"])["arguments"] == ["fit", "--fast"]
    _, _, reason = bench.run(recipe(bench, "fails", hyperparameters={"mode": "fail"}))
    assert reason == "AlgorithmError: mode is fail, exit code: 3"


def test_several_hosts_of_an_image_know_each_other_by_name_and_have_their_parts_of_the_data(bench: ContractBench):
    bench.put("parts/rows.csv", "1,2\n")
    parts = ContractChannel(name="train", uri="s3://data/parts/", is_sharded=False)
    hosts = recipe(bench, "meets", hosts=2, hyperparameters={"mode": "meet"}, channels=(parts,))
    end, kept, _ = bench.run(hosts)
    assert end.exit_code == 0, end
    packed = bench.packed(kept["model_artifacts"])
    told = [json.loads(packed[f"algo-{number}.json"]) for number in (1, 2)]
    assert [each["host"] for each in told] == ["algo-1", "algo-2"]
    assert [each["rows"] for each in told] == [["1,2"], ["1,2"]]
