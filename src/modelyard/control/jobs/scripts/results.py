"""What a script has left: its output as an artifact, its model as a version, its promised files as datasets."""

import tempfile
from collections.abc import Iterator, Sequence
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
from modelyard.types.datasets import DatasetVersion, VersionDraft
from modelyard.types.jobs import OUTPUT_BYTES, Job
from modelyard.types.models import Lineage
from modelyard.types.scripting.recipes import OutputFile, ScriptRecipe

_MOST_FILES = 10_000
_SHOWN = 1000  # characters of an address; without the query, for what signs it is nobody's business


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
        files = self._store(job, recipe, folder)
        if files:
            told["output_files"] = len(files)
            told[OUTPUT_BYTES] = sum(file.size_bytes for file in files)
        if job.model is not None:
            told["model_version"] = self._register(job, recipe, folder / MODEL, job.model)
        return told | self._publish(job, recipe, folder / OUTPUT)

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

    def discard(self, job: Job) -> None:
        """Delete the files that were kept; the index goes last, so that what is interrupted can be done again."""
        for file in self.list(job):
            self._objects.delete(_key(job, file.path))
        self._objects.delete(_index(job))

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

    def _store(self, job: Job, recipe: ScriptRecipe, folder: Path) -> Sequence[OutputFile]:
        """Keep the output folder without what becomes datasets, and the model folder if no model is made of it."""
        names = (OUTPUT,) if job.model is not None else (OUTPUT, MODEL)
        promised = tuple(f"{OUTPUT}/{name}/" for name in recipe.outputs)
        found = {f"{name}/{path}": file for name in names for path, file in plain_files(folder / name).items()}
        files = {path: file for path, file in found.items() if not path.startswith(promised)}
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
        return told

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

    def _publish(self, job: Job, recipe: ScriptRecipe, output: Path) -> dict[str, str | float]:
        """Make the datasets that were promised: all of them, or none."""
        if recipe.dataset is not None:
            (version,) = self._made(job, [_draft(job, recipe, recipe.dataset, output, "MODELYARD_OUTPUT")])
            return {"dataset": f"{version.dataset}:{version.number}"}
        if not recipe.outputs:
            return {}
        drafts = [
            _draft(job, recipe, dataset, output / name, f"of the output '{name}'")
            for name, dataset in recipe.outputs.items()
        ]
        versions = self._made(job, drafts)
        return {
            f"dataset/{name}": f"{version.dataset}:{version.number}"
            for name, version in zip(recipe.outputs, versions, strict=True)
        }

    def _made(self, job: Job, drafts: Sequence[VersionDraft]) -> Sequence[DatasetVersion]:
        return patiently(lambda: self._registry.create_dataset_versions(job.project, drafts))


def _draft(job: Job, recipe: ScriptRecipe, dataset: str, folder: Path, named: str) -> VersionDraft:
    """The one file of a folder, and what it is made of."""
    # Marks of completeness and checksums, which Spark and others leave beside their data, are no data.
    files = {path: file for path, file in plain_files(folder).items() if not file.name.startswith((".", "_"))}
    if len(files) != 1:
        raise JobInvalidError(
            f"The folder {named} has {len(files)} files; a dataset version is made of one",
            hint="Write one CSV, Parquet, npz or zip file to that folder. Nothing became a dataset.",
            field="outputs" if recipe.outputs else "dataset",
        )
    ((name, file),) = files.items()
    facts = {"code": recipe.code, "image": recipe.image_digest, "environment": recipe.environment}
    sources = {role: f"{ref.dataset}:{ref.number}" for role, ref in job.recipe.channels.items()}
    places = {
        role: (source.object or str(source.url).partition("?")[0])[:_SHOWN] for role, source in recipe.sources.items()
    }
    digests = {f"{role} digest": job.conditions.data[role] for role in places if job.conditions is not None}
    return VersionDraft(
        dataset=dataset,
        content=file,
        format=sniff_format(file, name),
        description=f"Output of job {job.id}",
        source={**sources, **places, **digests, **{name: fact for name, fact in facts.items() if fact}, "job": job.id},
    )


def _index(job: Job) -> str:
    return f"outputs/jobs/{job.id}.json"


def _key(job: Job, path: str) -> str:
    return f"outputs/jobs/{job.id}/{path}"
