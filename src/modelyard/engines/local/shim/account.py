"""Puts the end of a process into words. Standard library only."""

import os
import signal
from typing import Any

_OUT_OF_MEMORY_WORDS = ("MemoryError", "std::bad_alloc", "Cannot allocate memory", "ArrayMemoryError")
_SHELL_SIGNAL_BASE = 128
_LAST_SIGNAL = 64


def account(
    status: int,
    *,
    verdict: tuple[str, str] | None,
    broken: tuple[str, str] | None,
    is_wrapped: bool,
    log_tail: str,
    has_machine_oom: bool,
    memory_limit: str | None,
) -> dict[str, Any]:
    """The fields of `types.processes.ProcessEnd`, as JSON.

    Args:
        status: of waitpid.
        verdict: cause and sentence if the supervisor brought the end about.
        broken: a limit found broken after the end.
        is_wrapped: bubblewrap passes a signal on as exit code 128 + signal, as shells do.
        log_tail: the end of the output.
        has_machine_oom: the machine ran out of memory while the process ran.
        memory_limit: its limit in words.
    """
    code, number = _decode(status, is_wrapped=is_wrapped)
    cause, message = verdict or _cause(code, number, broken, log_tail, has_machine_oom, memory_limit)
    if verdict is not None and cause == "START_FAILED":
        code, number = None, None
        if log_tail.strip():
            message += f" ({log_tail.strip().splitlines()[-1]})"
    return {
        "cause": cause,
        "message": message[:1].upper() + message[1:] + ".",
        "exit_code": code,
        "signal": number,
        "log_tail": log_tail,
    }


def _cause(
    code: int | None,
    number: int | None,
    broken: tuple[str, str] | None,
    log_tail: str,
    has_machine_oom: bool,
    memory_limit: str | None,
) -> tuple[str, str]:
    """Cause and sentence of an end that came by itself."""
    if code == 0:
        return "EXIT", "it ended normally"
    if broken is not None:
        return broken
    if number == signal.SIGKILL and has_machine_oom:
        return "OUT_OF_MEMORY", "the machine ran out of memory and the kernel ended it"
    last_lines = "\n".join(log_tail.rstrip().splitlines()[-3:])
    if any(word in last_lines for word in _OUT_OF_MEMORY_WORDS):
        limit = f", its limit is {memory_limit}" if memory_limit else ""
        return "OUT_OF_MEMORY", f"it asked for more memory than it could get{limit}"
    if number is not None:
        return "SIGNAL", f"it was ended by signal {number} ({_signal_name(number)})"
    return "EXIT", f"it ended with exit code {code}"


def _decode(status: int, *, is_wrapped: bool) -> tuple[int | None, int | None]:
    """Exit code and signal; one of them is None."""
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    code = os.WEXITSTATUS(status)
    if is_wrapped and _SHELL_SIGNAL_BASE < code <= _SHELL_SIGNAL_BASE + _LAST_SIGNAL:
        return None, code - _SHELL_SIGNAL_BASE
    return code, None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
