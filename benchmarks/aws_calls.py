"""What the AWS facade itself costs a call: read, verify, route, validate, answer, in this process and without a socket.

Usage: python benchmarks/aws_calls.py [CALLS]
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from modelyard.facades.aws.wire.codec import bind, parse, serialize
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.routing import candidates
from modelyard.facades.aws.wire.signatures import signature_of
from modelyard.facades.aws.wire.verification import check_signature

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "a secret"
CREATE = (
    b'{"TrainingJobName":"wine-1","AlgorithmSpecification":{"TrainingImage":"image","TrainingInputMode":"File"},'
    b'"RoleArn":"arn:aws:iam::123456789012:role/service-role/Name","HyperParameters":{"num_round":"10"},'
    b'"InputDataConfig":[{"ChannelName":"train","DataSource":{"S3DataSource":{"S3DataType":"S3Prefix",'
    b'"S3Uri":"s3://wine/train"}}}],"OutputDataConfig":{"S3OutputPath":"s3://wine/out"},'
    b'"ResourceConfig":{"InstanceType":"ml.m5.large","InstanceCount":1,"VolumeSizeInGB":5},'
    b'"StoppingCondition":{"MaxRuntimeInSeconds":60}}'
)
CALLS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "DescribeModel": (b'{"ModelName":"wine"}', {"ModelName": "wine", "ModelArn": "arn"}),
    "ListTags": (b'{"ResourceArn":"arn:aws:sagemaker:us-east-1:123456789012:model/wine"}', {"Tags": []}),
    "CreateTrainingJob": (CREATE, {"TrainingJobArn": "arn"}),
}


def main(count: int) -> None:
    """A line for each call."""
    for name, (body, answer) in CALLS.items():
        scope = signed(f"SageMaker.{name}", body)
        seconds = cpu_seconds(lambda scope=scope, body=body, answer=answer: call(scope, body, answer), count)
        print(f"{name:18} {seconds / count * 1e6:6.0f} us of CPU a call")


def call(scope: dict[str, Any], body: bytes, answer: dict[str, Any]) -> None:
    """Everything but the operation."""
    request = WireRequest.of(scope, body)
    signature = signature_of(request)
    check_signature(signature, request, SECRET)
    bound = bind(candidates(request, signature.service)[0], request)
    assert bound is not None
    parse(bound, request)
    serialize(bound, answer, "request")


def signed(target: str, body: bytes) -> dict[str, Any]:
    """The scope of such a request."""
    headers = {"host": "127.0.0.1:8000", "x-amz-target": target, "content-type": "application/x-amz-json-1.1"}
    request: Any = AWSRequest("POST", "http://127.0.0.1:8000/", data=body, headers=headers)
    SigV4Auth(Credentials(KEY, SECRET), "sagemaker", "us-east-1").add_auth(request)
    encoded = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "headers": encoded}


def cpu_seconds(work: Callable[[], None], count: int) -> float:
    """The best of three rounds, after a first call that loads the model."""
    work()
    rounds = []
    for _ in range(3):
        started = time.process_time()
        for _ in range(count):
            work()
        rounds.append(time.process_time() - started)
    return min(rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
