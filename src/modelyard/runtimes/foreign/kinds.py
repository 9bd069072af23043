"""Which folder of files is which kind of program. Looks at names only."""

from collections.abc import Iterable
from pathlib import Path

from modelyard.types.models import ArtifactFormat

REQUIREMENTS = "requirements.txt"
LOCK = "environment.lock"
SIGNATURE = "signature.json"
PROGRAM_FILES = {
    "MLmodel": ArtifactFormat.MLFLOW,
    "server.json": ArtifactFormat.HTTP,
    "image.json": ArtifactFormat.IMAGE,
    "handlers.json": ArtifactFormat.HANDLERS,
    "model.py": ArtifactFormat.SCRIPT,
    "model.pt2": ArtifactFormat.TORCH,
    "model.pt": ArtifactFormat.TORCH,
    "model.keras": ArtifactFormat.TENSORFLOW,
    "saved_model.pb": ArtifactFormat.TENSORFLOW,
}
"""The file that makes a folder a program of that kind, and is its artifact."""


def program_format(names: Iterable[str]) -> ArtifactFormat | None:
    """The kind of program that files of these names are; None if they are none."""
    present = set(names)
    return next((kind for name, kind in PROGRAM_FILES.items() if name in present), None)


def needs_loopback(kind: ArtifactFormat | None) -> bool:
    """True for programs that the worker speaks HTTP with."""
    return kind is ArtifactFormat.HTTP


def own_environment(bundle: Path) -> str | None:
    """The lock of the environment that the program in this bundle needs; None: it runs in the platform's own."""
    if not (bundle / REQUIREMENTS).is_file():
        return None
    return (bundle / LOCK).read_text(encoding="utf-8")
