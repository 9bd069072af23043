"""Steps that jobs carry: what they submit, what they give, and whether that is still there."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from modelyard.control.pipelines.caching.pinning import Pinning
from modelyard.control.pipelines.job_kinds.automl import AutoMLStep
from modelyard.control.pipelines.job_kinds.processing import ProcessingStep
from modelyard.control.pipelines.kinds.base import Stage, StepContext
from modelyard.errors import NotFoundError
from modelyard.settings import Settings
from modelyard.types.jobs import DatasetRef, JobKind, JobStatus

CONTEXT = StepContext(project="default", pipeline="houses", run="r1", step="split", attempt=1, created_by="ada")


@dataclass
class Service:
    """Accepts any job and completes it with a result."""

    result: dict[str, Any]
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def create(self, *given: Any, **more: Any) -> SimpleNamespace:
        self.calls.append((given, more))
        return SimpleNamespace(
            id="job-1", status=JobStatus.COMPLETED, result=self.result, metrics={"rows": 8.0}, end=None
        )


def test_a_processing_step_hands_datasets_to_its_program_and_gives_one_for_each_output():
    service = Service({"dataset/train": "houses-train:2", "dataset/test": "houses-test:1"})
    step = ProcessingStep(None, service, Settings())
    inputs = {
        "code": "0" * 64,
        "entry_point": "split.py",
        "data": {"raw": "houses:3"},
        "outputs": {"train": "houses-train", "test": "houses-test"},
        "hyperparameters": {"share": 0.2},
    }
    progress = step.begin(CONTEXT, inputs)
    ((_, recipe, script, model, _), more), *others = service.calls
    assert (others, model, more["kind"], more["creation"]) == ([], None, JobKind.PROCESSING, CONTEXT.creation)
    assert recipe.channels == {"raw": DatasetRef(dataset="houses", number=3)}
    assert (script.outputs, recipe.hyperparameters) == (inputs["outputs"], {"share": 0.2})
    assert progress.stage is Stage.COMPLETED
    assert progress.outputs == {
        "datasets": {"train": "houses-train:2", "test": "houses-test:1"}, "figures": {"rows": 8.0}, "job": "job-1",
    }  # fmt: skip


def test_an_automl_step_searches_for_so_long_and_gives_the_winner():
    service = Service({"model_version": "houses:4", "winner": "ensemble-regression", "r2": 0.8, "candidates": 9.0})
    step = AutoMLStep(None, service, Settings())
    progress = step.begin(
        CONTEXT, {"data": "houses:3", "target": "price", "model": "houses", "budget_seconds": 90.0, "objective": "mae"}
    )
    ((_, recipe, model, _), more), *others = service.calls
    assert (others, model, more["creation"]) == ([], "houses", CONTEXT.creation)
    assert (recipe.automl.budget_seconds, recipe.automl.objective, recipe.target) == (90.0, "mae", "price")
    assert recipe.channels == {"train": DatasetRef(dataset="houses", number=3)}
    assert (progress.outputs["model"], progress.outputs["algorithm"]) == ("houses:4", "ensemble-regression")
    assert progress.outputs["figures"] == {"rows": 8.0, "r2": 0.8, "candidates": 9.0}


def test_an_automl_step_may_forecast():
    service = Service({"model_version": "sales:1"})
    what = {"task": "forecasting", "horizon": 28, "time_column": "day", "series_column": "shop"}
    AutoMLStep(None, service, Settings()).begin(
        CONTEXT, {"data": "sales:1", "target": "sold", "model": "sales", **what}
    )
    (((_, recipe, _, _), _),) = service.calls
    asked = recipe.automl
    assert (asked.task, asked.horizon, asked.time_column, asked.series_column) == ("forecasting", 28, "day", "shop")


@pytest.mark.parametrize(("known", "missing"), [({"a", "b"}, ""), ({"a"}, "b:1"), (set(), "a:1")])
def test_an_earlier_result_is_no_longer_there_when_one_of_its_datasets_is_gone(known, missing):
    def dataset_version(_project: str, name: str, number: int) -> SimpleNamespace:
        if name not in known:
            raise NotFoundError("gone", hint="")
        return SimpleNamespace(dataset=name, number=number, digest="0" * 64)

    pinning = Pinning(SimpleNamespace(dataset_version=dataset_version))
    outputs = {"datasets": {"train": "a:1", "test": "b:1"}, "figures": {}, "job": "job-1"}
    assert pinning.missing("default", ProcessingStep.description, outputs) == missing
