"""What an archive looks like; docs/reference/archive.md says it to people.

A plain tar: `modelyard.json` first, then `tables/<branch>/<table>.jsonl`, `files/<path in the state directory>`,
`objects/<key>`, and `totals.json` last. So it is written and read from its beginning to its end, in little memory, and
one that was cut off has no totals.
"""

import hashlib
from dataclasses import dataclass, field

from modelyard.errors import ConflictError, InvalidInputError

FORMAT = 1
HEADER, TOTALS = "modelyard.json", "totals.json"
TABLES, FILES, OBJECTS = "tables/", "files/", "objects/"
CHUNK_BYTES = 1 << 20


class ArchiveDamagedError(InvalidInputError):
    """A file that is no archive, or one that lacks something or was changed."""

    code = "archive_damaged"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="Nothing was imported. Make the archive again, or take an older one.")


class ArchiveUnwritableError(InvalidInputError):
    """The file cannot be made: its folder is missing or another user's, or the disk is full."""

    code = "archive_unwritable"


class StateTooNewError(InvalidInputError):
    """An archive or a database of a newer release, which this one does not understand."""

    code = "state_too_new"


class ImportTargetNotEmptyError(ConflictError):
    """Something is already where an archive was to be imported."""

    code = "import_target_not_empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first member.

    Attributes:
        format: FORMAT of the release that wrote it.
        modelyard: that release.
        created_at: when, UTC, ISO 8601.
        revisions: of the schema, by branch of tables.
        has_objects: False for one with the database alone, as made before an upgrade.
    """

    format: int
    modelyard: str
    created_at: str
    revisions: dict[str, str]
    has_objects: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTotal:
    """One table: its rows, and the SHA-256 of its member."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Members of one kind together; `sha256` is that of a line for each: name, size, SHA-256 of its content."""

    count: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The last member: everything that came before it has to agree with this. Tables are named `branch/table`."""

    header_sha256: str
    tables: dict[str, TableTotal]
    files: Section
    objects: Section


@dataclass(slots=True)
class Tally:
    """Makes a Section, member by member, in the order of the archive."""

    count: int = 0
    bytes: int = 0
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, name: str, size_bytes: int, sha256: str) -> None:
        """Take note of a member."""
        self.count += 1
        self.bytes += size_bytes
        self._digest.update(f"{name}\0{size_bytes}\0{sha256}\n".encode())

    def section(self) -> Section:
        """All of them so far."""
        return Section(count=self.count, bytes=self.bytes, sha256=self._digest.hexdigest())
