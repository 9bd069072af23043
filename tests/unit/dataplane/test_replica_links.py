"""Connections to workers and hosts that come and go at the worst moments: what is sent arrives, or its loss is told."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from modelyard.dataplane.frames import (
    PROTOCOL_VERSION,
    Answer,
    Attach,
    FrameReader,
    Hello,
    Infer,
    described,
    encode_frame,
)
from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply
from modelyard.dataplane.gateway.pools.lines import Lines
from modelyard.dataplane.gateway.pools.replica import ReplicaLink
from modelyard.dataplane.gateway.requests import Batch, PendingRequest
from modelyard.dataplane.tensors import WireTensor
from modelyard.testing.scripted_model import SIGNATURE
from modelyard.types.routing import PLACE_SEPARATOR, RouteReplica
from modelyard.types.signatures import DataType

PATIENCE_SECONDS = 4.0


class Call(InferenceCall):
    """One row of zeros."""

    __slots__ = ()

    def __init__(self) -> None:
        self.inputs = (WireTensor("x", DataType.FP32, (1, 3), bytes(12)),)
        self.rows, self.timeout_seconds = 1, None

    def reply(self, outputs: Any, inference_id: str, context: AnswerContext) -> Reply:
        raise NotImplementedError


class Owner:
    """Sends a batch the moment it may, and hears of its end."""

    def __init__(self) -> None:
        self.on_ready: Callable[[], None] = lambda: None
        self.ready, self.answered, self.lost = asyncio.Event(), asyncio.Event(), 0

    def replica_ready(self) -> None:
        self.ready.set()
        self.on_ready()

    def replica_lost(self, replica: ReplicaLink, batches: list[Batch]) -> None:
        self.lost += len(batches)

    def batch_answered(self, *_: object) -> None:
        self.answered.set()

    def part_answered(self, *_: object) -> None: ...

    def stream_ended(self, *_: object) -> None: ...

    def batch_failed(self, *_: object) -> None: ...

    def nan_answered(self, _: int) -> None: ...


def batch() -> Batch:
    now = time.monotonic()
    return Batch([PendingRequest(Call(), None, now, now + PATIENCE_SECONDS)], now)  # type: ignore[arg-type]


@contextmanager
def listening(path: Path, serve: Callable[[socket.socket, int], None]) -> Iterator[None]:
    """`serve` gets each connection, and how many there were before, in a thread: its answers need no loop's turn."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        connections: list[socket.socket] = []

        def work() -> None:
            with suppress(OSError):  # it is over
                while True:
                    connections.append(listener.accept()[0])
                    serve(connections[-1], len(connections) - 1)
                    connections[-1].close()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            for each in (listener, *connections):
                with suppress(OSError):  # closed already
                    each.shutdown(socket.SHUT_RDWR)
            thread.join()


def answer_all(connection: socket.socket, _: int) -> None:
    connection.sendall(encode_frame(Hello(PROTOCOL_VERSION, os.getpid(), SIGNATURE, True)))
    reader = FrameReader()
    heads, chunks = described({"y": np.zeros((1, 2), np.float32)})
    while data := connection.recv(1 << 16):
        for header, _body in reader.feed(data):
            assert isinstance(header, Infer)
            connection.sendall(encode_frame(Answer(header.id, heads, 1), chunks))


def greet_all(connection: socket.socket, count: int) -> None:
    """A host that greets every channel and answers nothing; its first connection it closes at once."""
    if count == 0:
        return
    reader = FrameReader()
    while data := connection.recv(1 << 16):
        for header, _body in reader.feed(data):
            if isinstance(header, Attach):
                hello = Hello(PROTOCOL_VERSION, os.getpid(), SIGNATURE, True, header.channel)
                connection.sendall(encode_frame(hello))


async def be_busy() -> None:
    """Turns of the loop so long that whatever the other side does is there before the next one."""
    while True:
        time.sleep(0.005)  # noqa: ASYNC251 - that is the point
        await asyncio.sleep(0)


def on_a_busy_gateway(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `test` on the loop that gateways have, with much to do."""

    async def run() -> None:
        busy = asyncio.create_task(be_busy())
        try:
            await asyncio.wait_for(test(), PATIENCE_SECONDS)
        finally:
            busy.cancel()
            await asyncio.sleep(0.02)  # what the test has closed is closed

    uvloop.run(run())


def link_to(address: Path | str, owner: Owner, lines: Lines) -> closing[ReplicaLink]:
    return closing(ReplicaLink(RouteReplica(id="a", address=str(address)), SIGNATURE, owner, lines))


def test_a_batch_that_is_sent_as_soon_as_a_worker_greets_reaches_it(tmp_path: Path):
    async def test() -> None:
        owner = Owner()
        with link_to(tmp_path / "a", owner, Lines()) as link:
            owner.on_ready = lambda: link.send(batch())
            await owner.answered.wait()

    with listening(tmp_path / "a", answer_all):
        on_a_busy_gateway(test)


def test_a_host_that_hangs_up_at_once_is_called_again(tmp_path: Path):
    async def test() -> None:
        owner = Owner()
        with link_to(f"{tmp_path / 'host'}{PLACE_SEPARATOR}model", owner, Lines()):
            await owner.ready.wait()

    with listening(tmp_path / "host", greet_all):
        on_a_busy_gateway(test)


def test_what_a_host_was_asked_for_a_model_that_is_given_up_does_not_hold_up_its_neighbours(tmp_path: Path):
    async def test() -> None:
        lines, one, other = Lines(), Owner(), Owner()
        host = f"{tmp_path / 'host'}{PLACE_SEPARATOR}"
        with link_to(host + "stuck", one, lines) as stuck, link_to(host + "neighbour", other, lines) as neighbour:
            await one.ready.wait()
            await other.ready.wait()
            for _ in range(2):
                stuck.send(batch())
                await asyncio.sleep(0.05)  # the next one travels by itself
            assert neighbour.is_held_up
            other.ready.clear()
            stuck.reset("it took too long")
            assert one.lost == 2
            assert other.ready.is_set()  # it hears that it need not wait any longer
            assert not neighbour.is_held_up

    with listening(tmp_path / "host", greet_all):
        on_a_busy_gateway(test)
