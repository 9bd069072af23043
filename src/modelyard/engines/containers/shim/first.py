"""The first process of a container that runs this machine's own programs. Standard library only.

The kernel spares the first process of a pid namespace the signals that it does not handle, and gives it orphans to
collect. A command written for neither runs as its child, in a process group of its own.
"""

import os
import signal

FAILED_CODE = 125
_SIGNAL_BASE = 128


def main(mark: str, command: list[str]) -> None:
    """Run the command, pass SIGTERM on to its group, end as it ended; returns never.

    Args:
        mark: begins the line that says why the command could not be executed.
        command: program and arguments.
    """
    os.dup2(1, 2)  # one stream, so that what it says stays in order
    failure, failure_end = os.pipe2(os.O_CLOEXEC)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is somebody to pass it on to
    child = os.fork()
    if child == 0:
        _become(command, failure_end)
    os.close(failure_end)
    signal.signal(signal.SIGTERM, lambda number, _: _signal_group(child, number))
    reason = os.read(failure, 4096)
    if reason:
        os.write(1, f"{mark} '{command[0]}' could not be executed: {reason.decode()}\n".encode())
        os._exit(FAILED_CODE)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else _SIGNAL_BASE - code)


def _become(command: list[str], failure_end: int) -> None:
    try:
        os.setsid()
        os.umask(0o022)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and an ignored signal stays so
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.execvp(command[0], command)  # noqa: S606 - a list, no shell
    except OSError as error:
        os.write(failure_end, (error.strerror or str(error)).encode())
    finally:
        os._exit(FAILED_CODE)


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return
