"""CreateEndpoint and its siblings."""

from datetime import datetime
from typing import Any

from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService
from modelyard.control.endpoints.errors import EndpointExistsError
from modelyard.control.hosting.records import Change, EndpointView
from modelyard.control.hosting.service import HostingService
from modelyard.facades.aws.sagemaker.hosting.configs import capture_of, composition_in, config_of, variants_of
from modelyard.facades.aws.sagemaker.hosting.deployments import alarms_of, is_retained, plan_of, retained
from modelyard.facades.aws.sagemaker.hosting.listing import chosen_page, exists, found, tags_of
from modelyard.facades.aws.sagemaker.hosting.states import MOVING, reason_of, status_of, variants_shown
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.foreign.documents import Document
from modelyard.types.serving.hosting import HostedVariant

KIND = "sagemaker-endpoint"
_NO_KEY = "none"
_DEPLOYMENT = "deployment"
_FIXED = "Modelyard does not update endpoints of several models: create one of another name, and delete this one."


class EndpointOperations:
    """Endpoints: a configuration that is carried out."""

    def __init__(self, documents: DocumentService, hosting: HostingService) -> None:
        self._documents = documents
        self._hosting = hosting

    @operation("sagemaker", "CreateEndpoint", Action.OPERATE)
    def create_endpoint(self, call: Call, request: Request) -> Answer:
        """Its status is Creating until every variant answers."""
        name, label = request["EndpointName"], request["EndpointConfigName"]
        config = config_of(self._documents, call, label)
        if self._documents.find(KIND, call.project, name) and not status_of(self._hosting.view(call.project, name)):
            self._documents.discard(KIND, call.project, name)  # a deleted one that nobody asked about since
        try:
            self._documents.create(KIND, call.project, name, {"configs": {label: config}}, tags_of(request))
            self._hosting.create_endpoint(
                call.project,
                name,
                label,
                variants_of(config),
                capture_of(config),
                composition_in(self._documents, call, config),
            )
        except (DocumentExistsError, EndpointExistsError) as error:
            if isinstance(error, EndpointExistsError):
                self._documents.discard(KIND, call.project, name)
            raise exists(KIND, _arn(call, name)) from None
        return {"EndpointArn": _arn(call, name)}

    @operation("sagemaker", "DescribeEndpoint", Action.READ)
    def describe_endpoint(self, call: Call, request: Request) -> Answer:
        """How it stands; a waiter's poll is held while it is on its way."""
        name = request["EndpointName"]
        document, view, status = self._state(call, name)
        if status in MOVING:
            call.hold()
        label = _label(document, view)
        config = document.content["configs"].get(label, {})
        return {
            "EndpointName": name,
            "EndpointArn": _arn(call, name),
            "EndpointConfigName": label,
            "ProductionVariants": _with_serverless(variants_shown(view), config),
            "DataCaptureConfig": _capture(config),
            "AsyncInferenceConfig": config.get("AsyncInferenceConfig"),
            "LastDeploymentConfig": document.content.get(_DEPLOYMENT) or None,
            "EndpointStatus": status,
            "FailureReason": reason_of(view),
            "CreationTime": document.created_at,
            "LastModifiedTime": _changed_at(document, view),
        }

    @operation("sagemaker", "ListEndpoints", Action.READ)
    def list_endpoints(self, call: Call, request: Request) -> Answer:
        """In pages of those that have the status."""

        def shown(document: Document) -> Answer | None:
            view = self._hosting.view(call.project, document.name)
            status = status_of(view)
            if not status or request.get("StatusEquals", status) != status:
                return None
            return {
                "EndpointName": document.name,
                "EndpointArn": _arn(call, document.name),
                "CreationTime": document.created_at,
                "LastModifiedTime": _changed_at(document, view),
                "EndpointStatus": status,
            }

        page = chosen_page(self._documents, KIND, call, request, shown, "EndpointStatus")
        return {"Endpoints": page.items, "NextToken": page.next_cursor}

    @operation(
        "sagemaker",
        "UpdateEndpoint",
        Action.OPERATE,
        partly="A stage also ends by what the gateway sees. RollingUpdatePolicy moves the traffic, not instances.",
    )
    def update_endpoint(self, call: Call, request: Request) -> Answer:
        """Another configuration takes over as its deployment configuration says; the old one serves until then."""
        name, label = request["EndpointName"], request["EndpointConfigName"]
        document, view, status = self._state(call, name)
        if status != "InService" or view.hosted is None:
            raise validation_error(f'Cannot update in-progress endpoint "{_arn(call, name)}": it is {status}.')
        config = config_of(self._documents, call, label)
        if _is_composed(view) or composition_in(self._documents, call, config) is not None:
            raise validation_error(_FIXED)
        if is_retained("DataCaptureConfig", request):
            present = document.content["configs"].get(view.hosted.label, {})
            config = {**config, "DataCaptureConfig": present.get("DataCaptureConfig")}
        is_same = bool(request.get("RetainDeploymentConfig"))
        deployment = (document.content.get(_DEPLOYMENT) if is_same else request.get("DeploymentConfig")) or {}
        variants = retained(variants_of(config), view.hosted.variants, request)
        change = Change(
            label=label,
            variants=variants,
            plan=plan_of(deployment, sum(each.instances for each in variants)),
            alarms=alarms_of(deployment),
            capture=capture_of(config),
        )
        self._documents.update(
            KIND,
            call.project,
            name,
            lambda kept: {**kept, "configs": {**kept["configs"], label: config}},
        )
        self._hosting.change_endpoint(call.project, name, change)
        self._documents.update(KIND, call.project, name, lambda kept: {**kept, _DEPLOYMENT: deployment})
        return {"EndpointArn": _arn(call, name)}

    @operation("sagemaker", "UpdateEndpointWeightsAndCapacities", Action.OPERATE)
    def update_weights(self, call: Call, request: Request) -> Answer:
        """Other weights and numbers of instances, at once."""
        name = request["EndpointName"]
        _, view, status = self._state(call, name)
        if status != "InService" or view.hosted is None:
            raise validation_error(f'Cannot update in-progress endpoint "{_arn(call, name)}": it is {status}.')
        if _is_composed(view):
            raise validation_error(_FIXED)
        present = {variant.name: variant for variant in view.hosted.variants}
        wished = request["DesiredWeightsAndCapacities"]
        unknown = [each["VariantName"] for each in wished if each["VariantName"] not in present]
        if unknown:
            raise validation_error(f'Could not find variant "{unknown[0]}"; there are {", ".join(present)}.')
        self._hosting.set_capacities(
            call.project, name, tuple(_wished(present[each["VariantName"]], each) for each in wished)
        )
        return {"EndpointArn": _arn(call, name)}

    @operation("sagemaker", "DeleteEndpoint", Action.OPERATE)
    def delete_endpoint(self, call: Call, request: Request) -> Answer:
        """Whatever it is doing."""
        name = request["EndpointName"]
        self._state(call, name)
        self._hosting.delete_endpoint(call.project, name)
        return {}

    def _state(self, call: Call, name: str) -> tuple[Document, EndpointView, str]:
        """The endpoint.

        Raises:
            AwsError: it is not there, or not any more.
        """
        document = found(self._documents, KIND, call, name, _arn(call, name))
        view = self._hosting.view(call.project, name)
        status = status_of(view)
        if not status:
            self._documents.discard(KIND, call.project, name)
            raise _gone(call, name)
        return document, view, status


