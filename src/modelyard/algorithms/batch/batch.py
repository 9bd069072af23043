"""The batch job: every row of a table answered by one model version, in order, beside columns of the table."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.batch.ahead import ahead
from modelyard.algorithms.batch.answers import AnswerTable
from modelyard.algorithms.batch.cells import to_tensors
from modelyard.algorithms.batch.columns import BatchColumns, plan_batch
from modelyard.algorithms.batch.predicting import ROWS_AT_ONCE, BatchPredictor
from modelyard.algorithms.batch.progress import Progress
from modelyard.algorithms.batch.shards import Shards
from modelyard.algorithms.batch.writing import OutputWriter
from modelyard.algorithms.errors import NoRowAnsweredError
from modelyard.algorithms.jobfile import BatchFiles, JobFile
from modelyard.data.batches import TableFile, open_table
from modelyard.data.errors import DatasetEmptyError
from modelyard.errors import InvalidInputError
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.batch.recipes import BatchRecipe

if TYPE_CHECKING:
    import pyarrow as pa

OUTPUT_FILE = "predictions.parquet"
LINEAGE_KEY = b"modelyard"

_SHARD_ROWS, _SHARD_CELLS = 50_000, 2_000_000
_SHARD_SECONDS = 5.0
"""A shard of a slow model ends after so long: no more work than this is lost with the process."""

_READ_AHEAD = 4

Figures = dict[str, float | str]


def batch(job: JobFile, context: TrainingContext) -> Figures:
    """Write OUTPUT_FILE; figures "rows", "rows_failed", "rows_resumed" (those of shards from before) and "seconds".

    Raises:
        InvalidInputError: the job names no version and no data.
        ArtifactInvalidError: the version does not load.
        ColumnsInvalidError: the table lacks columns, or the model is none for tables.
        DatasetInvalidError: the table is empty or damaged.
        NoRowAnsweredError: the model failed on every row.
    """
    if job.batch is None or job.recipe.batch is None or len(job.candidates) != 1:
        raise InvalidInputError("A batch job answers some data by one version", hint="Name a model version and data.")
    work = _Work(job.batch, job.recipe.batch, next(iter(job.candidates.values())), context)
    return work.run()


class _Work:
    def __init__(self, files: BatchFiles, recipe: BatchRecipe, bundle: Path, context: TrainingContext) -> None:
        self._context = context
        manifest, predictor = load_bundle(bundle, context.threads, files.python)
        self._predictor = BatchPredictor(predictor)
        self._table = open_table(files.input, files.format)
        if not self._table.rows:
            raise DatasetEmptyError("the table has no rows", hint="Give a table with at least one row.")
        self._columns = plan_batch(manifest.signature, self._table.names, recipe)
        self._answers = AnswerTable(self._columns, manifest.signature)
        self._schema = _schema(self._columns, self._table, self._answers, files.lineage)
        self._shards = Shards(files.shards, self._schema)

    def run(self) -> Figures:
        begin = time.monotonic()
        progress = Progress(self._context, self._table.rows, self._columns.error)
        with OutputWriter(self._context.output / OUTPUT_FILE, self._schema, self._shards, progress.add) as writer:
            for shard in self._shards.finished():
                writer.put(None, shard)
                progress.resume(shard)
            start = resumed = progress.rows
            if resumed:
                self._context.log(f"{resumed:,} of {self._table.rows:,} rows were answered before and are kept")
            progress.begin()
            for shard in self._answered(start):
                writer.put(start, shard)
                start += shard.num_rows
        progress.tell()
        check_answered(progress)
        self._context.log(f"answered {progress.rows:,} rows, {progress.failed_rows:,} of them with an error")
        return {
            "rows": float(progress.rows),
            "rows_failed": float(progress.failed_rows),
            "rows_resumed": float(resumed),
            "seconds": round(time.monotonic() - begin, 3),
        }

    def _answered(self, start: int) -> "Iterator[pa.Table]":
        """Shards from row `start` on."""
        import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

        most = max(ROWS_AT_ONCE, min(_SHARD_ROWS, _SHARD_CELLS // len(self._schema)))
        batches: list[pa.RecordBatch] = []
        rows, begin = 0, time.monotonic()
        for read in ahead(self._table.batches(self._columns.read, start, ROWS_AT_ONCE), _READ_AHEAD):
            batches.append(self._answer(read))
            rows += read.num_rows
            if rows >= most or time.monotonic() - begin > _SHARD_SECONDS:
                yield pa.Table.from_batches(batches, self._schema)
                batches.clear()
                rows, begin = 0, time.monotonic()
        if batches:
            yield pa.Table.from_batches(batches, self._schema)

    def _answer(self, read: "pa.RecordBatch") -> "pa.RecordBatch":
        import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

        tensors, faults = to_tensors(read, self._columns.inputs)
        answered = self._predictor.answer(tensors, read.num_rows, faults)
        kept = [self._table.kept(name, read.column(name)) for name in self._columns.kept]
        arrays = [*kept, *self._answers.arrays(read.num_rows, answered, faults)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def check_answered(progress: Progress) -> None:
    """Return if a row was answered.

    Raises:
        NoRowAnsweredError: all have errors.
    """
    if progress.failed_rows == progress.rows:
        raise NoRowAnsweredError(
            f"None of the {progress.rows:,} rows was answered. The first: {progress.first_error}"[:1000],
            hint="Ask an endpoint of this version about one row, and compare the columns.",
        )


def _schema(columns: BatchColumns, table: TableFile, answers: AnswerTable, lineage: dict[str, str]) -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - only tables need Arrow

    kept = [pa.field(name, table.kept_type(name)) for name in columns.kept]
    metadata = {LINEAGE_KEY: json.dumps(lineage, sort_keys=True).encode()}
    return pa.schema([*kept, *answers.fields()], metadata=metadata)
