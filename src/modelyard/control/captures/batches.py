"""What a capture batch is, and how to say which ones are wanted."""

from dataclasses import dataclass
from datetime import datetime

from modelyard.control.captures.errors import TimeRangeInvalidError


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureBatch:
    """One Parquet object: an endpoint's share of a segment on one day. Times are those of its inferences."""

    segment: str
    project: str
    endpoint: str
    day: str
    object_key: str
    size_bytes: int
    inferences: int
    rows: int
    versions: tuple[str, ...]
    variants: tuple[str, ...]
    first_id: str
    last_id: str
    first_at: datetime
    last_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFilter:
    """Which inferences are of interest; times, and the range `ids` (smallest, largest), are inclusive."""

    project: str
    endpoint: str
    since: datetime | None = None
    until: datetime | None = None
    version: str | None = None
    variant: str | None = None
    ids: tuple[str, str] | None = None


def check_range(wanted: BatchFilter) -> None:
    """Nothing if the time range makes sense.

    Raises:
        TimeRangeInvalidError: it ends before it begins, or a time has no zone.
    """
    for name, value in (("since", wanted.since), ("until", wanted.until)):
        if value is not None and value.tzinfo is None:
            raise TimeRangeInvalidError(
                f"'{value}' has no time zone", hint="Write it as 2026-01-31T12:00:00Z.", field=name
            )
    if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
        raise TimeRangeInvalidError("The time range ends before it begins", hint="Swap the two.", field="since")
