"""The rules of runs: how one begins, what is shown of it, how it is stopped, and what people say of its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelyard.control.pipelines.definition.ordering import graph_of, ordered
from modelyard.control.pipelines.definition.parameters import complete
from modelyard.control.pipelines.errors import (
    PipelineRunNotFoundError,
    PipelineStepNotFoundError,
    PipelineStepNotWaitingError,
)
from modelyard.control.pipelines.repository import PipelineRepository, RunRecord
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.errors import InvalidStateError
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.pipelines.definitions import Pipeline
from modelyard.types.pipelines.runs import Decision, PipelineGraph, PipelineRun, RunStatus, StepState, StepStatus


class RunService:
    """Starts, shows, stops and decides. `execution` carries what this writes down. Safe from any thread."""

    def __init__(
        self, *, database: Database, repository: PipelineRepository, creations: Creations, clock: Clock
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._clock = clock

    def start(
        self,
        pipeline: Pipeline,
        parameters: Mapping[str, Any],
        *,
        created_by: str,
        cause: str,
        uses_cache: bool = True,
        creation: Creation | None = None,
        mark: tuple[str, str] | None = None,
    ) -> PipelineRun:
        """A new run. It is durable when this returns.

        Args:
            pipeline: as it is now; later changes do not reach the run.
            parameters: of this run; defaults for the others.
            created_by: name of the token, of the one that changed the pipeline last if it starts by itself.
            cause: why, a sentence.
            uses_cache: earlier results may stand in.
            creation: for repeated requests.
            mark: which trigger started it and how far that has looked; None: a person did.

        Raises:
            ParameterInvalidError: a parameter is unknown, missing or of another type.
        """
        run = PipelineRun(
            project=pipeline.project,
            id=new_id("run"),
            pipeline=pipeline.name,
            pipeline_version=pipeline.version,
            definition=pipeline.definition,
            parameters=complete(pipeline.definition.parameters, parameters),
            status=RunStatus.RUNNING,
            cause=cause,
            created_at=self._clock.now(),
            created_by=created_by,
            is_triggered=mark is not None,
            uses_cache=uses_cache,
            steps=tuple(
                StepState(name=name, kind=pipeline.definition.steps[name].kind)
                for name in ordered(pipeline.definition.steps)
            ),
        )
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is None:
                self._repository.insert_run(connection, run)
                self._creations.record(connection, creation, run.id)
                if mark is not None:
                    self._repository.mark(connection, pipeline.project, pipeline.name, *mark)
        return self.get(pipeline.project, made or run.id)

    def get(self, project: str, run_id: str) -> PipelineRun:
        """A run with its steps.

        Raises:
            PipelineRunNotFoundError: there is none.
        """
        with self._database.read() as connection:
            record = self._found(connection, project, run_id)
            steps = self._repository.steps(connection, run_id)
        return _shown(record, steps)

    def list(self, project: str, pipeline: str | None, page: PageQuery) -> Page[PipelineRun]:
        """Newest first, without their steps."""
        with self._database.read() as connection:
            found = [_shown(record) for record in self._repository.runs(connection, project, pipeline, page)]
        return page.page(found, lambda run: (run.created_at, run.id))

    def graph(self, project: str, run_id: str) -> PipelineGraph:
        """Its steps, where they stand, and what waits for what.

        Raises:
            PipelineRunNotFoundError: there is none.
        """
        run = self.get(project, run_id)
        return graph_of(run.definition.steps, run.steps)

    def stop(self, project: str, run_id: str) -> PipelineRun:
        """Ask it to stop: what runs is stopped, nothing more begins. Asking twice is fine.

        Raises:
            PipelineRunNotFoundError: there is none.
            InvalidStateError: it has ended.
        """
        with self._database.transaction() as connection:
            run = self._found(connection, project, run_id).run
            if run.status.is_final:
                raise InvalidStateError(f"Run '{run_id}' has ended: {run.status}", hint="Nothing is left to stop.")
            self._repository.wake(connection, run_id, stops=True)
        return self.get(project, run_id)

    def decide(
        self, project: str, run_id: str, step: str, *, is_approved: bool, by: str, comment: str = ""
    ) -> PipelineRun:
        """Say yes or no to a step that waits for it.

        Raises:
            PipelineRunNotFoundError, PipelineStepNotFoundError: there is none.
            PipelineStepNotWaitingError: it waits for nobody, or somebody was quicker.
        """
        decision = Decision(is_approved=is_approved, by=by, comment=comment, at=self._clock.now())
        with self._database.transaction() as connection:
            self._found(connection, project, run_id)
            states = {state.name: state for state in self._repository.steps(connection, run_id)}
            if step not in states:
                raise PipelineStepNotFoundError(
                    f"Run '{run_id}' has no step '{step[:80]}'", hint=f"It has {', '.join(states)}."
                )
            is_waiting = states[step].status is StepStatus.WAITING
            if not is_waiting or not self._repository.decide(connection, run_id, step, decision):
                raise PipelineStepNotWaitingError(
                    f"Step '{step}' waits for no decision",
                    hint=f"`modelyard pipelines describe {run_id}` shows where it stands, and who decided.",
                )
            self._repository.wake(connection, run_id)
        return self.get(project, run_id)

    def _found(self, connection: Connection, project: str, run_id: str) -> RunRecord:
        record = self._repository.run(connection, run_id, project)
        if record is None:
            raise PipelineRunNotFoundError(
                f"There is no run '{run_id}' in project '{project}'", hint="`modelyard pipelines runs` has the newest."
            )
        return record


def _shown(record: RunRecord, steps: Sequence[StepState] = ()) -> PipelineRun:
    run = record.run
    if not run.status.is_final and record.is_stop_requested:
        run = replace(run, status=RunStatus.STOPPING)
    elif not run.status.is_final and record.is_parked:
        run = replace(run, status=RunStatus.WAITING)
    return replace(run, steps=tuple(steps))
