"""What a process must see to run a Python that is not the platform's."""

import sys
from pathlib import Path

from modelyard.types.processes import Mount


def environment_mounts(python: Path) -> tuple[Mount, ...]:
    """For the interpreter of a built environment: its folder, and the installed Python that it is made of."""
    return (Mount(path=str(python.parent.parent)), *installation_mounts(python.resolve().parent.parent))


def installation_mounts(prefix: Path) -> tuple[Mount, ...]:
    """For an installed Python: its folder; nothing for one that every process sees."""
    is_seen = prefix == Path(sys.base_prefix) or prefix.is_relative_to("/usr")
    return () if is_seen else (Mount(path=str(prefix)),)
