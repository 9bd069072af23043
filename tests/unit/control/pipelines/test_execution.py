"""Runs: what happens when, what a crash or a failure does to it, and what people say of it."""

import pytest

from modelyard.control.pipelines import execution
from modelyard.control.pipelines.errors import PipelineStepNotWaitingError
from modelyard.control.pipelines.repository import PipelineRepository
from modelyard.errors import UnavailableError
from modelyard.types.pipelines.runs import RunStatus

PROJECT = "default"
DIAMOND = {
    "first": {"kind": "work", "inputs": {"number": 1}},
    "left": {"kind": "work", "inputs": {"number": "${steps.first.outputs.sum}"}},
    "right": {"kind": "work", "inputs": {"number": 10}, "after": ["first"]},
    "last": {"kind": "work", "inputs": {"number": "${steps.left.outputs.sum}"}, "after": ["right"]},
}
BRANCHES = {
    "measure": {"kind": "work", "inputs": {"number": "${parameters.n}"}},
    "good": {"kind": "condition", "inputs": {"value": "${steps.measure.outputs.figures.r2}", "at_least": 0.7}},
    "deploy": {"kind": "work", "when": ["good"]},
    "tell": {"kind": "work", "inputs": {"number": 5}, "unless": ["good"]},
    "behind": {"kind": "work", "inputs": {"number": 6}, "after": ["deploy"]},
}
PARAMETERS = {"n": {"type": "integer", "default": 9}}


def test_steps_run_in_order_branches_side_by_side_and_outputs_reach_inputs(yard, helpers) -> None:
    yard.define(steps=DIAMOND)
    run_id = yard.start()
    while not {"left", "right"} <= {key.split("/")[1] for key in yard.work.begun}:
        yard.execution.round(run_id, 0)
    assert yard.work.finished == ["work-0"], "both branches run at the same time"
    run = yard.carry(run_id)
    assert (run.status, run.message) == (RunStatus.COMPLETED, "4 steps: 4 completed.")
    assert helpers.state(run, "last").outputs["sum"] == 4
    assert yard.operations.told[f"{run.id}/end"] == ("pipeline_completed", run.message)
    graph = yard.runs.graph(PROJECT, run.id)
    assert [node.status.value for node in graph.nodes] == ["COMPLETED"] * 4
    assert {(edge.source, edge.target, edge.via) for edge in graph.edges} == {
        ("first", "left", "sum"), ("first", "right", "after"), ("left", "last", "sum"), ("right", "last", "after"),
    }  # fmt: skip


