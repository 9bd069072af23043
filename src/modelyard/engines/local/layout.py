"""Names of the files in a process's folder, shared by the engine and the supervisor. Standard library only."""

import fcntl
import os
import struct

SPEC = "spec.json"  # the record: what was asked for
PLAN = "plan.json"  # what the supervisor does
LOCK = "lock"  # locked by the supervisor from before the record exists until it is gone
DOORBELL = "doorbell"  # FIFO: one byte makes the supervisor look at STOP
RUNNING = "running.json"  # the command was executed
STOP = "stop.json"  # somebody asked for the end
END = "end.json"  # the account of the end, written once
USAGE = "usage.json"  # what it has used so far, renewed every few seconds
PROFILE = "profile.jsonl"  # what it used, a line for each look
LOG = "log"  # folder of output segments, each named by its first byte's offset
TEMPORARY = "tmp"  # folder: the private /tmp
SHIM_LOG = "supervisor.log"
NEW_PREFIX = ".new-"
REMOVED_PREFIX = ".removed-"

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid


def take_lock(path: str) -> int | None:
    """Lock `path` for this process's life; the descriptor, or None if another process has it.

    A record lock (fcntl), not flock: it is not inherited by children, so that it is free exactly when the supervisor
    is gone, and the kernel tells who holds it without anyone taking it for a moment.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def lock_holder(path: str) -> int | None:
    """Pid of the process that holds the lock on `path` now, or None.

    Raises:
        FileNotFoundError: no such file.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, query))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(pid)
