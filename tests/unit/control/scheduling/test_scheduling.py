"""Queues on a real database: what is admitted, what is refused, what a kill leaves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modelyard.control.scheduling.assembly import assemble
from modelyard.control.scheduling.capacity import offered
from modelyard.control.scheduling.errors import (
    JobNeverFitsError,
    JobNotWaitingError,
    QueueInUseError,
    QueueNotFoundError,
    ReservationInvalidError,
)
from modelyard.errors import UnavailableError
from modelyard.kit.clock import SystemClock
from modelyard.types.compute.nodes import Node, NodeTraits, NodeUse
from modelyard.types.compute.scheduling import EntryState, HostCapacity, Placement, Quota
from modelyard.types.processes import NodeChoice, Resources

MACHINE = HostCapacity(name="local", cpus=2, memory_bytes=8 << 30, gpus=0, jobs=2)
HOUR = timedelta(hours=1)


class Bench:
    """The queues of one control process; `restarted` is the next one on the same database."""

    def __init__(self, database, quotas) -> None:
        self.database, self.quotas, self.carried, self.machines = database, quotas, [], [MACHINE]
        self.clock = SystemClock()
        self.scheduling = assemble(
            database=database,
            clock=self.clock,
            machines=lambda: self.machines,
            quota=lambda project: quotas.get(project, Quota()),
            carry=self.carried.append,
        )
        self.scheduling.queues.ensure_default()
        self.service, self.queues = self.scheduling.service, self.scheduling.queues

    def restarted(self) -> "Bench":
        return Bench(self.database, self.quotas)

    def submit(
        self, job: str, project="default", *, cpus=1.0, hours=1.0, accelerators=0, resources=None, **wishes
    ) -> None:
        asked = {"cpus": cpus, "time_limit_seconds": hours * 3600, "gpus": accelerators, **(resources or {})}
        resources = Resources(**asked)
        entry = self.service.place(job, project, resources, Placement(**wishes))
        with self.database.transaction() as connection:
            self.service.enter(connection, entry)

    def end(self, job: str) -> None:
        with self.database.transaction() as connection:
            self.service.leave(connection, job)

    def round(self) -> list[str]:
        before = len(self.carried)
        self.scheduling.scheduler.round()
        return self.carried[before:]

    def turn(self) -> list[str]:
        return [each.job for each in self.service.line("default", None) if each.position]


@pytest.fixture
def quotas():
    return {}


@pytest.fixture
def bench(database, quotas):
    return Bench(database, quotas)


def test_as_many_jobs_start_as_fit_and_the_next_when_one_ends(bench):
    for job in ("one", "two", "three"):
        bench.submit(job)
    assert bench.round() == ["one/1", "two/1"]
    assert bench.round() == []
    waiting = bench.service.entry("three")
    assert waiting.reason == "it waits for capacity"
    assert abs(waiting.planned_start - bench.clock.now() - HOUR) < timedelta(seconds=30)
    bench.end("one")
    assert bench.round() == ["three/1"]


def node(name: str, **what) -> Node:
    return Node(**{"name": name, "cpus": 2.0, "memory_bytes": 8 << 30, **what})


def hosts_of(bench: Bench, *jobs: str) -> list[str]:
    return [bench.service.entry(job).host for job in jobs]


def test_a_node_that_joins_a_cluster_lets_in_more_and_its_accelerators_are_counted(bench):
    bench.machines = offered([node("a")], 4)
    with pytest.raises(JobNeverFitsError, match="1 GPUs, there are 0"):
        bench.submit("accelerated", accelerators=1)
    for job in ("one", "two", "three"):
        bench.submit(job)
    assert bench.round() == ["one/1", "two/1"]
    bench.machines = offered([node("a"), node("b", gpus=1)], 4)
    for job in ("four", "five"):
        bench.submit(job, cpus=0.5, accelerators=0.5)
    bench.submit("six", cpus=0.5, accelerators=0.1)
    assert bench.round() == ["three/1", "four/1", "five/1"]
    assert hosts_of(bench, "one", "three", "four", "five") == ["a", "b", "b", "b"]
    assert bench.service.entry("five").gpus == 0.5


def test_a_job_waits_until_one_machine_has_room_however_much_all_have_together(bench):
    bench.machines = offered([node("a"), node("b")], 4)
    bench.submit("small")
    assert bench.round() == ["small/1"]
    for job in ("large", "larger"):
        bench.submit(job, cpus=2)
    assert bench.round() == ["large/1"]
    assert hosts_of(bench, "small", "large") == ["a", "b"]
    with pytest.raises(JobNeverFitsError, match="3 cores, there are 2 on the largest host"):
        bench.submit("huge", cpus=3)


def test_a_machine_must_have_the_labels_and_the_accelerators_that_were_asked_for(bench):
    kinds = NodeTraits(labels={"zone": "cellar"}, gpu_kind="NVIDIA-A100-SXM4-40GB", gpu_memory_bytes=40 << 30)
    bench.machines = offered([node("a", gpus=2), node("b", gpus=2, traits=kinds)], 4)
    bench.submit("label", resources={"node_labels": {"zone": "cellar"}})
    bench.submit("kind", resources={"gpus": 1, "gpu_kind": "a100", "gpu_memory_bytes": 40 << 30})
    assert bench.round() == ["label/1", "kind/1"]
    assert hosts_of(bench, "label", "kind") == ["b", "b"]
    for wish, words in (
        ({"node_labels": {"zone": "attic"}}, "the label zone=attic, which no host has"),
        ({"gpus": 1, "gpu_kind": "H100"}, "GPUs of the kind 'H100', which no host has"),
        ({"gpus": 1, "gpu_memory_bytes": 80 << 30}, "GPUs with 80 GiB of memory, which no host has"),
    ):
        with pytest.raises(JobNeverFitsError, match=words):
            bench.submit("never", resources=wish)


def test_jobs_fill_the_fullest_machine_or_spread_as_they_wish(bench):
    bench.machines = offered([node("a", cpus=4.0), node("b", cpus=3.0)], 4)
    for job, choice in (("s1", "SPREAD"), ("s2", "SPREAD"), ("p1", "PACK"), ("p2", "ANY")):
        bench.submit(job, resources={"placement": NodeChoice(choice)})
    assert len(bench.round()) == 4
    assert hosts_of(bench, "s1", "s2", "p1", "p2") == ["a", "b", "b", "b"]


def test_what_replicas_hold_is_not_given_to_jobs_and_a_limit_counts_what_is_left_first(bench):
    held = NodeUse(cpus=1.0, memory_bytes=1 << 30)
    bench.machines = offered([node("a", in_use=held)], 4)
    bench.submit("large", cpus=2)
    bench.submit("small")
    assert bench.round() == ["small/1"]
    assert bench.service.entry("large").reason.startswith("others than jobs hold what it needs")
    bench.queues.set_host(HostCapacity(name="a", cpus=1.0, memory_bytes=8 << 30, gpus=0, jobs=4))
    (host,) = bench.queues.hosts()
    assert (host.cpus, host.in_use.cpus) == (1.0, 0.0), "the replica runs in the part that jobs may not take"


def test_a_lost_machine_vanishes_with_what_was_said_of_it_and_its_job_is_planned_elsewhere(bench):
    bench.machines = offered([node("a"), node("b")], 4)
    bench.queues.set_host(HostCapacity(name="b", cpus=1.0, memory_bytes=8 << 30, gpus=0, jobs=4))
    bench.submit("job", cpus=2)
    assert bench.round() == ["job/1"]
    bench.machines = offered([node("a", is_alive=False), node("b")], 4)
    assert [host.name for host in bench.queues.hosts()] == ["b"]
    with bench.database.transaction() as connection:
        bench.service.plan_again(connection, "job")
    assert bench.round() == []
    assert "2 cores, there are 1" in bench.service.entry("job").reason
    bench.machines = offered([node("b"), node("c")], 4)
    assert bench.round() == ["job/2"]
    assert hosts_of(bench, "job") == ["c"]
    assert bench.service.entry("job").preemptions == 0


def test_what_was_admitted_before_a_kill_is_carried_after_it_and_nothing_twice(bench):
    for job in ("one", "two", "three"):
        bench.submit(job)
    bench.round()
    after = bench.restarted()
    assert sorted(after.service.tickets()) == ["one/1", "two/1"]
    assert after.round() == []
    after.end("two")
    assert after.round() == ["three/1"]


def test_a_quota_keeps_a_project_from_the_whole_machine_and_blocks_nobody_else(bench, quotas):
    quotas["small"] = Quota(running_jobs=1)
    bench.submit("s1", "small")
    bench.submit("s2", "small")
    bench.submit("other")
    assert sorted(bench.round()) == ["other/1", "s1/1"]
    bench.end("other")
    assert bench.round() == []
    assert bench.service.entry("s2").reason == "project 'small' uses its quota"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"cpus": 3}, "it needs 3 cores, there are 2 on the largest host"),
        ({"gpus": 1}, "it needs 1 GPUs, there are 0 on the largest host"),
        ({"memory_bytes": 9 << 30}, "it needs 9 GiB of memory, there are 8 GiB on the largest host"),
        ({"cpus": 2, "project": "small"}, "it needs 2 cores, there are 1 in the quota of project 'small'"),
        ({"reservation": "none"}, "project 'default' has no reservation 'none'"),
    ],
)
def test_a_job_that_can_never_fit_is_refused_at_once_with_the_reason(bench, quotas, wish, words):
    quotas["small"] = Quota(cpus=1)
    with pytest.raises(JobNeverFitsError, match=words):
        bench.submit("job", **wish)


def test_an_unknown_queue_is_refused(bench):
    with pytest.raises(QueueNotFoundError, match="'fast'"):
        bench.submit("job", queue="fast")


def test_held_jobs_and_queues_wait_until_they_are_released(bench):
    bench.queues.create("night", "", 0)
    bench.queues.update("night", description=None, priority=None, is_held=True)
    bench.submit("held", is_held=True)
    bench.submit("shut", queue="night")
    assert bench.round() == []
    assert bench.service.entry("shut").reason == "its queue 'night' is held"
    bench.service.hold("default", "held", is_held=False)
    assert bench.round() == ["held/1"]
    with pytest.raises(QueueInUseError, match="has 1 jobs"):
        bench.queues.delete("night")
    bench.queues.update("night", description=None, priority=None, is_held=False)
    assert bench.round() == ["shut/1"]


def test_queues_and_jobs_have_priorities(bench):
    bench.queues.create("urgent", "", 100)
    bench.submit("plain", is_held=True)
    bench.submit("liked", priority=5)
    bench.submit("urgent", queue="urgent")
    bench.service.hold("default", "plain", is_held=False)
    assert bench.turn() == ["liked", "plain"]
    assert [each.position for each in bench.service.line("urgent", None)] == [1]
    bench.service.rank("default", "plain", priority=10, queue=None)
    assert bench.turn() == ["plain", "liked"]


def test_moving_a_job_changes_the_places_of_its_own_project_only(bench):
    for job, project in (("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b"), ("a3", "a")):
        bench.submit(job, project)
    assert bench.turn() == ["a1", "b1", "a2", "b2", "a3"]
    bench.service.move("a", "a3", before="a1")
    assert bench.turn() == ["a3", "b1", "a1", "b2", "a2"]
    with pytest.raises(JobNotWaitingError):
        bench.service.move("a", "a3", before="b1")


def test_a_job_that_changes_while_the_rule_decides_waits_for_the_next_round(bench):
    bench.submit("job")
    scheduler = bench.scheduling.scheduler
    with bench.database.read() as connection:
        entry = bench.service.entry("job")
        changes = scheduler._decide(connection, [entry])
    bench.service.hold("default", "job", is_held=True)
    assert scheduler._write(changes) == []
    assert bench.service.entry("job").state is EntryState.WAITING


def test_reserved_capacity_is_kept_free_and_used_by_those_who_name_it(bench, quotas):
    now = bench.clock.now()
    window = {"starts_at": now + timedelta(seconds=2), "ends_at": now + HOUR}
    reserved = bench.queues.reserve("team", cpus=2, memory_bytes=None, gpus=0, created_by="ann", **window)
    bench.submit("other")
    bench.submit("short", hours=1 / 3600)
    assert bench.round() == ["short/1"], "it ends before the window begins"
    planned = bench.service.entry("other").planned_start
    assert abs(planned - window["ends_at"]) < timedelta(seconds=1)
    with pytest.raises(ReservationInvalidError, match="hold it"):
        bench.queues.reserve("rival", cpus=1, memory_bytes=None, gpus=0, created_by="bob", **window)
    with pytest.raises(JobNeverFitsError, match="time limit is 7200 s"):
        bench.submit("long", "team", hours=2, reservation=reserved.id)
    bench.end("short")
    bench.submit("own", "team", hours=0.5, reservation=reserved.id)
    assert bench.round() == []
    later = bench.restarted()
    later.scheduling.scheduler._clock = Later(later.clock, timedelta(seconds=3))
    assert later.round() == ["own/1"]


def test_a_gang_runs_in_capacity_that_is_reserved_on_several_hosts_and_counts_on_each(bench, quotas):
    bench.machines = [replace(MACHINE, name=name) for name in ("one", "two", "three")]
    now = bench.clock.now()
    window = {"starts_at": now + timedelta(seconds=2), "ends_at": now + HOUR}
    bench.submit("other", cpus=2, hours=2)
    bench.round()
    quotas["team"] = Quota(cpus=5)
    wish = {"cpus": 2, "memory_bytes": None, "gpus": 0, "created_by": "ann", **window}
    with pytest.raises(ReservationInvalidError, match="6 cores, there are 5 in the quota"):
        bench.queues.reserve("team", hosts=3, **wish)
    with pytest.raises(ReservationInvalidError, match="hold it"):
        bench.queues.reserve("rich", hosts=3, **wish)
    reserved = bench.queues.reserve("team", hosts=2, **wish)
    (shown,) = bench.queues.begun_reservations(now + timedelta(seconds=3))
    assert shown == reserved
    assert reserved.host == reserved.member_hosts[0]
    free = {"one", "two", "three"} - {bench.service.entry("other").host}
    assert {*reserved.held_hosts} == free, "all that is left"
    gang = {"hosts": 2, "is_distributed": True, "reservation": reserved.id}
    with pytest.raises(JobNeverFitsError, match="3 hosts, its reservation has 2"):
        bench.submit("wide", "team", **{**gang, "hosts": 3})
    with pytest.raises(JobNeverFitsError, match="project 'thief' has no reservation"):
        bench.submit("stolen", "thief", **gang)
    bench.submit("gang", "team", hours=0.5, **gang)
    assert bench.round() == []
    later = bench.restarted()
    later.machines = bench.machines
    moment = Later(later.clock, timedelta(seconds=3))
    later.scheduling.scheduler._clock = later.service._clock = moment
    assert later.round() == ["gang/1"]
    assert {*later.service.entry("gang").member_hosts} == free
    assert [(use.name, use.used) for use in later.service.usage("team")][:2] == [("running_jobs", 1), ("cpus", 4)]


class Later:
    """The time a little later."""

    def __init__(self, clock, by) -> None:
        self._clock, self._by = clock, by

    def now(self):
        return self._clock.now() + self._by

    def monotonic(self):
        return self._clock.monotonic()


def test_fair_share_remembers_what_projects_used(bench):
    bench.submit("old", "greedy", cpus=2)
    bench.round()
    with bench.database.transaction() as connection:
        entry = bench.service.entry("old")
        entries = bench.scheduling.scheduler._board.entries
        entries.save(connection, replace(entry, admitted_at=entry.admitted_at - timedelta(hours=2)))
    bench.end("old")
    bench.submit("g", "greedy")
    bench.submit("m", "modest")
    assert bench.turn() == ["m", "g"]


def test_while_the_registry_is_away_known_quotas_hold_and_unknown_projects_wait(database):
    class Registry:
        is_away = False

        def quota(self, project: str) -> Quota:
            if self.is_away:
                raise UnavailableError("the registry is away")
            return Quota(running_jobs=1)

    registry = Registry()
    bench = Bench(database, {})
    made = assemble(
        database=database,
        clock=bench.clock,
        machines=lambda: [MACHINE],
        quota=registry.quota,
        carry=bench.carried.append,
    )
    bench.scheduling, bench.service = made, made.service
    bench.submit("one")
    registry.is_away = True
    assert bench.round() == ["one/1"]
    with pytest.raises(UnavailableError):
        bench.submit("two", "stranger")
