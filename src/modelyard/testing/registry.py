"""A whole registry in this process, for tests of what stands on it."""

from pathlib import Path

from modelyard.control.access_keys.secrets import Sealer
from modelyard.control.audit.repository import AuditRepository
from modelyard.control.audit.service import AuditService
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock, SystemClock
from modelyard.server.applications.registry import RegistryServices
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore, open_objects
from modelyard.types.access import Role

DEFAULT_LIMIT_BYTES = 64 << 20


class LocalRegistry(RegistryServices):
    """The registry's services, as `server` wires them, on what a test gives.

    Args:
        database: with the tables of the branches "common" and "registry".
        folder: for objects and files on their way.
        engine: for the inspection of bare artifacts.
        objects: another object store than files in `folder`.
        clock: for all times.
        max_bytes: largest upload and largest model version.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        engine: Engine,
        *,
        objects: ObjectStore | None = None,
        clock: Clock | None = None,
        max_bytes: int = DEFAULT_LIMIT_BYTES,
    ) -> None:
        super().__init__(
            database=database,
            objects=objects or open_objects((folder / "objects").as_uri()),
            engine=engine,
            environments=EnvironmentBuilder(engine, folder / "environments"),
            audit=AuditService(database, AuditRepository()),
            creations=Creations(),
            clock=clock or SystemClock(),
            folder=folder,
            max_bytes=max_bytes,
            sealer=Sealer.at(folder / "signing.key"),
        )
        self.prepare()

    def secret(self, role: Role = Role.ADMIN, project: str | None = None) -> str:
        """The secret of a new token."""
        return self.access.create(f"{role} of {project or 'all'}", role, project, None)[1]
