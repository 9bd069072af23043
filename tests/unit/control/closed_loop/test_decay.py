"""Decay starts a run: each label counts once, however often one looks, and what was counted outlives the process."""

from dataclasses import replace

import numpy as np

from modelyard.control.feedback.labelled import LabelledRows
from modelyard.control.monitors.checking.counting import LabelCounter
from modelyard.control.retraining.conditions.decay import LEVEL, SequentialDecay
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.control.retraining.schemas import PolicyUpdate
from modelyard.types.models import Metric
from modelyard.types.monitoring import RetrainingStatus
from modelyard.types.signatures import DataType, Signature, TensorSpec

ACCURACY = Metric(name="accuracy", value=0.97, low=0.95, high=0.98, n=400, split="holdout")


def certify(world, *metrics: Metric, signature: Signature | None = None) -> None:
    """Held-out figures on the card of points:1."""
    version = world.registry.models["points:1"]
    manifest = replace(version.manifest, card=replace(version.manifest.card, metrics=metrics))
    manifest = manifest if signature is None else replace(manifest, signature=signature)
    world.registry.models["points:1"] = replace(version, manifest=manifest)


def judge(world) -> SequentialDecay:
    """As a process that was just started."""
    counter = LabelCounter(world.labelled, world.feedback, world.clock)
    return SequentialDecay(world.database, RetrainingRepository(), world.registry, counter)


def says(world) -> str:
    return world.retraining.status("default", "again").sentence


def settle(world) -> None:
    world.clock.sleep(6)


def test_decay_starts_a_run_once_it_is_certain(world):
    certify(world, ACCURACY)
    world.policy(triggers={"maximum_decay": 0.05})
    assert says(world) == "waits for decay: points:1 has no labelled rows that no run has answered for"
    world.label(world.traffic(60))
    settle(world)
    assert says(world).startswith("waits for decay: accuracy is 100 % (")
    assert says(world).endswith("over 60 labelled rows of points:1, not certainly worse than 90 %")
    assert world.retraining.start_due() == []
    world.label(world.traffic(60), is_right=False)
    settle(world)
    (run,) = world.retraining.start_due()
    assert run.cause.startswith("Accuracy is 50 % (")
    assert run.cause.endswith(
        "over 120 labelled rows of points:1, certainly worse than the 90 % that the policy bears. "
        "120 new labelled rows have come (needed: 20)."
    )


def test_a_run_answers_for_the_labels_that_came_before_it_and_later_ones_must_say_it_again(world):
    certify(world, ACCURACY)
    world.policy(triggers={"maximum_decay": 0.05})
    world.label(world.traffic(60), is_right=False)
    settle(world)
    (run,) = world.retraining.start_due()
    assert world.carry(run.id).status is RetrainingStatus.REJECTED
    world.clock.sleep(101)
    world.label(world.traffic(30))
    settle(world)
    assert "over 30 labelled rows of points:1, not certainly worse" in says(world)
    world.label(world.traffic(60), is_right=False)
    settle(world)
    assert len(world.retraining.start_due()) == 1


def test_a_run_that_failed_answers_for_nothing(world):
    certify(world, ACCURACY)
    world.policy(triggers={"maximum_decay": 0.05})
    world.label(world.traffic(60), is_right=False)
    settle(world)
    world.jobs.failure = "out of memory"
    (run,) = world.retraining.start_due()
    assert world.carry(run.id).status is RetrainingStatus.FAILED
    world.clock.sleep(101)
    assert len(world.retraining.start_due()) == 1


def test_no_label_is_forgotten_or_counted_twice_over_restarts_and_many_looks(world):
    certify(world, ACCURACY)
    policy = world.policy(triggers={"maximum_decay": 0.05})
    for count in range(1, 5):
        world.label(world.traffic(20))
        settle(world)
        for _ in range(3):
            _, sentence = judge(world).decay(policy, "points:1", None)
        assert f"over {20 * count} labelled rows" in sentence


