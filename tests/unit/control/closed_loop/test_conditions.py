"""When policies start by themselves: schedules, budgets; what they say while they wait; what they learn from."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from modelyard.control.monitors.schemas import MonitorCreate
from modelyard.control.retraining.conditions.schedule import check_schedule, last_slot, next_slot
from modelyard.control.retraining.errors import DataWindowInvalidError, RetrainingImpossibleError, ScheduleInvalidError
from modelyard.control.retraining.schemas import PolicyUpdate
from modelyard.data.newest import keep_newest
from modelyard.data.tables import read_table
from modelyard.errors import NotFoundError
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobKind
from modelyard.types.monitoring import RetrainingStatus

DAY = 86400.0


def says(world) -> str:
    return world.retraining.status("default", "again").sentence


def test_a_policy_says_how_many_labels_it_waits_for(world):
    world.policy()
    assert says(world) == "waits for 20 more labelled rows (0 of 20)"
    world.label(world.traffic(19))
    assert says(world) == "waits for 1 more labelled row (19 of 20)"
    world.label(world.traffic(1))
    status = world.retraining.status("default", "again")
    assert (status.is_due, status.sentence) == (True, "starts: 20 new labelled rows have come (needed: 20).")


def test_a_policy_says_what_else_it_waits_for(world):
    monitor = {"name": "watch", "endpoint": "points", "minimum_rows": 40, "window_rows": 100}
    world.monitors.create("default", MonitorCreate(**monitor), None)
    world.policy(monitor="watch", triggers={"schedule": "0 3 * * *"})
    either = " or waits for its schedule: 2026-01-01 03:00 UTC"
    assert says(world) == f"waits for monitor 'watch' to look at points:1{either}"
    world.traffic(60)
    world.monitoring.runner.run("default", "watch")
    assert says(world) == f"waits for drift: monitor 'watch' says NO_DRIFT{either}"
    world.policies.update("default", "again", PolicyUpdate(is_enabled=False), None)
    assert says(world) == "is switched off"
    world.registry.models.clear()
    world.endpoints.known["points"] = replace(world.endpoints.known["points"], variants=())
    world.policies.update("default", "again", PolicyUpdate(is_enabled=True), None)
    assert says(world).startswith("cannot start: Endpoint 'points' has no version with traffic")


def test_a_policy_says_that_a_run_is_under_way_and_until_when_it_rests(world):
    world.policy()
    world.label(world.traffic(30))
    world.jobs.favour_new()
    run = world.start()
    assert says(world) == f"{run.id} is under way: COLLECTING"
    world.carry(run.id)
    assert says(world) == "cool-down until 2026-01-01 00:02:13 UTC"


def test_a_schedule_starts_one_run_for_each_of_its_moments_and_none_for_those_it_missed(world):
    world.policy(triggers={"schedule": "0 3 * * *"}, minimum_new_labels=1)
    world.label(world.traffic(5))
    assert world.retraining.start_due() == []
    world.clock.sleep(5 * DAY)
    (run,) = world.retraining.start_due()
    assert run.cause.startswith("The schedule '0 3 * * *' was due at 2026-01-05 03:00 UTC. 5 new labelled rows")
    world.carry(run.id)
    world.label(world.traffic(5))
    world.clock.sleep(200)
    assert world.retraining.start_due() == []
    world.clock.sleep(DAY)
    assert len(world.retraining.start_due()) == 1


def test_cron_expressions_are_checked_and_read_in_utc():
    now = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
    assert last_slot("0 12 * * *", now) == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert last_slot("0 12 * * *", datetime(2026, 1, 1, 12, tzinfo=UTC)) == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert next_slot("0 3 * * 1", now) == datetime(2026, 1, 5, 3, tzinfo=UTC)
    for wrong in ("every day", "61 * * * *", "* * * * * *", ""):
        with pytest.raises(ScheduleInvalidError):
            check_schedule(wrong)


def test_a_budget_of_runs_stops_a_policy_until_the_week_is_over(world):
    world.policy(budget={"runs_per_week": 2}, minimum_new_labels=1)
    for _ in range(2):
        world.label(world.traffic(3))
        (run,) = world.retraining.start_due()
        world.carry(run.id)
        world.clock.sleep(101)
    world.label(world.traffic(3))
    assert world.retraining.start_due() == []
    assert says(world) == "its budget of 2 runs a week is used up until 2026-01-08 00:00 UTC"
    world.clock.sleep(7 * DAY)
    assert len(world.retraining.start_due()) == 1


def test_a_budget_of_job_seconds_counts_what_the_jobs_took(world):
    world.policy(budget={"job_seconds_per_week": 50.0}, minimum_new_labels=1)
    took = {"started_at": world.clock.now(), "ended_at": world.clock.now().replace(second=30)}
    original = world.jobs.job
    world.jobs.job = lambda project, job_id: replace(original(project, job_id), **took)
    world.label(world.traffic(60))
    world.jobs.favour_new()
    (run,) = world.retraining.start_due()
    run = world.carry(run.id)
    assert run.figures["training_job_seconds"] == 30
    assert run.figures["evaluation_job_seconds"] == 30
    world.clock.sleep(101)
    world.label(world.traffic(3))
    assert says(world).startswith("its budget of 50 job seconds a week is used up until 2026-01-08")


def test_three_failures_are_told_by_the_policy_that_they_switched_off(world):
    world.policy()
    world.label(world.traffic(30))
    world.jobs.failure = "out of memory"
    for _ in range(3):
        (run,) = world.retraining.start_due()
        world.carry(run.id)
        world.clock.sleep(101)
    assert says(world).startswith("is switched off after 3 failed runs in a row: Training job")


def rows_trained_on(world, run) -> list[str]:
    recipe = world.jobs.known[run.job].recipe
    version = world.registry.dataset_version("default", "points", recipe.channels["train"].number)
    return (world.registry.folder / version.digest).read_text().splitlines()[1:]


@pytest.mark.parametrize(
    ("window", "rows", "new"),
    [
        ({"kind": "ALL"}, 1050, 50),
        ({"kind": "NEWEST", "rows": 300}, 300, 50),
        ({"kind": "WEIGHTED", "weight": 3}, 1150, 150),
        ({"kind": "SINCE", "since": "2026-01-01T00:00:31Z"}, 20, 20),
    ],
)
def test_the_data_window_chooses_what_is_trained_on_and_not_what_is_judged_on(world, window, rows, new):
    world.policy(window=window)
    world.label(world.traffic(50, shift=1.5))
    world.jobs.favour_new()
    run = world.carry(world.start().id)
    assert run.status is RetrainingStatus.PROMOTED
    trained = rows_trained_on(world, run)
    feedback = world.registry.datasets["points-feedback", 1]
    judged = (world.registry.folder / feedback.digest).read_text().splitlines()[1:]
    assert (len(trained), len(judged), run.figures["new_labels"]) == (rows, 50, 50)
    assert sum(row in set(judged) for row in trained) == new


@pytest.mark.parametrize("format", [DatasetFormat.PARQUET, DatasetFormat.NPZ, DatasetFormat.CSV])
def test_the_newest_rows_of_every_format_are_kept(tmp_path, format):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "data"
    if format is DatasetFormat.NPZ:
        with path.open("wb") as file:
            np.savez(file, images=np.arange(40).reshape(10, 2, 2), labels=np.arange(10))
        keep_newest(path, format, 3)
        assert np.load(path)["labels"].tolist() == [7, 8, 9]
        return
    if format is DatasetFormat.PARQUET:
        pq.write_table(pa.table({"x": list(range(10)), "y": ["a\nb"] * 10}), path)
    else:
        path.write_text("x;y\n" + "".join(f'{n};"a\nb"\n' for n in range(10)))
    keep_newest(path, format, 3)
    table = read_table(path, format)
    assert table.column("x").to_pylist() == [7, 8, 9]
    assert table.column("y").to_pylist() == ["a\nb"] * 3


def test_wrong_rules_are_refused_also_in_a_change(world):
    with pytest.raises(ScheduleInvalidError):
        world.policy(triggers={"schedule": "sometimes"})
    with pytest.raises(DataWindowInvalidError):
        world.policy(window={"kind": "SINCE"})
    world.policy(gate={"significance_level": 0.01})
    changed = world.policies.update("default", "again", PolicyUpdate(gate={"replay_requests": 7}), None)
    assert (changed.gate.replay_requests, changed.gate.significance_level) == (7, 0.01)
    with pytest.raises(DataWindowInvalidError):
        world.policies.update("default", "again", PolicyUpdate(window={"kind": "NEWEST"}), None)


def test_what_automl_has_found_is_trained_again_as_its_winner_was(world):
    found = world.registry.models["points:1"]
    card = replace(found.manifest.card, algorithm="forest-classification", hyperparameters={"trees": 7})
    world.registry.models["points:1"] = replace(found, manifest=replace(found.manifest, card=card))
    searched = world.jobs.known["job-1"]
    recipe = replace(searched.recipe, algorithm="automl", automl=AutoMLRecipe())
    world.jobs.known["job-1"] = replace(searched, kind=JobKind.AUTOML, recipe=recipe)
    world.policy()
    world.label(world.traffic(60, shift=1.5))
    world.jobs.favour_new()
    run = world.carry(world.retraining.start("default", "again", "By hand.").id)
    assert run.status is RetrainingStatus.PROMOTED
    trained = world.jobs.known[run.job].recipe
    assert (trained.algorithm, trained.hyperparameters, trained.automl) == ("forest-classification", {"trees": 7}, None)
    assert (trained.target, trained.seed) == ("kind", 7)


def test_a_version_that_is_there_already_proves_itself_without_training(world):
    world.policy()
    world.label(world.traffic(60, shift=1.5))
    world.jobs.favour_new()
    run = world.retraining.start("default", "again", "By hand.", version="points:2")
    run = world.carry(run.id)
    assert (run.status, run.new_version, run.job) == (RetrainingStatus.PROMOTED, "points:2", None)
    kinds = sorted(job.kind for job in world.jobs.known.values() if job.id != "job-1")
    assert kinds == ["evaluation", "replay"]
    assert world.registry.replays["points:2"].is_passed
    with pytest.raises(NotFoundError):
        world.retraining.start("default", "again", "By hand.", version="points:9")
    with pytest.raises(RetrainingImpossibleError, match="points:2 serves endpoint 'points' already"):
        world.retraining.start("default", "again", "By hand.", version="points:2")


def test_another_signature_is_refused_before_anything_is_measured(world):
    world.policy()
    world.label(world.traffic(60))
    version = world.registry.models["points:2"]
    signature = replace(version.manifest.signature, outputs=version.manifest.signature.outputs[:1])
    world.registry.models["points:2"] = replace(version, manifest=replace(version.manifest, signature=signature))
    run = world.carry(world.start().id)
    assert run.status is RetrainingStatus.REJECTED
    assert run.reason == "points:2 is refused: it no longer answers 'probabilities'."
    assert not world.registry.evaluations["points:2"].is_passed
    assert [job.kind for job in world.jobs.known.values()] == ["training", "training"]


def test_what_a_replay_finds_refuses_a_version_that_is_better(world):
    world.policy()
    world.label(world.traffic(60))
    world.jobs.favour_new()
    world.jobs.replay = {"requests": 60.0, "rows": 60.0, "nan/new": 4.0, "nan/output": "probabilities"}
    run = world.carry(world.start().id)
    assert run.status is RetrainingStatus.REJECTED
    assert "it answers NaN in 'probabilities' to 4 of 60 captured requests where points:1 does not" in run.reason
    assert world.registry.evaluations["points:2"].is_passed
    assert not world.registry.replays["points:2"].is_passed


def test_a_policy_may_want_no_replay_or_insist_on_one(world):
    world.policy(gate={"replay_requests": 0})
    world.label(world.traffic(30))
    world.jobs.favour_new()
    assert world.carry(world.start().id).status is RetrainingStatus.PROMOTED
    assert world.registry.replays == {}
    world.endpoints.deploy("points", "points", 1)
    world.policies.update(
        "default", "again", PolicyUpdate(gate={"replay_requests": 9, "is_replay_required": True}), None
    )
    world.label(world.traffic(5))
    run = world.carry(world.start().id)
    assert run.status is RetrainingStatus.REJECTED
    assert "a replay could not tell, 9 captured requests are there and 50 are needed to tell" in run.reason
