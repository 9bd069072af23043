"""This machine: its cores, its memory, and the accelerators that the driver shows."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from modelyard.errors import InvalidInputError
from modelyard.types.compute.nodes import LOCAL_NODE, Node, NodeTraits

NO_GPUS = "none"
_DEVICES, _DRIVER = Path("/dev"), Path("/proc/driver/nvidia/gpus")
_COMMON = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
_QUERY = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
_QUERY_SECONDS = 20.0


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
    """

    id: str
    device: str = ""
    uuid: str = ""
    kind: str = ""


def this_machine(gpus: Sequence[Gpu] = ()) -> Node:
    """All of it, under the name of the only machine."""
    memory = os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES")
    kinds = {gpu.kind for gpu in gpus}
    traits = NodeTraits(gpu_kind=kinds.pop() if len(kinds) == 1 else "", gpu_memory_bytes=_gpu_memory(gpus))
    return Node(name=LOCAL_NODE, cpus=float(os.cpu_count() or 1), memory_bytes=memory, gpus=len(gpus), traits=traits)


def find_gpus(wanted: str = "", *, devices: Path = _DEVICES, driver: Path = _DRIVER) -> list[Gpu]:
    """The accelerators of this machine that may be handed out.

    Args:
        wanted: their numbers, separated by commas; empty: all there are; "none": none. A number of which there is no
            device is a logical one.
        devices: the folder of device files.
        driver: the folder in which the driver describes them.

    Raises:
        GpusInvalidError: `wanted` is none of these.
    """
    if wanted == NO_GPUS:
        return []
    found = {gpu.id: gpu for gpu in _described(devices, driver) or _plain(devices)}
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
    known = find_gpus()
    by_name = {name: gpu for gpu in known for name in (gpu.id, gpu.uuid)}
    return [by_name.get(name) or Gpu(id=name) for name in ids]


def device_files(gpus: Sequence[Gpu], *, devices: Path = _DEVICES) -> list[str]:
    """What a process must see to use them: their own files and those of the driver."""
    own = [gpu.device for gpu in gpus if gpu.device]
    common = [str(devices / name) for name in _COMMON if (devices / name).exists()]
    return [*own, *common] if own else []


def visible_gpus(gpus: Sequence[Gpu]) -> str:
    """What CUDA_VISIBLE_DEVICES says: uuids, because a process that does not see all of them counts them anew."""
    return ",".join(gpu.uuid or gpu.id for gpu in gpus)


@cache
def gpu_memory_bytes() -> int:
    """Memory of the smallest accelerator, as the driver's own program says; 0: unknown."""
    try:
        shown = subprocess.run(_QUERY, capture_output=True, text=True, timeout=_QUERY_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return min((int(line) << 20 for line in shown.split() if line.isdecimal()), default=0)


def _gpu_memory(gpus: Sequence[Gpu]) -> int:
    return gpu_memory_bytes() if any(gpu.device for gpu in gpus) else 0


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
