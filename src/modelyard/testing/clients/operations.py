# ruff: noqa: D102, PLR2004, S101 - these are tests: their names are sentences
"""The conformance suite of OperationsClient. Subclass it in a test module and give the fixture `case`.

class TestMyClient(OperationsClientConformance):
    @pytest.fixture
    def case(self, ...): return OperationsCase(client=..., model="digits")
"""

from dataclasses import dataclass

import pytest

from modelyard.control.clients.contracts import OperationsClient
from modelyard.errors import InvalidInputError, NotFoundError
from modelyard.types.endpoints import Endpoint, EndpointStatus

PROJECT = "default"
SUBJECT = "pipeline/houses"


@dataclass(frozen=True, kw_only=True)
class OperationsCase:
    """A client of an Operations application without endpoints, and a model with versions 1 and 2 in its registry."""

    client: OperationsClient
    model: str

    def deploy(self, number: int, key: str, rollout: dict[str, object] | None = None) -> Endpoint:
        """Deploy a version of the model."""
        return self.client.deploy(
            PROJECT, "served", f"{self.model}:{number}", replicas=1, rollout=rollout, idempotency_key=key
        )


class OperationsClientConformance:
    """What every OperationsClient must do."""

    def test_a_version_is_deployed_to_a_new_endpoint_once(self, case: OperationsCase) -> None:
        made = case.deploy(1, "run/serve/1")
        assert (made.name, made.status) == ("served", EndpointStatus.CREATING)
        assert [(variant.model, variant.number) for variant in made.variants] == [(case.model, 1)]
        again = case.deploy(1, "run/serve/1")
        assert (again.created_at, again.version) == (made.created_at, made.version)
        assert case.client.endpoint(PROJECT, "served").variants == made.variants

    def test_another_version_begins_one_rollout_however_often_it_is_asked_for(self, case: OperationsCase) -> None:
        case.deploy(1, "a")
        begun = case.deploy(2, "b", {"strategy": "canary", "share": 0.25})
        assert begun.rollout is not None
        assert [variant.number for variant in begun.rollout.to_variants] == [2]
        assert begun.rollout.plan.stages[0].share == 0.25
        again = case.deploy(2, "b", {"strategy": "canary", "share": 0.25})
        assert again.rollout is not None
        assert again.rollout.id == begun.rollout.id

    def test_what_is_not_there_is_not_found(self, case: OperationsCase) -> None:
        with pytest.raises(NotFoundError):
            case.client.endpoint(PROJECT, "nobody")
        with pytest.raises(NotFoundError):
            case.client.deploy(PROJECT, "served", "nothing:1", replicas=1, rollout=None, idempotency_key="c")

    def test_a_rollout_that_there_is_not_is_refused(self, case: OperationsCase) -> None:
        case.deploy(1, "d")
        with pytest.raises(InvalidInputError):
            case.deploy(2, "e", {"strategy": "by chance"})

    def test_an_event_is_told_once_for_each_key_and_read_in_order(self, case: OperationsCase) -> None:
        start = case.client.newest_event(PROJECT)
        for key, message in (("1", "one"), ("1", "one"), ("2", "two")):
            case.client.announce(PROJECT, SUBJECT, "pipeline_notice", message, {"run": "run-1"}, idempotency_key=key)
        found = case.client.events(PROJECT, start)
        assert [(event.subject, event.kind, event.message) for _, event in found] == [
            (SUBJECT, "pipeline_notice", "one"),
            (SUBJECT, "pipeline_notice", "two"),
        ]
        assert found[0][1].details == {"run": "run-1"}
        assert [sequence for sequence, _ in found] == sorted(sequence for sequence, _ in found)
        assert [event.message for _, event in case.client.events(PROJECT, found[0][0])] == ["two"]
        assert case.client.newest_event(PROJECT) == found[-1][0]
        assert not case.client.events(PROJECT, found[-1][0])
