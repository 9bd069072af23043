"""Objects and addresses that jobs read, as folders; fetched once for a job, so that every attempt reads the same."""

import shutil
from pathlib import Path

from modelyard.control.references.service import Reference, ReferenceService
from modelyard.kit.files import sha256_file
from modelyard.settings import Home
from modelyard.types.jobs import Job
from modelyard.types.scripting.recipes import SourceRef


class SourceFolders:
    """Keeps them until their job has ended. Safe from any thread.

    Args:
        references: knows what may be read, and fetches it.
        home: where the folders are.
    """

    def __init__(self, references: ReferenceService, home: Home) -> None:
        self._references = references
        self._folders = home.run / "sources"

    def check(self, project: str, source: SourceRef) -> None:
        """Nothing if the project may read it.

        Raises:
            NotFoundError, ReferenceInvalidError, ReferenceForbiddenError, ReferenceTooLargeError: see ReferenceService.
        """
        self._find(project, source)

    def folder(self, job: Job, role: str, source: SourceRef) -> Path:
        """The folder with the data of a role in it: `<role>.csv` or `<role>.parquet`.

        Raises:
            ModelyardError: it cannot be had any more.
        """
        folder = self._folders / job.id / role
        if not folder.exists():
            reference = self._find(job.project, source)
            partial = folder.with_name(f".{role}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(mode=0o700, parents=True)
            self._references.fetch(reference, partial / f"{role}.{reference.format}")
            partial.rename(folder)
        return folder

    def digest(self, job: Job, role: str) -> str:
        """SHA-256 of what was fetched for a role."""
        (file,) = (self._folders / job.id / role).iterdir()
        return sha256_file(file)

    def remove(self, job: Job) -> None:
        """The job has ended."""
        shutil.rmtree(self._folders / job.id, ignore_errors=True)

    def _find(self, project: str, source: SourceRef) -> Reference:
        return self._references.find(project, dataset=None, object=source.object, url=source.url, format=source.format)
