"""Start of a supervisor: detach, lock, give the process its record, supervise. Standard library only.

The lock is taken before the folder gets its final name, so that a record never exists without the lock of a living
supervisor, and a supervisor never goes on without a record.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from modelyard.engines.local import layout
from modelyard.engines.local.plan import Plan

STARTED, ALREADY_THERE, FAILED = 0, 3, 4


def main() -> None:
    """Supervise a process of this machine."""
    launch(_supervise)


def launch(supervise: Callable[[Any], None]) -> NoReturn:
    """Exit with STARTED once the process has its record, while a detached child goes on to supervise it.

    The only argument of the command line is the new folder; `supervise` gets its plan, and imports what it needs only
    then: the caller need not wait for that.
    """
    folder = sys.argv[1]
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        answer = os.read(reading, 1)
        os._exit(answer[0] if answer else FAILED)
    os.close(reading)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    with open(os.path.join(folder, layout.PLAN), encoding="utf-8") as file:
        plan = json.load(file)
    outcome = _take_record(folder, plan["folder"])
    os.write(writing, bytes([outcome]))
    os.close(writing)
    if outcome == STARTED:
        os.chdir(plan["folder"])
        try:
            supervise(plan)
        except BaseException as error:  # noqa: BLE001 - whatever it was, the process must end and the end have an account
            _give_up(error)
    os._exit(0)


def _supervise(plan: Plan) -> None:
    from modelyard.engines.local.shim.supervisor import Supervisor  # noqa: PLC0415

    Supervisor(plan).run()


def _give_up(error: BaseException) -> None:
    """End everything and say that the supervisor itself failed."""
    from modelyard.engines.local import tree  # noqa: PLC0415
    from modelyard.engines.local.shim.files import write_json  # noqa: PLC0415

    tree.kill_descendants(os.getpid())
    write_json(layout.END, {"cause": "LOST", "message": f"Its supervisor failed: {type(error).__name__}: {error}."})


def _take_record(folder: str, target: str) -> int:
    """Lock the folder and give it the record's name; STARTED if both succeeded."""
    if layout.take_lock(os.path.join(folder, layout.LOCK)) is None:
        return FAILED
    try:
        os.rename(folder, target)
    except OSError:
        return ALREADY_THERE if os.path.exists(os.path.join(target, layout.SPEC)) else FAILED
    return STARTED
