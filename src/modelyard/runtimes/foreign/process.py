"""The worker's side: a predictor whose model runs in another process."""

import json
import os
import struct
import subprocess
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from modelyard.runtimes.base import ArtifactInvalidError, Ending, Parts, PredictionFailedError, Tensor, Tensors
from modelyard.runtimes.foreign.ends import end_like, end_process, how, model_environment, seconds_left
from modelyard.runtimes.foreign.outputs import fitting
from modelyard.runtimes.foreign.runtime import ProgramPredictor
from modelyard.runtimes.tensors import TensorInvalidError, from_raw, to_raw
from modelyard.types.signatures import DataType, Signature
from modelyard.types.tensors import RawTensor

SHIM = Path(__file__).with_name("shim.py")
_LENGTH = struct.Struct("<I")


class ModelRaisedError(Exception):
    """What the model raised, in words."""


class ProcessPredictor(ProgramPredictor):
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
            env=model_environment(threads),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._output: BinaryIO = os.fdopen(ours_out, "wb")
        self._input: BinaryIO = os.fdopen(ours_in, "rb")
        self._finalizer = weakref.finalize(self, end_process, self._process, self._output, self._input)
        self._has_streams = False
        self._streams = 0
        try:
            self._has_streams = bool(self._receive()[0].get("streams"))
        except ModelRaisedError as error:
            self.close()
            raise ArtifactInvalidError(
                f"the model's load() failed: {error}", hint="Its full output stands above, or in the replica's log."
            ) from None
        except EOFError:
            code = self._process.wait()
            raise ArtifactInvalidError(
                f"the model's process ended with {how(code)} while it loaded",
                hint="Look at its output. Its environment needs Python 3.9 or newer, and numpy.",
            ) from None

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """What the model's `predict` returns, as the signature says it."""
        return self._outputs(*self._ask({}, inputs))

    def stream(self, inputs: Mapping[str, Tensor]) -> Parts:
        """What the model's `stream` yields, part by part; of a model that has none, its answer as one."""
        if not self._has_streams:
            yield self.predict(inputs)
            return Ending()
        self._streams += 1
        number, is_open = self._streams, True
        self._ask({"open": number}, inputs)
        try:
            while True:
                answer, body = self._ask({"next": number})
                if "ended" in answer:
                    is_open = False
                    return _ending(answer["ended"])
                yield self._outputs(answer, body)
        finally:
            if is_open:
                self._ask({"close": number})

    def close(self) -> None:
        """End the model's process."""
        self._finalizer()

    def _ask(self, head: Mapping[str, Any], inputs: Mapping[str, Tensor] | None = None) -> tuple[dict[str, Any], bytes]:
        """What the model's process answers."""
        raw = [] if inputs is None else [to_raw(spec.name, inputs[spec.name]) for spec in self._signature.inputs]
        tensors = [[t.name, t.datatype.value, list(t.shape), len(t.data)] for t in raw]
        try:
            self._send({**head, "seconds": seconds_left(), "tensors": tensors}, [t.data for t in raw])
            return self._receive()
        except ModelRaisedError as error:
            raise PredictionFailedError(error) from None
        except (EOFError, BrokenPipeError):
            end_like(self._process.wait())

    def _outputs(self, answer: Mapping[str, Any], body: bytes) -> Tensors:
        """The outputs in an answer, as the signature says them."""
        outputs, position = {}, 0
        for name, datatype, shape, size in answer["tensors"]:
            data = body[position : position + size]
            position += size
            outputs[name] = from_raw(RawTensor(name=name, datatype=DataType(datatype), shape=tuple(shape), data=data))
        names = [spec.name for spec in self._signature.outputs]
        if list(outputs) == [str(position) for position in range(len(names))]:  # they came without names
            outputs = dict(zip(names, outputs.values(), strict=True))
        try:
            return {spec.name: fitting(spec, outputs.get(spec.name)) for spec in self._signature.outputs}
        except TensorInvalidError as error:
            raise PredictionFailedError(error) from None

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


def _ending(told: Mapping[str, Any]) -> Ending:
    """How the model says that its stream ended.

    Raises:
        PredictionFailedError: in a way that is none.
    """
    try:
        return Ending(
            finish_reason=str(told.get("finish_reason", "stop")),
            prompt_tokens=int(told.get("prompt_tokens", 0)),
            completion_tokens=int(told.get("completion_tokens", 0)),
        )
    except (TypeError, ValueError) as error:
        raise PredictionFailedError(error) from error
