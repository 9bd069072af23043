"""All SQL of nodes that come and go."""

from sqlalchemy import Connection, delete, insert, select

from modelyard.control.autoscaling.tables import managed_nodes, node_kinds
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.compute.autoscaling import ManagedNode, ManagedNodeState, NodeKind

_OPEN = [ManagedNodeState.STARTING, ManagedNodeState.RUNNING, ManagedNodeState.ENDING]


class NodeRepository:
    """Kinds, and nodes of them."""

    def kinds(self, connection: Connection) -> list[NodeKind]:
        """By name."""
        return [*connection.execute(select(node_kinds.c.record).order_by(node_kinds.c.name)).scalars()]

    def set_kind(self, connection: Connection, kind: NodeKind) -> None:
        """Replace a kind."""
        self.delete_kind(connection, kind.name)
        connection.execute(insert(node_kinds).values(name=kind.name, record=kind))

    def delete_kind(self, connection: Connection, name: str) -> bool:
        """Remove a kind; whether there was one."""
        return connection.execute(delete(node_kinds).where(node_kinds.c.name == name)).rowcount > 0

    def open(self, connection: Connection) -> list[ManagedNode]:
        """Nodes that may still be there, oldest first."""
        table = managed_nodes
        statement = select(table.c.record).where(table.c.state.in_(_OPEN)).order_by(table.c.created_at, table.c.name)
        return [*connection.execute(statement).scalars()]

    def list(self, connection: Connection, page: PageQuery) -> list[ManagedNode]:
        """Every node that there ever was, newest first."""
        columns = [managed_nodes.c.created_at, managed_nodes.c.name]
        statement = keyset(select(managed_nodes.c.record), columns, page.after, page.limit, descending=True)
        return [*connection.execute(statement).scalars()]

    def save(self, connection: Connection, node: ManagedNode) -> None:
        """Write a node."""
        connection.execute(delete(managed_nodes).where(managed_nodes.c.name == node.name))
        connection.execute(
            insert(managed_nodes).values(name=node.name, state=node.state, created_at=node.created_at, record=node)
        )
