"""An image with SageMaker's contract for inference: a folder with `image.json`, which names it."""

from pathlib import Path
from typing import ClassVar

from modelyard.runtimes.foreign.images import read_image
from modelyard.runtimes.foreign.runtime import ProgramPredictor, ProgramRuntime
from modelyard.runtimes.foreign.server import ServerBeside
from modelyard.runtimes.formats.programs.http import HttpPredictor
from modelyard.types.models import ArtifactFormat
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
        return HttpPredictor(server, program.content_type, signature)

    def facts(self, artifact: Path) -> dict[str, Scalar]:
        """Name and digest of the image."""
        program = read_image(artifact)
        return {"image": program.image, "image_digest": program.digest}
