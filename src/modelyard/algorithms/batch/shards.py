"""Finished shards: the unit of progress. Each is a file that appears whole; what is there is never computed again."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIX = ".arrow"


class Shards:
    """A folder of Arrow files, each named by its first row and the row after its last.

    Args:
        folder: exists, and outlives the process.
        schema: of every shard; files with another one do not count.
    """

    def __init__(self, folder: Path, schema: "pa.Schema") -> None:
        self._folder = folder
        self._schema = schema

    def finished(self) -> Iterator["pa.Table"]:
        """The shards from the first row on, without a gap, each mapped into memory and not read yet.

        A power failure may leave a file that lacks its end: the shards before it count.
        """
        position = 0
        while (shard := self._at(position)) is not None:
            position += shard.num_rows
            yield shard

    def write(self, start: int, shard: "pa.Table") -> None:
        """Keep the shard that begins with row `start`."""
        import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

        path = self._folder / f"{start:015d}-{start + shard.num_rows:015d}{_SUFFIX}"
        temporary = path.with_name(f".{path.name}")
        with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_file(file, self._schema) as writer:
            writer.write_table(shard)
        temporary.replace(path)

    def _at(self, start: int) -> "pa.Table | None":
        for path in sorted(self._folder.glob(f"{start:015d}-*{_SUFFIX}")):
            shard = self._read(path)
            if shard is not None and shard.num_rows and f"-{start + shard.num_rows:015d}." in path.name:
                return shard
        return None

    def _read(self, path: Path) -> "pa.Table | None":
        import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

        with contextlib.suppress(pa.ArrowException, OSError):
            shard = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            if shard.schema.equals(self._schema):
                return shard
        return None
