"""The last step before a command: runs inside the sandbox, applies what is left to apply, becomes the command.

Speaks with the supervisor over one socket: sends "R" when the sandbox stands, receives its plan, and closes by
executing the command, or answers "E" and what went wrong. Standard library only.
"""

import json
import os
import resource
import signal
import socket

from modelyard.engines.local.plan import StagePlan
from modelyard.engines.local.sandbox import confine

READY, FAILED = b"R", b"E"
START_FAILED_CODE = 125


def main(descriptor: int) -> None:
    """Become the command; returns never."""
    supervisor = socket.socket(fileno=descriptor)
    supervisor.set_inheritable(False)
    try:
        supervisor.sendall(READY)
        plan = _receive(supervisor)
        if plan is None:  # the supervisor is gone
            os._exit(START_FAILED_CODE)
        _apply(plan)
        os.execvpe(plan["argv"][0], plan["argv"], plan["environment"])  # noqa: S606 - a list, no shell
    except OSError as error:
        supervisor.sendall(FAILED + f"{error.strerror or error}".encode())
    os._exit(START_FAILED_CODE)


def _apply(plan: StagePlan) -> None:
    if os.getpid() != os.getsid(0):
        os.setsid()  # the command leads its own process group
    os.umask(0o022)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and an ignored signal stays so
        signal.signal(number, signal.SIG_DFL)
    if plan["is_confined"]:
        if not plan["has_network"]:
            confine.leave_network()
        if plan["landlock"] is None:
            confine.drop_privileges(None)
        else:
            confine.drop_privileges(plan["own_user"])
            confine.restrict_files(*plan["landlock"], has_network=plan["has_network"])
    confine.filter_calls(has_network=plan["has_network"], has_loopback=plan["has_loopback"])
    os.chdir(plan["work_directory"])
    for name, value in plan["rlimits"].items():
        _lower(getattr(resource, f"RLIMIT_{name}"), value)


def _lower(kind: int, value: int) -> None:
    """Set a limit, unless a lower one is in force: raising needs a right that we may lack."""
    _, hard = resource.getrlimit(kind)
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (ceiling, ceiling))


def _receive(supervisor: socket.socket) -> StagePlan | None:
    """The plan: its length in eight bytes, then JSON."""
    header = supervisor.recv(8, socket.MSG_WAITALL)
    content = supervisor.recv(int.from_bytes(header, "big"), socket.MSG_WAITALL) if len(header) == 8 else b""  # noqa: PLR2004
    plan: StagePlan | None = json.loads(content) if content else None
    return plan
