"""Wires what starts and ends nodes of a cluster."""

from collections.abc import Iterable, Iterator

from modelyard.control.autoscaling.keeper import NodeKeeper
from modelyard.control.autoscaling.provider import CommandProvider
from modelyard.control.autoscaling.repository import NodeRepository
from modelyard.control.autoscaling.service import AutoscalingService
from modelyard.control.scheduling.assembly import Scheduling
from modelyard.server.applications.context import Context
from modelyard.server.duties import Duty
from modelyard.types.compute.nodes import Node

_LOOK_SECONDS = 2.0


class Autoscaling:
    """Its parts, on the context's database; nothing is done where the settings name no program."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._parallel_jobs = context.settings.max_parallel_jobs
        self._repository = NodeRepository()
        self._leaving: set[str] = set()
        self.is_on = context.engine.has_nodes and bool(context.settings.node_command)
        self.service = AutoscalingService(context.database, self._repository, self._parallel_jobs, is_on=self.is_on)

    def staying(self, nodes: Iterable[Node]) -> Iterator[Node]:
        """Nodes on which something may be planned."""
        return (node for node in nodes if node.name not in self._leaving)

    def duties(self, scheduling: Scheduling) -> list[Duty]:
        """What is to be done again and again."""
        if not self.is_on:
            return []
        context = self._context
        home = context.home
        keeper = NodeKeeper(
            database=context.database,
            repository=self._repository,
            board=scheduling.board,
            engine=context.engine,
            provider=CommandProvider(context.settings.node_command, self._environment(), home.logs),
            clock=context.clock,
            parallel_jobs=self._parallel_jobs,
            leaving=self._leaving,
            wake=scheduling.service.awake.set,
        )
        return [Duty(name="jobs.nodes", interval_seconds=_LOOK_SECONDS, run=keeper.round, is_shared=True)]

    def _environment(self) -> dict[str, str]:
        """What the operator's program is told."""
        from modelyard.engines.ray.listing import address_of  # noqa: PLC0415 - Ray is an extra

        home, settings = self._context.home, self._context.settings
        return {"MODELYARD_HOME": str(home.root), "MODELYARD_RAY_ADDRESS": address_of(home, settings.ray_address)}
