"""All SQL of retraining policies and runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from modelyard.control.rest.pages import PageQuery
from modelyard.control.retraining.tables import decay_memories, retraining_policies, retraining_runs
from modelyard.storage.keyset import keyset
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun, RetrainingStatus

_INTERNAL = ("is_active", "progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run with what only its own steps need: see tables.retraining_runs."""

    run: RetrainingRun
    progress: dict[str, str] = field(default_factory=dict)


class RetrainingRepository:
    """Rows of `retraining_policies` and `retraining_runs`."""

    def policy(self, connection: Connection, project: str, name: str) -> RetrainingPolicy | None:
        """A policy, if there is one of this name."""
        statement = select(retraining_policies).where(*_key(project, name))
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else RetrainingPolicy(**row)

    def policies(self, connection: Connection, project: str, page: PageQuery) -> Sequence[RetrainingPolicy]:
        """Policies by name."""
        table = retraining_policies
        statement = keyset(select(table).where(table.c.project == project), [table.c.name], page.after, page.limit)
        return [RetrainingPolicy(**row) for row in connection.execute(statement).mappings()]

    def enabled(self, connection: Connection) -> Sequence[RetrainingPolicy]:
        """All policies that may start runs by themselves."""
        statement = select(retraining_policies).where(retraining_policies.c.is_enabled)
        return [RetrainingPolicy(**row) for row in connection.execute(statement).mappings()]

    def insert_policy(self, connection: Connection, policy: RetrainingPolicy) -> None:
        """Add a policy; its name must be free."""
        connection.execute(insert(retraining_policies).values(asdict(policy)))

    def update_policy(self, connection: Connection, policy: RetrainingPolicy) -> None:
        """Replace what may change."""
        connection.execute(update(retraining_policies).where(*_key(policy.project, policy.name)).values(asdict(policy)))

    def delete_policy(self, connection: Connection, project: str, name: str) -> None:
        """Remove a policy; its runs stay as history of the endpoint."""
        connection.execute(delete(retraining_policies).where(*_key(project, name)))

    def decay_memory(self, connection: Connection, project: str, policy: str, model_version: str) -> str | None:
        """What a policy remembers of the labels of a version; None if it last looked at another."""
        memory = decay_memories.c
        where = (memory.project == project, memory.policy == policy, memory.model_version == model_version)
        return connection.execute(select(memory.content).where(*where)).scalar_one_or_none()

    def remember_decay(
        self, connection: Connection, project: str, policy: str, model_version: str, *, content: str
    ) -> None:
        """Replace what a policy remembers; nothing if it was deleted meanwhile."""
        memory = decay_memories.c
        connection.execute(delete(decay_memories).where(memory.project == project, memory.policy == policy))
        if self.policy(connection, project, policy) is not None:
            values = {"project": project, "policy": policy, "model_version": model_version, "content": content}
            connection.execute(insert(decay_memories).values(values))

    def run(self, connection: Connection, run_id: str) -> RunState | None:
        """A run by id."""
        statement = select(retraining_runs).where(retraining_runs.c.id == run_id)
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else _state(row)

    def runs(self, connection: Connection, project: str, policy: str, page: PageQuery) -> Sequence[RetrainingRun]:
        """Runs of a policy, the newest first."""
        table = retraining_runs.c
        statement = select(retraining_runs).where(table.project == project, table.policy == policy)
        statement = keyset(statement, [table.started_at, table.id], page.after, page.limit, descending=True)
        return [_state(row).run for row in connection.execute(statement).mappings()]

    def runs_since(self, connection: Connection, project: str, policy: str, since: datetime) -> list[RetrainingRun]:
        """Runs of a policy that began after `since`, the newest first."""
        table = retraining_runs.c
        statement = select(retraining_runs).where(
            table.project == project, table.policy == policy, table.started_at > since
        )
        statement = statement.order_by(table.started_at.desc(), table.id.desc())
        return [_state(row).run for row in connection.execute(statement).mappings()]

    def newest_of_endpoint(self, connection: Connection, project: str, endpoint: str, limit: int) -> Sequence[RunState]:
        """The newest runs at an endpoint, whichever policy started them."""
        table = retraining_runs.c
        statement = select(retraining_runs).where(table.project == project, table.endpoint == endpoint)
        statement = statement.order_by(table.started_at.desc(), table.id.desc()).limit(limit)
        return [_state(row) for row in connection.execute(statement).mappings()]

    def active(self, connection: Connection) -> Sequence[RetrainingRun]:
        """All runs that have not ended."""
        statement = select(retraining_runs).where(retraining_runs.c.is_active)
        return [_state(row).run for row in connection.execute(statement).mappings()]

    def insert_run(self, connection: Connection, run: RetrainingRun) -> bool:
        """Add a run; False if there is an active one at the same endpoint, which the database itself makes sure of."""
        try:
            with connection.begin_nested():
                connection.execute(insert(retraining_runs).values(**asdict(run), is_active=True, progress={}))
        except IntegrityError:
            return False
        return True

    def update_run(self, connection: Connection, state: RunState) -> None:
        """Replace everything but the id."""
        values = {**asdict(state.run), "is_active": not state.run.status.is_final}
        connection.execute(
            update(retraining_runs)
            .where(retraining_runs.c.id == state.run.id)
            .values(**values, progress=state.progress)
        )


def _key(project: str, name: str) -> tuple[Any, Any]:
    return retraining_policies.c.project == project, retraining_policies.c.name == name


def _state(row: RowMapping) -> RunState:
    values = {name: value for name, value in row.items() if name not in _INTERNAL}
    values["status"] = RetrainingStatus(values["status"])
    return RunState(run=RetrainingRun(**values), progress=row["progress"])
