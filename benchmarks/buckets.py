"""What S3 at the platform's port costs: memory of each process while an object of 1 GB goes up and down.

Usage: python benchmarks/buckets.py [MEGABYTES]
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.footprint import commands, memory_mib, name_of
from boto3.s3.transfer import TransferConfig

from modelyard.testing.aws.platform import AwsPlatform

BUCKET = "benchmark"
_LOOK_SECONDS = 0.1
_PIECE_BYTES = 1 << 20


class Zeros:
    """A file of so many bytes that takes no memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        taken = self._left if size < 0 else min(size, self._left)
        self._left -= taken
        return bytes(taken)


def main(megabytes: int) -> None:
    """Up and down as one body, and up in parts."""
    size = megabytes << 20
    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder, AwsPlatform(Path(folder) / "home") as platform:
        s3 = platform.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="warm", Body=b"x")
        home = str(platform.program.home)
        measure("up, one body", home, megabytes, lambda: put(s3, size))
        measure("up, in parts", home, megabytes, lambda: put_in_parts(s3, size))
        measure("down", home, megabytes, lambda: get(s3))


def put(s3: Any, size: int) -> None:
    """As one body, by a presigned address: boto3 itself would read it twice."""
    import httpx  # noqa: PLC0415 - not what is measured

    url = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "object"})
    source = Zeros(size)
    pieces = iter(lambda: source.read(_PIECE_BYTES), b"")
    httpx.put(url, content=pieces, headers={"Content-Length": str(size)}, timeout=600).raise_for_status()


def put_in_parts(s3: Any, size: int) -> None:
    """As `upload_fileobj` does it."""
    s3.upload_fileobj(Zeros(size), BUCKET, "parts", Config=TransferConfig(max_concurrency=2))


def get(s3: Any) -> None:
    """Piece by piece."""
    for _ in s3.get_object(Bucket=BUCKET, Key="object")["Body"].iter_chunks(_PIECE_BYTES):
        pass


def measure(what: str, home: str, megabytes: int, work: Callable[[], None]) -> None:
    """A line for the work, with the memory of each process before and at its peak."""
    processes = {pid: name for pid, line in commands().items() if home in line and (name := _called(line))}
    before = {pid: memory_mib(pid)[0] for pid in processes}
    started = time.monotonic()
    with peaks(list(processes)) as highest:
        work()
    seconds = time.monotonic() - started
    told = ", ".join(f"{name} {before[pid]:.0f} -> {highest[pid]:.0f}" for pid, name in processes.items())
    print(
        f"{what:14} {megabytes} MiB in {seconds:5.1f} s ({megabytes / seconds:4.0f} MiB/s); RSS MiB: {told}", flush=True
    )


def _called(line: str) -> str:
    return "store" if "/weed server" in line else name_of(line) if "server." in name_of(line) else ""


@contextmanager
def peaks(pids: list[int]) -> Iterator[dict[int, float]]:
    """The highest resident memory of each process inside the block."""
    highest = dict.fromkeys(pids, 0.0)
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOK_SECONDS):
            for pid in pids:
                highest[pid] = max(highest[pid], memory_mib(pid)[0])

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield highest
    finally:
        is_over.set()
        looking.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
