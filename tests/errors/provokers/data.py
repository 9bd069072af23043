"""What can be wrong with data: in an upload, and in a job that reads it."""

import io
import os
import zipfile
from unittest import mock

import httpx
import numpy as np
from stage import Stage

from modelyard.algorithms.base import Channel
from modelyard.algorithms.images.training import _network_kind
from modelyard.algorithms.jobfile import JOB_FILE, JobFile
from modelyard.algorithms.run import run
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import DatasetRef, JobRecipe
from modelyard.types.models import DataReference
from provokers.registration import provokes


@provokes("dataset_empty")
def dataset_empty(stage: Stage) -> httpx.Response:
    return stage.dataset(b"a,b\n")


@provokes("dataset_format_unknown")
def dataset_format_unknown(stage: Stage) -> httpx.Response:
    return stage.dataset(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "report.pdf")


@provokes("csv_invalid")
def csv_invalid(stage: Stage) -> httpx.Response:
    return stage.dataset(b"a,b\n1,2\n1,2,3\n")


@provokes("dataset_invalid")
def dataset_invalid(stage: Stage) -> httpx.Response:
    content = io.BytesIO()
    np.savez(content, pictures=np.zeros((2, 8, 8), np.uint8))
    return stage.dataset(content.getvalue(), "digits.npz")


@provokes("dataset_too_large")
def dataset_too_large(stage: Stage) -> httpx.Response:
    return stage.dataset(b",".join(b"c%d" % n for n in range(20_001)) + b"\n" + b"1," * 20_000 + b"1\n")


@provokes("archive_unsafe")
def archive_unsafe(stage: Stage) -> httpx.Response:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("cats/../../../etc/cat.png", b"\x89PNG\r\n\x1a\n")
    return stage.dataset(content.getvalue(), "animals.zip")


@provokes("job_file_invalid")
def job_file_invalid(stage: Stage) -> None:
    run(stage.folder())


@provokes("channel_invalid")
def channel_invalid(stage: Stage) -> None:
    _train(stage, "x,label\n1,a\n", algorithm="image-classification")


@provokes("target_not_found")
def target_not_found(stage: Stage) -> None:
    _train(stage, _table("x,label", "{n},{n}"), target="lable")


@provokes("target_invalid")
def target_invalid(stage: Stage) -> None:
    _train(stage, _table("x,label", "{n},a"))


@provokes("columns_invalid")
def columns_invalid(stage: Stage) -> None:
    _train(stage, _table("id,label", "7,{odd}"))


@provokes("too_few_rows")
def too_few_rows(stage: Stage) -> None:
    _train(stage, "x,label\n1,a\n2,b\n")


@provokes("torch_missing")
def torch_missing(_stage: Stage) -> None:
    with mock.patch("importlib.util.find_spec", return_value=None):
        _network_kind("cnn")


def _table(header: str, row: str) -> str:
    return "\n".join([header, *(row.format(n=n, odd=n % 2) for n in range(60))])


def _train(stage: Stage, csv: str, *, algorithm: str = "linear-classification", target: str = "label") -> None:
    folder = stage.folder()
    (folder / "train.csv").write_text(csv)
    recipe = JobRecipe(algorithm=algorithm, channels={"train": DatasetRef(dataset="table", number=1)}, target=target)
    reference = DataReference(project="default", dataset="table", number=1, digest="5" * 64)
    channels = {"train": Channel(path=folder / "train.csv", format=DatasetFormat.CSV, reference=reference)}
    (folder / JOB_FILE).write_bytes(JobFile(recipe=recipe, channels=channels).to_json())
    with mock.patch.dict(os.environ):
        run(folder)
