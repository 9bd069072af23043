"""The batch job on real bundles and files: order, types, faults of single rows, and what a crash leaves."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from modelyard.algorithms import run
from modelyard.algorithms.batch import batch as batch_module
from modelyard.algorithms.batch.cells import to_tensors
from modelyard.algorithms.batch.columns import InputColumns, plan_answers, plan_batch
from modelyard.algorithms.batch.predicting import BatchPredictor
from modelyard.algorithms.errors import ColumnsInvalidError, NoRowAnsweredError
from modelyard.algorithms.jobfile import JOB_FILE, BatchFiles, JobFile
from modelyard.data.errors import CsvInvalidError, DatasetEmptyError, DatasetInvalidError
from modelyard.runtimes.base import PredictionFailedError, Predictor
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.batch.recipes import BatchRecipe
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobRecipe
from modelyard.types.signatures import DataType, Signature, TensorSpec

ROWS = 600


@pytest.fixture
def houses(workshop) -> Path:
    """A bundle that predicts a price from rooms, area and town."""
    random = np.random.default_rng(0)
    rooms, area = random.integers(1, 9, ROWS), random.uniform(20, 200, ROWS).round(1)
    town = random.choice(["delft", "paris"], ROWS)
    price = rooms * 0.1 + area * 0.3 + np.where(town == "paris", 9, 0)
    lines = "".join(f"{r},{a},{t},{p:.3f}\n" for r, a, t, p in zip(rooms, area, town, price, strict=True))
    channel = workshop.csv(f"rooms,area,town,price\n{lines}")
    return workshop.train("linear-regression", channel, target="price")[0]


@pytest.fixture
def work(workshop, houses):
    """`work(file, keep=..., ...)`: the figures and the output table of a batch job; shards stay from run to run."""

    def run_job(file: Path, *, bundle: Path = houses, **recipe) -> tuple[dict, pa.Table]:
        folder, shards = workshop.folder / "batch", workshop.folder / "shards"
        for each in (folder, shards):
            each.mkdir(exist_ok=True)
        kind = DatasetFormat.PARQUET if file.suffix == ".parquet" else DatasetFormat.CSV
        job = JobFile(
            recipe=JobRecipe(algorithm="batch", batch=BatchRecipe(output="scored", **recipe)),
            channels={},
            candidates={"houses:1": bundle},
            batch=BatchFiles(input=file, format=kind, shards=shards, lineage={"model": "houses:1"}),
        )
        (folder / JOB_FILE).write_bytes(job.to_json())
        figures = run.run(folder)
        return figures, pq.read_table(folder / "output" / batch_module.OUTPUT_FILE)

    return run_job


def table_of(rows: int, **more) -> pa.Table:
    columns = {
        "id": np.arange(rows),
        "rooms": (np.arange(rows) % 8 + 1).astype(np.int32),
        "area": np.linspace(20, 200, rows),
        "town": ["delft" if row % 2 else "paris" for row in range(rows)],
    }
    return pa.table(columns | more)


def test_answers_are_those_of_the_model_in_the_order_of_the_rows_with_their_columns(work, workshop, houses):
    path = workshop.folder / "new.parquet"
    pq.write_table(table_of(25_000), path, row_group_size=7_000)
    figures, table = work(path)
    assert (figures["rows"], figures["rows_failed"], figures["rows_resumed"]) == (25_000, 0, 0)
    assert table.column_names == ["id", "rooms", "area", "town", "prediction", "error"]
    assert table.schema.field("rooms").type == pa.int32()
    assert table["id"].to_pylist() == list(range(25_000))
    assert table["error"].null_count == 25_000
    source = table_of(25_000)
    numeric = np.stack([source["rooms"].to_numpy(), source["area"].to_numpy()], axis=1).astype(np.float32)
    towns = np.array(source["town"].to_pylist(), dtype=object).reshape(-1, 1)
    expected = load_bundle(houses)[1].predict({"numeric": numeric, "categorical": towns})["prediction"]
    assert np.allclose(table["prediction"].to_numpy(), expected.reshape(-1), rtol=1e-5)
    assert json.loads(table.schema.metadata[b"modelyard"]) == {"model": "houses:1"}


def test_rows_that_do_not_fit_get_an_error_and_the_others_an_answer(work, workshop):
    path = workshop.folder / "new.csv"
    path.write_text(
        "id;rooms;area;town;seen\n07;3;80;delft;yes\n08;many;70;paris;no\n09;2;1e60;paris;no\n"
        "10;;60.5;atlantis;yes\n11;4;;;no\n12;yes;1,200;paris;no\n"
    )
    figures, table = work(path)
    errors = table["error"].to_pylist()
    assert (figures["rows"], figures["rows_failed"]) == (6, 2)
    assert errors[1] == "tensor_type: column 'rooms' holds 'many', the model takes a number"
    assert errors[2].startswith("tensor_type: column 'area' holds '1e60', the model takes a finite number")
    assert [error is None for error in errors] == [True, False, False, True, True, True], "an unseen town is no fault"
    assert [value is None for value in table["prediction"].to_pylist()] == [False, True, True, False, False, False]
    assert table["id"].to_pylist()[:2] == ["07", "08"], "codes stay as they are"
    assert table["rooms"].to_pylist()[1] == "many", "what is wrong with a row can be seen beside its error"
    assert table["seen"].to_pylist()[:2] == [True, False]


def test_a_kill_after_some_shards_costs_only_the_others(work, workshop, monkeypatch):
    monkeypatch.setattr(batch_module, "_SHARD_ROWS", 4096)
    path = workshop.folder / "new.parquet"
    pq.write_table(table_of(20_000), path, row_group_size=3_000)
    _, whole = work(path, keep=("id",))
    shards = sorted((workshop.folder / "shards").iterdir())
    assert len(shards) == 5
    shards[3].write_bytes(shards[3].read_bytes()[:1000])  # as a power failure leaves it
    shards[4].unlink()
    kept = [shard.stat().st_mtime_ns for shard in shards[:3]]
    asked = []
    answer = BatchPredictor.answer
    monkeypatch.setattr(
        BatchPredictor,
        "answer",
        lambda self, inputs, rows, faults: asked.append(rows) or answer(self, inputs, rows, faults),
    )
    figures, again = work(path, keep=("id",))
    assert (figures["rows_resumed"], figures["rows"]) == (3 * 4096, 20_000)
    assert sum(asked) == 20_000 - 3 * 4096
    assert [shard.stat().st_mtime_ns for shard in shards[:3]] == kept
    assert again.equals(whole)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_finished_job_that_is_run_again_asks_nothing(work, workshop, monkeypatch, suffix):
    path = workshop.folder / f"new.{suffix}"
    table = table_of(9_000)
    pq.write_table(table, path) if suffix == "parquet" else pa.csv.write_csv(table, path)
    _, first = work(path)
    monkeypatch.setattr(BatchPredictor, "answer", lambda *_: 1 / 0)
    figures, second = work(path)
    assert figures["rows_resumed"] == 9_000
    assert second.equals(first)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", DatasetEmptyError, "no lines"),
        ("rooms,area,town\n", DatasetEmptyError, "no rows"),
        ("rooms,area,city\n1,2,x\n", ColumnsInvalidError, "no column 'town'"),
        ("rooms,area,town,prediction\n1,2,x,3\n", ColumnsInvalidError, "'prediction' already"),
        ("rooms,area,town\n1,2,x\n1,2\n", CsvInvalidError, "line 3"),
        ("rooms,area,town\nmany,2,x\nfew,2,x\n", NoRowAnsweredError, "None of the 2 rows"),
    ],
)
def test_data_that_cannot_be_answered_is_refused_with_what_is_wrong(work, workshop, text, error, words):
    path = workshop.folder / "new.csv"
    path.write_text(text)
    with pytest.raises(error, match=words) as caught:
        work(path)
    assert caught.value.hint


def test_parquet_without_rows_or_with_cells_that_no_dataset_has_is_refused_before_any_row(work, workshop):
    path = workshop.folder / "new.parquet"
    pq.write_table(table_of(3).slice(0, 0), path)
    with pytest.raises(DatasetEmptyError):
        work(path)
    pq.write_table(table_of(3, lists=[[1], [2], [3]]), path)
    with pytest.raises(DatasetInvalidError, match="'lists'"):
        work(path)
    figures, table = work(path, keep=())
    assert (figures["rows"], table.column_names) == (3, ["prediction", "error"])


def test_categories_of_pandas_and_a_prefix_are_no_obstacle(work, workshop):
    path = workshop.folder / "new.parquet"
    table = table_of(5_000, prediction=np.zeros(5_000))
    towns = table["town"].combine_chunks().dictionary_encode()
    pq.write_table(table.set_column(3, "town", towns), path, row_group_size=1_000)
    shutil.rmtree(workshop.folder / "shards", ignore_errors=True)
    figures, found = work(path, prefix="my_")
    assert figures["rows_failed"] == 0
    assert found.column_names[-3:] == ["prediction", "my_prediction", "my_error"]
    assert found["town"].to_pylist() == table["town"].to_pylist()


class Picky(Predictor):
    """Doubles numbers, and fails on batches that hold a 13."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, inputs):
        self.calls += 1
        if (inputs["x"] == 13).any():
            raise PredictionFailedError(ValueError("unlucky"))
        return {"y": inputs["x"] * 2}


