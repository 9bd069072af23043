"""Inference for protocols that are written with `await` (gRPC, WebSocket), and streams of requests."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from modelyard.dataplane.gateway.access import Caller as TokenHolder
from modelyard.dataplane.gateway.dialect import InferenceCall
from modelyard.dataplane.gateway.fleet import Endpoint
from modelyard.dataplane.gateway.inference import Answer, Inference
from modelyard.dataplane.gateway.requests import PendingRequest, Served
from modelyard.dataplane.tensors import OutputRows
from modelyard.errors import ModelyardError, OverloadedError
from modelyard.types.signatures import Signature

STREAM_WINDOW = 64
"""Requests of one stream that are under way at a time; further ones are not read until answers have gone out."""

_Request = TypeVar("_Request")
_Reply = TypeVar("_Reply")


class Asked(NamedTuple):
    """What a request is about. `size_bytes` of its body are held until it is answered."""

    holder: TokenHolder
    project: bytes | None
    endpoint: str
    version: str
    size_bytes: int


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


def _submit(
    inference: Inference, asked: Asked, parse: Callable[[Signature], InferenceCall]
) -> tuple["_Waiting", PendingRequest]:
    try:
        if inference.buffered_bytes > inference.limits.max_buffered_bytes:
            raise OverloadedError(
                "the gateway holds as much unanswered input as it may", hint="Send it again, or send smaller batches."
            )
        endpoint = inference.find(asked.holder, asked.project, asked.endpoint)
        asked.holder.count_call()
        pool = endpoint.choose(asked.version)
        caller = _Waiting(inference, endpoint, asked.holder)
        return caller, inference.submit(parse(pool.signature), endpoint, pool, caller, asked.holder)
    except ModelyardError as error:
        inference.failed(error.code, None, None)
        raise


class _Waiting:
    """Someone who awaits the answer; see requests.Caller."""

    def __init__(self, inference: Inference, endpoint: Endpoint, holder: TokenHolder) -> None:
        self._inference = inference
        self._endpoint = endpoint
        self._holder = holder
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, request: PendingRequest, outputs: Sequence[OutputRows], served: Served) -> None:
        """The model's outputs for this request's rows."""
        if self.answer.done():
            return
        try:
            answer = self._inference.answer(self._endpoint, self._holder, request, outputs, served)
            self.answer.set_result(Answer(*answer))
        except ModelyardError as error:
            self.failed(request, error)

    def failed(self, request: PendingRequest, error: ModelyardError) -> None:
        """There will be no answer."""
        self._inference.failed(error.code, self._endpoint, request)
        if not self.answer.done():
            self.answer.set_exception(error)


async def in_order_of_completion(
    requests: AsyncIterator[_Request], answer: Callable[[_Request], Awaitable[_Reply]]
) -> AsyncGenerator[_Reply, None]:
    """The answers to a stream of requests, each as soon as it is there.

    Reads the next request only while fewer than STREAM_WINDOW are unanswered or their answers unread: that is all the
    back-pressure there is, and all that is needed. `answer` must not raise. Close it (`aclosing`): that cancels what is
    still under way.
    """
    replies: asyncio.Queue[_Reply | None] = asyncio.Queue()
    free = asyncio.Semaphore(STREAM_WINDOW)
    running: set[asyncio.Task[None]] = set()

    async def handle(request: _Request) -> None:
        replies.put_nowait(await answer(request))

    async def read() -> None:
        async for request in requests:
            task = asyncio.create_task(handle(request))
            running.add(task)
            task.add_done_callback(running.discard)
            await free.acquire()
        while running:
            await asyncio.wait(running)

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: replies.put_nowait(None))  # also when the stream broke off
    try:
        while (reply := await replies.get()) is not None:
            yield reply
            free.release()
        await reader
    finally:
        for task in (reader, *running):
            task.cancel()
