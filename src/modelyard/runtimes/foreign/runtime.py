"""What runtimes of programs share: an interpreter of their own, and a signature that somebody wrote down."""

import sys
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from modelyard.runtimes.base import ArtifactInvalidError, Predictor, Runtime
from modelyard.runtimes.foreign.kinds import SIGNATURE
from modelyard.types.signatures import Scalar, Signature, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSignature:
    """`signature.json` of a program.

    Attributes:
        inputs: as in Signature.
        outputs: as in Signature.
        is_pure: equal inputs give equal outputs and nothing else happens, so that a request may be sent twice.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    is_pure: bool = False


class ProgramPredictor(Predictor):
    """A model in another process. Not thread-safe."""

    @abstractmethod
    def close(self) -> None:
        """End the model's process."""


class ProgramRuntime(Runtime):
    """A runtime whose artifact is a program. Loading it runs that program: only ever in a sandbox.

    Attributes:
        python: interpreter of the program's environment; this process's own unless it is set before `load`.
    """

    is_pure: ClassVar[bool] = False

    def __init__(self) -> None:
        self.python = Path(sys.executable)

    @abstractmethod
    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> ProgramPredictor:
        """Start the program.

        Raises:
            ArtifactInvalidError: it is damaged, or does not get ready.
        """

    def infer_signature(self, artifact: Path) -> Signature:
        """What `signature.json` beside the artifact says.

        Raises:
            ArtifactInvalidError: there is none, or it is damaged.
        """
        written = self.written_signature(artifact)
        return Signature(inputs=written.inputs, outputs=written.outputs)

    def is_declared_pure(self, artifact: Path) -> bool:
        """Whether whoever wrote the signature says that a request may be sent twice."""
        return self.written_signature(artifact).is_pure

    def facts(self, artifact: Path) -> dict[str, Scalar]:  # noqa: ARG002 - most have none
        """What the card says of it beside what it takes and gives."""
        return {}

    def written_signature(self, artifact: Path) -> WrittenSignature:
        """The content of `signature.json` beside the artifact.

        Raises:
            ArtifactInvalidError: there is none, or it is damaged.
        """
        path = artifact.with_name(SIGNATURE)
        try:
            written = msgspec.json.decode(path.read_bytes(), type=WrittenSignature)
        except FileNotFoundError:
            raise ArtifactInvalidError(
                f"the program has no '{SIGNATURE}', and what it takes cannot be told from its code",
                hint='Add it: {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}], "outputs": [...]}.',
            ) from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ArtifactInvalidError(
                f"'{SIGNATURE}' is not valid: {error}", hint="See docs/how-to/serve-code.md for its form."
            ) from error
        if not written.inputs or not written.outputs:
            raise ArtifactInvalidError(
                f"'{SIGNATURE}' names no inputs or no outputs", hint="Name at least one tensor on each side."
            )
        return written
