"""A variant's queue and its replicas: nobody waits for what has happened already, and one fault costs one answer."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from modelyard.dataplane.frames import (
    PROTOCOL_VERSION,
    Answer,
    Ended,
    Failure,
    FrameReader,
    Hello,
    Infer,
    described,
    encode_frame,
)
from modelyard.dataplane.gateway.config import Limits
from modelyard.dataplane.gateway.dialect import AnswerContext, Reply, StreamCall, StreamWriter
from modelyard.dataplane.gateway.pools.lines import Lines
from modelyard.dataplane.gateway.pools.pool import VariantPool
from modelyard.dataplane.gateway.requests import PendingRequest, Served, StreamRequest
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.errors import InternalError, ModelyardError
from modelyard.runtimes.base import Ending
from modelyard.testing.scripted_model import SIGNATURE
from modelyard.types.routing import RouteReplica, RouteVariant
from modelyard.types.signatures import DataType

LONG, PATIENCE_SECONDS = 30.0, 5.0


class Call(StreamCall):
    """One row of zeros."""

    __slots__ = ()

    def __init__(self) -> None:
        self.inputs = (WireTensor("x", DataType.FP32, (1, 3), bytes(12)),)
        self.rows, self.timeout_seconds = 1, None

    def writer(self, inference_id: str, context: AnswerContext) -> StreamWriter:
        raise NotImplementedError


class WholeCall(Call):
    """The same, answered as a whole."""

    __slots__ = ()
    is_stream = False

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        raise NotImplementedError


class Caller:
    """Keeps its answer, or fails to."""

    traceparent = b""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.end: asyncio.Future[str | ModelyardError] = asyncio.get_running_loop().create_future()
        self._is_broken = is_broken

    def answered(self, *_: object) -> None:
        if self._is_broken:
            raise OSError("no space is left")
        self.end.set_result("answered")

    def failed(self, _: PendingRequest, error: ModelyardError) -> None:
        self.end.set_result(error)

    def part(self, request: StreamRequest, outputs: Sequence[OutputRows], served: Served) -> None: ...

    def ended(self, request: StreamRequest, ending: Ending, served: Served) -> None:
        self.end.set_result("ended")


class Worker(asyncio.Protocol):
    """Refuses the first batch of several, and ends its stream when it is told to."""

    def __init__(self) -> None:
        self.refused, self.streams = asyncio.Event(), asyncio.Event()
        self._reader = FrameReader()
        self._stream = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(encode_frame(Hello(PROTOCOL_VERSION, os.getpid(), SIGNATURE, True)))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        for header, _ in self._reader.feed(data):
            assert isinstance(header, Infer)
            rows = header.inputs[0].shape[0]
            if header.parts:
                self._stream = header.id
                self.streams.set()
            elif rows > 1 and not self.refused.is_set():
                self.refused.set()
                self._transport.write(encode_frame(Failure(header.id, "model_failed", "told to")))
            else:
                heads, chunks = described({"y": np.zeros((rows, 2), np.float32)})
                self._transport.write(encode_frame(Answer(header.id, heads, 1), chunks))

    def end_stream(self) -> None:
        self._transport.write(encode_frame(Ended(self._stream, 1, "stop", 1, 1)))


@asynccontextmanager
async def pool_of(worker: Worker, folder: Path) -> AsyncIterator[VariantPool]:
    """A pool whose only replica is `worker`."""
    replicas = (RouteReplica(id="w", address=str(folder / "w")),)
    variant = RouteVariant(
        name="v", model="m", number=1, weight=1.0, signature=SIGNATURE, replicas=replicas, is_pure=True
    )
    server = await asyncio.get_running_loop().create_unix_server(lambda: worker, replicas[0].address)
    pool = VariantPool(variant, "e", Limits(hold_seconds=LONG), lambda _, requests: requests, Lines())
    pool.follow(replicas)
    try:
        yield pool
    finally:
        pool.close()
        server.close()
        await asyncio.sleep(0.02)  # what was closed is gone


def asked(pool: VariantPool, **options: bool) -> Caller:
    caller, now = Caller(**options), time.monotonic()
    pool.submit(PendingRequest(WholeCall(), caller, now, now + LONG))
    return caller


def test_a_request_that_is_tried_again_by_itself_goes_as_soon_as_the_stream_before_it_ends(tmp_path: Path):
    async def test() -> None:
        worker = Worker()
        async with asyncio.timeout(PATIENCE_SECONDS), pool_of(worker, tmp_path) as pool:
            reader, now = Caller(), time.monotonic()
            pool.submit(StreamRequest(Call(), reader, now, LONG, LONG, ""))
            await worker.streams.wait()
            callers = [asked(pool), asked(pool)]  # in one turn of the loop, so in one batch
            await worker.refused.wait()
            await asyncio.sleep(0.05)
            assert not any(caller.end.done() for caller in callers)  # they must not take the stream down with them
            worker.end_stream()
            assert [await each.end for each in (reader, *callers)] == ["ended", "answered", "answered"]

    uvloop.run(test())


def test_an_answer_that_cannot_be_passed_on_costs_the_others_of_its_batch_nothing(tmp_path: Path):
    async def test() -> None:
        worker = Worker()
        worker.refused.set()
        async with asyncio.timeout(PATIENCE_SECONDS), pool_of(worker, tmp_path) as pool:
            callers = [asked(pool), asked(pool, is_broken=True), asked(pool)]
            first, broken, last = [await each.end for each in callers]
            assert (first, last) == ("answered", "answered")
            assert isinstance(broken, InternalError)
            assert pool.is_live
            assert pool.is_drained

    uvloop.run(test())
