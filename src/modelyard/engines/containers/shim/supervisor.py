"""Supervises the containers of one process from their start to the account of their end."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from modelyard.engines.containers.groups import ParentGroup
from modelyard.engines.containers.plan import ContainerPlan, Plan
from modelyard.engines.containers.shim.container import RunningContainer
from modelyard.engines.containers.shim.first import FAILED_CODE
from modelyard.engines.containers.shim.limits import Broken, Limits
from modelyard.engines.containers.shim.meter import Meter
from modelyard.engines.containers.shim.tagged import TaggedOutput
from modelyard.engines.containers.sockets import ContainersUnavailableError, open_client
from modelyard.engines.local import layout
from modelyard.engines.local.shim.account import account
from modelyard.engines.local.shim.files import drain, read_json, reserve, timestamp, write_json
from modelyard.engines.local.shim.output import OutputLog
from modelyard.engines.local.shim.watch import in_units

if TYPE_CHECKING:
    from docker import DockerClient

_LONGEST_SLEEP_SECONDS = 2.0  # how soon a supervisor whose folder was deleted notices
_LIMIT_GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL at the time limit
_FATE_SECONDS = 1.0  # a process may end by itself, and say why, after its sidecar did
_LAST_OUTPUT_SECONDS = 5.0
_MEMBERS_GRACE_SECONDS = 15.0  # of the twenty that a preempted job has


class Supervisor:
    """The keeper of one process. The current directory is the process's folder."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        reserve(layout.END)
        self._log = OutputLog(layout.LOG, plan["log_segment_bytes"], plan["log_segments"])
        self._log_lock = threading.Lock()
        self._doorbell = os.open(layout.DOORBELL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._alarm, self._alarm_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._group = ParentGroup(plan["group"]) if plan["group"] else None
        self._limits = Limits(plan, self._group)
        self._containers: list[RunningContainer] = []
        self._holder: RunningContainer | None = None
        self._outputs: list[TaggedOutput] = []
        self._failed: RunningContainer | None = None
        self._meter = Meter(self._group, self._containers)
        self._verdict: Broken | None = None
        self._kill_at: float | None = None

    def run(self) -> None:
        """Supervise until the end, write the account of it."""
        if self._group is not None:
            self._group.create()
        try:
            client = open_client(self._plan["socket"])
            if self._plan["holder"] is not None:
                self._holder = RunningContainer(client, self._plan["holder"], lambda _output: None, self._ring)
            for rank, plan in enumerate(self._plan["containers"]):
                self._start(client, rank, plan)
        except (docker.errors.DockerException, OSError, ContainersUnavailableError) as error:
            for container in self._containers:  # a sidecar cannot join a process that has ended already
                container.finish(_FATE_SECONDS)
            if self._holder is None and any(container.has_ended for container in self._containers):
                write_json(layout.RUNNING, {"pid": None, "started_at": timestamp()})
            else:
                self._verdict = "START_FAILED", f"the container could not be started: {_words(error)}"
        else:
            pid = self._containers[0].pid()
            write_json(layout.RUNNING, {"pid": pid, "started_at": timestamp()})
            self._limits.watch(pid)
            self._wait()
        write_json(layout.END, self._end_of_all())

    def _start(self, client: "DockerClient", rank: int, plan: ContainerPlan) -> None:
        take: Callable[[bytes], None] = self._take_output
        if self._holder is not None:
            take = tagged = TaggedOutput(rank, self._take_output)
            self._outputs.append(tagged)
        self._containers.append(RunningContainer(client, plan, take, self._ring))

    def _take_output(self, content: bytes) -> None:
        with self._log_lock:
            self._log.append(content)

    def _ring(self) -> None:
        os.write(self._alarm_end, b"!")

    def _wait(self) -> None:
        """Until one container has ended; of a gang all."""
        poll = select.poll()
        for descriptor in (self._doorbell, self._alarm):
            poll.register(descriptor, select.POLLIN)
        while not self._is_over():  # first: what has failed by itself failed before anybody's request was seen
            self._look_at_stop()
            self._look_at_limits()
            self._look_at_usage()
            poll.poll(self._sleep_ms())
            drain(self._alarm)
            drain(self._doorbell)

    def _is_over(self) -> bool:
        if self._holder is None:
            return any(container.has_ended for container in self._containers)
        is_over = all(container.has_ended for container in self._containers)  # first: so nobody who failed is missed
        self._look_at_members()
        return is_over

    def _look_at_members(self) -> None:
        """The first member to fail ends the others, and so does the end of their network."""
        faults = [each for each in self._containers if each.has_ended and (each.is_lost or each.exit_code)]
        failed = min(faults, key=lambda each: each.ended_at, default=None)
        is_cut_off = self._holder is not None and self._holder.has_ended and self._verdict is None
        if is_cut_off and failed is None:
            self._end(("LOST", "the container that held the network of its members is gone"), grace_seconds=0)
        elif failed is not None and self._failed is None and self._verdict is None:
            self._failed = failed
            for container in self._containers:
                container.signal(signal.SIGTERM)
            self._kill_at = time.monotonic() + _MEMBERS_GRACE_SECONDS

    def _sleep_ms(self) -> float:
        moments = [self._kill_at] if self._kill_at is not None else [self._limits.next_look()]
        left = [moment - time.monotonic() for moment in moments if moment is not None]
        left.append(self._meter.next_look - time.monotonic())
        return 1000 * max(0.0, min([_LONGEST_SLEEP_SECONDS, *left])) + 1

    def _look_at_stop(self) -> None:
        request = read_json(layout.STOP)
        if request is not None:
            cause = "PREEMPTED" if request["is_preemption"] else "STOPPED"
            sentence = "it was ended to make room" if request["is_preemption"] else "it was stopped on request"
            self._end((cause, sentence), grace_seconds=request["grace_seconds"])
        elif not Path(layout.SPEC).exists():
            self._end(("STOPPED", "its record was removed"), grace_seconds=0)

    def _look_at_limits(self) -> None:
        broken = self._limits.look() if self._verdict is None else None
        if broken is not None:
            self._end(broken, grace_seconds=_LIMIT_GRACE_SECONDS if broken[0] == "TIMEOUT" else 0)
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill()

    def _look_at_usage(self) -> None:
        used = self._meter.look()
        if used is not None:
            write_json(layout.USAGE, used, is_durable=False)

    def _end(self, verdict: Broken, *, grace_seconds: float) -> None:
        """Bring about the end; a later call may only shorten the grace, and so may any after a member has failed."""
        kill_at = time.monotonic() + grace_seconds
        if self._verdict is None and self._failed is None:
            self._verdict = verdict
            if grace_seconds > 0:
                # The sidecar is served to by its process, not by anybody else: it ends when that has.
                for container in self._containers[:1] if self._holder is None else self._containers:
                    container.signal(signal.SIGTERM)
        elif self._kill_at is not None and kill_at >= self._kill_at:
            return
        self._kill_at = kill_at
        if grace_seconds <= 0:
            self._kill()

    def _kill(self) -> None:
        self._kill_at = time.monotonic() + 1.0  # again, should something survive
        for container in self._containers:
            container.signal(signal.SIGKILL)

    def _end_of_all(self) -> dict[str, Any]:
        """End what is left, then say how the first one ended: after this, nothing of the process is alive."""
        first = self._first_to_end()
        for container in self._containers:
            if not container.has_ended:
                container.signal(signal.SIGKILL)
            container.finish(_LAST_OUTPUT_SECONDS)
        for output in self._outputs:
            output.close()
        was_out_of_memory = first is not None and first.was_out_of_memory()
        found = None if self._verdict is not None or first is None else self._broken(first, was_out_of_memory)
        end = self._account(first, found)
        for container in (*reversed(self._containers), *filter(None, (self._holder,))):
            container.remove()
        end |= self._meter.total()
        if self._group is not None:
            end["max_rss_bytes"] = self._group.peak_bytes()
            self._group.end()
        return {**end, "ended_at": timestamp()}

    def _first_to_end(self) -> RunningContainer | None:
        """Whose account is the process's: a process that its sidecar left without an answer says so itself, soon."""
        if not self._containers:
            return None
        own = self._containers[0]
        if self._holder is not None:
            return self._failed or own
        ended = next((container for container in self._containers if container.has_ended), own)
        if ended is not own:
            own.finish(_FATE_SECONDS)
        return ended

    def _broken(self, first: RunningContainer, was_out_of_memory: bool) -> Broken | None:
        """The limit that was broken, where the end itself does not say."""
        limit = first.plan["memory_bytes"]
        is_killed = first.exit_code == 128 + signal.SIGKILL
        together = limit * len(self._containers) if limit and self._holder is not None else limit
        if limit and together and (was_out_of_memory or (is_killed and self._limits.is_memory_used_up(together))):
            return "OUT_OF_MEMORY", f"it needed more memory than its limit of {in_units(limit)}"
        return self._limits.disk()

    def _account(self, first: RunningContainer | None, broken: Broken | None) -> dict[str, Any]:
        tail = self._log.tail()
        code = 0 if first is None or first.exit_code is None else first.exit_code
        verdict = self._verdict
        if verdict is None and first is not None and first.is_lost:
            verdict = "LOST", "its container is gone, or the daemon that ran it: nobody knows how it ended"
        mark = self._plan["failure_mark"]
        last = tail.strip().splitlines()[-1] if tail.strip() else ""
        if verdict is None and code == FAILED_CODE and last.startswith(mark):
            verdict, tail = ("START_FAILED", last.removeprefix(mark).strip()), ""
        limit = first.plan["memory_bytes"] if first is not None else None
        end = account(
            code << 8,
            verdict=verdict,
            broken=broken,
            is_wrapped=True,
            log_tail=tail,
            has_machine_oom=False,
            memory_limit=in_units(limit) if limit else None,
        )
        if self._failed is not None and self._verdict is None:
            rank, count = self._containers.index(self._failed), len(self._containers)
            end["message"] = f"Rank {rank} of {count}: {end['message']} The others were ended with it."
        elif len(self._containers) > 1 and first is self._containers[1] and self._verdict is None:
            end["message"] = f"The container beside it ended first: {end['message'][0].lower()}{end['message'][1:]}"
        if verdict is not None and verdict[0] == "LOST":
            end["exit_code"] = end["signal"] = None
        return end


def _words(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    return str(explanation or error)
