"""One step at a time: its inputs are resolved, an earlier result is looked for, its work is begun and looked at."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from modelyard import __version__
from modelyard.control.pipelines.caching import reasons
from modelyard.control.pipelines.caching.keys import content_key, ingredients_of
from modelyard.control.pipelines.caching.pinning import Pinning
from modelyard.control.pipelines.definition.references import Reference, resolve
from modelyard.control.pipelines.definition.typing import is_of, with_article
from modelyard.control.pipelines.errors import PipelineInvalidError
from modelyard.control.pipelines.kinds.base import Progress, Stage, StepContext, StepKind
from modelyard.control.pipelines.repository import PipelineRepository
from modelyard.errors import InternalError, ModelyardError, TemporaryError
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.pipelines.definitions import KindDescription
from modelyard.types.pipelines.runs import PipelineRun, StepState, StepStatus

_log = structlog.get_logger(__name__)
_LONGEST_PAUSE_SECONDS = 60.0


class Stepping:
    """Says what a step is next. Writes nothing down; every method may be repeated at any time.

    Args:
        database: holds earlier results.
        repository: finds them.
        kinds: do the work.
        pinning: knows what references mean now.
        clock: for times.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: PipelineRepository,
        kinds: Mapping[str, StepKind],
        pinning: Pinning,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._kinds = kinds
        self._pinning = pinning
        self._clock = clock

    def prepared(self, run: PipelineRun, state: StepState, states: Mapping[str, StepState]) -> StepState:
        """A step whose turn it is: RUNNING with its inputs, CACHED, or FAILED because they cannot be had.

        It stays PENDING while something that is needed does not answer.
        """
        try:
            return self._prepared(run, state, states)
        except TemporaryError as error:
            return replace(state, message=f"It waits: {error.message}.")
        except ModelyardError as error:
            now = self._clock.now()
            return replace(state, status=StepStatus.FAILED, message=_told(error), started_at=now, ended_at=now)

    def advanced(self, run: PipelineRun, state: StepState) -> StepState:
        """A step that runs or waits, as its work is now."""
        if state.next_try_at is not None and self._clock.now() < state.next_try_at:
            return state
        kind, context = self._kinds[state.kind], _context(run, state)
        has_begun = bool(state.handle) or state.status is StepStatus.WAITING
        try:
            if has_begun:
                progress = kind.look(context, state.inputs, state.handle)
            else:
                progress = kind.begin(context, state.inputs)
        except TemporaryError as error:
            return replace(state, message=f"It waits: {error.message}.")
        except ModelyardError as error:
            is_permanent = not isinstance(error, InternalError)
            progress = Progress(stage=Stage.FAILED, message=_told(error), is_permanent=is_permanent)
        except Exception as error:  # noqa: BLE001 - a defect of one kind must not leave the run without an end
            _log.exception("step failed", run=run.id, step=state.name)
            progress = Progress(stage=Stage.FAILED, message=f"{type(error).__name__}: {error}", is_permanent=True)
        return self._after(run, state, progress)

    def stopped(self, run: PipelineRun, state: StepState) -> StepState:
        """A step of a run that is to stop: asked to end, and looked at."""
        if state.status is StepStatus.RUNNING and not state.handle and state.next_try_at is None:
            state = self.advanced(run, state)  # it was killed while it began: what carries it is found again
            if state.status.is_final:
                return state
        if state.status is StepStatus.RUNNING and state.handle:
            try:
                if self._kinds[state.kind].stop(_context(run, state), state.handle):
                    return self._without_retries(run, state)
            except TemporaryError as error:
                return replace(state, message=f"It waits: {error.message}.")
        return replace(state, status=StepStatus.STOPPED, message="The run was stopped.", ended_at=self._clock.now())

    def _without_retries(self, run: PipelineRun, state: StepState) -> StepState:
        after = self.advanced(run, state)
        if after.attempt > state.attempt:  # it failed by itself just then
            return replace(after, attempt=state.attempt, status=StepStatus.STOPPED, ended_at=self._clock.now())
        if after.status is StepStatus.FAILED:
            return replace(after, status=StepStatus.STOPPED)
        return after

    def _prepared(self, run: PipelineRun, state: StepState, states: Mapping[str, StepState]) -> StepState:
        step, kind = run.definition.steps[state.name], self._kinds[state.kind].description
        wanted = resolve(step.inputs, lambda reference: _value(reference, run, states))
        given = {name: value for name, value in wanted.items() if value is not None}
        _check(kind, given)
        pinned = self._pinning.pin(run.project, kind, given)
        now = self._clock.now()
        begun = replace(state, attempt=1, inputs=pinned.inputs, started_at=now, message="")
        if not kind.is_cacheable:
            return replace(begun, status=StepStatus.RUNNING)
        parts = ingredients_of(kind, pinned.inputs, pinned.digests, __version__)
        begun = replace(begun, ingredients=parts, content_key=content_key(parts))
        if not step.cache or not run.uses_cache:
            why = reasons.SWITCHED_OFF if not step.cache else reasons.RUN_WITHOUT
            return replace(begun, status=StepStatus.RUNNING, cache=f"It ran because {why}.")
        return self._from_cache(run, begun, kind)

    def _from_cache(self, run: PipelineRun, begun: StepState, kind: KindDescription) -> StepState:
        with self._database.read() as connection:
            found = self._repository.with_content(connection, run.project, begun.content_key)
            last = self._repository.last_begun(connection, run.project, run.pipeline, begun.name)
        if found is None:
            why = reasons.reason_of_miss(None if last is None else last.ingredients, begun.ingredients)
            return replace(begun, status=StepStatus.RUNNING, cache=f"It ran because {why}.")
        source, earlier = found
        gone = self._pinning.missing(run.project, kind, earlier.outputs)
        if gone:
            why = f"what it made before, {gone}, is no longer in the registry"
            return replace(begun, status=StepStatus.RUNNING, cache=f"It ran because {why}.")
        return replace(
            begun,
            status=StepStatus.CACHED,
            attempt=0,
            handle=earlier.handle,
            outputs=earlier.outputs,
            reused_from=source,
            cache=f"Run {source} has computed the same.",
            message=earlier.message,
            ended_at=self._clock.now(),
        )

    def _after(self, run: PipelineRun, state: StepState, progress: Progress) -> StepState:
        handle, message = progress.handle or state.handle, progress.message
        match progress.stage:
            case Stage.RUNNING:
                return replace(state, handle=handle, message=message, next_try_at=None)
            case Stage.WAITING:
                return replace(state, status=StepStatus.WAITING, handle=handle, message=message)
            case Stage.COMPLETED:
                status = StepStatus.COMPLETED
            case _:
                retries = run.definition.steps[state.name].retries
                if progress.stage is Stage.FAILED and not progress.is_permanent and state.attempt <= retries:
                    return self._again(state, message)
                status = StepStatus.FAILED
        return replace(
            state,
            status=status,
            handle=handle,
            outputs=progress.outputs,
            message=message,
            next_try_at=None,
            ended_at=self._clock.now(),
        )

    def _again(self, state: StepState, message: str) -> StepState:
        pause = timedelta(seconds=min(_LONGEST_PAUSE_SECONDS, 2.0 ** (state.attempt - 1)))
        return replace(
            state,
            status=StepStatus.RUNNING,
            attempt=state.attempt + 1,
            handle="",
            message=f"Attempt {state.attempt} failed: {message}",
            next_try_at=self._clock.now() + pause,
        )


