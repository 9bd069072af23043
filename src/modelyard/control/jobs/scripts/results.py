"""What a script has left: its output as an artifact, its model as a version, its one file as a dataset."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.errors import JobInvalidError
from modelyard.control.jobs.inputs import JobInputs, patiently
from modelyard.control.jobs.scripts.errors import OutputNotFoundError
from modelyard.control.jobs.scripts.places import MODEL, OUTPUT, plain_files
from modelyard.data.formats import sniff_format
from modelyard.kit.files import inside, sha256_file
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore
from modelyard.types.jobs import Job
from modelyard.types.models import Lineage
from modelyard.types.scripting.recipes import OutputFile, ScriptRecipe

_MOST_FILES = 10_000


class ScriptResults:
    """Keeps and shows results. Safe from any thread; keeping twice is harmless."""

    def __init__(self, registry: RegistryClient, inputs: JobInputs, objects: ObjectStore) -> None:
        self._registry = registry
        self._inputs = inputs
        self._objects = objects

    def keep(self, job: Job, recipe: ScriptRecipe, folder: Path) -> dict[str, str | float]:
        """Everything that an attempt in `folder` has made; what to say about it in the job's record.

        Raises:
            ModelyardError: there is no model where one was promised, the registry refuses it, ...
        """
        told: dict[str, str | float] = {}
        files = self._store(job, folder)
        if files:
            told["output_files"] = files
        if job.model is not None:
            told["model_version"] = self._register(job, recipe, folder / MODEL, job.model)
        if recipe.dataset is not None:
            told["dataset"] = self._publish(job, recipe.dataset, folder / OUTPUT)
        return told

    def register_kept(self, job: Job, model: str) -> str:
        """Register the model files that a job has left as the next version of `model`; its reference.

        Raises:
            JobInvalidError: it has left none.
            ModelyardError: the registry refuses them.
        """
        recipe, names = job.recipe.script, [file.path for file in self.list(job)]
        kept = [path for path in names if path.startswith(f"{MODEL}/")]
        with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
            for path in kept:
                target = inside(Path(folder), path.removeprefix(f"{MODEL}/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                self._objects.download(_key(job, path), target)
            return self._register(job, recipe or ScriptRecipe(), Path(folder), model)

    def list(self, job: Job) -> list[OutputFile]:
        """The files that were kept, by path; none before the job has completed."""
        try:
            return msgspec.json.decode(self._objects.read(_index(job)), type=list[OutputFile])
        except ObjectNotFoundError:
            return []

    def stream(self, job: Job, path: str) -> Iterator[bytes]:
        """The content of one of them.

        Raises:
            OutputNotFoundError: there is none of this path.
        """
        if path not in [file.path for file in self.list(job)]:
            raise OutputNotFoundError(
                f"Job '{job.id}' has left no file '{path[:200]}'", hint=f"`modelyard jobs output {job.id}` lists them."
            )
        return self._objects.stream(_key(job, path))

    def _store(self, job: Job, folder: Path) -> int:
        """Keep the output folder, and the model folder if no model is made of it; the number of files."""
        names = (OUTPUT,) if job.model is not None else (OUTPUT, MODEL)
        files = {f"{name}/{path}": file for name in names for path, file in plain_files(folder / name).items()}
        if len(files) > _MOST_FILES:
            raise JobInvalidError(
                f"The job has left {len(files):,} files, {_MOST_FILES:,} are kept", hint="Pack them into one file."
            )
        for path, file in files.items():
            self._objects.put_file(_key(job, path), file)
        told = [
            OutputFile(path=path, size_bytes=file.stat().st_size, digest=sha256_file(file))
            for path, file in sorted(files.items())
        ]
        if told:  # the index comes last: what it names is there
            self._objects.put_stream(_index(job), iter((msgspec.json.encode(told),)))
        return len(files)

    def _register(self, job: Job, recipe: ScriptRecipe, bundle: Path, model: str) -> str:
        if not plain_files(bundle):
            raise JobInvalidError(
                "The script has written nothing to the folder MODELYARD_MODEL",
                hint="Save the model there as ONNX, skops, XGBoost, ..., or leave the model's name out of the job.",
                field="model",
            )
        key = job.id if model == job.model else f"{job.id}/{model}"
        data = tuple(self._inputs.channel(job.project, ref).reference for ref in job.recipe.channels.values())
        lineage = Lineage(
            job=job.id,
            datasets=data,
            created_by=job.created_by,
            code=recipe.code,
            environment=recipe.environment,
            image=recipe.image_digest,
        )
        version = patiently(
            lambda: self._registry.register_model(job.project, model, bundle, lineage, idempotency_key=key)
        )
        return version.ref

    def _publish(self, job: Job, dataset: str, output: Path) -> str:
        files = plain_files(output)
        if len(files) != 1:
            raise JobInvalidError(
                f"The output folder has {len(files)} files; a dataset version is made of one",
                hint="Write one CSV, Parquet, npz or zip file to the folder MODELYARD_OUTPUT.",
                field="dataset",
            )
        ((name, file),) = files.items()
        sources = {role: f"{ref.dataset}:{ref.number}" for role, ref in job.recipe.channels.items()}
        version = patiently(
            lambda: self._registry.create_dataset_version(
                job.project,
                dataset,
                file,
                sniff_format(file, name),
                description=f"Output of job {job.id}",
                source={"job": job.id, **sources},
                idempotency_key=job.id,
            )
        )
        return f"{version.dataset}:{version.number}"


def _index(job: Job) -> str:
    return f"outputs/jobs/{job.id}.json"


def _key(job: Job, path: str) -> str:
    return f"outputs/jobs/{job.id}/{path}"
