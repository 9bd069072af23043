"""What every application in one process shares."""

from dataclasses import dataclass, field

from modelyard.control.audit.repository import AuditRepository
from modelyard.control.audit.service import AuditService
from modelyard.control.durable import Durable
from modelyard.control.telemetry.exporting import OtlpExport
from modelyard.control.telemetry.figures import ControlFigures
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock, SystemClock
from modelyard.server.engines import open_engine
from modelyard.server.telemetry import open_export
from modelyard.settings import Home, Settings
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore, open_objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The process's own parts. `durable` is launched after every application has made its workflows."""

    settings: Settings
    home: Home
    database: Database
    objects: ObjectStore
    engine: Engine
    durable: Durable
    audit: AuditService
    creations: Creations
    clock: Clock = field(default_factory=SystemClock)
    figures: ControlFigures = field(default_factory=ControlFigures)
    export: OtlpExport | None = None

    def close(self) -> None:
        """Stop the workflows, close the database. Processes of the engine live on."""
        if self.export is not None:
            self.export.close()
        self.durable.close()
        self.database.close()


def open_context(settings: Settings, applications: tuple[str, ...]) -> Context:
    """Make the folders, bring the database to the present schema, open everything."""
    home = settings.layout
    home.create()
    database = Database(settings.resolved_database_url)
    database.upgrade("common", *applications)
    figures = ControlFigures()
    return Context(
        settings=settings,
        home=home,
        database=database,
        objects=open_objects(settings.resolved_objects_url),
        engine=open_engine(settings),
        durable=Durable(settings.resolved_database_url),
        audit=AuditService(database, AuditRepository()),
        creations=Creations(),
        figures=figures,
        export=open_export(settings, figures),
    )
