"""CreateEndpointConfig and its siblings, and what a configuration means for hosting."""

from collections.abc import Sequence
from typing import Any

from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService
from modelyard.facades.aws.sagemaker.hosting.containers import composition_of
from modelyard.facades.aws.sagemaker.hosting.listing import echo, exists, found, page_of, tags_of
from modelyard.facades.aws.sagemaker.hosting.models import KIND as MODEL
from modelyard.facades.aws.wire.errors import validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.serving.hosting import Composition, DataCapture, HostedVariant

KIND = "sagemaker-endpoint-config"
_SHOWN = (
    "ProductionVariants",
    "DataCaptureConfig",
    "AsyncInferenceConfig",
    "KmsKeyId",
    "ExecutionRoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
)
_REMOTE = "s3://"
_MEMORY_STEP = 1024
_ALONE = (
    "Modelyard serves a model of several containers, or in the mode MultiModel, as the only variant of its endpoint, "
    "on instances and without data capture."
)
_PARTLY = "ExplainerConfig and ShadowProductionVariants are refused; instance types mean nothing."
_CSV_TYPES, _JSON_TYPES = ("text/csv",), ("application/json",)
_REFUSED = ("ExplainerConfig", "ShadowProductionVariants")


class EndpointConfigOperations:
    """Which models an endpoint serves, and how."""

    def __init__(self, documents: DocumentService) -> None:
        self._documents = documents

    @operation("sagemaker", "CreateEndpointConfig", Action.OPERATE, partly=_PARTLY)
    def create_endpoint_config(self, call: Call, request: Request) -> Answer:
        """Its models must be there."""
        name = request["EndpointConfigName"]
        for member in _REFUSED:
            if request.get(member):
                raise validation_error(f"Modelyard does not carry out {member}; leave it out.")
        if not str(request.get("DataCaptureConfig", {}).get("DestinationS3Uri", _REMOTE)).startswith(_REMOTE):
            raise validation_error("DestinationS3Uri of DataCaptureConfig must begin with s3://.")
        if "AsyncInferenceConfig" in request and "S3OutputPath" not in request["AsyncInferenceConfig"]["OutputConfig"]:
            raise validation_error("AsyncInferenceConfig needs an S3OutputPath in its OutputConfig.")
        _check_variants(request["ProductionVariants"])
        for model in (variant["ModelName"] for variant in request["ProductionVariants"]):
            found(self._documents, MODEL, call, model, call.arn(f"model/{model.lower()}"))
        _check_composed(self._documents, call, request)
        try:
            self._documents.create(KIND, call.project, name, echo(request), tags_of(request))
        except DocumentExistsError:
            raise exists(KIND, _arn(call, name)) from None
        return {"EndpointConfigArn": _arn(call, name)}

    @operation("sagemaker", "DescribeEndpointConfig", Action.READ)
    def describe_endpoint_config(self, call: Call, request: Request) -> Answer:
        """As it was created."""
        name = request["EndpointConfigName"]
        document = found(self._documents, KIND, call, name, _arn(call, name))
        kept = document.content["request"]
        return {
            "EndpointConfigName": name,
            "EndpointConfigArn": _arn(call, name),
            "CreationTime": document.created_at,
            **{key: kept[key] for key in _SHOWN if key in kept},
        }

    @operation("sagemaker", "ListEndpointConfigs", Action.READ)
    def list_endpoint_configs(self, call: Call, request: Request) -> Answer:
        """In pages."""
        page = page_of(self._documents, KIND, call, request)
        configs = [
            {
                "EndpointConfigName": each.name,
                "EndpointConfigArn": _arn(call, each.name),
                "CreationTime": each.created_at,
            }
            for each in page.items
        ]
        return {"EndpointConfigs": configs, "NextToken": page.next_cursor}

    @operation("sagemaker", "DeleteEndpointConfig", Action.OPERATE)
    def delete_endpoint_config(self, call: Call, request: Request) -> Answer:
        """Endpoints that were made with it go on."""
        name = request["EndpointConfigName"]
        found(self._documents, KIND, call, name, _arn(call, name))
        self._documents.discard(KIND, call.project, name)
        return {}


