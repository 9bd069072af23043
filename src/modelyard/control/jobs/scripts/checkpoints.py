"""The folder of a job that outlives its attempts."""

import shutil
import zipfile
from pathlib import Path

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
        """The job's folder on this machine, as the last attempt left it. Not while one is running."""
        folder = self._folders / job.id
        if self._is_shared:
            shutil.rmtree(folder, ignore_errors=True)  # of an attempt before the last, which was elsewhere
            folder.mkdir(mode=0o700, parents=True)
            self._restore(job, folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def path(self, job: Job) -> Path:
        """Where the folder is, or would be."""
        return self._folders / job.id

    def keep(self, job: Job) -> None:
        """The attempt is over: let the next one find what it left, wherever that runs."""
        folder = self._folders / job.id
        if not self._is_shared or not folder.is_dir():
            return
        packed = self._folders / f"{job.id}.zip"
        try:
            with zipfile.ZipFile(packed, "w") as archive:
                for path, file in plain_files(folder).items():
                    archive.write(file, path)
            self._objects.put_file(_key(job), packed)
        finally:
            packed.unlink(missing_ok=True)

    def remove(self, job: Job) -> None:
        """The job has ended."""
        shutil.rmtree(self._folders / job.id, ignore_errors=True)
        if self._is_shared:
            self._objects.delete(_key(job))

    def _restore(self, job: Job, folder: Path) -> None:
        packed = self._folders / f"{job.id}.zip"
        try:
            self._objects.download(_key(job), packed)
            with zipfile.ZipFile(packed) as archive:
                for entry in archive.infolist():
                    path = inside(folder, entry.filename)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as content, path.open("wb") as file:
                        shutil.copyfileobj(content, file, 1 << 20)
        except ObjectNotFoundError:
            return
        finally:
            packed.unlink(missing_ok=True)


def _key(job: Job) -> str:
    return f"checkpoints/jobs/{job.id}.zip"
