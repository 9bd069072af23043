"""CreateModel and its siblings."""

from typing import Any

from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.service import HostingService
from modelyard.facades.aws.sagemaker.hosting.listing import echo, exists, found, page_of, tags_of
from modelyard.facades.aws.wire.errors import validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.serving.hosting import ModelContainer

KIND = "sagemaker-model"
_SHOWN = (
    "PrimaryContainer",
    "Containers",
    "InferenceExecutionConfig",
    "ExecutionRoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
)
_PARTLY = "One container in the mode SingleModel; serial pipelines and multi-model containers are refused."


class ModelOperations:
    """A model: an image, and the archive that it serves."""

    def __init__(self, documents: DocumentService, hosting: HostingService) -> None:
        self._documents = documents
        self._hosting = hosting

    @operation("sagemaker", "CreateModel", Action.OPERATE, partly=_PARTLY)
    def create_model(self, call: Call, request: Request) -> Answer:
        """It is registered in the background; what is wrong with it, the endpoint says."""
        name, container = request["ModelName"], container_of(request)
        try:
            self._documents.create(KIND, call.project, name, echo(request), tags_of(request))
        except DocumentExistsError:
            raise exists(KIND, _arn(call, name)) from None
        self._hosting.remove_model(call.project, name)  # what a killed process may have left of one of this name
        self._hosting.add_model(call.project, name, container)
        return {"ModelArn": _arn(call, name)}

    @operation("sagemaker", "DescribeModel", Action.READ)
    def describe_model(self, call: Call, request: Request) -> Answer:
        """As it was created."""
        name = request["ModelName"]
        document = found(self._documents, KIND, call, name, _arn(call, name))
        kept = document.content["request"]
        shown = {key: kept[key] for key in _SHOWN if key in kept}
        return {
            "ModelName": name,
            "ModelArn": _arn(call, name),
            "CreationTime": document.created_at,
            "EnableNetworkIsolation": False,
            **shown,
        }

    @operation("sagemaker", "ListModels", Action.READ)
    def list_models(self, call: Call, request: Request) -> Answer:
        """In pages."""
        page = page_of(self._documents, KIND, call, request)
        models = [
            {"ModelName": each.name, "ModelArn": _arn(call, each.name), "CreationTime": each.created_at}
            for each in page.items
        ]
        return {"Models": models, "NextToken": page.next_cursor}

    @operation("sagemaker", "DeleteModel", Action.OPERATE)
    def delete_model(self, call: Call, request: Request) -> Answer:
        """Endpoints that serve it go on; its version stays in the registry."""
        name = request["ModelName"]
        found(self._documents, KIND, call, name, _arn(call, name))
        self._hosting.remove_model(call.project, name)
        self._documents.discard(KIND, call.project, name)
        return {}


def container_of(request: Request) -> ModelContainer:
    """The one container of a model.

    Raises:
        AwsError: there are several, or it is of a kind that is not carried out.
    """
    containers = request.get("Containers") or [request.get("PrimaryContainer") or {}]
    if len(containers) > 1:
        raise validation_error("Modelyard serves models of one container; put the steps into one script or image.")
    container = containers[0]
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise validation_error("Modelyard serves containers in the mode SingleModel; make one model for each archive.")
    if "Image" not in container:
        raise validation_error("The container needs an Image; models of model packages are not served here.")
    return ModelContainer(
        image=container["Image"], data_url=_data_url(container), environment=dict(container.get("Environment", {}))
    )


def _data_url(container: dict[str, Any]) -> str:
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        return str(container.get("ModelDataUrl", ""))
    if source["S3DataType"] != "S3Object" or source["CompressionType"] != "Gzip":
        raise validation_error("ModelDataSource must be one S3Object that is compressed with Gzip: a model.tar.gz.")
    return str(source["S3Uri"])


def _arn(call: Call, name: str) -> str:
    return call.arn(f"model/{name.lower()}")
