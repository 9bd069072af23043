"""Puts the parts of this capability together, for the server and for tests."""

from dataclasses import dataclass

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.locks import Locks
from modelyard.control.environments.service import EnvironmentService
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.scripts.channels import ChannelFolders
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.control.jobs.scripts.results import ScriptResults
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.jobs.scripts.snapshots import Snapshots
from modelyard.control.jobs.scripts.sources import SourceFolders
from modelyard.control.jobs.scripts.work import ScriptWork
from modelyard.control.jobs.service import JobService
from modelyard.control.references.service import ReferenceService
from modelyard.engines.base import Engine
from modelyard.settings import Home
from modelyard.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """What carries script jobs, and what their service needs of it."""

    work: ScriptWork
    snapshots: Snapshots
    results: ScriptResults
    checkpoints: Checkpoints
    sources: SourceFolders
    locks: Locks

    def service(
        self, jobs: JobService, registry: RegistryClient, environments: EnvironmentService, engine: Engine
    ) -> ScriptJobService:
        """What people ask of it."""
        return ScriptJobService(
            jobs, registry, self.snapshots, self.sources, self.results, environments, self.locks, engine
        )


def assemble(
    *,
    registry: RegistryClient,
    inputs: JobInputs,
    references: ReferenceService,
    environments: EnvironmentBuilder,
    engine: Engine,
    objects: ObjectStore,
    home: Home,
    is_shared: bool,
) -> Scripts:
    """Args as in the parts."""
    snapshots, sources = Snapshots(objects), SourceFolders(references, home)
    results, locks = ScriptResults(registry, inputs, objects), Locks(objects)
    checkpoints = Checkpoints(home, objects, is_shared=is_shared)
    work = ScriptWork(
        registry=registry,
        inputs=inputs,
        snapshots=snapshots,
        environments=environments,
        locks=locks,
        channels=ChannelFolders(home),
        sources=sources,
        checkpoints=checkpoints,
        results=results,
        engine=engine,
    )
    return Scripts(
        work=work, snapshots=snapshots, results=results, checkpoints=checkpoints, sources=sources, locks=locks
    )
