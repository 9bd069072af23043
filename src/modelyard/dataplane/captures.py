"""Captured requests on disk, between the gateway that writes them and control that reads them.

A segment is a file of packs after a magic word: a 4-byte little-endian length and a msgpack list of CaptureRecords. It
is written as `<id>.part` and renamed to `<id>-<records>.capture` when it is closed; only closed segments are read.
"""

import fcntl
import logging
import os
import queue
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.dataplane.errors import CaptureDamagedError
from modelyard.dataplane.tensors import WireTensor
from modelyard.kit.ids import new_id
from modelyard.types.tensors import CapturedBodies, CaptureRecord

SEGMENT_SUFFIX = ".capture"

_MAGIC = b"MYCAPT3\n"
_LENGTH = struct.Struct("<I")
_PACK_RECORDS = 64
"""Written as one: 2.0 us a record where one by one takes 3.3. What waits for others is written with the next flush."""
_logger = logging.getLogger(__name__)


class WireCapture(msgspec.Struct, array_like=True, gc=False):
    """CaptureRecord for the hot path: the same fields in the same form on disk, with tensors that may be views."""

    id: str
    at_ns: int
    project: str
    endpoint: str
    variant: str
    model: str
    number: int
    rows: int
    latency_us: int
    queue_us: int
    principal: str
    inputs: tuple[WireTensor, ...]
    outputs: tuple[WireTensor, ...]
    model_us: int = 0
    masked: tuple[str, ...] = ()
    traceparent: str = ""
    bodies: CapturedBodies | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """When a segment is closed, how much of a spool is kept on disk, and how much may wait for the disk."""

    segment_bytes: int = 8 << 20
    segment_seconds: float = 1.0
    spool_bytes: int = 1 << 30
    waiting_bytes: int = 32 << 20


def closed_segments(folder: Path) -> list[Path]:
    """The segments that are ready to be read, oldest first. A reader deletes what it has taken over."""
    return sorted(folder.glob(f"*{SEGMENT_SUFFIX}"))


def read_packs(path: Path) -> Iterator[list[CaptureRecord]]:
    """The records of a segment, in order, as they were written together. A pack that a crash cut off is left out.

    Raises:
        CaptureDamagedError: the file is no segment, or a whole pack in it cannot be read.
    """
    decoder = msgspec.msgpack.Decoder(list[CaptureRecord])
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise CaptureDamagedError(f"'{path}' is no capture segment", hint="Move it out of the spool.")
        for content in _whole_packs(file.read()):
            try:
                yield decoder.decode(content)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CaptureDamagedError(f"'{path}' is damaged: {error}", hint="Move it out of the spool.") from error


def read_segment(path: Path) -> Iterator[CaptureRecord]:
    """The records of a segment one by one; see `read_packs`."""
    for pack in read_packs(path):
        yield from pack


