"""Looks at how packages are installed."""

import importlib.util
import sys
from pathlib import Path

from modelyard.server.doctor.findings import Finding, FindingStatus
from modelyard.settings import Settings

_IN_SANDBOXES = "sklearn"
"""A package of the core that only jobs and replicas import: nothing outside a sandbox ever compiles it by the way."""


def look_at_bytecode(_settings: Settings) -> Finding:
    """Whether jobs and replicas find packages compiled; they see them read-only and cannot keep what they compile."""
    spec = importlib.util.find_spec(_IN_SANDBOXES)
    if spec is None or spec.origin is None or Path(importlib.util.cache_from_source(spec.origin)).exists():
        return Finding("bytecode", FindingStatus.OK, "Packages are compiled to bytecode")
    return Finding(
        "bytecode",
        FindingStatus.WARN,
        "Packages are not compiled to bytecode: every job and replica compiles what it imports, for seconds, each time",
        f"{sys.executable} -m compileall -q {Path(spec.origin).parents[1]}    (uv does it with --compile-bytecode)",
    )
