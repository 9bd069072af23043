"""Lets a new version prove itself: signature, labelled rows, replay. Each verdict stays with the version."""

from collections.abc import Callable
from dataclasses import dataclass

from modelyard.control.clients.contracts import JobsClient, RegistryClient
from modelyard.control.retraining.errors import RetrainingImpossibleError
from modelyard.control.retraining.proof.gate import NEW, OLD, Margins, judge
from modelyard.control.retraining.proof.judgement import Judgement, joined
from modelyard.control.retraining.proof.replay import cannot_tell, judge_replay, left_out
from modelyard.control.retraining.proof.sampling import RequestSampler
from modelyard.control.retraining.proof.signatures import breaks
from modelyard.kit.clock import Clock
from modelyard.types.datasets import DatasetVersion
from modelyard.types.jobs import SLICE_BOUND, DatasetRef, Job, JobRecipe
from modelyard.types.models import ArtifactFormat, Evaluation, ModelVersion
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun

GATE, REPLAY = "retraining-gate", "replay"
"""Names of the evaluations that a version gets."""

Finished = Callable[[RetrainingRun, Job, str], Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a version is judged on: dataset refs, and the target of a table."""

    base: DatasetRef
    feedback: DatasetRef
    target: str | None


class Prover:
    """Proves versions. Safe from any thread; everything may be repeated.

    Args:
        registry: holds the versions.
        jobs: measures.
        sampler: draws captured requests.
        clock: for the time of the verdicts.
    """

    def __init__(self, registry: RegistryClient, jobs: JobsClient, sampler: RequestSampler, clock: Clock) -> None:
        self._registry = registry
        self._jobs = jobs
        self._sampler = sampler
        self._clock = clock

    def prove(
        self, run: RetrainingRun, policy: RetrainingPolicy, candidate: str, rows: Rows, finished: Finished
    ) -> Judgement:
        """The joint verdict; refused if any proof fails.

        Raises:
            RetrainingImpossibleError: a job could not be done, and nothing else speaks against the version.
        """
        running = self._registry.model_version(run.project, run.old_version)
        version = self._registry.model_version(run.project, candidate)
        broken = breaks(running.manifest.signature, version.manifest.signature) or _unproven(running, version)
        if broken:
            judgement = Judgement(candidate=candidate, approval=candidate, refusals=tuple(broken))
            self._record(version, GATE, judgement)
            return judgement
        evaluation = self._evaluate(run, policy, candidate, rows)
        replay = self._replay(run, policy, running, version, finished)
        try:
            result = finished(run, evaluation, "Evaluation").result
        except RetrainingImpossibleError:
            if replay is None or replay.is_passed:
                raise
            return replay
        margins = Margins(
            gain=policy.minimum_gain,
            loss=policy.maximum_loss,
            labelled_rows=int(run.figures["new_labels"]) if "new_labels" in run.figures else None,
        )
        gate = judge(result, running=run.old_version, candidate=candidate, margins=margins, rules=policy.gate)
        self._record(version, GATE, gate)
        return gate if replay is None else joined(gate, replay)

    def _evaluate(self, run: RetrainingRun, policy: RetrainingPolicy, candidate: str, rows: Rows) -> Job:
        recipe = JobRecipe(
            algorithm="evaluation",
            hyperparameters={SLICE_BOUND: policy.gate.maximum_slice_loss},
            channels={OLD: rows.base, NEW: rows.feedback},
            target=rows.target,
            candidates=(run.old_version, candidate),
        )
        return self._jobs.create_evaluation_job(run.project, recipe, idempotency_key=f"{run.id}-judge")

    def _replay(
        self,
        run: RetrainingRun,
        policy: RetrainingPolicy,
        running: ModelVersion,
        version: ModelVersion,
        finished: Finished,
    ) -> Judgement | None:
        """The verdict of the replay; None if the policy wants none."""
        rules = policy.gate
        if not rules.replay_requests:
            return None
        sample = self._sampler.store(run, running.manifest.signature, rules.replay_requests)
        if sample.requests is None or sample.count < rules.minimum_replay_requests:
            told = cannot_tell(sample.count, rules, sample.masked)
            judgement = Judgement(
                candidate=version.ref,
                approval=told[:1].upper() + told[1:],
                refusals=(told,) if rules.is_replay_required else (),
                figures=left_out(sample.masked),
            )
        else:
            job = self._jobs.create_replay_job(
                run.project, _replay_recipe(sample.requests, running, version), idempotency_key=f"{run.id}-replay"
            )
            judgement = judge_replay(
                finished(run, job, "Replay").result,
                running=running.ref,
                candidate=version.ref,
                rules=rules,
                sizes=(running.size_bytes, version.size_bytes),
                masked=sample.masked,
            )
        self._record(version, REPLAY, judgement)
        return judgement

    def _record(self, version: ModelVersion, name: str, judgement: Judgement) -> None:
        evaluation = Evaluation(
            name=name,
            is_passed=judgement.is_passed,
            reason=judgement.reason,
            figures=judgement.figures,
            at=self._clock.now(),
        )
        self._registry.record_evaluation(version.project, version.model, version.number, evaluation)


def _replay_recipe(requests: DatasetVersion, running: ModelVersion, version: ModelVersion) -> JobRecipe:
    channel = DatasetRef(dataset=requests.dataset, number=requests.number)
    return JobRecipe(algorithm="replay", channels={"requests": channel}, candidates=(running.ref, version.ref))


def _unproven(running: ModelVersion, version: ModelVersion) -> list[str]:
    """Why no job can compare them. Two images would listen at one port of the one loopback that a job has."""
    images = [each.ref for each in (running, version) if each.manifest.artifact_format is ArtifactFormat.IMAGE]
    if not images:
        return []
    verb = "is a container image" if len(images) == 1 else "are container images"
    told = f"nothing is proven of it: {' and '.join(images)} {verb}, which no job can load to compare them"
    return [f"{told}; a rollout that begins as a shadow compares their answers on live requests"]
