"""Which kind a job is of: what its recipe has says it."""

from modelyard.algorithms.catalog import algorithm
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.automl.work import AutoMLWork
from modelyard.control.jobs.batch.work import BatchWork
from modelyard.control.jobs.contract.work import ContractWork
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.kinds.automl import AutoML
from modelyard.control.jobs.kinds.base import Kind
from modelyard.control.jobs.kinds.batch import Batch
from modelyard.control.jobs.kinds.builtin import BuiltIn, ResumedTraining, ResumedTrial, Training
from modelyard.control.jobs.kinds.contract import Contract
from modelyard.control.jobs.kinds.scripts import Script
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.control.jobs.scripts.work import ScriptWork
from modelyard.types.jobs import Job, JobKind


class Kinds:
    """All of them. Args as in the kinds."""

    def __init__(
        self,
        *,
        registry: RegistryClient,
        inputs: JobInputs,
        batches: BatchWork,
        scripts: ScriptWork,
        contracts: ContractWork,
        automl: AutoMLWork,
        checkpoints: Checkpoints,
    ) -> None:
        self._built_in, self._training = BuiltIn(registry, inputs), Training(registry, inputs)
        self._resumed = ResumedTraining(registry, inputs, checkpoints)
        self._resumed_trial = ResumedTrial(registry, inputs, checkpoints)
        self._batch, self._automl = Batch(registry, inputs, batches), AutoML(registry, inputs, automl)
        self._script, self._contract = Script(scripts), Contract(contracts)

    def of(self, job: Job) -> Kind:
        """The kind of a job; a trial is of the kind of what it tries."""
        recipe = job.recipe
        if recipe.contract is not None:
            return self._contract
        if recipe.script is not None:
            return self._script
        if recipe.automl is not None:
            return self._automl
        if recipe.batch is not None:
            return self._batch
        resumed: dict[JobKind, Kind] = {JobKind.TRAINING: self._resumed, JobKind.TRIAL: self._resumed_trial}
        begun_anew: dict[JobKind, Kind] = {JobKind.TRAINING: self._training}
        is_resumable = job.kind in resumed and algorithm(recipe.algorithm).description.is_resumable
        return (resumed if is_resumable else begun_anew).get(job.kind, self._built_in)
