"""For whom a replica's process works: one endpoint, or all whose models share a host."""

from collections.abc import Callable, Sequence
from pathlib import Path

from modelyard.control.endpoints.records import ReplicaRecord
from modelyard.control.endpoints.repository import ReplicaRepository
from modelyard.control.metering.records import Subject
from modelyard.dataplane.hosting.report import HostReport, ReportReader
from modelyard.storage.database import Database
from modelyard.types.endpoints import ReplicaStatus
from modelyard.types.processes import ProcessState

KIND = "endpoint"
PLATFORM = "platform"


class Tenants:
    """Divides what a shared host uses among its models: by their time in batches since the last look, else equally.

    Args:
        folder: host id -> where its report lies.
        place: replica id -> its place in the report.
    """

    def __init__(
        self,
        database: Database,
        repository: ReplicaRepository,
        folder: Callable[[str], Path],
        place: Callable[[str], str],
    ) -> None:
        self._database = database
        self._repository = repository
        self._folder = folder
        self._place = place
        self._reports = ReportReader()
        self._busy: dict[str, float] = {}

    def subjects(self, state: ProcessState) -> Sequence[Subject]:
        """Nobody for a process that is no replica's."""
        labels = state.labels
        if "replica" in labels:
            return [
                Subject(
                    project=labels["project"], kind=KIND, name=labels["endpoint"], version=labels.get("version", "")
                )
            ]
        if labels.get("kind") != "model-host":
            return []
        with self._database.read() as connection:
            residents = [each for each in self._repository.hosted(connection) if each.host == state.id]
        serving = [each for each in residents if each.status is not ReplicaStatus.ENDED] or residents
        if not serving:
            return [Subject(project="", kind=PLATFORM, name="spare workers")]
        shares = self._shares(state.id, serving)
        return [
            Subject(
                project=each.project,
                kind=KIND,
                name=each.endpoint,
                version=f"{each.slot.model}:{each.slot.number}",
                share=share,
            )
            for each, share in zip(serving, shares, strict=True)
        ]

    def _shares(self, host: str, residents: Sequence[ReplicaRecord]) -> list[float]:
        report = self._reports.read(self._folder(host)) or HostReport(alive_until=0.0)
        busy = []
        for each in residents:
            model = report.models.get(self._place(each.id))
            total = model.busy_seconds if model is not None else 0.0
            busy.append(max(0.0, total - self._busy.get(each.id, 0.0)))
            self._busy[each.id] = total
        whole = sum(busy)
        return [each / whole for each in busy] if whole > 0 else [1 / len(residents)] * len(residents)
