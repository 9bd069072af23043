"""Alarms on metrics: how they stand is worked out when somebody asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from operator import ge, gt, le, lt

from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.alarms.records import Alarm, AlarmState, Standing
from modelyard.control.hosting.alarms.series import MetricSeries
from modelyard.control.hosting.records import of_content, to_content
from modelyard.kit.clock import Clock

KIND = "metric-alarm"
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": ge,
    "GreaterThanThreshold": gt,
    "LessThanThreshold": lt,
    "LessThanOrEqualToThreshold": le,
}


class MetricAlarms:
    """Keeps alarms. Safe from any thread."""

    def __init__(self, documents: DocumentService, series: MetricSeries, clock: Clock) -> None:
        self._documents = documents
        self._series = series
        self._clock = clock

    def put(self, project: str, name: str, alarm: Alarm) -> None:
        """A new alarm, or another meaning for one."""
        with suppress(DocumentExistsError):
            self._documents.create(KIND, project, name, to_content(alarm))
        self._documents.update(KIND, project, name, lambda _: to_content(alarm))

    def find(self, project: str, name: str) -> Alarm | None:
        """The alarm of this name, if there is one."""
        document = self._documents.find(KIND, project, name)
        return None if document is None else of_content(document.content, Alarm)

    def list(self, project: str) -> Iterator[tuple[str, Alarm]]:
        """All of them, by name."""
        for document in self._documents.every(KIND, project):
            yield document.name, of_content(document.content, Alarm)

    def remove(self, project: str, name: str) -> None:
        """Forget one; no effect if there is none."""
        self._documents.discard(KIND, project, name)

    def firing(self, project: str, names: Iterable[str]) -> str:
        """Why one of these alarms is in ALARM; empty if none is. One that was deleted is not."""
        for name in names:
            alarm = self.find(project, name)
            standing = None if alarm is None else self.standing(project, alarm)
            if standing is not None and standing.state is AlarmState.ALARM:
                return f"Alarm {name}: {standing.reason}"
        return ""

    def standing(self, project: str, alarm: Alarm) -> Standing:
        """How it stands now: by its last periods, of which the present one is the last if it has a value."""
        seconds = alarm.period_seconds
        now = self._clock.now().timestamp()
        end = datetime.fromtimestamp(now // seconds * seconds, UTC) + timedelta(seconds=seconds)
        start = end - timedelta(seconds=seconds * (alarm.periods + 1))
        _, found = self._series.periods(project, alarm.metric, start, end, seconds)
        places = [start + timedelta(seconds=seconds * index) for index in range(alarm.periods + 1)]
        looked_at = places[1:] if places[-1] in found else places[:-1]
        values = [found[place].named(alarm.statistic) if place in found else None for place in looked_at]
        return _judged(alarm, values)


def _judged(alarm: Alarm, values: list[float | None]) -> Standing:
    """Source: Amazon CloudWatch User Guide, "Evaluating an alarm" and "Configuring how alarms treat missing data"."""
    is_out = COMPARISONS[alarm.comparison]
    present = [value for value in values if value is not None]
    out = [value for value in present if is_out(value, alarm.threshold)]
    count = len(out) + (len(values) - len(present) if alarm.missing == "breaching" else 0)
    words = f"{count} of the last {len(values)} periods were out of bounds"
    if out:
        words += f" (the last of them {out[-1]:g}, {alarm.comparison} {alarm.threshold:g})"
    if count >= alarm.breaching:
        return Standing(AlarmState.ALARM, f"{words}.")
    if not present and alarm.missing in ("missing", "ignore"):
        return Standing(AlarmState.UNKNOWN, "There are no values in the last periods.")
    return Standing(AlarmState.OK, f"{words}; {alarm.breaching} are needed.")
