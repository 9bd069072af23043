"""Retraining policies and their runs."""

from collections.abc import Mapping

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import OPERATIONS, Resource, create, delete, pages, read, update, wait_for
from modelyard.sdk.steps import Flow
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun
from modelyard.types.retraining.rules import PolicyStatus


class Retraining(Resource[Mode]):
    """Policies: when to train an endpoint's model again, and what the new version must prove."""

    @call
    def create(
        self,
        name: str,
        endpoint: str,
        *,
        monitor: str | None = None,
        minimum_new_labels: int = 200,
        minimum_gain: float = 0.01,
        maximum_loss: float = 0.02,
        cooldown_seconds: float = 3600.0,
        gate: Mapping[str, object] | None = None,
        triggers: Mapping[str, object] | None = None,
        budget: Mapping[str, object] | None = None,
        window: Mapping[str, object] | None = None,
        rollout: Mapping[str, object] | None = None,
        tuning: Mapping[str, object] | None = None,
        is_enabled: bool = True,
    ) -> Flow[RetrainingPolicy]:
        """Retrain an endpoint's model by rule.

        Args:
            name: of the policy.
            endpoint: whose model to retrain.
            monitor: its DRIFT verdict, with enough new labels, starts a run; without it or another trigger enough new
                labels alone do.
            minimum_new_labels: labelled captured rows that must be there.
            minimum_gain: by how much the new version must be better on the new rows (share of the metric, 0.01 = one
                percentage point of accuracy).
            maximum_loss: by how much it may be worse on the old held-out rows.
            cooldown_seconds: pause after a run.
            gate: fields of GateRules (types.retraining.rules): how certain the proof must be
                ({"significance_level": 0.01}).
            triggers: of TriggerRules: what else starts a run ({"schedule": "0 3 * * 1"}, {"maximum_decay": 0.05}).
            budget: of BudgetRules: what its runs may use ({"runs_per_week": 3}).
            window: of DataWindow: which rows a run learns from ({"kind": "NEWEST", "rows": 10_000}).
            rollout: how a proven version takes over ({"strategy": "canary", "share": 0.05}); if left out, copies of all
                requests for a minute, one request in a hundred for another, then all.
            tuning: hyper-parameters to look for in each run ({"space": {"max_depth": {"low": 2, "high": 8}}}).
            is_enabled: start by itself; by hand it starts anyway.
        """
        body = {
            "name": name,
            "endpoint": endpoint,
            "monitor": monitor,
            "minimum_new_labels": minimum_new_labels,
            "minimum_gain": minimum_gain,
            "maximum_loss": maximum_loss,
            "cooldown_seconds": cooldown_seconds,
            "is_enabled": is_enabled,
            **_given(gate=gate, triggers=triggers, budget=budget, window=window, rollout=rollout, tuning=tuning),
        }
        return create(RetrainingPolicy, self._path(OPERATIONS, "retraining-policies"), body)

    @call
    def get(self, name: str) -> Flow[RetrainingPolicy]:
        """A policy."""
        return read(RetrainingPolicy, self._path(OPERATIONS, "retraining-policies", name))

    @call
    def status(self, name: str) -> Flow[PolicyStatus]:
        """Whether a policy starts a run now, and what it waits for if not."""
        return read(PolicyStatus, self._path(OPERATIONS, "retraining-policies", name, "status"))

    @call
    def update(
        self,
        name: str,
        *,
        minimum_new_labels: int | None = None,
        minimum_gain: float | None = None,
        maximum_loss: float | None = None,
        cooldown_seconds: float | None = None,
        gate: Mapping[str, object] | None = None,
        triggers: Mapping[str, object] | None = None,
        budget: Mapping[str, object] | None = None,
        window: Mapping[str, object] | None = None,
        rollout: Mapping[str, object] | None = None,
        tuning: Mapping[str, object] | None = None,
        is_enabled: bool | None = None,
        version: int | None = None,
    ) -> Flow[RetrainingPolicy]:
        """Change a policy; what is left out stays, within `gate` and its like too.

        Refused if `version` is given and no longer the policy's.
        """
        changes = {
            "minimum_new_labels": minimum_new_labels,
            "minimum_gain": minimum_gain,
            "maximum_loss": maximum_loss,
            "cooldown_seconds": cooldown_seconds,
            "is_enabled": is_enabled,
            **_given(gate=gate, triggers=triggers, budget=budget, window=window, rollout=rollout, tuning=tuning),
        }
        return update(RetrainingPolicy, self._path(OPERATIONS, "retraining-policies", name), changes, version)

    @call
    def run(
        self, name: str, *, version: str | None = None, wait: bool = False, timeout_seconds: float | None = None
    ) -> Flow[RetrainingRun]:
        """Retrain now, without waiting for drift or labels; with `wait` until the run has ended.

        With a `version` ("digits:7") nothing is trained: that version proves itself, and takes over if it can.
        """
        body = {"version": version} if version else None
        run = yield from create(RetrainingRun, self._path(OPERATIONS, "retraining-policies", name, "run"), body)
        if not wait:
            return run
        return (yield from Retraining.wait.flow(self, name, run.id, timeout_seconds=timeout_seconds))

    @call
    def wait(self, name: str, run: str, *, timeout_seconds: float | None = None) -> Flow[RetrainingRun]:
        """Come back when a run has ended, whichever way."""

        def look() -> Flow[RetrainingRun | None]:
            cursor: str | None = None
            runs = Retraining.runs.pages(self, name)
            while True:
                found, cursor = yield from runs.fetch(cursor)
                hit = next((each for each in found if each.id == run), None)
                if hit is not None or cursor is None:
                    return hit

        ended = yield from wait_for(
            f"retraining run {run}", look, lambda found: found is not None and found.status.is_final, timeout_seconds
        )
        assert ended is not None  # noqa: S101 - `wait_for` came back with one that is final
        return ended

    @listing
    def runs(self, name: str) -> Pages[RetrainingRun]:
        """Runs, newest first: cause, figures, and why each ended as it did."""
        return pages(RetrainingRun, self._path(OPERATIONS, "retraining-policies", name, "runs"))

    @call
    def delete(self, name: str) -> Flow[None]:
        """Delete a policy."""
        return delete(self._path(OPERATIONS, "retraining-policies", name))

    @listing
    def list(self) -> Pages[RetrainingPolicy]:
        """Policies by name."""
        return pages(RetrainingPolicy, self._path(OPERATIONS, "retraining-policies"))


def _given(**rules: Mapping[str, object] | None) -> dict[str, Mapping[str, object]]:
    return {name: values for name, values in rules.items() if values is not None}
