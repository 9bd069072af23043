"""Reads a process's output from its segment files."""

import codecs
from pathlib import Path

from modelyard.types.processes import LogChunk

_LONGEST_CHARACTER_BYTES = 4


def read(folder: Path, offset: int, limit: int, *, is_complete: bool) -> LogChunk:
    """At most `limit` bytes from byte `offset`; where that is dropped already, from the oldest byte there is.

    A character cut by the end of what there is stays for the next call, unless nothing more will come (`is_complete`).
    """
    limit = max(limit, _LONGEST_CHARACTER_BYTES)
    content = b""
    position = max(0, offset)
    for start, path in _segments(folder):
        if not content and position < start:
            position = start
        if len(content) >= limit or position + len(content) < start:
            break
        try:
            with path.open("rb") as file:
                file.seek(position + len(content) - start)
                content += file.read(limit - len(content))
        except FileNotFoundError:  # dropped meanwhile
            continue
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(content, final=is_complete and len(content) < limit)
    return LogChunk(text=text, next_offset=position + len(content) - len(decoder.getstate()[0]))


def tail(folder: Path, limit: int = 4096) -> str:
    """The last `limit` bytes, whole lines."""
    segments = _segments(folder)
    if not segments:
        return ""
    start, path = segments[-1]
    try:
        end = start + path.stat().st_size
    except FileNotFoundError:  # the process was removed meanwhile
        return ""
    chunk = read(folder, max(0, end - limit), limit, is_complete=True)
    return chunk.text if end <= limit else chunk.text.partition("\n")[2]


def _segments(folder: Path) -> list[tuple[int, Path]]:
    """(offset of the first byte, file), oldest first."""
    try:
        return sorted((int(path.name), path) for path in folder.iterdir())
    except FileNotFoundError:
        return []
