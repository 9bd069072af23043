"""Is a UBJSON file whole? XGBoost crashes the process on one that was cut short, so this looks first.

Source: ubjson.org, draft 12, with the typed containers that XGBoost writes.
"""

import struct
from pathlib import Path
from typing import BinaryIO

_SIZES = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"C": 1, b"Z": 0, b"N": 0, b"T": 0, b"F": 0}
_INTEGERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}
_MAX_DEPTH = 64


class UbjsonDamagedError(ValueError):
    """The bytes end too early, go on too long, or are no UBJSON."""


def check_ubjson(path: Path) -> None:
    """Return if the file is exactly one whole UBJSON object. Jumps over arrays, so large models cost little.

    Raises:
        UbjsonDamagedError: it is not.
    """
    with path.open("rb") as file:
        _Walker(file, path.stat().st_size).document()


class _Walker:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def document(self) -> None:
        if self._take(1) != b"{":
            raise UbjsonDamagedError("it is no object")
        self._value(b"{", 0)
        if self._file.tell() != self._size:
            raise UbjsonDamagedError("bytes follow its end")

    def _value(self, marker: bytes, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise UbjsonDamagedError("it is nested too deeply")
        if marker in _SIZES:
            self._skip(_SIZES[marker])
        elif marker in (b"S", b"H"):
            self._skip(self._length(self._take(1)))
        elif marker in (b"[", b"{"):
            self._container(marker, depth)
        else:
            raise UbjsonDamagedError(f"{marker!r} is no marker")

    def _container(self, opened: bytes, depth: int) -> None:
        is_object, kind, count = opened == b"{", b"", -1
        marker = self._take(1)
        if marker == b"$":
            kind, marker = self._take(1), self._take(1)
        if marker == b"#":
            count = self._length(self._take(1))
            if kind in _SIZES and not is_object:
                self._skip(count * _SIZES[kind])
                return
            marker = b""
        closing = b"}" if is_object else b"]"
        while count != 0 and (count > 0 or marker != closing):
            marker = marker or self._take(1)
            if is_object:
                self._skip(self._length(marker))
                marker = b""
            self._value(kind or marker or self._take(1), depth + 1)
            count, marker = (count - 1, b"") if count > 0 else (count, self._take(1))

    def _length(self, marker: bytes) -> int:
        layout = _INTEGERS.get(marker)
        if layout is None:
            raise UbjsonDamagedError(f"{marker!r} is no length")
        (length,) = struct.unpack(layout, self._take(_SIZES[marker]))
        if length < 0:
            raise UbjsonDamagedError("a length is negative")
        return int(length)

    def _take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) != count:
            raise UbjsonDamagedError("it ends too early")
        return data

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise UbjsonDamagedError("it ends too early")
        self._file.seek(count, 1)
