"""Live quality: how good each version is on the traffic whose truth is known."""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from modelyard.algorithms.evaluation.intervals import mean_interval, wilson
from modelyard.control.captures.batches import BatchFilter, check_range
from modelyard.control.feedback.errors import WindowInvalidError
from modelyard.control.feedback.labelled import LabelledReader, LabelledRows
from modelyard.control.feedback.service import EndpointReader, label
from modelyard.kit.clock import Clock
from modelyard.types.monitoring import LiveMetrics

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WINDOW = re.compile(r"(\d{1,6})([smhd])")


def parse_window(text: str) -> timedelta:
    """A time window as people write it: "90s", "15m", "24h" or "7d".

    Raises:
        WindowInvalidError: anything else.
    """
    match = _WINDOW.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise WindowInvalidError(
            f"'{text[:40]}' is not a time window", hint="Write a number and s, m, h or d, e.g. 24h.", field="window"
        )
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


class QualityService:
    """Computes live metrics. Safe from any thread."""

    def __init__(self, labelled: LabelledReader, endpoints: EndpointReader, clock: Clock) -> None:
        self._labelled = labelled
        self._endpoints = endpoints
        self._clock = clock

    def metrics(
        self, project: str, endpoint: str, window: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[LiveMetrics]:
        """Accuracy per version (classifiers), or MAE and RMSE (regressors), with 95 % intervals.

        A version that answered in the window but has no labels yet appears with `n` 0 and no value.

        Args:
            project: of the endpoint.
            endpoint: its name.
            window: how far back from `until`, unless `since` says it: "90s", "15m", "24h", "7d".
            since: first moment.
            until: last moment; now if None.

        Raises:
            NotFoundError: no such endpoint.
            WindowInvalidError: the window cannot be read.
            TimeRangeInvalidError: it ends before it begins, or a time has no zone.
        """
        self._endpoints.get(project, endpoint)
        length = parse_window(window)
        until = until or self._clock.now()
        wanted = BatchFilter(project=project, endpoint=endpoint, since=since or until - length, until=until)
        check_range(wanted)
        scores: dict[str, _Score] = {}
        for rows in self._labelled.read(wanted, with_inputs=False):
            scores.setdefault(rows.version, _Score()).add(rows)
        return [metric for version in sorted(scores) for metric in scores[version].metrics(endpoint, version)]


@dataclass(slots=True)
class _Score:
    """What adds up over the batches of one version."""

    is_regression: bool = False
    correct: int = 0
    n: int = 0
    errors: list[float] = field(default_factory=list)
    since: datetime | None = None
    until: datetime | None = None

    def add(self, rows: LabelledRows) -> None:
        if not rows.has_answers:
            return
        if "label" in rows.outputs:
            predicted = rows.outputs["label"].reshape(-1).tolist()
            self.correct += sum(label(p) == label(t) for p, t in zip(predicted, rows.labels, strict=True))
        elif "prediction" in rows.outputs:
            self.is_regression = True
            predicted = rows.outputs["prediction"].reshape(-1).tolist()
            pairs = zip(predicted, map(_number, rows.labels), strict=True)
            self.errors += [p - t for p, t in pairs if t is not None]
        else:
            return
        self.n = len(self.errors) if self.is_regression else self.n + len(rows.labels)
        if rows.labels:
            self.since = min(filter(None, (self.since, rows.since)))
            self.until = max(filter(None, (self.until, rows.until)))

    def metrics(self, endpoint: str, version: str) -> list[LiveMetrics]:
        names = ("mae", "rmse") if self.is_regression else ("accuracy",)
        return [self._metric(endpoint, version, name) for name in names]

    def _metric(self, endpoint: str, version: str, name: str) -> LiveMetrics:
        value, low, high = self._interval(name) if self.n else (None, None, None)
        return LiveMetrics(
            endpoint=endpoint,
            model_version=version,
            metric=name,
            value=value,
            low=low,
            high=high,
            n=self.n,
            since=self.since,
            until=self.until,
        )

    def _interval(self, name: str) -> tuple[float, float, float]:
        if name == "accuracy":
            return self.correct / self.n, *wilson(self.correct, self.n)
        if name == "mae":
            mean, low, high = mean_interval(np.abs(self.errors))
            return mean, max(0.0, low), high
        mean, low, high = mean_interval(np.square(self.errors))
        return math.sqrt(mean), math.sqrt(max(0.0, low)), math.sqrt(high)


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
