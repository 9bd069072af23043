"""Looks at accelerators, and at what a program needs to use them."""

from collections.abc import Sequence
from pathlib import Path

from modelyard.engines import nvidia
from modelyard.engines.machines import Gpu, GpusInvalidError, find_gpus
from modelyard.server.doctor.findings import Finding, FindingStatus
from modelyard.settings import Settings

_NAME = "accelerators"
_UNIFIED_MEMORY = Path("/dev/nvidia-uvm")


def look_at_accelerators(settings: Settings) -> Finding:
    """Those that jobs and replicas may have."""
    try:
        gpus = find_gpus(settings.gpus)
    except GpusInvalidError as error:
        return Finding(_NAME, FindingStatus.FAIL, error.message, error.hint)
    real = [gpu for gpu in gpus if gpu.device]
    divided = [card for card in nvidia.cards() if card.is_divided]
    if divided:
        message = f"{len(divided)} cards are in MIG mode, and are not handed out"
        return Finding(_NAME, FindingStatus.WARN, message, "`nvidia-smi -mig 0` has them whole again.")
    if not gpus:
        return Finding(_NAME, FindingStatus.OK, "There are none for jobs and replicas")
    if not real:
        message = f"{len(gpus)} that MODELYARD_GPUS names and this machine does not have: they are counted, no more"
        return Finding(_NAME, FindingStatus.OK, message)
    return _usable(real)


def _usable(real: Sequence[Gpu]) -> Finding:
    """Whether programs find what they need to use them."""
    kinds = ", ".join(sorted({gpu.kind or "of a kind that the driver does not tell" for gpu in real}))
    if "libcuda.so.1" not in nvidia.libraries():
        advice = "Install the libraries of the driver: libcuda.so.1 must be where `ldconfig -p` lists it."
        return Finding(_NAME, FindingStatus.WARN, f"{len(real)}: {kinds}; but no program can use them", advice)
    if not _UNIFIED_MEMORY.exists():
        message = f"{len(real)}: {kinds}; but {_UNIFIED_MEMORY} is missing, without which no program can use them"
        return Finding(_NAME, FindingStatus.WARN, message, "As root: `nvidia-modprobe -c 0 -u`.")
    return Finding(_NAME, FindingStatus.OK, f"{len(real)}: {kinds}")
