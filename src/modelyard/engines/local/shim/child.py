"""Starts the sandbox around a command and speaks with its last step. Standard library only."""

import json
import os
import resource
import signal
import socket
import struct
import time

from modelyard.engines.local import tree
from modelyard.engines.local.cgroups import Cgroup
from modelyard.engines.local.plan import Plan
from modelyard.engines.local.sandbox import confine, stage

_START_LIMIT_SECONDS = 60.0
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_OOM_SCORE = 500  # of 1000: the machine's memory runs out -> a job goes before the platform


class Child:
    """The sandboxed process tree.

    Attributes:
        pid: the process that the supervisor made: bubblewrap, or the command itself.
        command_pid: the command as seen from here, once `is_running`.
        failure: why the command could not be executed, once `poll_start` found out.
    """

    def __init__(self, plan: Plan, group: Cgroup | None, output: int) -> None:
        self.command_pid: int | None = None
        self.is_running = False
        self.failure: str | None = None
        self._plan = plan
        self.socket, theirs = socket.socketpair()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._deadline = time.monotonic() + _START_LIMIT_SECONDS
        supervisor = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(group, output, theirs, supervisor)
        theirs.close()
        self.socket.setblocking(False)

    @property
    def is_starting(self) -> bool:
        """Whether the start is not decided yet."""
        return not self.is_running and self.failure is None

    def poll_start(self) -> None:
        """Take what the last step says: ready (it gets its plan), executed, or failed."""
        try:
            message, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
        except BlockingIOError:
            if time.monotonic() > self._deadline:
                self.failure = f"the sandbox did not stand after {_START_LIMIT_SECONDS:g} s"
            return
        except ConnectionError:
            message, ancillary = b"", []
        if message.startswith(stage.READY):
            self.command_pid = next((_CREDENTIALS.unpack(data)[0] for _, _, data in ancillary), self.pid)
            content = json.dumps(self._plan["stage"]).encode()
            self.socket.setblocking(True)
            self.socket.sendall(len(content).to_bytes(8, "big") + content)
            self.socket.setblocking(False)
        elif message.startswith(stage.FAILED):
            command = self._plan["stage"]["argv"][0]
            self.failure = f"'{command}' could not be executed: {message[1:].decode(errors='replace')}"
        elif self.command_pid is None:
            self.failure = "the sandbox could not be set up"
        else:
            self.is_running = True

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the command's process group."""
        if self.command_pid is None:
            return
        try:
            os.killpg(self.command_pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _become(self, group: Cgroup | None, output: int, theirs: socket.socket, supervisor: int) -> None:
        """In the new process: join the groups, then become bubblewrap or the last step; returns never."""
        try:
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            confine.die_with_parent(supervisor)
            _volunteer_for_oom()
            if group is not None:
                group.join()
            _limit_cpus(self._plan, group)
            _limit_tasks(self._plan, group)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.set_inheritable(theirs.fileno(), True)
            if self._plan["wrapper"]:
                command = [*self._plan["wrapper"], *self._plan["stage_command"], str(theirs.fileno())]
                os.execve(command[0], command, {"PATH": os.defpath, "LANG": "C.UTF-8"})  # noqa: S606
            stage.main(theirs.detach())
        except BaseException as error:  # noqa: BLE001 - nothing may run on as a second supervisor
            os.write(2, f"sandbox: {error}\n".encode())
        finally:
            os._exit(stage.START_FAILED_CODE)


def _volunteer_for_oom() -> None:
    """Let the kernel choose this before the platform when the machine's memory is gone."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(_OOM_SCORE))
    except OSError:
        return


def _limit_cpus(plan: Plan, group: Cgroup | None) -> None:
    """Without a control group for it: as many processors as were asked for, chosen by pid to spread them."""
    cpus = plan["limits"]["cpus"]
    if cpus is None or (group is not None and group.has("cpu")):
        return
    allowed = sorted(os.sched_getaffinity(0))
    count = min(len(allowed), max(1, -int(-cpus // 1)))
    first = os.getpid() % len(allowed)
    os.sched_setaffinity(0, {allowed[(first + step) % len(allowed)] for step in range(count)})


def _limit_tasks(plan: Plan, group: Cgroup | None) -> None:
    """Without a control group for it: the kernel counts a user's tasks together, so allow those there are and more.

    It does not count root's; the supervisor's watch does.
    """
    if os.geteuid() == 0 or (group is not None and group.has("pids")):
        return
    user = os.geteuid()
    own = [int(name) for name in os.listdir("/proc") if name.isdigit() and tree.owner_of(int(name)) == user]
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    limit = tree.task_count(own) + plan["limits"]["max_processes"]
    ceiling = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (ceiling, ceiling))
