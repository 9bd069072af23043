"""The steps of a run, each of which may be repeated from its beginning: killed anywhere, the run goes on.

A step returns True if the run goes on, and False once it has ended (promoted, rejected or failed).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from modelyard.control.clients.contracts import JobsClient, RegistryClient
from modelyard.control.endpoints.schemas import VariantSpec
from modelyard.control.feedback.service import FeedbackService
from modelyard.control.monitors.checking.windows import serving_version
from modelyard.control.retraining.collecting import Collector, parse_ref
from modelyard.control.retraining.conditions.budget import SECONDS_SUFFIX
from modelyard.control.retraining.errors import RetrainingImpossibleError
from modelyard.control.retraining.policies import PolicyService
from modelyard.control.retraining.proof.prover import Prover, Rows
from modelyard.control.retraining.tracking import RunTracking
from modelyard.errors import ModelyardError, PreconditionFailedError, TemporaryError
from modelyard.kit.clock import Clock
from modelyard.types.endpoints import Endpoint, EndpointStatus, Rollout, RolloutPlan, RolloutStatus, Variant
from modelyard.types.jobs import DatasetRef, Job, JobRecipe, JobStatus
from modelyard.types.monitoring import RetrainingRun, RetrainingStatus
from modelyard.types.tuning.searches import TuningRules

CHAMPION = "champion"
_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 900.0
_log = structlog.get_logger(__name__)


class EndpointControl(Protocol):
    """What a run asks of endpoints. Implementation: endpoints.service.EndpointService."""

    def get(self, project: str, name: str) -> Endpoint:
        """An endpoint. Raises NotFoundError."""

    def update(
        self,
        project: str,
        name: str,
        *,
        variants: Sequence[VariantSpec] | None,
        weights: dict[str, float] | None,
        capture_share: float | None,
        expected_version: int | None,
        plan: RolloutPlan | None = None,
    ) -> Endpoint:
        """Start a rollout to `variants`, in the stages of `plan`.

        Raises:
            PreconditionFailedError: it is not at `expected_version` any more.
        """


class RetrainingExecution:
    """Carries runs forward. Safe from any thread, as long as one run is carried by one thread at a time."""

    def __init__(
        self,
        tracking: RunTracking,
        policies: PolicyService,
        collector: Collector,
        prover: Prover,
        feedback: FeedbackService,
        registry: RegistryClient,
        jobs: JobsClient,
        endpoints: EndpointControl,
        clock: Clock,
    ) -> None:
        self._tracking = tracking
        self._policies = policies
        self._collector = collector
        self._prover = prover
        self._feedback = feedback
        self._registry = registry
        self._jobs = jobs
        self._endpoints = endpoints
        self._clock = clock

    def collect(self, run_id: str) -> bool:
        """Labelled captures become dataset versions."""
        return self._step(run_id, self._collect)

    def train(self, run_id: str) -> bool:
        """The running version's recipe on the extended data."""
        return self._step(run_id, self._train)

    def judge(self, run_id: str) -> bool:
        """The new version proves itself beside the running one."""
        return self._step(run_id, self._judge)

    def roll_out(self, run_id: str) -> bool:
        """The new version takes the traffic, or the endpoint takes the old one back."""
        return self._step(run_id, self._roll_out)

    def settle(self, run_id: str) -> None:
        """After the end: labels that taught nobody are free for the next run; a policy that keeps failing stops."""
        run = self._tracking.state(run_id).run
        if run.status is not RetrainingStatus.PROMOTED:
            self._feedback.release(run.id)
        if run.status is RetrainingStatus.FAILED:
            self._policies.break_circuit(run.project, run.policy)

    def _step(self, run_id: str, action: Callable[[RetrainingRun], bool]) -> bool:
        """Do one step; temporary faults are waited out, others end the run with their reason."""
        deadline = self._clock.monotonic() + _PATIENCE_SECONDS
        while True:
            run = self._tracking.state(run_id).run
            if run.status.is_final:
                return False
            try:
                return action(run)
            except (TemporaryError, PreconditionFailedError) as error:
                if self._clock.monotonic() > deadline:
                    return self._end(run, RetrainingStatus.FAILED, error.message)
                self._clock.sleep(error.retry_after_seconds or _POLL_SECONDS)
            except ModelyardError as error:
                return self._end(run, RetrainingStatus.FAILED, f"{error.message}. {error.hint}".strip())
            except Exception as error:  # noqa: BLE001 - a run must end with a reason, whatever went wrong
                _log.exception("retraining step failed", run=run_id)
                return self._end(run, RetrainingStatus.FAILED, f"{type(error).__name__}: {error}")

    def _collect(self, run: RetrainingRun) -> bool:
        if "reserved" not in self._tracking.state(run.id).progress:
            rows = self._collector.mark(run)
            self._tracking.advance(run.id, RetrainingStatus.COLLECTING, progress={"reserved": str(rows)})
        made = self._collector.collect(run, self._policies.get(run.project, run.policy).window)
        self._tracking.advance(
            run.id,
            RetrainingStatus.TRAINING,
            progress={"base": made.base, "extended": made.extended, "feedback": made.feedback},
            figures={"new_labels": float(made.rows)},
        )
        return True

    def _train(self, run: RetrainingRun) -> bool:
        if run.new_version is not None and run.job is None:  # a version that was there already
            self._tracking.advance(run.id, RetrainingStatus.JUDGING)
            return True
        progress = self._tracking.state(run.id).progress
        recipe = self._collector.recipe(run.project, run.old_version)
        channels = {**recipe.channels, "train": _dataset(progress["extended"])}
        model, _ = parse_ref(run.old_version)
        recipe = replace(recipe, channels=channels)
        rules = self._policies.get(run.project, run.policy).tuning
        if rules.space:
            job = self._tuned(run, recipe, model, rules)
        else:
            job = self._jobs.create_training_job(run.project, recipe, model, idempotency_key=f"{run.id}-train")
        self._tracking.advance(run.id, RetrainingStatus.TRAINING, job=job.id)
        made = self._finished(run, job, "Training").result.get("model_version")
        if not isinstance(made, str):
            raise RetrainingImpossibleError(f"Job {job.id} has registered no version", hint="Read its logs.")
        self._tracking.advance(run.id, RetrainingStatus.JUDGING, new_version=made)
        return True

    def _tuned(self, run: RetrainingRun, recipe: JobRecipe, model: str, rules: TuningRules) -> Job:
        """The job that trained with the best hyper-parameters that a search has found."""
        fixed = {name: value for name, value in recipe.hyperparameters.items() if name not in rules.space}
        tuning = self._jobs.create_tuning_job(
            run.project, replace(recipe, hyperparameters=fixed), model, rules, idempotency_key=f"{run.id}-tune"
        )
        self._tracking.advance(run.id, RetrainingStatus.TRAINING, progress={"tuning": tuning.id})
        while not tuning.status.is_final:
            self._clock.sleep(_POLL_SECONDS)
            tuning = self._jobs.tuning_job(run.project, tuning.id)
        self._tracking.advance(run.id, RetrainingStatus.TRAINING, figures={f"tuning{SECONDS_SUFFIX}": tuning.seconds})
        if "job" not in tuning.result:
            raise RetrainingImpossibleError(
                f"Tuning job {tuning.id} ended {tuning.status}: {tuning.message}",
                hint=f"See its trials: modelyard tuning trials {tuning.id}",
            )
        return self._jobs.job(run.project, tuning.result["job"])

    def _judge(self, run: RetrainingRun) -> bool:
        progress = self._tracking.state(run.id).progress
        rows = Rows(
            base=_dataset(progress["base"]),
            feedback=_dataset(progress["feedback"]),
            target=self._collector.recipe(run.project, run.old_version).target,
        )
        policy = self._policies.get(run.project, run.policy)
        judgement = self._prover.prove(run, policy, _required(run.new_version), rows, self._finished)
        if not judgement.is_passed:
            return self._end(run, RetrainingStatus.REJECTED, judgement.reason, judgement.figures)
        self._tracking.advance(run.id, RetrainingStatus.ROLLING_OUT, reason=judgement.reason, figures=judgement.figures)
        return True

    def _roll_out(self, run: RetrainingRun) -> bool:
        new_version = _required(run.new_version)
        rollout = self._rollout(run, new_version)
        while rollout is not None and rollout.status is RolloutStatus.RUNNING:
            self._clock.sleep(_POLL_SECONDS)
            rollout = self._rollout(run, new_version)
        if rollout is None or rollout.status is RolloutStatus.ROLLED_BACK:
            why = rollout.reason if rollout else "the endpoint was changed by somebody else meanwhile"
            return self._end(run, RetrainingStatus.REJECTED, f"{new_version} did not take over: {why}")
        model, number = parse_ref(new_version)
        self._registry.set_alias(run.project, model, CHAMPION, number)
        return self._end(run, RetrainingStatus.PROMOTED, run.reason)

    def _rollout(self, run: RetrainingRun, new_version: str) -> Rollout | None:
        """The rollout of this run as it is now, started if it was not; None if the endpoint went another way."""
        endpoint = self._endpoints.get(run.project, run.endpoint)
        started = self._tracking.state(run.id).progress.get("rollout")
        if endpoint.rollout is not None and (
            started == endpoint.rollout.id or _leads_to(endpoint.rollout, new_version)
        ):
            if started is None:
                self._remember(run, endpoint.rollout)
            return endpoint.rollout
        if started is not None or serving_version(endpoint) != run.old_version:
            return None
        if endpoint.status is EndpointStatus.STOPPED:
            raise RetrainingImpossibleError(f"Endpoint '{endpoint.name}' is stopped", hint="Start it, then retrain.")
        changed = self._endpoints.update(
            run.project,
            run.endpoint,
            variants=[_moved(variant, run.old_version, new_version) for variant in endpoint.variants],
            weights=None,
            capture_share=None,
            expected_version=endpoint.version,
            plan=self._policies.get(run.project, run.policy).rollout,
        )
        self._remember(run, changed.rollout)
        return changed.rollout

    def _remember(self, run: RetrainingRun, rollout: Rollout | None) -> None:
        if rollout is not None:
            self._tracking.advance(run.id, RetrainingStatus.ROLLING_OUT, progress={"rollout": rollout.id})

    def _finished(self, run: RetrainingRun, job: Job, what: str) -> Job:
        while not job.status.is_final:
            self._clock.sleep(_POLL_SECONDS)
            job = self._jobs.job(run.project, job.id)
        if job.status is not JobStatus.COMPLETED:
            why = job.end.message if job.end else "no reason was given"
            raise RetrainingImpossibleError(f"{what} job {job.id} ended {job.status}: {why}", hint="Read its logs.")
        if job.started_at is not None and job.ended_at is not None:
            seconds = {f"{what.lower()}{SECONDS_SUFFIX}": (job.ended_at - job.started_at).total_seconds()}
            self._tracking.advance(run.id, self._tracking.state(run.id).run.status, figures=seconds)
        return job

    def _end(
        self, run: RetrainingRun, status: RetrainingStatus, reason: str, figures: dict[str, float] | None = None
    ) -> bool:
        self._tracking.advance(run.id, status, reason=reason, figures=figures)
        return False


def _dataset(ref: str) -> DatasetRef:
    name, number = parse_ref(ref)
    return DatasetRef(dataset=name, number=number)


def _moved(variant: Variant, old: str, new: str) -> VariantSpec:
    """The variant with the new version, if it served the old one; the rest of it stays."""
    present = f"{variant.model}:{variant.number}"
    return VariantSpec(
        name=variant.name,
        model=new if present == old else present,
        weight=variant.weight,
        replicas=variant.replicas,
        resources=variant.resources,
        is_isolated=variant.is_isolated,
    )


def _leads_to(rollout: Rollout, version: str) -> bool:
    return any(f"{variant.model}:{variant.number}" == version for variant in rollout.to_variants)


def _required(version: str | None) -> str:
    if version is None:
        raise RetrainingImpossibleError("The run has made no version", hint="Start a new run.")
    return version
