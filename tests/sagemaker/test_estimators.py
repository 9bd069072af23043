"""Estimators of SageMaker's SDK, version 2, as notebooks have them; the SDK runs in an environment of its own."""

import json

PREPARE = """
import os
import sagemaker

session = sagemaker.Session(default_bucket=os.environ["BUCKET"])
role = "arn:aws:iam::123456789012:role/service-role/SageMakerRole"
"""
SCRIPT = (
    PREPARE
    + '''
import json
from pathlib import Path
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn.estimator import SKLearn

Path("source").mkdir()
Path("source/train.py").write_text("""
import argparse, json, os
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LinearRegression

parser = argparse.ArgumentParser()
parser.add_argument("--intercept", type=int)
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
args, _ = parser.parse_known_args()
rows = np.loadtxt(Path(args.train) / "rows.csv", delimiter=",")
model = LinearRegression(fit_intercept=bool(args.intercept)).fit(rows[:, 1:], rows[:, 0])
print(f"r2={model.score(rows[:, 1:], rows[:, 0]):.4f};")
joblib.dump(model, Path(args.model_dir) / "model.joblib")
""")
Path("rows.csv").write_text("".join(f"{2 * x + 1},{x}\\n" for x in range(50)))
data = session.upload_data("rows.csv", key_prefix="rows")
estimator = SKLearn(
    entry_point="train.py", source_dir="source", framework_version="1.2-1", py_version="py3", role=role,
    instance_type="ml.m5.large", instance_count=1, hyperparameters={"intercept": 1}, sagemaker_session=session,
    metric_definitions=[{"Name": "r2", "Regex": "r2=(.*?);"}], base_job_name="rows", disable_profiler=True,
)
estimator.fit({"train": TrainingInput(data, content_type="text/csv")})
told = estimator.latest_training_job.describe()
print(json.dumps([told["TrainingJobStatus"], estimator.model_data, told["FinalMetricDataList"][0]["Value"]]))
'''
)
BUILT_IN = (
    PREPARE
    + """
import json
from pathlib import Path
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput

Path("rows.csv").write_text("".join(f"{int(x > 25)},{x},{x % 3}\\n" for x in range(50)))
data = session.upload_data("rows.csv", key_prefix="classes")
estimator = Estimator(
    sagemaker.image_uris.retrieve("xgboost", "us-east-1", "1.7-1"), role, 1, "ml.m5.large", sagemaker_session=session,
    output_path=f"s3://{session.default_bucket()}/models", hyperparameters={"num_round": 5}, disable_profiler=True,
)
estimator.set_hyperparameters(objective="binary:logistic")
estimator.fit({"train": TrainingInput(data, content_type="csv")})
print(json.dumps(estimator.latest_training_job.describe()["TrainingJobStatus"]))
"""
)


def test_a_framework_estimator_trains_its_script(user):
    status, model, r2 = json.loads(user(".venv-sagemaker", SCRIPT).splitlines()[-1])
    assert status == "Completed"
    assert model.endswith("/output/model.tar.gz")
    assert r2 == 1.0


def test_an_estimator_of_a_built_in_algorithm_trains(user):
    assert json.loads(user(".venv-sagemaker", BUILT_IN).splitlines()[-1]) == "Completed"
