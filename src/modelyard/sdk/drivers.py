"""Perform steps with httpx: one driver blocks, the other one awaits. Nothing but input and output differs."""

import asyncio
import codecs
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import httpx

from modelyard.errors import ModelyardError, TemporaryError
from modelyard.sdk.calls import Lines, Pages
from modelyard.sdk.connection import Connection
from modelyard.sdk.errors import ConnectionLostError, ServerUnreachableError, error_of
from modelyard.sdk.steps import Download, Flow, Pause, Request, Response, Step, Work

T = TypeVar("T")
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
_RECONNECT_SECONDS = 0.5
_MAX_RECONNECTS = 20


class SyncDriver:
    """Performs flows in the calling thread; may be used from several threads."""

    def __init__(
        self, connection: Connection, verify: ssl.SSLContext | bool, transport: httpx.BaseTransport | None
    ) -> None:
        self._at = connection
        self._http = httpx.Client(**_options(connection), verify=verify, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(self, flow: Flow[T]) -> T:
        """The flow's result."""
        result: Any = None
        failure: ModelyardError | None = None
        while True:
            try:
                step = flow.send(result) if failure is None else flow.throw(failure)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            result = failure = None
            try:
                result = self._perform(step)
            except ModelyardError as error:
                failure = error

    def iterate(self, pages: Pages[T]) -> Iterator[T]:
        """All items of a list."""
        cursor: str | None = None
        while True:
            items, cursor = self.run(pages.fetch(cursor))
            yield from items
            if cursor is None:
                return

    def lines(self, lines: Lines) -> Iterator[str]:
        """Lines as they come; goes on after a broken connection."""
        reader = _LineReader(lines)
        while not reader.is_done:
            try:
                target = self._at.address(lines.path)
                with (
                    _faults(self._at.origin(lines.path)),
                    self._http.stream("GET", target, params=reader.query()) as answer,
                ):
                    if answer.is_error:
                        answer.read()
                        raise error_of(_response(answer))
                    for chunk in answer.iter_bytes():
                        yield from reader.feed(chunk)
                yield from reader.end()
            except TemporaryError as error:
                reader.count_failure(error)
                time.sleep(_RECONNECT_SECONDS)

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Work):
            return step.function()
        target = self._at.address(step.path)
        with _faults(self._at.origin(step.path)):
            if isinstance(step, Request):
                return _response(self._http.request(url=target, **_arguments(step)))
            return self._download(step, target)

    def _download(self, step: Download, target: str) -> Response:
        with self._http.stream("GET", target) as answer:
            if answer.is_error:
                answer.read()
                return _response(answer)
            with _PartFile(step, answer) as part:
                for chunk in answer.iter_bytes():
                    part.write(chunk)
            return Response(status=answer.status_code, headers=answer.headers, content=b"")


class AsyncDriver:
    """Performs flows on the running event loop."""

    def __init__(
        self, connection: Connection, verify: ssl.SSLContext | bool, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self._at = connection
        self._http = httpx.AsyncClient(**_options(connection), verify=verify, transport=transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(self, flow: Flow[T]) -> T:
        """The flow's result."""
        result: Any = None
        failure: ModelyardError | None = None
        while True:
            try:
                step = flow.send(result) if failure is None else flow.throw(failure)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            result = failure = None
            try:
                result = await self._perform(step)
            except ModelyardError as error:
                failure = error

    async def iterate(self, pages: Pages[T]) -> AsyncIterator[T]:
        """All items of a list."""
        cursor: str | None = None
        while True:
            items, cursor = await self.run(pages.fetch(cursor))
            for item in items:
                yield item
            if cursor is None:
                return

    async def lines(self, lines: Lines) -> AsyncIterator[str]:
        """Lines as they come; goes on after a broken connection."""
        reader = _LineReader(lines)
        while not reader.is_done:
            try:
                target = self._at.address(lines.path)
                with _faults(self._at.origin(lines.path)):
                    async with self._http.stream("GET", target, params=reader.query()) as answer:
                        if answer.is_error:
                            await answer.aread()
                            raise error_of(_response(answer))
                        async for chunk in answer.aiter_bytes():
                            for line in reader.feed(chunk):
                                yield line
                for line in reader.end():
                    yield line
            except TemporaryError as error:
                reader.count_failure(error)
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _perform(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Work):
            return await asyncio.to_thread(step.function)
        target = self._at.address(step.path)
        with _faults(self._at.origin(step.path)):
            if isinstance(step, Request):
                return _response(await self._http.request(url=target, **_arguments(step)))
            return await self._download(step, target)

    async def _download(self, step: Download, target: str) -> Response:
        async with self._http.stream("GET", target) as answer:
            if answer.is_error:
                await answer.aread()
                return _response(answer)
            with _PartFile(step, answer) as part:
                async for chunk in answer.aiter_bytes():
                    await asyncio.to_thread(part.write, chunk)
            return Response(status=answer.status_code, headers=answer.headers, content=b"")


class _PartFile:
    """The target of a download while it comes in: moved to its place when whole, removed otherwise."""

    def __init__(self, step: Download, answer: httpx.Response) -> None:
        self._step = step
        self._path = step.target.with_name(f".{step.target.name}.{os.urandom(4).hex()}.part")
        self._total = int(answer.headers.get("content-length", 0))
        self._done = 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("wb")
        return self

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._done += len(chunk)
        if self._step.progress:
            self._step.progress(self._done, max(self._total, self._done))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._path.replace(self._step.target)
        else:
            self._path.unlink(missing_ok=True)


class _LineReader:
    """Cuts bytes into lines and knows where to go on after a break."""

    def __init__(self, lines: Lines) -> None:
        self._query = lines.query
        self._offset = lines.offset
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._failures = 0
        self.is_done = False

    def query(self) -> dict[str, str]:
        return {**self._query, "offset": str(self._offset)}

    def feed(self, chunk: bytes) -> list[str]:
        self._failures = 0
        self._offset += len(chunk)
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        return lines

    def end(self) -> list[str]:
        self.is_done = True
        return [self._rest] if self._rest else []

    def count_failure(self, error: TemporaryError) -> None:
        self._failures += 1
        if self._failures > _MAX_RECONNECTS:
            raise error


@contextmanager
def _faults(url: str) -> Iterator[None]:
    """Our errors for those of httpx: not sent, or perhaps sent."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise ServerUnreachableError(
            f"nothing answers at {url}: {error or type(error).__name__}",
            hint="Start the platform with `modelyard up`, or set MODELYARD_URL to where it runs.",
        ) from error
    except httpx.TransportError as error:
        raise ConnectionLostError(
            f"the connection to {url} broke: {error or type(error).__name__}", hint="Try again; see `modelyard status`."
        ) from error


def _options(connection: Connection) -> dict[str, Any]:
    addresses = (connection.url, *connection.applications.values())
    return {
        "headers": {"Authorization": f"Bearer {connection.token}"} if connection.token else {},
        "timeout": httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20),
        # no proxy stands between this machine and itself
        "trust_env": not all(url.startswith(("http://127.", "http://localhost", "http://[::1]")) for url in addresses),
    }


def _arguments(request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "method": request.method,
        "params": dict(request.query),
        "headers": dict(request.headers),
        "content": request.content,
    }
    if request.timeout_seconds is not None:
        arguments["timeout"] = httpx.Timeout(request.timeout_seconds, connect=CONNECT_SECONDS)
    return arguments


def _response(answer: httpx.Response) -> Response:
    return Response(status=answer.status_code, headers=answer.headers, content=answer.content)
