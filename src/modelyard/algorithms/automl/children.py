"""Work with a deadline: in a child process that can be ended at any line, and takes nobody with it when it crashes."""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

T = TypeVar("T")

_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """`value`, or why there is none: `is_overdue`, or `message`."""

    value: T | None = None
    is_overdue: bool = False
    message: str = ""


def run_in_child(work: Callable[[], T], seconds: float) -> Outcome[T]:
    """Run `work` in a fork of this process, for at most so many seconds. Its result comes back pickled.

    Not to be called once this process itself has used OpenMP (XGBoost): its threads do not survive a fork.
    """
    if seconds <= 0:
        return Outcome(is_overdue=True)
    forking = multiprocessing.get_context("fork")
    receiver, sender = forking.Pipe(duplex=False)
    child = forking.Process(target=_carry, args=(work, sender), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            return Outcome(is_overdue=True)
        found: Outcome[T] = receiver.recv()
    except EOFError:
        child.join()
        return Outcome(message=f"its process ended with {_how(child.exitcode)}")
    else:
        return found
    finally:
        child.kill()
        child.join()
        receiver.close()


def _carry(work: Callable[[], T], sender: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        outcome = Outcome(value=work())
    except Exception as error:  # noqa: BLE001 - one candidate that fails is no reason to end the search
        traceback.print_exc()
        outcome = Outcome(message=f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE])
    sender.send(outcome)
    sender.close()
    os._exit(0)  # no exit handlers: they are the parent's


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    return f"signal {-code} ({signal.Signals(-code).name})"
