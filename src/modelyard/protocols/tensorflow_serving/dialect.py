"""The paths and descriptions of TensorFlow Serving, as a dialect of the gateway. Its "model" is an endpoint here."""

import re
from collections.abc import Mapping
from typing import Any

from modelyard.dataplane.gateway.dialect import (
    EndpointView,
    Headers,
    InferenceCall,
    Operation,
    PlainDialect,
    Target,
)
from modelyard.errors import ModelyardError
from modelyard.protocols.openai.models import model_fields
from modelyard.protocols.tensorflow_serving.predict import parse
from modelyard.types.signatures import DataType, Signature, TensorSpec

_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/(?:versions|labels)/(?P<version>[^/:]+))?(?P<verb>:predict|/metadata)?"
)
_PREDICT, _METADATA, _STATUS = ":predict", "metadata", "status"
_DTYPES = {
    DataType.BOOL: "DT_BOOL",
    DataType.FP16: "DT_HALF",
    DataType.FP32: "DT_FLOAT",
    DataType.FP64: "DT_DOUBLE",
    DataType.BYTES: "DT_STRING",
    **{DataType(f"{kind}{bits}"): f"DT_{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)},
}


class TensorFlowServing(PlainDialect):
    """TensorFlow Serving over REST. `signature_name` may be anything: a model has one signature."""

    prefixes: tuple[str, ...] = ("/v1/models/",)

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        model, version = found["model"], found["version"] or ""
        if found["verb"] == _PREDICT:
            return Target(Operation.INFER, model, version)
        return Target(Operation.ENDPOINT_METADATA, model, version, _METADATA if found["verb"] else _STATUS)

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect. The Content-Type does not matter: TensorFlow Serving looks at none, and curl sends a form's."""
        del headers
        return parse(body, signature)

    def describe_endpoint(self, target: Target, endpoint: EndpointView) -> Mapping[str, object]:
        """See Dialect. The status is also what KServe's client (v1) and OpenAI's look for at this path."""
        if target.detail == _METADATA:
            return _metadata(endpoint)
        chosen = [each for each in endpoint.versions if not target.version or each.number == endpoint.version]
        statuses = [
            {
                "version": each.number,
                "state": "AVAILABLE" if each.is_live else "LOADING",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for each in chosen
        ]
        is_ready = any(each.is_live for each in chosen)
        return {
            "model_version_status": statuses,
            "name": endpoint.name,
            "ready": is_ready,
            **model_fields(endpoint.name),
        }

    def error_fields(self, error: ModelyardError) -> Mapping[str, object]:
        """See Dialect."""
        return {"error": error.message}


def _metadata(endpoint: EndpointView) -> Mapping[str, object]:
    signature = {
        "inputs": {spec.name: _tensor_info(spec) for spec in endpoint.signature.inputs},
        "outputs": {spec.name: _tensor_info(spec) for spec in endpoint.signature.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": endpoint.name, "signature_name": "", "version": endpoint.version},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }


def _tensor_info(spec: TensorSpec) -> Mapping[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in spec.shape]
    return {
        "dtype": _DTYPES[spec.datatype],
        "tensor_shape": {"dim": dimensions, "unknown_rank": False},
        "name": spec.name,
    }
