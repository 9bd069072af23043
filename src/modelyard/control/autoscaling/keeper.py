"""A round of keeping nodes: see what became of them, let the rule decide, have nodes come and go.

A kill at any line leaves no machine behind: a node has its row before anybody is asked to start it, and the row says
that it ends before it is ended.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile

import structlog

from modelyard.control.autoscaling.deciding import Kind, Standing, decide
from modelyard.control.autoscaling.provider import NodeProvider
from modelyard.control.autoscaling.repository import NodeRepository
from modelyard.control.autoscaling.service import offer
from modelyard.control.rest.pages import PageQuery
from modelyard.control.scheduling.board import Board
from modelyard.control.scheduling.records import host_of
from modelyard.control.scheduling.rule.state import State
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.storage.database import Database
from modelyard.types.compute.autoscaling import ManagedNode, ManagedNodeState, NodeKind

_log = structlog.get_logger()
_LOST = "it was lost"
_THERE = (ManagedNodeState.STARTING, ManagedNodeState.RUNNING)
_REMEMBERED = 50
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 10.0, 600.0


class NodeKeeper:
    """Starts and ends nodes. For one thread.

    Args:
        database: of the Jobs application.
        repository: the SQL.
        board: the queue.
        engine: whose nodes they are.
        provider: starts and ends machines.
        clock: the time.
        parallel_jobs: as many run at the same time on a node.
        leaving: gets the nodes that are to end, on which nothing may be planned any more.
        wake: tells the scheduler that a node has come or gone.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: NodeRepository,
        board: Board,
        engine: Engine,
        provider: NodeProvider,
        clock: Clock,
        parallel_jobs: int,
        leaving: set[str],
        wake: Callable[[], None],
    ) -> None:
        self._leaving = leaving
        self._drained: set[str] = set()
        self._database = database
        self._repository = repository
        self._board = board
        self._engine = engine
        self._provider = provider
        self._clock = clock
        self._parallel_jobs = parallel_jobs
        self._wake = wake

    def round(self) -> None:
        """Look and decide once.

        Raises:
            UnavailableError: a project's quota is unknown, and the registry is away.
        """
        now = self._clock.now()
        with self._database.read() as connection:
            kinds = self._repository.kinds(connection)
            known = self._repository.open(connection)
            recent = self._repository.list(connection, PageQuery(limit=_REMEMBERED))
            entries = self._board.entries.all(connection)
            state = self._board.state(connection, now, entries, {entry.project for entry in entries})
        self._leaving |= {node.name for node in known if node.state is ManagedNodeState.ENDING}
        alive = {node.name for node in self._engine.nodes() if node.is_alive}
        by_name = {kind.name: kind for kind in kinds}
        busy = _busy(state)
        nodes = [self._look(node, by_name.get(node.kind), alive, busy) for node in known]
        hosts = {host.name for host in state.hosts}
        standing = [self._standing(node, hosts) for node in nodes]
        present = {node.name: node for node in nodes}
        recent = [present.get(node.name, node) for node in recent]  # what has failed just now counts already
        count = Counter(node.kind for node in nodes)
        most = {kind.name: count[kind.name] if _is_paused(kind.name, recent, now) else kind.max_nodes for kind in kinds}
        changes = decide(state, [self._kind(kind, most[kind.name]) for kind in kinds], standing)
        for coming in changes.coming:
            self._begin(by_name[coming.kind], coming.reason)
        for going in changes.going:
            self._end(next(node for node in nodes if node.name == going.node), going.reason, alive)

    def _look(
        self, node: ManagedNode, kind: NodeKind | None, alive: Collection[str], busy: Collection[str]
    ) -> ManagedNode:
        """The node as it is now, written down if it has changed."""
        now, is_up = self._clock.now(), node.name in alive
        match node.state:
            case ManagedNodeState.STARTING if is_up:
                found = replace(node, state=ManagedNodeState.RUNNING, changed_at=now)
            case ManagedNodeState.STARTING:
                found = self._look_at_start(node, kind)
            case ManagedNodeState.RUNNING if not is_up:
                found = self._leave(node, _LOST)
            case ManagedNodeState.RUNNING:
                found = replace(node, idle_since=None if node.name in busy else node.idle_since or now)
            case _:
                found = self._look_at_end(node, alive)
        if found != node:
            self._save(found, is_news=found.state is not node.state)
        return found

    def _look_at_start(self, node: ManagedNode, kind: NodeKind | None) -> ManagedNode:
        fault = self._provider.start_fault(node.name)
        if kind is None:
            fault = f"its kind '{node.kind}' was deleted"
        elif not fault and (self._clock.now() - node.changed_at).total_seconds() > kind.start_seconds:
            fault = f"it did not come within {kind.start_seconds:.0f} s"
        if fault or kind is None:
            return self._leave(node, fault)
        self._provider.start(node.name, kind)  # again, if the control process is a new one
        return node

    def _look_at_end(self, node: ManagedNode, alive: Collection[str]) -> ManagedNode:
        if node.name in alive and node.name not in self._drained:
            if not self._engine.drain(node.name):  # something began there before nothing was planned there any more
                return replace(
                    node,
                    state=ManagedNodeState.RUNNING,
                    ended_because="",
                    idle_since=None,
                    changed_at=self._clock.now(),
                )
            self._drained.add(node.name)
        is_ended = self._provider.is_ended(node.name)
        if is_ended is None:
            self._provider.end(node.name, node.kind)
        if not is_ended or node.name in alive:
            return node
        self._drained.discard(node.name)
        self._provider.forget(node.name)
        state = ManagedNodeState.FAILED if node.idle_since is None else ManagedNodeState.ENDED
        return replace(node, state=state, changed_at=self._clock.now())

    def _leave(self, node: ManagedNode, reason: str) -> ManagedNode:
        """It is to be ended, and nothing is planned on it from now on."""
        self._leaving.add(node.name)
        return replace(node, state=ManagedNodeState.ENDING, ended_because=reason, changed_at=self._clock.now())

    def _begin(self, kind: NodeKind, reason: str) -> None:
        now, suffix = self._clock.now(), new_id("n")[-8:]
        node = ManagedNode(
            name=f"{kind.name}-{suffix}",
            kind=kind.name,
            state=ManagedNodeState.STARTING,
            started_because=reason,
            created_at=now,
            changed_at=now,
        )
        self._save(node, is_news=True)
        self._provider.start(node.name, kind)

    def _end(self, node: ManagedNode, reason: str, alive: Collection[str]) -> None:
        """First nothing is planned there any more; then the engine says whether something runs there all the same."""
        leaving = self._leave(node, reason)
        self._save(leaving, is_news=True)
        found = self._look_at_end(leaving, alive)
        if found != leaving:
            self._save(found, is_news=True)

    def _save(self, node: ManagedNode, *, is_news: bool) -> None:
        with self._database.transaction() as connection:
            self._repository.save(connection, node)
        if node.state is not ManagedNodeState.ENDING:
            self._leaving.discard(node.name)
        if is_news:
            why = node.ended_because or node.started_because
            _log.info("node_changed", node=node.name, kind=node.kind, state=node.state, reason=why)
            self._wake()

    def _kind(self, kind: NodeKind, most: int) -> Kind:
        return Kind(
            name=kind.name,
            least=min(kind.min_nodes, most),
            most=most,
            host=host_of(offer(kind, kind.name, self._parallel_jobs)),
            idle_seconds=kind.idle_seconds,
        )

    def _standing(self, node: ManagedNode, hosts: Collection[str]) -> Standing:
        idle = 0.0 if node.idle_since is None else (self._clock.now() - node.idle_since).total_seconds()
        is_up = node.name in hosts or node.state is ManagedNodeState.ENDING  # one that has just come is no host yet
        return Standing(
            name=node.name,
            kind=node.kind,
            is_up=is_up,
            idle_seconds=idle if node.state is ManagedNodeState.RUNNING else 0.0,
        )


def _is_paused(kind: str, recent: Sequence[ManagedNode], now: datetime) -> bool:
    """Whether so many nodes of a kind have failed one after the other that the next is not to come yet."""
    gone = [node for node in recent if node.kind == kind and node.state not in _THERE]
    failed = [*takewhile(lambda node: node.idle_since is None, gone)]  # one that went because it was idle has not
    pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** (len(failed) - 1))
    return bool(failed) and (now - failed[0].changed_at).total_seconds() < pause


def _busy(state: State) -> set[str]:
    """Hosts on which something runs."""
    found = {name for running in state.running for name in running.hosts}
    return found | {host.name for host in state.hosts if any(amount > 0 for amount in host.held)}
