"""Writes the plan of one process in containers: hardened in every way that it did not ask to be spared."""

import os
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelyard.engines import nvidia
from modelyard.engines.containers import gang
from modelyard.engines.containers.ownership import user_of
from modelyard.engines.containers.plan import ContainerPlan, Plan
from modelyard.engines.containers.sockets import Daemon
from modelyard.engines.local.sandbox import planning, visible
from modelyard.engines.local.sandbox.planning import GPU_VARIABLE, USER_VARIABLES
from modelyard.engines.machines import Gpu, device_files, visible_gpus
from modelyard.types.processes import Mount, ProcessSpec, Resources

LABEL = "modelyard.process"
HOME_LABEL = "modelyard.home"
_TEMPORARY = "/tmp"  # noqa: S108 - a file system of the container's own
_LARGEST_TEMPORARY_BYTES = 1 << 30
_OPEN_FILES, _USER_PROCESSES = 8192, 16384
_SHM_BYTES = 64 << 20
_DRIVER_FOLDER = "/usr/local/nvidia"  # where images that are made for accelerators look for the driver
_GPU_HOOK_VARIABLE = "NVIDIA_VISIBLE_DEVICES"  # of NVIDIA's runtime, which many images set to `all`
_OWN_TASKS = 1  # the first process, which only waits for the command


def make_plan(
    process_id: str,
    spec: ProcessSpec,
    *,
    folder: str,
    socket: str,
    daemon: Daemon,
    images: list[str],
    group: str,
    gpus: Sequence[Gpu] = (),
    library_path: str = "",
) -> Plan:
    """What the supervisor of this process does.

    Args:
        process_id: its id.
        spec: what was submitted.
        folder: its own, once it has its record.
        socket: URL of the API.
        daemon: what answers there.
        images: ids of its image and of its sidecar's; of a gang, of its image and of the empty one.
        group: name of the control group above its containers, and of the containers; where there is no such group, of
            the containers only.
        gpus: the accelerators that it may use, or the program beside it, whichever asks for them.
        library_path: where the image of that one has libraries of its own.
    """
    mark = f"modelyard-{os.urandom(6).hex()}"
    user = user_of(process_id)
    own = _own(spec, mark)
    holder = None
    if spec.members:
        containers = _members(spec, own, group, images[0], user, daemon)
        options = gang.holder_options(_machine(has_network=False))
        holder = _hardened(f"{group}.network", images[1], options, gang.HOLDER_LIMITS, user, daemon)
    else:
        containers = [_hardened(group, images[0], own, spec.resources, user, daemon)]
    if spec.sidecar is not None:
        beside = _sidecar(spec, f"container:{group}")
        containers.append(_hardened(f"{group}.sidecar", images[1], beside, spec.sidecar.resources, user, daemon))
    _give_all(spec, containers, gpus, library_path)
    has_group = daemon.has_plain_groups and not daemon.is_rootless and os.getuid() == 0
    for container in (*containers, *filter(None, (holder,))):
        container["options"]["labels"] = {LABEL: process_id, HOME_LABEL: group.removesuffix(process_id)}
        if has_group:
            container["options"]["cgroup_parent"] = f"/{group}"
    writable = {mount.path for mount in spec.mounts if mount.is_writable} - {spec.work_directory}
    return Plan(
        folder=folder,
        socket=socket,
        containers=containers,
        holder=holder,
        failure_mark=mark,
        group=group if has_group else "",
        written=[spec.work_directory, *sorted(writable)],
        disk_bytes=spec.resources.disk_bytes,
        time_limit_seconds=spec.resources.time_limit_seconds,
        log_segment_bytes=planning.LOG_SEGMENT_BYTES,
        log_segments=planning.LOG_SEGMENTS,
    )


def bootstrap(module: str, call: str) -> str:
    """Source for `python -I -c`: call `main` of a module of this package, whatever else is on the path."""
    return (
        f"import sys; sys.path.append({str(visible.PACKAGE.parent)!r}); "
        f"from modelyard.engines.containers.{module} import main; {call}"
    )


def _members(
    spec: ProcessSpec, own: Mapping[str, Any], group: str, image: str, user: int, daemon: Daemon
) -> list[ContainerPlan]:
    """A container for each member, in the network of the gang's holder."""
    limits = gang.part_of(spec.resources, len(spec.members))
    planned = []
    for rank, member in enumerate(spec.members):
        mounts = [_bind(mount) for mount in member.mounts]
        options = gang.member_options(own, member, mounts, f"container:{group}.network")
        options["environment"] |= _threads(limits)
        planned.append(_hardened(f"{group}.rank-{rank}", image, options, limits, user, daemon))
    return planned


def _give_all(spec: ProcessSpec, containers: Sequence[ContainerPlan], gpus: Sequence[Gpu], library_path: str) -> None:
    """Let those that asked for accelerators use them, and hide them from the others."""
    for container in containers:
        container["options"]["environment"] |= {GPU_VARIABLE: "", _GPU_HOOK_VARIABLE: "void"}
    if not gpus:
        return
    asking = containers[:1] if spec.resources.gpus else containers[-1:]
    for rank, container in enumerate(containers if spec.members else asking):
        _give(container, gang.gpus_of_member(gpus, rank, len(spec.members)) if spec.members else gpus)
        if spec.image or not spec.resources.gpus:
            _give_libraries(container, nvidia.libraries(), library_path)


def _give(container: ContainerPlan, gpus: Sequence[Gpu]) -> None:
    """Let a container use accelerators: their device files, and their names."""
    options = container["options"]
    options["environment"][GPU_VARIABLE] = visible_gpus(gpus)
    if files := device_files(gpus):
        options["devices"] = [f"{file}:{file}:rwm" for file in files]
        options["environment"][_GPU_HOOK_VARIABLE] = visible_gpus(gpus)


