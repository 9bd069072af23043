"""Wires the Registry application."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from modelyard import __version__
from modelyard.control.access.api import router as access_router
from modelyard.control.access.repository import TokenRepository
from modelyard.control.access.service import AccessService
from modelyard.control.access_keys.api import router as access_keys_router
from modelyard.control.access_keys.repository import AccessKeyRepository
from modelyard.control.access_keys.secrets import Sealer
from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.audit.api import router as audit_router
from modelyard.control.audit.service import AuditService
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.clients.inprocess_registry import InProcessRegistryClient
from modelyard.control.datasets.api import router as datasets_router
from modelyard.control.datasets.contents import DatasetContents
from modelyard.control.datasets.repository import DatasetRepository
from modelyard.control.datasets.service import DatasetService
from modelyard.control.datasets.versions import DatasetVersionService
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.metering.api import router as costs_router
from modelyard.control.metering.assembly import assemble_storage
from modelyard.control.models.api import router as models_router
from modelyard.control.models.builds import BuildService
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
from modelyard.control.telemetry.api import figures_router
from modelyard.control.telemetry.figures import ControlFigures
from modelyard.control.uploads.api import router as uploads_router
from modelyard.control.uploads.repository import UploadRepository
from modelyard.control.uploads.service import UploadService
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock
from modelyard.server.applications.application import Application
from modelyard.server.applications.context import Context
from modelyard.server.duties import Duty
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore

STORAGE_SECONDS = 60.0

DESCRIPTION = """
What there is: **projects**, **datasets** and **models** with their immutable versions, and who may use them.
A dataset or an artifact is uploaded first (in pieces, resumable), then made a version by naming the upload. A model
version carries its card, its signature, requests with the answers it must give, and where it came from. `search` finds
a version by what it does and how well, with a query or in plain words.
"""


class RegistryServices:
    """Every service of the registry on one database and one object store.

    Args:
        database: with the tables of the branches "common" and "registry".
        objects: holds content.
        engine: for the inspection of bare artifacts.
        environments: for those that are programs.
        audit: takes note of changes.
        creations: idempotency keys.
        clock: for all times.
        folder: for files on their way.
        max_bytes: largest upload and largest model version.
        sealer: makes the secrets of access keys.
    """

    def __init__(
        self,
        *,
        database: Database,
        objects: ObjectStore,
        engine: Engine,
        environments: EnvironmentBuilder,
        audit: AuditService,
        creations: Creations,
        clock: Clock,
        folder: Path,
        max_bytes: int,
        sealer: Sealer,
    ) -> None:
        self.clock = clock
        self.objects = objects
        self.audit = audit
        self.access_keys = AccessKeyService(database, AccessKeyRepository(), sealer, clock)
        self.access = AccessService(database, TokenRepository(), clock, self.access_keys.route_tokens)
        self.uploads = UploadService(database, UploadRepository(), creations, objects, clock, max_bytes)
        versions = ModelRepository()
        self.bundle_contents = BundleContents(database, versions, objects)
        self.models = ModelService(database, versions, creations, self.bundle_contents, clock)
        self.discovery = DiscoveryService(database, DiscoveryRepository(), versions)
        self.environments = environments
        self.inspector = ArtifactInspector(engine, folder / "inspections", environments)
        self.registration = RegistrationService(
            database,
            versions,
            creations,
            self.bundle_contents,
            clock,
            self.uploads,
            self.inspector,
            self._permits_code,
            folder / "registrations",
            max_bytes,
            self._check_storage,
        )
        self.builds = BuildService(self.models, self.inspector, folder / "builds")
        rows = DatasetRepository()
        contents = DatasetContents(database, rows, objects)
        self.datasets = DatasetService(database, rows, creations, contents, clock, self.models.trained_on_dataset)
        self.dataset_versions = DatasetVersionService(
            database, rows, creations, contents, self.uploads, clock, folder / "datasets", self._check_storage
        )
        probes = {
            "datasets": self.datasets.is_empty,
            "models": self.models.is_empty,
            "tokens": self.access.is_empty,
            "access keys": self.access_keys.is_empty,
        }
        self.costs, self.storage = assemble_storage(
            database=database, clock=clock, stored={"dataset": self.datasets.stored, "model": self.models.stored}
        )
        stored = (self.datasets.stored_bytes, self.models.stored_bytes)
        self.projects = ProjectService(database, ProjectRepository(), creations, probes, clock, stored)

    def _permits_code(self, project: str) -> bool:
        return self.projects.permits_code(project)

    def _check_storage(self, project: str, more_bytes: int) -> None:
        self.projects.check_storage(project, more_bytes)

    def client(self) -> InProcessRegistryClient:
        """The registry as other applications in this process see it."""
        return InProcessRegistryClient(
            access=self.access,
            projects=self.projects,
            dataset_versions=self.dataset_versions,
            models=self.models,
            registration=self.registration,
        )

    def application(self, guard: Guard | None = None, figures: ControlFigures | None = None) -> FastAPI:
        """The REST application; `guard` replaces the one that knows the registry's own tokens."""
        guard = guard or self.guard()
        routers = [
            projects_router(self.projects, guard),
            access_router(self.access, guard),
            access_keys_router(self.access_keys, guard),
            uploads_router(self.uploads, guard),
            datasets_router(self.datasets, self.dataset_versions, guard),
            models_router(self.models, self.registration, self.builds, guard, self.clock),
            discovery_router(self.discovery, guard),
            costs_router(self.costs, guard),
            audit_router(self.audit, guard),
            figures_router(figures or ControlFigures(), guard),
        ]
        return create_application(
            title="Modelyard Registry",
            description=DESCRIPTION,
            routers=routers,
            audit=self.audit,
            version=__version__,
            clock=self.clock,
        )

    def guard(self) -> Guard:
        """Protects routes by the registry's own tokens and projects."""
        return Guard(self.access, self.projects.exists)

    def prepare(self) -> None:
        """Before the first request: remove what a killed process left, make the project `default` if there is none."""
        self.dataset_versions.remove_leftovers()
        self.registration.remove_leftovers()
        self.environments.discard_leftovers()
        self.builds.remove_leftovers()
        self.projects.ensure_default()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The application and what others in the same process use of it."""

    application: Application
    client: RegistryClient
    guard: Guard
    services: RegistryServices


def build_registry(context: Context) -> Registry:
    """Wire the Registry API on the context's database."""
    services = RegistryServices(
        database=context.database,
        objects=context.objects,
        engine=context.engine,
        environments=EnvironmentBuilder(context.engine, context.home.environments),
        audit=context.audit,
        creations=context.creations,
        clock=context.clock,
        folder=context.home.run,
        max_bytes=context.settings.max_upload_bytes,
        sealer=Sealer.at(context.home.signing_key),
    )

    def on_start() -> None:
        services.prepare()
        services.access.ensure_admin_token(context.home.token)

    guard = services.guard()
    application = Application(
        name="registry",
        asgi=services.application(guard, context.figures),
        duties=(
            Duty(name="uploads.expire", interval_seconds=3600.0, run=services.uploads.expire_abandoned, is_shared=True),
            Duty(
                name="registry.storage",
                interval_seconds=STORAGE_SECONDS,
                run=services.storage.look,
                is_shared=True,
            ),
        ),
        on_start=on_start,
    )
    return Registry(application=application, client=services.client(), guard=guard, services=services)
