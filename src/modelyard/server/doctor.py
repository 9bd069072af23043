"""Looks whether this machine can run the platform well, and says what to do where it cannot. Changes nothing."""

import contextlib
import errno
import fcntl
import importlib.util
import os
import platform
import resource
import shutil
import socket
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from modelyard.engines.containers.engine import ContainerEngine
from modelyard.engines.containers.sockets import ContainersUnavailableError
from modelyard.engines.local import cgroups
from modelyard.engines.local.sandbox import confine, levels
from modelyard.engines.ray.gangs import interface
from modelyard.settings import Settings
from modelyard.types.processes import EngineKind, SandboxLevel

GIB = 1 << 30
_LEAST_PYTHON = (3, 11)
_TUN = Path(interface.DEVICE)
_LEAST_SQLITE = (3, 35, 0)  # RETURNING
_DISK_FAIL_BYTES, _DISK_WARN_BYTES = GIB // 2, 5 * GIB
_SHM_WARN_BYTES = 64 << 20
_MEMORY_WARN_BYTES = 2 * GIB
_OPEN_FILES_FAIL, _OPEN_FILES_WARN = 256, 4096
_GROUP_OR_OTHERS = 0o077


class FindingStatus(StrEnum):
    """OK: nothing to do. WARN: it works, less well or less safely than it could. FAIL: something will not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: short, stable.
        status: how it stands.
        message: what was found and what it means.
        advice: what to do; empty where nothing needs to be done.
    """

    name: str
    status: FindingStatus
    message: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Everything worth knowing before `modelyard up`, in a fixed order."""
    checks: list[Callable[[Settings], Finding]] = [
        _operating_system,
        _python,
        _processors_and_memory,
        _sandbox,
        _landlock,
        _control_groups,
        _containers,
        _gangs,
        _state_directory,
        _file_locks,
        _disk,
        _shared_memory,
        _open_files,
        _database,
        _port,
        _torch,
    ]
    return [check(settings) for check in checks]


def _operating_system(_settings: Settings) -> Finding:
    found = f"{platform.system()} {platform.release()} on {platform.machine()}"
    if platform.system() == "Linux":
        return Finding("operating system", FindingStatus.OK, found)
    return Finding(
        "operating system", FindingStatus.FAIL, f"{found}: processes are fenced in on Linux only", "Use Linux."
    )


def _python(_settings: Settings) -> Finding:
    found = f"Python {platform.python_version()} at {sys.executable}"
    if sys.version_info >= _LEAST_PYTHON:
        return Finding("python", FindingStatus.OK, found)
    return Finding("python", FindingStatus.FAIL, f"{found} is too old", "Install Python 3.11 or newer.")


def _processors_and_memory(_settings: Settings) -> Finding:
    processors = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES")
    found = f"{processors} processors, {memory / GIB:.1f} GiB of memory"
    if memory >= _MEMORY_WARN_BYTES:
        return Finding("processors and memory", FindingStatus.OK, found)
    return Finding(
        "processors and memory",
        FindingStatus.WARN,
        f"{found}: the platform itself takes about 1 GiB, training comes on top",
        "Give the machine 2 GiB or more, or train small.",
    )


def _sandbox(_settings: Settings) -> Finding:
    level = levels.strongest_level()
    if level is SandboxLevel.BUBBLEWRAP:
        found = "bubblewrap works: jobs and models see their own files only and have no network"
        return Finding("sandbox", FindingStatus.OK, found)
    wheel = levels.wheel_bubblewrap()
    reason = levels.bubblewrap_fault(wheel) if wheel else "it is not installed"
    means = {
        SandboxLevel.LANDLOCK: "Landlock takes its place: files and network are fenced, other processes are visible",
        SandboxLevel.RLIMITS: "only limits are in force: jobs and models can read what you can read",
    }
    return Finding(
        "sandbox",
        FindingStatus.WARN if level is SandboxLevel.LANDLOCK else FindingStatus.FAIL,
        f"bubblewrap cannot be used ({reason}); {means[level]}",
        "Allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, or "
        "kernel.apparmor_restrict_unprivileged_userns=0); in Docker add --security-opt seccomp=unconfined "
        "--security-opt systempaths=unconfined.",
    )


def _landlock(_settings: Settings) -> Finding:
    abi = confine.landlock_abi()
    if abi:
        return Finding("landlock", FindingStatus.OK, f"Landlock ABI {abi}, for when bubblewrap cannot be used")
    return Finding(
        "landlock",
        FindingStatus.WARN,
        "The kernel has no Landlock, so there is no second sandbox should bubblewrap fail",
        "Linux 5.13 or newer with `landlock` among its security modules (lsm=) has it.",
    )


def _control_groups(_settings: Settings) -> Finding:
    group = cgroups.create(f"modelyard-doctor-{os.getpid()}", cpus=1, memory_bytes=1 << 30, max_processes=16)
    if group is None:
        return Finding(
            "control groups",
            FindingStatus.WARN,
            "None can be made: memory is watched ten times a second instead, processors are limited by affinity",
            "Run as root or under `systemd-run --user --scope -p Delegate=yes modelyard up`.",
        )
    group.remove()
    missing = sorted({"memory", "cpu", "pids"} - set(group.folders))
    if missing:
        message = f"Version {group.version} without {', '.join(missing)}: those limits are watched instead"
        return Finding("control groups", FindingStatus.WARN, message, "Delegate these controllers to this user.")
    message = f"Version {group.version}: the kernel enforces limits of memory, processors and processes"
    return Finding("control groups", FindingStatus.OK, message)


def _containers(settings: Settings) -> Finding:
    is_needed = settings.engine is EngineKind.CONTAINER
    try:
        daemon = ContainerEngine(settings.layout, socket=settings.container_socket).daemon()
    except ContainersUnavailableError as error:
        if is_needed:
            return Finding("containers", FindingStatus.FAIL, error.message, error.hint)
        message = f"{error.message}, which is fine as long as nothing is to run from an image"
        return Finding("containers", FindingStatus.OK, message, error.hint)
    user = "without root" if daemon.is_rootless else "as root"
    found = f"{daemon.name} {user} at {daemon.url}"
    if not daemon.is_usable:
        advice = "Use Podman without root, or Docker as a service of the system."
        status = FindingStatus.FAIL if is_needed else FindingStatus.WARN
        return Finding("containers", status, f"{found}: it maps users so that no container can use our files", advice)
    if daemon.has_limits:
        return Finding("containers", FindingStatus.OK, f"{found}; it holds limits of memory and processors")
    message = f"{found}; it holds no limits of memory and processors, and does not count what is used"
    advice = "Boot with control groups of version 2 (systemd.unified_cgroup_hierarchy=1), or run it as root."
    return Finding("containers", FindingStatus.WARN, message, advice)


def _gangs(_settings: Settings) -> Finding:
    if os.access(_TUN, os.R_OK | os.W_OK):
        return Finding("gangs", FindingStatus.OK, f"{_TUN} is there: as a cluster's node it can train on several hosts")
    fault = "is not open to this user" if _TUN.exists() else "is missing"
    message = f"{_TUN} {fault}, which is fine as long as no job is to train on several hosts of a cluster"
    return Finding("gangs", FindingStatus.OK, message, f"`modprobe tun`, and `chmod a+rw {_TUN}` as Debian has it.")


def _state_directory(settings: Settings) -> Finding:
    root = settings.layout.root
    if not root.exists():
        parent = _nearest(root)
        if os.access(parent, os.W_OK):
            return Finding("state directory", FindingStatus.OK, f"{root} will be made")
        return Finding(
            "state directory", FindingStatus.FAIL, f"{parent} is not writable", "Choose another with --home."
        )
    if not os.access(root, os.W_OK | os.X_OK):
        advice = "Choose another with --home, or take it over with chown."
        return Finding("state directory", FindingStatus.FAIL, f"{root} is not writable", advice)
    for path in (root, settings.layout.token, settings.layout.registries):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & _GROUP_OR_OTHERS:
            advice = f"chmod go-rwx {path}"
            return Finding("state directory", FindingStatus.WARN, f"Other users can read {path}", advice)
    return Finding("state directory", FindingStatus.OK, f"{root} is private to you")


def _file_locks(settings: Settings) -> Finding:
    folder = _nearest(settings.layout.root)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        message = f"Files in {folder} cannot be locked ({error.strerror}); processes are proven alive by locks"
        return Finding(
            "file locks", FindingStatus.FAIL, message, "Put the state directory on a local disk with --home."
        )
    return Finding("file locks", FindingStatus.OK, "The state directory's file system has locks")


def _disk(settings: Settings) -> Finding:
    folder = _nearest(settings.layout.root)
    free = shutil.disk_usage(folder).free
    message = f"{free / GIB:.1f} GiB free at {folder}"
    if free >= _DISK_WARN_BYTES:
        return Finding("disk space", FindingStatus.OK, message)
    status = FindingStatus.WARN if free >= _DISK_FAIL_BYTES else FindingStatus.FAIL
    return Finding("disk space", status, message, "Free some space, or choose another disk with --home.")


def _shared_memory(_settings: Settings) -> Finding:
    folder = Path("/dev/shm")  # noqa: S108 - looked at, not written
    if not os.access(folder, os.W_OK):
        message = f"{folder} is missing or not writable: training with several loader processes fails"
        return Finding("shared memory", FindingStatus.WARN, message, "Mount a tmpfs there.")
    size = shutil.disk_usage(folder).total
    message = f"{folder} holds {size / GIB:.2f} GiB"
    if size > _SHM_WARN_BYTES:
        return Finding("shared memory", FindingStatus.OK, message)
    return Finding("shared memory", FindingStatus.WARN, message, "Make it larger; in Docker with --shm-size=1g.")


def _open_files(_settings: Settings) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if soft != resource.RLIM_INFINITY else soft
    message = f"A process may open {limit} files and connections"
    if limit >= _OPEN_FILES_WARN or limit == resource.RLIM_INFINITY:
        return Finding("open files", FindingStatus.OK, message)
    status = FindingStatus.WARN if limit >= _OPEN_FILES_FAIL else FindingStatus.FAIL
    advice = "Raise it: `ulimit -n 65536`, or LimitNOFILE= of the service."
    return Finding("open files", status, f"{message}: the gateway can hold no more clients than that", advice)


def _database(settings: Settings) -> Finding:
    if settings.database_url:
        return Finding(
            "database", FindingStatus.OK, f"{settings.database_url.partition(':')[0]} by MODELYARD_DATABASE_URL"
        )
    message = f"SQLite {sqlite3.sqlite_version} in the state directory"
    if sqlite3.sqlite_version_info >= _LEAST_SQLITE:
        return Finding("database", FindingStatus.OK, message)
    return Finding("database", FindingStatus.FAIL, f"{message} is too old", "Use a Python with SQLite 3.35 or newer.")


def _port(settings: Settings) -> Finding:
    address = f"{settings.host}:{settings.port}"
    if settings.port == 0:
        return Finding("port", FindingStatus.OK, "The system will choose one")
    if (settings.layout.run / "gateway.json").exists():
        return Finding("port", FindingStatus.OK, f"{address} is used by this platform, or will be")
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            means = (
                "is taken by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used: {error.strerror}"
            )
            return Finding("port", FindingStatus.FAIL, f"{address} {means}", "Choose another with --port, or --port 0.")
    return Finding("port", FindingStatus.OK, f"{address} is free")


def _torch(_settings: Settings) -> Finding:
    found = None
    with contextlib.suppress(ImportError, ValueError):
        found = importlib.util.find_spec("torch")
    if found is not None:
        return Finding("torch", FindingStatus.OK, "Installed: image classification trains convolutional networks")
    message = "Not installed, which is fine: image classification trains a multi-layer network instead"
    return Finding(
        "torch", FindingStatus.OK, message, "pip install 'modelyard[torch]' if you want convolutional networks."
    )


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
