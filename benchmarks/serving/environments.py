"""One virtual environment a peer, made once: `python -m benchmarks.serving.environments [PEER ...]`.

Every peer gets the scikit-learn and ONNX Runtime of this environment, so that all of them load the same files.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.serving.places import ENVIRONMENTS, REPOSITORY

_COMMON = ("scikit-learn", "onnxruntime", "joblib")
_SECONDS = 900
_STAMP = "complete"


class SetUpError(Exception):
    """A peer cannot be installed here; the message says why."""


@dataclass(frozen=True)
class Environment:
    """What a peer is installed from.

    Attributes:
        name: folder under the cache.
        requirements: for the installer.
        needs_torch: the CPU build comes first, or the index would bring CUDA's gigabytes.
        python: interpreter to use instead of this one's version.
    """

    name: str
    requirements: tuple[str, ...]
    needs_torch: bool = False
    python: str = "3.11"

    @property
    def folder(self) -> Path:
        """Where it is."""
        return ENVIRONMENTS / self.name

    def program(self, name: str) -> str:
        """A program in it."""
        return str(self.folder / "bin" / name)

    def ensure(self) -> None:
        """Make it if it is not there, or was made from other requirements.

        Raises:
            SetUpError: the installer failed.
        """
        wanted = "\n".join(self._requirements())
        stamp = self.folder / _STAMP
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        uv = _run([sys.executable, str(REPOSITORY / "scripts" / "get_uv.py")]).strip()
        _run([uv, "venv", "--quiet", "--python", self.python, str(self.folder)])
        python = self.program("python")
        if self.needs_torch:
            _run(["sh", str(REPOSITORY / "scripts" / "install_torch.sh"), python])
        _run([uv, "pip", "install", "--quiet", "--python", python, *self._requirements()])
        stamp.write_text(wanted)

    def size_mb(self) -> int:
        """Disk that it takes; files shared with the installer's cache count too."""
        return sum(file.lstat().st_size for file in self.folder.rglob("*") if not file.is_dir()) >> 20

    def _requirements(self) -> list[str]:
        return [*(f"{name}=={version(name)}" for name in _COMMON), *self.requirements]


def _run(command: list[str]) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(
            ["nice", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            cwd=REPOSITORY,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetUpError(f"{' '.join(command[:4])}: {error}") from error
    if done.returncode:
        raise SetUpError(f"{' '.join(command[:4])}: {done.stderr.strip()[-400:]}")
    return done.stdout


ALL = {
    environment.name: environment
    for environment in (
        Environment("fastapi", ("fastapi", "uvicorn[standard]")),
        Environment("flask", ("flask", "gunicorn")),
        # uvloop 0.22 gives no event loop to a thread that did not make one: MLServer's worker process dies of it.
        Environment("mlserver", ("mlserver", "mlserver-sklearn", "uvloop<0.22")),
        Environment("litserve", ("litserve",), needs_torch=True),
        Environment("bentoml", ("bentoml",)),
        Environment("kserve", ("kserve[storage]",)),
        Environment("rayserve", ("ray[serve]",)),
        Environment("mlflow", ("mlflow", "onnx")),
        # Its stub is linked against the distribution's own libpython3.11.
        Environment("triton", ("nvidia-pytriton",), python="/usr/bin/python3.11"),
        Environment(
            "torchserve", ("torchserve", "torch-model-archiver", "pyyaml", "captum", "setuptools<81"), needs_torch=True
        ),
    )
}


def main() -> None:
    """Make the named environments, or all."""
    for name in sys.argv[1:] or ALL:
        try:
            ALL[name].ensure()
            print(f"{name}: {ALL[name].size_mb()} MB in {ALL[name].folder}", flush=True)
        except SetUpError as error:
            print(f"{name}: not installed: {error}", flush=True)


if __name__ == "__main__":
    main()
