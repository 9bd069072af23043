"""Answers a Parquet file in one of three ways, and prints its seconds and its processor time as JSON.

`python ways.py loop|job|model FOLDER MODEL`; what they are is said in benchmarks/batch.py.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.algorithms.batch.batch import batch
from modelyard.algorithms.jobfile import BatchFiles, JobFile
from modelyard.algorithms.run import JobContext
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.batch.recipes import BatchRecipe
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobRecipe

BATCH = 4096


def run_job(folder: Path, model: str) -> None:
    """What the platform's job process does."""

    with tempfile.TemporaryDirectory(dir=folder) as work:
        (Path(work) / "shards").mkdir()
        files = BatchFiles(
            input=folder / "data.parquet", format=DatasetFormat.PARQUET, shards=Path(work) / "shards", python=None
        )
        recipe = JobRecipe(algorithm="batch", batch=BatchRecipe(output="scored"))
        job = JobFile(recipe=recipe, channels={}, candidates={model: folder / model}, batch=files)
        before = time.process_time()
        figures = batch(job, JobContext(seed=0, threads=1, target=None, output=Path(work)))
        # The job itself says how long it took without loading; loading costs the loop as much processor time.
        print(json.dumps([figures["seconds"], time.process_time() - before]))


def run_loop(folder: Path, model: str) -> None:
    """What a person writes."""

    before = time.process_time()
    manifest, predictor = load_bundle(folder / model)
    (spec,) = manifest.signature.inputs
    label, probabilities = (output.name for output in manifest.signature.outputs)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as work, pq.ParquetFile(folder / "data.parquet") as file:
        added = [("label", pa.int64()), ("p0", pa.float32()), ("p1", pa.float32())]
        schema = pa.schema([*file.schema_arrow, *(pa.field(*each) for each in added)])
        settings = {"compression": "zstd", "compression_level": 1, "use_dictionary": False}
        with pq.ParquetWriter(Path(work) / "scored.parquet", schema, **settings) as writer:
            waiting = []
            for read in file.iter_batches(batch_size=BATCH):
                matrix = np.empty((read.num_rows, len(spec.columns)), dtype=np.float32)
                for index, name in enumerate(spec.columns):
                    matrix[:, index] = read.column(name).to_numpy()
                answer = predictor.predict({spec.name: matrix})
                shares = answer[probabilities]
                arrays = [answer[label], np.ascontiguousarray(shares[:, 0]), np.ascontiguousarray(shares[:, 1])]
                waiting.append(pa.RecordBatch.from_arrays([*read.columns, *map(pa.array, arrays)], schema=schema))
                if len(waiting) * BATCH >= 100_000:
                    writer.write_table(pa.Table.from_batches(waiting))
                    waiting.clear()
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting))
        seconds = time.perf_counter() - begin
    print(json.dumps([seconds, time.process_time() - before]))


def run_model(folder: Path, model: str) -> None:
    """The predictor alone."""

    manifest, predictor = load_bundle(folder / model)
    (spec,) = manifest.signature.inputs
    table = pq.read_table(folder / "data.parquet", columns=list(spec.columns))
    matrix = np.stack([column.to_numpy() for column in table.columns], axis=1)
    begin, before = time.perf_counter(), time.process_time()
    for start in range(0, len(matrix), BATCH):
        predictor.predict({spec.name: matrix[start : start + BATCH]})
    print(json.dumps([time.perf_counter() - begin, time.process_time() - before]))


if __name__ == "__main__":
    {"loop": run_loop, "job": run_job, "model": run_model}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
