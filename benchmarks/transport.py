"""Tensors from gateway to worker: over the Unix socket as the product does it, and through shared memory, side by side.

Usage: python -m benchmarks.transport [ROUNDS]      (5 if not given: about a minute)

One process sends a batch with one tensor and waits for a small answer, again and again, by the product's own frames on
uvloop; another one answers and looks at every page of the tensor. With shared memory the sender copies the tensor into
a memfd that both have mapped, and the frame that follows over the socket has the same header and no body. Rounds take
turns. Read the ratios: times are those of a machine that may be busy.
"""

import argparse
import asyncio
import mmap
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop

from modelyard.dataplane.frames import Answer, FrameReader, Header, Infer, TensorHead, encode_frame, tensors_of
from modelyard.types.signatures import DataType

SIZES = (4 << 10, 256 << 10, 4 << 20, 16 << 20)
ROUND_SECONDS = 1.0
PAGE_FLOATS = 1024


class Worker(asyncio.Protocol):
    """Answers the sum of one number of every page. A frame without a body is about the shared memory."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._shared = memoryview(shared)
        self._reader = FrameReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        for header, body in self._reader.feed(data):
            assert isinstance(header, Infer)
            size = sum(head.size_bytes for head in header.inputs)
            (tensor,) = tensors_of(header.inputs, body if len(body) else self._shared[:size])
            total = tensor.to_array().reshape(-1)[::PAGE_FLOATS].sum(dtype=np.float32)
            head = TensorHead("y", DataType.FP32, (1,), 4)
            self._transport.write(encode_frame(Answer(header.id, (head,), 0), [total.tobytes()]))


class Gateway(asyncio.Protocol):
    """Sends and waits for the answer."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._answer: asyncio.Future[tuple[Header, bytes]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        for header, body in self._reader.feed(data):
            self._answer.set_result((header, bytes(body)))

    async def ask(self, frame: bytes) -> float:
        """The number that comes back."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(frame)
        _, body = await self._answer
        return float(np.frombuffer(body, np.float32)[0])


@dataclass(frozen=True)
class Round:
    """Seconds a batch took, and CPU seconds of both processes for it."""

    seconds: float
    cpu_seconds: float


async def one_round(gateway: Gateway, tensor: np.ndarray, shared: mmap.mmap | None, worker: int) -> Round:
    """Batches for ROUND_SECONDS; `shared` None: over the socket."""
    data = tensor.tobytes()
    heads = (TensorHead("x", DataType.FP32, tensor.shape, len(data)),)
    expected = float(tensor.reshape(-1)[::PAGE_FLOATS].sum(dtype=np.float32))
    count, started, cpu = 0, time.perf_counter(), cpu_seconds(worker)
    while time.perf_counter() - started < ROUND_SECONDS:
        count += 1
        if shared is None:
            frame = encode_frame(Infer(count, heads, True), [data])
        else:
            shared[: len(data)] = data
            frame = encode_frame(Infer(count, heads, True))
        assert await gateway.ask(frame) == expected
    return Round((time.perf_counter() - started) / count, (cpu_seconds(worker) - cpu) / count)


def cpu_seconds(worker: int) -> float:
    """Of this process and of the worker."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return own.ru_utime + own.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


async def measure(address: str, shared: mmap.mmap, worker: int, rounds: int) -> None:
    """Print a line for each size."""
    _, gateway = await asyncio.get_running_loop().create_unix_connection(Gateway, address)
    print(f"{'tensor':>10} {'socket':>10} {'shared':>10} {'socket : shared':>16} {'CPU of both':>12}")
    for size in SIZES:
        tensor = np.arange(size // 4, dtype=np.float32).reshape(1, -1)
        seen: tuple[list[Round], list[Round]] = ([], [])
        for way in (None, shared):
            await one_round(gateway, tensor, way, worker)  # warm
        for _ in range(rounds):
            for way, found in zip((None, shared), seen, strict=True):
                found.append(await one_round(gateway, tensor, way, worker))
        socket, memory = (statistics.median(one.seconds for one in found) for found in seen)
        cpu = [statistics.median(one.cpu_seconds for one in found) for found in seen]
        print(
            f"{size >> 10:>7} KiB {socket * 1e6:>7.0f} us {memory * 1e6:>7.0f} us "
            f"{socket / memory:>15.2f}x {cpu[0] / cpu[1]:>11.2f}x"
        )


@contextmanager
def worker_process(address: str, shared: int) -> Iterator[int]:
    """Its pid, once it listens."""
    command = [sys.executable, "-m", "benchmarks.transport", "--serve", address, "--shared", str(shared)]
    process = subprocess.Popen(command, pass_fds=[shared], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        process.terminate()
        process.wait()


async def serve(address: str, shared: int) -> None:
    """The worker's side, until it is ended."""
    memory = mmap.mmap(shared, max(SIZES))
    await asyncio.get_running_loop().create_unix_server(lambda: Worker(memory), address)
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--shared", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve, options.shared))
        return
    shared = os.memfd_create("modelyard-transport")
    os.ftruncate(shared, max(SIZES))
    with tempfile.TemporaryDirectory() as folder, worker_process(f"{folder}/worker.sock", shared) as worker:
        uvloop.run(measure(f"{folder}/worker.sock", mmap.mmap(shared, max(SIZES)), worker, options.rounds))


if __name__ == "__main__":
    main()