def config_of(documents: DocumentService, call: Call, name: str) -> dict[str, Any]:
    """What a configuration says.

    Raises:
        AwsError: there is none.
    """
    content: dict[str, Any] = found(documents, KIND, call, name, _arn(call, name)).content["request"]
    return content


def composition_in(documents: DocumentService, call: Call, config: dict[str, Any]) -> Composition | None:
    """Of what an endpoint with this configuration is made; None: of its variants."""
    models = (documents.find(MODEL, call.project, each["ModelName"]) for each in config["ProductionVariants"])
    composed = (composition_of(each.content["request"]) for each in models if each is not None)
    return next((each for each in composed if each is not None), None)


def variants_of(config: dict[str, Any]) -> tuple[HostedVariant, ...]:
    """Its production variants."""
    return tuple(_variant(each) for each in config["ProductionVariants"])


def capture_of(config: dict[str, Any]) -> DataCapture | None:
    """What it has written of requests and answers."""
    capture = config.get("DataCaptureConfig") or {}
    share = float(capture.get("InitialSamplingPercentage", 0)) / 100
    if not capture.get("EnableCapture", True) or not share:
        return None
    wanted = {each["CaptureMode"] for each in capture["CaptureOptions"]}
    modes = tuple(mode.upper() for mode in ("Input", "Output") if wanted & {mode, "InputAndOutput"})
    types = capture.get("CaptureContentTypeHeader") or {}
    return DataCapture(
        share=share,
        destination=capture["DestinationS3Uri"],
        modes=modes,
        csv_types=tuple(types.get("CsvContentTypes", _CSV_TYPES)),
        json_types=tuple(types.get("JsonContentTypes", _JSON_TYPES)),
    )


def _check_variants(variants: Sequence[dict[str, Any]]) -> None:
    """Nothing if the variants can be told apart, and each says what it serves and on what.

    Raises:
        AwsError: they cannot, or one does not.
    """
    names = [variant["VariantName"] for variant in variants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise validation_error(f"Production variant names must be unique; {twice[0]} is there more than once.")
    for variant in variants:
        if "ModelName" not in variant:
            raise validation_error("Each variant needs a ModelName; inference components are not served here.")
        if ("ServerlessConfig" in variant) == ("InitialInstanceCount" in variant):
            raise validation_error(
                f"Variant {variant['VariantName']} needs either InitialInstanceCount and InstanceType, or a "
                "ServerlessConfig."
            )
        serverless = variant.get("ServerlessConfig", {})
        if serverless.get("MemorySizeInMB", _MEMORY_STEP) % _MEMORY_STEP:
            raise validation_error("MemorySizeInMB of a ServerlessConfig must be 1024, 2048, 3072, 4096, 5120 or 6144.")
        if serverless.get("ProvisionedConcurrency", 0) > serverless.get("MaxConcurrency", 0):
            raise validation_error("ProvisionedConcurrency of a ServerlessConfig must not exceed its MaxConcurrency.")
    if not any(variant.get("InitialVariantWeight", 1.0) for variant in variants):
        raise validation_error("At least one variant needs an InitialVariantWeight above 0.")


def _check_composed(documents: DocumentService, call: Call, config: dict[str, Any]) -> None:
    """Nothing if each model can be served as the configuration says.

    Raises:
        AwsError: one is made of several, and there is something else that those do not go with.
    """
    variants = config["ProductionVariants"]
    is_alone = len(variants) == 1 and "ServerlessConfig" not in variants[0] and capture_of(config) is None
    if not is_alone and composition_in(documents, call, config) is not None:
        raise validation_error(_ALONE)


def _variant(each: dict[str, Any]) -> HostedVariant:
    serverless = each.get("ServerlessConfig")
    return HostedVariant(
        name=each["VariantName"],
        model=each["ModelName"],
        weight=float(each.get("InitialVariantWeight", 1.0)),
        instances=int(each.get("InitialInstanceCount", 1)),
        max_concurrency=None if serverless is None else int(serverless["MaxConcurrency"]),
        provisioned=0 if serverless is None else int(serverless.get("ProvisionedConcurrency", 0)),
    )


def _arn(call: Call, name: str) -> str:
    return call.arn(f"endpoint-config/{name.lower()}")
