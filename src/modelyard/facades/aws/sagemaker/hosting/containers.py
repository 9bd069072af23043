"""What the containers of CreateModel are: one that serves alone, several, or one for many models."""

from collections.abc import Sequence
from typing import Any

from modelyard.facades.aws.wire.errors import validation_error
from modelyard.facades.aws.wire.operations import Request
from modelyard.types.serving.hosting import Composition, CompositionMode, ModelContainer

MOST_CONTAINERS = 15
_REMOTE = "s3://"
_MULTI = "MultiModel"
_MODES = {"Serial": CompositionMode.SERIAL, "Direct": CompositionMode.DIRECT}


def containers_of(request: Request) -> tuple[ModelContainer, ...]:
    """The containers of a model; of several each has a hostname.

    Raises:
        AwsError: there are too many, or one is of a kind that is not carried out.
    """
    described = _described(request)
    if len(described) > MOST_CONTAINERS:
        raise validation_error(f"A model has at most {MOST_CONTAINERS} containers.")
    containers = tuple(_container(each, f"container-{number}") for number, each in enumerate(described, 1))
    if len(containers) == 1:
        return containers
    names = [each.hostname for each in containers]
    if len(set(names)) < len(names):
        raise validation_error(f"Each container needs a ContainerHostname of its own; there are {', '.join(names)}.")
    return containers


def composition_of(request: Request) -> Composition | None:
    """Of what an endpoint with this model is made; None: of the model itself.

    Raises:
        AwsError: the containers do not go together.
    """
    described, containers = _described(request), containers_of(request)
    if any(each.get("Mode") == _MULTI for each in described):
        return _by_target(containers)
    if len(containers) == 1:
        return None
    mode = (request.get("InferenceExecutionConfig") or {}).get("Mode", "Serial")
    return Composition(mode=_MODES[mode], containers=containers)


def _by_target(containers: Sequence[ModelContainer]) -> Composition:
    if len(containers) > 1:
        raise validation_error("A container in the mode MultiModel must be the only one of its model.")
    if not containers[0].data_url.startswith(_REMOTE):
        raise validation_error("A container in the mode MultiModel needs a ModelDataUrl: s3:// and a folder of models.")
    return Composition(mode=CompositionMode.TARGETS, containers=tuple(containers))


def _described(request: Request) -> list[dict[str, Any]]:
    return list(request.get("Containers") or [request.get("PrimaryContainer") or {}])


def _container(described: dict[str, Any], hostname: str) -> ModelContainer:
    if "Image" not in described:
        raise validation_error("The container needs an Image; models of model packages are not served here.")
    return ModelContainer(
        image=described["Image"],
        data_url=_data_url(described),
        environment=dict(described.get("Environment", {})),
        hostname=described.get("ContainerHostname", hostname),
    )


def _data_url(described: dict[str, Any]) -> str:
    source = described.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        return str(described.get("ModelDataUrl", ""))
    if described.get("Mode") == _MULTI or source["S3DataType"] != "S3Object" or source["CompressionType"] != "Gzip":
        raise validation_error(
            "ModelDataSource must be one S3Object that is compressed with Gzip: a model.tar.gz; "
            "in the mode MultiModel there is a ModelDataUrl in its place."
        )
    return str(source["S3Uri"])
