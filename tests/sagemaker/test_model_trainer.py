"""ModelTrainer of SageMaker's SDK, version 3, which starts its own script beside the user's (`sm_drivers`)."""

import json

PROGRAM = '''
import json
import os
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train import ModelTrainer

Path("source").mkdir()
Path("source/train.py").write_text("""
import argparse, json, os
from pathlib import Path

import humanize

assert humanize.ordinal(3) == "3rd"
parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=float)
factor = parser.parse_args().factor
rows = Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().split()
Path(os.environ["SM_MODEL_DIR"], "sum.json").write_text(json.dumps(factor * sum(map(float, rows))))
""")
Path("source/requirements.txt").write_text("humanize")
boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key="numbers/rows.csv", Body=b"1\\n2\\n3\\n")
trainer = ModelTrainer(
    training_image="763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3-cpu-py311",
    role="arn:aws:iam::123456789012:role/service-role/SageMakerRole",
    sagemaker_session=Session(default_bucket=os.environ["BUCKET"]),
    source_code=SourceCode(source_dir="source", entry_script="train.py", requirements="requirements.txt"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
    hyperparameters={"factor": 2.5},
    base_job_name="third",
)
data = InputData(channel_name="train", data_source=f"s3://{os.environ['BUCKET']}/numbers/")
trainer.train(input_data_config=[data], wait=False)
name = trainer._latest_training_job.training_job_name
client = boto3.client("sagemaker")
client.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)
told = client.describe_training_job(TrainingJobName=name)
print(json.dumps([told["TrainingJobStatus"], told["ModelArtifacts"]["S3ModelArtifacts"], told.get("FailureReason")]))
'''


def test_a_model_trainer_trains_its_script(user):
    status, model, reason = json.loads(user(".venv-sagemaker3", PROGRAM).splitlines()[-1])
    assert status == "Completed", reason
    assert model.endswith("/output/model.tar.gz")
