"""The rules of batch jobs: what is wrong with a request is said before there is a job, as far as it can be known."""

from modelyard.algorithms.batch.columns import BatchColumns, plan_answers, plan_batch
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.errors import JobInvalidError
from modelyard.control.jobs.service import JobService
from modelyard.control.references.service import ReferenceService
from modelyard.kit.cells import as_number
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation
from modelyard.types.batch.recipes import BatchRecipe
from modelyard.types.compute.scheduling import Placement
from modelyard.types.datasets import Column, ColumnKind, DatasetVersion
from modelyard.types.jobs import DatasetRef, Job, JobKind, JobRecipe
from modelyard.types.processes import Resources
from modelyard.types.signatures import DataType, Signature

CHANNEL = "input"
_WORDS = (ColumnKind.CATEGORY, ColumnKind.TEXT)


class BatchJobService:
    """Creates batch jobs; once there they are jobs like any other.

    Args:
        jobs: keeps them.
        registry: has models and datasets.
        references: knows what data may be read.
    """

    def __init__(self, jobs: JobService, registry: RegistryClient, references: ReferenceService) -> None:
        self._jobs = jobs
        self._registry = registry
        self._references = references

    def create(
        self,
        project: str,
        model: str,
        dataset: str | None,
        wanted: BatchRecipe,
        resources: Resources,
        *,
        created_by: str,
        creation: Creation | None = None,
        placement: Placement | None = None,
    ) -> Job:
        """Accept a batch job, its model and dataset pinned to version numbers.

        Args:
            project: of the model, the data and the output.
            model: "houses", "houses:3" or "houses@champion".
            dataset: "new-houses:2", unless `wanted` names an object or address.
            wanted: the rest.
            resources: limits of its process.
            created_by: name of the token.
            creation: idempotency key.
            placement: when and where it may start; None: in turn.

        Raises:
            NotFoundError: no such model version, dataset version or object.
            ColumnsInvalidError: the data lacks a column, or the model is none for tables.
            JobInvalidError: a column of words where the model takes numbers, or the output is the input.
            InvalidInputError: data that may not be read, a bad name.
        """
        check_name(wanted.output, "output")
        version = self._registry.model_version(project, model)
        signature = version.manifest.signature
        plan_answers(signature, wanted.prefix)
        reference = self._references.find(
            project, dataset=dataset, object=wanted.object, url=wanted.url, format=wanted.format
        )
        channels = {}
        if reference.version is not None:
            found = reference.version
            _check_dataset(found, signature, wanted)
            channels = {CHANNEL: DatasetRef(dataset=found.dataset, number=found.number)}
        recipe = JobRecipe(algorithm=JobKind.BATCH.value, channels=channels, candidates=(version.ref,), batch=wanted)
        return self._jobs.submit(
            project,
            JobKind.BATCH,
            recipe,
            None,
            resources,
            created_by=created_by,
            creation=creation,
            placement=placement or Placement(),
        )


def _check_dataset(version: DatasetVersion, signature: Signature, wanted: BatchRecipe) -> None:
    if version.dataset == wanted.output:
        raise JobInvalidError(
            f"The answers cannot become a version of their own input '{version.dataset}'",
            hint="Name another dataset as the output.",
            field="output",
        )
    columns = {column.name: column for column in version.schema.columns}
    _check_kinds(plan_batch(signature, list(columns), wanted), columns, version.schema.rows)


def _check_kinds(plan: BatchColumns, columns: dict[str, Column], rows: int) -> None:
    for inputs in plan.inputs:
        for name in inputs.names:
            column = columns[name]
            if inputs.spec.datatype is DataType.BYTES or column.kind not in _WORDS or column.missing >= rows:
                continue
            if any(map(_is_number, column.examples)):
                continue  # some rows can be answered; the others get an error each
            shown = ", ".join(f"'{example}'" for example in column.examples)
            raise JobInvalidError(
                f"Column '{name[:80]}' holds words ({shown}); the model takes numbers there",
                hint="Use data of the kind that the model was trained on.",
                field=CHANNEL,
            )


def _is_number(text: str) -> bool:
    try:
        as_number(text.strip())
    except ValueError:
        return False
    return True
