"""The OpenAPI document of one endpoint.

Source: OpenAPI Specification 3.1.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from modelyard.dataplane.gateway.dialect import EndpointView
from modelyard.protocols.invocations.tables import columns_of
from modelyard.protocols.pages.examples import csv_example, row_example, tensors_example
from modelyard.runtimes.validate import describe
from modelyard.types.signatures import DataType, Signature, TensorSpec

_JSON, _CSV = "application/json", "text/csv"
_INTRODUCTION = """Version {version} of this endpoint's model takes

{inputs}

and answers

{outputs}

From a shell (`TOKEN` holds a token, `URL` this server's address):

```sh
curl "$URL/endpoints/{name}/invocations" -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: {media_type}" {body}
```

The endpoint also speaks the Open Inference Protocol over gRPC, TensorFlow Serving's REST API and WebSocket, and takes
more formats than this page can try: see "Calling a model" in Modelyard's reference.
"""


def document(endpoint: EndpointView) -> Mapping[str, Any]:
    """Everything that a newcomer needs to call this endpoint, with examples that fit its signature."""
    signature, name = endpoint.signature, endpoint.name
    row, tensors = row_example(signature), tensors_example(signature)
    rows: dict[str, Any] = {_JSON: _media(_rows_schema(signature), None if row is None else {"instances": [row]})}
    if (csv := csv_example(signature)) is not None:
        rows[_CSV] = _media({"type": "string"}, csv)
    return {
        "openapi": "3.1.0",
        "info": {"title": name, "version": endpoint.version, "description": _introduction(endpoint, row)},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": {
            f"/endpoints/{name}/invocations": {
                "post": _operation(
                    "Predict rows",
                    "A prediction for each row, in the order of the rows.",
                    rows,
                    {"type": "object", "properties": {"predictions": {"type": "array"}}},
                )
            },
            f"/v2/models/{name}/infer": {
                "post": _operation(
                    "Infer (Open Inference Protocol v2)",
                    "Named tensors in, named tensors out.",
                    {_JSON: _media(_tensors_schema(signature), tensors)},
                    {"type": "object", "properties": {"outputs": {"type": "array"}}},
                )
            },
            f"/endpoints/{name}/ping": {
                "get": _operation(
                    "Is it ready?", "200 when a replica takes requests, else 503.", {}, {"type": "object"}
                )
            },
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(summary: str, description: str, content: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "description": description,
        "responses": {
            "200": {"description": "The answer", "content": {_JSON: {"schema": answer}}},
            "default": {"description": "An error: its code, message and hint", "content": {_JSON: {}}},
        },
    }
    if content:
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _media(schema: Mapping[str, Any], example: Any) -> dict[str, Any]:
    return {"schema": schema} if example is None else {"schema": schema, "example": example}


def _rows_schema(signature: Signature) -> dict[str, Any]:
    columns = columns_of(signature)
    row: dict[str, Any] = {}
    if columns:
        row = {
            "type": "object",
            "properties": {cell.name: _value_schema(cell.spec) for cell in columns},
            "required": [cell.name for cell in columns if not cell.spec.allows_missing],
            "additionalProperties": False,
        }
    instances = {"type": "array", "minItems": 1, "items": row}
    return {"type": "object", "properties": {"instances": instances}, "required": ["instances"]}


def _tensors_schema(signature: Signature) -> dict[str, Any]:
    tensor = {
        "type": "object",
        "properties": {
            "name": {"enum": [spec.name for spec in signature.inputs]},
            "datatype": {"enum": sorted({spec.datatype for spec in signature.inputs})},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            "data": {"type": "array"},
        },
        "required": ["name", "datatype", "shape", "data"],
    }
    count = len(signature.inputs)
    inputs = {"type": "array", "items": tensor, "minItems": count, "maxItems": count}
    return {"type": "object", "properties": {"inputs": inputs, "id": {"type": "string"}}, "required": ["inputs"]}


def _value_schema(spec: TensorSpec) -> dict[str, Any]:
    kind = "integer" if "INT" in spec.datatype else "number"
    kind = {DataType.BYTES: "string", DataType.BOOL: "boolean"}.get(spec.datatype, kind)
    return {"type": [kind, "null"]} if spec.allows_missing else {"type": kind}


def _introduction(endpoint: EndpointView, row: Any) -> str:
    if row is None:
        media_type, body = "image/png", "--data-binary @image.png"
    else:
        text = orjson.dumps({"instances": [row]}).decode().replace("'", "'\\''")
        media_type, body = _JSON, f"-d '{text}'"
    return _INTRODUCTION.format(
        version=endpoint.version,
        name=endpoint.name,
        inputs="\n".join(_line(spec) for spec in endpoint.signature.inputs),
        outputs="\n".join(_line(spec) for spec in endpoint.signature.outputs),
        media_type=media_type,
        body=body,
    )


def _line(spec: TensorSpec) -> str:
    missing = "; may have missing values" if spec.allows_missing else ""
    columns = f": {', '.join(f'`{name}`' for name in spec.columns)}" if spec.columns else ""
    return f"- `{spec.name}`, {describe(spec)}{missing}{columns}"
