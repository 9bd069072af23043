"""AutoGluon beside the other candidates. What stands for it here is scikit-learn under AutoGluon's names."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from modelyard.algorithms.automl.foreign.autogluon import SHARE, try_autogluon, wanted_seconds
from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.automl.judging.objectives import find_objective
from modelyard.algorithms.automl.tasks.catalog import open_subject
from modelyard.algorithms.run import JobContext
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.automl.reports import AutoMLReport, Candidate, CandidateStatus

STAND_IN = """
import pandas
from sklearn.linear_model import LinearRegression, LogisticRegression

class TabularPredictor:
    def __init__(self, label, problem_type, eval_metric, path, verbosity, learner_kwargs):
        self.label, self.metric = label, eval_metric
        self.model = LinearRegression() if problem_type == "regression" else LogisticRegression(max_iter=500)

    def fit(self, rows, time_limit, presets, num_cpus, num_gpus):
        self.model.fit(rows.drop(columns=self.label)[["number 0", "number 1"]], rows[self.label])
        return self

    def predict(self, rows):
        return pandas.Series(self.model.predict(rows[["number 0", "number 1"]]), index=rows.index)

    def predict_proba(self, rows):
        shares = self.model.predict_proba(rows[["number 0", "number 1"]])
        return pandas.DataFrame(shares, columns=self.model.classes_, index=rows.index)
"""


def interpreter(folder: Path, stand_in: str) -> Path:
    """A Python that has the stand-in among its packages."""
    package = folder / "packages" / "autogluon"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "tabular.py").write_text(stand_in)
    start = f"import runpy, sys; sys.path.insert(0, {str(package.parent)!r}); sys.argv = sys.argv[1:]"
    run = "runpy.run_path(sys.argv[0], run_name='__main__')"
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} -c "{start}; {run}" "$@"\n')
    python.chmod(0o755)
    return python


def table(*, is_classifier: bool) -> str:
    random = np.random.default_rng(0)
    lines = []
    for _ in range(120):
        a, b = random.normal(size=2)
        target = "abc"[int(np.digitize(a + 0.2 * random.normal(), [-0.5, 0.5]))] if is_classifier else f"{a - b:.4f}"
        lines.append(f"{a:.4f},{b:.4f},{'xy'[int(b > 0)]},{target}")
    return "\n".join(["a,b,word,y", *lines]) + "\n"


def opened(workshop, *, is_classifier: bool) -> tuple[CrossValidation, JobContext]:
    subject = open_subject(workshop.csv(table(is_classifier=is_classifier)), "y", AutoMLRecipe())
    judges = CrossValidation(subject=subject, fold=subject.deal(0), objective=find_objective("", subject))
    return judges, JobContext(seed=0, threads=1, target="y", output=workshop.folder / "output")


@pytest.mark.parametrize("is_classifier", [True, False])
def test_it_is_judged_on_the_folds_of_all_others_and_never_deployed(workshop, is_classifier: bool):
    judges, context = opened(workshop, is_classifier=is_classifier)
    found = try_autogluon(interpreter(workshop.folder, STAND_IN), judges, 7, 120, context)
    assert (found.status, found.message, found.number, found.is_deployable) == (CandidateStatus.COMPLETED, "", 7, False)
    numbers, target = judges.subject.rows.tensors["numeric"], judges.subject.target
    for fold, score in enumerate(found.folds):
        learnt, judged = judges.fold[0] != fold, judges.fold[0] == fold
        if is_classifier:
            answers = (
                LogisticRegression(max_iter=500).fit(numbers[learnt], target[learnt]).predict_proba(numbers[judged])
            )
        else:
            answers = LinearRegression().fit(numbers[learnt], target[learnt]).predict(numbers[judged])[:, None]
        assert score == pytest.approx(judges.objective.score(target[judged], answers), rel=1e-3)
    assert len(found.folds) == judges.folds
    other = Candidate(number=0, algorithm="forest-regression", hyperparameters={}, source="start", status="completed")
    report = AutoMLReport(candidates=(other, found), is_objective_maximised=False)
    assert [each.number for each in report.leaderboard()] == [7]
    assert not (workshop.folder / "autogluon").exists()


def test_what_goes_wrong_in_its_environment_is_told_and_it_is_ended_in_time(workshop):
    judges, context = opened(workshop, is_classifier=False)
    found = try_autogluon(Path(sys.executable), judges, 3, 120, context)
    assert (found.status, found.score) == (CandidateStatus.FAILED, None)
    assert "No module named 'autogluon'" in found.message
    mute = interpreter(workshop.folder / "mute", "import sys\nopen('answers.npy', 'w').close()\nsys.exit(0)")
    found = try_autogluon(mute, judges, 3, 120, context)
    assert found.status is CandidateStatus.FAILED
    assert "cannot be read" in found.message
    asleep = interpreter(workshop.folder, "import time\ntime.sleep(600)")
    begin = time.monotonic()
    assert try_autogluon(asleep, judges, 3, 1, context).status is CandidateStatus.OVERDUE
    assert time.monotonic() - begin < 60


def test_without_an_environment_or_with_too_little_time_it_takes_no_part_and_the_log_says_why(workshop, capsys):
    _, context = opened(workshop, is_classifier=False)
    assert wanted_seconds(None, 600, context) == 0
    assert "no environment that has it was named" in capsys.readouterr().out
    assert wanted_seconds(Path(sys.executable), 30, context) == 0
    assert "it needs 20 s" in capsys.readouterr().out
    assert wanted_seconds(Path(sys.executable), 600, context) == SHARE * 600
