"""This machine: its cores, its memory, and the accelerators that the driver shows."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelyard.engines import nvidia
from modelyard.engines.nvidia import Card
from modelyard.errors import InvalidInputError
from modelyard.types.compute.nodes import LOCAL_NODE, Node, NodeTraits

NO_GPUS = "none"
_DEVICES, _DRIVER = Path("/dev"), Path("/proc/driver/nvidia/gpus")
_UNIFIED_MEMORY = "nvidia-uvm"
_COMMON = ("nvidiactl", _UNIFIED_MEMORY, "nvidia-uvm-tools", "nvidia-modeset")


class GpusInvalidError(InvalidInputError):
    """The setting `gpus` is neither a list of numbers nor `none`."""

    code = "gpus_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """An accelerator of this machine.

    Attributes:
        id: its number, as it is counted from the bus; what was counted otherwise (by a cluster) is taken as it is.
        device: its file; empty: it is logical, somebody has only said that there is one.
        uuid: by which programs find it whatever else they see; empty: unknown.
        kind: its model; empty: unknown.
        memory_bytes: its own; 0: unknown.
    """

    id: str
    device: str = ""
    uuid: str = ""
    kind: str = ""
    memory_bytes: int = 0


def this_machine(gpus: Sequence[Gpu] = ()) -> Node:
    """All of it, under the name of the only machine."""
    memory = os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES")
    kinds = {gpu.kind for gpu in gpus}
    smallest = min((gpu.memory_bytes for gpu in gpus), default=0)
    traits = NodeTraits(gpu_kind=kinds.pop() if len(kinds) == 1 else "", gpu_memory_bytes=smallest)
    return Node(name=LOCAL_NODE, cpus=float(os.cpu_count() or 1), memory_bytes=memory, gpus=len(gpus), traits=traits)


def find_gpus(
    wanted: str = "", *, devices: Path = _DEVICES, driver: Path = _DRIVER, cards: Sequence[Card] | None = None
) -> list[Gpu]:
    """The accelerators of this machine that may be handed out. A card in MIG mode is none: nobody can have it whole.

    Args:
        wanted: their numbers, separated by commas; empty: all there are; "none": none. A number of which there is no
            device is a logical one.
        devices: the folder of device files.
        driver: the folder in which the driver describes them.
        cards: what the driver's program says of them; None: it is asked.

    Raises:
        GpusInvalidError: `wanted` is none of these.
    """
    if wanted == NO_GPUS:
        return []
    told = nvidia.cards() if cards is None and devices == _DEVICES else cards or ()
    gpus = _told(devices, told)
    if not gpus and not any(card.is_divided for card in told):
        gpus = _described(devices, driver) or _plain(devices)
    if gpus and devices == _DEVICES and not (devices / _UNIFIED_MEMORY).exists():
        nvidia.make_device_files()
    found = {gpu.id: gpu for gpu in gpus}
    if not wanted:
        return [*found.values()]
    names = [name.strip() for name in wanted.split(",")]
    if not all(name.isdecimal() for name in names) or len({*names}) < len(names):
        raise GpusInvalidError(
            f"'{wanted}' does not say which accelerators are meant",
            hint="Numbers, such as 0,1; 'none'; or nothing for all there are.",
            field="gpus",
        )
    return [found.get(name) or Gpu(id=name) for name in names]


def named_gpus(ids: Sequence[str]) -> list[Gpu]:
    """The accelerators that a cluster has handed out, by numbers or by uuids."""
    known = find_gpus() if ids else []  # it takes a second to ask the driver
    by_name = {name: gpu for gpu in known for name in (gpu.id, gpu.uuid)}
    return [by_name.get(name) or Gpu(id=name) for name in ids]


def device_files(gpus: Sequence[Gpu], *, devices: Path = _DEVICES) -> list[str]:
    """What a process must see to use them: their own files and those of the driver."""
    own = [gpu.device for gpu in gpus if gpu.device]
    common = [str(devices / name) for name in _COMMON if (devices / name).exists()]
    return [*own, *common] if own else []


def visible_gpus(gpus: Sequence[Gpu]) -> str:
    """What CUDA_VISIBLE_DEVICES says: uuids, because a process that does not see all of them counts them anew.

    Where they are unknown it is this new count; of logical ones their own.
    """
    return ",".join(gpu.uuid or (str(place) if gpu.device else gpu.id) for place, gpu in enumerate(gpus))


def _told(devices: Path, cards: Sequence[Card]) -> list[Gpu]:
    """By the driver's own program, in the order of the bus."""
    found = []
    for number, card in enumerate(cards):
        device = devices / f"nvidia{card.minor}"
        if device.exists() and not card.is_divided:
            gpu = Gpu(
                id=str(number), device=str(device), uuid=card.uuid, kind=card.kind, memory_bytes=card.memory_bytes
            )
            found.append(gpu)
    return found


def _described(devices: Path, driver: Path) -> list[Gpu]:
    """By the driver's folder for each, in the order of the bus, as the driver counts them."""
    found = []
    for number, folder in enumerate(sorted(driver.glob("*/information"))):
        fields = dict(re.findall(r"^([^:]+):\s*(.*?)\s*$", folder.read_text(errors="replace"), re.MULTILINE))
        device = devices / f"nvidia{fields.get('Device Minor', number)}"
        if device.exists():
            found.append(
                Gpu(id=str(number), device=str(device), uuid=fields.get("GPU UUID", ""), kind=fields.get("Model", ""))
            )
    return found


def _plain(devices: Path) -> list[Gpu]:
    """By the files alone, where the driver does not describe them."""
    numbers = sorted(int(path.name[6:]) for path in devices.glob("nvidia[0-9]*") if path.name[6:].isdecimal())
    return [Gpu(id=str(number), device=str(devices / f"nvidia{number}")) for number in numbers]
