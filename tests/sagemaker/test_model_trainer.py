"""ModelTrainer of SageMaker's SDK, version 3; the SDK runs in an environment of its own."""

import json

PROGRAM = '''
import json
import os
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode

store = boto3.Session(os.environ["S3_KEY"], os.environ["S3_SECRET"])
session = Session(
    boto_session=store, sagemaker_client=boto3.client("sagemaker"), default_bucket=os.environ["BUCKET"]
)
Path("source").mkdir()
Path("source/train.py").write_text("""
import argparse, os
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=int)
scale = parser.parse_args().scale
rows = [float(line) for line in (Path(os.environ["SM_CHANNEL_TRAIN"]) / "rows.csv").read_text().split()]
Path(os.environ["SM_MODEL_DIR"], "sum.txt").write_text(str(scale * sum(rows)))
""")
store.client("s3").put_object(Bucket=os.environ["BUCKET"], Key="numbers/rows.csv", Body=b"1\\n2\\n")
trainer = ModelTrainer(
    sagemaker_session=session,
    role="arn:aws:iam::123456789012:role/service-role/SageMakerRole",
    training_image="763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.0.0-cpu-py310",
    source_code=SourceCode(source_dir="source", entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"scale": 2},
    base_job_name="numbers",
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{os.environ['BUCKET']}/trained"),
)
trainer.train(
    input_data_config=[InputData(channel_name="train", data_source=f"s3://{os.environ['BUCKET']}/numbers/")],
    wait=True,
    logs=False,
)
job = trainer._latest_training_job
job.refresh()
print(json.dumps([job.training_job_status, job.model_artifacts.s3_model_artifacts]))
'''


def test_a_model_trainer_trains_its_script(user):
    status, model = json.loads(user(".venv-sagemaker3", PROGRAM).splitlines()[-1])
    assert status == "Completed"
    assert model.endswith("/output/model.tar.gz")
