"""What every engine looks for in a spec before it makes a record."""

from pathlib import Path

from modelyard.engines.base import NoSuchNodeError, SandboxTooWeakError
from modelyard.errors import InvalidInputError
from modelyard.types.processes import ProcessSpec, SandboxLevel


def check_spec(spec: ProcessSpec, own_folder: Path) -> None:
    """Nothing if the spec can be run.

    Args:
        spec: what was submitted.
        own_folder: the engine's records, which no process may see.

    Raises:
        InvalidInputError: the work directory or a mount does not exist or shows the records, or there is neither
            command nor image.
    """
    if not spec.image and (not spec.command or not spec.command[0]):
        raise InvalidInputError("The command is empty", hint="Name a program, or an image.", field="command")
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


def check_imageless(spec: ProcessSpec, engine: str) -> None:
    """Nothing if the process needs no image.

    Raises:
        InvalidInputError: it does, and this engine runs none.
    """
    if spec.needs_containers:
        raise InvalidInputError(
            f"The {engine} engine runs no images", hint="Submit it to the engine of containers.", field="image"
        )


def check_unplaced(spec: ProcessSpec) -> None:
    """Nothing if the process may run on this machine, whatever that is.

    Raises:
        NoSuchNodeError: it asks for accelerators or for a machine by its labels.
    """
    every = [spec.resources, *([spec.sidecar.resources] if spec.sidecar is not None else [])]
    if any(resources.gpus or resources.node_labels for resources in every):
        raise NoSuchNodeError(
            "this engine runs on one machine and gives neither accelerators nor machines by label",
            hint="Leave 'gpus' and 'node_labels' out, or use a cluster: `modelyard up --engine ray`.",
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
