"""Control groups, version 2 where a delegated one is writable, else version 1, else none. Standard library only."""

import errno
import os
import signal
import time
from collections.abc import Iterator

_CONTROLLERS = ("memory", "cpu", "pids")
_CPU_PERIOD_US = 100_000
_SPARE_TASKS = 4  # bubblewrap's two processes and room for the supervisor's child before it executes


class Cgroup:
    """The control groups of one process: one folder for version 2, one per controller for version 1."""

    def __init__(self, folders: dict[str, str], version: int) -> None:
        self.folders = folders
        self.version = version

    def has(self, controller: str) -> bool:
        """Whether `controller` ("memory", "cpu", "pids") is in force."""
        return controller in self.folders

    def join(self) -> None:
        """Move the calling process in."""
        for folder in set(self.folders.values()):
            _write(folder, "cgroup.procs", str(os.getpid()))

    def oom_kills(self) -> int:
        """How many of its processes the kernel killed for memory."""
        folder = self.folders.get("memory")
        if folder is None:
            return 0
        text = _read(folder, "memory.events" if self.version == 2 else "memory.oom_control")  # noqa: PLR2004
        return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)

    def anonymous_bytes(self) -> int | None:
        """Memory that no file backs, now; None if no group counts memory. Pages of the file cache cost nobody."""
        folder = self.folders.get("memory")
        if folder is None:
            return None
        names = ("anon ", "shmem ") if self.version == 2 else ("total_rss ", "total_shmem ")  # noqa: PLR2004
        lines = _read(folder, "memory.stat").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(names))

    def pids(self) -> set[int]:
        """Processes inside now."""
        texts = (_read(folder, "cgroup.procs") for folder in set(self.folders.values()))
        return {int(pid) for text in texts for pid in text.split()} - {0}  # 0: in a pid namespace that we cannot see

    def kill(self) -> None:
        """SIGKILL to everything inside."""
        for folder in set(self.folders.values()):
            if self.version == 2 and _write(folder, "cgroup.kill", "1"):  # noqa: PLR2004
                return
        for pid in self.pids() - {os.getpid()}:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue

    def remove(self, *, patience_seconds: float = 2.0) -> None:
        """End what is left inside and delete the groups; the kernel frees them a moment after the last process."""
        deadline = time.monotonic() + patience_seconds
        for folder in set(self.folders.values()):
            while not _remove_folder(folder) and time.monotonic() < deadline:
                self.kill()
                time.sleep(0.005)


def create(name: str, *, cpus: float | None, memory_bytes: int | None, max_processes: int) -> Cgroup | None:
    """Make the groups `name` with these limits, as many as this machine allows; None if it allows none."""
    version, parents = _parents()
    folders: dict[str, str] = {}
    for controller, parent in parents.items():
        folder = os.path.join(parent, name)
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError:
            continue
        if _limit(folder, version, controller, cpus, memory_bytes, max_processes):
            folders[controller] = folder
    return Cgroup(folders, version) if folders else None


def existing(prefix: str) -> dict[str, Cgroup]:
    """Groups on this machine whose name starts with `prefix`, by name."""
    version, parents = _parents()
    found: dict[str, dict[str, str]] = {}
    for controller, parent in parents.items():
        for name in _names(parent):
            if name.startswith(prefix):
                found.setdefault(name, {})[controller] = os.path.join(parent, name)
    return {name: Cgroup(folders, version) for name, folders in found.items()}


def version_in_use() -> int | None:
    """2, 1, or None where no control group can be made."""
    version, parents = _parents()
    return version if parents else None


def _limit(
    folder: str, version: int, controller: str, cpus: float | None, memory_bytes: int | None, max_processes: int
) -> bool:
    """Write one controller's limits; whether they are in force."""
    if controller == "pids":
        return _write(folder, "pids.max", str(max_processes + _SPARE_TASKS))
    if controller == "cpu":
        quota = None if cpus is None else max(1000, int(cpus * _CPU_PERIOD_US))
        if version == 1:
            _write(folder, "cpu.cfs_period_us", str(_CPU_PERIOD_US))
            return _write(folder, "cpu.cfs_quota_us", str(-1 if quota is None else quota))
        return _write(folder, "cpu.max", f"{'max' if quota is None else quota} {_CPU_PERIOD_US}")
    if memory_bytes is None:
        return True
    if version == 1:
        is_set = _write(folder, "memory.limit_in_bytes", str(memory_bytes))
        _write(folder, "memory.memsw.limit_in_bytes", str(memory_bytes))
        return is_set
    _write(folder, "memory.swap.max", "0")
    _write(folder, "memory.oom.group", "1")
    return _write(folder, "memory.max", str(memory_bytes))


def _parents() -> tuple[int, dict[str, str]]:
    """The version, and controller -> folder in which a group can be made."""
    own = dict(_own_groups())
    mounts = list(_mounts())
    for kind, mount, root, _ in mounts:
        if kind == "cgroup2" and "" in own:
            parent = _delegated(mount, _below(own[""], root))
            if parent is not None:
                return 2, dict.fromkeys(_CONTROLLERS, parent)
    parents: dict[str, str] = {}
    for kind, mount, root, options in mounts:
        for controller in set(_CONTROLLERS) & set(options) if kind == "cgroup" else ():
            nested = os.path.join(mount, _below(own.get(controller, "/"), root))
            parent = nested if os.path.isdir(nested) else mount
            if os.access(parent, os.W_OK):
                parents.setdefault(controller, parent)
    return 1, parents


def _delegated(mount: str, relative: str) -> str | None:
    """The nearest group from our own upwards in which a child gets the memory and pids controllers."""
    while True:
        folder = os.path.join(mount, relative)
        if os.access(folder, os.W_OK):
            offered = set(_read(folder, "cgroup.subtree_control").split())
            if not {"memory", "pids"} <= offered and {"memory", "pids"} <= set(
                _read(folder, "cgroup.controllers").split()
            ):
                _write(folder, "cgroup.subtree_control", "+memory +pids +cpu")
                offered = set(_read(folder, "cgroup.subtree_control").split())
            if {"memory", "pids"} <= offered:
                return folder
        if not relative:
            return None
        relative = os.path.dirname(relative)


def _own_groups() -> Iterator[tuple[str, str]]:
    """Controller ("" for version 2) -> path of the group this process is in."""
    for line in _read("/proc/self", "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _mounts() -> Iterator[tuple[str, str, str, list[str]]]:
    """(file system type, mount point, root inside the hierarchy, super options) of every cgroup mount."""
    for line in _read("/proc/self", "mountinfo").splitlines():
        head, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            fields = head.split(" ")
            yield kind, fields[4], fields[3], options.split(",")


def _below(path: str, root: str) -> str:
    """`path` of a hierarchy relative to a mount of its `root`, without a leading slash."""
    return path.removeprefix(root.rstrip("/")).strip("/")


def _remove_folder(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _write(folder: str, name: str, text: str) -> bool:
    """Whether the kernel took `text`."""
    try:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return False
    return True
