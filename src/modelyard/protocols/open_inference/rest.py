"""The protocol's paths and descriptions, as a dialect of the gateway."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from modelyard.dataplane.gateway.dialect import Headers, InferenceCall, Operation, Target
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


class OpenInferenceRest:
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

    def describe_endpoint(self, endpoint: str, versions: Sequence[str], signature: Signature) -> Mapping[str, object]:
        """See Dialect."""
        return {
            "name": endpoint,
            "versions": list(versions),
            "platform": "modelyard",
            "inputs": [_tensor(spec) for spec in signature.inputs],
            "outputs": [_tensor(spec) for spec in signature.outputs],
        }

    def error_fields(self, message: str) -> Mapping[str, object]:
        """See Dialect: `$inference_error_response` has the one field "error"."""
        return {"error": message}


def _tensor(spec: TensorSpec) -> Mapping[str, object]:
    described: dict[str, object] = {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
    if spec.columns:
        described["parameters"] = {"columns": list(spec.columns)}
    return described
