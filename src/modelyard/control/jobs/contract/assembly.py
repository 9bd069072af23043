"""Wires training jobs of the container contract."""

from dataclasses import dataclass

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.locks import Locks
from modelyard.control.jobs.contract.buckets import JoinedBuckets
from modelyard.control.jobs.contract.service import ContractJobService
from modelyard.control.jobs.contract.source import ScriptPackages
from modelyard.control.jobs.contract.work import ContractWork
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.control.jobs.service import JobService
from modelyard.engines.base import Engine
from modelyard.settings import Home
from modelyard.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """The parts, of which the execution of jobs needs `work`; whoever has a store of objects joins it to `buckets`."""

    work: ContractWork
    buckets: JoinedBuckets

    def service(self, jobs: JobService, registry: RegistryClient, engine: Engine) -> ContractJobService:
        """What people ask of it."""
        return ContractJobService(jobs, registry, engine)


def assemble(
    *,
    registry: RegistryClient,
    environments: EnvironmentBuilder,
    engine: Engine,
    objects: ObjectStore,
    home: Home,
    is_shared: bool,
) -> Contracts:
    """Args as in the parts."""
    buckets = JoinedBuckets()
    work = ContractWork(
        registry=registry,
        buckets=buckets,
        packages=ScriptPackages(environments, Locks(objects)),
        checkpoints=Checkpoints(home, objects, is_shared=is_shared),
        engine=engine,
    )
    return Contracts(work=work, buckets=buckets)
