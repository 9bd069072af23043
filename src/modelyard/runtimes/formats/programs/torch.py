"""A torch program: a folder with `model.pt2` (torch.export) or `model.pt` (TorchScript).

Both are programs, not data. Loading an exported program unpickles weights and constants without restriction and
evaluates the expressions of its symbolic shapes; TorchScript has instructions that read and write files. So a project
must permit them, and they are loaded in a process of their own in a sandbox. A torch model as data is an ONNX file.

Source: torch 2.13, export/pt2_archive/_package.py (weights_only=False) and _export/serde/serialize.py (sympify).
"""

import importlib.util
import sys
from pathlib import Path
from typing import ClassVar

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.foreign import adapters
from modelyard.runtimes.foreign.process import ProcessPredictor
from modelyard.runtimes.foreign.runtime import ProgramPredictor, ProgramRuntime
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature

_ADAPTER = Path(adapters.__file__).with_name("torch_model.py")


class TorchRuntime(ProgramRuntime):
    """Loads it with the torch of the program's environment, or with the platform's own (extra `torch`)."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.TORCH

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> ProgramPredictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: there is no torch to load it with, or it cannot.
        """
        if not artifact.is_file():
            raise ArtifactInvalidError(f"there is no file '{artifact.name}'", hint="Register the folder again.")
        if self.python == Path(sys.executable) and importlib.util.find_spec("torch") is None:
            raise ArtifactInvalidError(
                "the platform has no torch, and the model brings no requirements.txt",
                hint="Install it (`make install-torch`, or pip install 'modelyard[torch]'), or add torch and numpy to "
                "the model's requirements.txt.",
            )
        return ProcessPredictor(self.python, _ADAPTER, artifact.parent, signature, threads=threads)
