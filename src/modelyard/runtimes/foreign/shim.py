"""The model's side: runs inside the model's own environment, which need not know this package.

`python -I shim.py READ_FD WRITE_FD MODULE FOLDER` loads the Python file MODULE, calls its `load(FOLDER)` once and its
`predict(inputs)` for each batch. Needs NumPy and Python 3.9, nothing else. What the model prints goes where the worker
prints: the messages have a channel of their own.

    message := uint32 length of the head | head (JSON) | bytes of the tensors in order

A head with "open" begins the stream of that number (`stream(inputs)`, a generator); "next" asks for its next part, and
is answered with "ended" after the last; "close" ends it early. The head after `load` says whether there are "streams".
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib.util
import json
import os
import signal
import struct
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<I")
_PR_SET_PDEATHSIG = 1
_ENDINGS = ("finish_reason", "prompt_tokens", "completion_tokens")
_DTYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}


class Channel:
    """Messages over two pipes."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._input = os.fdopen(read_fd, "rb")
        self._output = os.fdopen(write_fd, "wb")

    def receive(self) -> tuple[dict[str, Any] | None, bytes]:
        """The next head and its body, or None once the worker is gone."""
        prefix = self._input.read(_LENGTH.size)
        if len(prefix) < _LENGTH.size:
            return None, b""
        head = json.loads(self._input.read(_LENGTH.unpack(prefix)[0]))
        return head, self._input.read(sum(size for _, _, _, size in head["tensors"]))

    def send(self, head: dict[str, Any], chunks: Sequence[bytes] = ()) -> None:
        """A message."""
        content = json.dumps(head).encode()
        self._output.write(_LENGTH.pack(len(content)) + content)
        for chunk in chunks:
            self._output.write(chunk)
        self._output.flush()


def main() -> int:
    """Load the model, answer until the worker is gone."""
    channel = Channel(int(sys.argv[1]), int(sys.argv[2]))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    faulthandler.enable()
    faulthandler.register(signal.SIGALRM, all_threads=False, chain=True)  # a batch that takes too long: say where
    try:
        model = _import(Path(sys.argv[3]).absolute())
        model.load(sys.argv[4])
    except Exception as error:  # noqa: BLE001 - whatever a program raises is the reason to tell
        traceback.print_exc()
        channel.send({"error": _words(error), "tensors": []})
        return 1
    channel.send({"tensors": [], "streams": hasattr(model, "stream")})
    streams: dict[int, Iterator[Any]] = {}
    while True:
        head, body = channel.receive()
        if head is None:
            return 0
        signal.setitimer(signal.ITIMER_REAL, head["seconds"])
        chunks: list[bytes] = []
        try:
            answer = _handle(model, streams, head, body, chunks)
        except Exception as error:  # noqa: BLE001 - likewise
            traceback.print_exc()
            answer, chunks = {"error": _words(error), "tensors": []}, []
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        channel.send(answer, chunks)


def _handle(
    model: ModuleType, streams: dict[int, Iterator[Any]], head: dict[str, Any], body: bytes, chunks: list[bytes]
) -> dict[str, Any]:
    """The head of the answer to one message; its bytes are added to `chunks`."""
    if "open" in head:
        streams[head["open"]] = iter(model.stream(_arrays(head["tensors"], body)))
        return {"tensors": []}
    if "next" in head:
        return _next(streams, head["next"], chunks)
    if "close" in head:
        close = getattr(streams.pop(head["close"], None), "close", None)
        if close is not None:
            close()
        return {"tensors": []}
    return _answer(model.predict(_arrays(head["tensors"], body)), chunks)


def _next(streams: dict[int, Iterator[Any]], number: int, chunks: list[bytes]) -> dict[str, Any]:
    try:
        return _answer(next(streams[number]), chunks)
    except StopIteration as end:
        del streams[number]
        told = end.value if isinstance(end.value, dict) else {}
        return {"tensors": [], "ended": {name: told[name] for name in _ENDINGS if name in told}}
    except Exception:
        del streams[number]
        raise


def _import(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))  # it may have modules of its own
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    for name in ("load", "predict"):
        if not hasattr(module, name):
            raise ImportError(f"{path.name} has no function '{name}'")
    return module


def _arrays(heads: list[tuple[str, str, list[int], int]], body: bytes) -> dict[str, Any]:
    arrays, position = {}, 0
    for name, datatype, shape, size in heads:
        part = body[position : position + size]
        position += size
        if datatype == "BYTES":
            texts = list(_texts(part))
            array = np.empty(len(texts), dtype=object)
            array[:] = texts
        else:
            array = np.frombuffer(part, dtype=_DTYPES[datatype])
        arrays[name] = array.reshape(shape)
    return arrays


def _answer(outputs: Any, chunks: list[bytes]) -> dict[str, Any]:
    """The head of the answer; its bytes are added to `chunks`."""
    if not isinstance(outputs, dict):
        raise TypeError(f"predict() returned {type(outputs).__name__}, not a dictionary of arrays")
    heads = []
    for name, value in outputs.items():
        array = np.asarray(value)
        if array.dtype.kind in "OUS":
            datatype, data = "BYTES", b"".join(_packed(item) for item in array.reshape(-1).tolist())
        else:
            datatype = _datatype(name, array.dtype)
            data = np.ascontiguousarray(array, dtype=_DTYPES[datatype]).tobytes()
        heads.append([str(name), datatype, list(array.shape), len(data)])
        chunks.append(data)
    return {"tensors": heads}


def _datatype(name: str, dtype: np.dtype[Any]) -> str:
    for datatype, own in _DTYPES.items():
        if np.dtype(own) == dtype.newbyteorder("="):
            return datatype
    raise TypeError(f"output '{name}' has the type {dtype}, which is no tensor's")


def _texts(data: bytes) -> Iterator[str]:
    position = 0
    while position < len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size + length
        yield data[position - length : position].decode()


def _packed(value: Any) -> bytes:
    content = value if isinstance(value, bytes) else ("" if value is None else str(value)).encode()
    return _LENGTH.pack(len(content)) + content


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
