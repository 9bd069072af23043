"""The worker's side: a predictor whose model runs in another process."""

import contextlib
import faulthandler
import json
import os
import signal
import struct
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Predictor, Tensor, Tensors, numpy_dtype
from modelyard.runtimes.tensors import TensorInvalidError, from_raw, to_raw
from modelyard.types.signatures import DataType, Signature, TensorSpec
from modelyard.types.tensors import RawTensor

SHIM = Path(__file__).with_name("shim.py")
_LENGTH = struct.Struct("<I")
_HASTE_SECONDS = 0.25  # the model's alarm goes off this much before the worker's, and says where the model was


# Kind of NumPy type that the signature wants -> kinds that are converted to it.
_CONVERTIBLE = {"b": "b", "i": "iu", "u": "iu", "f": "fiu", "O": ""}


class ModelRaisedError(Exception):
    """What the model raised, in words."""


class ProcessPredictor(Predictor):
    """Not thread-safe. If the model's process ends, this process ends in the same way: they are one replica.

    Args:
        python: interpreter of the model's environment.
        module: Python file with `load(folder)` and `predict(inputs)`.
        folder: what `load` gets.
        signature: its outputs are what `predict` must return.
        threads: what OpenMP and the like may use.

    Raises:
        ArtifactInvalidError: `load` failed; the message has its reason.
    """

    def __init__(self, python: Path, module: Path, folder: Path, signature: Signature, *, threads: int) -> None:
        self._signature = signature
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [python, "-I", "-B", "-u", SHIM, str(theirs_in), str(theirs_out), module, folder],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=2,  # what the model prints is log
            cwd=folder if os.access(folder, os.W_OK) else None,
            env=_environment(threads),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._output: BinaryIO = os.fdopen(ours_out, "wb")
        self._input: BinaryIO = os.fdopen(ours_in, "rb")
        self._finalizer = weakref.finalize(self, _end, self._process, self._output, self._input)
        try:
            self._receive()
        except ModelRaisedError as error:
            self.close()
            raise ArtifactInvalidError(
                f"the model's load() failed: {error}", hint="Its full output stands above, or in the replica's log."
            ) from None
        except EOFError:
            code = self._process.wait()
            raise ArtifactInvalidError(
                f"the model's process ended with {_how(code)} while it loaded",
                hint="Look at its output. Its environment needs Python 3.9 or newer, and numpy.",
            ) from None

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """What the model's `predict` returns, as the signature says it."""
        raw = [to_raw(name, array) for name, array in inputs.items()]
        head = {
            "seconds": _seconds_left(),
            "tensors": [[t.name, t.datatype.value, list(t.shape), len(t.data)] for t in raw],
        }
        try:
            self._send(head, [t.data for t in raw])
            answer, body = self._receive()
        except ModelRaisedError as error:
            raise PredictionFailedError(error) from None
        except (EOFError, BrokenPipeError):
            _end_like(self._process.wait())
        outputs, position = {}, 0
        for name, datatype, shape, size in answer["tensors"]:
            data = body[position : position + size]
            position += size
            outputs[name] = from_raw(RawTensor(name=name, datatype=DataType(datatype), shape=tuple(shape), data=data))
        if "" in outputs and len(self._signature.outputs) == 1:  # its only output came without a name
            outputs[self._signature.outputs[0].name] = outputs[""]
        try:
            return {spec.name: _fitting(spec, outputs.get(spec.name)) for spec in self._signature.outputs}
        except TensorInvalidError as error:
            raise PredictionFailedError(error) from None

    def close(self) -> None:
        """End the model's process."""
        self._finalizer()

    def _send(self, head: Mapping[str, Any], chunks: list[bytes]) -> None:
        content = json.dumps(head).encode()
        self._output.write(b"".join((_LENGTH.pack(len(content)), content, *chunks)))
        self._output.flush()

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        head: dict[str, Any] = json.loads(self._exactly(length))
        if "error" in head:
            raise ModelRaisedError(head["error"])
        return head, self._exactly(sum(size for _, _, _, size in head["tensors"]))

    def _exactly(self, count: int) -> bytes:
        content = self._input.read(count)
        if len(content) < count:
            raise EOFError
        return content


def _environment(threads: int) -> dict[str, str]:
    """The worker's own, without what would lead the model's interpreter to the worker's packages."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return kept | dict.fromkeys(names, str(threads))


def _seconds_left() -> float:
    """What the model may take: a little less than what is left until the worker's own alarm; 0 if none is set."""
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    return max(left - _HASTE_SECONDS, left / 2) if left else 0.0


def _end_like(code: int) -> NoReturn:
    """End this process as the model's ended, so that the account of the end is that of the model."""
    sys.stderr.write(f"worker: the model's process ended with {_how(code)}\n" if code != -signal.SIGALRM else "")
    sys.stderr.flush()
    if code < 0:
        faulthandler.unregister(signal.SIGALRM)
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code or 1)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"


def _fitting(spec: TensorSpec, array: Tensor | None) -> Tensor:
    """The output as its spec says it: numbers of one kind are converted, everything else must fit.

    Raises:
        TensorInvalidError: it is missing, of another kind or of another shape.
    """
    if array is None:
        raise TensorInvalidError(f"predict() returned no output '{spec.name}', which the signature names")
    wanted = numpy_dtype(spec.datatype)
    if array.dtype != wanted:
        if array.dtype.kind not in _CONVERTIBLE[wanted.kind]:
            raise TensorInvalidError(f"output '{spec.name}' is {array.dtype}, the signature says {spec.datatype}")
        with np.errstate(over="ignore"):
            converted = array.astype(wanted)
        if wanted.kind in "iu" and not np.array_equal(converted, array):
            raise TensorInvalidError(f"output '{spec.name}' has a value that {spec.datatype} cannot hold")
        array = converted
    is_shaped = len(array.shape) == len(spec.shape) and all(
        want in (-1, got) for want, got in zip(spec.shape, array.shape, strict=True)
    )
    if not is_shaped:
        shapes = f"{list(array.shape)}, the signature says {list(spec.shape)}"
        raise TensorInvalidError(f"output '{spec.name}' has the shape {shapes}")
    return array


def _end(process: "subprocess.Popen[bytes]", *channels: BinaryIO) -> None:
    for channel in channels:
        with contextlib.suppress(OSError):
            channel.close()
    if process.poll() is None:
        process.kill()
    process.wait()
