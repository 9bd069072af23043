"""What an AutoML job's process keeps on this machine, and its way into the database."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from modelyard.algorithms.automl.checkpoint import REPORT, read_report
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.engines.pythons import environment_mounts
from modelyard.kit.files import PathEscapesError, inside
from modelyard.storage.database import Database
from modelyard.types.jobs import Job
from modelyard.types.processes import Mount

_log = structlog.get_logger(__name__)


class AutoMLWork:
    """Keeps a folder per job that outlives its attempts, and reads the report in it when that has changed.

    Args:
        database: of jobs.
        repository: of jobs.
        checkpoints: the folders.
        interpreter: of the environment that has a lock of this digest; it is built if it is not there.
    """

    def __init__(
        self,
        database: Database,
        repository: JobRepository,
        checkpoints: Checkpoints,
        interpreter: Callable[[str], Path],
    ) -> None:
        self._database = database
        self._repository = repository
        self._checkpoints = checkpoints
        self._interpreter = interpreter
        self._stored: dict[str, int] = {}

    def prepare(self, job: Job) -> tuple[Path, Mount]:
        """The folder, as the last attempt left it, and how the process sees it."""
        folder = self._checkpoints.folder(job)
        return folder, Mount(path=str(folder), is_writable=True)

    def autogluon(self, job: Job) -> tuple[Path | None, tuple[Mount, ...]]:
        """The interpreter that has AutoGluon, if the job names an environment, and what its process sees of it.

        Raises:
            ModelyardError: the environment cannot be built here.
        """
        if job.recipe.automl is None or not job.recipe.automl.autogluon:
            return None, ()
        python = self._interpreter(job.recipe.automl.autogluon)
        return python, environment_mounts(python)

    def look(self, job: Job) -> None:
        """Store the report if it has changed. What the process wrote is data: a report that is none is left alone."""
        try:
            path = inside(self._checkpoints.path(job), REPORT)
            changed_at = path.stat().st_mtime_ns
            if self._stored.get(job.id) == changed_at:
                return
            report = read_report(path)
        except FileNotFoundError:
            return
        except (msgspec.MsgspecError, PathEscapesError, OSError) as error:
            _log.warning("the report of an AutoML job cannot be read", job=job.id, error=str(error))
            return
        with self._database.transaction() as connection:
            self._repository.save_report(connection, job.id, report)
        self._stored[job.id] = changed_at

    def suspend(self, job: Job) -> None:
        """The attempt is over and another one follows."""
        self._checkpoints.keep(job)

    def remove(self, job: Job) -> None:
        """The job has ended: forget its folder."""
        if job.recipe.automl is not None:
            self._stored.pop(job.id, None)
            self._checkpoints.remove(job)
