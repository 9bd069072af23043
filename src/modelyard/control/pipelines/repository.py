"""All SQL of pipelines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from modelyard.control.pipelines.tables import pipeline_marks, pipeline_runs, pipeline_steps, pipelines
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.pipelines.definitions import Pipeline
from modelyard.types.pipelines.runs import Decision, PipelineRun, RunStatus, StepState, StepStatus

_FINAL = [status for status in RunStatus if status.is_final]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run with what only its own workflow needs: see tables.pipeline_runs."""

    run: PipelineRun
    is_stop_requested: bool
    is_parked: bool
    wakings: int


class PipelineRepository:
    """Reads and writes pipelines, runs and steps. Every method runs in the caller's transaction."""

    def insert(self, connection: Connection, pipeline: Pipeline) -> None:
        """Add a pipeline; its name must be free."""
        connection.execute(insert(pipelines).values(name=pipeline.name, project=pipeline.project, **_columns(pipeline)))

    def save(self, connection: Connection, pipeline: Pipeline) -> None:
        """Write a changed one."""
        same = pipelines.c.project == pipeline.project, pipelines.c.name == pipeline.name
        connection.execute(update(pipelines).where(*same).values(**_columns(pipeline)))

    def find(self, connection: Connection, project: str, name: str) -> Pipeline | None:
        """By name."""
        query = select(pipelines.c.record).where(pipelines.c.project == project, pipelines.c.name == name)
        return connection.execute(query).scalar_one_or_none()

    def list(self, connection: Connection, project: str, page: PageQuery) -> Sequence[Pipeline]:
        """By name."""
        query = select(pipelines.c.record).where(pipelines.c.project == project)
        return connection.execute(keyset(query, (pipelines.c.name,), page.after, page.limit)).scalars().all()

    def triggered(self, connection: Connection) -> Sequence[Pipeline]:
        """All that may start by themselves."""
        return connection.execute(select(pipelines.c.record).where(pipelines.c.has_triggers)).scalars().all()

    def delete(self, connection: Connection, project: str, name: str) -> None:
        """Remove a pipeline and its marks; its runs stay."""
        self.forget_marks(connection, project, name)
        connection.execute(delete(pipelines).where(pipelines.c.project == project, pipelines.c.name == name))

    def marks(self, connection: Connection, project: str, name: str) -> dict[str, str]:
        """How far each of a pipeline's triggers has looked."""
        marks = pipeline_marks.c
        query = select(marks.trigger, marks.seen).where(marks.project == project, marks.pipeline == name)
        return {row.trigger: row.seen for row in connection.execute(query)}

    def mark(self, connection: Connection, project: str, name: str, trigger: str, seen: str) -> None:
        """Remember how far a trigger has looked."""
        marks = pipeline_marks.c
        same = marks.project == project, marks.pipeline == name, marks.trigger == trigger
        connection.execute(delete(pipeline_marks).where(*same))
        values = {"project": project, "pipeline": name, "trigger": trigger, "seen": seen}
        connection.execute(insert(pipeline_marks).values(values))

    def forget_marks(self, connection: Connection, project: str, name: str) -> None:
        """Let triggers begin anew."""
        marks = pipeline_marks.c
        connection.execute(delete(pipeline_marks).where(marks.project == project, marks.pipeline == name))

    def insert_run(self, connection: Connection, run: PipelineRun) -> None:
        """Add a run with its steps."""
        connection.execute(
            insert(pipeline_runs).values(
                id=run.id,
                project=run.project,
                pipeline=run.pipeline,
                status=run.status,
                created_at=run.created_at,
                is_triggered=run.is_triggered,
                record=replace(run, steps=()),
            )
        )
        steps = [
            {
                "run": run.id,
                "name": state.name,
                "place": place,
                "project": run.project,
                "pipeline": run.pipeline,
                **_step_columns(state),
            }
            for place, state in enumerate(run.steps)
        ]
        connection.execute(insert(pipeline_steps), steps)

    def run(self, connection: Connection, run_id: str, project: str | None = None) -> RunRecord | None:
        """By id; of this project only, if one is named. Without its steps."""
        query = select(pipeline_runs).where(pipeline_runs.c.id == run_id)
        if project is not None:
            query = query.where(pipeline_runs.c.project == project)
        row = connection.execute(query).one_or_none()
        return None if row is None else _record(row)

    def runs(self, connection: Connection, project: str, pipeline: str | None, page: PageQuery) -> Sequence[RunRecord]:
        """Newest first, of one pipeline or of all; without steps."""
        query = select(pipeline_runs).where(pipeline_runs.c.project == project)
        if pipeline is not None:
            query = query.where(pipeline_runs.c.pipeline == pipeline)
        columns = (pipeline_runs.c.created_at, pipeline_runs.c.id)
        query = keyset(query, columns, page.after, page.limit, descending=True)
        return [_record(row) for row in connection.execute(query)]

    def save_run(self, connection: Connection, run: PipelineRun) -> None:
        """Write a changed run; its steps are saved on their own."""
        changed = update(pipeline_runs).where(pipeline_runs.c.id == run.id)
        connection.execute(changed.values(status=run.status, record=replace(run, steps=())))

    def is_under_way(self, connection: Connection, project: str, pipeline: str) -> bool:
        """Whether a run that began by itself has not ended."""
        runs = pipeline_runs.c
        query = select(runs.id).where(runs.project == project, runs.pipeline == pipeline, runs.is_triggered)
        return connection.execute(query.where(runs.status.not_in(_FINAL)).limit(1)).first() is not None

    def to_carry(self, connection: Connection, limit: int) -> Sequence[tuple[str, int]]:
        """The oldest runs that a workflow must carry, each with the number of its waking."""
        runs = pipeline_runs.c
        query = select(runs.id, runs.wakings).where(runs.status.not_in(_FINAL), runs.is_parked.is_(False))
        return [
            (row.id, row.wakings) for row in connection.execute(query.order_by(runs.created_at, runs.id).limit(limit))
        ]

    def wake(self, connection: Connection, run_id: str, *, stops: bool = False) -> None:
        """Have a new workflow carry a run, to stop it if that is asked for."""
        runs = pipeline_runs.c
        values: dict[str, Any] = {"is_parked": False, "wakings": runs.wakings + 1}
        if stops:
            values["is_stop_requested"] = True
        connection.execute(update(pipeline_runs).where(runs.id == run_id).values(values))

    def is_carried_by(self, connection: Connection, run_id: str, wakings: int) -> bool:
        """Whether this waking is still the last; nobody wakes the run before the transaction has ended."""
        query = select(pipeline_runs.c.wakings).where(pipeline_runs.c.id == run_id).with_for_update()
        return connection.execute(query).scalar_one_or_none() == wakings

    def park(self, connection: Connection, run_id: str, wakings: int) -> None:
        """Let a run wait for people alone, unless it was woken since."""
        runs = pipeline_runs.c
        connection.execute(
            update(pipeline_runs).where(runs.id == run_id, runs.wakings == wakings).values(is_parked=True)
        )

    def steps(self, connection: Connection, run_id: str) -> Sequence[StepState]:
        """All of a run, in an order in which they may run."""
        query = select(pipeline_steps.c.record, pipeline_steps.c.decision).where(pipeline_steps.c.run == run_id)
        rows = connection.execute(query.order_by(pipeline_steps.c.place))
        return [replace(row.record, decision=row.decision) for row in rows]

    def save_step(self, connection: Connection, run_id: str, state: StepState) -> None:
        """Write a changed step; not what a person said of it."""
        same = pipeline_steps.c.run == run_id, pipeline_steps.c.name == state.name
        connection.execute(update(pipeline_steps).where(*same).values(**_step_columns(state)))

    def decide(self, connection: Connection, run_id: str, step: str, decision: Decision) -> bool:
        """Write what a person said, once; False: somebody has said something already."""
        steps = pipeline_steps.c
        undecided = steps.run == run_id, steps.name == step, steps.decision.is_(None)
        return connection.execute(update(pipeline_steps).where(*undecided).values(decision=decision)).rowcount == 1

    def with_content(self, connection: Connection, project: str, content_key: str) -> tuple[str, StepState] | None:
        """The newest step that completed with this content, and the run that it belongs to."""
        steps = pipeline_steps.c
        same = steps.project == project, steps.content_key == content_key, steps.status == StepStatus.COMPLETED
        query = select(steps.run, steps.record).where(*same).order_by(steps.started_at.desc()).limit(1)
        row = connection.execute(query).first()
        return None if row is None else (row.run, row.record)

    def last_begun(self, connection: Connection, project: str, pipeline: str, name: str) -> StepState | None:
        """How a step of this name began last, in whatever run of the pipeline."""
        steps = pipeline_steps.c
        same = steps.project == project, steps.pipeline == pipeline, steps.name == name
        query = select(steps.record).where(*same, steps.content_key != "")
        return connection.execute(query.order_by(steps.started_at.desc()).limit(1)).scalar_one_or_none()


def _columns(pipeline: Pipeline) -> dict[str, object]:
    return {"version": pipeline.version, "has_triggers": bool(pipeline.definition.triggers), "record": pipeline}


def _step_columns(state: StepState) -> dict[str, object]:
    return {
        "status": state.status,
        "content_key": state.content_key,
        "started_at": state.started_at,
        "record": replace(state, decision=None),
    }


def _record(row: Row[Any]) -> RunRecord:
    return RunRecord(
        run=row.record,
        is_stop_requested=row.is_stop_requested,
        is_parked=row.is_parked,
        wakings=row.wakings,
    )
