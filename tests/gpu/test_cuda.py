"""Jobs and an endpoint on a real NVIDIA card: needs its driver and a torch with CUDA in the platform's environment."""

import ast
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from modelyard.engines.machines import find_gpus
from modelyard.errors import InvalidInputError
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, until
from modelyard.types.compute.costs import CostGroup
from modelyard.types.jobs import Job, JobStatus
from modelyard.types.processes import Resources

GIB = 1 << 30
ONE = Resources(cpus=2, gpus=1, time_limit_seconds=120)
HALF = replace(ONE, gpus=0.5)
SECONDS_HELD = 3.0
LOOK = """
import glob, os
import torch
print({"devices": sorted(glob.glob("/dev/nvidia[0-9]*")), "visible": os.environ["CUDA_VISIBLE_DEVICES"],
       "count": torch.cuda.device_count(), "name": torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""})
"""
MULTIPLY = """
import modelyard
import torch
torch.manual_seed(0)
left, right = torch.randn(1024, 1024, dtype=torch.float64), torch.randn(1024, 1024, dtype=torch.float64)
on_card = (left.cuda() @ right.cuda()).cpu()
modelyard.log_metric("difference", (on_card - left @ right).abs().max().item())
modelyard.log_metric("bytes_on_card", torch.cuda.max_memory_allocated())
"""
HOLD = f"""
import time
import torch
kept = torch.ones(1 << 20, device="cuda")
until = time.monotonic() + {SECONDS_HELD}
while time.monotonic() < until:
    kept = kept * 1.0
torch.cuda.synchronize()
"""
MODEL = """
import torch


def load(folder):
    global weights
    weights = FACTOR * torch.tensor([1.0, 2.0, 3.0], device="cuda")


def predict(inputs):
    return {"score": (torch.from_numpy(inputs["x"].copy()).cuda() @ weights).cpu().numpy()}
"""
SIGNATURE = """{"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
"outputs": [{"name": "score", "datatype": "FP32", "shape": [-1]}], "is_pure": true}"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Of a platform whose project permits code."""
    program = Program(tmp_path_factory.mktemp("platform") / "home", "modelyard.server.up")
    try:
        url = program.start("--port", "0").ready()
        with Client(url, program.token) as client:
            client.projects.allow_code("default", "tests of a card")
            yield client
    finally:
        program.end()


@pytest.fixture
def run(client: Client, tmp_path: Path):
    """Starts a script as a job."""

    def start(source: str, resources: Resources, *, wait: bool = True) -> Job:
        script = tmp_path / "work.py"
        script.write_text(source)
        return client.jobs.run(script, resources=resources, wait=wait)

    return start


def seen(client: Client, job: Job) -> dict[str, object]:
    """What the script `LOOK` printed."""
    (line,) = (line for line in client.jobs.logs(job.id) if "devices" in line)
    return ast.literal_eval(line[line.index("{") :])


def test_the_cards_are_listed_as_the_driver_names_them(client: Client):
    shown = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,uuid,memory.total", "--format=csv,noheader,nounits"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rows = [line.split(", ") for line in shown.splitlines()]
    assert [(gpu.kind, gpu.uuid) for gpu in find_gpus()] == [(name, uuid) for name, uuid, _ in rows]
    (host,) = client.queues.hosts()
    assert (host.gpus, host.traits.gpu_kind) == (len(rows), rows[0][0])
    assert host.traits.gpu_memory_bytes == int(rows[0][2]) << 20


def test_a_job_computes_on_the_card_that_it_is_given_and_sees_no_other(client: Client, run):
    found = seen(client, run(LOOK, ONE))
    assert found["count"] == 1
    assert found["name"] == find_gpus()[0].kind
    assert found["visible"] in {gpu.uuid for gpu in find_gpus()}
    assert len(found["devices"]) == 1
    job = run(MULTIPLY, replace(ONE, gpu_kind=find_gpus()[0].kind, gpu_memory_bytes=GIB))
    assert job.metrics["difference"] < 1e-9
    assert job.metrics["bytes_on_card"] >= 3 * 8 * 1024**2


def test_a_job_that_asked_for_none_sees_none(client: Client, run):
    found = seen(client, run(LOOK, replace(ONE, gpus=0)))
    assert (found["count"], found["devices"], found["visible"]) == (0, [], "")


