"""Pipelines and their runs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelyard.errors import InvalidStateError, NotFoundError
from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.errors import WaitFailedError
from modelyard.sdk.pipelines.builder import Pipeline as Builder
from modelyard.sdk.pipelines.documents import read_document
from modelyard.sdk.resource import JOBS, Resource, act, create, delete, pages, put, read, wait_for
from modelyard.sdk.resources.compute.scripts import snapshot_of
from modelyard.sdk.steps import Flow, Work
from modelyard.types.pipelines.definitions import KindDescription, Pipeline
from modelyard.types.pipelines.runs import PipelineGraph, PipelineRun, RunStatus, StepStatus

OnLook = Callable[[PipelineRun], None]
Definition = Builder | Mapping[str, Any] | str | Path
"""A pipeline in Python, its document, or the path of a YAML file."""


class Pipelines(Resource[Mode]):
    """Steps that build on one another."""

    @call
    def create(self, definition: Definition, *, replace: bool = False) -> Flow[Pipeline]:
        """Make a pipeline; with `replace`, or give one that is there another definition.

        A script step's `code` may be a folder or file beside the document (beginning with "./"): it is sent as a
        snapshot.

        Raises:
            DocumentUnreadableError: the file holds no pipeline.
            PipelineInvalidError: the definition cannot be run; `field` says where it is wrong.
            AlreadyExistsError: the name is taken.
        """
        document, folder = yield from _document(definition)
        steps: dict[str, Any] = {}
        for name, step in (document.get("steps") or {}).items():
            steps[name] = yield from self._with_code(step, folder)
        document["steps"] = steps
        place = self._path(JOBS, "pipelines", str(document.get("name", "")))
        if replace:
            try:
                yield from read(Pipeline, place)
            except NotFoundError:
                pass
            else:
                body = {key: value for key, value in document.items() if key != "name"}
                return (yield from put(Pipeline, place, body))
        return (yield from create(Pipeline, self._path(JOBS, "pipelines"), document))

    @call
    def get(self, name: str) -> Flow[Pipeline]:
        """A pipeline with its definition."""
        return read(Pipeline, self._path(JOBS, "pipelines", name))

    @call
    def delete(self, name: str) -> Flow[None]:
        """Remove a pipeline; its runs stay."""
        return delete(self._path(JOBS, "pipelines", name))

    @call
    def run(
        self, name: str, parameters: Mapping[str, Any] | None = None, *, use_cache: bool = True, wait: bool = False
    ) -> Flow[PipelineRun]:
        """Start a run; with `wait`, come back when it has completed.

        Args:
            name: of the pipeline.
            parameters: of this run; defaults for the others.
            use_cache: steps whose content has not changed are taken from earlier runs.
            wait: see `wait`.
        """
        body = {"parameters": dict(parameters or {}), "use_cache": use_cache}
        run = yield from create(PipelineRun, self._path(JOBS, "pipelines", name, "runs"), body)
        if not wait:
            return run
        return (yield from Pipelines.wait.flow(self, run.id))

    @call
    def describe(self, run: str) -> Flow[PipelineRun]:
        """A run as it is now, with its steps."""
        return read(PipelineRun, self._path(JOBS, "pipeline-runs", run))

    @call
    def wait(
        self, run: str, *, timeout_seconds: float | None = None, on_look: OnLook | None = None
    ) -> Flow[PipelineRun]:
        """Come back when a run has completed, or waits for a person.

        Raises:
            WaitFailedError: it failed or was stopped; the message says why.
            WaitTimeoutError: it is still under way.
        """

        def is_done(found: PipelineRun) -> bool:
            if on_look:
                on_look(found)
            return found.status.is_final or found.status is RunStatus.WAITING

        found = yield from wait_for(f"run {run}", lambda: Pipelines.describe.flow(self, run), is_done, timeout_seconds)
        if found.status in (RunStatus.FAILED, RunStatus.STOPPED):
            raise WaitFailedError(
                f"run {run} is {found.status}: {found.message}", hint=f"Its steps: modelyard pipelines describe {run}"
            )
        return found

    @call
    def stop(self, run: str) -> Flow[PipelineRun]:
        """Ask a run to stop."""
        return act(PipelineRun, self._path(JOBS, "pipeline-runs", run, "stop"))

    @call
    def approve(self, run: str, step: str | None = None, *, comment: str = "") -> Flow[PipelineRun]:
        """Say yes to a step that waits for it; `step` may be left out if it is the only one."""
        return (yield from self._decide(run, step, comment, is_approved=True))

    @call
    def reject(self, run: str, step: str | None = None, *, comment: str = "") -> Flow[PipelineRun]:
        """Say no: the step fails."""
        return (yield from self._decide(run, step, comment, is_approved=False))

    @call
    def graph(self, name: str) -> Flow[PipelineGraph]:
        """Nodes and edges of a pipeline, or of a run ("run-...") with the states of its steps."""
        kind = "pipeline-runs" if name.startswith("run-") else "pipelines"
        return read(PipelineGraph, self._path(JOBS, kind, name, "graph"))

    @listing
    def kinds(self) -> Pages[KindDescription]:
        """Kinds of steps, with their inputs and outputs."""
        return pages(KindDescription, f"{JOBS}/pipeline-step-kinds")

    @listing
    def runs(self, pipeline: str | None = None) -> Pages[PipelineRun]:
        """Newest first, without steps."""
        return pages(PipelineRun, self._path(JOBS, "pipeline-runs"), {"pipeline": pipeline})

    @listing
    def list(self) -> Pages[Pipeline]:
        """By name."""
        return pages(Pipeline, self._path(JOBS, "pipelines"))

    def _decide(self, run: str, step: str | None, comment: str, *, is_approved: bool) -> Flow[PipelineRun]:
        if step is None:
            found: PipelineRun = yield from Pipelines.describe.flow(self, run)
            step = _waiting(found)
        body = {"approve": is_approved, "comment": comment}
        return (yield from act(PipelineRun, self._path(JOBS, "pipeline-runs", run, "steps", step, "decision"), body))

    def _with_code(self, step: Any, folder: Path) -> Flow[Any]:
        """A step whose code is a digest, if it named a place."""
        inputs: dict[str, Any] = step.get("inputs") or {} if isinstance(step, dict) else {}
        code = inputs.get("code")
        if not isinstance(code, str) or not code.startswith("./"):
            return step
        digest, entry_point = yield from snapshot_of(self._path(JOBS, "snapshots"), folder / code)
        given = {"entry_point": entry_point} if entry_point else {}
        return {**step, "inputs": {**given, **inputs, "code": digest}}


def _document(definition: Definition) -> Flow[tuple[dict[str, Any], Path]]:
    """The document, and the folder that its paths begin at."""
    if isinstance(definition, Builder):
        return definition.document(), Path()
    if isinstance(definition, Mapping):
        return dict(definition), Path()
    path = Path(definition)
    document: dict[str, Any] = yield Work(lambda: read_document(path))
    return document, path.parent


def _waiting(run: PipelineRun) -> str:
    """The step that waits for a decision.

    Raises:
        InvalidStateError: none does, or several do.
    """
    waiting = [state.name for state in run.steps if state.status is StepStatus.WAITING]
    if len(waiting) == 1:
        return waiting[0]
    raise InvalidStateError(
        f"Several steps of run {run.id} wait for a decision" if waiting else f"No step of run {run.id} waits",
        hint=f"Name one of {', '.join(waiting)}." if waiting else f"It is {run.status}.",
    )
