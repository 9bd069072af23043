"""Long stories of SageMaker's training jobs with boto3: spot jobs that make room, and two hosts."""

import json
import os

import pytest

from modelyard.testing.aws.training import BUCKET, ended, files_of
from modelyard.testing.programs import until

pytestmark = pytest.mark.slow
COUNTS = """
import time
from pathlib import Path

kept = Path("/opt/ml/checkpoints/step.txt")
step = begun = int(kept.read_text()) if kept.exists() else 0
while not begun or step < begun + 10:  # without a checkpoint it never ends
    time.sleep(0.2)
    step += 1
    kept.with_suffix(".new").write_text(str(step))
    kept.with_suffix(".new").rename(kept)
Path("/opt/ml/model/begun.txt").write_text(str(begun))
"""
WAITS = "import time; time.sleep(600)"
TALKS = """
import json, os, socket, time
from pathlib import Path

me, hosts = os.environ["SM_CURRENT_HOST"], json.loads(os.environ["SM_HOSTS"])
told = json.loads(Path("/opt/ml/input/config/resourceconfig.json").read_text())
assert told["hosts"] == hosts == ["algo-1", "algo-2"], told
mine = sorted(path.name for path in Path(os.environ["SM_CHANNEL_TRAIN"]).iterdir())
if me == "algo-1":
    with socket.create_server(("", 7777)) as server:
        peer, _ = server.accept()
        theirs = json.loads(peer.makefile().readline())
    found = {"mine": mine, "theirs": theirs, "pid": os.getpid()}
    Path("/opt/ml/model/found.json").write_text(json.dumps(found))
else:
    while True:
        try:
            with socket.create_connection(("algo-1", 7777)) as peer:
                peer.sendall(json.dumps({"files": mine, "pid": os.getpid()}).encode() + b"\\n")
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
"""


def test_a_spot_job_makes_room_and_goes_on_from_its_checkpoint(start, s3, sagemaker):
    checkpoints = {"S3Uri": f"s3://{BUCKET}/checkpoints"}
    spot = {"EnableManagedSpotTraining": True, "CheckpointConfig": checkpoints}
    limits = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200}
    start("spot", "sagemaker-scikit-learn:1", {}, COUNTS, StoppingCondition=limits, **spot)

    def uploaded() -> bool:
        told = sagemaker.describe_training_job(TrainingJobName="spot")
        assert told["TrainingJobStatus"] == "InProgress", told.get("FailureReason")
        return bool(s3.list_objects_v2(Bucket=BUCKET, Prefix="checkpoints/step.txt").get("Contents"))

    until(uploaded, "its checkpoint is in the bucket")
    urgent = [f"urgent-{number}" for number in range(os.cpu_count() or 1)]
    for name in urgent:
        start(name, "sagemaker-scikit-learn:1", {}, WAITS)

    def is_interrupted() -> bool:
        told = sagemaker.describe_training_job(TrainingJobName="spot")
        assert told["TrainingJobStatus"] == "InProgress", told
        return "Interrupted" in [each["Status"] for each in told["SecondaryStatusTransitions"]]

    until(is_interrupted, "it has made room")
    for name in urgent:
        sagemaker.stop_training_job(TrainingJobName=name)
    told = ended(sagemaker, "spot")
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    steps = [each["Status"] for each in told["SecondaryStatusTransitions"]]
    assert steps.index("Training") < steps.index("Interrupted") < len(steps) - 1 - steps[::-1].index("Training")
    begun = int(files_of(s3, told)["begun.txt"])
    assert begun > 0
    assert int(s3.get_object(Bucket=BUCKET, Key="checkpoints/step.txt")["Body"].read()) == begun + 10


def test_two_hosts_are_two_processes_with_their_own_shards_that_reach_each_other(start, s3, sagemaker):
    files = {f"{number}.csv": b"1" for number in range(4)}
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}
    start("pair", "pytorch-training:2", {"train": files}, TALKS, ResourceConfig=two, Distribution="ShardedByS3Key")
    told = ended(sagemaker, "pair")
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    found = json.loads(files_of(s3, told)["found.json"])
    assert found["mine"] == ["0.csv", "2.csv"]
    assert found["theirs"]["files"] == ["1.csv", "3.csv"]
    assert found["theirs"]["pid"] != found["pid"]
