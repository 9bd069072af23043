"""What an AutoML job's process writes reaches the database, whatever it writes."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from modelyard.algorithms.automl.checkpoint import REPORT, Checkpoint
from modelyard.control.jobs.automl.work import AutoMLWork
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.kit.clock import SystemClock
from modelyard.settings import Home
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.automl.reports import AutoMLReport, Candidate, CandidateStatus
from modelyard.types.jobs import Job, JobKind, JobRecipe, JobStatus
from modelyard.types.processes import Resources


def candidate(number: int, score: float | None, latency: float = 1.0) -> Candidate:
    status = CandidateStatus.FAILED if score is None else CandidateStatus.COMPLETED
    return Candidate(
        number=number,
        algorithm="a",
        hyperparameters={},
        source="start",
        status=status,
        score=score,
        latency_ms=latency,
    )


@pytest.fixture
def stage(database, tmp_path):
    job = Job(
        project="default",
        id="job-1",
        kind=JobKind.AUTOML,
        status=JobStatus.RUNNING,
        recipe=JobRecipe(algorithm="automl", automl=AutoMLRecipe()),
        resources=Resources(),
        model="m",
        attempt=1,
        sandbox=None,
        created_at=SystemClock().now(),
    )
    repository = JobRepository()
    with database.transaction() as connection:
        repository.insert(connection, job)
    work = AutoMLWork(database, repository, Checkpoints(Home(tmp_path), None, is_shared=False), Path)

    def stored():
        with database.read() as connection:
            return repository.report(connection, job.id)

    return SimpleNamespace(job=job, work=work, stored=stored)


def test_a_report_is_stored_when_it_changes_and_its_folder_goes_with_the_job(stage):
    folder, mount = stage.work.prepare(stage.job)
    assert mount.is_writable
    stage.work.look(stage.job)
    assert stage.stored() is None
    for spent in (1.0, 2.0):
        Checkpoint(folder).save(AutoMLReport(objective="rmse", spent_seconds=spent))
        stage.work.look(stage.job)
        assert stage.stored().spent_seconds == spent
    assert stage.work.prepare(stage.job)[0] == folder, "the next attempt finds it"
    stage.work.remove(stage.job)
    assert not folder.exists()
    assert stage.stored().spent_seconds == 2


def test_what_is_no_report_is_left_alone(stage, tmp_path):
    folder, _ = stage.work.prepare(stage.job)
    Checkpoint(folder).save(AutoMLReport(spent_seconds=3.0))
    stage.work.look(stage.job)
    (folder / REPORT).write_text('{"candidates": 5}')
    stage.work.look(stage.job)
    (folder / REPORT).unlink()
    (tmp_path / "secret.json").write_text("{}")
    (folder / REPORT).symlink_to(tmp_path / "secret.json")
    stage.work.look(stage.job)
    assert stage.stored().spent_seconds == 3


@pytest.mark.parametrize(("is_maximised", "order"), [(True, [3, 1, 0]), (False, [0, 3, 1])])
def test_the_leaderboard_has_the_best_first_and_of_equals_the_quicker(is_maximised, order):
    tried = (candidate(0, 0.5), candidate(1, 0.9, 2.0), candidate(2, None), candidate(3, 0.9, 1.0))
    found = AutoMLReport(is_objective_maximised=is_maximised, candidates=tried).leaderboard()
    assert [each.number for each in found] == order


def test_a_winner_that_was_never_judged_leads_the_leaderboard():
    tried = (candidate(0, None), candidate(1, None))
    found = AutoMLReport(candidates=tried, winner=1).leaderboard()
    assert [each.number for each in found] == [1]
