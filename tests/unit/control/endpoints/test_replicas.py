"""How replicas come, prove themselves, fail, come again and go."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from modelyard.dataplane.routing import read_table
from modelyard.errors import NotFoundError
from modelyard.types.access import Role
from modelyard.types.processes import EndCause
from modelyard.types.routing import RouteToken


def test_an_endpoint_is_ready_only_after_its_replicas_answered_their_golden_requests(platform):
    platform.is_mute = True
    made = platform.create(replicas=2)
    assert (made.status, made.version, made.url) == ("CREATING", 1, "/v2/models/digits")
    platform.until(lambda: len(platform.engine.alive()) == 2)
    platform.tick()
    assert platform.status() == "CREATING"
    assert platform.served() == [("v0", 1, 1.0, 0)]
    assert platform.route().reason == "0 of 2 replicas are ready"
    platform.is_mute = False
    platform.until(lambda: platform.status() == "READY" and not platform.endpoint().reason)
    ready = platform.endpoint()
    assert [replica.status for replica in ready.replicas] == ["READY", "READY"]
    platform.tick()
    assert platform.served() == [("v0", 1, 1.0, 2)]
    assert set(platform.registry.downloads) == {1}
    assert platform.kinds()[0] == "endpoint_created"
    platform.until(lambda: platform.registry.deployments == {"digits": ("digits:1",)})


def test_a_replica_says_how_far_the_pull_of_its_image_is_until_it_has_a_process(platform, monkeypatch):
    is_here, submit = threading.Event(), platform.engine.submit

    def pull_and_submit(process_id, spec):
        is_here.wait(30)
        submit(process_id, spec)

    monkeypatch.setattr(platform.engine, "submit", pull_and_submit)
    monkeypatch.setattr(platform.engine, "preparing", lambda _: "" if is_here.is_set() else "it pulls 'a:1': 2 of 3")
    platform.is_mute = True
    platform.create()
    platform.until(lambda: "it pulls 'a:1': 2 of 3" in platform.endpoint().reason)
    is_here.set()
    platform.until(lambda: platform.engine.alive() and "it pulls" not in platform.endpoint().reason)
    platform.is_mute = False
    platform.until_status("READY")


def test_a_worker_gets_its_bundle_a_short_private_socket_and_its_limits(platform):
    platform.create(resources={"cpus": 1.5, "memory_bytes": 1 << 28})
    platform.until_status("READY")
    spec = next(iter(platform.engine.specs.values()))
    assert spec.command[1:3] == ("-m", "modelyard.dataplane.worker")
    assert spec.command[-2:] == ("--threads", "2")
    socket = spec.command[spec.command.index("--socket") + 1]
    assert len(socket) < 100
    assert socket.startswith(spec.work_directory)
    assert platform.route().variants[0].replicas[0].address == socket
    assert [mount.is_writable for mount in spec.mounts] == [False]
    assert not spec.has_network
    assert spec.resources.memory_bytes == 1 << 28


def test_on_a_cluster_a_worker_is_reached_through_its_door(platform):
    platform.engine.has_nodes, platform.engine.node, platform.engine.address = True, "b", "key@10.0.0.2:4711"
    platform.create()
    platform.until_status("READY")
    spec = next(iter(platform.engine.specs.values()))
    assert spec.door.startswith(spec.work_directory)
    assert spec.command[spec.command.index("--door") + 1] == spec.door
    assert platform.route().variants[0].replicas[0].address == platform.engine.address


def test_on_a_cluster_a_worker_in_a_container_of_this_machine_is_reached_by_its_socket(platform):
    platform.engine.has_nodes = True
    platform.create()
    platform.until_status("READY")
    command = next(iter(platform.engine.specs.values())).command
    assert platform.route().variants[0].replicas[0].address == command[command.index("--socket") + 1]


def test_a_wrong_golden_answer_fails_the_endpoint_and_the_reason_says_which(platform):
    platform.golden[1] = ["golden request 0: output 'label' is 3 where 4 was expected"]
    platform.create()
    failed = platform.until_status("FAILED")
    assert "golden request 0: output 'label' is 3 where 4 was expected" in failed.reason
    assert platform.served() == [("v0", 1, 1.0, 0)]
    assert "golden request 0" in platform.route().reason
    assert platform.kinds().count("replica_failed") == 3
    platform.golden.clear()
    assert platform.until_status("READY").reason == ""


def test_a_crash_gives_its_cause_and_last_lines_and_retries_wait_longer_and_longer(platform):
    platform.is_mute = True
    platform.create()
    waits = []
    for _ in range(4):
        platform.until(platform.engine.alive)
        platform.engine.end(
            platform.engine.alive()[0], EndCause.OUT_OF_MEMORY, "killed at 1 GiB", "loading\nbad alloc\n"
        )
        platform.tick(0)
        began = platform.clock.now()
        platform.until(platform.engine.alive, seconds=0.1)
        waits.append((platform.clock.now() - began) / timedelta(seconds=1))
    assert [round(wait) for wait in waits] == [1, 1, 2, 4]
    reason = platform.endpoint().reason
    assert "OUT_OF_MEMORY: killed at 1 GiB" in reason
    assert "last output: loading | bad alloc" in reason


def test_a_ready_replica_that_dies_leaves_the_table_and_another_one_comes(platform):
    platform.create(replicas=2)
    platform.until(lambda: platform.served() == [("v0", 1, 1.0, 2)])
    platform.clock.sleep(100)
    victim = platform.engine.alive()[0]
    platform.engine.end(victim, EndCause.SIGNAL, "killed by signal 9")
    shown = platform.endpoint()
    assert sorted(replica.status for replica in shown.replicas) == ["ENDED", "READY"], "even before the next round"
    platform.tick()
    assert platform.served() == [("v0", 1, 1.0, 1)]
    platform.until(lambda: platform.served() == [("v0", 1, 1.0, 2)])
    assert victim not in platform.engine.states
    assert platform.endpoint().reason == ""


def test_a_worker_that_never_listens_fails(platform):
    platform.is_mute = True
    platform.create()
    platform.until(platform.engine.alive)
    platform.tick(200)
    platform.tick()
    assert "did not listen after 180 s" in platform.endpoint().reason


def test_the_registry_being_away_is_waited_for_and_not_counted(platform):
    platform.create()
    platform.registry.is_down = True
    for _ in range(50):
        platform.until(lambda: True)
        platform.tick()
    platform.until(lambda: "it waits: The registry does not answer" in platform.endpoint().reason)
    assert platform.status() == "CREATING"
    platform.registry.is_down = False
    platform.until_status("READY")
    assert "replica_failed" not in platform.kinds()


def test_a_model_that_is_not_there_is_refused_before_anything_is_stored(platform):
    with pytest.raises(NotFoundError, match="no model 'ghost'"):
        platform.create("ghost:1")
    platform.tick()
    assert platform.route() is None


def test_the_table_follows_the_tokens_and_its_generation_grows(platform):
    platform.create()
    platform.until_status("READY")
    platform.tick()
    before = read_table(platform.home.routing)
    assert read_table(platform.home.routing) == before
    token = RouteToken(id="t", secret_sha256="0" * 64, project=None, role=Role.VIEWER)
    platform.tokens.append(token)
    platform.tick(1.1)
    after = read_table(platform.home.routing)
    assert (after.tokens, after.endpoints) == ((token,), before.endpoints)
    assert after.generation == before.generation + 1
    platform.restart()
    platform.tick()
    assert read_table(platform.home.routing) == after, "a restart that changes nothing writes nothing"
    platform.home.routing.unlink()
    platform.tick()
    assert read_table(platform.home.routing).generation == after.generation + 1


def test_processes_without_a_row_are_ended(platform):
    platform.create()
    platform.until_status("READY")
    spec = next(iter(platform.engine.specs.values()))
    platform.engine.submit("replica-stray", replace(spec, labels={"replica": "replica-stray"}))
    platform.engine.submit("job-1", replace(spec, labels={"job": "job-1"}))
    platform.until(lambda: "replica-stray" not in platform.engine.states)
    assert "job-1" in platform.engine.alive()
    assert platform.status() == "READY"


def test_restarts_again_and_again_lose_nothing_and_start_nothing_twice(platform):
    platform.create(replicas=2)
    for number in range(60):
        platform.until(lambda: True)
        for _ in range(1 + number % 4):
            platform.tick()
            time.sleep(0.005)
            assert len(platform.engine.alive()) <= 2
        platform.restart()
        if platform.served() == [("v0", 1, 1.0, 2)]:
            break
    assert platform.status() == "READY"
    assert len(platform.engine.specs) == 2
    assert platform.registry.downloads in ([1], [1, 1]), "two threads may fetch the same bundle at once"


def test_beside_another_process_that_has_the_duties_nothing_is_served_and_left_overs_are_ended(platform):
    platform.create()
    platform.until_status("READY")
    record = platform.endpoint()
    platform.clock.sleep(60)
    platform.reconciler.stand_by()
    assert platform.engine.alive() == []
    assert platform.served() == []
    assert "beside another control process" in platform.route().reason

    platform.tick()
    platform.until(lambda: platform.status() == "READY" and platform.served() == [("v0", 1, 1.0, 1)])
    assert platform.endpoint().replicas[0].id != record.replicas[0].id