def test_another_bound_is_another_test_of_the_same_labels(world):
    certify(world, ACCURACY)
    policy = world.policy(triggers={"maximum_decay": 0.9})
    world.label(world.traffic(80))
    world.label(world.traffic(40), is_right=False)
    settle(world)
    assert judge(world).decay(policy, "points:1", None)[0] is False
    stricter = world.policies.update("default", "again", PolicyUpdate(triggers={"maximum_decay": 0.05}), None)
    is_decayed, sentence = judge(world).decay(stricter, "points:1", None)
    assert is_decayed
    assert "over 120 labelled rows" in sentence


def test_what_was_counted_goes_with_its_policy(world):
    certify(world, ACCURACY)
    policy = world.policy(triggers={"maximum_decay": 0.05})
    world.label(world.traffic(60), is_right=False)
    settle(world)
    assert judge(world).decay(policy, "points:1", None)[0] is True
    world.policies.delete("default", "again", None)
    with world.database.read() as connection:
        assert RetrainingRepository().decay_memory(connection, "default", "again", "points:1") is None


def test_larger_errors_of_numbers_are_decay_beyond_a_share_of_the_mean_error(world):
    numbers = Signature(
        inputs=world.registry.models["points:1"].manifest.signature.inputs,
        outputs=(TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),),
    )
    error = Metric(name="mae", value=1.0, high=1.1, n=400, split="holdout")
    certify(world, error, signature=numbers)
    policy = world.policy(triggers={"maximum_decay": 0.5})
    _, sentence = judge(world).decay(policy, "points:1", None)
    assert sentence == "points:1 has no labelled rows that no run has answered for"
    certify(world, signature=numbers)
    assert "has no held-out metric" in judge(world).decay(policy, "points:1", None)[1]


def test_a_version_without_held_out_metrics_does_not_decay(world):
    world.policy(triggers={"maximum_decay": 0.05})
    world.label(world.traffic(30), is_right=False)
    assert "the card of points:1 has no held-out metric" in says(world)


class Stream:
    """Labels of a healthy version, minute after minute, as the reader and the feedback service would show them."""

    def __init__(self, world, rights: np.ndarray) -> None:
        self.rights = rights
        self.arrivals: list[tuple] = []
        self._clock = world.clock

    def minute(self, count: int) -> None:
        known = len(self.arrivals)
        self.arrivals += [(self._clock.now(), f"inf-{known + place:06d}") for place in range(count)]
        self._clock.sleep(60)

    def arrived(self, _project, _endpoint, cursor, until, limit):
        start = 0 if cursor is None else next((n for n, each in enumerate(self.arrivals) if each > cursor), None)
        if start is None:
            return []
        return [each for each in self.arrivals[start : start + limit] if each[0] <= until]

    def read_ids(self, _wanted, ids):
        places = [int(name[4:]) for name in ids]
        truth = [int(self.rights[place]) for place in places]
        now = self._clock.now()
        answers = {"label": np.ones(len(ids), dtype=np.int64)}
        yield LabelledRows(
            version="points:1", ids=list(ids), inputs={}, outputs=answers, labels=truth, captured=len(ids), since=now,
            until=now,
        )  # fmt: skip


def test_looking_every_minute_raises_no_more_false_alarms_than_stated(world):
    """Versions that are exactly as bad as the policy just bears: the hardest case of no decay."""
    per_minute, minutes = 10, 60
    certify(world, ACCURACY)
    policy = world.policy(triggers={"maximum_decay": 0.05})
    random = np.random.default_rng(11)
    versions, alarmed, naive = 40, 0, 0
    for _ in range(versions):
        rights = random.random(per_minute * minutes) < 0.90
        stream = Stream(world, rights)
        decay = SequentialDecay(
            world.database, RetrainingRepository(), world.registry, LabelCounter(stream, stream, world.clock)
        )
        began = world.clock.now()
        has_alarmed = has_naive = False
        for minute in range(minutes):
            stream.minute(per_minute)
            has_alarmed |= decay.decay(policy, "points:1", began)[0]
            seen = rights[: (minute + 1) * per_minute]
            has_naive |= bool(seen.mean() + 1.645 * np.sqrt(0.09 / len(seen)) < 0.90)
        alarmed += has_alarmed
        naive += has_naive
    assert alarmed / versions <= LEVEL
    assert naive / versions > 2 * LEVEL, "the interval that was here before would not have held what it says"