def test_a_row_that_the_model_fails_on_is_found_among_thousands_with_few_calls():
    model, faults = Picky(), {5: "known before"}
    x = np.zeros(4096, dtype=np.float32)
    x[[100, 3000]] = 13
    answered = BatchPredictor(model).answer({"x": x}, 4096, faults)
    assert faults == {
        5: "known before",
        100: "prediction_failed: the model failed on this batch: unlucky",
        3000: "prediction_failed: the model failed on this batch: unlucky",
    }
    rows = np.concatenate([rows for rows, _ in answered])
    assert sorted(rows.tolist()) == [row for row in range(4096) if row not in faults]
    assert model.calls < 60


SPECS = {
    "whole": TensorSpec(name="whole", datatype=DataType.INT32, shape=(-1,)),
    "small": TensorSpec(name="small", datatype=DataType.UINT8, shape=(-1, 1)),
    "flag": TensorSpec(name="flag", datatype=DataType.BOOL, shape=(-1,)),
    "number": TensorSpec(name="number", datatype=DataType.FP32, shape=(-1,)),
    "word": TensorSpec(name="word", datatype=DataType.BYTES, shape=(-1, 1), columns=("word",)),
}


@pytest.mark.parametrize(
    ("name", "cells", "good"),
    [
        ("whole", pa.array([1, None, 3.5, 2**40, -7]), [0, 4]),
        ("whole", pa.array(["1", "x", "2.0", "", None]), [0, 2]),
        ("small", pa.array([0, 255, 256, -1]), [0, 1]),
        ("flag", pa.array([True, False, None]), [0, 1]),
        ("flag", pa.array(["yes", "0", "maybe", "2"]), [0, 1]),
        ("number", pa.array([1.0, None, float("inf"), float("nan"), 1e60]), [0]),
        ("word", pa.array(["a", "", None]), [0]),
        ("word", pa.array([1, 2]), [0, 1]),
    ],
)
def test_cells_that_a_type_does_not_have_are_faults_of_their_rows(name, cells, good):
    spec = SPECS[name]
    batch = pa.RecordBatch.from_arrays([cells], names=[name])
    tensors, faults = to_tensors(batch, [InputColumns(spec=spec, names=(name,))])
    assert sorted(set(range(len(cells))) - set(faults)) == good
    assert all(f"column '{name}'" in fault for fault in faults.values())
    assert tensors[name].shape[0] == len(cells)


