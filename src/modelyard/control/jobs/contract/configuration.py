"""The JSON files below /opt/ml/input/config, and the variables that the platform gives to every program.

Source: docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelyard.algorithms.contract.toolkit import PIPES
from modelyard.kit.files import write_atomic
from modelyard.types.contract.recipes import ContractRecipe, InputMode

_INTERFACE = "lo"


def write_configuration(recipe: ContractRecipe, folder: Path) -> None:
    """Write every file of the contract into `folder`."""
    files: dict[str, Any] = {
        "hyperparameters.json": recipe.hyperparameters,
        "resourceconfig.json": resources(recipe, recipe.host_names[0]),
        "inputdataconfig.json": {channel.name: _channel(channel.name, recipe) for channel in recipe.channels},
        "trainingjobconfig.json": _job(recipe),
    }
    if recipe.checkpoint_uri:
        files["checkpointconfig.json"] = {"S3Uri": recipe.checkpoint_uri, "LocalPath": recipe.checkpoint_path}
    if recipe.metrics:
        patterns = [{"Name": each.name, "Regex": each.regex} for each in recipe.metrics]
        files["metric-definition-regex.json"] = patterns
    pipes = [channel for channel in recipe.channels if channel.mode is InputMode.PIPE and not recipe.algorithm]
    if pipes:
        files[PIPES] = {
            channel.name: {
                "is_wrapped": channel.record_wrapper == "RecordIO",
                "shuffle_seed": channel.shuffle_seed,
            }
            for channel in pipes
        }
    for name, content in files.items():
        write_atomic(folder / name, json.dumps(content, indent=1).encode() + b"\n")


def resources(recipe: ContractRecipe, host: str) -> dict[str, Any]:
    """What resourceconfig.json says to one host."""
    hosts = list(recipe.host_names)
    group = {
        "instance_group_name": recipe.instance_group,
        "instance_type": recipe.instance_type,
        "hosts": hosts,
    }
    return {
        "current_host": host,
        "current_instance_type": recipe.instance_type,
        "current_group_name": recipe.instance_group,
        "hosts": hosts,
        "instance_groups": [group],
        "network_interface_name": _INTERFACE,
    }


def variables(recipe: ContractRecipe) -> dict[str, str]:
    """The program's environment: what the platform says, and under it the user's own, if it is the user's program."""
    return {
        **({} if recipe.algorithm else recipe.environment),
        "TRAINING_JOB_NAME": recipe.name,
        "TRAINING_JOB_ARN": recipe.arn,
        "AWS_REGION": recipe.region,
        "AWS_DEFAULT_REGION": recipe.region,
    }


def names_of_hosts(recipe: ContractRecipe, address: Callable[[int], str] = lambda _host: "127.0.0.1") -> str:
    """An /etc/hosts for the loopback that the hosts of a job share."""
    named = [f"{address(host)} {name}" for host, name in enumerate(recipe.host_names)]
    lines = ["127.0.0.1 localhost modelyard", *named]
    return "\n".join(lines) + "\n"


def _channel(name: str, recipe: ContractRecipe) -> dict[str, str]:
    channel = next(each for each in recipe.channels if each.name == name)
    told = {
        "TrainingInputMode": channel.mode.value,
        "S3DistributionType": "ShardedByS3Key" if channel.is_sharded else "FullyReplicated",
        "RecordWrapperType": channel.record_wrapper,
    }
    return {"ContentType": channel.content_type, **told} if channel.content_type else told


def _job(recipe: ContractRecipe) -> dict[str, Any]:
    """Its request again, as far as programs look into it."""
    return {
        "TrainingJobName": recipe.name,
        "TrainingJobArn": recipe.arn,
        "AlgorithmSpecification": {
            "TrainingImage": recipe.image,
            "MetricDefinitions": [{"Name": each.name, "Regex": each.regex} for each in recipe.metrics],
        },
        "HyperParameters": recipe.hyperparameters,
        "OutputDataConfig": {"S3OutputPath": recipe.output_uri},
        "ResourceConfig": {"InstanceType": recipe.instance_type, "InstanceCount": recipe.hosts},
        "Environment": recipe.environment,
    }
