"""Replay and signatures: what refuses a version and how it is said; which requests are sent."""

from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from modelyard.algorithms.replay.requests import read_requests
from modelyard.control.retraining.proof.judgement import Judgement, joined
from modelyard.control.retraining.proof.replay import judge_replay
from modelyard.control.retraining.proof.sampling import RequestSampler
from modelyard.control.retraining.proof.signatures import breaks
from modelyard.types.monitoring import RetrainingRun, RetrainingStatus
from modelyard.types.retraining.rules import GateRules
from modelyard.types.signatures import DataType, Signature, TensorSpec

FINE = {
    "requests": 1000.0,
    "rows": 1200.0,
    "changed/share": 0.125,
    "changed/1/name": "region = 'north'",
    "changed/1/rows": 300.0,
    "changed/1/share": 0.4,
    "time/single/running": 400.0,
    "time/single/candidate": 420.0,
    "time/captured/running": 500.0,
    "time/captured/candidate": 510.0,
    "shift": 0.02,
}
NUMERIC = TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("x", "y"), allows_missing=True)
LABEL = TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,))
CLASSES = TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("0", "1"))
SIGNATURE = Signature(inputs=(NUMERIC,), outputs=(LABEL, CLASSES))


def decide(result, **rules) -> Judgement:
    return judge_replay(result, running="m:1", candidate="m:2", rules=GateRules(**rules), sizes=(1000, 2000))


def test_a_replay_without_trouble_passes_and_tells_what_changed():
    judgement = decide(FINE)
    assert judgement.is_passed
    assert judgement.reason == (
        "m:2 stood the replay: of 1,200 captured rows 12.5% are answered otherwise, most where region = 'north' "
        "(40.0%), one row takes 0.420 ms instead of 0.400 ms."
    )
    assert judgement.figures["single_time_ratio"] == pytest.approx(1.05)
    assert judgement.figures["changed where region = 'north'"] == 0.4
    assert (judgement.figures["size_bytes_running"], judgement.figures["size_bytes_candidate"]) == (1000, 2000)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"load/error": "the file is damaged"}, "it does not load: the file is damaged"),
        ({"golden/failed": 2.0, "golden/first": "label is 3"}, "it fails 2 of its own golden requests (label is 3)"),
        (
            {"errors/new": 3.0, "errors/first": "division by zero"},
            "it fails on 3 of 1,000 captured requests that m:1 answers (division by zero)",
        ),
        (
            {"nan/new": 31.0, "nan/output": "probabilities"},
            "it answers NaN in 'probabilities' to 31 of 1,000 captured requests where m:1 does not",
        ),
        (
            {"time/single/candidate": 840.0},
            "it takes 2.10 times the time of m:1 for one row (0.840 ms instead of 0.400 ms; 1.5 times is allowed)",
        ),
        ({"time/captured/candidate": 1500.0}, "it takes 3.00 times the time of m:1 for a request as it was captured"),
    ],
)
def test_what_is_wrong_is_named(change, said):
    judgement = decide(FINE | change)
    assert not judgement.is_passed
    assert said in judgement.reason


def test_slowness_below_the_floor_does_not_matter():
    quick = {"time/single/running": 10.0, "time/single/candidate": 30.0}
    assert decide(FINE | quick).is_passed
    assert not decide(FINE | quick, slowdown_floor_ms=0.0).is_passed
    assert decide(FINE | {"time/single/candidate": 840.0}, maximum_slowdown=2.2).is_passed


def test_too_few_requests_cannot_tell_and_the_policy_says_what_follows():
    few = FINE | {"requests": 12.0}
    judgement = decide(few)
    assert judgement.is_passed
    assert "a replay could not tell, 12 captured requests are there and 50 are needed to tell" in judgement.reason
    assert not decide(few, is_replay_required=True).is_passed


def test_the_verdict_of_several_proofs_names_all_that_is_wrong():
    good = Judgement(candidate="m:2", approval="m:2 is better", story="accuracy is 0.9", figures={"a": 1.0})
    bad = Judgement(candidate="m:2", approval="", refusals=("it is slow",), story="1 ms", figures={"b": 2.0})
    worse = Judgement(candidate="m:2", approval="", refusals=("it is wrong",))
    assert joined(good, replace(good, approval="m:2 stood", story="all well")).reason == (
        "m:2 is better: accuracy is 0.9. m:2 stood: all well."
    )
    both = joined(good, bad, worse)
    assert both.reason == "m:2 is refused: it is slow and it is wrong. Accuracy is 0.9; 1 ms."
    assert both.figures == {"a": 1.0, "b": 2.0}


