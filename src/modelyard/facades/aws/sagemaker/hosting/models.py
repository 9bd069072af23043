"""CreateModel and its siblings."""

from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.service import HostingService
from modelyard.facades.aws.iam.roles import check_passable
from modelyard.facades.aws.sagemaker.hosting.containers import composition_of, containers_of
from modelyard.facades.aws.sagemaker.hosting.listing import echo, exists, found, page_of, tags_of
from modelyard.facades.aws.wire.errors import validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.serving.hosting import CompositionMode

KIND = "sagemaker-model"
_SHOWN = (
    "PrimaryContainer",
    "Containers",
    "InferenceExecutionConfig",
    "ExecutionRoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
)
_PARTLY = "Model packages, and folders that are not compressed, are refused."


class ModelOperations:
    """A model: an image, and the archive that it serves; or several of them."""

    def __init__(self, documents: DocumentService, hosting: HostingService) -> None:
        self._documents = documents
        self._hosting = hosting

    @operation("sagemaker", "CreateModel", Action.OPERATE, partly=_PARTLY)
    def create_model(self, call: Call, request: Request) -> Answer:
        """It is registered in the background; what is wrong with it, the endpoint says.

        Of several containers, or of many models, each endpoint registers what it is made of.
        """
        check_passable(self._documents, call, request.get("ExecutionRoleArn"))
        name, containers, composition = request["ModelName"], containers_of(request), composition_of(request)
        if composition is None or composition.mode is not CompositionMode.TARGETS:
            for each in containers:
                if not self._hosting.has_data(call.project, each):
                    raise validation_error(f"Could not find model data at {each.data_url}.")
        try:
            self._documents.create(KIND, call.project, name, echo(request), tags_of(request))
        except DocumentExistsError:
            raise exists(KIND, _arn(call, name)) from None
        self._hosting.remove_model(call.project, name)  # what a killed process may have left of one of this name
        if composition is None:
            self._hosting.add_model(call.project, name, containers[0])
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


def _arn(call: Call, name: str) -> str:
    return call.arn(f"model/{name.lower()}")
