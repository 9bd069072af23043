"""Two hosts of a SageMaker training job train one network. Runs only where PyTorch is installed (see conftest.py)."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modelyard.testing.aws.algorithms import csv
from modelyard.testing.aws.platform import AwsPlatform
from modelyard.testing.aws.training import BUCKET, TrainingJobs, ended, files_of

pytestmark = pytest.mark.slow
TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}
SCRIPT = """
import argparse, json, os

import numpy as np
import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--backend", default="gloo")
parser.add_argument("--epochs", type=int)
parser.add_argument("--hosts", type=json.loads, default=os.environ["SM_HOSTS"])
parser.add_argument("--current-host", default=os.environ["SM_CURRENT_HOST"])
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
given = parser.parse_args()
os.environ["WORLD_SIZE"] = str(len(given.hosts))
os.environ["RANK"] = str(given.hosts.index(given.current_host))
distributed.init_process_group(given.backend)
rank = distributed.get_rank()

(part,) = sorted(os.listdir(given.train))
rows = torch.tensor(np.loadtxt(os.path.join(given.train, part), delimiter=","), dtype=torch.float32)
torch.manual_seed(rank)  # both begin alike only because DistributedDataParallel makes them
network = DistributedDataParallel(torch.nn.Linear(3, 1))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for epoch in range(given.epochs):
    optimizer.zero_grad()
    loss = ((network(rows[:, 1:])[:, 0] - rows[:, 0]) ** 2).mean()
    loss.backward()
    optimizer.step()
    whole = loss.detach().clone()
    distributed.all_reduce(whole)
    if rank == 0:
        print(f"epoch={epoch} loss={whole.item() / 2:.6f};")
torch.save({"rows": len(rows), "part": part, **network.module.state_dict()}, f"{os.environ['SM_MODEL_DIR']}/{rank}.pt")
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[AwsPlatform]:
    with AwsPlatform(tmp_path / "home") as running:
        yield running


def test_the_hosts_of_a_course_average_their_gradients_over_gloo(platform: AwsPlatform):
    random = np.random.default_rng(0)
    rows = random.normal(size=(400, 3)).astype(np.float32)
    truth = rows @ np.array([1.0, -2.0, 0.5], np.float32) + 3
    shards = {f"part-{host}.csv": csv(rows[host::2], truth[host::2]) for host in range(2)}
    TrainingJobs(platform).begin(
        "gloo",
        "pytorch-training:2.0-cpu-py310",
        {"train": shards},
        SCRIPT,
        ResourceConfig=TWO,
        Distribution="ShardedByS3Key",
        HyperParameters={"epochs": "100", "backend": '"gloo"'},
        AlgorithmSpecification={
            "TrainingImage": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.0-cpu-py310",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "train:loss", "Regex": "loss=(.*?);"}],
        },
    )
    told: dict[str, Any] = ended(platform.client("sagemaker"), "gloo")
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    model = files_of(platform.client("s3"), told)
    assert told["ModelArtifacts"]["S3ModelArtifacts"].startswith(f"s3://{BUCKET}/")
    first, second = (torch.load(io.BytesIO(model[f"{rank}.pt"])) for rank in (0, 1))
    assert (first["part"], second["part"]) == ("part-0.csv", "part-1.csv")
    assert first["rows"] == second["rows"] == 200
    assert torch.equal(first["weight"], second["weight"]), "they have one model between them"
    assert first["weight"].flatten().tolist() == pytest.approx([1.0, -2.0, 0.5], abs=0.01)
    assert first["bias"].item() == pytest.approx(3.0, abs=0.01)
    loss = {each["MetricName"]: each["Value"] for each in told["FinalMetricDataList"]}["train:loss"]
    assert loss < 1e-3
