"""Reads an archive into an empty database, an empty object store and a state directory."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from sqlalchemy import Connection

from modelyard.kit.files import inside, write_chunks
from modelyard.settings import Home
from modelyard.storage.archive import layout, schema
from modelyard.storage.archive.files import is_state_file, state_files
from modelyard.storage.archive.layout import ArchiveDamagedError, Header, ImportTargetNotEmptyError, Totals
from modelyard.storage.archive.reading import check_archive, members, read_header
from modelyard.storage.archive.rows import load_rows
from modelyard.storage.archive.tracking import TrackingTables, read_tracking
from modelyard.storage.database import Database
from modelyard.storage.migrate import upgrade_branch
from modelyard.storage.objects import ObjectStore, check_key

Progress = Callable[[int, int], None]
_HINT = (
    "Import into a new database and an empty object store and state directory: "
    "MODELYARD_DATABASE_URL, MODELYARD_OBJECTS_URL, --home."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to read an archive into.

    Attributes:
        database: has no tables of ours yet.
        objects: has no objects, but for those of the same archive that an import left which was killed.
        home: the state directory; holds no captures that wait.
        tracking: where MLflow's data are to lie in the database; None: in a file of the state directory.
    """

    database: Database
    objects: ObjectStore
    home: Home
    tracking: TrackingTables | None = None


def load_archive(path: Path, target: Target, progress: Progress = lambda _done, _all: None) -> Totals:
    """Check the archive, then take it over, the older schema of an earlier release brought up to the present one.

    The database changes last, in one transaction. Killed before that, the same import can be done again.

    Raises:
        NotFoundError: there is no such file.
        ArchiveDamagedError: it is not whole; nothing was changed.
        StateTooNewError: it is of a newer release; nothing was changed.
        ImportTargetNotEmptyError: something is there already; nothing was changed.
        ModelyardError: see `TrackingTables.check`; nothing was changed.
        UnavailableError: the object store does not answer; what was put there is removed again.
    """
    header = read_header(path)
    with target.database.read() as connection:
        schema.check_known(connection, header.revisions)
        _check_database(connection)
    present = _Present(target, has_objects=header.has_objects)
    totals = check_archive(path, saw=present.saw, progress=_part(progress, 0))
    present.check()
    with tempfile.TemporaryDirectory() as scratch:
        loading = _Loading(path, header, target, Path(scratch), _part(progress, 1))
        try:
            loading.put_objects()
            loading.write_files()
            loading.fill_database()
        except BaseException:
            loading.take_back()
            raise
    return totals


class _Present:
    """What is in the target already. The same archive's own things may be: an import may have been killed there."""

    def __init__(self, target: Target, *, has_objects: bool) -> None:
        self._home = target.home
        self._tracking = target.tracking
        keys = (target.home.mask_key, target.home.signing_key)  # made at every start where they are not there
        waiting = [path for path in state_files(target.home) if path not in keys]
        self._strangers = {f"{layout.FILES}{path.relative_to(target.home.root)}" for path in waiting}
        if has_objects:
            self._strangers |= {layout.OBJECTS + info.key for info in target.objects.list()}

    def saw(self, name: str) -> None:
        """Take note of a member of the archive.

        Raises:
            ArchiveDamagedError: it would be written where no archive may write.
            ModelyardError: see `TrackingTables.check`.
        """
        self._strangers.discard(name)
        kind, _, rest = name.partition("/")
        if name == layout.FILES + self._home.tracking_database.name and self._tracking is not None:
            self._tracking.check()
        if f"{kind}/" == layout.FILES and not is_state_file(self._home, rest):
            raise ArchiveDamagedError(f"No archive has a file '{rest}'")
        if f"{kind}/" == layout.OBJECTS:
            check_key(rest)

    def check(self) -> None:
        """After the whole archive was seen.

        Raises:
            ImportTargetNotEmptyError: something is there that is not the archive's.
        """
        if self._strangers:
            count = len(self._strangers)
            raise ImportTargetNotEmptyError(
                f"The target is not empty: it has {count} other objects or files, like '{min(self._strangers)}'",
                hint=_HINT,
            )


def _check_database(connection: Connection) -> None:
    if schema.revisions_of(connection):
        raise ImportTargetNotEmptyError("The database is not empty: it holds the state of a platform", hint=_HINT)


def _part(progress: Progress, number: int) -> Progress:
    """Progress of one of the two times that the archive is read."""
    return lambda done, size: progress(number * size + done, 2 * size)


class _Loading:
    def __init__(self, path: Path, header: Header, target: Target, scratch: Path, progress: Progress) -> None:
        self._path = path
        self._scratch = scratch
        self._header = header
        self._target = target
        self._progress = progress
        self._size = path.stat().st_size
        self._done = 0

    def put_objects(self) -> None:
        """All objects."""
        for key, content in self._each(layout.OBJECTS):
            self._target.objects.put_stream(key, self._chunks(content))

    def take_back(self) -> None:
        """Remove what was put."""
        for key, _content in self._each(layout.OBJECTS):
            self._target.objects.delete(key)

    def fill_database(self) -> None:
        """Make the tables as they were, fill them, and bring them up to date."""
        revisions = self._header.revisions
        names = schema.tables_at(revisions)
        with self._target.database.migration() as connection:
            _check_database(connection)  # again: now nobody else can start
            for branch, revision in revisions.items():
                upgrade_branch(connection, branch, revision)
            tables = {f"{branch}/{table.name}.jsonl": table for branch, table in schema.reflect(connection, names)}
            for name, content in self._each(layout.TABLES):  # an archive has them in the order of their references
                if name not in tables:
                    raise ArchiveDamagedError(f"The archive has a table '{name}', which its schema has not")
                load_rows(connection, tables[name], content)
            for branch in revisions:
                upgrade_branch(connection, branch)
            experiments = self._scratch / self._target.home.tracking_database.name
            if self._target.tracking is not None and experiments.exists():
                read_tracking(connection, self._target.tracking, experiments)

    def write_files(self) -> None:
        """What lies in the state directory itself; experiments that are to go into the database: beside it."""
        for name, content in self._each(layout.FILES):
            is_database = self._target.tracking is not None and name == self._target.home.tracking_database.name
            path = inside(self._scratch if is_database else self._target.home.root, name)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_chunks(path, iter(partial(content.read, layout.CHUNK_BYTES), b""), mode=0o600)

    def _each(self, kind: str) -> Iterator[tuple[str, IO[bytes]]]:
        with members(self._path) as every:
            for member in every:
                if member.name.startswith(kind):
                    yield member.name.removeprefix(kind), member.content

    def _chunks(self, content: IO[bytes]) -> Iterator[bytes]:
        while chunk := content.read(layout.CHUNK_BYTES):
            self._done += len(chunk)
            self._progress(min(self._done, self._size), self._size)
            yield chunk
