"""An endpoint is in service once the gateways have heard of it, and not before."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelyard.control.hosting.following import GatewayFollowing
from modelyard.control.hosting.records import EndpointView, HostedEndpoint, Phase
from modelyard.dataplane.routing import FOLLOW_SECONDS, write_table
from modelyard.errors import UnavailableError
from modelyard.facades.aws.sagemaker.hosting.states import status_of
from modelyard.types.endpoints import EndpointStatus
from modelyard.types.routing import RouteEndpoint, RouteReplica, RouteVariant, RoutingTable
from modelyard.types.signatures import Signature


def endpoint(status: EndpointStatus = EndpointStatus.READY, life: int = 0, **weights: float):
    variants = [SimpleNamespace(name=name, weight=weight) for name, weight in weights.items()]
    return SimpleNamespace(project="p", name="e", variants=variants, status=status, created_at=life)


class Table:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.live: dict[str, int] | None = {"main": 1, "blue": 1, "green": 1}

    def figures(self) -> str:
        if self.live is None:
            raise UnavailableError("There is no gateway", hint="")
        labels = 'modelyard_inference_ready_replicas{project="p",endpoint="e",variant="%s"} %d\n'
        return "".join(labels % (name, count) for name, count in self.live.items())

    def write(self, replicas: int = 1, age_seconds: float = 0.0, **weights: float) -> None:
        routed = tuple(
            RouteVariant(
                name=name,
                model="m",
                number=1,
                weight=weight,
                signature=Signature(inputs=(), outputs=()),
                replicas=tuple(RouteReplica(id=f"r{i}", address="/s") for i in range(replicas)),
            )
            for name, weight in weights.items()
        )
        write_table(
            self.path, RoutingTable(generation=1, endpoints=(RouteEndpoint(project="p", name="e", variants=routed),))
        )
        at = time.time() - age_seconds
        os.utime(self.path, (at, at))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "routing.json")


def test_what_was_written_just_now_is_not_followed_yet(table: Table):
    following = GatewayFollowing(table.path, table.figures)
    assert not following.has(endpoint(main=1.0))
    table.write(replicas=0, age_seconds=9, main=1.0)
    assert not following.has(endpoint(main=1.0))
    table.write(main=1.0)
    assert not following.has(endpoint(main=1.0))
    table.write(age_seconds=FOLLOW_SECONDS, main=1.0)
    assert following.has(endpoint(main=1.0))


@pytest.mark.parametrize("live", [None, {}, {"main": 0}, {"other": 1}])
def test_a_gateway_that_has_no_replica_yet_does_not_follow(table: Table, live: dict[str, int] | None):
    following = GatewayFollowing(table.path, table.figures)
    table.write(age_seconds=9, main=1.0)
    table.live = live
    assert not following.has(endpoint(main=1.0))
    table.live = {"main": 1}
    assert following.has(endpoint(main=1.0))


def test_what_is_followed_stays_so_when_the_table_changes_elsewhere(table: Table):
    following = GatewayFollowing(table.path, table.figures)
    table.write(age_seconds=9, main=1.0)
    assert following.has(endpoint(main=1.0))
    table.write(main=1.0)
    assert following.has(endpoint(main=1.0))


def test_other_weights_are_followed_once_they_are_in_a_table_that_was_read(table: Table):
    following = GatewayFollowing(table.path, table.figures)
    table.write(age_seconds=9, blue=1.0, green=0.0)
    assert following.has(endpoint(blue=1.0, green=0.0))
    assert not following.has(endpoint(blue=0.0, green=1.0))
    table.write(blue=0.0, green=1.0)
    assert not following.has(endpoint(blue=0.0, green=1.0))
    table.write(age_seconds=9, blue=0.0, green=1.0)
    assert following.has(endpoint(blue=0.0, green=1.0))


def test_a_machine_whose_gateways_do_not_serve_it_takes_the_word_of_the_others(table: Table):
    table.write()
    assert GatewayFollowing(table.path, table.figures).has(endpoint(main=1.0))


@pytest.mark.parametrize(
    ("changed", "is_followed", "status"), [(0, False, "Creating"), (1, False, "Updating"), (1, True, "InService")]
)
def test_until_then_it_is_on_its_way(changed: int, is_followed: bool, status: str):
    own = SimpleNamespace(status=EndpointStatus.READY, created_at=0, updated_at=changed)
    hosted = HostedEndpoint(label="c", variants=(), phase=Phase.SERVED)
    assert status_of(EndpointView(hosted, own, is_followed=is_followed)) == status


def test_one_that_lacks_replicas_is_followed_only_if_it_was_before(table: Table):
    following = GatewayFollowing(table.path, table.figures)
    lacking = EndpointStatus.DEGRADED
    table.write(replicas=0, age_seconds=9, main=1.0)
    assert not following.has(endpoint(lacking, main=1.0)), "its first replica is there, and no gateway has it"
    table.write(age_seconds=9, main=1.0)
    assert following.has(endpoint(lacking, main=1.0))
    table.write(replicas=0, age_seconds=9, main=1.0)
    assert following.has(endpoint(lacking, main=1.0)), "it is in service, if with fewer replicas"
    assert not following.has(endpoint(lacking, life=1, main=1.0)), "another one of that name"
