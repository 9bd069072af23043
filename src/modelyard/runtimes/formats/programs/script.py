"""A Python script: a folder with `model.py`, whose functions are `load(folder)` and `predict(inputs)`."""

from pathlib import Path
from typing import ClassVar

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.foreign.process import ProcessPredictor
from modelyard.runtimes.foreign.runtime import ProgramPredictor, ProgramRuntime
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature


class ScriptRuntime(ProgramRuntime):
    """Runs the script in a process of its own, under the interpreter of its own environment."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.SCRIPT

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> ProgramPredictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: the script is damaged, or its `load` failed.
        """
        if not artifact.is_file():
            raise ArtifactInvalidError(f"there is no file '{artifact.name}'", hint="Register the folder again.")
        return ProcessPredictor(self.python, artifact, artifact.parent, signature, threads=threads)
