"""AutoGluon as one candidate: judged on the folds of all others, within its share of the time.

It is compared and not deployed: what it saves are pickles, which no version may consist of.
Source: N. Erickson et al., "AutoGluon-Tabular", 2020.
"""

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from statistics import fmean, stdev
from time import perf_counter

import numpy as np

from modelyard.algorithms.automl.foreign import autogluon_program
from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.automl.tasks.tables import TableSubject
from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.tables.tensors import CATEGORICAL, NUMERIC
from modelyard.types.automl.reports import Candidate, CandidateStatus

AUTOGLUON = "autogluon"
SHARE = 0.3
"""Of the time that the search has."""
_FEWEST_SECONDS = 20.0
"""Its imports and five fits take that long where nothing else runs."""
_END_SHARE = 0.1
"""Of its time: so much before the end it is told to be ready, for it does not keep to the second."""
_LONGEST_MESSAGE = 500
_METRICS = {"rmse": "root_mean_squared_error", "mae": "mean_absolute_error", "macro_f1": "f1_macro"}
_BINARY = 2


def wanted_seconds(python: Path | None, seconds: float, context: TrainingContext) -> float:
    """How much of `seconds` AutoGluon gets: 0 without an environment or enough time, and a log line says so."""
    if python is None:
        context.log("AutoGluon takes no part: no environment that has it was named")
        return 0.0
    share = SHARE * seconds
    if share < _FEWEST_SECONDS:
        context.log(
            f"AutoGluon takes no part: its share of the time is {share:.0f} s, it needs {_FEWEST_SECONDS:.0f} s"
        )
        return 0.0
    return share


def try_autogluon(
    python: Path, judges: CrossValidation, number: int, seconds: float, context: TrainingContext
) -> Candidate:
    """Fit it to the folds of the first deal and score its answers, in a process of its own that ends in time.

    Args:
        python: interpreter of an environment with AutoGluon.
        judges: how candidates are judged; its subject is a table.
        number: of the candidate.
        seconds: after which it is ended.
        context: of the job.
    """
    folder = context.output.parent / AUTOGLUON
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    begin = perf_counter()
    try:
        _write_task(folder, judges, seconds * (1 - _END_SHARE), context.threads)
        message, is_overdue = _run([str(python), "-I", "-B", autogluon_program.__file__, str(folder)], folder, seconds)
        if message:
            status = CandidateStatus.OVERDUE if is_overdue else CandidateStatus.FAILED
            return _candidate(number, status, message=message)
        return _judged(folder, judges, number)
    except (OSError, ValueError, TypeError, LookupError, EOFError) as error:  # what the program wrote is data
        return _candidate(number, CandidateStatus.FAILED, message=f"its answers cannot be read: {error}")
    finally:
        context.log(f"AutoGluon took {perf_counter() - begin:.1f} s")
        shutil.rmtree(folder, ignore_errors=True)


def _write_task(folder: Path, judges: CrossValidation, seconds: float, threads: int) -> None:
    subject = judges.subject
    if not isinstance(subject, TableSubject):
        raise ValueError("AutoGluon takes tables")  # noqa: TRY004 - the service has refused anything else
    rows, outputs = subject.rows, subject.rows.outputs
    empty = np.empty((rows.count, 0))
    np.savez(
        folder / "rows.npz",
        allow_pickle=False,
        numbers=np.asarray(rows.tensors.get(NUMERIC, empty), dtype=np.float32),
        words=np.asarray(rows.tensors.get(CATEGORICAL, empty)).astype(str),
        target=rows.target,
        fold=judges.fold[0],
    )
    name = judges.objective.name
    kind = "regression" if rows.classes is None else "binary" if outputs == _BINARY else "multiclass"
    task = {
        "kind": kind,
        "metric": _METRICS.get(name, name),
        "outputs": outputs,
        "folds": judges.folds,
        "seconds": seconds,
        "threads": threads,
    }
    (folder / "task.json").write_text(json.dumps(task))


def _run(command: list[str], folder: Path, seconds: float) -> tuple[str, bool]:
    """What went wrong, "" if nothing; and whether it was the time."""
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        )  # fmt: skip
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return "the time was over", True
        finally:
            with suppress(ProcessLookupError):  # all that it started is of its group, and may outlive it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code == 0:
        return "", False
    said = (folder / "output.txt").read_text(errors="replace").strip().splitlines()
    return f"AutoGluon ended with {code}: {said[-1] if said else 'it said nothing'}"[:_LONGEST_MESSAGE], False


def _judged(folder: Path, judges: CrossValidation, number: int) -> Candidate:
    answers = np.load(folder / "answers.npy", allow_pickle=False).astype(np.float64)
    figures = json.loads((folder / "figures.json").read_text())
    target, fold = judges.subject.target, judges.fold[0]
    scores = tuple(judges.objective.score(target[fold == each], answers[fold == each]) for each in range(judges.folds))
    if not np.isfinite(scores).all():
        raise ValueError("some are no numbers")
    return _candidate(
        number,
        CandidateStatus.COMPLETED,
        scores=scores,
        fit_seconds=float(figures["fit_seconds"]),
        latency_ms=round(float(figures["latency_ms"]), 4),
    )


def _candidate(
    number: int,
    status: CandidateStatus,
    *,
    scores: tuple[float, ...] = (),
    fit_seconds: float | None = None,
    latency_ms: float | None = None,
    message: str = "",
) -> Candidate:
    return Candidate(
        number=number,
        algorithm=AUTOGLUON,
        hyperparameters={},
        source=AUTOGLUON,
        status=status,
        score=fmean(scores) if scores else None,
        score_error=stdev(scores) / len(scores) ** 0.5 if scores else None,
        folds=scores,
        fit_seconds=fit_seconds,
        latency_ms=latency_ms,
        message=message,
        is_deployable=False,
    )
