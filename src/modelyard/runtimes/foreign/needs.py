"""What the program in a bundle cannot do without, wherever it runs: `resources.json`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.types.processes import Resources

RESOURCES = "resources.json"


class _Needs(msgspec.Struct, forbid_unknown_fields=True):
    gpus: Annotated[float, msgspec.Meta(ge=0)] = 0.0


def needed_gpus(bundle: Path) -> float:
    """Accelerators that the program asks for; below 1: its part of one.

    Raises:
        ArtifactInvalidError: `resources.json` is damaged.
    """
    path = bundle / RESOURCES
    if not path.is_file():
        return 0.0
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Needs).gpus
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArtifactInvalidError(f"{RESOURCES}: {error}", hint='An example: {"gpus": 0.5}.') from error


def equipped(resources: Resources, bundle: Path) -> Resources:
    """`resources`, with the accelerators that the program in this bundle asks for if they name none.

    Raises:
        ArtifactInvalidError: its `resources.json` is damaged.
    """
    return replace(resources, gpus=resources.gpus or needed_gpus(bundle))
