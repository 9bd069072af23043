"""Gangs on several machines: a process for each member on the host that was planned for it, and one end for all."""

from datetime import timedelta

import pytest
from test_execution import NOW, Bench, exited

from modelyard.control.jobs.errors import JobInvalidError
from modelyard.control.jobs.gangs.ending import MemberState, joint_end
from modelyard.types.compute.nodes import Node
from modelyard.types.compute.scheduling import EntryState, HostCapacity, Placement
from modelyard.types.jobs import JobKind, JobRecipe, JobStatus
from modelyard.types.processes import EndCause, ProcessEnd, ProcessState, ProcessStatus, Resources, SandboxLevel
from modelyard.types.scripting.recipes import ScriptRecipe

LOST = ProcessEnd(cause=EndCause.LOST, message="Its node is gone.")
STOPPED = ProcessEnd(cause=EndCause.STOPPED, message="It was stopped on request.")


@pytest.fixture
def bench(database, tmp_path):
    bench = Bench(database, tmp_path)
    bench.engine.machines = [Node(name=name, cpus=2, memory_bytes=4 << 30) for name in "abc"]
    bench.engine.sandbox_level = lambda: SandboxLevel.BUBBLEWRAP
    bench.registry.permits_code = lambda _project: True
    machines = [HostCapacity(name=name, cpus=2, memory_bytes=4 << 30, gpus=0, jobs=2) for name in "abc"]
    bench.scheduling.scheduler._board.machines = lambda: machines
    return bench


def submit(bench, members: int = 2):
    script = ScriptRecipe(entry_point="train.py", hosts=members, is_distributed=True)
    resources = Resources(cpus=2, memory_bytes=1 << 30)
    recipe, placement = JobRecipe(algorithm="script", script=script), Placement(hosts=members, is_distributed=True)
    return bench.service.submit(
        "default", JobKind.SCRIPT, recipe, None, resources, created_by="ann", placement=placement
    )


def test_each_member_runs_on_the_host_that_was_planned_for_it_and_is_told_who_it_is(bench):
    bench.engine.ends = [exited(0)] * 3
    job = bench.carry(submit(bench, members=3).id)
    assert job.status is JobStatus.COMPLETED
    names = [f"{job.id}-1", f"{job.id}-1-rank-1", f"{job.id}-1-rank-2"]
    specs = [bench.engine.specs[name] for name in names]
    assert {spec.node for spec in specs} == {"a", "b", "c"}
    assert [spec.environment["RANK"] for spec in specs] == ["0", "1", "2"]
    assert {spec.environment["MASTER_ADDR"] for spec in specs} == {specs[0].membership.address}
    assert [[*spec.membership.members] for spec in specs] == [names] * 3
    assert {spec.resources.cpus for spec in specs} == {2}, "each has what the job asks for"
    assert {spec.labels["job"] for spec in specs} == {job.id}, "each is metered for the job"
    assert [(member.rank, member.host) for member in job.end.members] == [*enumerate(spec.node for spec in specs)]
    assert bench.engine.states == {}, "all processes were forgotten"


def test_the_first_member_is_submitted_last_so_that_half_a_gang_does_not_look_whole(bench):
    order, submit_one = [], bench.engine.submit

    def note(process_id, spec):
        order.append(spec.membership.rank)
        submit_one(process_id, spec)

    bench.engine.submit = note
    bench.start(submit(bench, members=3).id)
    assert order == [2, 1, 0]


def test_a_member_that_fails_ends_the_others_and_the_job_says_which_it_was(bench):
    bench.engine.ends = [exited(3)]  # of the last rank, which is submitted first; the other one runs on
    stopped = []

    def stop(process_id, **_):
        stopped.append(process_id)
        state = bench.engine.states[process_id]
        if state.end is None:
            ended = ProcessState(
                id=process_id, status=ProcessStatus.ENDED, sandbox=state.sandbox, labels=state.labels, end=STOPPED
            )
            bench.engine.states[process_id] = ended

    bench.engine.stop = stop
    job = bench.carry(submit(bench).id)
    assert job.id + "-1" in stopped
    assert (job.status, job.end.cause, job.end.exit_code) == (JobStatus.FAILED, EndCause.EXIT, 3)
    assert job.end.message == "Rank 1 of 2: It exited with code 3. The others were ended with it."


def test_a_gang_that_lost_a_member_is_tried_again_as_a_whole(bench):
    bench.engine.ends = [LOST, STOPPED, exited(0), exited(0)]
    job = bench.carry(submit(bench).id)
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2)
    assert {f"{job.id}-2", f"{job.id}-2-rank-1"} <= bench.engine.specs.keys()


def test_a_gang_whose_host_goes_before_it_starts_leaves_nothing_behind_and_is_planned_anew(bench):
    job = submit(bench)
    bench.admit(job.id)
    first = bench.scheduling.service.entry(job.id).member_hosts[0]
    bench.engine.machines = [each for each in bench.engine.machines if each.name != first]
    assert not bench.execution.start(bench.ticket(job.id))
    assert bench.engine.states == {}, "the member that was submitted already is gone"
    entry = bench.scheduling.service.entry(job.id)
    assert (entry.state, entry.host, entry.member_hosts) == (EntryState.WAITING, None, ())


def test_a_rank_that_has_no_output_of_its_own_is_refused(bench):
    job = submit(bench)
    assert bench.service.logs("default", job.id, 0, rank=1)[0].text == ""
    with pytest.raises(JobInvalidError, match="no output of a rank 2"):
        bench.service.logs("default", job.id, 0, rank=2)


@pytest.mark.parametrize(
    ("ends", "cause", "rank"),
    [
        ([exited(0), exited(0)], EndCause.EXIT, None),
        ([exited(1), LOST], EndCause.LOST, 1),  # what the others do when a machine is lost is an effect of that
        ([STOPPED, exited(9)], EndCause.EXIT, 1),
        ([STOPPED, STOPPED], EndCause.STOPPED, None),
        ([STOPPED, exited(0)], EndCause.STOPPED, None),
    ],
)
def test_the_end_of_a_gang_is_that_of_the_member_that_brought_it_about(ends, cause, rank):
    end = joint_end([state(number, each) for number, each in enumerate(ends)])
    assert end.cause is cause
    assert (f"Rank {rank} of 2" in end.message) == (rank is not None)


def test_of_several_failures_the_first_one_counts():
    late = ProcessEnd(cause=EndCause.EXIT, message="late", exit_code=1, ended_at=NOW + timedelta(seconds=1))
    early = ProcessEnd(cause=EndCause.OUT_OF_MEMORY, message="early", ended_at=NOW)
    assert joint_end([state(0, late), state(1, early)]).cause is EndCause.OUT_OF_MEMORY
    running = MemberState(1, ProcessState(id="p", status=ProcessStatus.RUNNING))
    assert joint_end([state(0, late), running]) is None


def state(rank: int, end: ProcessEnd) -> MemberState:
    return MemberState(rank, ProcessState(id=f"p-{rank}", status=ProcessStatus.ENDED, end=end))
