"""A job's output: read live from the engine, kept in the object store when the job has ended."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import msgspec

from modelyard.control.jobs.gangs.members import process_count, process_id
from modelyard.control.jobs.scripts.metrics import metric_points
from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.kit.metric_lines import PREFIX as METRIC_PREFIX
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore
from modelyard.types.contract.recipes import ContractRecipe
from modelyard.types.jobs import Job, MetricPoint
from modelyard.types.processes import LogChunk
from modelyard.types.scripting.recipes import ScriptRecipe

_LOOK_BYTES = 1 << 20


def without_metrics(text: str) -> str:
    """Output without the lines that carry metrics, for readers who look for the reason of an end."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(METRIC_PREFIX))


class _MetricLine(msgspec.Struct, frozen=True):
    name: str
    value: float
    step: int = 0


class JobOutput:
    """Reads, archives and parses what a job printed."""

    def __init__(self, engine: Engine, objects: ObjectStore) -> None:
        self._engine = engine
        self._objects = objects

    def read(self, job: Job, offset: int, rank: int = 0) -> LogChunk:
        """Output of the present attempt, or of one of its members, from byte `offset`."""
        try:
            return self._engine.logs(process_id(job, rank), offset)
        except ProcessNotFoundError:
            return self._read_archive(job, offset, rank)

    def archive(self, job: Job) -> None:
        """Copy the output of the present attempt to the object store."""
        for rank in range(process_count(job)):
            with suppress(ProcessNotFoundError):  # it was not submitted, or is archived already
                self._objects.put_stream(_key(job, rank), self._chunks(job, rank))

    def metric_lines(self, job: Job, offset: int, at: datetime) -> tuple[list[MetricPoint], int]:
        """Metric values in the whole lines from byte `offset`, and the offset after them."""
        chunk = self._engine.logs(process_id(job), offset, _LOOK_BYTES)
        end = chunk.text.rfind("\n") + 1
        if end == 0:  # a line as long as this carries no metric, and may never end
            return [], chunk.next_offset if chunk.next_offset - offset >= _LOOK_BYTES else offset
        text = chunk.text[:end]
        program = job.recipe.script or job.recipe.contract
        defined = metric_points(_own(text, program), program.metrics, at) if program and program.metrics else []
        return parse_metrics(text, at) + defined, _after(chunk, offset, end)

    def _read_archive(self, job: Job, offset: int, rank: int) -> LogChunk:
        try:
            size = self._objects.info(_key(job, rank)).size_bytes
        except ObjectNotFoundError:
            return LogChunk(text="", next_offset=offset)
        if offset >= size:
            return LogChunk(text="", next_offset=offset)
        content = b"".join(self._objects.stream(_key(job, rank), offset, min(size, offset + (1 << 20))))
        return LogChunk(text=content.decode(errors="replace"), next_offset=offset + len(content))

    def _chunks(self, job: Job, rank: int) -> Iterator[bytes]:
        offset = 0
        while (chunk := self._engine.logs(process_id(job, rank), offset)).next_offset > offset:
            yield chunk.text.encode()
            offset = chunk.next_offset


def parse_metrics(text: str, at: datetime) -> list[MetricPoint]:
    """The metric values in some log lines; a line that only looks like one is left alone."""
    points = []
    for line in text.splitlines():
        if line.startswith(METRIC_PREFIX):
            try:
                found = msgspec.json.decode(line.removeprefix(METRIC_PREFIX), type=_MetricLine)
            except msgspec.MsgspecError:
                continue
            points.append(MetricPoint(name=found.name[:128], value=found.value, step=found.step, at=at))
    return points


def _after(chunk: LogChunk, offset: int, end: int) -> int:
    """The offset of the character at `end`.

    Counted from the end of the chunk, for old output may have been dropped; bytes that are no UTF-8 have another
    length as text, so where some are behind `end` it is counted from the front.
    """
    rest = chunk.text[end:]
    if "\ufffd" not in rest:
        return chunk.next_offset - len(rest.encode())
    return min(offset + len(chunk.text[:end].encode()), chunk.next_offset)


def _own(text: str, program: ScriptRecipe | ContractRecipe) -> str:
    """The lines whose metrics count: of a gang those of its first member."""
    if program.hosts == 1 or (isinstance(program, ScriptRecipe) and program.is_distributed):
        return text
    return "".join(line for line in text.splitlines(keepends=True) if line.startswith("[0] "))


def _key(job: Job, rank: int) -> str:
    return f"logs/jobs/{job.id}/{job.attempt}{f'-rank-{rank}' if rank else ''}.log"
