"""Ground truth in files and streams: CSV, JSON Lines and Parquet, taken as they arrive, a part at a time.

A line that cannot be taken is refused with its number and keeps nothing else from being taken. Sending the same file
again is harmless: what is known counts as duplicate.
"""

import csv
import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from modelyard.control.feedback.errors import FeedbackFileInvalidError, TruthInvalidError
from modelyard.control.feedback.service import FeedbackService, NewTruth
from modelyard.errors import TooLargeError
from modelyard.kit.cells import as_scalar
from modelyard.types.monitoring import FeedbackFileReceipt, RefusedTruth

MAXIMUM_FILE_BYTES = 256 << 20
MAXIMUM_LINE_BYTES = 4 << 20
_REFUSALS_SHOWN = 20
_PART = 5000


class Line(NamedTuple):
    """An item of a file: its truth, or why there is none."""

    number: int
    item: NewTruth | None
    fault: str = ""


class FileReader(ABC):
    """Turns bytes into items as they come. Used by one thread at a time."""

    @abstractmethod
    def feed(self, content: bytes) -> Iterator[Line]:
        """Items that are complete now."""

    @abstractmethod
    def finish(self) -> Iterator[Line]:
        """What is left at the end."""

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Give back what it holds."""


@dataclass(slots=True)
class FeedbackIntake:
    """Takes one file or stream: `feed` with its bytes in order, then `finish`; at the end, in any case, `close`."""

    service: FeedbackService
    project: str
    endpoint: str
    reader: FileReader
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("accepted", "duplicate", "conflicting"), 0))
    _refusals: list[RefusedTruth] = field(default_factory=list)
    _refused: int = 0

    def feed(self, content: bytes) -> None:
        """Take what is complete now.

        Raises:
            NotFoundError: no such endpoint.
            FeedbackFileInvalidError: this is no file of the kind that it should be.
            TooLargeError: a line, or a Parquet file, is too large.
        """
        self._take(self.reader.feed(content))

    def finish(self) -> FeedbackFileReceipt:
        """Take the rest, and say how all of it was taken. Raises as `feed`."""
        self._take(self.reader.finish())
        return FeedbackFileReceipt(**self._counts, refused=self._refused, refusals=tuple(self._refusals))

    def close(self) -> None:
        """Give back what the reader holds."""
        self.reader.close()

    def _take(self, lines: Iterator[Line]) -> None:
        part: list[Line] = []
        for line in lines:
            if line.item is None:
                self._refuse(line.number, line.fault)
                continue
            part.append(line)
            if len(part) == _PART:
                self._record(part)
                part = []
        if part:
            self._record(part)

    def _record(self, part: Sequence[Line]) -> None:
        items = [line.item for line in part if line.item is not None]

        def refuse(index: int, error: TruthInvalidError) -> None:
            self._refuse(part[index].number, error.message)

        receipt = self.service.record(self.project, self.endpoint, items, refuse=refuse)
        for name in self._counts:
            self._counts[name] += getattr(receipt, name)

    def _refuse(self, number: int, fault: str) -> None:
        self._refused += 1
        if len(self._refusals) < _REFUSALS_SHOWN:
            self._refusals.append(RefusedTruth(line=number, message=fault))


class _Lines(FileReader):
    """Text by the line."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0

    def feed(self, content: bytes) -> Iterator[Line]:
        """See FileReader."""
        *whole, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > MAXIMUM_LINE_BYTES:
            raise TooLargeError(
                f"line {self._number + len(whole) + 1} has more than {MAXIMUM_LINE_BYTES} bytes",
                hint="Write one inference on a line.",
            )
        for line in whole:
            yield from self._next(line)

    def finish(self) -> Iterator[Line]:
        """See FileReader."""
        yield from self._next(self._rest)

    def _next(self, raw: bytes) -> Iterator[Line]:
        self._number += 1
        try:
            text = raw.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            yield Line(self._number, None, "it is not UTF-8")
            return
        if text:
            yield from self._line(text)

    @abstractmethod
    def _line(self, text: str) -> Iterator[Line]:
        """Items that are complete with this line."""


