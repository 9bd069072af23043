"""Every kind of channel that SageMaker knows, on a whole platform: what is learnt from it is the plain library's."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import xgboost
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from modelyard.testing.aws.algorithms import csv
from modelyard.testing.aws.records import record
from modelyard.testing.aws.training import BUCKET, ECR, ended, files_of

pytestmark = pytest.mark.slow
XGBOOST = "sagemaker-xgboost:1.7-1"
FOLDER = "demo//"  # as programs make them of a prefix that ends with a slash
BINARY = {"objective": "binary:logistic", "num_round": "20", "max_depth": "3", "eval_metric": "error"}
LISTS_FILES = """
import json, os
from pathlib import Path

found = {name: sorted(os.listdir(f"/opt/ml/input/data/{name}")) for name in json.loads(os.environ["SM_CHANNELS"])}
kept = Path("/opt/ml/input/data/listed-manifest").read_text()
Path("/opt/ml/model/found.json").write_text(json.dumps({"files": found, "manifest": json.loads(kept)}))
"""


def split(load: Any) -> list[np.ndarray]:
    """Training features, test features, training labels, test labels."""
    features, labels = load(return_X_y=True)
    return train_test_split(features.astype(np.float32), labels.astype(np.float32), random_state=0)


def channel(name: str, uri: str, content_type: str, **more: Any) -> dict[str, Any]:
    """A channel at a key of the bucket; members of its S3DataSource are told by their names."""
    of_source = ("S3DataType", "S3DataDistributionType", "AttributeNames")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{uri}"}
    source |= {member: value for member, value in more.items() if member in of_source}
    others = {member: value for member, value in more.items() if member not in of_source}
    return {"ChannelName": name, "ContentType": content_type, "DataSource": {"S3DataSource": source}, **others}


def completed(sagemaker: Any, name: str) -> dict[str, Any]:
    told = ended(sagemaker, name)
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    return told


def metrics_of(told: Mapping[str, Any]) -> dict[str, float]:
    return {each["MetricName"]: each["Value"] for each in told["FinalMetricDataList"]}


def outputs(model: bytes, name: str, inputs: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return dict(zip([each.name for each in session.get_outputs()], session.run(None, {name: inputs}), strict=True))


def parquet(features: np.ndarray, labels: np.ndarray) -> bytes:
    content = io.BytesIO()
    pd.DataFrame(np.column_stack([labels, features])).rename(columns=str).to_parquet(content)
    return content.getvalue()


def test_xgboost_reads_parquet_files_in_pipe_mode_and_errs_as_often_as_the_library(start, s3, sagemaker):
    features, test, labels, truth = split(load_breast_cancer)
    parts = {f"part-{n}.parquet": parquet(features[n::3], labels[n::3]) for n in range(3)}
    parts |= {"_SUCCESS": b"", ".part-0.parquet.crc": b"crc"}  # Spark's
    files = {"train": parts, "validation": {"all.parquet": parquet(test, truth)}}
    pipes = {"TrainingImage": f"{ECR}/{XGBOOST}", "TrainingInputMode": "Pipe"}
    kind = {"HyperParameters": BINARY, "ContentType": "application/x-parquet"}
    start("parquet", XGBOOST, files, AlgorithmSpecification=pipes, **kind)
    told = completed(sagemaker, "parquet")
    booster = xgboost.Booster()
    booster.load_model(bytearray(files_of(s3, told)["xgboost-model"]))
    order = np.concatenate([np.arange(len(features))[n::3] for n in range(3)])
    parameters = {"objective": "binary:logistic", "max_depth": 3}
    plain = xgboost.train(parameters, xgboost.DMatrix(features[order], labels[order]), 20)
    expected = plain.predict(xgboost.DMatrix(test))
    assert booster.predict(xgboost.DMatrix(test)) == pytest.approx(expected, abs=1e-4)
    assert metrics_of(told)["validation:error"] == pytest.approx(((expected > 0.5) != truth).mean(), abs=1e-6)


def test_k_means_reads_protobuf_records_in_fast_file_mode_from_all_shards(start, s3, sagemaker):
    features, test, _, _ = split(load_digits)
    parts = {f"matrix_{n}.pbr": b"".join(record(row) for row in features[n::4]) for n in range(4)}
    fast = {"TrainingImage": f"{ECR}/kmeans:1", "TrainingInputMode": "FastFile"}
    start(
        "records",
        "kmeans:1",
        {"train": parts},
        HyperParameters={"k": "10", "feature_dim": "64", "mini_batch_size": "500"},
        AlgorithmSpecification=fast,
        ContentType="application/x-recordio-protobuf",
        Distribution="ShardedByS3Key",
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10},
    )
    told = completed(sagemaker, "records")
    found = outputs(files_of(s3, told)["model.onnx"], "features", test)
    order = np.concatenate([np.arange(len(features))[n::4] for n in range(4)])
    plain = KMeans(10, n_init=10, random_state=0).fit(features[order])
    assert found["distance_to_cluster"] == pytest.approx(plain.transform(test).min(axis=1), rel=1e-3)
    assert metrics_of(told)["train:ssd"] == pytest.approx(plain.inertia_, rel=1e-3)


def test_the_linear_learner_learns_from_the_objects_of_a_manifest_alone(start, s3, sagemaker):
    features, test, labels, truth = split(load_breast_cancer)
    objects = {
        f"{FOLDER}rows/one.csv": csv(features[::2], labels[::2]),
        f"{FOLDER}rows/deep/two.csv": csv(features[1::2], labels[1::2]),
        f"{FOLDER}rows/other.csv": b"no,row",
        f"{FOLDER}rows.manifest": json.dumps(
            [{"prefix": f"s3://{BUCKET}/{FOLDER}rows/"}, "one.csv", "deep/two.csv"]
        ).encode(),
    }
    for key, body in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    listed = channel("train", f"{FOLDER}rows.manifest", "text/csv", S3DataType="ManifestFile")
    given = {"predictor_type": "binary_classifier", "mini_batch_size": "100", "loss": "logistic"}
    results = {"S3OutputPath": f"s3://{BUCKET}/{FOLDER}results"}
    start("listed", "linear-learner:1", {}, HyperParameters=given, InputDataConfig=[listed], OutputDataConfig=results)
    told = completed(sagemaker, "listed")
    assert told["ModelArtifacts"]["S3ModelArtifacts"].startswith(f"s3://{BUCKET}/{FOLDER}results/listed/")
    found = outputs(files_of(s3, told)["model.onnx"], "features", test)
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, max_iter=1000)).fit(features, labels)
    assert (found["label"] == truth).mean() >= plain.score(test, truth) - 0.02

    script = [
        channel("listed", f"{FOLDER}rows.manifest", "text/csv", S3DataType="ManifestFile", InputMode="FastFile"),
        channel("prefix", f"{FOLDER}rows/o", "text/csv"),
    ]
    start("lists", "sagemaker-scikit-learn:1", {}, LISTS_FILES, InputDataConfig=script)
    seen = json.loads(files_of(s3, completed(sagemaker, "lists"))["found.json"])
    assert seen["files"] == {"listed": ["deep", "one.csv"], "prefix": ["one.csv", "other.csv"]}
    assert seen["manifest"] == json.loads(objects[f"{FOLDER}rows.manifest"])


def test_images_of_an_augmented_manifest_are_learnt_through_a_pipe_of_records(start, s3, sagemaker, logged):
    digits = load_digits()
    pictures = (digits.images * 16).clip(0, 255).astype(np.uint8)
    lines: dict[str, list[str]] = {"train": [], "validation": []}
    for number, (picture, label) in enumerate(zip(pictures[:900], digits.target[:900], strict=True)):
        png = io.BytesIO()
        Image.fromarray(picture).save(png, "png")
        key = f"pictures/{number}.png"
        s3.put_object(Bucket=BUCKET, Key=key, Body=png.getvalue())
        line = {"source-ref": f"s3://{BUCKET}/{key}", "class": str(label) if number % 2 else int(label)}
        told = {"class-metadata": {"confidence": 0.9, "type": "groundtruth/image-classification"}}
        lines["train" if number < 700 else "validation"].append(json.dumps(line | told))
    channels = []
    for name, each in lines.items():
        s3.put_object(Bucket=BUCKET, Key=f"{name}.manifest", Body="\n".join(each).encode())
        augmented = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref", "class"]}
        wrapped = {"RecordWrapperType": "RecordIO", "InputMode": "Pipe"}
        channels.append(channel(name, f"{name}.manifest", "application/x-recordio", **augmented, **wrapped))
    given = {
        "num_layers": "18", "image_shape": "1,8,8", "num_classes": "10", "num_training_samples": "700",
        "mini_batch_size": "32", "epochs": "15", "learning_rate": "0.01", "top_k": "2", "resize": "8",
        "use_pretrained_model": "1",
    }  # fmt: skip
    start("augmented", "image-classification:1", {}, HyperParameters=given, InputDataConfig=channels)
    told = completed(sagemaker, "augmented")
    shown = pictures[700:900].astype(np.float32)
    found = outputs(files_of(s3, told)["model.onnx"], "images", shown)["probabilities"]
    accuracy = (found.argmax(axis=1) == digits.target[700:900]).mean()
    plain = SVC().fit(pictures[:700].reshape(700, -1) / 255, digits.target[:700])
    assert accuracy >= plain.score(shown.reshape(200, -1) / 255, digits.target[700:900]) - 0.03
    figures = metrics_of(told)
    assert figures["validation:accuracy"] == pytest.approx(accuracy, abs=0.01)
    likeliest = np.argsort(-found, axis=1)[:, :2]
    second = (likeliest == digits.target[700:900, None]).any(axis=1).mean()
    assert figures["validation:top_k_accuracy_2"] == pytest.approx(second, abs=0.01)
    log = logged("augmented")
    assert "use_pretrained_model: there is no network here" in log
    assert "Hyper-parameters without effect here: num_training_samples, resize" in log
