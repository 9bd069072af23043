"""What every group of calls shares: paths, JSON in and out, retries, pages, waiting."""

import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import quote

import msgspec

from modelyard.errors import ModelyardError, TemporaryError, UnavailableError
from modelyard.sdk.calls import Bound, Driver, Mode, Pages
from modelyard.sdk.errors import (
    AnswerInvalidError,
    ConnectionLostError,
    ServerUnreachableError,
    WaitTimeoutError,
    error_of,
)
from modelyard.sdk.steps import Flow, Pause, Request, Response

T = TypeVar("T")
REGISTRY, JOBS, OPERATIONS = "/registry/v1", "/jobs/v1", "/operations/v1"
_PAGE_SIZE = "200"
_ATTEMPTS = 6
_ATTEMPTS_UNREACHABLE = 3
_MAX_PAUSE_SECONDS = 10.0
_POLL_SECONDS = 0.25
_PATIENCE_SECONDS = 30.0


class PageOf(msgspec.Struct, Generic[T]):
    """A page as the platform answers it."""

    items: list[T]
    next_cursor: str | None = None


class Resource(Bound[Mode]):
    """A group of calls in one project."""

    def __init__(self, driver: Driver, project: str) -> None:
        super().__init__(driver)
        self._project = project

    def _path(self, application: str, *parts: str | int) -> str:
        return at(application, "projects", self._project, *parts)


def at(application: str, *parts: str | int) -> str:
    """The path of a resource; each part is quoted, so that no name can reach another resource."""
    return "/".join((application, *(quote(str(part), safe="@:") for part in parts)))


def read(type: type[T], path: str, query: Mapping[str, str | None] | None = None) -> Flow[T]:
    """GET."""
    response = yield from send(Request(method="GET", path=path, query=_given(query)))
    return decode(response.content, type)


def create(type: type[T], path: str, body: object, *, timeout_seconds: float | None = None) -> Flow[T]:
    """POST with an idempotency key: a repeated try after a broken connection makes nothing twice."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
    request = Request(method="POST", path=path, headers=headers, content=encode(body), timeout_seconds=timeout_seconds)
    response = yield from send(request)
    return decode(response.content, type)


def act(type: type[T], path: str, body: object = None, *, timeout_seconds: float | None = None) -> Flow[T]:
    """POST that may be repeated by its nature (stop, start, feedback)."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    content = encode(body) if body is not None else None
    request = Request(method="POST", path=path, headers=headers, content=content, timeout_seconds=timeout_seconds)
    response = yield from send(request)
    return decode(response.content, type)


def put(type: type[T], path: str, body: object, *, timeout_seconds: float | None = None) -> Flow[T]:
    """PUT."""
    headers = {"Content-Type": "application/json"}
    request = Request(method="PUT", path=path, headers=headers, content=encode(body), timeout_seconds=timeout_seconds)
    response = yield from send(request)
    return decode(response.content, type)


def update(type: type[T], path: str, changes: Mapping[str, object], version: int | None) -> Flow[T]:
    """PATCH what is not None; refused if `version` (that of the thing that was read) is out of date."""
    headers = {"Content-Type": "application/json"} | ({"If-Match": f'"{version}"'} if version is not None else {})
    body = encode({name: value for name, value in changes.items() if value is not None})
    request = Request(method="PATCH", path=path, headers=headers, content=body)
    response = yield from send(request, is_repeatable=version is None)
    return decode(response.content, type)


def delete(path: str) -> Flow[None]:
    """DELETE."""
    yield from send(Request(method="DELETE", path=path))


def pages(type: type[T], path: str, query: Mapping[str, str | None] | None = None) -> Pages[T]:
    """All pages of a list."""

    def fetch(cursor: str | None) -> Flow[tuple[list[T], str | None]]:
        page: PageOf[T] = yield from read(
            PageOf[type],  # type: ignore[valid-type]
            path,
            {"limit": _PAGE_SIZE, "cursor": cursor, **(query or {})},
        )
        return page.items, page.next_cursor

    return Pages(fetch)


def send(request: Request, *, is_repeatable: bool = True) -> Flow[Response]:
    """A successful answer. Temporary errors are tried again, with growing pauses.

    Args:
        request: what to send.
        is_repeatable: try again also when the connection broke and nobody knows whether the request was carried out.

    Raises:
        ModelyardError: as the platform answered, or ServerUnreachableError, ConnectionLostError.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            response: Response = yield request
            if response.status >= 400:  # noqa: PLR2004
                raise error_of(response)
        except TemporaryError as error:
            is_spent = attempt >= (_ATTEMPTS_UNREACHABLE if isinstance(error, ServerUnreachableError) else _ATTEMPTS)
            if is_spent or (isinstance(error, ConnectionLostError) and not is_repeatable):
                raise
            yield Pause(pause_seconds(attempt, error))
        else:
            return response


def pause_seconds(attempt: int, error: TemporaryError) -> float:
    """0.1 s, doubled with each attempt, at least what the server asks for, with some chance against crowds."""
    asked = 0.0 if isinstance(error, ServerUnreachableError | ConnectionLostError) else error.retry_after_seconds or 0.0
    pause = max(asked, 0.1 * 2 ** (attempt - 1))
    return float(min(_MAX_PAUSE_SECONDS, pause) * (1 + 0.2 * random.random()))  # noqa: S311 - no secret


def wait_for(
    what: str, look: Callable[[], Flow[T]], is_done: Callable[[T], bool], timeout_seconds: float | None
) -> Flow[T]:
    """Look again and again until it is done; a platform that is being started again is waited for.

    Raises:
        WaitTimeoutError: not done in time.
        UnavailableError: nobody has answered for half a minute.
    """
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    answered_at = time.monotonic()
    while True:
        try:
            found = yield from look()
        except UnavailableError:
            if time.monotonic() - answered_at > _PATIENCE_SECONDS:
                raise
        else:
            answered_at = time.monotonic()
            if is_done(found):
                return found
        if deadline is not None and time.monotonic() > deadline:
            raise WaitTimeoutError(
                f"{what} was not done within {timeout_seconds:g} s", hint="It goes on: wait again, or look at it."
            )
        yield Pause(_POLL_SECONDS)


def encode(body: object) -> bytes:
    """As JSON; arrays and their scalars are lists and numbers."""
    return msgspec.json.encode(body, enc_hook=_plain)


def _plain(value: object) -> object:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def decode(content: bytes, type: type[T]) -> T:
    """From JSON.

    Raises:
        AnswerInvalidError: it is not what was expected.
    """
    try:
        return msgspec.json.decode(content or b"null", type=type)
    except msgspec.DecodeError as error:
        raise AnswerInvalidError(
            f"the platform's answer is not understood: {error}",
            hint="Client and platform differ too much: install the same version of modelyard on both sides.",
        ) from error


def split_ref(ref: str) -> tuple[str, str]:
    """The model's name in "digits", "digits:2" or "digits@champion", and what stands for the version in a path."""
    for mark in (":", "@"):
        name, found, rest = ref.partition(mark)
        if found:
            return name, rest if mark == ":" else f"@{rest}"
    return ref, "latest"


def described(error: ModelyardError) -> str:
    """Message and hint in one text."""
    return f"{error.message}. {error.hint}".strip()


def _given(query: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: value for name, value in (query or {}).items() if value is not None}
