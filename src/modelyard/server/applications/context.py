"""What every application in one process shares."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from modelyard import __version__
from modelyard.control.audit.repository import AuditRepository
from modelyard.control.audit.service import AuditService
from modelyard.control.durable import Durable
from modelyard.control.jobs.workflows import ADMITTED, QUEUE
from modelyard.control.telemetry.exporting import OtlpExport
from modelyard.control.telemetry.figures import ControlFigures
from modelyard.engines.base import Engine
from modelyard.engines.choice import open_engine
from modelyard.kit.clock import Clock, SystemClock
from modelyard.server.state.peers import open_presence
from modelyard.server.telemetry import open_export
from modelyard.settings import Home, Settings
from modelyard.storage.archive.safekeeping import upgrade_safely
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore, open_objects
from modelyard.storage.presence import Presence

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The process's own parts. `durable` is launched after every application has made its workflows."""

    settings: Settings
    home: Home
    database: Database
    objects: ObjectStore
    engine: Engine
    durable: Durable
    presence: Presence
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


def open_context(
    settings: Settings, applications: tuple[str, ...], make_engine: Callable[[Settings], Engine] = open_engine
) -> Context:
    """Make the folders, bring the database to the present schema (after a copy of it), open everything."""
    home = settings.layout
    home.create()
    database = Database(settings.resolved_database_url)
    clock = SystemClock()
    copy = upgrade_safely(database, ("common", *applications), home, __version__, clock.now())
    if copy is not None:
        _log.warning("schema upgraded", database_before=str(copy))
    presence = open_presence(settings.resolved_database_url, "+".join(applications), home)
    presence.enter()
    figures = ControlFigures()
    return Context(
        settings=settings,
        home=home,
        database=database,
        objects=open_objects(settings.resolved_objects_url),
        engine=make_engine(settings),
        durable=Durable(settings.resolved_database_url, presence.name, queues=(QUEUE, ADMITTED)),
        presence=presence,
        audit=AuditService(database, AuditRepository()),
        creations=Creations(),
        clock=clock,
        figures=figures,
        export=open_export(settings, figures),
    )
