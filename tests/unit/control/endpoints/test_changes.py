"""Changes of an endpoint: rollouts, weights, scaling, stop, start, delete, each in every state."""

import pytest

from modelyard.control.endpoints.errors import (
    EndpointDeletingError,
    EndpointExistsError,
    EndpointNotFoundError,
    VariantNotFoundError,
    VariantsInvalidError,
)
from modelyard.control.rest.pages import PageQuery
from modelyard.errors import InvalidInputError, PreconditionFailedError
from modelyard.types.processes import EndCause

BAD = ["golden request 1: output 'label' is 3 where 4 was expected"]


@pytest.fixture
def ready(platform):
    platform.create("digits:1")
    platform.until(lambda: platform.served() == [("v0", 1, 1.0, 1)])
    return platform


def test_a_rollout_makes_the_new_version_ready_then_switches_then_drains(ready):
    old = ready.engine.alive()
    ready.is_mute = True
    changed = ready.update("digits:2", expected_version=1)
    assert (changed.status, changed.version, changed.rollout.status) == ("UPDATING", 2, "RUNNING")
    ready.until(lambda: ready.alive_numbers() == [1, 2])
    ready.tick()
    assert ready.served() == [("v0", 1, 1.0, 1)], "the old one has all the traffic until the new one is ready"
    ready.is_mute = False
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])
    assert ready.alive_numbers() == [1, 2], "the old one may still finish what it holds"
    assert ready.engine.stops == []
    ready.until(lambda: ready.alive_numbers() == [2])
    assert ready.engine.stops == old
    after = ready.endpoint()
    assert (after.status, after.rollout.status, after.variants[0].number) == ("READY", "COMPLETED", 2)
    ready.until(lambda: ready.registry.deployments == {"digits": ("digits:2",)})
    kinds = ready.kinds()
    assert kinds.index("rollout_started") < kinds.index("rollout_completed")


def test_a_new_version_that_fails_is_rolled_back_and_the_old_one_never_lost_traffic(ready):
    ready.golden[2] = BAD
    old = ready.engine.alive()
    ready.update("digits:2")
    seen = set()
    ready.until(lambda: seen.add(tuple(ready.served())) or ready.endpoint().rollout.status != "RUNNING")
    rollout = ready.endpoint().rollout
    assert (rollout.status, BAD[0] in rollout.reason) == ("ROLLED_BACK", True)
    assert seen == {(("v0", 1, 1.0, 1),)}
    ready.until(lambda: ready.engine.alive() == old)
    after = ready.until_status("READY")
    assert (after.variants[0].number, after.version) == (1, 3)
    with pytest.raises(PreconditionFailedError):
        ready.update("digits:3", expected_version=2)


def test_a_new_version_that_takes_too_long_is_rolled_back(ready):
    ready.is_mute = True
    ready.update("digits:2")
    ready.until(lambda: ready.alive_numbers() == [1, 2])
    ready.tick(150)
    ready.tick(150)
    ready.until(lambda: ready.endpoint().rollout.status == "ROLLED_BACK", seconds=100)
    assert "not ready within 600 s" in ready.endpoint().rollout.reason
    ready.until(lambda: ready.alive_numbers() == [1])


@pytest.mark.parametrize("rounds", range(8))
def test_a_kill_at_any_round_of_a_rollout_leaves_old_or_new_in_full_charge(ready, rounds):
    ready.update("digits:2")
    for _ in range(rounds):
        ready.tick()
        assert ready.served() in ([("v0", 1, 1.0, 1)], [("v0", 2, 1.0, 1)])
    ready.restart()
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])
    ready.until(lambda: ready.alive_numbers() == [2])


def test_an_old_replica_is_not_ended_before_this_process_saw_it_out_of_the_table_long_enough(ready):
    ready.update("digits:2")
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])
    ready.restart()
    ready.clock.sleep(3600)
    ready.reconciler.tick()
    assert ready.engine.stops == [], "a restart does not know when the table was written: it waits anew"
    ready.tick(1.0)
    assert len(ready.engine.stops) == 1


def test_weights_change_without_new_processes(platform):
    platform.create("digits:1", "digits:2")
    platform.until(lambda: platform.served() == [("v0", 1, 1.0, 1), ("v1", 2, 1.0, 1)])
    before = platform.engine.alive()
    platform.update(weights={"v1": 9, "v0": 0})
    platform.until(lambda: platform.served() == [("v0", 1, 0.0, 1), ("v1", 2, 9.0, 1)])
    platform.until_status("READY")
    assert platform.engine.alive() == before
    with pytest.raises(VariantNotFoundError):
        platform.update(weights={"v7": 1})
    with pytest.raises(VariantsInvalidError, match="every weight is 0"):
        platform.update(weights={"v1": 0})


def test_a_second_change_takes_the_place_of_the_first(ready):
    ready.is_mute = True
    ready.update("digits:2")
    ready.until(lambda: ready.alive_numbers() == [1, 2])
    ready.update("digits:3")
    ready.until(lambda: ready.alive_numbers() == [1, 3])
    ready.is_mute = False
    ready.until(lambda: ready.served() == [("v0", 3, 1.0, 1)])
    rollouts = ready.service.list_rollouts("default", "digits", PageQuery()).items
    assert [rollout.status for rollout in rollouts] == ["COMPLETED", "ROLLED_BACK"]
    assert "another change" in rollouts[1].reason