def test_equal_and_wider_signatures_break_nobody():
    assert breaks(SIGNATURE, SIGNATURE) == []
    wider = replace(CLASSES, shape=(-1, 3), columns=("0", "1", "2"))
    score = TensorSpec(name="score", datatype=DataType.FP32, shape=(-1,))
    assert breaks(SIGNATURE, replace(SIGNATURE, outputs=(LABEL, wider, score))) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": ()}, "it no longer takes the input 'numeric'"),
        (
            {"inputs": (replace(NUMERIC, shape=(-1, 1), columns=("x",)),)},
            "its input 'numeric' is FP32 [-1, 1] instead of FP32 [-1, 2]",
        ),
        (
            {"inputs": (replace(NUMERIC, columns=("x", "z")),)},
            "its input 'numeric' has other columns: 'y' is gone, 'z' is new",
        ),
        ({"inputs": (replace(NUMERIC, columns=("y", "x")),)}, "other columns: they come in another order"),
        ({"inputs": (replace(NUMERIC, allows_missing=False),)}, "no longer takes missing values"),
        ({"inputs": (NUMERIC, replace(LABEL, name="age"))}, "it asks for a further input 'age'"),
        ({"outputs": (LABEL,)}, "it no longer answers 'probabilities'"),
        (
            {"outputs": (replace(LABEL, datatype=DataType.BYTES), CLASSES)},
            "its output 'label' is BYTES [-1] instead of INT64 [-1]",
        ),
        ({"outputs": (LABEL, replace(CLASSES, columns=("1", "0")))}, "its output 'probabilities' has other columns"),
    ],
)
def test_what_callers_would_miss_is_named(changes, said):
    assert any(said in clause for clause in breaks(SIGNATURE, replace(SIGNATURE, **changes)))


def run_at(world, name: str = "run-1") -> RetrainingRun:
    return RetrainingRun(
        id=name,
        project="default",
        policy="again",
        endpoint="points",
        status=RetrainingStatus.JUDGING,
        cause="",
        reason="",
        old_version="points:1",
        started_at=world.clock.now(),
    )


def sampled(world, run: RetrainingRun, wanted: int):
    sampler = RequestSampler(world.captures, world.registry, world.registry.folder / "temporary")
    found = sampler.store(run, world.registry.models["points:1"].manifest.signature, wanted)
    requests = read_requests(world.registry.folder / found.requests.digest) if found.requests else []
    assert len(requests) == found.count
    return requests, found.masked


def test_the_sample_is_spread_over_time_and_ends_where_the_run_began(world):
    for _ in range(4):
        world.traffic(50, rows=2)
    run = run_at(world)
    world.traffic(30)
    requests, _ = sampled(world, run, 20)
    assert len(requests) == 20
    times = sorted(request.at for request in requests)
    assert times[-1] <= run.started_at
    gaps = {(late - early).total_seconds() for early, late in pairwise(times)}
    assert gaps == {10.0}
    assert {request.rows for request in requests} == {2}


def test_all_requests_are_taken_if_they_are_fewer_than_wanted(world):
    world.traffic(30)
    assert len(sampled(world, run_at(world), 1000)[0]) == 30
    assert sampled(world, replace(run_at(world), endpoint="nobody"), 10) == ([], 0)


def test_requests_with_masked_inputs_are_left_out_and_counted(world):
    kept = {record.id for record in world.traffic(30)}
    world.write([msgspec.structs.replace(record, masked=("x",)) for record in world.records(12)])
    answers_masked = [msgspec.structs.replace(record, masked=("label",)) for record in world.records(3)]
    world.write(answers_masked)
    world.ingest.run_once()
    requests, masked = sampled(world, run_at(world), 1000)
    assert {request.id for request in requests} == kept | {record.id for record in answers_masked}
    assert masked == 12


def test_the_verdict_counts_requests_that_were_left_out():
    said = "12 more were left out, their personal columns were hashed or dropped"
    judgement = judge_replay(FINE, running="m:1", candidate="m:2", rules=GateRules(), masked=12)
    assert said in judgement.reason
    assert judgement.figures["replay_masked"] == 12
    few = judge_replay(FINE | {"requests": 8.0}, running="m:1", candidate="m:2", rules=GateRules(), masked=12)
    assert said in few.reason
    assert "left out" not in decide(FINE).reason
