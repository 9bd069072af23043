"""SageMaker's script handlers: a folder with `handlers.json`, which names the script with `model_fn` and the rest."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.foreign import adapters
from modelyard.runtimes.foreign.process import ProcessPredictor
from modelyard.runtimes.foreign.runtime import ProgramPredictor, ProgramRuntime
from modelyard.types.models import ArtifactFormat
from modelyard.types.serving.bodies import BODY_SIGNATURE
from modelyard.types.signatures import Scalar, Signature

_ADAPTER = Path(adapters.__file__).with_name("handlers_model.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """`handlers.json`: `program` is the script's path in the folder ("code/inference.py")."""

    program: str


class HandlersRuntime(ProgramRuntime):
    """Runs the handlers in a process of its own. They read and write whole bodies of any content type."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.HANDLERS

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> ProgramPredictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: `handlers.json` is damaged, there is no such script, or its `model_fn` failed.
        """
        read_handlers(artifact)
        return ProcessPredictor(self.python, _ADAPTER, artifact.parent, signature, threads=threads)

    def infer_signature(self, artifact: Path) -> Signature:
        """Whole bodies: what is in them only the script knows."""
        read_handlers(artifact)
        return BODY_SIGNATURE

    def is_declared_pure(self, artifact: Path) -> bool:  # noqa: ARG002 - scripts have no way to say so
        """Never: a script may do anything."""
        return False

    def facts(self, artifact: Path) -> dict[str, Scalar]:
        """Which script it is."""
        return {"program": read_handlers(artifact).program}


def read_handlers(artifact: Path) -> Handlers:
    """The content of a `handlers.json`.

    Raises:
        ArtifactInvalidError: it is damaged, or names no file beside it.
    """
    try:
        handlers = msgspec.json.decode(artifact.read_bytes(), type=Handlers)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArtifactInvalidError(
            f"'{artifact.name}' is not valid: {error}", hint='It is like {"program": "code/inference.py"}.'
        ) from error
    program = (artifact.parent / handlers.program).resolve()
    if not program.is_relative_to(artifact.parent.resolve()) or not program.is_file():
        raise ArtifactInvalidError(
            f"the folder has no script '{handlers.program}'", hint="Name a file of the folder in handlers.json."
        )
    return handlers
