"""The platform, as MLflow's server calls it: in the name of whoever sent the request that it is answering."""

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import httpx
from flask import request
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2 as codes

from modelyard.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    ModelyardError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from modelyard.sdk.client import Client

PLATFORM_VARIABLE = "MODELYARD_TRACKING_PLATFORM"
PROJECT_HEADER = "X-Modelyard-Project"
P = ParamSpec("P")
T = TypeVar("T")
_CODES: dict[type[ModelyardError], int] = {
    AlreadyExistsError: codes.RESOURCE_ALREADY_EXISTS,
    NotFoundError: codes.RESOURCE_DOES_NOT_EXIST,
    PermissionDeniedError: codes.PERMISSION_DENIED,
    UnauthenticatedError: codes.UNAUTHENTICATED,
    InvalidInputError: codes.INVALID_PARAMETER_VALUE,
    ConflictError: codes.INVALID_STATE,
    UnavailableError: codes.TEMPORARILY_UNAVAILABLE,
    ModelyardError: codes.INTERNAL_ERROR,
}


def caller_project() -> str:
    """The project that the present request is about."""
    return str(request.headers[PROJECT_HEADER])


def caller_client() -> Client:
    """The platform with the token of the present request, in its project: what he may not, is not done for him."""
    token = request.headers.get("Authorization", "").partition(" ")[2]
    address = os.environ[PLATFORM_VARIABLE]
    if not address.startswith("unix://"):
        return Client(address, token, caller_project())
    transport = httpx.HTTPTransport(uds=address.removeprefix("unix://"), verify=False)  # no TLS on a socket
    return Client("http://platform", token, caller_project(), transport=transport)


def in_mlflow_words(function: Callable[P, T]) -> Callable[P, T]:
    """`function`, whose errors are MLflow's."""

    @wraps(function)
    def translated(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(*arguments, **named)
        except ModelyardError as error:
            code = next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
            raise MlflowException(f"{error.message}. {error.hint}".strip(), error_code=code) from error

    return translated
