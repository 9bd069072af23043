"""What starts runs by itself."""

from datetime import timedelta
from types import SimpleNamespace

from modelyard.control.rest.pages import PageQuery

PROJECT = "default"
STEP = {"a": {"kind": "work", "inputs": {"data": "${parameters.data}"}}}
DATA = {"data": {"type": "dataset", "default": "houses"}}


def causes(yard) -> list[str]:
    return [run.cause for run in yard.runs.list(PROJECT, None, PageQuery()).items]


def finish(yard) -> None:
    for run in yard.runs.list(PROJECT, None, PageQuery()).items:
        yard.carry(run.id)


def test_a_new_version_of_a_dataset_starts_one_run_with_it(yard) -> None:
    triggers = {"datasets": [{"dataset": "houses", "parameter": "data"}]}
    yard.define(steps=STEP, parameters=DATA, triggers=triggers)
    yard.triggering.sweep()
    yard.triggering.sweep()
    assert causes(yard) == [], "what is there already is not new"
    yard.registry.datasets["houses"] += ["b", "c"]
    yard.triggering.sweep()
    (run,) = yard.runs.list(PROJECT, None, PageQuery()).items
    assert (run.cause, run.parameters) == ("There is a new version houses:3.", {"data": "houses:3"})
    yard.registry.datasets["houses"] += ["d"]
    yard.triggering.sweep()
    assert len(causes(yard)) == 1, "one at a time"
    finish(yard)
    yard.triggering.sweep()
    assert len(causes(yard)) == 2


def test_a_schedule_starts_a_run_at_each_slot_once(yard) -> None:
    yard.define(steps=STEP, parameters=DATA, triggers={"schedule": "0 3 * * *"})
    yard.triggering.sweep()
    yard.clock.sleep(timedelta(hours=2).total_seconds())
    yard.triggering.sweep()
    assert causes(yard) == []
    yard.clock.sleep(timedelta(days=3).total_seconds())
    yard.triggering.sweep()
    assert causes(yard) == ["Its schedule '0 3 * * *' was due at 2026-01-03 03:00 UTC."]
    finish(yard)
    yard.triggering.sweep()
    assert len(causes(yard)) == 1


def test_drift_that_a_named_monitor_finds_starts_a_run(yard) -> None:
    def event(kind: str, monitor: str) -> None:
        details = {"monitor": monitor}
        found = SimpleNamespace(kind=kind, message="The rooms are larger.", details=details)
        yard.operations.happened.append((len(yard.operations.happened) + 1, found))

    event("drift_found", "watch")
    yard.define(steps=STEP, parameters=DATA, triggers={"monitors": ["watch"]})
    yard.triggering.sweep()
    event("drift_ended", "watch")
    event("drift_found", "another")
    yard.triggering.sweep()
    assert causes(yard) == []
    event("drift_found", "watch")
    yard.triggering.sweep()
    assert causes(yard) == ["Monitor 'watch' found drift: The rooms are larger."]
    finish(yard)
    yard.triggering.sweep()
    assert len(causes(yard)) == 1


def test_a_trigger_whose_dataset_is_missing_disturbs_no_other(yard) -> None:
    yard.define("gone", steps=STEP, parameters=DATA, triggers={"datasets": [{"dataset": "flats"}]})
    yard.define("here", steps=STEP, parameters=DATA, triggers={"datasets": [{"dataset": "houses"}]})
    yard.triggering.sweep()
    yard.registry.datasets |= {"houses": ["a", "b"], "flats": ["x"]}
    yard.triggering.sweep()
    assert sorted(causes(yard)) == ["There is a new version flats:1.", "There is a new version houses:2."]
