"""CreateTrainingJob's request as one of our recipes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from modelyard.facades.aws.wire.errors import validation_error
from modelyard.facades.aws.wire.operations import Call, Request
from modelyard.types.compute.scheduling import Placement
from modelyard.types.contract.recipes import ChannelSource, ContractChannel, ContractRecipe, InputMode
from modelyard.types.processes import Resources
from modelyard.types.scripting.recipes import MetricDefinition

_DEFAULT_GROUP = "homogeneousCluster"
_GZIP = "Gzip"
_MOST_SECONDS = 86_400
"""Of a job that says nothing about it, as at AWS."""


def recipe_of(call: Call, request: Request) -> ContractRecipe:
    """The recipe of a training job.

    Raises:
        AwsError: it asks for something that is not done here.
    """
    specification, output = request["AlgorithmSpecification"], request["OutputDataConfig"]
    image = specification.get("TrainingImage")
    if image and specification.get("AlgorithmName"):
        raise validation_error("Name either a TrainingImage or an AlgorithmName, not both.")
    if not image:
        raise validation_error(
            "Algorithms of the AWS Marketplace (AlgorithmName) are not supported. Name an image in TrainingImage."
        )
    checkpoints = request.get("CheckpointConfig") or {}
    mode = specification.get("TrainingInputMode") or InputMode.FILE
    instance_type, group, hosts = _hosts(request["ResourceConfig"])
    return ContractRecipe(
        name=request["TrainingJobName"],
        arn=call.arn(f"training-job/{request['TrainingJobName']}"),
        region=call.region,
        image=image,
        entry_point=tuple(specification.get("ContainerEntrypoint") or ()),
        arguments=tuple(specification.get("ContainerArguments") or ()),
        hyperparameters=dict(request.get("HyperParameters") or {}),
        channels=tuple(_channel(each, mode) for each in request.get("InputDataConfig") or ()),
        environment=dict(request.get("Environment") or {}),
        output_uri=output["S3OutputPath"],
        is_output_compressed=output.get("CompressionType", "GZIP") != "NONE",
        checkpoint_uri=checkpoints.get("S3Uri", ""),
        checkpoint_path=checkpoints.get("LocalPath") or "/opt/ml/checkpoints",
        hosts=hosts,
        instance_type=instance_type,
        instance_group=group,
        metrics=tuple(
            MetricDefinition(name=each["Name"], regex=each["Regex"])
            for each in specification.get("MetricDefinitions") or ()
        ),
    )


def placement_of(request: Request, now: datetime) -> Placement:
    """When it may start: a spot job makes room for others, and waits no longer than it says.

    Raises:
        AwsError: a spot job does not say how long it waits.
    """
    is_spot, limits = bool(request.get("EnableManagedSpotTraining")), request["StoppingCondition"]
    longest = limits.get("MaxPendingTimeInSeconds")
    if is_spot:
        longest = limits.get("MaxWaitTimeInSeconds", 0)
        if longest < limits.get("MaxRuntimeInSeconds", _MOST_SECONDS):
            raise validation_error(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds."
            )
    return Placement(is_spot=is_spot, start_before=now + timedelta(seconds=longest) if longest else None)


def resources_of(request: Request, memory_bytes: int) -> Resources:
    """Limits of each host. What the instance type would have is not looked at: it is this machine."""
    seconds = request["StoppingCondition"].get("MaxRuntimeInSeconds", _MOST_SECONDS)
    return Resources(cpus=1.0, memory_bytes=memory_bytes, time_limit_seconds=float(seconds))


def _hosts(config: Mapping[str, Any]) -> tuple[str, str, int]:
    """Instance type, name of the group, number of hosts."""
    groups = config.get("InstanceGroups") or ()
    if len(groups) > 1:
        raise validation_error("A job of several instance groups is not supported. Put all instances into one group.")
    if groups:
        return groups[0]["InstanceType"], groups[0]["InstanceGroupName"], groups[0]["InstanceCount"]
    return config.get("InstanceType", "ml.m5.large"), _DEFAULT_GROUP, config.get("InstanceCount", 1)


def _channel(given: Mapping[str, Any], mode: str) -> ContractChannel:
    source = given["DataSource"].get("S3DataSource")
    name = given["ChannelName"]
    if source is None:
        raise validation_error(f"The channel '{name}' has no S3DataSource. File systems are not supported.")
    shuffle = given.get("ShuffleConfig") or {}
    return ContractChannel(
        name=name,
        uri=source["S3Uri"],
        source=ChannelSource(source["S3DataType"]),
        mode=InputMode(given.get("InputMode") or mode),
        content_type=given.get("ContentType") or "",
        record_wrapper=given.get("RecordWrapperType") or "None",
        attributes=tuple(source.get("AttributeNames") or ()),
        is_sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
        is_compressed=given.get("CompressionType") == _GZIP,
        shuffle_seed=shuffle.get("Seed"),
    )
