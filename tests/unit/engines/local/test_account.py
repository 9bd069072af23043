"""The account of an end, from what waitpid and the watch say."""

import signal

import pytest

from modelyard.engines.local.shim.account import account

DEFAULTS = {
    "verdict": None,
    "broken": None,
    "is_wrapped": False,
    "log_tail": "",
    "has_machine_oom": False,
    "memory_limit": None,
}


@pytest.mark.parametrize(
    ("status", "changes", "cause", "words"),
    [
        (0, {}, "EXIT", "normally"),
        (3 << 8, {}, "EXIT", "exit code 3"),
        (int(signal.SIGSEGV), {}, "SIGNAL", "SIGSEGV"),
        (139 << 8, {"is_wrapped": True}, "SIGNAL", "SIGSEGV"),
        (139 << 8, {}, "EXIT", "139"),
        (9, {"has_machine_oom": True}, "OUT_OF_MEMORY", "machine"),
        (9, {"broken": ("OUT_OF_MEMORY", "it needed more")}, "OUT_OF_MEMORY", "It needed more."),
        (0, {"broken": ("DISK_LIMIT", "it wrote")}, "EXIT", "normally"),
        (1 << 8, {"log_tail": "...\nMemoryError\n", "memory_limit": "2 GiB"}, "OUT_OF_MEMORY", "2 GiB"),
        (1 << 8, {"log_tail": "MemoryError handled\n1\n2\n3\n"}, "EXIT", "exit code 1"),
        (143 << 8, {"is_wrapped": True, "verdict": ("STOPPED", "it was stopped")}, "STOPPED", "It was stopped."),
        (125 << 8, {"verdict": ("START_FAILED", "no"), "log_tail": "a\nwhy\n"}, "START_FAILED", "No (why)."),
    ],
)
def test_cause_and_sentence(status, changes, cause, words):
    end = account(status, **{**DEFAULTS, **changes})
    assert end["cause"] == cause
    assert words in end["message"]
    assert end["exit_code"] is None or end["signal"] is None


def test_a_failed_start_has_neither_exit_code_nor_signal():
    end = account(125 << 8, **{**DEFAULTS, "verdict": ("START_FAILED", "no")})
    assert (end["exit_code"], end["signal"]) == (None, None)
