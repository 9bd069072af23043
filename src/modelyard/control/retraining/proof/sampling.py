"""Which captured requests a replay sends, and how they get to the job."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from modelyard.algorithms.replay.requests import Request, write_requests
from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.parquet import Captured
from modelyard.control.captures.service import CaptureService
from modelyard.control.clients.contracts import RegistryClient
from modelyard.errors import InvalidInputError
from modelyard.kit.files import sha256_file
from modelyard.runtimes.validate import check_inputs
from modelyard.types.datasets import DatasetFormat, DatasetVersion
from modelyard.types.monitoring import RetrainingRun
from modelyard.types.signatures import Signature

_REACH = 20
"""The sample is spread over the newest so many times its own size."""

_LARGEST_BYTES = 64 << 20
_NAME_LIMIT = 63
_SUFFIX = "-requests"


class RequestSampler:
    """Draws captured requests and stores them as a dataset version. Safe from any thread.

    Args:
        captures: what was captured.
        registry: takes the dataset.
        folder: for a temporary file; made if absent.
    """

    def __init__(self, captures: CaptureService, registry: RegistryClient, folder: Path) -> None:
        self._captures = captures
        self._registry = registry
        self._folder = folder

    def store(self, run: RetrainingRun, signature: Signature, wanted: int) -> tuple[DatasetVersion | None, int]:
        """A dataset version of at most `wanted` requests from before the run, and how many; None if there are none."""
        found = [*self._sample(run, signature, wanted)]
        if not found:
            return None, 0
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="replay-") as name:
            content = Path(name, "requests.parquet")
            write_requests(found, content)
            version = self._registry.create_dataset_version(
                run.project,
                f"{run.endpoint[: _NAME_LIMIT - len(_SUFFIX)].rstrip('._-')}{_SUFFIX}",
                content,
                DatasetFormat.PARQUET,
                description=f"{len(found)} captured requests of endpoint '{run.endpoint}', for a replay",
                source={"run": run.id, "endpoint": run.endpoint},
                idempotency_key=f"{run.id}-requests-{sha256_file(content)[:16]}",
            )
        return version, len(found)

    def _sample(self, run: RetrainingRun, signature: Signature, wanted: int) -> Iterator[Request]:
        """Every k-th of the newest requests, newest first, until they are enough or too large together."""
        newest = BatchFilter(project=run.project, endpoint=run.endpoint, until=run.started_at)
        known = 0
        for batch in self._captures.newest(newest, with_inputs=False):
            known += len(batch)
            if known >= wanted * _REACH:
                break
        step = max(1, min(known, wanted * _REACH) // wanted) if wanted else 1
        place, taken, size = 0, 0, 0
        for batch in self._captures.newest(newest):
            for item in batch:
                place += 1
                if taken >= wanted or size >= _LARGEST_BYTES:
                    return
                if place % step == 0 and _is_taken(signature, item):
                    taken += 1
                    size += sum(tensor.nbytes for tensor in item.inputs.values())
                    yield Request(id=item.id, at=item.at, rows=item.rows, inputs=item.inputs)


def _is_taken(signature: Signature, item: Captured) -> bool:
    """Requests that the running version takes; those of another version that took others are none of its callers'."""
    try:
        check_inputs(signature, item.inputs)
    except InvalidInputError:
        return False
    return True