def test_a_run_that_is_killed_at_any_line_goes_on_and_repeats_nothing(yard, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    calls, fatal = 0, 0

    def deadly(original):
        def call(*given, **named):
            nonlocal calls
            calls += 1
            if calls == fatal and fatal % 2:
                raise Killed
            result = original(*given, **named)
            if calls == fatal:
                raise Killed  # it was done, and nobody has written that down
            return result

        return call

    for owner, name in ((PipelineRepository, "save_step"), (type(yard.work), "begin"), (type(yard.work), "look")):
        monkeypatch.setattr(owner, name, deadly(getattr(owner, name)))
    yard.define(steps={name: {**step, "cache": False} for name, step in DIAMOND.items()})
    for fatal in range(1, 100):
        run_id, calls, earlier = yard.start(), 0, len(yard.work.begun)
        try:
            yard.carry(run_id)
        except Killed:
            pass
        else:
            break
        run = yard.carry(run_id)
        assert (run.status, {state.attempt for state in run.steps}) == (RunStatus.COMPLETED, {1})
        assert len(yard.work.begun) - earlier == 4, f"killed at call {fatal}, and work was begun twice"
    assert fatal > 16, "there were many places to be killed at"


def test_conditions_choose_branches_and_say_why_the_others_did_not_run(yard, helpers) -> None:
    yard.define(steps=BRANCHES, parameters=PARAMETERS)
    good, bad = yard.run(), yard.run(n=1)
    assert helpers.statuses(good) == {
        "measure": "COMPLETED", "good": "COMPLETED", "deploy": "COMPLETED", "tell": "SKIPPED", "behind": "COMPLETED",
    }  # fmt: skip
    assert helpers.state(bad, "good").message == "It does not hold: 0.2 is below 0.7."
    assert helpers.state(bad, "deploy").message == "It did not run: condition 'good' does not hold."
    assert helpers.state(bad, "behind").message == "It did not run: step 'deploy' was skipped."
    assert (helpers.state(bad, "tell").status, bad.status) == ("COMPLETED", RunStatus.COMPLETED)


def test_a_failed_step_is_tried_again_and_then_ends_what_builds_on_it_but_not_its_neighbours(yard, helpers) -> None:
    yard.work.failures = {"first": 1, "left": 5}
    steps = {**DIAMOND, "first": {**DIAMOND["first"], "retries": 2}, "left": {**DIAMOND["left"], "retries": 1}}
    alarm = {"kind": "work", "inputs": {"number": 7}, "after": ["left", "right"], "run_if": "failed"}
    yard.define(steps={**steps, "alarm": alarm})
    run = yard.run()
    assert helpers.statuses(run) == {
        "first": "COMPLETED", "left": "FAILED", "right": "COMPLETED", "last": "SKIPPED", "alarm": "COMPLETED",
    }  # fmt: skip
    assert [helpers.state(run, name).attempt for name in ("first", "left")] == [2, 2]
    assert run.status is RunStatus.FAILED
    assert run.message.startswith("Step 'left' failed: The column is empty.")


def test_what_does_not_answer_is_asked_again_and_costs_no_attempt(yard, helpers) -> None:
    yard.define(steps={"only": {"kind": "work"}})
    yard.work.outages = [UnavailableError("The registry cannot be reached"), UnavailableError("It is away")]
    run = yard.run()
    assert (run.status, helpers.state(run, "only").attempt) == (RunStatus.COMPLETED, 1)


def test_an_output_that_is_not_there_fails_the_step_with_what_is(yard, helpers) -> None:
    value = "${steps.a.outputs.figures.accuracy}"
    yard.define(steps={"a": {"kind": "work"}, "b": {"kind": "condition", "inputs": {"value": value, "at_least": 1}}})
    run = yard.run()
    assert helpers.state(run, "b").message == f"{value} is not there. There is r2."


def test_unchanged_steps_come_from_earlier_runs_and_the_others_say_what_changed(yard, helpers) -> None:
    inputs = {"number": 1, "data": "houses", "options": {"max_depth": "${parameters.depth}"}, "limit": 5}
    steps = {
        "train": {"kind": "work", "inputs": inputs},
        "next": {"kind": "work", "inputs": {"number": "${steps.train.outputs.sum}"}},
    }
    yard.define(steps=steps, parameters={"depth": {"type": "integer", "default": 3}})
    first, second = yard.run(), yard.run()
    assert helpers.state(first, "train").cache == "It ran because it has not run before."
    assert helpers.statuses(second) == {"train": "CACHED", "next": "CACHED"}
    assert helpers.state(second, "train").reused_from == first.id
    assert helpers.state(second, "next").outputs == helpers.state(first, "next").outputs
    third = yard.run(depth=4)
    assert helpers.state(third, "train").cache == "It ran because option max_depth changed from 3 to 4."
    assert helpers.state(third, "next").status == "CACHED", "what it takes is the same as before"
    yard.registry.datasets["houses"].append("b")
    assert "input 'data' changed from houses:1 to houses:2" in helpers.state(yard.run(depth=4), "train").cache
    yard.registry.datasets["houses"].append("a")
    assert helpers.state(yard.run(), "train").status == "CACHED", "the same content under another number"
    yard.registry.models.clear()
    assert "m:1, is no longer in the registry" in helpers.state(yard.run(), "train").cache
    assert len(yard.work.begun) == 6, "two steps, two changes, and both steps again without the model"


def test_a_run_without_the_cache_computes_everything(yard, helpers) -> None:
    yard.define(steps={"a": {"kind": "work"}, "b": {"kind": "work", "inputs": {"number": 2}, "cache": False}})
    yard.run()
    again = yard.run()
    assert helpers.statuses(again) == {"a": "CACHED", "b": "COMPLETED"}
    assert helpers.state(again, "b").cache == "It ran because caching is switched off for this step."
    pipeline = yard.service.get(PROJECT, "p")
    anew = yard.runs.start(pipeline, {}, created_by="me", cause="", uses_cache=False)
    assert helpers.statuses(yard.carry(anew.id)) == {"a": "COMPLETED", "b": "COMPLETED"}


def test_a_run_waits_for_a_person_without_a_workflow_and_goes_on_after_the_decision(yard, helpers) -> None:
    steps = {
        "a": {"kind": "work"},
        "ask": {"kind": "approve", "inputs": {"question": "Is ${steps.a.outputs.sum} enough?"}},
        "b": {"kind": "work", "inputs": {"number": 3}, "after": ["ask"]},
    }
    yard.define(steps=steps)
    yes, no = yard.run(), yard.run()
    assert (yes.status, helpers.state(yes, "ask").message) == (RunStatus.WAITING, "Is 1 enough?")
    assert yard.execution.tickets() == [], "nothing carries a run that waits for people alone"
    assert ("pipeline_approval_wanted", "Is 1 enough?") in yard.operations.told.values()
    yard.runs.decide(PROJECT, yes.id, "ask", is_approved=True, by="ada", comment="Fine")
    with pytest.raises(PipelineStepNotWaitingError):
        yard.runs.decide(PROJECT, yes.id, "ask", is_approved=False, by="bob")
    yes = yard.carry(yes.id)
    assert (yes.status, helpers.state(yes, "ask").outputs) == (RunStatus.COMPLETED, {"by": "ada", "comment": "Fine"})
    yard.runs.decide(PROJECT, no.id, "ask", is_approved=False, by="bob", comment="Too few")
    no = yard.carry(no.id)
    assert helpers.statuses(no) == {"a": "CACHED", "ask": "FAILED", "b": "SKIPPED"}
    assert "bob rejected it: Too few" in no.message


def test_the_oldest_runs_are_carried_and_the_others_when_there_is_room(yard, monkeypatch) -> None:
    monkeypatch.setattr(execution, "MOST_CARRIED", 2)
    yard.define(steps={"a": {"kind": "work"}})
    runs = []
    for _ in range(3):
        runs.append(yard.start())
        yard.clock.sleep(1)
    assert yard.execution.tickets() == [f"{run}/0" for run in runs[:2]]
    yard.carry(runs[0])
    assert yard.execution.tickets() == [f"{run}/0" for run in runs[1:]]


def test_a_workflow_of_an_earlier_waking_does_nothing_more(yard) -> None:
    yard.define(steps={"ask": {"kind": "approve", "inputs": {"question": "?"}}})
    run = yard.run()
    yard.runs.decide(PROJECT, run.id, "ask", is_approved=True, by="ada")
    assert yard.execution.round(run.id, 0) is False
    assert yard.runs.get(PROJECT, run.id).status is RunStatus.RUNNING
    assert yard.carry(run.id).status is RunStatus.COMPLETED


def test_a_stopped_run_stops_its_work_and_begins_nothing_more(yard, helpers) -> None:
    yard.work.never_ends = {"first"}
    yard.define(steps=DIAMOND)
    run_id = yard.start()
    yard.execution.round(run_id, 0)
    assert yard.runs.stop(PROJECT, run_id).status is RunStatus.STOPPING
    run = yard.carry(run_id)
    assert (run.status, set(helpers.statuses(run).values())) == (RunStatus.STOPPED, {"STOPPED"})
    assert (yard.work.stopped, len(yard.work.begun)) == (["work-0"], 1)


def test_runs_under_way_keep_the_definition_that_they_began_with(yard, helpers) -> None:
    yard.define(steps=DIAMOND)
    run_id = yard.start()
    changed = helpers.definition(steps={"only": {"kind": "work"}})
    yard.service.change(PROJECT, "p", changed, description="", changed_by="me", expected_version=1)
    assert len(yard.carry(run_id).steps) == 4
    assert len(yard.run().steps) == 1
