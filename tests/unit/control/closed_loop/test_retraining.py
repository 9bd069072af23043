"""Retraining: when it starts, what each step asks of the other applications, and how it ends."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from modelyard.control.endpoints.rollouts.plans import RolloutSpec
from modelyard.control.monitors.errors import MonitorNotFoundError
from modelyard.control.monitors.schemas import MonitorCreate
from modelyard.control.rest.pages import PageQuery
from modelyard.control.retraining.errors import PolicyExistsError, PolicyNotFoundError, RetrainingActiveError
from modelyard.control.retraining.schemas import PolicyUpdate, TuningRequest
from modelyard.control.tuning.schemas import RangeRequest
from modelyard.errors import NotFoundError, PreconditionFailedError, UnavailableError
from modelyard.storage.creations import Creation
from modelyard.types.endpoints import EndpointStatus, RolloutPlan, RolloutStatus, StageKind
from modelyard.types.models import ArtifactFormat
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun, RetrainingStatus

WORSE = {"new/points:2/accuracy": 0.5, "new/paired/gained": 0.0, "new/paired/lost": 4.0}


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def create(world, **changes) -> RetrainingPolicy:
    return world.policy(**changes)


def carry(world, run_id: str) -> RetrainingRun:
    return world.carry(run_id)


def start(world) -> RetrainingRun:
    return world.start()


def only_run(world, run_id: str) -> RetrainingRun:
    return world.run(run_id)


@pytest.fixture
def ready(world):
    """A policy, enough labels, and an evaluation that favours the new version."""
    create(world)
    world.label(world.traffic(50, shift=1.5))
    world.jobs.favour_new()
    return world


def test_a_run_goes_from_labels_to_a_new_champion(ready):
    run = carry(ready, start(ready).id)
    assert (run.status, run.old_version, run.new_version) == (RetrainingStatus.PROMOTED, "points:1", "points:2")
    assert run.reason.startswith("points:2 is better than points:1")
    assert run.figures["new_labels"] == 50
    assert run.figures["gain_new"] == pytest.approx(0.35)
    assert run.ended_at is not None

    extended = ready.registry.datasets["points", 2]
    rows = (ready.registry.folder / extended.digest).read_text().splitlines()
    new = (ready.registry.folder / ready.registry.datasets["points-feedback", 1].digest).read_text().splitlines()
    assert (len(rows), len(new)) == (1 + 1000 + 50, 1 + 50)
    assert rows[1001:] == new[1:]
    assert extended.source == {"run": run.id, "endpoint": "points"}

    training = ready.jobs.known[run.job]
    assert training.recipe.channels["train"].number == 2
    assert (training.recipe.algorithm, training.recipe.target, training.recipe.seed) == ("linear", "kind", 7)
    evaluation = next(job for job in ready.jobs.known.values() if job.recipe.algorithm == "evaluation")
    channels = {name: (ref.dataset, ref.number) for name, ref in evaluation.recipe.channels.items()}
    assert channels == {"old": ("points", 1), "new": ("points-feedback", 1)}
    assert evaluation.recipe.candidates == ("points:1", "points:2")

    assert ready.endpoints.known["points"].variants[0].number == 2
    assert ready.registry.aliases == {"champion": 2}
    assert ready.registry.evaluations["points:2"].is_passed
    assert ready.event_kinds() == ["retraining_started", "retraining_promoted"]


def test_a_run_looks_for_the_hyperparameters_that_its_policy_names(ready):
    tuning = TuningRequest(space={"depth": RangeRequest(low=2, high=8)}, max_trials=5)
    ready.policies.update("default", "again", PolicyUpdate(tuning=tuning), None)
    run = carry(ready, start(ready).id)
    assert run.status is RetrainingStatus.PROMOTED
    ((recipe, model, rules),) = ready.jobs.searches.values()
    assert (model, rules.max_trials, recipe.channels["train"].number) == ("points", 5, 2)
    assert "depth" not in recipe.hyperparameters
    assert ready.jobs.known[run.job].recipe.hyperparameters["depth"] == 3
    assert run.figures["tuning_job_seconds"] == 12.0, "they count for the budget"


def test_a_search_that_finds_nothing_ends_the_run_with_its_reason(ready):
    tuning = TuningRequest(space={"depth": RangeRequest(low=2, high=8)})
    ready.policies.update("default", "again", PolicyUpdate(tuning=tuning), None)
    ready.jobs.failure = "No trial completed."
    run = carry(ready, start(ready).id)
    assert run.status is RetrainingStatus.FAILED
    assert "No trial completed." in run.reason


def test_a_worse_version_is_rejected_with_the_gates_reason_and_the_labels_stay_free(ready):
    ready.jobs.judgement |= WORSE
    run = carry(ready, start(ready).id)
    assert run.status is RetrainingStatus.REJECTED
    assert "not better by the required 0.01" in run.reason
    assert run.reason.startswith(ready.registry.evaluations["points:2"].reason.rstrip("."))
    assert ready.registry.replays["points:2"].is_passed
    assert not ready.registry.evaluations["points:2"].is_passed
    assert ready.endpoints.updates == 0
    assert ready.registry.aliases == {}
    assert ready.event_kinds()[-1] == "retraining_rejected"
    ready.jobs.favour_new()
    assert carry(ready, start(ready).id).figures["new_labels"] == 50


def test_beside_a_version_that_is_an_image_nothing_is_proven_and_the_reason_says_so(ready):
    version = ready.registry.models["points:1"]
    image = replace(version.manifest, artifact_format=ArtifactFormat.IMAGE)
    ready.registry.models["points:1"] = replace(version, manifest=image)
    run = carry(ready, start(ready).id)
    assert run.status is RetrainingStatus.REJECTED
    assert "points:1 is a container image" in run.reason
    assert not ready.registry.evaluations["points:2"].is_passed
    assert {job.recipe.algorithm for job in ready.jobs.known.values()} == {"linear"}


def test_promoted_labels_are_not_learnt_twice(ready):
    carry(ready, start(ready).id)
    again = carry(ready, start(ready).id)
    assert again.status is RetrainingStatus.FAILED
    assert "has no labelled captures that no run has used" in again.reason


def test_a_rollout_that_is_rolled_back_ends_the_run_with_its_reason(ready):
    ready.endpoints.outcome = RolloutStatus.ROLLED_BACK
    run = carry(ready, start(ready).id)
    assert run.status is RetrainingStatus.REJECTED
    assert run.reason == "points:2 did not take over: the test says so"
    assert ready.registry.aliases == {}


def test_a_proven_version_takes_over_as_the_policy_says(ready):
    carry(ready, start(ready).id)
    (plan,) = ready.endpoints.plans
    stages = [(stage.kind, stage.share, stage.requests) for stage in plan.stages]
    assert stages == [(StageKind.SHADOW, 1.0, None), (StageKind.TRAFFIC, 0.01, 0)], "as nothing else was said"
    ready.policies.update("default", "again", PolicyUpdate(rollout=RolloutSpec(strategy="all_at_once")), None)
    assert ready.policies.get("default", "again").rollout == RolloutPlan()


def test_a_policy_may_ask_for_a_canary_and_change_its_mind(ready):
    spec = RolloutSpec(strategy="canary", share=0.05, seconds=10)
    changed = ready.policies.update("default", "again", PolicyUpdate(rollout=spec), None)
    assert changed.rollout == spec.to_plan()
    carry(ready, start(ready).id)
    assert ready.endpoints.plans == [spec.to_plan()]


def _without_job(world) -> None:
    version = world.registry.models["points:1"]
    world.registry.models["points:1"] = replace(version, lineage=replace(version.lineage, job=None))


def _stop(world) -> None:
    world.endpoints.known["points"] = replace(world.endpoints.known["points"], status=EndpointStatus.STOPPED)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda world: setattr(world.jobs, "failure", "it ran out of memory"), "ended FAILED: it ran out of memory"),
        (lambda world: setattr(world.jobs, "training_result", {}), "has registered no version"),
        (lambda world: setattr(world.jobs, "judgement", {}), "was not measured on the new rows"),
        (lambda world: world.registry.models.pop("points:1"), "There is no model version 'points:1'"),
        (_without_job, "has no recipe to repeat"),
        (_stop, "is stopped"),
        (lambda world: world.registry.datasets.pop(("points", 1)), "KeyError"),
    ],
)
def test_whatever_goes_wrong_the_run_ends_with_the_reason(ready, spoil: Callable, said: str):
    run = start(ready)
    spoil(ready)
    run = carry(ready, run.id)
    assert run.status in (RetrainingStatus.FAILED, RetrainingStatus.REJECTED)
    assert said in run.reason
    assert ready.endpoints.known["points"].variants[0].number == 1


def test_an_endpoint_that_a_person_changed_meanwhile_is_left_alone(ready):
    run = start(ready)
    for step in ("collect", "train", "judge"):
        assert getattr(ready.execution, step)(run.id)
    ready.endpoints.deploy("points", "points", 7)
    assert not ready.execution.roll_out(run.id)
    assert only_run(ready, run.id).status is RetrainingStatus.REJECTED
    assert ready.endpoints.known["points"].variants[0].number == 7


def test_temporary_faults_are_waited_out(ready, monkeypatch):
    attempts = []
    original = ready.registry.dataset_version

    def flaky(*arguments):
        attempts.append(1)
        if len(attempts) < 4:
            raise UnavailableError("The registry restarts")
        return original(*arguments)

    monkeypatch.setattr(ready.registry, "dataset_version", flaky)
    assert carry(ready, start(ready).id).status is RetrainingStatus.PROMOTED
    monkeypatch.setattr(ready.registry, "model_version", lambda *_: (_ for _ in ()).throw(UnavailableError("Gone")))
    ready.label(ready.traffic(5))
    run = carry(ready, start(ready).id)
    assert (run.status, run.reason) == (RetrainingStatus.FAILED, "Gone")


COLLABORATORS = [
    ("registry", "create_dataset_version"),
    ("registry", "record_evaluation"),
    ("registry", "set_alias"),
    ("jobs", "create_training_job"),
    ("jobs", "create_evaluation_job"),
    ("jobs", "create_replay_job"),
    ("jobs", "job"),
    ("endpoints", "update"),
    ("feedback", "mark"),
]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("who", "what"), COLLABORATORS)
def test_killed_around_any_call_the_run_goes_on_and_makes_nothing_twice(ready, monkeypatch, who, what, moment):
    run = start(ready)
    target = getattr(ready, who)
    original = getattr(target, what)

    def deadly(*arguments, **named):
        monkeypatch.setattr(target, what, original)
        if moment == "after":
            original(*arguments, **named)
        raise Killed

    monkeypatch.setattr(target, what, deadly)
    with pytest.raises(Killed):
        carry(ready, run.id)
    ready.label(ready.traffic(3, shift=1.5))  # life goes on: these belong to the next run
    run = carry(ready, run.id)
    assert run.status is RetrainingStatus.PROMOTED
    assert ready.endpoints.updates == 1
    assert len(ready.jobs.known) == 4
    datasets = [("points", 1), ("points", 2), ("points-feedback", 1), ("points-requests", 1)]
    assert sorted(ready.registry.datasets) == datasets
    rows = (ready.registry.folder / ready.registry.datasets["points", 2].digest).read_text().splitlines()
    early = (who, what, moment) in [("feedback", "mark", "before"), ("feedback", "mark", "after")]
    assert len(rows) == 1 + 1000 + (53 if early else 50)
    assert ready.event_kinds() == ["retraining_started", "retraining_promoted"]


def test_one_run_at_a_time_per_endpoint(ready):
    first = start(ready)
    with pytest.raises(RetrainingActiveError):
        start(ready)
    assert [run.id for run in ready.retraining.active()] == [first.id]
    carry(ready, first.id)
    assert ready.retraining.active() == []


def test_a_run_by_hand_is_idempotent_by_key(ready):
    creation = Creation("key", "digest")
    first = ready.retraining.start("default", "again", "By hand.", creation)
    assert ready.retraining.start("default", "again", "By hand.", creation).id == first.id


def watched(world) -> None:
    monitor = {"name": "watch", "endpoint": "points", "minimum_rows": 40, "window_rows": 100}
    world.monitors.create("default", MonitorCreate(**monitor), None)
    create(world, monitor="watch")
    world.jobs.favour_new()


def test_drift_and_enough_labels_together_start_a_run_by_themselves(world):
    watched(world)
    quiet = world.traffic(60)
    world.label(quiet)
    world.monitoring.runner.run("default", "watch")
    assert world.retraining.start_due() == []  # labels without drift
    worn = world.traffic(100, shift=2.0)
    world.monitoring.runner.run("default", "watch")
    world.label(worn[:10])
    (run,) = world.retraining.start_due()
    assert "x rose from " in run.cause
    assert run.cause.endswith("70 new labelled rows have come (needed: 20).")
    assert world.retraining.start_due() == []
    assert carry(world, run.id).status is RetrainingStatus.PROMOTED


def test_drift_without_enough_captured_labels_starts_nothing(world):
    watched(world)
    worn = world.traffic(100, shift=2.0)
    world.monitoring.runner.run("default", "watch")
    world.label(worn[:10])
    world.label([structs.replace(record, id=f"uncaptured-{record.id}") for record in worn[:50]])
    assert world.retraining.start_due() == []
    world.label(worn[10:20])
    assert len(world.retraining.start_due()) == 1


def test_drift_of_a_version_that_is_gone_starts_nothing(world):
    watched(world)
    world.label(world.traffic(100, shift=2.0))
    world.monitoring.runner.run("default", "watch")
    world.endpoints.deploy("points", "points", 2)
    assert world.retraining.start_due() == []


def test_after_a_run_a_policy_rests_and_waits_for_new_labels(ready):
    ready.jobs.judgement |= WORSE
    (run,) = ready.retraining.start_due()
    carry(ready, run.id)
    ready.clock.sleep(50)
    ready.label(ready.traffic(30, shift=1.5))
    assert ready.retraining.start_due() == []
    ready.clock.sleep(50)
    assert len(ready.retraining.start_due()) == 1


def test_a_rejected_run_is_not_repeated_on_the_same_labels(ready):
    ready.jobs.judgement |= WORSE
    (run,) = ready.retraining.start_due()
    carry(ready, run.id)
    ready.clock.sleep(1000)
    assert ready.retraining.start_due() == []


def test_three_failures_in_a_row_switch_a_policy_off_until_a_person_switches_it_on(ready):
    ready.jobs.failure = "out of memory"
    for count in range(1, 4):
        (run,) = ready.retraining.start_due()
        assert carry(ready, run.id).status is RetrainingStatus.FAILED
        ready.clock.sleep(101)
        assert ready.policies.get("default", "again").is_enabled == (count < 3)
    assert ready.retraining.start_due() == []
    assert ready.event_kinds()[-1] == "retraining_paused"
    ready.policies.update("default", "again", PolicyUpdate(is_enabled=True), None)
    (run,) = ready.retraining.start_due()
    carry(ready, run.id)
    assert ready.policies.get("default", "again").is_enabled


def test_policies_are_created_changed_and_deleted(world):
    policy = create(world)
    with pytest.raises(PolicyExistsError):
        create(world)
    with pytest.raises(NotFoundError):
        create(world, name="other", endpoint="nobody")
    with pytest.raises(MonitorNotFoundError):
        create(world, name="other", monitor="nobody")
    with pytest.raises(PreconditionFailedError):
        world.policies.update("default", "again", PolicyUpdate(minimum_gain=0.1), 9)
    changed = world.policies.update("default", "again", PolicyUpdate(minimum_gain=0.1), policy.version)
    assert (changed.minimum_gain, changed.maximum_loss, changed.version) == (0.1, 0.02, 2)
    assert [item.name for item in world.policies.list("default", PageQuery()).items] == ["again"]
    world.policies.delete("default", "again", 2)
    with pytest.raises(PolicyNotFoundError):
        world.policies.get("default", "again")


def test_a_policy_does_not_take_the_monitor_of_another_endpoint(world):
    world.endpoints.deploy("other", "points", 1)
    world.monitors.create("default", MonitorCreate(name="watch", endpoint="other"), None)
    with pytest.raises(MonitorNotFoundError, match="does not watch endpoint 'points'"):
        create(world, monitor="watch")


def test_an_endpoint_that_is_deleted_while_its_new_version_takes_over_ends_the_run_with_that_reason(ready):
    run = start(ready)
    for step in ("collect", "train", "judge"):
        assert getattr(ready.execution, step)(run.id)
    del ready.endpoints.known["points"]
    assert not ready.execution.roll_out(run.id)
    run = only_run(ready, run.id)
    assert (run.status, run.reason) == (RetrainingStatus.FAILED, "There is no endpoint 'points'.")
    assert ready.registry.aliases == {}
    assert ready.retraining.start_due() == []


def test_labels_that_come_before_their_captures_start_a_run_once_those_are_there(world):
    create(world)
    records = world.records(30, shift=1.5)
    world.label(records)
    assert world.retraining.start_due() == []
    assert world.retraining.status("default", "again").sentence == "waits for 20 more labelled rows (0 of 20)"
    world.write(records)
    world.ingest.run_once()
    (run,) = world.retraining.start_due()
    world.jobs.favour_new()
    assert carry(world, run.id).figures["new_labels"] == 30


def test_a_run_waits_while_the_object_store_is_down(ready, monkeypatch):
    run, attempts = start(ready), []
    original = ready.objects.read

    def away(*arguments, **named):
        attempts.append(1)
        if len(attempts) < 4:
            raise UnavailableError("The store does not answer")
        return original(*arguments, **named)

    monkeypatch.setattr(ready.objects, "read", away)
    assert carry(ready, run.id).status is RetrainingStatus.PROMOTED
    assert len(attempts) >= 4


def test_a_clock_that_was_set_back_does_not_keep_a_policy_waiting_for_its_old_time(ready, monkeypatch):
    carry(ready, start(ready).id)
    ready.label(ready.traffic(30, shift=1.5))
    assert ready.retraining.status("default", "again").sentence.startswith("cool-down until")
    earlier = ready.clock.now() - timedelta(days=400)
    monkeypatch.setattr(ready.clock, "now", lambda: earlier)
    assert not ready.retraining.status("default", "again").sentence.startswith("cool-down until")
