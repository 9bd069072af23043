"""What NVIDIA's driver says of this machine: its cards, and the libraries that programs need to use them."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

_SECONDS = 60.0  # a driver that nobody uses is started anew for each question
_LIBRARIES = (
    "libcuda.so.1",
    "libcudadebugger.so.1",
    "libnvidia-allocator.so.1",
    "libnvidia-cfg.so.1",
    "libnvidia-ml.so.1",
    "libnvidia-nvvm.so.4",
    "libnvidia-opencl.so.1",
    "libnvidia-ptxjitcompiler.so.1",
)
_BY_VERSION = ("libnvidia-gpucomp.so.", "libnvidia-nvvm70.so.")  # their names end with the driver's version
_FOLDERS = ("/usr/local/nvidia/lib64", "/usr/lib/wsl/lib")
_CACHED = re.compile(r"^\s*(\S+) \([^)]*(?:x86-64|AArch64)[^)]*\) => (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card as the driver counts them.

    Attributes:
        minor: number of its device file.
        is_divided: it is in MIG mode: programs can have its parts only.
    """

    minor: int
    uuid: str
    kind: str
    memory_bytes: int
    is_divided: bool


def cards() -> Sequence[Card]:
    """All cards of this machine, in the order of the bus; none where there is no driver, or not yet."""
    try:
        return _known_cards()
    except LookupError:
        return ()


@cache
def _known_cards() -> Sequence[Card]:
    """Remembered, since the driver takes a second to answer.

    Raises:
        LookupError: there are none; which is not remembered, since a driver may come up later.
    """
    if found := read_cards(_output("nvidia-smi", "-q", "-x")):
        return found
    raise LookupError


def read_cards(report: str) -> Sequence[Card]:
    """The cards in the report of `nvidia-smi -q -x`; one whose device file it does not name is left out."""
    try:
        root = ET.fromstring(report)  # noqa: S314 - from the driver's own program
    except ET.ParseError:
        return ()
    found = []
    for each in root.iter("gpu"):
        memory = each.findtext("fb_memory_usage/total", "").split()
        if (minor := each.findtext("minor_number", "")).isdecimal():
            card = Card(
                minor=int(minor),
                uuid=each.findtext("uuid", ""),
                kind=each.findtext("product_name", ""),
                memory_bytes=int(memory[0]) << 20 if memory and memory[0].isdecimal() else 0,
                is_divided=each.findtext("mig_mode/current_mig", "") == "Enabled",
            )
            found.append(card)
    return tuple(found)


def make_device_files() -> None:
    """Let the driver make the file of its unified memory, which after a start of the machine only a first use makes."""
    _output("nvidia-modprobe", "-c", "0", "-u")


@cache
def libraries() -> Mapping[str, str]:
    """Name -> file of the driver's libraries for computing, where the loader finds them or the driver likes to be."""
    folders = [*filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")), *_FOLDERS]
    elsewhere = {file.name: str(file) for folder in folders for file in Path(folder).glob("lib*.so.*")}
    return {name: file for name, file in (elsewhere | _cached()).items() if _is_of_driver(name)}


def library_path() -> str:
    """What LD_LIBRARY_PATH must say for a program of this machine; empty where the loader knows the libraries."""
    file = libraries().get(_LIBRARIES[0])
    return "" if file is None or _LIBRARIES[0] in _cached() else str(Path(file).parent)


def program() -> str | None:
    """Path of `nvidia-smi`."""
    return _which("nvidia-smi")


@cache
def _cached() -> dict[str, str]:
    """What the loader finds by itself."""
    return dict(reversed(_CACHED.findall(_output("ldconfig", "-p"))))  # of several files the first counts


def _is_of_driver(name: str) -> bool:
    return name in _LIBRARIES or name.startswith(_BY_VERSION)


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:/usr/local/nvidia/bin")


def _output(name: str, *arguments: str) -> str:
    """What a program says; nothing if it is not there, fails, or does not come to an end."""
    path = _which(name)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, *arguments], capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
