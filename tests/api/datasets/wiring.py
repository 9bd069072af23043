"""The registry's upload and dataset services on a folder; as a program, a server of their routes on an open socket.

`python wiring.py FOLDER SOCKET_FD` answers any token as an administrator. The test that kills it owns the socket.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter

from modelyard.control.datasets import api as datasets_api
from modelyard.control.datasets.contents import DatasetContents
from modelyard.control.datasets.repository import DatasetRepository
from modelyard.control.datasets.service import DatasetService, Users, no_users
from modelyard.control.datasets.versions import DatasetVersionService
from modelyard.control.rest.guard import Guard
from modelyard.control.uploads import api as uploads_api
from modelyard.control.uploads.repository import UploadRepository
from modelyard.control.uploads.service import UploadService
from modelyard.kit.clock import Clock, SystemClock
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.objects import ObjectStore, open_objects
from modelyard.types.access import Principal, Role


@dataclass(frozen=True)
class Services:
    uploads: UploadService
    datasets: DatasetService
    versions: DatasetVersionService
    objects: ObjectStore

    def routers(self, guard: Guard) -> list[APIRouter]:
        return [uploads_api.router(self.uploads, guard), datasets_api.router(self.datasets, self.versions, guard)]


def wire(
    database: Database, objects: ObjectStore, scratch: Path, clock: Clock, *, max_bytes: int, users: Users = no_users
) -> Services:
    creations = Creations()
    uploads = UploadService(database, UploadRepository(), creations, objects, clock, max_bytes)
    repository = DatasetRepository()
    contents = DatasetContents(database, repository, objects)
    datasets = DatasetService(database, repository, creations, contents, clock, users)
    versions = DatasetVersionService(database, repository, creations, contents, uploads, clock, scratch)
    return Services(uploads, datasets, versions, objects)


class AnyToken:
    def authenticate(self, secret: str) -> Principal:
        return Principal(id="test", name=secret, role=Role.ADMIN, project=None)


class NoAudit:
    def record(self, entry: object) -> None:
        pass


def main() -> None:
    import uvicorn

    from modelyard.control.rest.application import create_application
    from modelyard.control.tables import load_tables
    from modelyard.storage.metadata import BRANCHES

    folder, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    database = Database(f"sqlite:///{folder}/registry.db")
    load_tables()
    for metadata in BRANCHES.values():
        metadata.create_all(database.engine)
    objects = open_objects((folder / "objects").as_uri())
    services = wire(database, objects, folder / "scratch", SystemClock(), max_bytes=1 << 30)
    guard = Guard(AnyToken(), lambda name: name == "default")
    application = create_application(
        title="Test", description="", routers=services.routers(guard), audit=NoAudit(), version="0"
    )
    uvicorn.run(application, fd=descriptor, log_level="warning")


if __name__ == "__main__":
    main()
