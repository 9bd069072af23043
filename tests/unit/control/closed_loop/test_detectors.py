"""What monitors look for beyond columns: labels, other baselines, detectors of one's own in a real sandbox."""

from dataclasses import replace

import pytest

from modelyard.control.detectors.errors import DetectorCodeForbiddenError, DetectorInvalidError, DetectorNotFoundError
from modelyard.control.detectors.schemas import DetectorPut
from modelyard.control.monitors.errors import BaselineInvalidError, ScheduleInvalidError
from modelyard.control.monitors.schemas import MonitorCreate, MonitorUpdate
from modelyard.drift.catalog import DetectorUnknownError
from modelyard.types.models import Metric
from modelyard.types.monitoring import DriftReport, FindingKind, Monitor, Verdict

OWN = """
from modelyard.drift.base import Detection, Detector
from modelyard.types.monitoring import Verdict


class TooTall(Detector):
    name = "too-tall"
    description = "x is above 1 on average"

    def detect(self, reference, window, settings):
        mean = window.columns["x"].mean
        assert len(window.sample.columns["x"]) == window.rows
        verdict = Verdict.DRIFT if mean > 1 else Verdict.NO_DRIFT
        return Detection(verdict=verdict, sentence=f"x is {mean:.1f} on average.")
"""


def watch(world, *detectors: str, **changes) -> Monitor:
    body = {"name": "watch", "endpoint": "points", "detectors": detectors, "minimum_rows": 50, "window_rows": 200}
    return world.monitors.create("default", MonitorCreate(**body | changes), None)


def run(world) -> DriftReport:
    world.clock.sleep(10)  # labels settle
    return world.monitoring.runner.run("default", "watch")


def has_accuracy(world, value: float, low: float | None = None) -> None:
    version = world.registry.models["points:1"]
    metric = Metric(name="accuracy", value=value, low=low, n=500)
    card = replace(version.manifest.card, metrics=(metric,))
    world.registry.models["points:1"] = replace(version, manifest=replace(version.manifest, card=card))


def test_labels_that_say_that_the_model_became_worse_raise_an_alarm_and_name_the_worst_slice(world):
    has_accuracy(world, 0.97, low=0.95)
    watch(world, "quality")
    world.label(world.traffic(300))
    report = run(world)
    assert (report.verdict, report.rows) == (Verdict.NO_DRIFT, 300)
    assert report.sentence.startswith("Accuracy is 100 % (")
    assert run(world).rows == 300  # labels are counted once, however often one looks
    world.label(world.traffic(60, shift=3.0), is_right=False)
    report = run(world)
    assert (report.verdict, report.rows) == (Verdict.DRIFT, 360)
    assert "less than the 95 % to be expected; worst where x is " in report.sentence
    assert report.findings[0].kind is FindingKind.QUALITY
    assert world.event_kinds() == ["drift_found"]


def test_without_a_known_accuracy_the_first_labels_say_what_is_usual(world):
    watch(world, "quality")
    world.label(world.traffic(20))
    assert run(world).verdict is Verdict.INSUFFICIENT
    world.label(world.traffic(150))
    world.label(world.traffic(200))
    assert run(world).verdict is Verdict.INSUFFICIENT  # the first labels came all at once: they are what is usual
    world.label(world.traffic(60))
    assert run(world).verdict is Verdict.NO_DRIFT
    world.label(world.traffic(150), is_right=False)
    assert run(world).verdict is Verdict.DRIFT


def test_a_scheduled_look_at_labels_waits_for_labels(world):
    has_accuracy(world, 0.9)
    watch(world, "quality", interval_seconds=60)
    records = world.traffic(100)
    world.clock.sleep(60)
    (first,) = world.monitoring.runner.due()
    world.monitoring.runner.run_due(first)
    world.monitoring.runner.put_off(first)
    world.clock.sleep(60)
    assert world.monitoring.runner.due() == []
    world.label(records)
    world.clock.sleep(60)
    assert len(world.monitoring.runner.due()) == 1


def test_several_detectors_give_one_verdict(world):
    has_accuracy(world, 0.5)
    watch(world, "drift", "quality", "multivariate-drift")
    world.label(world.traffic(300))
    assert run(world).verdict is Verdict.NO_DRIFT
    world.label(world.traffic(300, shift=2.0))
    report = run(world)
    assert report.verdict is Verdict.DRIFT
    assert "x rose from " in report.sentence
    assert "can be told apart" in report.sentence
    assert {FindingKind.DISTRIBUTION, FindingKind.TOGETHER, FindingKind.QUALITY} <= {f.kind for f in report.findings}


def test_a_detector_that_fails_does_not_hide_what_another_one_finds(world):
    watch(world, "drift", "estimated-quality")  # the reference of this version holds no calibration
    world.traffic(200)
    quiet = run(world)
    assert quiet.verdict is Verdict.FAILED
    assert "Quality cannot be estimated" in quiet.sentence
    world.traffic(200, shift=2.0)
    report = run(world)
    assert report.verdict is Verdict.DRIFT
    assert report.sentence.endswith("on which rows the model is how good.")


