"""Looks at libraries that not everybody needs."""

import contextlib
import importlib.util

from modelyard.server.doctor.findings import Finding, FindingStatus
from modelyard.settings import Settings


def look_at_torch(_settings: Settings) -> Finding:
    """The library for networks."""
    found = None
    with contextlib.suppress(ImportError, ValueError):
        found = importlib.util.find_spec("torch")
    if found is not None:
        return Finding("torch", FindingStatus.OK, "Installed: image classification trains convolutional networks")
    message = "Not installed, which is fine: image classification trains a multi-layer network instead"
    return Finding(
        "torch", FindingStatus.OK, message, "pip install 'modelyard[torch]' if you want convolutional networks."
    )
