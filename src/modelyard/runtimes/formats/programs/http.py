"""An HTTP server with SageMaker's contract: a folder with `server.json`, which names the program to start."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Tensor, Tensors
from modelyard.runtimes.foreign.bodies import ANY, decode, encode
from modelyard.runtimes.foreign.ends import model_environment
from modelyard.runtimes.foreign.kinds import SIGNATURE
from modelyard.runtimes.foreign.passing import BodyPredictor
from modelyard.runtimes.foreign.runtime import ProgramPredictor, ProgramRuntime
from modelyard.runtimes.foreign.server import HttpServer, ServerProcess
from modelyard.runtimes.tensors import TensorInvalidError
from modelyard.types.models import ArtifactFormat
from modelyard.types.serving.bodies import BODY_SIGNATURE
from modelyard.types.signatures import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProgram:
    """`server.json`.

    Attributes:
        command: program and arguments. "python" is the interpreter of the bundle's environment; a path is looked up
            from the bundle's folder.
        content_type: what /invocations takes and gives; "*/*": bodies go through as they are.
        port: where it listens; null: on the port in its variable PORT.
        start_seconds: how long it may take until /ping answers 200.
    """

    command: tuple[str, ...]
    content_type: Literal["application/json", "text/csv", "*/*"] = "application/json"
    port: int | None = None
    start_seconds: float = 60.0


class HttpPredictor(ProgramPredictor):
    """Asks a server. Not thread-safe."""

    def __init__(self, server: HttpServer, content_type: str, signature: Signature) -> None:
        self._server = server
        self._content_type = content_type
        self._signature = signature

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """POST /invocations with the batch."""
        ordered = {spec.name: inputs[spec.name] for spec in self._signature.inputs}
        reply = self._server.ask("/invocations", encode(ordered, self._content_type), self._content_type)
        try:
            return decode(reply.body, reply.content_type, self._signature)
        except TensorInvalidError as error:
            raise PredictionFailedError(error) from error

    def close(self) -> None:
        """End the server."""
        self._server.close()


class HttpRuntime(ProgramRuntime):
    """Starts the server beside the worker, in the same sandbox."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.HTTP

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> ProgramPredictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: `server.json` is damaged, or the server does not get ready.
        """
        program = _read(artifact)
        first, *rest = program.command
        server = ServerProcess(
            [str(self.python) if first == "python" else first, *rest],
            artifact.parent,
            model_environment(threads, SM_MODEL_DIR=str(artifact.parent)),
            ping="/ping",
            start_seconds=program.start_seconds,
            port=program.port,
        )
        return predictor_of(server, program.content_type, signature)

    def infer_signature(self, artifact: Path) -> Signature:
        """Whole bodies, or what `signature.json` says.

        Raises:
            ArtifactInvalidError: `server.json` is damaged; there is no `signature.json`, or it is damaged.
        """
        return BODY_SIGNATURE if _read(artifact).content_type == ANY else super().infer_signature(artifact)

    def is_declared_pure(self, artifact: Path) -> bool:
        """As `signature.json` says, if there is one."""
        return artifact.with_name(SIGNATURE).is_file() and super().is_declared_pure(artifact)


def predictor_of(server: HttpServer, content_type: str, signature: Signature) -> ProgramPredictor:
    """What asks a server that takes this content type."""
    if content_type == ANY:
        return BodyPredictor(server)
    return HttpPredictor(server, content_type, signature)


def _read(artifact: Path) -> ServerProgram:
    try:
        program = msgspec.json.decode(artifact.read_bytes(), type=ServerProgram)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArtifactInvalidError(
            f"'{artifact.name}' is not valid: {error}", hint='It is like {"command": ["python", "serve.py"]}.'
        ) from error
    if not program.command:
        raise ArtifactInvalidError(f"'{artifact.name}' names no command", hint='Add "command".')
    return program
