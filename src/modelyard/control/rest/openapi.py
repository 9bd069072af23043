"""Completes the OpenAPI document that FastAPI derives: what docstrings say once is shown everywhere."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI

PATH_PARAMETERS: Mapping[str, str] = {
    "project": "Name of the project; `default` is there from the start.",
    "token_id": "Id of the token, as the list of tokens shows it.",
    "key_id": "Id of the access key, as the list of them shows it.",
    "upload": "Id of the upload.",
    "dataset": "Name of the dataset.",
    "model": "Name of the model.",
    "number": "Number of the version; for a dataset also `latest`.",
    "path": "Path of the file in the bundle, e.g. `manifest.json`.",
    "alias": "Name of the alias, without `@`.",
    "name": "Its name.",
    "job_id": "Id of the job.",
    "kind": "Name of the kind of nodes.",
    "tuning_id": "Id of the tuning job.",
    "pipeline": "Name of the pipeline.",
    "run_id": "Id of the run.",
    "step": "Name of the step.",
    "queue": "Name of the queue.",
    "host": "Name of the host.",
    "reservation": "Id of the reservation.",
    "endpoint": "Name of the endpoint.",
    "inference_id": "Id of the inference: the header `X-Modelyard-Inference-Id` of the answer.",
    "monitor": "Name of the monitor.",
    "policy": "Name of the retraining policy.",
    "detector": "Name of the detector.",
    "channel": "Name of the alert channel.",
}
_ATTRIBUTES = re.compile(r"\n*^Attributes:\n((?:[ ]{4,}.*\n?|\n)+)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^ {4}(\w+): ((?:.*\n?)(?: {8,}.*\n?)*)", re.MULTILINE)


def complete_openapi(application: FastAPI) -> None:
    """Let `application` describe path parameters by their name, and dataclass fields as their docstring does."""
    derive: Callable[[], dict[str, Any]] = application.openapi

    def openapi() -> dict[str, Any]:
        is_new = application.openapi_schema is None
        document = derive()
        if is_new:
            complete(document)
        return document

    application.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def complete(document: dict[str, Any]) -> None:
    """Fill in descriptions, and drop FastAPI's own form of validation errors, which these applications never send."""
    schemas = document.get("components", {}).get("schemas", {})
    for operation in operations(document):
        operation.get("responses", {}).pop("422", None)
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                parameter.setdefault("description", PATH_PARAMETERS.get(parameter["name"], ""))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for schema in schemas.values():
        _describe_fields(schema)


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of an OpenAPI document."""
    for path in document["paths"].values():
        yield from path.values()


def _describe_fields(schema: dict[str, Any]) -> None:
    section = _ATTRIBUTES.search(schema.get("description", ""))
    if section is None:
        return
    schema["description"] = schema["description"].replace(section[0], "").strip()
    for name, text in _ATTRIBUTE.findall(section[1] + "\n"):
        if name in schema.get("properties", {}):
            schema["properties"][name].setdefault("description", " ".join(text.split()))