def _context(run: PipelineRun, state: StepState) -> StepContext:
    return StepContext(
        project=run.project,
        pipeline=run.pipeline,
        run=run.id,
        step=state.name,
        attempt=state.attempt,
        created_by=run.created_by,
        decision=state.decision,
    )


def _value(reference: Reference, run: PipelineRun, states: Mapping[str, StepState]) -> Any:
    """What a reference means in a run.

    Raises:
        PipelineInvalidError: the step gave no such thing.
    """
    if not reference.step:
        value, given = run.parameters.get(reference.name), run.parameters
    else:
        given = states[reference.step].outputs
        if reference.name not in given:
            raise PipelineInvalidError(
                f"Step '{reference.step}' gave no '{reference.name}'", hint=f"It gave {', '.join(given) or 'nothing'}."
            )
        value = given[reference.name]
    for part in reference.path:
        if not isinstance(value, Mapping) or part not in value:
            known = ", ".join(value) if isinstance(value, Mapping) else ""
            raise PipelineInvalidError(f"{reference} is not there", hint=f"There is {known or 'nothing'}.")
        value = value[part]
    return value


def _check(kind: KindDescription, inputs: Mapping[str, Any]) -> None:
    """What could not be known before: the types of values that a step has made.

    Raises:
        PipelineInvalidError: a value of another type, or none where one is needed.
    """
    for spec in kind.inputs:
        value = inputs.get(spec.name)
        if value is None and spec.is_required:
            raise PipelineInvalidError(f"Input '{spec.name}' has no value", hint=spec.description)
        if value is not None and not is_of(value, spec.type):
            raise PipelineInvalidError(
                f"Input '{spec.name}' takes {with_article(spec.type)}, not {value!r:.80}", hint=spec.description
            )


def _told(error: ModelyardError) -> str:
    return f"{error.message}. {error.hint}".strip()
