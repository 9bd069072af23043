"""Which captured requests a replay sends, and how they get to the job."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from modelyard.algorithms.replay.requests import Request, write_requests
from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.masked import masked_inputs
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Captured requests for a replay.

    Attributes:
        requests: the dataset version; None if there are none.
        count: how many it holds.
        masked: how many were met and left out because inputs of theirs were hashed or dropped.
    """

    requests: DatasetVersion | None = None
    count: int = 0
    masked: int = 0


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

    def store(self, run: RetrainingRun, signature: Signature, wanted: int) -> Sample:
        """A dataset version of at most `wanted` requests from before the run."""
        found, masked = self._sample(run, signature, wanted)
        if not found:
            return Sample(masked=masked)
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
        return Sample(requests=version, count=len(found), masked=masked)

    def _sample(self, run: RetrainingRun, signature: Signature, wanted: int) -> tuple[list[Request], int]:
        """Every k-th of the newest requests until they are enough or too large together, and how many are masked."""
        found: list[Request] = []
        masked, size = 0, 0
        for item in self._spread(run, wanted):
            if len(found) >= wanted or size >= _LARGEST_BYTES:
                break
            if masked_inputs(signature, item.masked):
                masked += 1
            elif _is_taken(signature, item):
                size += sum(tensor.nbytes for tensor in item.inputs.values())
                found.append(Request(id=item.id, at=item.at, rows=item.rows, inputs=item.inputs))
        return found, masked

    def _spread(self, run: RetrainingRun, wanted: int) -> Iterator[Captured]:
        """Every k-th of the newest requests, newest first."""
        newest = BatchFilter(project=run.project, endpoint=run.endpoint, until=run.started_at)
        known = 0
        for batch in self._captures.newest(newest, with_inputs=False):
            known += len(batch)
            if known >= wanted * _REACH:
                break
        step = max(1, min(known, wanted * _REACH) // wanted) if wanted else 1
        every = chain.from_iterable(self._captures.newest(newest))
        yield from islice(every, step - 1, None, step)


def _is_taken(signature: Signature, item: Captured) -> bool:
    """Requests that the running version takes; those of another version that took others are none of its callers'."""
    try:
        check_inputs(signature, item.inputs)
    except InvalidInputError:
        return False
    return True
