"""Rules of the kinds of nodes that may come: what administrators set up, and what they see of it."""

from collections.abc import Sequence

from modelyard.control.autoscaling.errors import AutoscalingOffError, NodeKindInvalidError, NodeKindNotFoundError
from modelyard.control.autoscaling.repository import NodeRepository
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.kit.ids import check_name
from modelyard.storage.database import Database
from modelyard.types.compute.autoscaling import ManagedNode, NodeKind
from modelyard.types.compute.nodes import LOCAL_NODE
from modelyard.types.compute.scheduling import HostCapacity

_LONGEST_NAME = 50
_MOST_POSSIBLE = 32
"""Hosts that are only possible, and of a kind, at whose number a job's gang is measured when it is submitted."""


class AutoscalingService:
    """Kinds of nodes and the nodes that came. Safe from any thread.

    Args:
        database: of the Jobs application.
        repository: the SQL.
        parallel_jobs: as many run at the same time on a node.
        is_on: whether something can start nodes here.
    """

    def __init__(
        self,
        database: Database,
        repository: NodeRepository,
        parallel_jobs: int,
        *,
        is_on: bool,
    ) -> None:
        self._database = database
        self._repository = repository
        self._parallel_jobs = parallel_jobs
        self._is_on = is_on

    def kinds(self) -> list[NodeKind]:
        """By name."""
        with self._database.read() as connection:
            return self._repository.kinds(connection)

    def set_kind(self, kind: NodeKind) -> NodeKind:
        """Make or replace a kind. Nodes of it that are there stay what they are.

        Raises:
            AutoscalingOffError: nothing can start nodes on this platform.
            NodeKindInvalidError: there must be more of it than there may be.
            NameInvalidError: not a valid name.
        """
        if not self._is_on:
            raise AutoscalingOffError(
                "Nothing on this platform can start nodes",
                hint="Run on a cluster (`modelyard up --engine ray`) with the setting node_command.",
            )
        if kind.min_nodes > kind.max_nodes:
            raise NodeKindInvalidError(
                f"There are to be at least {kind.min_nodes} and at most {kind.max_nodes} nodes of '{kind.name}'",
                hint="Raise the one or lower the other.",
                field="max_nodes",
            )
        if len(check_name(kind.name)) > _LONGEST_NAME:
            raise NodeKindInvalidError(
                f"The name '{kind.name}' is too long for a kind of node, whose nodes are named by it",
                hint=f"Use up to {_LONGEST_NAME} characters.",
                field="name",
            )
        with self._database.transaction() as connection:
            self._repository.set_kind(connection, kind)
        return kind

    def delete_kind(self, name: str) -> None:
        """Let no more nodes of this kind come; those that are there go once they are idle.

        Raises:
            NodeKindNotFoundError: there is none of this name.
        """
        with self._database.transaction() as connection:
            if not self._repository.delete_kind(connection, name):
                raise NodeKindNotFoundError(
                    f"There is no kind of node '{name}'", hint="`modelyard cluster kinds` shows them."
                )

    def nodes(self, page: PageQuery) -> Page[ManagedNode]:
        """Nodes that came and went, newest first."""
        with self._database.read() as connection:
            found = self._repository.list(connection, page)
        return page.page(found, lambda node: (node.created_at, node.name))

    def possible_hosts(self) -> Sequence[HostCapacity]:
        """Hosts that are not there and could come."""
        if not self._is_on:
            return []
        return [
            offer(kind, f"{LOCAL_NODE}:{kind.name}:{number}", self._parallel_jobs)
            for kind in self.kinds()
            for number in range(min(kind.max_nodes, _MOST_POSSIBLE))
        ]


def offer(kind: NodeKind, name: str, parallel_jobs: int) -> HostCapacity:
    """What a node of a kind will offer."""
    return HostCapacity(
        name=name,
        cpus=kind.cpus,
        memory_bytes=kind.memory_bytes,
        gpus=kind.gpus,
        jobs=parallel_jobs,
        traits=kind.traits,
    )
