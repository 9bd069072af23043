"""Operations of SageMaker's training jobs. No rules here: parse, call the jobs' services, shape the answer."""

from datetime import timedelta
from typing import Any

from modelyard.control.documents.service import DocumentService
from modelyard.control.jobs.contract.service import ContractJobService
from modelyard.control.rest.pages import PageQuery
from modelyard.errors import InvalidStateError, ModelyardError
from modelyard.facades.aws.iam.roles import check_passable
from modelyard.facades.aws.sagemaker.hosting.listing import tags_of
from modelyard.facades.aws.sagemaker.training.answers import described, status_of, summary
from modelyard.facades.aws.sagemaker.training.requests import placement_of, recipe_of, resources_of
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.kit.clock import Clock
from modelyard.types.access import Action
from modelyard.types.foreign.documents import Document, DocumentFilter, DocumentOrder
from modelyard.types.jobs import Job

KIND = "training-job"
_SAGEMAKER = "sagemaker"
_DEFAULT_RESULTS = 10
_MOST_AT_ONCE = 100
_UPDATED = ("ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig")
_ACCEPTING = timedelta(minutes=1)
_ORDERS = {"Name": DocumentOrder.NAME, "CreationTime": DocumentOrder.CREATED, "Status": DocumentOrder.CREATED}


