"""What every engine looks for in a spec before it makes a record."""

from pathlib import Path

from modelyard.engines.base import SandboxTooWeakError
from modelyard.errors import InvalidInputError
from modelyard.types.processes import ProcessSpec, SandboxLevel


def check_spec(spec: ProcessSpec, own_folder: Path) -> None:
    """Nothing if the spec can be run.

    Args:
        spec: what was submitted.
        own_folder: the engine's records, which no process may see.

    Raises:
        InvalidInputError: the work directory or a mount does not exist or shows the records, or the command is empty.
    """
    if not spec.command or not spec.command[0]:
        raise InvalidInputError("The command is empty", hint="Name a program.", field="command")
    _check_folder(spec.work_directory, "work_directory")
    for index, mount in enumerate(spec.mounts):
        if not Path(mount.path).is_absolute() or not Path(mount.path).exists():
            raise InvalidInputError(
                f"The mount '{mount.path}' does not exist or is not absolute", field=f"mounts.{index}.path"
            )
    own = own_folder.resolve()
    for path in (spec.work_directory, *(mount.path for mount in spec.mounts)):
        resolved = Path(path).resolve()
        if own.is_relative_to(resolved) or resolved.is_relative_to(own):
            raise InvalidInputError(
                f"'{path}' holds or lies in the engine's own folder of processes",
                hint="A process may see its own folders only.",
            )


def check_loopback(spec: ProcessSpec, level: SandboxLevel) -> None:
    """Nothing if the sandbox can give the process the loopback that it needs.

    Raises:
        SandboxTooWeakError: it cannot.
    """
    if spec.has_loopback and level is not SandboxLevel.BUBBLEWRAP:
        raise SandboxTooWeakError(
            f"at the sandbox level '{level}' a process has no loopback of its own, which this one needs",
            hint="`modelyard doctor` says what to do for a stronger one.",
        )


def _check_folder(path: str, field: str) -> None:
    if not Path(path).is_absolute() or not Path(path).is_dir():
        raise InvalidInputError(f"The folder '{path}' does not exist or is not absolute", field=field)