def test_columns_without_names_go_by_order_beside_a_key():
    spec = TensorSpec(name="x", datatype=DataType.FP32, shape=(-1, 2))
    out = TensorSpec(name="variable", datatype=DataType.FP32, shape=(-1, 1))
    signature = Signature(inputs=(spec,), outputs=(out,))
    plan = plan_batch(signature, ["id", "a", "b"], BatchRecipe(output="o", keep=("id",)))
    assert plan.inputs[0].names == ("a", "b")
    assert [answer.name for answer in plan.answers] == ["prediction"]
    with pytest.raises(ColumnsInvalidError, match="2 columns without names, the table has 3"):
        plan_batch(signature, ["id", "a", "b"], BatchRecipe(output="o"))


def test_classes_get_a_column_each_and_images_none():
    label = TensorSpec(name="label", datatype=DataType.BYTES, shape=(-1,))
    shares = TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("no", "yes"))
    names = [answer.name for answer in plan_answers(Signature(inputs=(), outputs=(label, shares)), "")]
    assert names == ["prediction", "probability_no", "probability_yes"]
    image = TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, 8, 8))
    with pytest.raises(ColumnsInvalidError, match="not made of a table's columns"):
        plan_batch(Signature(inputs=(image,), outputs=(label,)), ["images"], BatchRecipe(output="o"))
