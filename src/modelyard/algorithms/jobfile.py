"""What a job reads and leaves behind: `job.json` (JobFile) and `result.json` (JobResult) in its folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from modelyard.algorithms.base import Channel
from modelyard.algorithms.errors import JobFileInvalidError
from modelyard.errors import ModelyardError
from modelyard.kit.files import write_atomic
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobRecipe

JOB_FILE = "job.json"
RESULT_FILE = "result.json"
OUTPUT_FOLDER = "output"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFiles:
    """What a batch job reads and keeps.

    Attributes:
        input: the rows.
        format: CSV or Parquet.
        shards: folder of finished shards, which outlives the job's process.
        python: interpreter of the model's own environment, if it is a program that has one.
        lineage: what the output is made of, to be written into it.
    """

    input: Path
    format: DatasetFormat
    shards: Path
    python: Path | None = None
    lineage: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """Everything a job needs to know.

    Attributes:
        recipe: what to compute.
        channels: role -> local data, for every role of the recipe.
        candidates: model version ref -> bundle folder, in the recipe's order; none for training.
        threads: cores that the job may use.
        batch: for batch jobs only.
        checkpoints: folder that outlives the job's process, for jobs that can go on where another attempt was.
        autogluon: interpreter of an environment with AutoGluon, for AutoML jobs.
    """

    recipe: JobRecipe
    channels: dict[str, Channel]
    candidates: dict[str, Path] = field(default_factory=dict)
    threads: int = 1
    batch: BatchFiles | None = None
    checkpoints: Path | None = None
    autogluon: Path | None = None

    def to_json(self) -> bytes:
        """The content of `job.json`."""
        return msgspec.json.encode(self, enc_hook=str)

    @staticmethod
    def read(path: Path) -> "JobFile":
        """Read `job.json`.

        Raises:
            JobFileInvalidError: it is not there, or damaged.
        """
        return _read(path, JobFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFault:
    """Why a job failed, as our errors say it."""

    code: str
    message: str
    hint: str = ""
    field: str | None = None

    @staticmethod
    def of(error: ModelyardError) -> "JobFault":
        """The fault of one of our errors."""
        return JobFault(code=error.code, message=error.message, hint=error.hint, field=error.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What a job found: held-out figures by name ("accuracy", "accuracy/low", ...), or the error that ended it.

    A figure that is a text names something ("new/slice/name").
    """

    figures: dict[str, float | str] = field(default_factory=dict)
    error: JobFault | None = None

    def write(self, path: Path) -> None:
        """Write `result.json`, whole or not at all."""
        write_atomic(path, msgspec.json.encode(self))

    @staticmethod
    def read(path: Path) -> "JobResult":
        """Read `result.json`.

        Raises:
            JobFileInvalidError: it is not there, or damaged.
        """
        return _read(path, JobResult)


def _read(path: Path, type_: type[_T]) -> _T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_, dec_hook=_decode_path)
    except OSError:
        raise JobFileInvalidError(f"The job's folder has no '{path.name}'", hint="Run the job again.") from None
    except msgspec.MsgspecError as error:
        raise JobFileInvalidError(f"'{path.name}' cannot be read: {error}", hint="Run the job again.") from error


def _decode_path(type_: type, value: Any) -> Any:
    if type_ is Path:
        return Path(value)
    raise NotImplementedError(type_)
