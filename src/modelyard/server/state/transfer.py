"""`modelyard export` and `modelyard import`: the whole state of a platform that does not run, to a file and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard import __version__
from modelyard.errors import NotFoundError
from modelyard.kit.clock import SystemClock
from modelyard.server.state.lock import PlatformLock
from modelyard.server.tracking.tables import MlflowTables
from modelyard.settings import Settings
from modelyard.storage.archive.layout import Totals
from modelyard.storage.archive.loading import Target, load_archive
from modelyard.storage.archive.writing import Progress, Source, write_archive
from modelyard.storage.database import Database, database_file
from modelyard.storage.objects import open_objects
from modelyard.storage.presence import check_not_in_use


def export_state(settings: Settings, path: Path, progress: Progress) -> Totals:
    """Write the state that the settings name to a new file.

    Raises:
        ResourceBusyError: the platform runs.
        NotFoundError: there is no state.
        AlreadyExistsError: there is such a file.
        MlflowMissingError: experiments are in PostgreSQL.
        UnavailableError: the object store does not answer.
    """
    with _at_rest(settings, is_there=True) as database, database.read() as connection:
        source = Source(
            connection=connection,
            objects=open_objects(settings.resolved_objects_url),
            home=settings.layout,
            release=__version__,
            now=SystemClock().now(),
            tracking=_tracking(settings),
        )
        return write_archive(path, source, progress)


def import_state(settings: Settings, path: Path, progress: Progress) -> Totals:
    """Read a file into the empty database, object store and state directory that the settings name.

    Raises:
        ResourceBusyError: a platform runs there.
        ModelyardError: see `load_archive`.
    """
    with _at_rest(settings, is_there=False) as database:
        objects = open_objects(settings.resolved_objects_url)
        target = Target(database=database, objects=objects, home=settings.layout, tracking=_tracking(settings))
        return load_archive(path, target, progress)


def _tracking(settings: Settings) -> MlflowTables | None:
    return MlflowTables() if database_file(settings.resolved_database_url) is None else None


@contextmanager
def _at_rest(settings: Settings, *, is_there: bool) -> Iterator[Database]:
    """The database, while no platform runs on it and none can be started in the state directory."""
    file = database_file(settings.resolved_database_url)
    if is_there and file is not None and not file.is_file():
        raise NotFoundError(f"There is no database '{file}'", hint="Look at --home and MODELYARD_DATABASE_URL.")
    settings.layout.create()
    with PlatformLock(settings.layout, "Modelyard runs in this state directory"):
        database = Database(settings.resolved_database_url)
        try:
            database.check()
            with database.read() as connection:
                check_not_in_use(connection)
            yield database
        finally:
            database.close()
