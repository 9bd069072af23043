"""Writes the plan of one process: what its supervisor, its sandbox and its last step do."""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from modelyard.engines import nvidia
from modelyard.engines.local import layout
from modelyard.engines.local.plan import Limits, Plan, StagePlan
from modelyard.engines.local.sandbox import levels, visible
from modelyard.engines.machines import Gpu, device_files, visible_gpus
from modelyard.types.processes import ProcessSpec, SandboxLevel

_FIRST_OWN_USER, _OWN_USERS = 20_000, 40_000
_OPEN_FILES = 8192
USER_VARIABLES = dict.fromkeys(("USER", "LOGNAME"), "modelyard")  # no file in a sandbox names its user
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"  # empty for those that were given none
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LOG_SEGMENT_BYTES, LOG_SEGMENTS = 16 << 20, 4  # 48 to 64 MiB of output are kept per process


def make_plan(
    spec: ProcessSpec,
    *,
    folder: Path,
    level: SandboxLevel,
    cgroup: str,
    marker: tuple[str, str],
    owner_pid: int | None = None,
    gpus: Sequence[Gpu] = (),
) -> Plan:
    """What the supervisor of this process does.

    Args:
        spec: what was submitted.
        folder: the process's own, which need not exist yet.
        level: the sandbox to use.
        cgroup: name of its control groups, or empty for none.
        marker: environment variable by which its processes are known.
        owner_pid: the process with whose end it ends.
        gpus: the accelerators that it may use.
    """
    devices = device_files(gpus)
    own = {GPU_VARIABLE: visible_gpus(gpus), **dict([marker])}
    if devices and (found := nvidia.library_path()):
        own["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, (found, spec.environment.get("LD_LIBRARY_PATH"))))
    temporary = str(folder / layout.TEMPORARY)
    is_wrapped = level is SandboxLevel.BUBBLEWRAP
    return Plan(
        folder=str(folder),
        wrapper=_wrapper(spec, temporary, devices) if is_wrapped else [],
        stage_command=[sys.executable, "-I", "-S", "-c", bootstrap("sandbox.stage")],
        stage=_stage(spec, temporary, level, own, devices),
        temporary=temporary,
        written=sorted({spec.work_directory, temporary, *(m.path for m in spec.mounts if m.is_writable)}),
        limits=Limits(
            cpus=spec.resources.cpus,
            memory_bytes=spec.resources.memory_bytes,
            disk_bytes=spec.resources.disk_bytes,
            time_limit_seconds=spec.resources.time_limit_seconds,
            max_processes=spec.resources.max_processes,
        ),
        cgroup=cgroup,
        owner_pid=owner_pid,
        log_segment_bytes=LOG_SEGMENT_BYTES,
        log_segments=LOG_SEGMENTS,
    )


def bootstrap(module: str) -> str:
    """Source for `python -I -S -c`: run `main` of a module of this package without site-packages on the path."""
    argument = "int(sys.argv[1])" if module == "sandbox.stage" else ""
    return (
        f"import sys; sys.path.append({str(visible.PACKAGE.parent)!r}); "
        f"from modelyard.engines.local.{module} import main; main({argument})"
    )


def _stage(
    spec: ProcessSpec, temporary: str, level: SandboxLevel, own: dict[str, str], devices: Sequence[str]
) -> StagePlan:
    is_wrapped = level is SandboxLevel.BUBBLEWRAP
    own_user = _own_user(temporary) if os.geteuid() == 0 and level is SandboxLevel.LANDLOCK else None
    rlimits = {"CORE": 0, "NOFILE": _OPEN_FILES}
    if spec.resources.disk_bytes is not None:
        rlimits["FSIZE"] = spec.resources.disk_bytes
    if own_user is not None:
        rlimits["NPROC"] = spec.resources.max_processes
    return StagePlan(
        argv=list(spec.command),
        environment=_environment(spec, "/tmp" if is_wrapped else temporary) | own,  # noqa: S108 - private in there
        work_directory=spec.work_directory,
        rlimits=rlimits,
        landlock=_landlock_paths(spec, temporary, devices) if level is SandboxLevel.LANDLOCK else None,
        own_user=own_user,
        is_confined=not is_wrapped,
        has_network=spec.has_network,
        has_loopback=spec.has_loopback,
    )


def thread_variables(cpus: float | None) -> dict[str, str]:
    """How libraries are told how many threads to use: as many as there are cores for them."""
    return {} if cpus is None else dict.fromkeys(_THREAD_VARIABLES, str(max(1, -int(-cpus // 1))))


def _environment(spec: ProcessSpec, temporary: str) -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"))
    environment = {
        "PATH": path,
        "LANG": "C.UTF-8",
        "HOME": spec.work_directory,
        **USER_VARIABLES,
        "TMPDIR": temporary,
        "PYTHONUNBUFFERED": "1",  # output is read while the process runs
    }
    if "TZ" in os.environ:
        environment["TZ"] = os.environ["TZ"]
    return environment | thread_variables(spec.resources.cpus) | spec.environment


def _wrapper(spec: ProcessSpec, temporary: str, devices: Sequence[str]) -> list[str]:
    """The bubblewrap command line up to the program."""
    path = levels.bubblewrap()
    arguments = [path or "bwrap", *levels.namespaces(has_network=spec.has_network)]
    arguments += levels.system_binds(has_network=spec.has_network, shm_bytes=_shm_bytes(spec), devices=devices)
    arguments += ["--bind", temporary, "/tmp"]  # noqa: S108 - the private folder appears there
    for readable in visible.python_paths():
        arguments += ["--ro-bind", readable, readable]
    for mount in spec.mounts:
        arguments += ["--bind" if mount.is_writable else "--ro-bind", mount.path, mount.target or mount.path]
    arguments += ["--bind", spec.work_directory, spec.work_directory]
    return [*arguments, "--remount-ro", "/", "--"]


def _landlock_paths(
    spec: ProcessSpec, temporary: str, devices: Sequence[str]
) -> tuple[list[str], list[str], list[str]]:
    readable = [*visible.system_paths(), *visible.etc_paths(has_network=spec.has_network), *visible.python_paths()]
    readable += ["/proc", "/dev/urandom", "/dev/random", "/dev/zero"]
    # Not /dev/shm: it is everybody's here, so processes of one job cannot share memory at this level.
    writable = [spec.work_directory, temporary, "/dev/null", "/dev/full", *devices]
    for mount in spec.mounts:
        (writable if mount.is_writable else readable).append(mount.path)
    return readable, writable, [str(visible.PACKAGE.parent)]  # Python lists it to find the package


def _shm_bytes(spec: ProcessSpec) -> int:
    """Size of /dev/shm: as much as the process may use, else half of the machine's memory."""
    machine = os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES")
    return spec.resources.memory_bytes or machine // 2


def _own_user(key: str) -> int:
    """A user id for this process alone, as far as ids go: others' processes cannot be signalled or traced."""
    digest = hashlib.sha256(key.encode()).digest()
    return _FIRST_OWN_USER + int.from_bytes(digest[:4], "big") % _OWN_USERS
