"""A job's samples: read live from the engine, kept in the object store when an attempt is over."""

from collections.abc import Sequence

import msgspec

from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore
from modelyard.types.debugging.profiles import ProcessSample
from modelyard.types.jobs import Job


class KeptSamples:
    """Reads and archives them. Safe from any thread."""

    def __init__(self, engine: Engine, objects: ObjectStore) -> None:
        self._engine = engine
        self._objects = objects

    def read(self, job: Job) -> Sequence[ProcessSample]:
        """Of the present or last attempt; of the one before while the present one has not begun."""
        for attempt in range(job.attempt, max(0, job.attempt - 2), -1):
            found = self._of(job.id, attempt)
            if found:
                return found
        return []

    def archive(self, job: Job) -> None:
        """Keep those of the present attempt, which is over."""
        samples = self._engine.samples(f"{job.id}-{job.attempt}")
        if samples:
            self._objects.put_stream(_key(job.id, job.attempt), iter((msgspec.json.encode(samples),)))

    def _of(self, job_id: str, attempt: int) -> Sequence[ProcessSample]:
        try:
            return self._engine.samples(f"{job_id}-{attempt}")
        except ProcessNotFoundError:
            pass
        try:
            return msgspec.json.decode(self._objects.read(_key(job_id, attempt)), type=list[ProcessSample])
        except ObjectNotFoundError:
            return []


def _key(job_id: str, attempt: int) -> str:
    return f"profiles/jobs/{job_id}/{attempt}.json"