class TrainingJobOperations:
    """CreateTrainingJob and what follows it.

    Args:
        jobs: runs them.
        documents: remembers requests under the names of jobs.
        clock: tells when a job may start at the latest.
        memory_bytes: of a job that says nothing about it.
    """

    def __init__(self, jobs: ContractJobService, documents: DocumentService, clock: Clock, memory_bytes: int) -> None:
        self._jobs = jobs
        self._documents = documents
        self._clock = clock
        self._memory_bytes = memory_bytes

    @operation(
        _SAGEMAKER,
        "CreateTrainingJob",
        Action.WRITE,
        partly="AlgorithmName, FileSystemDataSource, several instance groups, and pipes to images, are refused; "
        "VpcConfig, instance types, debugger and profiler settings have no effect",
    )
    def create_training_job(self, call: Call, request: Request) -> Answer:
        """Accept a training job."""
        check_passable(self._documents, call, request["RoleArn"])
        name, tags, recipe = request["TrainingJobName"], tags_of(request), recipe_of(call, request)
        resources, placement = resources_of(request, self._memory_bytes), placement_of(request, self._clock.now())
        kept = {member: value for member, value in request.items() if member != "Tags"}
        known = self._documents.find(KIND, call.project, name)
        if known is not None and not self._is_left_over(known):
            raise AwsError("ResourceInUse", f"Training job names must be unique, and there is '{name}' already.")
        if known is not None:
            self._documents.discard(KIND, call.project, name)
        self._documents.create(KIND, call.project, name, {"job": "", "request": kept}, tags)
        try:
            job = self._jobs.create(
                call.project, recipe, resources, created_by=call.principal.name, placement=placement
            )
        except ModelyardError:
            self._documents.discard(KIND, call.project, name)
            raise
        self._documents.update(KIND, call.project, name, lambda content: {**content, "job": job.id})
        return {"TrainingJobArn": recipe.arn}

    @operation(_SAGEMAKER, "DescribeTrainingJob", Action.READ)
    def describe_training_job(self, call: Call, request: Request) -> Answer:
        """Everything about a job; a waiter's poll is held until it has ended."""
        document, job = self._find(call, request["TrainingJobName"])
        if not job.status.is_final:
            call.hold()
        return described(job, document, _arn(call, document))

    @operation(_SAGEMAKER, "ListTrainingJobs", Action.READ)
    def list_training_jobs(self, call: Call, request: Request) -> Answer:
        """Jobs of the project, in pages."""
        limit, cursor = request.get("MaxResults", _DEFAULT_RESULTS), request.get("NextToken")
        if request.get("SortBy") == "Status":
            return self._by_status(call, request, PageQuery.decode(limit, cursor))
        found, cursor = self._listed(call, request, limit, cursor)
        return {"TrainingJobSummaries": found, "NextToken": cursor}

    @operation(_SAGEMAKER, "StopTrainingJob", Action.WRITE)
    def stop_training_job(self, call: Call, request: Request) -> Answer:
        """SIGTERM, 120 seconds, SIGKILL; what is in the folder of the model is kept."""
        _, job = self._find(call, request["TrainingJobName"])
        try:
            self._jobs.stop(call.project, job.id)
        except InvalidStateError as error:
            raise validation_error(
                f"The request was rejected because the training job is in status {status_of(job)}."
            ) from error
        return {}

    @operation(
        _SAGEMAKER,
        "UpdateTrainingJob",
        Action.WRITE,
        partly="what it changes is written down and shown; profiler, warm pools and remote debugging have no effect",
    )
    def update_training_job(self, call: Call, request: Request) -> Answer:
        """Change the settings of a job that has not ended."""
        document, job = self._find(call, request["TrainingJobName"])
        if job.status.is_final:
            raise validation_error(f"The request was rejected because the training job is in status {status_of(job)}.")
        changed = {member: value for member, value in request.items() if member in _UPDATED}

        def change(content: dict[str, Any]) -> dict[str, Any]:
            kept = content["request"]
            resources = {**kept["ResourceConfig"], **request.get("ResourceConfig", {})}
            return {**content, "request": {**kept, **changed, "ResourceConfig": resources}}

        self._documents.update(KIND, call.project, document.name, change)
        return {"TrainingJobArn": _arn(call, document)}

    @operation(_SAGEMAKER, "DeleteTrainingJob", Action.WRITE)
    def delete_training_job(self, call: Call, request: Request) -> Answer:
        """Forget a job that has ended; its results stay in their bucket."""
        document, job = self._find(call, request["TrainingJobName"])
        if not job.status.is_final:
            raise AwsError("ResourceInUse", f"The training job '{document.name}' has not ended. Stop it first.")
        self._documents.delete(KIND, call.project, document.name)
        return {}

    def _listed(self, call: Call, request: Request, limit: int, cursor: str | None) -> tuple[list[Answer], str | None]:
        """Up to `limit` jobs that the request asks for, and the cursor behind them if there are more."""
        wanted = request.get("StatusEquals")
        found: list[Answer] = []
        while True:
            page = self._documents.list(
                KIND,
                call.project,
                PageQuery.decode(limit - len(found), cursor),
                _filter(request),
                _ORDERS[request.get("SortBy", "CreationTime")],
                descending=_is_descending(request),
            )
            for document in page.items:
                job = self._job(call, document)
                if job is not None and wanted in (None, status_of(job)):
                    found.append(summary(job, document, _arn(call, document)))
            cursor = page.next_cursor
            if cursor is None or len(found) >= limit:
                return found, cursor

    def _by_status(self, call: Call, request: Request, query: PageQuery) -> Answer:
        """The statuses are not in the table of documents, so all jobs are looked at and a page is cut out."""
        found, cursor = self._listed(call, request, _MOST_AT_ONCE, None)
        while cursor is not None:
            more, cursor = self._listed(call, request, _MOST_AT_ONCE, cursor)
            found += more
        found.sort(key=lambda each: str(each["TrainingJobStatus"]), reverse=_is_descending(request))
        start = query.after[0] if query.after else 0
        if not isinstance(start, int):
            raise validation_error("The NextToken is of a list that is sorted otherwise.")
        end = start + query.limit
        return {
            "TrainingJobSummaries": found[start:end],
            "NextToken": PageQuery.encode([end]) if end < len(found) else None,
        }

    def _find(self, call: Call, name: str) -> tuple[Document, Job]:
        document = self._documents.find(KIND, call.project, name)
        job = self._job(call, document) if document is not None else None
        if document is None or job is None:
            raise validation_error("Requested resource not found.")
        return document, job

    def _is_left_over(self, document: Document) -> bool:
        """Whether control was killed between writing a request down and accepting its job."""
        return not document.content["job"] and self._clock.now() - document.created_at > _ACCEPTING

    def _job(self, call: Call, document: Document) -> Job | None:
        """The job of a document; None: it was not accepted yet."""
        job_id = document.content["job"]
        return self._jobs.get(call.project, job_id) if job_id else None


def _arn(call: Call, document: Document) -> str:
    return call.arn(f"training-job/{document.name}")


def _is_descending(request: Request) -> bool:
    return bool(request.get("SortOrder", "Descending") == "Descending")


def _filter(request: dict[str, Any]) -> DocumentFilter:
    return DocumentFilter(
        name_contains=request.get("NameContains", ""),
        created_after=request.get("CreationTimeAfter"),
        created_before=request.get("CreationTimeBefore"),
        modified_after=request.get("LastModifiedTimeAfter"),
        modified_before=request.get("LastModifiedTimeBefore"),
    )