class SpoolWriter:
    """Appends records to segments. `append` encodes and returns; a thread does what can block.

    `append`, `flush` and `close` belong to one thread (the event loop's); the figures may be read from any.

    Attributes:
        written: records handed to the disk thread.
    """

    def __init__(self, folder: Path, limits: SpoolLimits | None = None) -> None:
        self.written = 0
        self._handed_bytes = 0
        self._refused = 0
        self._limits = limits or SpoolLimits()
        self._encoder = msgspec.msgpack.Encoder()
        self._pack: list[WireCapture | CaptureRecord] = []
        self._buffer = bytearray()
        self._buffered = 0
        self._orders: queue.SimpleQueue[tuple[bytearray, int] | None] = queue.SimpleQueue()
        self._disk = _Disk(folder, self._limits)
        self._thread = threading.Thread(target=self._work, name="captures", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Records lost: refused, or the disk was too slow or failed, or the spool was full and its oldest had to go."""
        return self._refused + self._disk.lost

    def append(self, record: WireCapture | CaptureRecord) -> None:
        """Take a record; it is in a closed segment about `segment_seconds` later. Takes 0.5 us for a small one."""
        waiting = self._handed_bytes - self._disk.taken_bytes + len(self._buffer)
        if waiting > self._limits.waiting_bytes:
            self._refused += 1
            return
        self._pack.append(record)
        self._buffered += 1
        if len(self._pack) >= _PACK_RECORDS:
            self._write_pack()
            if len(self._buffer) > self._limits.segment_bytes // 8:
                self.flush()

    def refuse(self) -> None:
        """Count a record that must not be written."""
        self._refused += 1

    def flush(self) -> None:
        """Hand what was appended to the disk thread. Call it often: 10 to 20 times a second."""
        if self._pack:
            self._write_pack()
        if self._buffered:
            self._handed_bytes += len(self._buffer)
            self._orders.put((self._buffer, self._buffered))
            self.written += self._buffered
            self._buffer, self._buffered = bytearray(), 0

    def close(self) -> None:
        """Write everything, close the segment, end the thread."""
        self.flush()
        self._orders.put(None)
        self._thread.join()

    def _write_pack(self) -> None:
        content = self._encoder.encode(self._pack)
        self._buffer += _LENGTH.pack(len(content))
        self._buffer += content
        self._pack.clear()

    def _work(self) -> None:
        is_open = True
        while is_open:
            try:
                order = self._orders.get(timeout=self._limits.segment_seconds / 4)
            except queue.Empty:
                order = (bytearray(), 0)
            is_open = order is not None
            try:
                if order is None:
                    self._disk.close()
                else:
                    self._disk.write(*order)
            except OSError as error:
                self._disk.give_up(order[1] if order else 0)
                _logger.warning("captures are lost, the spool cannot be written: %s", error)


class _Disk:
    """The thread's half: the open segment, rotation, the spool's limit."""

    def __init__(self, folder: Path, limits: SpoolLimits) -> None:
        self.taken_bytes = 0
        self.lost = 0
        self._folder = folder
        self._limits = limits
        self._file: int | None = None
        self._path = folder
        self._size = self._records = 0
        self._opened_at = 0.0
        self._newest, self._repeats = "", 0
        folder.mkdir(parents=True, exist_ok=True)
        _adopt_orphans(folder)

    def write(self, content: bytearray, records: int) -> None:
        self.taken_bytes += len(content)
        if content:
            if self._file is None:
                self._open()
            _write_all(self._file, content)
            self._size += len(content)
            self._records += records
        is_old = self._file is not None and time.monotonic() - self._opened_at >= self._limits.segment_seconds
        if is_old or self._size >= self._limits.segment_bytes:
            self.close()

    def close(self) -> None:
        """Close the open segment, if there is one, and keep the spool inside its limit."""
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        self._path.rename(self._path.with_name(f"{self._path.stem}-{self._records}{SEGMENT_SUFFIX}"))
        self._size = self._records = 0
        self._make_room()

    def give_up(self, records: int) -> None:
        """After a failed write: leave the open segment for later adoption and count its records."""
        self.lost += records + self._records
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._size = self._records = 0

    def _open(self) -> None:
        self._path = self._folder / f"{self._next_name()}.part"
        unlocked = self._path.with_suffix(".new")
        self._file = os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)  # says that its writer lives: see _adopt_orphans
        unlocked.rename(self._path)
        _write_all(self._file, _MAGIC)
        self._opened_at = time.monotonic()

    def _next_name(self) -> str:
        """Names tell the order, also within a millisecond and while the clock is behind because it was set back."""
        name = new_id("seg")
        if name > self._newest:
            self._newest, self._repeats = name, 0
            return name
        self._repeats += 1
        return f"{self._newest}.{self._repeats:08d}"

    def _make_room(self) -> None:
        segments = [(path, _size_of(path)) for path in closed_segments(self._folder)]
        total = sum(size for _, size in segments)
        for path, size in segments[:-1]:
            if total <= self._limits.spool_bytes:
                break
            total -= size
            with suppress(FileNotFoundError):  # taken over, or dropped by another gateway, which then counts it
                path.unlink()
                self.lost += int(path.stem.rpartition("-")[2])


def _adopt_orphans(folder: Path) -> None:
    """Close the segments of writers that were killed; those of living ones are locked."""
    for path in folder.glob("*.part"):
        with suppress(FileNotFoundError, BlockingIOError):  # another gateway was faster, or its writer lives
            _adopt(path)


def _adopt(path: Path) -> None:
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_segment = file.read(len(_MAGIC)) == _MAGIC
        packs = _whole_packs(file.read()) if is_segment else iter(())
        records = sum(len(msgspec.msgpack.decode(pack, type=list[msgspec.Raw])) for pack in packs)
        if records:
            path.rename(path.with_name(f"{path.stem}-{records}{SEGMENT_SUFFIX}"))
        else:
            path.unlink()


def _whole_packs(content: bytes) -> Iterator[memoryview]:
    view, position = memoryview(content), 0
    while position + _LENGTH.size <= len(view):
        start = position + _LENGTH.size
        end = start + _LENGTH.unpack_from(view, position)[0]
        if end > len(view):
            return
        yield view[start:end]
        position = end


def _write_all(file: int | None, content: bytes | bytearray) -> None:
    view = memoryview(content)
    while view and file is not None:
        view = view[os.write(file, view) :]


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
