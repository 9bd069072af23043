"""Jobs that are images, through `modelyard up`, started as a user starts it; and refused where there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.sdk.errors import WaitFailedError
from modelyard.testing.programs import Program
from modelyard.testing.services.containers import Podman, python_root
from modelyard.types.processes import Resources, SandboxLevel

pytestmark = pytest.mark.slow
IMAGE = "registry.example.com/trainer:3"
TRAINER = """
import json, os, sys

if sys.argv[1:] != ["train"]:
    sys.exit("the image was not told to train")
given = json.load(open("/opt/ml/input/config/hyperparameters.json"))
rows = open("/opt/ml/input/data/train/rows.csv").read().splitlines()
before = os.listdir(os.environ["MODELYARD_CHECKPOINTS"])
open("/opt/ml/checkpoints/step", "w").write("1")
print("loss:", given["loss"], flush=True)
print('metric {"name": "rows", "value": %d}' % (len(rows) - 1), flush=True)
with open("/opt/ml/output/data/report.json", "w") as report:
    json.dump({"before": before, "model": os.environ["SM_MODEL_DIR"], "code": os.listdir()}, report)
try:
    open("/left", "w")
except OSError as error:
    print("the root is closed:", error.strerror)
"""

GANG = "registry.example.com/gang:1"
SUMS = """
import os, socket, time

rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
master = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    with socket.create_server(master) as server:
        total = 1 + sum(int(server.accept()[0].recv(9)) for _ in range(size - 1))
    print('metric {"name": "sum", "value": %d}' % total, flush=True)
else:
    while True:
        try:
            with socket.create_connection(master, 5) as peer:
                peer.sendall(b"%d" % (rank + 1))
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def client(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    podman.load(IMAGE, python_root({"train.py": TRAINER}), 'ENTRYPOINT ["/usr/bin/python3", "/train.py"]')
    podman.load(GANG, python_root({"sums.py": SUMS}), 'ENTRYPOINT ["/usr/bin/python3", "/sums.py"]')
    folder = tmp_path_factory.mktemp("jobs")
    environment = {"MODELYARD_CONTAINER_SOCKET": podman.socket, "MODELYARD_CONTAINER_PULL": "false"}
    program = Program(folder / "home", "modelyard.server.up", environment=environment)
    try:
        url = program.start("--port", "0").ready()
        (folder / "rows.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
        with Client(url, program.token) as client:
            client.datasets.upload("rows", folder / "rows.csv")
            client.projects.allow_code("default", "images of our own")
            yield client
    finally:
        program.end()


def test_an_image_job_finds_its_folders_at_fixed_places_and_is_pinned_to_a_digest(client: Client, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("beside the image")
    job = client.jobs.run(
        tmp_path / "notes.txt",
        image=IMAGE,
        command=["train"],
        data="rows",
        hyperparameters={"loss": 0.25},
        metrics={"loss": r"loss: (\S+)"},
        wait=True,
    )
    assert (job.sandbox, job.metrics) == (SandboxLevel.CONTAINER, {"loss": 0.25, "rows": 3.0})
    script = job.recipe.script
    assert script.image == IMAGE
    assert "sha256:" in script.image_digest
    client.jobs.download(job.id, tmp_path / "left")
    report = (tmp_path / "left" / "output" / "report.json").read_text()
    assert report == '{"before": [], "model": "/opt/ml/model", "code": ["notes.txt"]}'
    assert "the root is closed" in "\n".join(client.jobs.logs(job.id))


def test_an_image_that_is_absent_is_refused_and_one_that_fails_says_why(client: Client):
    with pytest.raises(ModelyardError, match="is not on this machine"):
        client.jobs.run(image="localhost/test/absent:1")
    with pytest.raises(WaitFailedError, match="was not told to train"):
        client.jobs.run(image=IMAGE, command=["serve"], wait=True)


def test_the_members_of_an_image_on_several_hosts_find_each_other(client: Client):
    small = Resources(cpus=0.5, memory_bytes=256 << 20)
    job = client.jobs.run(image=GANG, hosts=3, resources=small, wait=True)
    assert job.metrics == {"sum": 6.0}, "each of three was counted once"
