"""One soak run: gateway, workers, callers, disturber, and the verdict."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modelyard.dataplane.gateway.config import Limits
from modelyard.testing.serving import Serving
from modelyard.testing.soak.callers import Callers
from modelyard.testing.soak.disturber import Disturber
from modelyard.testing.soak.ledger import Ledger
from modelyard.testing.soak.vitals import Vitals, look_at

Say = Callable[[str], None]

_SAY_EVERY_SECONDS = 30.0
_WARM_UP_SECONDS = 2.0
_SETTLE_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """What a run has shown. It held if `faults` is empty."""

    ledger: Ledger
    vitals: Vitals
    seconds: float
    descriptors_before: int
    descriptors_after: int

    @property
    def faults(self) -> list[str]:
        """Broken promises, in words."""
        found = [*self.ledger.faults, *self.vitals.problems()]
        before, after = self.descriptors_before, self.descriptors_after
        if after > before:
            found.append(f"the idle gateway had {before} file descriptors before, and {after} after")
        missing = self.ledger.unaccounted
        if missing or not self.ledger.counts["answers checked"]:
            found.append(f"{missing} requests are unaccounted for: {dict(self.ledger.counts)}")
        return found


def soak(folder: Path, *, seconds: float, connections: int, seed: int, say: Say) -> Outcome:
    """Load and disturb a gateway for so long."""
    ledger = Ledger()
    with Serving(folder, Limits(hold_seconds=0.5)) as serving:
        gateway = serving.start_gateway()
        disturber = Disturber(serving, ledger, seed)
        # Buffers and caches that stay are taken before the first look.
        asyncio.run(_call(Callers(serving.port, ledger, seed + 1), connections, _WARM_UP_SECONDS, lambda: None))
        before = _settled(gateway.pid, None)
        vitals = Vitals({"gateway": gateway.pid, "worker": disturber.steady.process.pid})
        callers = Callers(serving.port, ledger, seed)
        started = time.monotonic()
        vitals.start()
        disturber.start()
        try:
            asyncio.run(_call(callers, connections, seconds, lambda: say(_progress(ledger, vitals, started))))
        finally:
            disturber.stop()
            vitals.stop()
        elapsed = time.monotonic() - started
        after = _settled(gateway.pid, before)
        if gateway.poll() is not None:
            ledger.fault(f"the gateway ended with {gateway.returncode}")
        ledger.faults.extend(_complaints(serving))
    return Outcome(ledger, vitals, elapsed, before, after)


async def _call(callers: Callers, connections: int, seconds: float, report: Callable[[], None]) -> None:
    task = asyncio.create_task(callers.run(connections))
    deadline = time.monotonic() + seconds
    while not task.done() and (left := deadline - time.monotonic()) > 0:
        await asyncio.wait([task], timeout=min(left, _SAY_EVERY_SECONDS))
        report()
    callers.stop()
    await task


def _settled(pid: int, wanted: int | None) -> int:
    """File descriptors of a gateway that nobody calls; given a little time to close what was left."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    lowest = look_at(pid).descriptors
    while time.monotonic() < deadline and (wanted is None or lowest > wanted):
        time.sleep(0.1)
        seen = look_at(pid).descriptors
        if wanted is None and seen == lowest:
            return seen
        lowest = min(lowest, seen)
    return lowest


def _complaints(serving: Serving) -> list[str]:
    """Exceptions in the gateway's log: it must have met none that it did not expect."""
    output = serving.output("gateway")
    return [f"the gateway's log has a traceback: {output[-2000:]}"] if "Traceback" in output else []


def _progress(ledger: Ledger, vitals: Vitals, started: float) -> str:
    latest = ", ".join(f"{n} {r[-1].rss_mb:.1f} MB {r[-1].descriptors} fds" for n, r in vitals.readings.items() if r)
    answers, refused = ledger.counts["answers checked"], ledger.refusals.total()
    return f"{time.monotonic() - started:4.0f} s: {answers} answers checked, {refused} refused; {latest}"
