"""A Keras or TensorFlow model: a folder with `model.keras` or with a SavedModel, in an environment of its own.

Both are programs, not data: a SavedModel's graph reads and writes files with operators of its own, and a `.keras` file
names Python functions to call. Keras's safe mode, which refuses lambdas, is on; it is a help and not a fence.

Source: TensorFlow's SECURITY.md, "TensorFlow models are programs"; keras.saving.load_model(safe_mode=True).
"""

from pathlib import Path
from typing import ClassVar

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.foreign import adapters
from modelyard.runtimes.foreign.kinds import REQUIREMENTS
from modelyard.runtimes.foreign.process import ProcessPredictor
from modelyard.runtimes.foreign.runtime import ProgramPredictor, ProgramRuntime
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature

_ADAPTER = Path(adapters.__file__).with_name("tensorflow_model.py")


class TensorflowRuntime(ProgramRuntime):
    """Loads it with the Keras or TensorFlow of the folder's own requirements."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.TENSORFLOW

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> ProgramPredictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: it brings no requirements, or it cannot be loaded with them.
        """
        if not artifact.with_name(REQUIREMENTS).is_file():
            raise ArtifactInvalidError(
                f"the model brings no '{REQUIREMENTS}', and the platform has no TensorFlow",
                hint="Add one with tensorflow-cpu and numpy, or keras and a backend (torch, jax).",
            )
        return ProcessPredictor(self.python, _ADAPTER, artifact.parent, signature, threads=threads)
