"""Wires the Registry application."""

from dataclasses import dataclass

from modelyard import __version__
from modelyard.control.access.api import router as access_router
from modelyard.control.access.repository import TokenRepository
from modelyard.control.access.service import AccessService
from modelyard.control.audit.api import router as audit_router
from modelyard.control.clients.contracts import RegistryClient
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
from modelyard.server.application import Application
from modelyard.server.context import Context
from modelyard.server.duties import Duty

DESCRIPTION = """
What there is: **projects**, **datasets** and **models** with their immutable versions, and who may use them.
A dataset or an artifact is uploaded first (in pieces, resumable), then made a version by naming the upload. A model
version carries its card, its signature, requests with the answers it must give, and where it came from. `search` finds
a version by what it does and how well, with a query or in plain words.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The application and what others in the same process use of it."""

    application: Application
    client: RegistryClient
    guard: Guard


@dataclass(frozen=True, slots=True, kw_only=True)
class _Services:
    access: AccessService
    projects: ProjectService
    uploads: UploadService
    datasets: DatasetService
    dataset_versions: DatasetVersionService
    models: ModelService
    registration: RegistrationService
    discovery: DiscoveryService


def build_registry(context: Context) -> Registry:
    """Wire the Registry API on the context's database."""
    services = _services(context)
    guard = Guard(services.access, services.projects.exists)
    routers = [
        projects_router(services.projects, guard),
        access_router(services.access, guard),
        uploads_router(services.uploads, guard),
        datasets_router(services.datasets, services.dataset_versions, guard),
        models_router(services.models, services.registration, guard, context.clock),
        discovery_router(services.discovery, guard),
        audit_router(context.audit, guard),
    ]
    asgi = create_application(
        title="Modelyard Registry", description=DESCRIPTION, routers=routers, audit=context.audit, version=__version__
    )

    def on_start() -> None:
        services.dataset_versions.remove_leftovers()
        services.projects.ensure_default()
        services.access.ensure_admin_token(context.home.token)

    client = InProcessRegistryClient(
        access=services.access,
        projects=services.projects,
        dataset_versions=services.dataset_versions,
        models=services.models,
        registration=services.registration,
    )
    duties = (Duty(name="uploads.expire", interval_seconds=3600.0, run=services.uploads.expire_abandoned),)
    application = Application(name="registry", asgi=asgi, duties=duties, on_start=on_start)
    return Registry(application=application, client=client, guard=guard)


def _services(context: Context) -> _Services:
    database, creations, clock = context.database, context.creations, context.clock
    access = AccessService(database, TokenRepository(), clock)
    uploads = UploadService(
        database, UploadRepository(), creations, context.objects, clock, context.settings.max_upload_bytes
    )
    dataset_repository, model_repository = DatasetRepository(), ModelRepository()
    dataset_contents = DatasetContents(database, dataset_repository, context.objects)
    bundle_contents = BundleContents(database, model_repository, context.objects)
    models = ModelService(database, model_repository, creations, bundle_contents, clock)
    datasets = DatasetService(
        database, dataset_repository, creations, dataset_contents, clock, models.trained_on_dataset
    )
    inspector = ArtifactInspector(context.engine, context.home.run / "inspections")
    return _Services(
        access=access,
        projects=ProjectService(
            database,
            ProjectRepository(),
            creations,
            {"datasets": datasets.is_empty, "models": models.is_empty, "tokens": access.is_empty},
            clock,
        ),
        uploads=uploads,
        datasets=datasets,
        dataset_versions=DatasetVersionService(
            database, dataset_repository, creations, dataset_contents, uploads, clock, context.home.run / "datasets"
        ),
        models=models,
        registration=RegistrationService(
            database,
            model_repository,
            creations,
            bundle_contents,
            clock,
            uploads,
            inspector,
            context.home.run / "registrations",
            context.settings.max_upload_bytes,
        ),
        discovery=DiscoveryService(database, DiscoveryRepository(), model_repository),
    )
