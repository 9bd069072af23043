"""What containers use is counted while they live, by their control group or by what the daemon says."""

from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import pytest

from modelyard.engines.containers import engine as engine_module
from modelyard.engines.containers.sockets import Daemon, look_at
from modelyard.testing.engine import MIB, EngineCase, until
from modelyard.types.processes import EndCause, ProcessEnd, Sidecar

pytestmark = pytest.mark.slow
HELD_BYTES = 48 * MIB
BUSY = f"import time; x = bytearray({HELD_BYTES})\nwhile time.process_time() < 20: pass"


def run_for_a_while(case: EngineCase) -> ProcessEnd:
    """A process that takes a core and 48 MiB; what it used is known before it ends."""
    process_id = case.start(case.python(BUSY))

    def used() -> bool:
        usage = case.engine.state(process_id).usage
        return usage is not None and usage.cpu_seconds > 1 and usage.memory_byte_seconds > HELD_BYTES // 2

    until(used)
    case.engine.stop(process_id, grace_seconds=0)
    return case.end(process_id)


def is_plausible(end: ProcessEnd) -> bool:
    assert end.cpu_seconds is not None
    assert end.memory_byte_seconds is not None
    return 1 < end.cpu_seconds < 15 and end.memory_byte_seconds > HELD_BYTES // 2


def test_a_container_is_metered_while_it_lives_and_in_all(case: EngineCase):
    end = run_for_a_while(case)
    assert end.cause is EndCause.STOPPED
    assert is_plausible(end), end


def test_where_there_is_no_group_above_it_the_daemon_says_what_it_used(case: EngineCase):
    def without_groups(*given: object) -> Daemon:
        look: Callable[..., Daemon] = look_at
        return replace(look(*given), has_plain_groups=False)

    with mock.patch.object(engine_module, "look_at", without_groups):
        end = run_for_a_while(case)
    assert is_plausible(end), end
    assert end.max_rss_bytes is None  # which only the group knows


def test_what_a_sidecar_uses_is_counted_with_its_process(case: EngineCase, busybox: str):
    works = Sidecar(image=busybox, command=("sh", "-c", "while :; do :; done"))
    process_id = case.start(replace(case.spec("sleep", "600"), sidecar=works))
    until(lambda: (usage := case.engine.state(process_id).usage) is not None and usage.cpu_seconds > 1)
    case.engine.remove(process_id)