def test_two_halves_share_a_card_while_a_whole_one_waits_and_their_time_is_on_the_bill(client: Client, run):
    before = sum(each.gpu_seconds for each in client.costs.list(CostGroup.JOB))
    halves = [run(HOLD, HALF, wait=False) for _ in range(2 * len(find_gpus()))]
    until(lambda: all(client.jobs.get(each.id).status is JobStatus.RUNNING for each in halves), "both run")
    whole = run(HOLD, ONE, wait=False)
    ended = [client.jobs.wait(each.id) for each in (*halves, whole)]
    assert {each.status for each in ended} == {JobStatus.COMPLETED}
    *shared, alone = ended
    assert max(each.started_at for each in shared) < min(each.ended_at for each in shared), "at the same time"
    assert alone.started_at >= min(each.ended_at for each in shared), "not before a card was free"
    billed = sum(each.gpu_seconds for each in client.costs.list(CostGroup.JOB)) - before
    assert billed >= SECONDS_HELD * (0.5 * len(shared) + 1)


def test_a_kind_that_the_machine_does_not_have_is_refused_at_once(client: Client, run):
    with pytest.raises(InvalidInputError, match="a-kind-of-tomorrow"):
        run(LOOK, replace(ONE, gpu_kind="a-kind-of-tomorrow"))


def test_an_endpoint_answers_from_the_card_and_a_second_version_takes_over(client: Client, tmp_path: Path):
    folder = tmp_path / "scorer"
    folder.mkdir()
    (folder / "signature.json").write_text(SIGNATURE)
    (folder / "resources.json").write_text('{"gpus": 0.5}')
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    try:
        for factor in (1, 2):
            (folder / "model.py").write_text(MODEL.replace("FACTOR", str(factor)))
            client.models.register("scorer", folder)
            client.endpoints.deploy("scorer", "scorer")
            answers = [each.value for each in client.predict("scorer", rows)]
            assert answers == pytest.approx((factor * rows @ [1, 2, 3]).tolist(), abs=1e-4)
    finally:
        client.endpoints.delete("scorer")


def test_the_convolutional_network_is_trained_on_the_card_the_same_way_twice(client: Client, tmp_path: Path):
    images, labels = load_digits(return_X_y=True)
    np.savez(tmp_path / "digits.npz", images=images.reshape(-1, 8, 8).astype(np.float32), labels=labels)
    client.datasets.upload("digits", tmp_path / "digits.npz")
    given = {"network": "cnn", "epochs": 8}
    jobs = [
        client.jobs.train("image-classification", "digits", model=name, hyperparameters=given, resources=ONE, wait=True)
        for name in ("once", "again")
    ]
    once, again = (client.models.get(name) for name in ("once", "again"))
    accuracy = once.manifest.card.metric("accuracy")
    assert accuracy is not None
    assert accuracy.value >= 0.96
    assert any("trained on NVIDIA" in line for line in client.jobs.logs(jobs[0].id))
    first, second = ({file.path: file.digest for file in version.files} for version in (once, again))
    assert first["model.onnx"] == second["model.onnx"]


def test_an_exported_torch_program_answers_from_the_card(client: Client, tmp_path: Path):
    folder = tmp_path / "layer"
    folder.mkdir()
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 1).eval()
    rows = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(layer, (torch.from_numpy(rows),), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "model.pt2")
    score = {"name": "score", "datatype": "FP32", "shape": [-1, 1]}
    x = {"name": "x", "datatype": "FP32", "shape": [-1, 3]}
    (folder / "signature.json").write_text(json.dumps({"inputs": [x], "outputs": [score], "is_pure": True}))
    (folder / "resources.json").write_text('{"gpus": 0.5}')
    client.models.register("layer", folder)
    client.endpoints.deploy("layer", "layer")
    try:
        on_card = subprocess.run(
            ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        assert on_card, "no process is on the card"
        answers = [each.value for each in client.predict("layer", rows)]
        expected = layer(torch.from_numpy(rows)).detach().numpy()
        assert np.allclose(np.array(answers).reshape(-1, 1), expected, atol=1e-5)
    finally:
        client.endpoints.delete("layer")
