"""Pythons that environments are made of: the platform's own, and others that are installed on this machine.

uv finds them: on the PATH of the platform, where the system has them, and among those that it has installed itself.
Nothing is downloaded.
"""

import json
import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from modelyard.control.environments.errors import EnvironmentInvalidError

_SECONDS = 60
_MARK = "# Python "
_ASK = "import json, sys; print(json.dumps([sys.executable, sys.base_prefix, sys.version]))"
HERE = ".".join(platform.python_version_tuple()[:2])
"""The platform's own, as environments name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """An installed Python: its program, its folder, and what `sys.version` says in it."""

    executable: Path
    prefix: Path
    version: str


def for_python(lock: str, version: str) -> str:
    """A lock that says which Python it is for, unless that is the platform's: what is equal stays equal."""
    return lock if version in ("", HERE) else f"{_MARK}{version}\n{lock}"


def python_of(lock: str) -> str:
    """The version of Python that a lock is for."""
    first = lock.partition("\n")[0]
    return first.removeprefix(_MARK) if first.startswith(_MARK) else HERE


def own_interpreter() -> Interpreter:
    """The platform's."""
    return Interpreter(executable=Path(sys.executable), prefix=Path(sys.base_prefix), version=sys.version)


def find_interpreter(uv: str, version: str) -> Interpreter:
    """An installed Python of this version, such as "3.12"; the platform's own for "" and its own version.

    Raises:
        EnvironmentInvalidError: there is none; the hint has those that there are.
    """
    if version in ("", HERE):
        return own_interpreter()
    installed = _installed(uv)
    if version not in installed:
        raise EnvironmentInvalidError(
            f"There is no Python {version} on this machine",
            hint=f"Installed are {', '.join(sorted({HERE, *installed}, key=_order))}. Install {version} and put it on "
            "the PATH of the platform.",
            field="python",
        )
    return _described(installed[version])


def _installed(uv: str) -> dict[str, str]:
    """Version -> program, the newest of each."""
    command = [
        uv,
        "python",
        "list",
        "--only-installed",
        "--offline",
        "--no-python-downloads",
        "--output-format",
        "json",
    ]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
    found: dict[str, tuple[int, str]] = {}
    for each in json.loads(listed or "[]"):
        parts = each["version_parts"]
        name, patch = f"{parts['major']}.{parts['minor']}", int(parts["patch"])
        if (
            each["implementation"] == "cpython"
            and each["variant"] == "default"
            and patch >= found.get(name, (0, ""))[0]
        ):
            found[name] = patch, each["path"]
    return {name: path for name, (_, path) in found.items()}


@cache
def _described(program: str) -> Interpreter:
    """What a program that may be a link or a wrapper says of itself."""
    told = subprocess.run([program, "-I", "-c", _ASK], capture_output=True, text=True, timeout=_SECONDS, check=True)
    executable, prefix, version = json.loads(told.stdout)
    return Interpreter(executable=Path(executable), prefix=Path(prefix), version=version)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
