"""What an AutoML job's process keeps on this machine, and its way into the database."""

from pathlib import Path

import msgspec
import structlog

from modelyard.algorithms.automl.checkpoint import REPORT, read_report
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.kit.files import inside
from modelyard.storage.database import Database
from modelyard.types.jobs import Job
from modelyard.types.processes import Mount

_log = structlog.get_logger(__name__)


class AutoMLWork:
    """Keeps a folder per job that outlives its attempts, and reads the report in it.

    Args:
        database: of jobs.
        repository: of jobs.
        checkpoints: the folders.
    """

    def __init__(self, database: Database, repository: JobRepository, checkpoints: Checkpoints) -> None:
        self._database = database
        self._repository = repository
        self._checkpoints = checkpoints

    def prepare(self, job: Job) -> tuple[Path, Mount]:
        """The folder, as the last attempt left it, and how the process sees it."""
        folder = self._checkpoints.folder(job)
        return folder, Mount(path=str(folder), is_writable=True)

    def look(self, job: Job) -> None:
        """Store the report if it has changed. What the process wrote is data: a report that is none is left alone."""
        try:
            path = inside(self._checkpoints.path(job), REPORT)
            report = read_report(path)
        except FileNotFoundError:
            return
        except msgspec.MsgspecError as error:
            _log.warning("the report of an AutoML job cannot be read", job=job.id, error=str(error))
            return
        with self._database.transaction() as connection:
            if self._repository.report(connection, job.id) != report:
                self._repository.save_report(connection, job.id, report)

    def suspend(self, job: Job) -> None:
        """The attempt is over and another one follows."""
        self._checkpoints.keep(job)

    def remove(self, job: Job) -> None:
        """The job has ended: forget its folder."""
        if job.recipe.automl is not None:
            self._checkpoints.remove(job)
