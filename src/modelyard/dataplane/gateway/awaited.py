"""Inference for protocols that are written with `await` (gRPC, WebSocket), and streams of requests and of parts."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from enum import Enum, auto
from typing import NamedTuple, TypeVar

from modelyard.dataplane.gateway.access import Caller as TokenHolder
from modelyard.dataplane.gateway.dialect import InferenceCall, StreamCall
from modelyard.dataplane.gateway.fleet import Endpoint
from modelyard.dataplane.gateway.inference import Answer, Inference
from modelyard.dataplane.gateway.parts import StreamedAnswer
from modelyard.dataplane.gateway.pools.pool import VariantPool
from modelyard.dataplane.gateway.requests import PendingRequest, Served, StreamRequest
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import InternalError, ModelyardError, OverloadedError
from modelyard.runtimes.base import Ending
from modelyard.types.signatures import Signature

STREAM_WINDOW = 64
"""Requests of one stream that are under way at a time; further ones are not read until answers have gone out."""

_Request = TypeVar("_Request")
_Reply = TypeVar("_Reply")


class _Mark(Enum):
    """What stands between replies: a request has its last one; all requests have."""

    ANSWERED = auto()
    OVER = auto()


class Asked(NamedTuple):
    """What a request is about. `size_bytes` of its body are held until it is answered.

    `traceparent`: the header of this name, if one was sent.
    """

    holder: TokenHolder
    project: bytes | None
    endpoint: str
    version: str
    size_bytes: int
    traceparent: bytes = b""


async def infer(inference: Inference, asked: Asked, parse: Callable[[Signature], InferenceCall]) -> Answer:
    """The answer to one request; cancelling the call cancels the request. Errors are counted here.

    Raises:
        ModelyardError: as over HTTP.
    """
    inference.buffered_bytes += asked.size_bytes
    try:
        caller, request = _submit(inference, asked, parse)
        try:
            return await caller.answer
        except asyncio.CancelledError:
            request.cancel()
            raise
    finally:
        inference.buffered_bytes -= asked.size_bytes


async def parts(
    inference: Inference, asked: Asked, parse: Callable[[Signature], StreamCall]
) -> AsyncGenerator[bytes, None]:
    """The answer to one request in parts, and its end, as the call writes them. Close it (`aclosing`).

    Raises:
        ModelyardError: as over HTTP; parts may have come before.
    """
    inference.buffered_bytes += asked.size_bytes
    request: StreamRequest | None = None
    try:
        endpoint, pool = _admitted(inference, asked)
        reading = _Reading(inference, endpoint, asked)
        with _refusals_counted(inference):
            request = inference.submit_stream(parse(pool.signature), endpoint, pool, reading, asked.holder)
        while (written := await reading.written.get()) is not None:
            if isinstance(written, ModelyardError):
                raise written
            yield written
            request.took(1)
    finally:
        if request is not None:
            request.cancel()
        inference.buffered_bytes -= asked.size_bytes


def _submit(
    inference: Inference, asked: Asked, parse: Callable[[Signature], InferenceCall]
) -> tuple["_Waiting", PendingRequest]:
    endpoint, pool = _admitted(inference, asked)
    caller = _Waiting(inference, endpoint, asked)
    with _refusals_counted(inference):
        return caller, inference.submit(parse(pool.signature), endpoint, pool, caller, asked.holder)


def _admitted(inference: Inference, asked: Asked) -> tuple[Endpoint, VariantPool]:
    """Who answers."""
    with _refusals_counted(inference):
        if inference.buffered_bytes > inference.limits.max_buffered_bytes:
            raise OverloadedError(
                "the gateway holds as much unanswered input as it may", hint="Send it again, or send smaller batches."
            )
        endpoint = inference.find(asked.holder, asked.project, asked.endpoint)
        asked.holder.count_call()
        return endpoint, endpoint.choose(asked.version)


@contextmanager
def _refusals_counted(inference: Inference) -> Iterator[None]:
    try:
        yield
    except ModelyardError as error:
        inference.failed(error.code, None, None)
        raise


class _Waiting:
    """Someone who awaits the answer; see requests.Caller."""

    def __init__(self, inference: Inference, endpoint: Endpoint, asked: Asked) -> None:
        self._inference = inference
        self._endpoint = endpoint
        self._asked = asked
        self.traceparent = asked.traceparent
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, request: PendingRequest, outputs: Sequence[OutputRows], served: Served) -> None:
        """The model's outputs for this request's rows."""
        if self.answer.done():
            return
        try:
            asked = self._asked
            answer = self._inference.answer(self._endpoint, asked.holder, request, outputs, served, asked.size_bytes)
            self.answer.set_result(Answer(*answer))
        except ModelyardError as error:
            self.failed(request, error)

    def failed(self, request: PendingRequest, error: ModelyardError) -> None:
        """There will be no answer."""
        self._inference.failed(error.code, self._endpoint, request)
        if not self.answer.done():
            self.answer.set_exception(error)


class _Reading:
    """Someone who awaits the parts; see requests.StreamReader.

    Attributes:
        written: parts that nobody has taken yet, as many as a replica may make at most; None: the end.
    """

    def __init__(self, inference: Inference, endpoint: Endpoint, asked: Asked) -> None:
        self._inference = inference
        self._endpoint = endpoint
        self._asked = asked
        self.traceparent = asked.traceparent
        self._answer: StreamedAnswer | None = None
        self.written: asyncio.Queue[bytes | ModelyardError | None] = asyncio.Queue()

    def part(self, request: StreamRequest, outputs: Sequence[OutputRows], served: Served) -> None:
        """The next part."""
        self._write(request, served, lambda answer: answer.part(outputs))

    def ended(self, request: StreamRequest, ending: Ending, served: Served) -> None:
        """The answer is complete."""
        self._write(request, served, lambda answer: answer.end(ending))
        self.written.put_nowait(None)

    def answered(self, request: PendingRequest, outputs: Sequence[OutputRows], served: Served) -> None:
        """Never called: a stream has parts."""

    def failed(self, request: PendingRequest, error: ModelyardError) -> None:
        """There will be no further part."""
        self._inference.failed(error.code, self._endpoint, request)
        self.written.put_nowait(error)

    def _write(self, request: StreamRequest, served: Served, write: Callable[[StreamedAnswer], bytes]) -> None:
        try:
            if self._answer is None:
                asked = self._asked
                self._answer = StreamedAnswer(
                    self._inference, self._endpoint, asked.holder, request, served, asked.size_bytes
                )
            self.written.put_nowait(write(self._answer))
        except InternalError as error:
            request.cancel()
            self.failed(request, error)


async def in_order_of_completion(
    requests: AsyncIterator[_Request], answers: Callable[[_Request], AsyncGenerator[_Reply, None]]
) -> AsyncGenerator[_Reply, None]:
    """The answers to a stream of requests, one or more to each, as soon as they are there.

    Reads the next request only while fewer than STREAM_WINDOW are unanswered or their answers unread, and lets no more
    answers than that wait: that is all the back-pressure there is, and all that is needed. `answers` must not raise.
    Close it (`aclosing`): that cancels what is still under way.
    """
    replies: asyncio.Queue[_Reply | _Mark] = asyncio.Queue()
    free, room = asyncio.Semaphore(STREAM_WINDOW), asyncio.Semaphore(STREAM_WINDOW)
    running: set[asyncio.Task[None]] = set()

    async def handle(request: _Request) -> None:
        async with aclosing(answers(request)) as own:
            async for reply in own:
                await room.acquire()
                replies.put_nowait(reply)
        replies.put_nowait(_Mark.ANSWERED)

    async def read() -> None:
        async for request in requests:
            task = asyncio.create_task(handle(request))
            running.add(task)
            task.add_done_callback(running.discard)
            await free.acquire()
        while running:
            await asyncio.wait(running)

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: replies.put_nowait(_Mark.OVER))  # also when the stream broke off
    try:
        while (reply := await replies.get()) is not _Mark.OVER:
            if reply is _Mark.ANSWERED:
                free.release()
                continue
            yield reply
            room.release()
        await reader
    finally:
        for task in (reader, *running):
            task.cancel()
