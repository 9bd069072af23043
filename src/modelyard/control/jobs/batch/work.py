"""What a batch job's process reads and keeps, on this machine, and the dataset that comes of it."""

import shutil
from pathlib import Path

from modelyard.algorithms.batch.batch import OUTPUT_FILE
from modelyard.algorithms.jobfile import OUTPUT_FOLDER, BatchFiles
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.jobs.batch.service import CHANNEL
from modelyard.control.jobs.inputs import JobInputs, patiently
from modelyard.control.references.service import ReferenceService
from modelyard.engines.base import Engine, check_fence
from modelyard.engines.pythons import environment_mounts
from modelyard.kit.files import inside, sha256_file
from modelyard.runtimes.bundle import read_manifest
from modelyard.runtimes.foreign.kinds import needs_loopback, own_environment
from modelyard.settings import Home
from modelyard.types.batch.recipes import BatchRecipe
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import Job
from modelyard.types.processes import Mount

_SHOWN = 1000  # characters of an address


class BatchWork:
    """Keeps a folder per job that outlives its attempts: finished shards, and data that might change at its source.

    Args:
        registry: gets the output.
        inputs: datasets and bundles.
        references: objects and addresses.
        environments: of models that are programs.
        engine: where such models may run, or not.
        home: where the folders are.
    """

    def __init__(
        self,
        registry: RegistryClient,
        inputs: JobInputs,
        references: ReferenceService,
        environments: EnvironmentBuilder,
        engine: Engine,
        home: Home,
    ) -> None:
        self._registry = registry
        self._inputs = inputs
        self._references = references
        self._environments = environments
        self._engine = engine
        self._folders = home.run / "batches"

    def prepare(self, job: Job, recipe: BatchRecipe, bundle: Path) -> tuple[BatchFiles, tuple[Mount, ...]]:
        """The files of the job, and what its process may see beside its own folder.

        Raises:
            ModelyardError: the data cannot be had any more, or the model may not run here.
        """
        shards = self._folders / job.id / "shards"
        shards.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, file_format = self._input(job, recipe)
        python = self._python(bundle)
        mounts = [Mount(path=str(path)), Mount(path=str(shards), is_writable=True)]
        if python is not None:
            mounts.extend(environment_mounts(python))
        files = BatchFiles(
            input=path, format=file_format, shards=shards, python=python, lineage=self._lineage(job, recipe)
        )
        return files, tuple(mounts)

    def publish(self, job: Job, recipe: BatchRecipe, folder: Path) -> str:
        """Make the output a dataset version; its name and number.

        Raises:
            PathEscapesError: the model's process put a link where the output belongs.
        """
        lineage = self._lineage(job, recipe)
        output = inside(folder, f"{OUTPUT_FOLDER}/{OUTPUT_FILE}")
        version = patiently(
            lambda: self._registry.create_dataset_version(
                job.project,
                recipe.output,
                output,
                DatasetFormat.PARQUET,
                description=f"Answers of {lineage['model']} to {lineage['input']}",
                source={"job": job.id, **lineage},
                idempotency_key=job.id,
            )
        )
        return f"{version.dataset}:{version.number}"

    def has_loopback(self, bundle: Path) -> bool:
        """Whether the model is a program that its process speaks HTTP with."""
        return needs_loopback(read_manifest(bundle).artifact_format)

    def remove(self, job: Job) -> None:
        """Forget the shards and the fetched data."""
        shutil.rmtree(self._folders / job.id, ignore_errors=True)

    def _input(self, job: Job, recipe: BatchRecipe) -> tuple[Path, DatasetFormat]:
        if CHANNEL in job.recipe.channels:
            channel = self._inputs.channel(job.project, job.recipe.channels[CHANNEL])
            return channel.path, channel.format
        reference = self._references.find(
            job.project, dataset=None, object=recipe.object, url=recipe.url, format=recipe.format
        )
        path = self._fetched(job)
        if not path.exists():
            partial = path.with_suffix(".partial")
            self._references.fetch(reference, partial)
            partial.replace(path)
        return path, reference.format

    def _lineage(self, job: Job, recipe: BatchRecipe) -> dict[str, str]:
        """What the output is made of, from the record alone: the job's own folder is the model's to write in."""
        (ref,) = job.recipe.candidates
        version = patiently(lambda: self._registry.model_version(job.project, ref))
        found = {"model": ref, "model_digest": version.digest}
        if CHANNEL in job.recipe.channels:
            data = self._inputs.channel(job.project, job.recipe.channels[CHANNEL]).reference
            return found | {"input": f"{data.dataset}:{data.number}", "input_digest": data.digest}
        # Without the query: what signs an address is nobody's business who only reads the dataset.
        name = recipe.object or str(recipe.url).partition("?")[0]
        return found | {"input": name[:_SHOWN], "input_digest": sha256_file(self._fetched(job))}

    def _fetched(self, job: Job) -> Path:
        return self._folders / job.id / "input"

    def _python(self, bundle: Path) -> Path | None:
        if not read_manifest(bundle).artifact_format.runs_code:
            return None
        check_fence(self._engine)
        lock = own_environment(bundle)
        return None if lock is None else self._environments.ensure(lock)
