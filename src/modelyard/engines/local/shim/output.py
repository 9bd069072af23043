"""A process's output on disk: segments of bounded size, the oldest dropped. Standard library only."""

import os


class OutputLog:
    """Appends bytes; keeps the newest `segments` files (at least two), each named by its first byte's offset."""

    def __init__(self, folder: str, segment_bytes: int, segments: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segments = segments
        self._size = 0
        self._start = self._previous_start = 0
        self._descriptor = self._open()

    def append(self, content: bytes) -> None:
        """Write `content`; a full disk loses output, never the process."""
        try:
            self._size += os.write(self._descriptor, content)
        except OSError:
            return
        if self._size - self._start >= self._segment_bytes:
            self._rotate()

    def tail(self, limit: int = 4096) -> str:
        """The last `limit` bytes as text, whole lines; the newest segment may have begun a moment ago."""
        offset = max(self._previous_start, self._size - limit)
        content = b""
        for start in dict.fromkeys((self._previous_start, self._start)):
            with open(self._path(start), "rb") as file:
                file.seek(max(0, offset - start))
                content += file.read(limit)
        text = content.decode(errors="replace")
        return text.partition("\n")[2] or text if offset else text

    def _rotate(self) -> None:
        os.close(self._descriptor)
        self._previous_start, self._start = self._start, self._size
        self._descriptor = self._open()
        for name in sorted(os.listdir(self._folder))[: -self._segments]:
            os.unlink(os.path.join(self._folder, name))

    def _open(self) -> int:
        return os.open(self._path(self._start), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _path(self, start: int) -> str:
        return os.path.join(self._folder, f"{start:020d}")
