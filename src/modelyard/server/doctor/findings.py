"""What the doctor says of one thing."""

from dataclasses import dataclass
from enum import StrEnum


class FindingStatus(StrEnum):
    """OK: nothing to do. WARN: it works, less well or less safely than it could. FAIL: something will not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: short, stable.
        status: how it stands.
        message: what was found and what it means.
        advice: what to do; empty where nothing needs to be done.
    """

    name: str
    status: FindingStatus
    message: str
    advice: str = ""
