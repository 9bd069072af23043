"""The protocol's paths and descriptions, as a dialect of the gateway."""

import re
from collections.abc import Mapping
from importlib.metadata import version

from modelyard.dataplane.gateway.dialect import (
    EndpointView,
    Headers,
    InferenceCall,
    Operation,
    PlainDialect,
    Target,
)
from modelyard.errors import ModelyardError
from modelyard.protocols.open_inference.requests import parse
from modelyard.types.signatures import Signature, TensorSpec

_FIXED = {
    "/v2": Operation.SERVER_METADATA,
    "/v2/": Operation.SERVER_METADATA,
    "/v2/health/live": Operation.SERVER_LIVE,
    "/v2/health/ready": Operation.SERVER_READY,
}
_MODEL = re.compile(r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>infer|ready))?")
_VERBS = {"infer": Operation.INFER, "ready": Operation.ENDPOINT_READY, None: Operation.ENDPOINT_METADATA}


class OpenInferenceRest(PlainDialect):
    """Open Inference Protocol v2 over REST. The protocol's "model" is an endpoint here."""

    prefixes: tuple[str, ...] = ("/v2/",)

    def __init__(self) -> None:
        self._version = version("modelyard")

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        fixed = _FIXED.get(path)
        if fixed is not None:
            return Target(fixed)
        found = _MODEL.fullmatch(path)
        return Target(_VERBS[found["verb"]], found["model"], found["version"] or "") if found else None

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect."""
        return parse(body, headers, signature)

    def describe_server(self) -> Mapping[str, object]:
        """See Dialect."""
        return {"name": "modelyard", "version": self._version, "extensions": ["binary_tensor_data"]}

    def describe_endpoint(self, target: Target, endpoint: EndpointView) -> Mapping[str, object]:
        """See Dialect."""
        del target
        return describe(endpoint)

    def error_fields(self, error: ModelyardError) -> Mapping[str, object]:
        """See Dialect: `$inference_error_response` has the one field "error"."""
        return {"error": error.message}


def describe(endpoint: EndpointView) -> Mapping[str, object]:
    """`$metadata_model_response`."""
    return {
        "name": endpoint.name,
        "versions": [version.number for version in endpoint.versions],
        "platform": "modelyard",
        "inputs": [_tensor(spec) for spec in endpoint.signature.inputs],
        "outputs": [_tensor(spec) for spec in endpoint.signature.outputs],
    }


def _tensor(spec: TensorSpec) -> Mapping[str, object]:
    described: dict[str, object] = {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
    if spec.columns:
        described["parameters"] = {"columns": list(spec.columns)}
    return described
