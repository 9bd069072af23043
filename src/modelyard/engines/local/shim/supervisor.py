"""Supervises one process tree from its start to the account of its end. Standard library only."""

import contextlib
import os
import resource
import select
import signal
import time

from modelyard.engines.local import cgroups, layout, tree
from modelyard.engines.local.plan import Plan
from modelyard.engines.local.sandbox import confine
from modelyard.engines.local.shim.account import account
from modelyard.engines.local.shim.child import Child
from modelyard.engines.local.shim.files import drain, read_json, reserve, timestamp, write_json
from modelyard.engines.local.shim.meter import Meter
from modelyard.engines.local.shim.output import OutputLog
from modelyard.engines.local.shim.profile import ProfileLog
from modelyard.engines.local.shim.watch import Watch, in_units

_LONGEST_SLEEP_SECONDS = 2.0  # how soon a supervisor whose folder was deleted notices
_LIMIT_GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL at the time limit
_DRAIN_LIMIT_BYTES = 8 << 20
_GONE = -1


class Supervisor:
    """One process's parent. The current directory is the process's folder."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._limits = plan["limits"]
        self._started = time.monotonic()
        reserve(layout.END)
        self._log = OutputLog(layout.LOG, plan["log_segment_bytes"], plan["log_segments"])
        self._doorbell = os.open(layout.DOORBELL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._alarm, alarm_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(alarm_end, warn_on_full_buffer=False)
        confine.become_subreaper()
        self._group = self._make_group()
        self._oom_before = _machine_oom_kills()
        self._output, output_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(output_end, True)
        self._watch = Watch(plan, self._group)
        self._meter = Meter(self._group)
        self._profile = ProfileLog(layout.PROFILE)
        self._child = Child(plan, self._group, output_end)
        os.close(output_end)
        self._verdict: tuple[str, str] | None = None  # cause and sentence of an end that we brought about
        self._kill_at: float | None = None
        self._status: int | None = None
        self._owner = _descriptor_of(plan["owner_pid"]) if plan["owner_pid"] is not None else None

    def run(self) -> None:
        """Supervise until the end, write the account of it."""
        poll = select.poll()
        for descriptor in (self._output, self._doorbell, self._alarm, self._child.socket.fileno()):
            poll.register(descriptor, select.POLLIN)
        if self._owner is not None and self._owner != _GONE:
            poll.register(self._owner, select.POLLIN)
        while self._status is None:
            ready = {descriptor for descriptor, _ in poll.poll(self._sleep_ms())}
            if self._output in ready and not self._take_output():
                poll.unregister(self._output)
            if self._child.is_starting:
                self._start()
                if not self._child.is_starting:
                    poll.unregister(self._child.socket.fileno())
            drain(self._alarm)
            drain(self._doorbell)
            self._collect()
            if self._status is None:  # what has ended by itself ended before anybody's request was seen
                if self._owner == _GONE or self._owner in ready:
                    self._end("LOST", "the process that it belonged to is gone", grace_seconds=0)
                    if self._owner in ready:
                        poll.unregister(self._owner)
                self._look_at_stop()
                self._look_at_limits()
                self._measure()
        self._finish()

    def _make_group(self) -> cgroups.Cgroup | None:
        if not self._plan["cgroup"]:
            return None
        limits = self._limits
        return cgroups.create(
            self._plan["cgroup"],
            cpus=limits["cpus"],
            memory_bytes=limits["memory_bytes"],
            max_processes=limits["max_processes"],
        )

    def _sleep_ms(self) -> float:
        now = time.monotonic()
        seconds = self._watch.interval_seconds or _LONGEST_SLEEP_SECONDS
        if self._child.is_starting:
            seconds = min(seconds, 1.0)
        for moment in (self._kill_at, self._deadline()):
            if moment is not None:
                seconds = min(seconds, max(0.0, moment - now))
        next_look = min(self._meter.sleep_seconds(), self._profile.sleep_seconds())
        return 1000 * min(seconds, next_look, _LONGEST_SLEEP_SECONDS) + 1

    def _deadline(self) -> float | None:
        limit = self._limits["time_limit_seconds"]
        return None if limit is None or self._verdict is not None else self._started + limit

    def _start(self) -> None:
        self._child.poll_start()
        if self._child.is_running:
            write_json(layout.RUNNING, {"pid": self._child.command_pid, "started_at": timestamp()})
        elif self._child.failure is not None:
            self._end("START_FAILED", self._child.failure, grace_seconds=0)

    def _look_at_stop(self) -> None:
        request = read_json(layout.STOP)
        if request is not None:
            cause = "PREEMPTED" if request["is_preemption"] else "STOPPED"
            sentence = "it was ended to make room" if request["is_preemption"] else "it was stopped on request"
            self._end(cause, sentence, grace_seconds=request["grace_seconds"])
        elif not os.path.exists(layout.SPEC):
            self._end("STOPPED", "its record was removed", grace_seconds=0)

    def _look_at_limits(self) -> None:
        now = time.monotonic()
        deadline = self._deadline()
        if deadline is not None and now >= deadline:
            limit = self._limits["time_limit_seconds"]
            self._end("TIMEOUT", f"it ran longer than its limit of {limit:g} s", grace_seconds=_LIMIT_GRACE_SECONDS)
        broken = self._watch.look() if self._verdict is None else None
        if broken is not None:
            self._end(*broken, grace_seconds=0)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill()

    def _measure(self) -> None:
        if self._meter.due():
            write_json(layout.USAGE, self._meter.sample(), is_durable=False)
        if self._profile.due():
            self._profile.look()

    def _end(self, cause: str, sentence: str, *, grace_seconds: float) -> None:
        """Bring about the end; a later call may only shorten the grace."""
        kill_at = time.monotonic() + grace_seconds
        if self._verdict is None:
            self._verdict = cause, sentence
            if grace_seconds > 0:
                self._child.signal_group(signal.SIGTERM)
        elif self._kill_at is not None and kill_at >= self._kill_at:
            return
        self._kill_at = kill_at
        if grace_seconds <= 0:
            self._kill()

    def _kill(self) -> None:
        """SIGKILL to the whole tree; the first process of a pid namespace takes all others with it."""
        self._kill_at = time.monotonic() + 1.0  # again, should something survive
        self._meter.sample()
        if self._plan["wrapper"] and self._child.command_pid is not None:
            first = tree.parent_of(self._child.command_pid)
            if first not in (0, 1, os.getpid(), self._child.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(first, signal.SIGKILL)
                return
        if self._group is not None:
            self._group.kill()
        tree.kill_descendants(os.getpid())

    def _collect(self) -> None:
        """Collect ended children; remember how the main one ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child.pid:
                self._status = status

    def _take_output(self) -> bool:
        """Move what is in the pipe to the log; False at its end."""
        try:
            content = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return True
        if content:
            self._log.append(content)
        return bool(content)

    def _finish(self) -> None:
        """End what is left of the tree, then write the account: after it, nothing of the process is alive."""
        broken = None
        if self._verdict is None:
            broken = self._watch.group_oom() or self._watch.disk()
        if self._group is not None:
            self._group.kill()
        tree.kill_descendants(os.getpid())
        self._wait_for_all()
        while self._child.is_starting:  # its last words may have come together with its end
            self._start()
        taken = 0
        while taken < _DRAIN_LIMIT_BYTES and select.select([self._output], [], [], 0)[0] and self._take_output():
            taken += 1 << 16
        if self._group is not None:
            self._group.remove()
        status = self._status or 0
        tail = self._log.tail()
        end = account(
            status,
            verdict=self._verdict,
            broken=broken,
            is_wrapped=bool(self._plan["wrapper"]),
            log_tail=tail,
            has_machine_oom=_machine_oom_kills() > self._oom_before,
            memory_limit=in_units(self._limits["memory_bytes"]) if self._limits["memory_bytes"] else None,
        )
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        end["cpu_seconds"] = self._meter.total_cpu_seconds()
        end["memory_byte_seconds"] = self._meter.total_byte_seconds()
        end["max_rss_bytes"] = usage.ru_maxrss * 1024
        end["ended_at"] = timestamp()
        write_json(layout.END, end)

    def _wait_for_all(self) -> None:
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                time.sleep(0.002)


def _descriptor_of(pid: int) -> int:
    """One that is readable once the process has ended, or _GONE if it has already."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return _GONE


def _machine_oom_kills() -> int:
    """How often this machine ran out of memory and killed something."""
    with contextlib.suppress(OSError), open("/proc/vmstat", encoding="ascii") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    return 0
