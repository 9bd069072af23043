"""One check: every detector of a monitor over the newest traffic of the version that serves, and one verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.service import CaptureService
from modelyard.control.detectors.running import DetectorRunner
from modelyard.control.detectors.service import DetectorService
from modelyard.control.feedback.service import EndpointReader
from modelyard.control.monitors.checking.baselines import Baselines, unmasked
from modelyard.control.monitors.checking.quality import NAME as QUALITY
from modelyard.control.monitors.checking.quality import Judged, QualityCheck
from modelyard.control.monitors.checking.windows import Window, read_window, serving_version
from modelyard.control.monitors.errors import BaselineTooSmallError
from modelyard.drift.base import Detection, DetectionSettings
from modelyard.drift.catalog import DETECTORS, detector
from modelyard.drift.reference import ReferenceSketch
from modelyard.errors import ModelyardError
from modelyard.types.monitoring import Monitor, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The outcome of a check, and what it looked at. `memory`: what the monitor is to remember of the version."""

    detection: Detection
    version: str
    rows: int
    since: datetime | None = None
    until: datetime | None = None
    memory: str | None = None


class MonitorCheck:
    """Runs checks. Safe from any thread."""

    def __init__(
        self,
        *,
        endpoints: EndpointReader,
        captures: CaptureService,
        baselines: Baselines,
        quality: QualityCheck,
        detectors: DetectorService,
        runner: DetectorRunner,
    ) -> None:
        self._endpoints = endpoints
        self._captures = captures
        self._baselines = baselines
        self._quality = quality
        self._detectors = detectors
        self._runner = runner

    def version(self, monitor: Monitor) -> str:
        """The version that a check would look at.

        Raises:
            NotFoundError, NothingServedError: there is none.
        """
        return serving_version(self._endpoints.get(monitor.project, monitor.endpoint))

    def run(self, monitor: Monitor, version: str, memory: str | None, checks_per_week: float) -> Checked:
        """Let every detector judge.

        Args:
            monitor: says which, and how often they may be wrong together.
            version: that serves.
            memory: what the monitor remembers of it.
            checks_per_week: how many checks share the false alarms.

        Raises:
            ModelyardError: none of them can judge; the message says why.
        """
        traffic = _Traffic(self._captures, self._baselines, monitor, version)
        alarms = monitor.alarms_per_week / len(monitor.detectors)
        settings = DetectionSettings(
            minimum_rows=monitor.minimum_rows, alarms_per_week=alarms, checks_per_week=checks_per_week
        )
        outcomes: list[Detection] = []
        failures: list[ModelyardError] = []
        judged: Judged | None = None
        for name in monitor.detectors:
            try:
                if name == QUALITY:
                    judged = self._quality.run(monitor, version, memory)
                    outcomes.append(judged.detection)
                else:
                    outcomes.append(self._detect(monitor, name, traffic, settings))
            except BaselineTooSmallError as error:
                outcomes.append(Detection(verdict=Verdict.INSUFFICIENT, sentence=f"{error.message}."))
            except ModelyardError as error:
                failures.append(error)
        window = traffic.window_read
        rows = window.sketch.rows if window else (judged.rows if judged else 0)
        return Checked(
            detection=combined(outcomes, failures),
            version=version,
            rows=rows,
            since=window.since if window else None,
            until=window.until if window else None,
            memory=judged.memory if judged else None,
        )

    def has_news(self, monitor: Monitor, memory: str | None) -> bool:
        """False if another check would look at the same rows and labels of the same version as the last one did."""
        last = monitor.last_report
        version = self.version(monitor)
        if last is None or version != last.model_version:
            return True
        if QUALITY in monitor.detectors and self._quality.has_news(monitor, memory):
            return True
        if set(monitor.detectors) == {QUALITY}:
            return False
        if last.until is None:
            return True
        newest = self._captures.newest_at(
            BatchFilter(project=monitor.project, endpoint=monitor.endpoint, version=version)
        )
        return newest is not None and newest > last.until

    def rows_since(self, monitor: Monitor, moment: datetime) -> int:
        """About how many rows came after a moment."""
        return self._captures.count_rows(monitor.project, monitor.endpoint, moment)

    def _detect(self, monitor: Monitor, name: str, traffic: "_Traffic", settings: DetectionSettings) -> Detection:
        own = None if name in DETECTORS else self._detectors.runnable(monitor.project, name)
        window = traffic.window.sketch
        if own is None:
            return detector(name).detect(window.reference, window, settings)
        return self._runner.run(monitor.project, own, window.reference, window, settings)


@dataclass(kw_only=False)
class _Traffic:
    """What the window detectors of one check share, read when the first of them asks."""

    captures: CaptureService
    baselines: Baselines
    monitor: Monitor
    version: str
    window_read: Window | None = field(default=None, init=False)

    @cached_property
    def reference(self) -> ReferenceSketch:
        return self.baselines.get(self.monitor, self.version)

    @cached_property
    def window(self) -> Window:
        monitor = self.monitor
        wanted = BatchFilter(project=monitor.project, endpoint=monitor.endpoint, version=self.version)
        window = read_window(self.captures, wanted, self.reference, monitor.window_rows)
        known = unmasked(self.reference, window.masked)
        if known.columns.keys() != self.reference.columns.keys():  # personal once, and not any more
            window = read_window(self.captures, wanted, known, monitor.window_rows)
        self.window_read = window
        return window


def combined(outcomes: Sequence[Detection], failures: Sequence[ModelyardError]) -> Detection:
    """One verdict of several: drift as soon as one says so, else a failure, else no drift if one could judge.

    Raises:
        ModelyardError: the first failure, where no detector found drift.
    """
    drifted = [each for each in outcomes if each.verdict is Verdict.DRIFT]
    if failures and not drifted:
        raise failures[0]
    judged = [each for each in outcomes if each.verdict is Verdict.NO_DRIFT]
    speaking = drifted or judged or list(outcomes)
    sentences = list(dict.fromkeys(each.sentence for each in speaking))
    sentences += [f"One detector could not run: {error.message}." for error in failures]
    findings = [finding for each in outcomes for finding in each.findings]
    findings.sort(key=lambda finding: not finding.is_drifted)  # stable: each detector's own order stays
    return Detection(verdict=speaking[0].verdict, sentence=" ".join(sentences), findings=tuple(findings))
