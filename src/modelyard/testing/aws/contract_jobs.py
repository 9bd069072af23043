"""Training jobs of the container contract without a platform: their parts on a real engine, buckets as folders."""

import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.jobs.contract.assembly import assemble
from modelyard.engines.base import Engine
from modelyard.settings import Home
from modelyard.storage.objects import ObjectStore, open_objects
from modelyard.types.contract.recipes import ContractRecipe
from modelyard.types.jobs import Job, JobKind, JobRecipe, JobStatus
from modelyard.types.processes import ProcessEnd, Resources

BUCKET = "data"
_LONGEST_SECONDS = 60.0


class FolderBuckets:
    """Buckets as folders of this machine; each is everybody's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, project: str, bucket: str) -> ObjectStore:  # noqa: ARG002 - everybody's
        """See Buckets."""
        return open_objects(f"file://{self._folder / bucket}")


class ContractBench:
    """The parts that jobs of the contract are carried with, and one bucket.

    Args:
        home: the engine's.
        engine: where jobs run.
        registry: permits code.
        folder: of the buckets.
    """

    def __init__(self, home: Home, engine: Engine, registry: RegistryClient, folder: Path) -> None:
        self.home, self.engine = home, engine
        buckets = FolderBuckets(folder)
        self.bucket = buckets.open("default", BUCKET)
        contracts = assemble(
            registry=registry,
            environments=EnvironmentBuilder(self.engine, self.home.environments),
            engine=self.engine,
            objects=open_objects("memory://"),
            home=self.home,
            is_shared=False,
        )
        contracts.buckets.join(buckets)
        self.work = contracts.work
        self.count = 0

    def put(self, key: str, content: str | bytes) -> str:
        """Store an object; its address."""
        self.bucket.put_stream(key, iter([content.encode() if isinstance(content, str) else content]))
        return f"s3://{BUCKET}/{key}"

    def source(self, **files: str) -> str:
        """Store an archive of code (`train__py="..."` is train.py); its address."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(name.replace("__", "."))
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        return self.put("source/sourcedir.tar.gz", content.getvalue())

    def run(self, recipe: ContractRecipe) -> tuple[ProcessEnd, dict[str, str], str]:
        """The end, what was kept, and why it failed."""
        self.count += 1
        job = Job(
            project="default",
            id=f"job-{self.count}",
            kind=JobKind.CONTRACT,
            status=JobStatus.STARTING,
            recipe=JobRecipe(algorithm="contract", contract=recipe),
            resources=Resources(),
            model=None,
            attempt=1,
            sandbox=None,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        folder = self.home.run / "jobs" / job.id
        spec = self.work.prepare(job, recipe, folder, lambda _pinned: None)
        self.engine.submit(job.id, spec)
        end = self.engine.wait(job.id, _LONGEST_SECONDS).end
        if end is None:
            raise AssertionError(self.engine.logs(job.id).text)
        kept = self.work.conclude(job, recipe, folder) if end.exit_code == 0 else {}
        reason = self.work.account(job, recipe, folder, end)
        self.engine.remove(job.id)
        self.work.remove(job)
        return end, kept, reason

    def packed(self, uri: str) -> dict[str, bytes]:
        """The files of an archive in the bucket."""
        content = self.bucket.read(uri.removeprefix(f"s3://{BUCKET}/"))
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            opened = {member.name: archive.extractfile(member) for member in archive}
            return {name: file.read() for name, file in opened.items() if file is not None}
