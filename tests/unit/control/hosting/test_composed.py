"""Endpoints of several models: what is loaded of them, what becomes of their parts, who is asked after whom."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.endpoints.errors import EndpointNotFoundError
from modelyard.control.hosting.calling import Invocation
from modelyard.control.hosting.carrying import HostingCarrier
from modelyard.control.hosting.composed.chain import ContainerChain, Link
from modelyard.control.hosting.composed.targets import LoadState, TargetModels
from modelyard.control.hosting.records import ENDPOINT, TASK, HostedEndpoint, Phase, of_content, to_content
from modelyard.control.hosting.service import HostingService
from modelyard.errors import OverloadedError
from modelyard.kit.clock import FakeClock
from modelyard.kit.foreign_names import own_name
from modelyard.types.endpoints import Endpoint, EndpointStatus
from modelyard.types.serving.hosting import Composition, CompositionMode, HostedVariant, ModelContainer

P = "default"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VARIANT = HostedVariant(name="All", model="many", instances=2)
FOLDER = ModelContainer(image="i", data_url="s3://b/many/", hostname="container-1", environment={"A": "1"})
MANY = Composition(mode=CompositionMode.TARGETS, containers=(FOLDER,))
ROW = Composition(
    mode=CompositionMode.SERIAL,
    containers=(ModelContainer(image="i", hostname="scaler"), ModelContainer(image="j", hostname="container-2")),
)


class Endpoints:
    """The platform's own endpoints, of which hosting reads and ends some; one that ends may take its time."""

    def __init__(self) -> None:
        self.made: dict[str, Endpoint] = {}
        self.is_slow = False

    def make(self, name: str, status: EndpointStatus = EndpointStatus.READY) -> None:
        made = Endpoint(
            project=P,
            name=own_name(name),
            status=status,
            reason="",
            variants=(),
            created_at=NOW,
            updated_at=NOW,
            version=1,
        )
        self.made[made.name] = made

    def get(self, project: str, name: str) -> Endpoint:
        assert project == P
        if name not in self.made:
            raise EndpointNotFoundError(name, hint="")
        return self.made[name]

    def delete(self, project: str, name: str, expected_version: int | None) -> None:
        made = self.get(project, name)
        if self.is_slow:
            self.made[name] = replace(made, status=EndpointStatus.DELETING)
        else:
            del self.made[name]


class Bucket:
    def __init__(self, *keys: str) -> None:
        self.uris = {f"s3://b/many/{key}" for key in keys}

    def exists(self, project: str, uri: str) -> bool:
        assert project == P
        return uri in self.uris


class World:
    def __init__(self, database: Any) -> None:
        self.clock = FakeClock()
        self.documents = DocumentService(database, DocumentRepository(), self.clock)
        self.endpoints = Endpoints()
        self.bucket = Bucket("a", "b", "c")
        self.service = HostingService(self.documents, self.endpoints)
        self.targets = TargetModels(self.documents, self.service, self.bucket, self.clock, 2)
        self.carrier = HostingCarrier(self.service, self.documents, self.endpoints, None, None)

    def create(self, name: str, composition: Composition) -> None:
        self.service.create_endpoint(P, name, "label", (VARIANT,), None, composition)

    def step(self, name: str) -> Phase:
        """One step of the carrier for this endpoint alone; its phase after that."""
        if self.carrier._advance(P, name):
            self.documents.discard(TASK, "", f"{ENDPOINT}/{P}/{name}")
        return self.hosted(name).phase

    def hosted(self, name: str) -> HostedEndpoint:
        return of_content(self.documents.get(ENDPOINT, P, name).content, HostedEndpoint)

    def use(self, key: str) -> LoadState:
        """Ask for a target once it is loaded, a minute after what was asked before."""
        self.clock.sleep(60)
        state = self.targets.look(P, "many", self.hosted("many"), key).state
        if state is LoadState.LOADING:
            self.endpoints.make(f"many/{key}")
            state = self.targets.look(P, "many", self.hosted("many"), key).state
        return state

    def loaded(self) -> set[str]:
        return {each.name for each in self.service.parts(P, "many")}


@pytest.fixture
def world(database) -> World:
    return World(database)


def test_a_target_is_loaded_from_below_the_folder_when_it_is_first_asked(world: World):
    world.create("many", MANY)
    assert world.step("many") is Phase.SERVED
    assert world.loaded() == set()
    load = world.targets.look(P, "many", world.hosted("many"), "a")
    assert (load.state, load.part) == (LoadState.LOADING, "many/a")
    container = world.service.model(P, "many/a").container
    assert container == ModelContainer(image="i", data_url="s3://b/many/a", environment={"A": "1"})
    assert world.hosted("many/a").variants[0].instances == 2
    world.endpoints.make("many/a", EndpointStatus.CREATING)
    assert world.targets.look(P, "many", world.hosted("many"), "a").state is LoadState.LOADING
    world.endpoints.make("many/a")
    assert world.targets.look(P, "many", world.hosted("many"), "a").state is LoadState.READY


def test_the_least_recently_used_target_makes_room(world: World):
    world.create("many", MANY)
    for key in ("a", "b", "a", "c"):
        assert world.use(key) is LoadState.READY
    assert world.loaded() == {"many/a", "many/c"}
    assert own_name("many/b") not in world.endpoints.made
    assert world.use("b") is LoadState.READY
    assert world.loaded() == {"many/b", "many/c"}