def _give_libraries(container: ContainerPlan, libraries: Mapping[str, str], library_path: str) -> None:
    """Show an image the driver's libraries: they fit the machine's kernel module, so that no image can bring them."""
    options = container["options"]
    files = {f"{_DRIVER_FOLDER}/lib64/{name}": file for name, file in libraries.items()}
    if (program := nvidia.program()) is not None:
        files[f"{_DRIVER_FOLDER}/bin/nvidia-smi"] = program
    options["mounts"] += [_bind(Mount(path=os.path.realpath(file), target=name)) for name, file in files.items()]
    if libraries:
        own = options["environment"].get("LD_LIBRARY_PATH", library_path)
        options["environment"]["LD_LIBRARY_PATH"] = ":".join(filter(None, (f"{_DRIVER_FOLDER}/lib64", own)))


def _own(spec: ProcessSpec, mark: str) -> dict[str, Any]:
    """What is particular to the process itself."""
    mounts = [_bind(mount) for mount in spec.mounts]
    mounts.append(_bind(Mount(path=spec.work_directory, is_writable=True)))
    options: dict[str, Any] = {
        "working_dir": spec.work_directory,
        "network_mode": "host" if spec.has_network else "none",
        "environment": {"HOME": spec.work_directory, "TMPDIR": _TEMPORARY, **_threads(spec.resources)},
    }
    if spec.image:
        if spec.command:
            options["command"] = list(spec.command)
    else:
        path = os.pathsep.join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"))
        options["environment"] |= {"PATH": path, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **USER_VARIABLES}
        first = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            bootstrap("shim.first", "main(sys.argv[1], sys.argv[2:])"),
            mark,
            *spec.command,
        ]
        options["entrypoint"] = first
        mounts = [*_machine(has_network=spec.has_network), *mounts]
    options["environment"] |= spec.environment
    return {**options, "mounts": mounts}


def _sidecar(spec: ProcessSpec, network: str) -> dict[str, Any]:
    assert spec.sidecar is not None  # noqa: S101 - the only caller has looked
    sidecar = spec.sidecar
    options: dict[str, Any] = {
        "network_mode": network,
        "environment": {"TMPDIR": _TEMPORARY, **_threads(sidecar.resources), **sidecar.environment},
        "mounts": [_bind(mount) for mount in sidecar.mounts],
    }
    return options | ({"command": list(sidecar.command)} if sidecar.command else {})


def _hardened(
    name: str, image: str, options: Mapping[str, Any], limits: Resources, user: int, daemon: Daemon
) -> ContainerPlan:
    """The same for every container: no rights, nothing to write to but what it was given, limits."""
    temporary = min(limits.memory_bytes or _LARGEST_TEMPORARY_BYTES, _LARGEST_TEMPORARY_BYTES)
    hardened: dict[str, Any] = {
        **options,
        "user": f"{user}:{user if os.getuid() == 0 else os.getgid()}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "tmpfs": {_TEMPORARY: f"size={temporary},mode=1777"},
        "shm_size": limits.memory_bytes or _SHM_BYTES,
        "pids_limit": limits.max_processes + _OWN_TASKS,
        "ulimits": _ulimits(limits),
        # Its output is taken by the supervisor as it comes; nobody keeps a second copy.
        "log_config": {"Type": "none", "Config": {}},
    }
    if not options["network_mode"].startswith("container:"):
        hardened["hostname"] = "modelyard"
    if daemon.is_rootless:
        hardened["userns_mode"] = "keep-id"  # else it would be a user that the platform's files do not belong to
    if limits.memory_bytes is not None:
        hardened |= {"mem_limit": limits.memory_bytes, "memswap_limit": limits.memory_bytes}
    if limits.cpus is not None:
        hardened["nano_cpus"] = max(10_000_000, int(limits.cpus * 1e9))
    return ContainerPlan(name=name, image=image, options=hardened, memory_bytes=limits.memory_bytes)


def _ulimits(limits: Resources) -> list[dict[str, Any]]:
    """Named, because a daemon's own default may be more than it is allowed to give."""
    wanted = {"core": 0, "nofile": _below(resource.RLIMIT_NOFILE, _OPEN_FILES)}
    wanted["nproc"] = _below(resource.RLIMIT_NPROC, _USER_PROCESSES)
    if limits.disk_bytes is not None:
        wanted["fsize"] = limits.disk_bytes
    return [{"Name": name, "Soft": value, "Hard": value} for name, value in wanted.items()]


def _below(kind: int, wanted: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _threads(limits: Resources) -> dict[str, str]:
    return planning.thread_variables(limits.cpus)


def _machine(*, has_network: bool) -> list[dict[str, Any]]:
    """The programs of this machine and the platform's Python, read-only."""
    managed = {"/etc/hosts", "/etc/resolv.conf"}  # the daemon puts its own there
    paths = [path for path in visible.system_paths() if not Path(path).is_symlink() and not path.startswith("/sys/")]
    paths += [path for path in visible.etc_paths(has_network=has_network) if path not in managed]
    inside = [path for path in visible.python_paths() if not path.startswith("/usr/")]
    return [_bind(Mount(path=path)) for path in (*paths, *inside)]


def _bind(mount: Mount) -> dict[str, Any]:
    """As the API has it."""
    return {
        "Type": "bind", "Source": mount.path, "Target": mount.target or mount.path, "ReadOnly": not mount.is_writable
    }  # fmt: skip
