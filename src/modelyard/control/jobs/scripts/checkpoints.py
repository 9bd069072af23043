"""The folder of a job that outlives its attempts."""

import shutil
import zipfile
from pathlib import Path

from modelyard.control.jobs.errors import JobInvalidError
from modelyard.control.jobs.scripts.places import plain_files
from modelyard.kit.files import inside
from modelyard.settings import Home
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore
from modelyard.types.jobs import Job


class Checkpoints:
    """One folder for each job that has begun and not ended.

    Args:
        home: where the folders are.
        objects: where a copy is kept between attempts, for the next one may be on another machine.
        is_shared: whether other machines work on the same database.
    """

    def __init__(self, home: Home, objects: ObjectStore, *, is_shared: bool) -> None:
        self._folders = home.run / "checkpoints"
        self._objects = objects
        self._is_shared = is_shared

    def folder(self, job: Job) -> Path:
        """The job's folder on this machine, as the last attempt left it, or its parent. Not while one is running.

        Raises:
            JobInvalidError: its parent's is gone.
        """
        folder = self._folders / job.id
        generation = job.recipe.generation
        parent = generation.parent if generation is not None else ""
        if self._is_shared:
            shutil.rmtree(folder, ignore_errors=True)  # of an attempt before the last, which was elsewhere
            if not self._restore(_key(job), folder) and parent:
                self._inherit(parent, folder)
        elif parent and not folder.exists():
            self._inherit(parent, folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def path(self, job: Job) -> Path:
        """Where that folder is, also while an attempt is running."""
        return self._folders / job.id

    def keep(self, job: Job) -> None:
        """The attempt is over: let the next one find what it left, wherever that runs."""
        if self._is_shared and self.path(job).is_dir():
            self._pack(job, _key(job))

    def leave(self, job: Job) -> None:
        """A trial of a population has completed: let the next generation find what it left."""
        self._pack(job, left_key(job.id))

    def remove(self, job: Job) -> None:
        """The job has ended."""
        shutil.rmtree(self._folders / job.id, ignore_errors=True)
        if self._is_shared:
            self._objects.delete(_key(job))

    def _pack(self, job: Job, key: str) -> None:
        packed = self._folders / f"{job.id}.zip"
        packed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(packed, "w", strict_timestamps=False) as archive:  # a file may say it is of 1970
                for path, file in plain_files(self.path(job)).items():
                    archive.write(file, path)
            self._objects.put_file(key, packed)
        finally:
            packed.unlink(missing_ok=True)

    def _inherit(self, parent: str, folder: Path) -> None:
        """Begin with what another job has left."""
        if not self._restore(left_key(parent), folder):
            raise JobInvalidError(
                f"The checkpoint of job '{parent}' is gone, from which this one was to go on",
                hint="Start the search again.",
            )

    def _restore(self, key: str, folder: Path) -> bool:
        """Unpack into a new folder, which appears whole; False if there is nothing."""
        packed, unpacked = (folder.with_name(f".{folder.name}.{ending}") for ending in ("zip", "new"))
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(mode=0o700, parents=True)
        try:
            self._objects.download(key, packed)
            with zipfile.ZipFile(packed) as archive:
                for entry in archive.infolist():
                    path = inside(unpacked, entry.filename)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as content, path.open("wb") as file:
                        shutil.copyfileobj(content, file, 1 << 20)
            unpacked.rename(folder)
        except ObjectNotFoundError:
            return False
        finally:
            packed.unlink(missing_ok=True)
            shutil.rmtree(unpacked, ignore_errors=True)
        return True


def _key(job: Job) -> str:
    return f"checkpoints/jobs/{job.id}.zip"


def left_key(job_id: str) -> str:
    """Where the object store has what a trial has left for the next generation."""
    return f"checkpoints/trials/{job_id}.zip"