def test_what_the_gateway_has_answered_alone_counts_as_a_use(world: World):
    world.create("many", MANY)
    for key in ("a", "b"):
        world.use(key)
    world.clock.sleep(60)
    for name in ("many/a", "many", "many/gone"):
        world.targets.note_use(P, name)
    world.use("c")
    assert world.loaded() == {"many/a", "many/c"}


def test_a_target_without_an_object_is_absent_and_one_that_failed_is_tried_again(world: World):
    world.create("many", MANY)
    assert world.targets.look(P, "many", world.hosted("many"), "nothing").state is LoadState.ABSENT
    world.targets.look(P, "many", world.hosted("many"), "a")
    failed = replace(world.hosted("many/a"), phase=Phase.FAILED, reason="It is no model.")
    world.documents.update(ENDPOINT, P, "many/a", lambda _: to_content(failed))
    load = world.targets.look(P, "many", world.hosted("many"), "a")
    assert (load.state, load.reason) == (LoadState.FAILED, "It is no model.")
    assert world.loaded() == set()
    assert world.use("a") is LoadState.READY


def test_a_target_that_is_still_being_unloaded_is_loaded_after_that(world: World):
    world.create("many", MANY)
    world.use("a")
    world.endpoints.is_slow = True
    world.service.remove_part(P, "many/a")
    assert world.targets.look(P, "many", world.hosted("many"), "a").state is LoadState.LOADING
    assert world.loaded() == set()
    world.endpoints.made.clear()
    assert world.use("a") is LoadState.READY


def test_a_target_is_not_left_behind_by_an_endpoint_that_was_deleted_while_it_was_asked(world: World):
    world.create("many", MANY)
    hosted = world.hosted("many")
    world.service.delete_endpoint(P, "many")
    world.targets.look(P, "many", hosted, "a")
    assert world.loaded() == set()


def test_deleting_an_endpoint_ends_all_of_its_parts_and_no_others(world: World):
    world.create("many", MANY)
    world.create("many-more", MANY)
    world.use("a")
    world.targets.look(P, "many-more", world.hosted("many-more"), "a")
    world.endpoints.make("many-more/a")
    world.service.delete_endpoint(P, "many")
    assert world.loaded() == set()
    assert list(world.endpoints.made) == [own_name("many-more/a")]
    assert [each.name for each in world.service.parts(P, "many-more")] == ["many-more/a"]


def test_containers_in_a_row_are_parts_that_all_have_to_serve(world: World):
    world.create("row", ROW)
    assert world.step("row") is Phase.SERVED
    parts = world.service.view(P, "row").parts
    assert [part.is_serving for part in parts] == [False, False]
    assert world.service.model(P, "row:container-2").container.image == "j"
    world.endpoints.make("row:scaler")
    assert [part.is_serving for part in world.service.view(P, "row").parts] == [True, False]


def test_a_row_waits_for_the_end_of_an_earlier_one_of_its_name(world: World):
    world.endpoints.make("row:container-2", EndpointStatus.DELETING)
    world.create("row", ROW)
    assert world.step("row") is Phase.WAITING
    world.endpoints.made.clear()
    assert world.step("row") is Phase.SERVED


class Gateway:
    """Notes what it was asked, and answers as told."""

    def __init__(self, *answers: Invocation) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers = list(answers)

    def call(self, key_id: str, endpoint: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        self.asked.append((key_id, endpoint, dict(headers), body))
        return self.answers.pop(0)


LINKS = (Link(endpoint="one", hostname="scaler", accept="text/csv"), Link(endpoint="two", hostname="booster"))
HEADERS = {"content-type": "application/json", "accept": "application/x", "x-custom": "7"}


def test_the_answer_of_one_container_is_the_request_of_the_next():
    gateway = Gateway(Invocation(200, b"1,2", {"content-type": "text/csv"}), Invocation(200, b"3", {}))
    passage = ContainerChain(gateway).run("key", LINKS, HEADERS, b"[1]")
    assert gateway.asked == [
        ("key", "one", {**HEADERS, "accept": "text/csv"}, b"[1]"),
        ("key", "two", {**HEADERS, "content-type": "text/csv"}, b"1,2"),
    ]
    assert (passage.hostname, passage.answer.body) == ("booster", b"3")


def test_the_first_container_that_refuses_ends_it():
    gateway = Gateway(Invocation(424, b"no", {}))
    passage = ContainerChain(gateway).run("key", LINKS, HEADERS, b"[1]")
    assert (passage.hostname, passage.answer.status, len(gateway.asked)) == ("scaler", 424, 1)


def test_requests_beyond_what_control_has_threads_for_are_refused():
    is_free, everybody_is_in = threading.Event(), threading.Barrier(25)

    class Slow(Gateway):
        def call(self, *_: Any) -> Invocation:
            everybody_is_in.wait(60)
            assert is_free.wait(60)
            return Invocation(200, b"", {})

    chain = ContainerChain(Slow())
    threads = [threading.Thread(target=chain.run, args=("key", LINKS[:1], HEADERS, b"")) for _ in range(24)]
    for thread in threads:
        thread.start()
    everybody_is_in.wait(60)
    with pytest.raises(OverloadedError):
        chain.run("key", LINKS[:1], HEADERS, b"")
    is_free.set()
    for thread in threads:
        thread.join(60)
    assert ContainerChain(Gateway(Invocation(200, b"ok", {}))).run("key", LINKS[:1], HEADERS, b"").answer.body == b"ok"
