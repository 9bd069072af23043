"""How fast a batch job is beside a bare loop over the same predictor, in turns, for three kinds of models.

Usage: python benchmarks/batch.py [ROWS] [ROUNDS]      (500000 rows and 5 rounds if not given: some minutes)

A Parquet file of an id and 30 numbers is answered in three ways, each in a new process with one thread for the model:

* loop: what a person writes. For each batch of the file: put the columns into a matrix, ask the predictor, write
  columns and answers to a Parquet file with the same settings as the job's.
* job: the batch job's own process. Beside that it checks every cell, keeps finished shards, and tells how far it is.
* model: the predictor alone, over the same batches ready in memory. No data is there by itself; it says how much of
  the loop is the model.

Once on one core and once on all. Times begin when the model is loaded, and end when the output is complete. On a busy
machine look at the shares, which are medians over pairs of rounds, and at the processor time.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from modelyard.runtimes.bundle import write_manifest
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard, Task
from modelyard.types.signatures import DataType, Signature, TensorSpec

PROGRAM = Path(__file__).parent / "batch_parts" / "ways.py"
FEATURES = 30
MODELS = ("linear", "forest", "boosted")
WAYS = ("loop", "job", "model")
AIM = 0.8


def main(rows: int, rounds: int) -> int:
    """Measure, print, and say by the exit code whether the aim is met for every model."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="modelyard-batch-") as name:
        folder = Path(name)
        prepare(folder, rows)
        print(f"{rows:,} rows, {FEATURES} columns, {rounds} rounds; rows/s are medians, shares medians over the rounds")
        print("| model | cores | loop rows/s | job rows/s | job / loop | in processor time | model alone rows/s |")
        print("|---|---|---|---|---|---|---|")
        places = [(model, chosen) for model in MODELS for chosen in dict.fromkeys((tuple(cores[:1]), tuple(cores)))]
        shares = [compare(folder, model, chosen, rows, rounds) for model, chosen in places]
    return 0 if min(shares) >= AIM else 1


def compare(folder: Path, model: str, cores: tuple[int, ...], rows: int, rounds: int) -> float:
    """Print a line; the share of the loop's speed that the job has."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for count in range(rounds):
        for way in WAYS if count % 2 else reversed(WAYS):
            command = [sys.executable, str(PROGRAM), way, str(folder), model]
            environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            told = subprocess.run(
                ["taskset", "-c", ",".join(map(str, cores)), *command],
                check=True,
                capture_output=True,
                text=True,
                env=environment,
            )
            seconds, processor = json.loads(told.stdout.splitlines()[-1])
            found[way].append((seconds, processor))
    speed = {way: rows / statistics.median(seconds for seconds, _ in found[way]) for way in WAYS}
    pairs = list(zip(found["loop"], found["job"], strict=True))
    share, processor_share = (statistics.median(loop[at] / job[at] for loop, job in pairs) for at in (0, 1))
    print(
        f"| {model} | {len(cores)} | {speed['loop']:,.0f} | {speed['job']:,.0f} | {share:.2f} | {processor_share:.2f} "
        f"| {speed['model']:,.0f} |",
        flush=True,
    )
    return share


def prepare(folder: Path, rows: int) -> None:
    """Write the data, and a bundle for each model."""

    random = np.random.default_rng(0)
    data = random.normal(size=(rows, FEATURES)).astype(np.float32)
    columns = {"id": np.arange(rows), **{f"f{index}": data[:, index] for index in range(FEATURES)}}
    pq.write_table(pa.table(columns), folder / "data.parquet", row_group_size=100_000, use_dictionary=False)
    learnt = data[:2000]
    labels = (learnt[:, :3].sum(axis=1) + 0.3 * random.normal(size=len(learnt)) > 0).astype(np.int64)
    for model in MODELS:
        write_bundle(folder / model, model, learnt, labels)


def write_bundle(folder: Path, model: str, learnt, labels) -> None:
    """Fit a model, and write it as an ONNX bundle."""

    estimator = {
        "linear": LogisticRegression(),
        "forest": RandomForestClassifier(100, random_state=0, min_samples_leaf=5),
        "boosted": HistGradientBoostingClassifier(max_iter=100, random_state=0),
    }[model].fit(learnt, labels)
    graph = to_onnx(estimator, learnt[:1], options={"zipmap": False}, target_opset=17)
    folder.mkdir()
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    label, probabilities = (output.name for output in graph.graph.output)
    columns = tuple(f"f{index}" for index in range(FEATURES))
    name = graph.graph.input[0].name
    signature = Signature(
        inputs=(TensorSpec(name=name, datatype=DataType.FP32, shape=(-1, FEATURES), columns=columns),),
        outputs=(
            TensorSpec(name=label, datatype=DataType.INT64, shape=(-1,)),
            TensorSpec(name=probabilities, datatype=DataType.FP32, shape=(-1, 2), columns=("0", "1")),
        ),
    )
    card = ModelCard(task=Task.TABULAR_CLASSIFICATION)
    manifest = Manifest(artifact="model.onnx", artifact_format=ArtifactFormat.ONNX, signature=signature, card=card)
    write_manifest(folder, manifest)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*(given + [500_000, 5][len(given) :])))
