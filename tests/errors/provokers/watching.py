"""Errors of monitors, detectors and alerts."""

from dataclasses import replace
from datetime import UTC, datetime
from unittest import mock

import httpx
import numpy as np
from stage import Stage

from modelyard.control.detectors.running import DetectorRunner
from modelyard.control.monitors.checking.baselines import Baselines
from modelyard.control.monitors.checking.quality import QualityCheck
from modelyard.drift.base import DetectionSettings
from modelyard.drift.multivariate import MultivariateDetector
from modelyard.drift.quality.estimation import estimate
from modelyard.drift.reference import ReferenceSketch, build_reference, window_of
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.clock import SystemClock
from modelyard.settings import Home
from modelyard.types.models import ArtifactFormat, Lineage, Manifest, ModelCard, ModelVersion
from modelyard.types.monitoring import DetectorDescription, Monitor
from modelyard.types.signatures import DataType, Signature, TensorSpec
from provokers.registration import provokes

_NUMBERS = Signature(
    inputs=(TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 1), columns=("x",)),),
    outputs=(TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),),
)
_ROWS = {"numeric": np.arange(200, dtype=np.float32)[:, None]}
_SOURCE = "class Mine:\n    def detect(self, reference, window, settings): ..."


@provokes("drift_calibration_missing")
def drift_calibration_missing(_stage: Stage) -> None:
    reference = _reference()
    estimate(reference, window_of(reference, [(_ROWS, {})]))


@provokes("drift_sample_missing")
def drift_sample_missing(_stage: Stage) -> None:
    reference = replace(_reference(), sample={})
    MultivariateDetector().detect(reference, window_of(reference, [(_ROWS, {})]), DetectionSettings())


@provokes("alert_channel_not_found")
def alert_channel_not_found(stage: Stage) -> httpx.Response:
    return stage.operations_call("POST", "/alert-channels/nobody/test")


@provokes("alert_channel_exists")
def alert_channel_exists(stage: Stage) -> httpx.Response:
    name = _channel(stage).raise_for_status().json()["name"]
    return _channel(stage, name=name)


@provokes("alert_target_invalid")
def alert_target_invalid(stage: Stage) -> httpx.Response:
    return _channel(stage, target="hooks.example.org")


@provokes("detector_not_found")
def detector_not_found(stage: Stage) -> httpx.Response:
    return stage.operations_call("GET", "/detectors/mine")


@provokes("detector_code_forbidden")
def detector_code_forbidden(stage: Stage) -> httpx.Response:
    return stage.operations_call("PUT", "/detectors/mine", json={"source": _SOURCE})


@provokes("detector_invalid")
def detector_invalid(stage: Stage) -> httpx.Response:
    project = stage.name()
    stage.call("POST", "/registry/v1/projects", json={"name": project}).raise_for_status()
    leave = {"reason": "a test of refused detectors"}
    stage.call("PUT", f"/registry/v1/projects/{project}/code-permission", json=leave).raise_for_status()
    path = f"/operations/v1/projects/{project}/detectors/mine"
    return stage.call("PUT", path, json={"source": "def detect(:"})


@provokes("detector_failed")
def detector_failed(stage: Stage) -> None:
    reference = _reference()
    source = (
        "from modelyard.drift.base import Detector\n\n\nclass Mine(Detector):\n"
        "    def detect(self, reference, window, settings):\n        return window.rows / 0\n"
    )
    runner = DetectorRunner(LocalEngine(Home(stage.folder())), stage.folder())
    window = window_of(reference, [(_ROWS, {})])
    own = DetectorDescription(name="mine", description="", source=source)
    runner.run("default", own, reference, window, DetectionSettings())


@provokes("monitor_baseline_too_small")
def monitor_baseline_too_small(_stage: Stage) -> None:
    captures = mock.Mock()
    captures.newest.return_value = []
    baselines = Baselines(mock.Mock(), mock.Mock(), mock.Mock(), captures, SystemClock())
    baselines.get(_monitor(baseline="previous-week"), "digits:1")


@provokes("monitor_quality_unknown")
def monitor_quality_unknown(_stage: Stage) -> None:
    registry = mock.Mock()
    registry.model_version.return_value = ModelVersion(
        project="default",
        model="houses",
        number=1,
        digest="0",
        size_bytes=1,
        manifest=Manifest(
            artifact="model.onnx",
            artifact_format=ArtifactFormat.ONNX,
            signature=_NUMBERS,
            card=ModelCard(task="tabular-regression"),
        ),
        files=(),
        lineage=Lineage(),
        created_at=datetime.now(UTC),
    )
    check = QualityCheck(registry, mock.Mock(), mock.Mock(), mock.Mock(), SystemClock())
    check.run(_monitor(), "houses:1", None)


@provokes("monitor_schedule_invalid")
def monitor_schedule_invalid(stage: Stage) -> httpx.Response:
    return _new_monitor(stage, cron="every day")


@provokes("monitor_baseline_invalid")
def monitor_baseline_invalid(stage: Stage) -> httpx.Response:
    return _new_monitor(stage, baseline="yesterday")


@provokes("monitor_nothing_to_acknowledge")
def monitor_nothing_to_acknowledge(stage: Stage) -> httpx.Response:
    name = _new_monitor(stage).raise_for_status().json()["name"]
    return stage.operations_call("POST", f"/monitors/{name}/acknowledge")


def _reference() -> ReferenceSketch:
    return build_reference(_NUMBERS, _ROWS, {})


def _channel(stage: Stage, **changes: object) -> httpx.Response:
    body = {"name": stage.name(), "kind": "webhook", "target": "https://hooks.example.org", **changes}
    return stage.operations_call("POST", "/alert-channels", json=body)


def _new_monitor(stage: Stage, **changes: object) -> httpx.Response:
    body = {"name": stage.name(), "endpoint": stage.endpoint, "is_enabled": False, **changes}
    return stage.operations_call("POST", "/monitors", json=body)


def _monitor(**changes: str) -> Monitor:
    now = datetime.now(UTC)
    plain = Monitor(
        project="default",
        name="watch",
        endpoint="digits",
        detectors=("drift",),
        interval_seconds=3600,
        minimum_rows=100,
        window_rows=1000,
        alarms_per_week=1,
        is_enabled=True,
        last_report=None,
        created_at=now,
        updated_at=now,
        version=1,
    )
    return replace(plain, **changes)