def test_a_detector_of_ones_own_judges_in_a_sandbox(world):
    world.registry.code_is_permitted = True
    world.monitoring.detectors.put("default", "too-tall", DetectorPut(source=OWN))
    watch(world, "too-tall")
    world.traffic(200)
    assert run(world).verdict is Verdict.NO_DRIFT
    world.traffic(200, shift=2.0)
    report = run(world)
    assert (report.verdict, report.sentence[:5]) == (Verdict.DRIFT, "x is ")
    broken = OWN.replace("mean > 1", "mean / 0 > 1")
    assert world.monitoring.detectors.put("default", "too-tall", DetectorPut(source=broken)).version == 2
    report = run(world)
    assert report.verdict is Verdict.FAILED
    assert "ZeroDivisionError (line " in report.sentence
    world.registry.code_is_permitted = False
    assert "does not permit code" in run(world).sentence
    world.monitoring.detectors.delete("default", "too-tall")
    assert "has no detector 'too-tall'" in run(world).sentence
    assert world.monitoring.runner._check._runner._engine.list() == []


def test_a_detector_of_ones_own_cannot_reach_the_network_or_other_files(world, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    world.registry.code_is_permitted = True
    nosy = OWN.replace(
        'mean = window.columns["x"].mean',
        f"""import pathlib, socket
        reached = []
        for attempt in (lambda: pathlib.Path({str(secret)!r}).read_text(),
                        lambda: socket.create_connection(("127.0.0.1", 9), timeout=2)):
            try:
                attempt()
            except ConnectionRefusedError:
                pass
            except OSError:
                continue
            reached.append("yes")
        mean = 10.0 * len([each for each in reached if each == "yes" and pathlib.Path({str(secret)!r}).exists()])""",
    )
    world.monitoring.detectors.put("default", "nosy", DetectorPut(source=nosy))
    watch(world, "nosy")
    world.traffic(60)
    report = run(world)
    assert (report.verdict, report.sentence) == (Verdict.NO_DRIFT, "x is 0.0 on average.")


def test_code_is_refused_where_it_is_not_permitted_or_is_none(world):
    keep = world.monitoring.detectors.put
    with pytest.raises(DetectorCodeForbiddenError):
        keep("default", "mine", DetectorPut(source=OWN))
    world.registry.code_is_permitted = True
    for source in ("def detect(:", "x = 1", "class A:\n    pass"):
        with pytest.raises(DetectorInvalidError):
            keep("default", "mine", DetectorPut(source=source))
    with pytest.raises(DetectorInvalidError):
        keep("default", "drift", DetectorPut(source=OWN))
    with pytest.raises(DetectorNotFoundError):
        world.monitoring.detectors.get("default", "mine")
    with pytest.raises(DetectorUnknownError):
        watch(world, "mine")
    keep("default", "mine", DetectorPut(source=OWN, description="mine"))
    assert [each.name for each in world.monitoring.detectors.list("default")][-2:] == ["quality", "mine"]


def test_last_week_and_another_endpoint_are_baselines(world):
    watch(world, "drift", baseline="previous-week")
    world.traffic(200, shift=2.0)
    assert run(world).verdict is Verdict.INSUFFICIENT
    world.clock.sleep(2 * 86400)
    world.traffic(200, shift=2.0)  # far from the training data, but as it was last week
    assert run(world).verdict is Verdict.NO_DRIFT
    world.traffic(200)
    assert run(world).verdict is Verdict.DRIFT
    world.endpoints.deploy("twin", "points", 1)
    world.write(world.records(200, shift=2.0, endpoint="twin"))
    world.ingest.run_once()
    world.monitors.update("default", "watch", MonitorUpdate(baseline="endpoint/twin"), None)
    assert run(world).verdict is Verdict.DRIFT
    world.traffic(200, shift=2.0)
    assert run(world).verdict is Verdict.NO_DRIFT


def test_a_baseline_or_schedule_that_is_none_is_refused(world):
    with pytest.raises(BaselineInvalidError):
        watch(world, "drift", baseline="yesterday")
    with pytest.raises(ScheduleInvalidError):
        watch(world, "drift", cron="every day")
    with pytest.raises(ScheduleInvalidError):
        watch(world, "drift", cron="0 6 * * *", every_rows=100)


def test_checks_come_by_cron_or_after_so_many_rows(world):
    runner = world.monitoring.runner
    watch(world, "drift", cron="0 6 * * *")
    world.traffic(60)
    assert runner.due() == []
    world.clock.sleep(86400)
    (check,) = runner.due()
    assert (check.slot.hour, check.slot.minute) == (6, 0)
    world.monitors.update("default", "watch", MonitorUpdate(cron=None, every_rows=100), None)
    runner.run("default", "watch")
    world.traffic(60)
    world.clock.sleep(11)
    assert runner.due() == []
    world.traffic(60)
    world.clock.sleep(11)
    (check,) = runner.due()
    runner.run_due(check)
    world.clock.sleep(11)
    assert runner.due() == []
