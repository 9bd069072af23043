"""An image with SageMaker's contract for inference: a folder with `image.json`, which names it."""

from pathlib import Path
from typing import ClassVar

from modelyard.runtimes.foreign.bodies import ANY
from modelyard.runtimes.foreign.images import read_image
from modelyard.runtimes.foreign.kinds import SIGNATURE
from modelyard.runtimes.foreign.runtime import ProgramPredictor, ProgramRuntime
from modelyard.runtimes.foreign.server import ServerBeside
from modelyard.runtimes.formats.programs.http import predictor_of
from modelyard.types.models import ArtifactFormat
from modelyard.types.serving.bodies import BODY_SIGNATURE
from modelyard.types.signatures import Scalar, Signature


class ImageRuntime(ProgramRuntime):
    """Asks the container that the engine has started beside the worker; they share a loopback and nothing else."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.IMAGE

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> ProgramPredictor:  # noqa: ARG002
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: `image.json` is damaged, or the server does not get ready.
        """
        program = read_image(artifact)
        server = ServerBeside(program.port, ping="/ping", start_seconds=program.start_seconds)
        return predictor_of(server, program.content_type, signature)

    def infer_signature(self, artifact: Path) -> Signature:
        """Whole bodies, or what `signature.json` says.

        Raises:
            ArtifactInvalidError: `image.json` is damaged; there is no `signature.json`, or it is damaged.
        """
        return BODY_SIGNATURE if read_image(artifact).content_type == ANY else super().infer_signature(artifact)

    def is_declared_pure(self, artifact: Path) -> bool:
        """As `signature.json` says, if there is one."""
        return artifact.with_name(SIGNATURE).is_file() and super().is_declared_pure(artifact)

    def facts(self, artifact: Path) -> dict[str, Scalar]:
        """Name and digest of the image."""
        program = read_image(artifact)
        return {"image": program.image, "image_digest": program.digest}
