"""The job runner: `python -m modelyard.algorithms.run --job DIR` reads DIR/job.json and leaves DIR/result.json behind.

Training writes the bundle to DIR/output. Output lines are the job's log; those that start with "metric " carry a live
metric value as JSON. Exit code: 0 done, 1 a defect, 2 one of our errors (result.json says which), 143 stopped.
"""

import argparse
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from modelyard.algorithms.errors import ChannelInvalidError
from modelyard.algorithms.jobfile import JOB_FILE, OUTPUT_FOLDER, RESULT_FILE, JobFault, JobFile, JobResult
from modelyard.algorithms.programs import machine
from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.kit.metric_lines import log_metric

if TYPE_CHECKING:
    from modelyard.algorithms.checkpoints import Checkpoints

EVALUATION, REPLAY, BATCH, AUTOML = "evaluation", "replay", "batch", "automl"
_STOPPED = 128 + signal.SIGTERM
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """The TrainingContext of a job that runs as this process: everything goes to standard output at once."""

    seed: int
    threads: int
    target: str | None
    output: Path
    is_trial: bool = False
    checkpoint_folder: Path | None = None
    _started: float = field(default_factory=time.monotonic)

    @property
    def checkpoints(self) -> "Checkpoints":
        """In the job's folder for them, if it has one."""
        from modelyard.algorithms.checkpoints import Checkpoints  # noqa: PLC0415 - after the thread variables are set

        return Checkpoints(self.checkpoint_folder)

    def log(self, line: str) -> None:
        """Print a line with the seconds since the start."""
        _print(f"[{time.monotonic() - self._started:7.2f} s] {line}")

    def log_metric(self, name: str, value: float, step: int) -> None:
        """Print a metric line.

        Raises:
            InvalidInputError: the value is not a finite number.
        """
        if not math.isfinite(value):
            log_metric(name, value, step)
            raise InvalidInputError(
                f"Metric '{name}' became {value} at step {step}", hint="Lower the learning rate; check the data."
            )
        log_metric(name, value, step)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.algorithms.run", description=__doc__)
    parser.add_argument("--job", type=Path, required=True, help="folder with job.json")
    folder: Path = parser.parse_args(arguments).job
    signal.signal(signal.SIGTERM, _stop)
    try:
        figures = run(folder)
    except ModelyardError as error:
        _print(f"error {error.code}: {error.message}. {error.hint}")
        JobResult(error=JobFault.of(error)).write(folder / RESULT_FILE)
        return 2
    except Exception as error:  # noqa: BLE001 - whatever it is, the job's record must say it
        traceback.print_exc()
        message = f"The job failed unexpectedly: {type(error).__name__}: {error}"[:2000]
        fault = JobFault(code="internal", message=message, hint="This is a defect: the log has the details.")
        JobResult(error=fault).write(folder / RESULT_FILE)
        return 1
    JobResult(figures=figures).write(folder / RESULT_FILE)
    return 0


def run(folder: Path) -> dict[str, float | str]:
    """Run the job in `folder` in this process; its figures.

    Raises:
        ModelyardError: what was wrong with the job.
    """
    job = JobFile.read(folder / JOB_FILE)
    # Before NumPy is imported: its linear algebra reads them once. Results may differ between numbers of threads.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(job.threads)))
    output = folder / OUTPUT_FOLDER
    output.mkdir(exist_ok=True)
    recipe = job.recipe
    context = JobContext(
        seed=recipe.seed,
        threads=job.threads,
        target=recipe.target,
        output=output,
        is_trial=recipe.is_trial,
        checkpoint_folder=job.checkpoints,
    )
    kinds = {EVALUATION: _evaluate, REPLAY: _replay, BATCH: _batch, AUTOML: _automl}
    figures = kinds.get(recipe.algorithm, _train)(job, context)
    machine.write(folder / machine.MACHINE_FILE)
    context.log("done")
    return figures


def _train(job: JobFile, context: JobContext) -> dict[str, float | str]:
    from modelyard.algorithms import catalog, hyperparameters  # noqa: PLC0415 - after the thread variables are set
    from modelyard.algorithms.evaluation.figures import metric_figures  # noqa: PLC0415
    from modelyard.runtimes.bundle import read_manifest  # noqa: PLC0415

    algorithm = catalog.algorithm(job.recipe.algorithm)
    description = algorithm.description
    complete = hyperparameters.complete(description, job.recipe.hyperparameters)
    if "train" not in job.channels:
        raise ChannelInvalidError(
            "The job has no 'train' channel", hint="Name a dataset to train on.", field="channels.train"
        )
    for role, channel in job.channels.items():
        if role != "train":
            raise ChannelInvalidError(
                f"{description.name} has no channel '{role}'",
                hint="It takes 'train' alone and sets a part of it aside to measure on.",
                field=f"channels.{role}",
            )
        if channel.format not in description.input_formats:
            raise ChannelInvalidError(
                f"{description.name} takes {' or '.join(description.input_formats)}, channel '{role}' is "
                f"{channel.format.value}",
                hint="Choose another dataset or another algorithm.",
                field=f"channels.{role}",
            )
    context.log(f"{description.name} with seed {context.seed} on {context.threads} thread(s)")
    algorithm.train(job.channels, complete, context)
    return {**metric_figures(read_manifest(context.output).card.metrics)}


def _evaluate(job: JobFile, context: JobContext) -> dict[str, float | str]:
    from modelyard.algorithms.evaluation.evaluate import evaluate  # noqa: PLC0415 - after the thread variables are set

    return evaluate(job, context)


def _replay(job: JobFile, context: JobContext) -> dict[str, float | str]:
    from modelyard.algorithms.replay.replay import replay  # noqa: PLC0415 - after the thread variables are set

    return replay(job, context)


def _batch(job: JobFile, context: JobContext) -> dict[str, float | str]:
    from modelyard.algorithms.batch.batch import batch  # noqa: PLC0415 - after the thread variables are set

    return batch(job, context)


def _automl(job: JobFile, context: JobContext) -> dict[str, float | str]:
    from modelyard.algorithms.automl.automl import automl  # noqa: PLC0415 - after the thread variables are set

    return automl(job, context)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    _print("stopped: SIGTERM")
    raise SystemExit(_STOPPED)


if __name__ == "__main__":
    sys.exit(main())