def test_asking_for_the_old_variants_again_undoes_a_running_rollout(ready):
    ready.is_mute = True
    ready.update("digits:2")
    ready.until(lambda: ready.alive_numbers() == [1, 2])
    ready.update("digits:1")
    ready.until(lambda: ready.alive_numbers() == [1])
    ready.until_status("READY")
    assert ready.served() == [("v0", 1, 1.0, 1)]


def test_the_same_variants_again_change_nothing_but_what_is_captured(ready):
    changed = ready.update("digits:1", capture_share=0.25)
    assert (changed.rollout, changed.capture_share) == (None, 0.25)
    ready.tick()
    assert ready.route().capture_share == 0.25


def test_scaling_adds_and_drains_replicas(ready):
    ready.service.scale("default", "digits", 3, None)
    ready.until(lambda: ready.served() == [("v0", 1, 1.0, 3)])
    ready.service.scale("default", "digits", 1, "v0")
    ready.tick()
    assert ready.served() == [("v0", 1, 1.0, 1)]
    assert len(ready.engine.alive()) == 3
    ready.until(lambda: len(ready.engine.alive()) == 1)
    for replicas, variant, error in ((0, None, VariantsInvalidError), (2, "ghost", VariantNotFoundError)):
        with pytest.raises(error):
            ready.service.scale("default", "digits", replicas, variant)


def test_scaling_during_a_rollout_counts_for_both_sides(ready):
    ready.is_mute = True
    ready.update("digits:2")
    ready.service.scale("default", "digits", 2, None)
    ready.until(lambda: ready.alive_numbers() == [1, 1, 2, 2])
    ready.is_mute = False
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 2)])


def test_stop_and_start(ready):
    ready.service.stop("default", "digits")
    ready.tick()
    assert (ready.served(), ready.route().reason) == ([], "1 replicas are being ended")
    ready.until(lambda: not ready.engine.alive())
    ready.until(lambda: ready.endpoint().reason == "it was stopped")
    assert ready.status() == "STOPPED"
    ready.until(lambda: ready.registry.deployments == {"digits": ()})
    assert ready.update("digits:2").rollout is None, "nothing runs: there is nothing to roll out"
    ready.service.start("default", "digits")
    assert ready.status() == "CREATING"
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])


def test_stop_start_stop_start_ends_ready(ready):
    for _ in range(3):
        ready.service.stop("default", "digits")
        ready.tick()
        ready.service.start("default", "digits")
        ready.tick()
    ready.until(lambda: ready.served() == [("v0", 1, 1.0, 1)] and len(ready.engine.alive()) == 1)


STATES = ["creating", "waiting", "failed", "ready", "updating", "stopping", "stopped", "draining"]


@pytest.mark.parametrize("state", STATES)
def test_delete_works_at_once_in_every_state(platform, state):
    if state == "waiting":
        platform.create()
        platform.registry.is_down = True
    elif state == "failed":
        platform.golden[1] = BAD
        platform.create()
        platform.until_status("FAILED")
    else:
        platform.create()
    if state not in ("creating", "waiting", "failed"):
        platform.until(lambda: platform.served() == [("v0", 1, 1.0, 1)])
    if state == "updating":
        platform.golden[2] = BAD
        platform.update("digits:2")
    elif state == "draining":
        platform.update("digits:2")
        platform.until(lambda: platform.served() == [("v0", 2, 1.0, 1)])
    elif state in ("stopping", "stopped"):
        platform.service.stop("default", "digits")
        platform.until(lambda: state == "stopping" or not platform.engine.alive())
    platform.tick()
    assert platform.service.delete("default", "digits", None).status == "DELETING"
    platform.tick()
    assert platform.route() is None, "no request reaches it any more"
    platform.registry.is_down = False
    platform.until(lambda: "endpoint_deleted" in platform.kinds())
    assert platform.engine.states == {}
    assert list(platform.home.sockets.glob("r-*")) == []
    with pytest.raises(EndpointNotFoundError):
        platform.endpoint()
    assert platform.registry.deployments.get("digits", ()) == ()
    platform.golden.clear()
    platform.create("digits:3")
    platform.until(lambda: platform.served() == [("v0", 3, 1.0, 1)])


def test_an_endpoint_that_is_being_deleted_takes_no_more_wishes(ready):
    ready.service.delete("default", "digits", None)
    for call in (
        lambda: ready.update("digits:2"),
        lambda: ready.service.scale("default", "digits", 2, None),
        lambda: ready.service.stop("default", "digits"),
        lambda: ready.service.start("default", "digits"),
    ):
        with pytest.raises(EndpointDeletingError):
            call()
    with pytest.raises(EndpointExistsError):
        ready.create()
    assert ready.service.delete("default", "digits", 1).status == "DELETING", "once more does nothing"


def test_a_crash_of_the_old_version_during_a_rollout_is_repaired_too(ready):
    ready.is_mute = True
    ready.update("digits:2")
    ready.until(lambda: ready.alive_numbers() == [1, 2])
    victim = next(r.id for r in ready.endpoint().replicas if r.status == "READY")
    ready.engine.end(victim, EndCause.SIGNAL, "killed by signal 9")
    ready.is_mute = False
    ready.until(lambda: ready.served() == [("v0", 2, 1.0, 1)])
    ready.until(lambda: ready.alive_numbers() == [2])


def test_names_and_variants_are_checked(platform):
    for refs, options in ((("digits:1",), {"replicas": 0}), (("digits:1",), {"weight": -1}), (("digits:1",) * 17, {})):
        with pytest.raises(VariantsInvalidError):
            platform.create(*refs, **options)
    with pytest.raises(InvalidInputError):
        platform.service.create("default", "../x", [], None, None)
    assert platform.service.is_empty("default")
