"""What is kept of a scalable target and its policies, and how they are shown."""

import re
from datetime import datetime
from typing import Any, NamedTuple

from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request
from modelyard.kit.foreign_names import own_name
from modelyard.types.foreign.documents import Document

KIND = "scalable-target"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
NAMESPACE = "sagemaker"
_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
_POLICY_MEMBERS = ("TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration")
_ROLE = "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling"


class Resource(NamedTuple):
    """The variant that a resource id names."""

    id: str
    endpoint: str
    variant: str


def resource_of(request: Request) -> Resource:
    """The variant of an endpoint that a request is about.

    Raises:
        AwsError: it is about something else.
    """
    found = _RESOURCE.fullmatch(request["ResourceId"])
    if request["ServiceNamespace"] != NAMESPACE or request["ScalableDimension"] != DIMENSION or found is None:
        raise validation_error(
            f"Unsupported service namespace, resource type or scalable dimension. Modelyard scales {NAMESPACE}, "
            f"endpoint/<endpoint>/variant/<variant>, {DIMENSION}."
        )
    return Resource(request["ResourceId"], found["endpoint"], found["variant"])


def no_target(request: Request) -> AwsError:
    """The error for a variant that was never registered, or not any more."""
    return AwsError(
        "ObjectNotFoundException",
        f"No scalable target registered for service namespace: {request['ServiceNamespace']}, resource ID: "
        f"{request['ResourceId']}, scalable dimension: {request['ScalableDimension']}.",
    )


def target_arn(call: Call, resource_id: str) -> str:
    """ARN of a scalable target."""
    return call.arn(f"scalable-target/{own_name(resource_id)}", "application-autoscaling")


def policy_arn(call: Call, resource_id: str, name: str) -> str:
    """ARN of a scaling policy."""
    path = f"scalingPolicy:{own_name(resource_id)}:resource/{NAMESPACE}/{resource_id}:policyName/{name}"
    return call.arn(path, "autoscaling")


def policy_of(request: Request, now: datetime) -> dict[str, Any]:
    """A policy as it is kept.

    Raises:
        AwsError: its type and its configuration do not go together, or it is one that is not carried out.
    """
    kind = request.get("PolicyType", "StepScaling")
    wanted = f"{kind}PolicyConfiguration" if kind != "TargetTrackingScaling" else _POLICY_MEMBERS[0]
    if wanted not in _POLICY_MEMBERS:
        raise validation_error(f"Modelyard does not carry out policies of the type {kind}.")
    if wanted not in request:
        raise validation_error(f"{wanted} must be specified for the PolicyType {kind}.")
    configuration = request[wanted]
    metrics = [name for name in configuration if name.endswith("MetricSpecification")]
    if wanted == _POLICY_MEMBERS[0] and len(metrics) != 1:
        raise validation_error(f"{wanted} needs either a PredefinedMetricSpecification or a Customized one.")
    return {"type": kind, "member": wanted, "configuration": configuration, "created": now.isoformat()}


def target_shown(call: Call, document: Document) -> Answer:
    """A ScalableTarget."""
    content = document.content
    off = content.get("suspended") or {}
    names = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
    return {
        **identity(document.name),
        "MinCapacity": content["least"],
        "MaxCapacity": content["most"],
        "RoleARN": content.get("role") or f"arn:aws:iam::{call.account_id}:role/{_ROLE}_SageMakerEndpoint",
        "CreationTime": document.created_at,
        "SuspendedState": {name: bool(off.get(name, False)) for name in names},
        "ScalableTargetARN": target_arn(call, document.name),
    }


def policy_shown(call: Call, resource_id: str, name: str, policy: dict[str, Any]) -> Answer:
    """A ScalingPolicy. It has no alarms: replicas are counted without any."""
    return {
        **identity(resource_id),
        "PolicyARN": policy_arn(call, resource_id, name),
        "PolicyName": name,
        "PolicyType": policy["type"],
        policy["member"]: policy["configuration"],
        "Alarms": [],
        "CreationTime": datetime.fromisoformat(policy["created"]),
    }


def identity(resource_id: str) -> dict[str, str]:
    """What names a variant in every answer."""
    return {"ServiceNamespace": NAMESPACE, "ResourceId": resource_id, "ScalableDimension": DIMENSION}
