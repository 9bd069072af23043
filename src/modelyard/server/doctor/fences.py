"""Looks at what keeps processes apart: sandboxes, control groups, containers, networks of gangs."""

import os
from pathlib import Path

from modelyard.engines.containers.engine import ContainerEngine
from modelyard.engines.containers.sockets import ContainersUnavailableError
from modelyard.engines.local import cgroups
from modelyard.engines.local.sandbox import confine, levels
from modelyard.engines.ray.gangs import interface
from modelyard.server.doctor.findings import Finding, FindingStatus
from modelyard.settings import Settings
from modelyard.types.processes import EngineKind, SandboxLevel

_TUN = Path(interface.DEVICE)


def look_at_sandbox(_settings: Settings) -> Finding:
    """How well jobs and models are fenced in."""
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


def look_at_landlock(_settings: Settings) -> Finding:
    """What takes the place of bubblewrap."""
    abi = confine.landlock_abi()
    if abi:
        return Finding("landlock", FindingStatus.OK, f"Landlock ABI {abi}, for when bubblewrap cannot be used")
    return Finding(
        "landlock",
        FindingStatus.WARN,
        "The kernel has no Landlock, so there is no second sandbox should bubblewrap fail",
        "Linux 5.13 or newer with `landlock` among its security modules (lsm=) has it.",
    )


def look_at_control_groups(_settings: Settings) -> Finding:
    """Whether the kernel enforces limits."""
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


def look_at_containers(settings: Settings) -> Finding:
    """Whether images can run."""
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


def look_at_gangs(_settings: Settings) -> Finding:
    """Whether this machine can hold members of gangs."""
    if os.access(_TUN, os.R_OK | os.W_OK):
        return Finding("gangs", FindingStatus.OK, f"{_TUN} is there: as a cluster's node it can train on several hosts")
    fault = "is not open to this user" if _TUN.exists() else "is missing"
    message = f"{_TUN} {fault}, which is fine as long as no job is to train on several hosts of a cluster"
    return Finding("gangs", FindingStatus.OK, message, f"`modprobe tun`, and `chmod a+rw {_TUN}` as Debian has it.")
