"""Writes what was answered, in a thread of its own: the shard first, then its rows at the end of the output file."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from modelyard.algorithms.batch.shards import Shards

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_GROUP_ROWS = 100_000
_WAITING = 2


class OutputWriter:
    """A context: the output file is complete when it was left without an error.

    Args:
        path: of the Parquet file.
        schema: of its rows.
        shards: keeps what is new.
        on_finished: called, in the writer's thread, with each new shard once it is kept.
    """

    def __init__(
        self, path: Path, schema: "pa.Schema", shards: Shards, on_finished: Callable[["pa.Table"], None]
    ) -> None:
        self._path = path
        self._schema = schema
        self._shards = shards
        self._on_finished = on_finished
        self._queue: queue.Queue[tuple[int | None, pa.Table] | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._group: list[pa.Table] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self._check()

    def put(self, start: int | None, shard: "pa.Table") -> None:
        """Hand over a shard that begins with row `start`; None: it is kept already.

        Raises:
            OSError: the disk is full, or broken.
        """
        self._check()
        self._queue.put((start, shard))

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with self._open() as writer:
                while (item := self._queue.get()) is not None:
                    self._take(writer, *item)
                self._flush(writer)
        except BaseException as error:  # noqa: BLE001 - raised again where the shards come from
            self._error = error
            while self._queue.get() is not None:
                continue  # whoever waits for room must see the error

    def _open(self) -> "pq.ParquetWriter":
        import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow
        import pyarrow.parquet as pq  # noqa: PLC0415

        # Dictionaries of numbers that hardly repeat cost five times as much as everything else here, and save no room.
        words = [field.name for field in self._schema if pa.types.is_string(field.type)]
        return pq.ParquetWriter(
            self._path, self._schema, compression="zstd", compression_level=1, use_dictionary=words or False
        )

    def _take(self, writer: "pq.ParquetWriter", start: int | None, shard: "pa.Table") -> None:
        if start is not None:
            self._shards.write(start, shard)
            self._on_finished(shard)
        self._group.append(shard)
        if sum(table.num_rows for table in self._group) >= _GROUP_ROWS:
            self._flush(writer)

    def _flush(self, writer: "pq.ParquetWriter") -> None:
        """Shards of a slow model are short; a row group of the file is not."""
        import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

        if self._group:
            writer.write_table(pa.concat_tables(self._group), row_group_size=_GROUP_ROWS)
            self._group.clear()
