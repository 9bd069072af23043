"""Text generation from a GGUF file, by llama.cpp's server (package xllamacpp, extra `gguf`).

A GGUF file is data: weights, a vocabulary, and a chat template that only llama.cpp's own interpreter reads. The server
runs inside the worker and listens on a Unix socket that nobody knows, so there is no port.
"""

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelyard.errors import UnavailableError
from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Predictor, Runtime, Tensor, Tensors
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import DataType, Signature, TensorSpec

MAX_TOKENS = 64
"""Length of an answer. Answers are greedy (temperature 0), so that equal prompts give equal texts."""

MAX_CONTEXT = 4096
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

    def _complete(self, prompt: str) -> str:
        request = {"prompt": prompt, "max_tokens": MAX_TOKENS, "temperature": 0.0, "seed": 0, "cache_prompt": False}
        try:
            answer = self._server.handle_completions(request)
            return str(answer["choices"][0]["text"])
        except Exception as error:  # the binding raises plain RuntimeError and KeyError
            raise PredictionFailedError(error) from error


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
