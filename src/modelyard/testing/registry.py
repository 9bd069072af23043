"""A whole registry in this process, for tests of what stands on it: services, application, client."""

from pathlib import Path

from fastapi import FastAPI

from modelyard.control.access.api import router as access_router
from modelyard.control.access.repository import TokenRepository
from modelyard.control.access.service import AccessService
from modelyard.control.audit.repository import AuditRepository
from modelyard.control.audit.service import AuditService
from modelyard.control.clients.inprocess_registry import InProcessRegistryClient
from modelyard.control.datasets.api import router as datasets_router
from modelyard.control.datasets.contents import DatasetContents
from modelyard.control.datasets.repository import DatasetRepository
from modelyard.control.datasets.service import DatasetService
from modelyard.control.datasets.versions import DatasetVersionService
from modelyard.control.models.api import router as models_router
from modelyard.control.models.contents import BundleContents
from modelyard.control.models.discovery.api import router as discovery_router
from modelyard.control.models.discovery.service import DiscoveryService
from modelyard.control.models.discovery.sql import DiscoveryRepository
from modelyard.control.models.inspection import ArtifactInspector
from modelyard.control.models.registration import RegistrationService
from modelyard.control.models.repository import ModelRepository
from modelyard.control.models.service import ModelService
from modelyard.control.projects.api import router as projects_router
from modelyard.control.projects.repository import ProjectRepository
from modelyard.control.projects.service import ProjectService
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.control.uploads.api import router as uploads_router
from modelyard.control.uploads.repository import UploadRepository
from modelyard.control.uploads.service import UploadService
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock, SystemClock
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore, open_objects
from modelyard.types.access import Role

DEFAULT_LIMIT_BYTES = 64 << 20


class LocalRegistry:
    """Every service of the registry on one database and one object store.

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
        self.clock = clock or SystemClock()
        self.objects = objects or open_objects((folder / "objects").as_uri())
        creations = Creations()
        self.access = AccessService(database, TokenRepository(), self.clock)
        self.audit = AuditService(database, AuditRepository())
        self.uploads = UploadService(database, UploadRepository(), creations, self.objects, self.clock, max_bytes)
        models = ModelRepository()
        self.bundle_contents = BundleContents(database, models, self.objects)
        self.models = ModelService(database, models, creations, self.bundle_contents, self.clock)
        self.discovery = DiscoveryService(database, DiscoveryRepository(), models)
        self.inspector = ArtifactInspector(engine, folder / "inspections")
        self.registration = RegistrationService(
            database,
            models,
            creations,
            self.bundle_contents,
            self.clock,
            self.uploads,
            self.inspector,
            folder / "registrations",
            max_bytes,
        )
        datasets = DatasetRepository()
        contents = DatasetContents(database, datasets, self.objects)
        self.datasets = DatasetService(
            database, datasets, creations, contents, self.clock, self.models.trained_on_dataset
        )
        self.dataset_versions = DatasetVersionService(
            database, datasets, creations, contents, self.uploads, self.clock, folder / "datasets"
        )
        probes = {"datasets": self.datasets.is_empty, "models": self.models.is_empty}
        self.projects = ProjectService(database, ProjectRepository(), creations, probes, self.clock)
        self.projects.ensure_default()

    def client(self) -> InProcessRegistryClient:
        """The registry as other applications in this process see it."""
        return InProcessRegistryClient(
            access=self.access,
            projects=self.projects,
            dataset_versions=self.dataset_versions,
            models=self.models,
            registration=self.registration,
        )

    def application(self, guard: Guard | None = None) -> FastAPI:
        """The REST application; `guard` replaces the one that knows the registry's own tokens."""
        guard = guard or Guard(self.access, self.projects.exists)
        routers = [
            projects_router(self.projects, guard),
            access_router(self.access, guard),
            uploads_router(self.uploads, guard),
            datasets_router(self.datasets, self.dataset_versions, guard),
            models_router(self.models, self.registration, guard, self.clock),
            discovery_router(self.discovery, guard),
        ]
        return create_application(
            title="Registry", description="", routers=routers, audit=self.audit, version="0", clock=self.clock
        )

    def secret(self, role: Role = Role.ADMIN, project: str | None = None) -> str:
        """The secret of a new token."""
        return self.access.create(f"{role} of {project or 'all'}", role, project, None)[1]