class JsonLines(_Lines):
    """`{"inference_id": ..., "truth": value or list}` on each line."""

    def _line(self, text: str) -> Iterator[Line]:
        try:
            value = json.loads(text)
        except ValueError:
            yield Line(self._number, None, "it is not JSON")
            return
        if not isinstance(value, dict):
            yield Line(self._number, None, "it is no object with inference_id and truth")
            return
        yield _checked(self._number, value.get("inference_id"), value.get("truth"))


class Csv(_Lines):
    """A header with inference_id and truth; lines of one inference that follow each other are its rows."""

    def __init__(self) -> None:
        super().__init__()
        self._places: tuple[int, int] | None = None
        self._open: tuple[int, str, list[Any]] | None = None

    def finish(self) -> Iterator[Line]:
        """See FileReader."""
        yield from super().finish()
        yield from self._close()

    def _line(self, text: str) -> Iterator[Line]:
        cells = next(csv.reader([text]), [])
        if self._places is None:
            self._places = _places(cells)
        elif len(cells) <= max(self._places):
            yield Line(self._number, None, f"it has {len(cells)} cells")
        else:
            inference_id, truth = (cells[place].strip() for place in self._places)
            if self._open is None or self._open[1] != inference_id:
                yield from self._close()
                self._open = self._number, inference_id, []
            self._open[2].append(as_scalar(truth) if truth else None)

    def _close(self) -> Iterator[Line]:
        if self._open is not None:
            yield _checked(*self._open)
            self._open = None


class Parquet(FileReader):
    """The columns inference_id and truth (a value, or a list of them). Read once all of it is here."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="modelyard-feedback-")  # noqa: SIM115 - it lives as long as this
        self._size = 0

    def feed(self, content: bytes) -> Iterator[Line]:
        """See FileReader."""
        self._size += len(content)
        if self._size > MAXIMUM_FILE_BYTES:
            raise TooLargeError(f"the file has more than {MAXIMUM_FILE_BYTES} bytes", hint="Send it in parts.")
        self._file.write(content)
        return iter(())

    def finish(self) -> Iterator[Line]:
        """See FileReader."""
        import pyarrow as pa  # noqa: PLC0415 - 0.4 s that the control process must start without
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._file.seek(0)
        number = 0
        try:
            for batch in pq.ParquetFile(self._file).iter_batches(_PART, columns=["inference_id", "truth"]):
                _places(batch.schema.names)
                for row in batch.to_pylist():
                    number += 1
                    yield _checked(number, row["inference_id"], row["truth"])
        except (pa.ArrowException, OSError) as error:
            raise FeedbackFileInvalidError(
                f"the Parquet file cannot be read: {error}", hint="Write it anew."
            ) from error

    def close(self) -> None:
        """See FileReader."""
        self._file.close()


READERS: dict[str, type[FileReader]] = {
    "text/csv": Csv,
    "application/x-ndjson": JsonLines,
    "application/jsonlines": JsonLines,
    "application/x-parquet": Parquet,
    "application/vnd.apache.parquet": Parquet,
}


def reader_for(content_type: str) -> FileReader:
    """The reader of a media type.

    Raises:
        FeedbackFileInvalidError: there is none.
    """
    found = READERS.get(content_type.partition(";")[0].strip().lower())
    if found is None:
        raise FeedbackFileInvalidError(
            f"'{content_type[:80]}' is no kind of file that feedback comes in",
            hint=f"Send one of these as Content-Type: {', '.join(READERS)}.",
        )
    return found()


def _places(names: Sequence[str]) -> tuple[int, int]:
    names = [name.strip() for name in names]
    if not {"inference_id", "truth"} <= set(names):
        raise FeedbackFileInvalidError(
            "the file has no columns inference_id and truth", hint="Name them in the header, whatever else is there."
        )
    return names.index("inference_id"), names.index("truth")


def _checked(number: int, inference_id: Any, truth: Any) -> Line:
    values = truth if isinstance(truth, list) else [truth]
    if not isinstance(inference_id, str) or not 1 <= len(inference_id) <= 200:  # noqa: PLR2004 - as in the table
        return Line(number, None, "it has no inference_id of 1 to 200 characters")
    if not all(value is None or isinstance(value, str | bool | int | float) for value in values):
        return Line(number, None, "its truth is neither a value nor a list of values")
    return Line(number, NewTruth(inference_id, values))
