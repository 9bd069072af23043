"""Errors over REST: one body, one table of status codes."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from modelyard import errors
from modelyard.kit.files import DiskFullError, is_disk_full

_log = structlog.get_logger(__name__)

STATUS_CODES: Mapping[type[errors.ModelyardError], int] = {
    errors.TooLargeError: 413,
    errors.InvalidInputError: 400,
    errors.UnauthenticatedError: 401,
    errors.PermissionDeniedError: 403,
    errors.NotFoundError: 404,
    errors.PreconditionFailedError: 412,
    errors.ConflictError: 409,
    errors.OverloadedError: 429,
    errors.UnavailableError: 503,
    errors.TemporaryError: 503,
    errors.InternalError: 500,
    errors.ModelyardError: 500,
}
_BODY_HINT = "Send JSON in UTF-8 with Content-Type application/json."
_FRAMEWORK_CODES = {400: "invalid_input", 404: "route_not_found", 405: "method_not_allowed", 413: "too_large"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """What every failed request answers.

    `code` is stable and for programs, `message` says what is wrong, `hint` what to do, `field` which part of the
    request is at fault; `details` lists every fault when the request has several.
    """

    code: str
    message: str
    hint: str = ""
    field: str | None = None
    details: list[dict[str, str]] = dataclasses.field(default_factory=list)


def status_of(error: errors.ModelyardError) -> int:
    """The HTTP status of an error: that of its nearest family in the table."""
    return next(STATUS_CODES[kind] for kind in type(error).__mro__ if kind in STATUS_CODES)


def install(application: Starlette) -> None:
    """Let `application` answer every fault in this form."""
    application.add_exception_handler(errors.ModelyardError, _answer_error)
    application.add_exception_handler(RequestValidationError, _answer_validation)
    application.add_exception_handler(HTTPException, _answer_framework)
    application.add_exception_handler(OSError, _answer_system)
    application.add_exception_handler(Exception, _answer_defect)


OPENAPI_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request is not valid; `field` says where."},
    401: {"model": ErrorBody, "description": "No token, or one that is unknown, expired or revoked."},
    403: {"model": ErrorBody, "description": "The token's role or project does not allow this."},
    404: {"model": ErrorBody, "description": "There is no such thing in this project."},
    409: {"model": ErrorBody, "description": "The request contradicts what is there."},
}


def _answer_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.ModelyardError)  # noqa: S101 - Starlette's handler signature is wider than its use
    status = status_of(error)
    if status >= 500:  # noqa: PLR2004
        _log.warning("request_failed", code=error.code, error=error.message, path=request.url.path)
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    if isinstance(error, errors.UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    return _response(
        status, ErrorBody(code=error.code, message=error.message, hint=error.hint, field=error.field), headers
    )


def _answer_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = error.errors()
    if faults[0]["type"] == "json_invalid":
        reason, position = faults[0].get("ctx", {}).get("error", "it is damaged"), faults[0]["loc"][-1]
        return _response(
            400,
            ErrorBody(
                code="invalid_input",
                message=f"The body is no JSON: {reason} at character {position}",
                hint="Check quotes, commas and brackets.",
            ),
        )
    details = [{"field": _path(fault["loc"]), "message": str(fault["msg"])} for fault in faults]
    first = details[0]
    return _response(
        400,
        ErrorBody(
            code="invalid_input",
            message=f"{first['field'] or 'The request'}: {first['message']}",
            hint=f"The API pages ({_pages(request)}) show what this request takes.",
            field=first["field"] or None,
            details=details,
        ),
    )


def _answer_framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error.__cause__, errors.ModelyardError):  # FastAPI wraps what is raised while it reads the body
        return _answer_error(request, error.__cause__)
    code = _FRAMEWORK_CODES.get(error.status_code, "http_error")
    is_unreadable = error.status_code == 400  # noqa: PLR2004 - FastAPI could not decode the body
    hint = _BODY_HINT if is_unreadable else f"The API pages ({_pages(request)}) list every route."
    headers = dict(error.headers or {})
    return _response(error.status_code, ErrorBody(code=code, message=str(error.detail), hint=hint), headers)


def _answer_system(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, OSError) and is_disk_full(error):
        return _answer_error(request, DiskFullError("what this request brought"))
    raise error


def _answer_defect(request: Request, _error: Exception) -> JSONResponse:
    # The traceback goes to the server's log (Starlette raises the exception again); callers get no internals.
    request_id = getattr(request.state, "request_id", "")
    body = ErrorBody(
        code="internal",
        message="The server met a defect while it worked on this request",
        hint=f"Look for request id {request_id} in the server's log and report it.",
    )
    return _response(500, body, {"X-Request-Id": request_id})


def _pages(request: Request) -> str:
    """Where the API pages of this application are, wherever it is mounted."""
    return f"{request.scope.get('root_path', '')}/docs"


def _path(location: tuple[Any, ...]) -> str:
    """`("body", "hyperparameters", "epochs")` -> "hyperparameters.epochs"."""
    parts = location[1:] if location and location[0] in ("body", "query", "path", "header") else location
    return ".".join(str(part) for part in parts)


def _response(status: int, body: ErrorBody, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(jsonable_encoder(body), status_code=status, headers=headers)
