"""What starts runs by itself: schedules, new dataset versions, drift. Each looks at what is new since its mark."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from croniter import croniter

from modelyard.control.clients.contracts import OperationsClient, RegistryClient
from modelyard.control.pipelines.repository import PipelineRepository
from modelyard.control.pipelines.runs import RunService
from modelyard.errors import ModelyardError, NotFoundError
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.pipelines.definitions import DatasetTrigger, Pipeline

DRIFT_FOUND = "drift_found"
_SCHEDULE, _DRIFT = "schedule", "drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a trigger sees: how far it has looked, and why a run should begin ("": no reason)."""

    trigger: str
    seen: str
    cause: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


class Triggering:
    """Starts what is due. While a run that began by itself is under way the next one waits, and then sees the newest.

    Args:
        database: holds the marks.
        repository: the SQL.
        runs: starts.
        registry: knows the newest dataset versions.
        operations: knows what monitors have found; asked only by pipelines that name monitors.
        clock: for schedules.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: PipelineRepository,
        runs: RunService,
        registry: RegistryClient,
        operations: Callable[[], OperationsClient],
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._runs = runs
        self._registry = registry
        self._operations = operations
        self._clock = clock

    def sweep(self) -> None:
        """Look at every pipeline that may start by itself."""
        with self._database.read() as connection:
            pipelines = self._repository.triggered(connection)
        for pipeline in pipelines:
            try:
                self.look(pipeline)
            except ModelyardError:
                continue  # something is away; the next sweep asks again

    def look(self, pipeline: Pipeline) -> None:
        """Start a run of a pipeline if one of its triggers has a reason; the first look takes note of what is there."""
        with self._database.read() as connection:
            marks = self._repository.marks(connection, pipeline.project, pipeline.name)
            if self._repository.is_under_way(connection, pipeline.project, pipeline.name):
                return
        for look in self._looks(pipeline, marks):
            if look.cause:
                self._runs.start(
                    pipeline,
                    look.parameters,
                    created_by=pipeline.created_by,
                    cause=look.cause,
                    mark=(look.trigger, look.seen),
                )
                return
            if marks.get(look.trigger) != look.seen:
                with self._database.transaction() as connection:
                    self._repository.mark(connection, pipeline.project, pipeline.name, look.trigger, look.seen)

    def _looks(self, pipeline: Pipeline, marks: Mapping[str, str]) -> Iterator[Look]:
        triggers = pipeline.definition.triggers
        if triggers.schedule:
            yield self._schedule(triggers.schedule, marks.get(_SCHEDULE))
        for trigger in triggers.datasets:
            yield self._dataset(pipeline.project, trigger, marks.get(f"dataset/{trigger.dataset}"))
        if triggers.monitors:
            yield self._drift(pipeline.project, triggers.monitors, marks.get(_DRIFT))

    def _schedule(self, expression: str, mark: str | None) -> Look:
        now = self._clock.now()
        if mark is None:
            return Look(trigger=_SCHEDULE, seen=now.isoformat())
        after: datetime = croniter(expression, now).get_next(datetime)
        slot: datetime = croniter(expression, after).get_prev(datetime)
        if slot <= datetime.fromisoformat(mark):
            return Look(trigger=_SCHEDULE, seen=mark)
        cause = f"Its schedule '{expression}' was due at {slot:%Y-%m-%d %H:%M} UTC."
        return Look(trigger=_SCHEDULE, seen=now.isoformat(), cause=cause)

    def _dataset(self, project: str, trigger: DatasetTrigger, mark: str | None) -> Look:
        try:
            newest = self._registry.dataset_version(project, trigger.dataset).number
        except NotFoundError:
            newest = 0
        name = f"dataset/{trigger.dataset}"
        if mark is None or newest <= int(mark):
            return Look(trigger=name, seen=str(newest))
        ref = f"{trigger.dataset}:{newest}"
        parameters = {trigger.parameter: ref} if trigger.parameter else {}
        return Look(trigger=name, seen=str(newest), cause=f"There is a new version {ref}.", parameters=parameters)

    def _drift(self, project: str, monitors: tuple[str, ...], mark: str | None) -> Look:
        operations = self._operations()
        if mark is None:
            return Look(trigger=_DRIFT, seen=str(operations.newest_event(project)))
        seen = int(mark)
        for sequence, event in operations.events(project, seen):
            seen = sequence
            if event.kind == DRIFT_FOUND and event.details.get("monitor") in monitors:
                cause = f"Monitor '{event.details['monitor']}' found drift: {event.message}"
                return Look(trigger=_DRIFT, seen=str(seen), cause=cause)
        return Look(trigger=_DRIFT, seen=str(seen))