def _is_composed(view: EndpointView) -> bool:
    return view.hosted is not None and view.hosted.composition is not None


def _gone(call: Call, name: str) -> AwsError:
    return validation_error(f'Could not find endpoint "{_arn(call, name)}".')


def _label(document: Document, view: EndpointView) -> str:
    return view.hosted.label if view.hosted is not None else next(iter(document.content["configs"]))


def _changed_at(document: Document, view: EndpointView) -> datetime:
    own = view.own
    return document.modified_at if own is None else max(document.modified_at, own.updated_at)


def _with_serverless(shown: list[dict[str, Any]] | None, config: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The variants, the serverless ones with what their configuration says of them."""
    if shown is None:
        return None
    given = {each["VariantName"]: each.get("ServerlessConfig") for each in config.get("ProductionVariants", ())}
    return [{**each, "CurrentServerlessConfig": given.get(each["VariantName"])} for each in shown]


def _capture(config: dict[str, Any]) -> dict[str, Any] | None:
    capture = config.get("DataCaptureConfig")
    if not capture:
        return None
    is_on = bool(capture.get("EnableCapture", True))
    return {
        "EnableCapture": is_on,
        "CaptureStatus": "Started" if is_on else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", _NO_KEY),
    }


def _wished(present: HostedVariant, wish: dict[str, Any]) -> HostedVariant:
    serverless = wish.get("ServerlessUpdateConfig") or {}
    return HostedVariant(
        name=present.name,
        model=present.model,
        weight=float(wish.get("DesiredWeight", present.weight)),
        instances=int(wish.get("DesiredInstanceCount", present.instances)),
        max_concurrency=serverless.get("MaxConcurrency", present.max_concurrency),
        provisioned=serverless.get("ProvisionedConcurrency", present.provisioned),
    )


def _arn(call: Call, name: str) -> str:
    return call.arn(f"endpoint/{name.lower()}")
