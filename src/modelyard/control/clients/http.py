"""One application of the platform, reached over HTTP: JSON in and out, its errors as ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from modelyard import errors
from modelyard.errors import InternalError, ModelyardError, TemporaryError, UnavailableError

_Answer = TypeVar("_Answer")
_TIMEOUT = httpx.Timeout(300.0, connect=5.0)  # registering a bare artifact takes as long as its inspection
_CHUNK_BYTES = 1 << 20
_LOOPBACK = ("http://127.", "http://localhost", "http://[::1]")
_FAMILIES: Mapping[int, type[ModelyardError]] = {
    400: errors.InvalidInputError,
    401: errors.UnauthenticatedError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    412: errors.PreconditionFailedError,
    413: errors.TooLargeError,
    429: errors.OverloadedError,
    502: errors.UnavailableError,
    503: errors.UnavailableError,
    504: errors.UnavailableError,
}


class HttpApplication:
    """Calls routes of one application. Safe from any thread; keeps connections.

    Args:
        base_url: with the application's path, e.g. "http://10.0.0.1:8470/registry/v1".
        token: sent as bearer token.
    """

    def __init__(self, base_url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        is_here = base_url.startswith(_LOOPBACK)  # no proxy stands between this machine and itself
        self._client = httpx.Client(base_url=base_url, headers=headers, timeout=_TIMEOUT, trust_env=not is_here)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        answer: type[_Answer],
        *,
        body: object = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> _Answer:
        """The answer to a request, decoded. `body` is sent as JSON, `content` as it is (bytes or an iterator).

        Raises:
            ModelyardError: the type that the application raised.
            UnavailableError: it cannot be reached.
        """
        answered = self._send(method, path, body=body, content=content, headers=headers)
        try:
            return msgspec.json.decode(answered, type=answer)
        except msgspec.MsgspecError as error:
            raise InternalError(f"{method} {path} answered what this version does not understand: {error}") from error

    def post(self, path: str, *, body: object, headers: Mapping[str, str]) -> None:
        """A request whose answer says nothing.

        Raises:
            ModelyardError, UnavailableError: as `call`.
        """
        self._send("POST", path, body=body, content=None, headers=headers)

    def download(self, path: str, target: Path) -> None:
        """Write the body of an answer to the file `target`.

        Raises:
            ModelyardError, UnavailableError: as `call`.
        """
        with _reaching(self._client.base_url), self._client.stream("GET", path) as response:
            if response.is_error:
                raise error_of(response.status_code, response.read(), response.headers.get("Retry-After"))
            with target.open("wb") as file:
                for chunk in response.iter_bytes(_CHUNK_BYTES):
                    file.write(chunk)

    def _send(self, method: str, path: str, *, body: object, content: Any, headers: Mapping[str, str] | None) -> bytes:
        sent = dict(headers or {})
        if body is not None:
            content = msgspec.json.encode(body)
            sent["Content-Type"] = "application/json"
        with _reaching(self._client.base_url):
            response = self._client.request(method, path, content=content, headers=sent)
        if response.is_error:
            raise error_of(response.status_code, response.content, response.headers.get("Retry-After"))
        return response.content


@contextmanager
def _reaching(url: httpx.URL) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise UnavailableError(
            f"{url.copy_with(userinfo=None)} cannot be reached: {error or type(error).__name__}",
            hint="Is that application running? Check the *_URL settings.",
        ) from error


class _ErrorBody(msgspec.Struct):
    code: str
    message: str
    hint: str = ""
    field: str | None = None


def error_of(status: int, content: bytes, retry_after: str | None = None) -> ModelyardError:
    """The error that an application answered, of the type that it raised if this process knows it."""
    family = _FAMILIES.get(status, InternalError)
    try:
        body = msgspec.json.decode(content, type=_ErrorBody)
    except msgspec.MsgspecError:
        return family(f"the application answered {status} without saying why")
    kind = next((known for known in _kinds(family) if known.code == body.code), family)
    error = kind.__new__(kind)  # some constructors take parts of the message: the message is already whole here
    ModelyardError.__init__(error, body.message, hint=body.hint, field=body.field)
    vars(error)["code"] = body.code  # also that of a type which this process has not loaded
    if isinstance(error, TemporaryError):
        error.retry_after_seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
    return error


def _kinds(family: type[ModelyardError]) -> Iterator[type[ModelyardError]]:
    yield family
    for child in family.__subclasses__():
        yield from _kinds(child)
