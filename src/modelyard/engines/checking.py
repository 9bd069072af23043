"""What every engine looks for in a spec before it makes a record."""

from pathlib import Path

from modelyard.engines.base import NoSuchNodeError, SandboxTooWeakError
from modelyard.errors import InvalidInputError
from modelyard.types.compute.nodes import Node
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
    if spec.members and (not spec.image or spec.sidecar is not None):
        raise InvalidInputError(
            "Only an image without a program beside it has members", hint="Leave 'members' out.", field="members"
        )
    check_gpus(spec.resources.gpus)
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


def check_alone(spec: ProcessSpec, engine: str) -> None:
    """Nothing if the process is no member of a gang on several machines.

    Raises:
        InvalidInputError: it is, and this engine has one machine.
    """
    if spec.membership is not None:
        raise InvalidInputError(
            f"The {engine} engine has one machine, and runs no members of a gang on several",
            hint="Run all members in one process, or submit them to an engine of several machines.",
            field="membership",
        )


def check_placed(spec: ProcessSpec, node: Node) -> None:
    """Nothing if the process may run on this machine, the only one of its engine.

    Raises:
        NoSuchNodeError: it is to run on another one, or asks for what this one does not have.
    """
    every = [spec.resources, *([spec.sidecar.resources] if spec.sidecar is not None else [])]
    gpus = max(resources.gpus for resources in every)
    lacks = next((words for each in every if (words := node.traits.lacks(each.node_wish))), "")
    if gpus > node.gpus:
        lacks = f"{gpus:g} GPUs, there are {node.gpus}"
    if spec.node not in ("", node.name):
        raise NoSuchNodeError(
            f"this engine has no machine '{spec.node}', only '{node.name}'", hint="Leave 'node' out.", field="node"
        )
    if lacks:
        raise NoSuchNodeError(
            f"this engine runs on one machine, which does not have what it asks for: {lacks}",
            hint="Ask for less, or use a cluster: `modelyard up --engine ray`.",
            field="resources",
        )


def check_gpus(gpus: float) -> None:
    """Nothing if so many accelerators can be had.

    Raises:
        InvalidInputError: a part of one beside whole ones.
    """
    if gpus > 1 and gpus != int(gpus):
        raise InvalidInputError(
            f"{gpus:g} accelerators cannot be had: a process gets whole ones, or a part of one",
            hint="Ask for a whole number, or for less than 1.",
            field="resources.gpus",
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
