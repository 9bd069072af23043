"""Text generation from a GGUF file, by llama.cpp's server (package xllamacpp, extra `gguf`).

A GGUF file is data: weights, a vocabulary, and a chat template that only llama.cpp's own interpreter reads. The server
runs inside the worker and listens on a Unix socket that nobody knows, so there is no port.
"""

import shutil
import tempfile
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar

import numpy as np

from modelyard.errors import UnavailableError
from modelyard.runtimes.base import (
    ArtifactInvalidError,
    Ending,
    Parts,
    PredictionFailedError,
    Predictor,
    Runtime,
    Tensor,
    Tensors,
)
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import DataType, Signature, TensorSpec

MAX_TOKENS = 64
"""Length of an answer. Answers are greedy (temperature 0), so that equal prompts give equal texts."""

MAX_CONTEXT = 4096
_ASK_AGAIN_SECONDS = 0.02
_MAGIC = b"GGUF"
_SIGNATURE = Signature(
    inputs=(TensorSpec(name="prompt", datatype=DataType.BYTES, shape=(-1,)),),
    outputs=(TensorSpec(name="text", datatype=DataType.BYTES, shape=(-1,)),),
)


class GgufRuntimeMissingError(UnavailableError):
    """llama.cpp is not installed."""

    code = "gguf_runtime_missing"


class GgufPredictor(Predictor):
    """Completes one prompt after the other, so that a text does not depend on its neighbours. Not thread-safe."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # of its socket

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """The text that follows each prompt."""
        texts = np.empty(len(inputs["prompt"]), dtype=object)
        for row, prompt in enumerate(inputs["prompt"]):
            texts[row] = self._complete(str(prompt))
        return {"text": texts}

    def stream(self, inputs: Mapping[str, Tensor]) -> Parts:
        """The text that follows each prompt, token by token, one prompt after the other.

        A character of several bytes that the limit cuts is left out.
        """
        rows, endings = len(inputs["prompt"]), []
        for row, prompt in enumerate(inputs["prompt"]):
            completion = _Completion(self._server, str(prompt))
            try:
                while completion.ending is None:
                    text = completion.next()
                    yield _only(row, rows, text) if text else None
            finally:
                completion.stop()
            endings.append(completion.ending)
        return Ending(
            finish_reason="length" if any(each.finish_reason == "length" for each in endings) else "stop",
            prompt_tokens=sum(each.prompt_tokens for each in endings),
            completion_tokens=sum(each.completion_tokens for each in endings),
        )

    def _complete(self, prompt: str) -> str:
        try:
            answer = self._server.handle_completions(_request(prompt))
            return str(answer["choices"][0]["text"])
        except Exception as error:  # the binding raises plain RuntimeError and KeyError
            raise PredictionFailedError(error) from error


class _Completion:
    """One text while it is made: in a thread of its own, since llama.cpp calls back for each token.

    The thread never waits: what it has made and nobody has asked for is at most MAX_TOKENS tokens.

    Attributes:
        ending: how it came to its end, once it has.
    """

    def __init__(self, server: Any, prompt: str) -> None:
        self.ending: Ending | None = None
        self._server = server
        self._request = _request(prompt) | {"stream": True, "stream_options": {"include_usage": True}}
        self._made: SimpleQueue[dict[str, Any] | Exception] = SimpleQueue()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def next(self) -> str:
        """The next piece of text; empty: nothing yet, or the end.

        Raises:
            PredictionFailedError: llama.cpp failed.
        """
        try:
            made = self._made.get(timeout=_ASK_AGAIN_SECONDS)
        except Empty:
            return ""
        if isinstance(made, Exception):
            raise PredictionFailedError(made) from made
        try:
            choice = made["choices"][0]
            if choice["finish_reason"]:
                self.ending = _ending(choice["finish_reason"], made.get("usage") or {})
            return str(choice["text"])
        except Exception as error:  # the binding raises plain RuntimeError and KeyError
            raise PredictionFailedError(error) from error

    def stop(self) -> None:
        """Make nothing more; llama.cpp stops at the next token."""
        self._is_stopped = True
        self._thread.join()

    def _run(self) -> None:
        try:
            self._server.handle_completions(self._request, self._take)
        except Exception as error:  # noqa: BLE001 - told by `next`
            self._made.put(error)

    def _take(self, made: dict[str, Any]) -> bool:
        self._made.put(made)
        return self._is_stopped


def _request(prompt: str) -> dict[str, Any]:
    return {"prompt": prompt, "max_tokens": MAX_TOKENS, "temperature": 0.0, "seed": 0, "cache_prompt": False}


def _ending(finish_reason: str, usage: Mapping[str, int]) -> Ending:
    return Ending(
        finish_reason=finish_reason,
        prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
    )


def _only(row: int, rows: int, text: str) -> Tensors:
    """A part in which one row has something new."""
    texts = np.full(rows, "", dtype=object)
    texts[row] = text
    return {"text": texts}


class GgufRuntime(Runtime):
    """Loads the file into llama.cpp's server."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.GGUF

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> Predictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: llama.cpp cannot read the file, or the signature is not that of text generation.
            GgufRuntimeMissingError: the extra `gguf` is not installed.
        """
        _check_head(artifact)
        if signature != _SIGNATURE:
            raise ArtifactInvalidError(
                "a GGUF model takes 'prompt' and gives 'text', its signature says otherwise",
                hint="Register the bare file and let the signature be inferred.",
            )
        xllamacpp = _library()
        folder = Path(tempfile.mkdtemp(prefix="gguf-"))
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(artifact)
        parameters.hostnames = [str(folder / "server.sock")]
        parameters.n_ctx = MAX_CONTEXT
        parameters.n_parallel = 1
        parameters.verbosity = 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        try:
            server = xllamacpp.Server(parameters)
        except Exception as error:  # the binding raises plain RuntimeError
            shutil.rmtree(folder, ignore_errors=True)
            raise ArtifactInvalidError(
                f"llama.cpp cannot load the artifact: {error}", hint="Its output above says why; fetch the file again."
            ) from error
        return GgufPredictor(server, folder)

    def infer_signature(self, artifact: Path) -> Signature:
        """A prompt in, a text out.

        Raises:
            ArtifactInvalidError: it is no GGUF file.
        """
        _check_head(artifact)
        return _SIGNATURE


def _check_head(artifact: Path) -> None:
    with artifact.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ArtifactInvalidError("the artifact is no GGUF file", hint="Fetch or convert it again.")


def _library() -> Any:
    try:
        import xllamacpp  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise GgufRuntimeMissingError(
            "this platform has no llama.cpp, which serves GGUF files", hint="pip install 'modelyard[gguf]'"
        ) from error
    return xllamacpp
