"""An image with SageMaker's contract, trained and hosted with boto3: CSV in, 415 on anything else."""

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from modelyard.testing.aws.platform import AwsPlatform
from modelyard.testing.services.containers import Podman, python_root

pytestmark = pytest.mark.slow
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/our-scorer:3"
SERVER = """
import json, socket, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
MODEL = Path("/opt/ml/model/weights.txt")

if sys.argv[1:] == ["train"]:
    given = json.loads(Path("/opt/ml/input/config/hyperparameters.json").read_text())
    told = json.loads(Path("/opt/ml/input/config/resourceconfig.json").read_text())
    files = sorted(Path("/opt/ml/input/data/training").iterdir())
    rows = [line.split(",") for file in files for line in file.read_text().splitlines()]
    first, *others = told["hosts"]
    if told["current_host"] != first:
        while True:
            try:
                with socket.create_connection((first, 7777), 5) as peer:
                    peer.sendall(json.dumps(rows).encode())
                sys.exit()
            except ConnectionRefusedError:
                time.sleep(0.05)
    with socket.create_server(("", 7777)) as server:
        for _ in others:
            rows += json.load(server.accept()[0].makefile())
    means = [sum(map(float, column)) / len(rows) for column in zip(*rows)]
    MODEL.write_text(" ".join(str(mean * float(given["scale"])) for mean in means))
    sys.exit()
weights = [float(word) for word in MODEL.read_text().split()]

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404, b"", "text/plain")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Content-Type"] != "text/csv":
            return self.answer(415, b"This predictor only supports CSV data", "text/plain")
        rows = [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
        sums = [str(sum(w * x for w, x in zip(weights, row))) for row in rows]
        self.answer(200, "\\n".join(sums).encode(), "text/csv")

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header(ATTRIBUTES, self.headers.get(ATTRIBUTES, ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

if sys.argv[1:] != ["serve"]:
    sys.exit("the image was not told to serve")
ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def platform(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsPlatform]:
    podman.load(IMAGE, python_root({"serve.py": SERVER}), 'ENTRYPOINT ["/usr/bin/python3", "/serve.py"]')
    containers = {"MODELYARD_CONTAINER_SOCKET": podman.socket, "MODELYARD_CONTAINER_PULL": "false"}
    with AwsPlatform(tmp_path_factory.mktemp("hosted") / "home", containers) as running:
        running.allow_code()
        yield running


def trained(sagemaker: Any, name: str, hosts: int = 1) -> str:
    """Address of the model that the image learns of the rows, which are dealt out to the hosts."""
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://models/rows/", "S3DataDistributionType": "ShardedByS3Key"}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        HyperParameters={"scale": "2"},
        InputDataConfig=[{"ChannelName": "training", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": "s3://models/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 1},
        RoleArn="arn:aws:iam::111122223333:role/SageMakerRole",
        StoppingCondition={"MaxRuntimeInSeconds": 300},
    )
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)
    described = sagemaker.describe_training_job(TrainingJobName=name)
    assert described["TrainingJobStatus"] == "Completed", described
    return str(described["ModelArtifacts"]["S3ModelArtifacts"])


@pytest.fixture(scope="module")
def rows(platform: AwsPlatform) -> None:
    s3: Any = platform.client("s3")
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="rows/first.csv", Body=b"0,4,40\n")
    s3.put_object(Bucket="models", Key="rows/second.csv", Body=b"1,6,60\n")


@pytest.mark.usefixtures("rows")
def test_two_hosts_of_an_image_share_the_rows_and_learn_what_one_learns_of_all(platform: AwsPlatform):
    models = []
    for name, hosts in (("alone", 1), ("shared", 2)):
        place = trained(platform.client("sagemaker"), name, hosts).removeprefix("s3://models/")
        body = platform.client("s3").get_object(Bucket="models", Key=place)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            models.append(archive.extractfile("weights.txt").read())
    assert models == [b"1.0 10.0 100.0"] * 2


@pytest.mark.usefixtures("rows")
def test_an_image_is_trained_and_hosted_as_it_is_on_sagemaker(platform: AwsPlatform):
    sagemaker: Any = platform.client("sagemaker")
    runtime: Any = platform.client("sagemaker-runtime")
    container = {"Image": IMAGE, "ModelDataUrl": trained(sagemaker, "scorer")}
    sagemaker.create_model(ModelName="Scorer", PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "Scorer", "InitialInstanceCount": 1}
    variant["InstanceType"] = "ml.m5.large"
    sagemaker.create_endpoint_config(EndpointConfigName="Scorer", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="Scorer", EndpointConfigName="Scorer")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="Scorer")
    asked = {"EndpointName": "Scorer", "CustomAttributes": "trace=7"}
    answer = runtime.invoke_endpoint(**asked, ContentType="text/csv", Body=b"1,2,3\n4,5,6")
    assert answer["Body"].read() == b"321.0\n654.0"
    assert answer["ContentType"] == "text/csv"
    assert answer["CustomAttributes"] == "trace=7"
    with pytest.raises(ClientError) as refused:
        runtime.invoke_endpoint(**asked, ContentType="application/json", Body=b"[1]")
    response = refused.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 415)
    assert response["OriginalMessage"] == "This predictor only supports CSV data"
    sagemaker.delete_endpoint(EndpointName="Scorer")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="Scorer")
