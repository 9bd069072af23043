"""Windows of captured traffic, as sketches."""

from dataclasses import dataclass
from datetime import datetime

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.parquet import concatenate
from modelyard.control.captures.service import CaptureService
from modelyard.control.monitors.errors import NothingServedError
from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.types.endpoints import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window and the times of its first and last inference; None when it is empty.

    `masked`: what was hashed or dropped in some of its rows.
    """

    sketch: WindowSketch
    since: datetime | None = None
    until: datetime | None = None
    masked: frozenset[str] = frozenset()


def read_window(captures: CaptureService, wanted: BatchFilter, reference: ReferenceSketch, rows: int) -> Window:
    """The newest rows; one capture batch is in memory at a time."""
    sketch = WindowSketch(reference)
    times: list[datetime] = []
    masked: set[str] = set()
    for batch in captures.newest(wanted, rows=rows):
        for group, inputs, outputs in concatenate(batch):
            sketch.add(inputs, outputs)
            own = [item.at for item in group]
            masked.update(name for item in group for name in item.masked)
            times = [min(*times, *own, own[0]), max(*times, *own, own[0])]
    if not times:
        return Window(sketch=sketch)
    return Window(sketch=sketch, since=times[0], until=times[1], masked=frozenset(masked))


def serving_version(endpoint: Endpoint) -> str:
    """The version ("digits:2") that takes most of the traffic.

    Raises:
        NothingServedError: none does.
    """
    serving = [variant for variant in endpoint.variants if variant.weight > 0]
    if not serving:
        raise NothingServedError(
            f"Endpoint '{endpoint.name}' has no version with traffic", hint="Deploy a version to it."
        )
    main = max(serving, key=lambda variant: variant.weight)
    return f"{main.model}:{main.number}"
