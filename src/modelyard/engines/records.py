"""What engines with a folder for each process share: names of such folders, and which processes are asked for."""

import contextlib
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from modelyard.engines.base import ProcessNotFoundError
from modelyard.errors import InvalidInputError
from modelyard.types.processes import ProcessSpec

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class ProcessIdInvalidError(InvalidInputError):
    """An id that cannot be a folder's name."""

    code = "process_id_invalid"


class ProcessRecord(Protocol):
    """What was submitted."""

    @property
    def spec(self) -> ProcessSpec:
        """The process."""

    @property
    def created_at(self) -> datetime:
        """When."""


class ProcessRecords(Protocol):
    """The records of an engine."""

    def ids(self) -> list[str]:
        """All processes with a record."""

    def record(self, process_id: str) -> ProcessRecord:
        """What was submitted.

        Raises:
            ProcessNotFoundError: nothing, or it was removed.
        """


def process_folder(parent: Path, process_id: str) -> Path:
    """The folder of a process.

    Raises:
        ProcessIdInvalidError: the id cannot be a folder's name.
    """
    if not _ID.fullmatch(process_id):
        raise ProcessIdInvalidError(
            f"'{process_id[:80]}' is not a valid process id",
            hint="Use up to 120 letters, digits, '.', '_' or '-', with a letter or digit first.",
        )
    return parent / process_id


def process_ids(parent: Path) -> list[str]:
    """Names of the processes' folders."""
    with contextlib.suppress(FileNotFoundError):
        return [path.name for path in parent.iterdir() if _ID.fullmatch(path.name)]
    return []


def labelled(records: ProcessRecords, labels: Mapping[str, str] | None) -> list[str]:
    """Processes that carry all of `labels`, oldest first."""
    wanted = (labels or {}).items()
    found: list[tuple[datetime, str]] = []
    for process_id in records.ids():
        with contextlib.suppress(ProcessNotFoundError):  # removed meanwhile
            record = records.record(process_id)
            if wanted <= record.spec.labels.items():
                found.append((record.created_at, process_id))
    return [process_id for _, process_id in sorted(found)]
