"""Looks at the machine itself: its system, its Python, what it has of everything."""

import os
import platform
import resource
import shutil
import sys
from pathlib import Path

from modelyard.server.doctor.findings import Finding, FindingStatus
from modelyard.settings import Settings

GIB = 1 << 30
_LEAST_PYTHON = (3, 11)
_SHM_WARN_BYTES = 64 << 20
_MEMORY_WARN_BYTES = 2 * GIB
_OPEN_FILES_FAIL, _OPEN_FILES_WARN = 256, 4096


def look_at_operating_system(_settings: Settings) -> Finding:
    """The one that fences processes in."""
    found = f"{platform.system()} {platform.release()} on {platform.machine()}"
    if platform.system() == "Linux":
        return Finding("operating system", FindingStatus.OK, found)
    return Finding(
        "operating system", FindingStatus.FAIL, f"{found}: processes are fenced in on Linux only", "Use Linux."
    )


def look_at_python(_settings: Settings) -> Finding:
    """Its version."""
    found = f"Python {platform.python_version()} at {sys.executable}"
    if sys.version_info >= _LEAST_PYTHON:
        return Finding("python", FindingStatus.OK, found)
    return Finding("python", FindingStatus.FAIL, f"{found} is too old", "Install Python 3.11 or newer.")


def look_at_processors_and_memory(_settings: Settings) -> Finding:
    """How much there is of both."""
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


def look_at_shared_memory(_settings: Settings) -> Finding:
    """What loader processes of a training share."""
    folder = Path("/dev/shm")  # noqa: S108 - looked at, not written
    if not os.access(folder, os.W_OK):
        message = f"{folder} is missing or not writable: training with several loader processes fails"
        return Finding("shared memory", FindingStatus.WARN, message, "Mount a tmpfs there.")
    size = shutil.disk_usage(folder).total
    message = f"{folder} holds {size / GIB:.2f} GiB"
    if size > _SHM_WARN_BYTES:
        return Finding("shared memory", FindingStatus.OK, message)
    return Finding("shared memory", FindingStatus.WARN, message, "Make it larger; in Docker with --shm-size=1g.")


def look_at_open_files(_settings: Settings) -> Finding:
    """How many connections a process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if soft != resource.RLIM_INFINITY else soft
    message = f"A process may open {limit} files and connections"
    if limit >= _OPEN_FILES_WARN or limit == resource.RLIM_INFINITY:
        return Finding("open files", FindingStatus.OK, message)
    status = FindingStatus.WARN if limit >= _OPEN_FILES_FAIL else FindingStatus.FAIL
    advice = "Raise it: `ulimit -n 65536`, or LimitNOFILE= of the service."
    return Finding("open files", status, f"{message}: the gateway can hold no more clients than that", advice)
