"""All kinds of steps. One that is new is a file beside this one and a line in `all_kinds`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelyard.control.clients.contracts import OperationsClient, RegistryClient
from modelyard.control.jobs.automl.service import AutoMLService
from modelyard.control.jobs.batch.service import BatchJobService
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.jobs.service import JobService
from modelyard.control.pipelines.job_kinds.automl import AutoMLStep
from modelyard.control.pipelines.job_kinds.batch import BatchStep
from modelyard.control.pipelines.job_kinds.evaluation import EvaluationStep
from modelyard.control.pipelines.job_kinds.processing import ProcessingStep
from modelyard.control.pipelines.job_kinds.scripts import ScriptStep
from modelyard.control.pipelines.job_kinds.training import TrainingStep
from modelyard.control.pipelines.job_kinds.tuning import TuningStep
from modelyard.control.pipelines.kinds.approval import ApproveStep
from modelyard.control.pipelines.kinds.base import StepKind
from modelyard.control.pipelines.kinds.condition import ConditionStep
from modelyard.control.pipelines.kinds.data import DatasetStep
from modelyard.control.pipelines.kinds.deployment import DeployStep
from modelyard.control.pipelines.kinds.notice import NotifyStep
from modelyard.control.pipelines.kinds.registration import RegisterStep
from modelyard.control.tuning.service import TuningService
from modelyard.settings import Settings
from modelyard.types.pipelines.definitions import KindDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """What kinds of steps do their work with. `operations` may be asked for only once all is wired."""

    registry: RegistryClient
    operations: Callable[[], OperationsClient]
    jobs: JobService
    tunings: TuningService
    searches: AutoMLService
    scripts: ScriptJobService
    batches: BatchJobService
    settings: Settings
    folder: Path


def all_kinds(works: Works) -> dict[str, StepKind]:
    """Every kind by its name."""
    settings = works.settings
    kinds: tuple[StepKind, ...] = (
        DatasetStep(works.registry),
        TrainingStep(works.jobs, settings),
        TuningStep(works.tunings, settings),
        AutoMLStep(works.jobs, works.searches, settings),
        ProcessingStep(works.jobs, works.scripts, settings),
        ScriptStep(works.jobs, works.scripts, settings),
        BatchStep(works.jobs, works.batches, settings),
        EvaluationStep(works.jobs, settings),
        ConditionStep(),
        RegisterStep(works.registry, works.folder),
        ApproveStep(works.operations),
        DeployStep(works.operations),
        NotifyStep(works.operations),
    )
    return {kind.description.name: kind for kind in kinds}


def descriptions(kinds: Mapping[str, StepKind]) -> dict[str, KindDescription]:
    """What they take and give."""
    return {name: kind.description for name, kind in kinds.items()}
