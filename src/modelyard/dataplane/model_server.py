"""One model in a process of its own: serves until it is told to end."""

import asyncio
import gc
import signal
import sys

import uvloop

from modelyard.dataplane.served_model import ServedModel
from modelyard.dataplane.vitals import BEAT_SECONDS, HANG_SECONDS, LifeSigns
from modelyard.runtimes.base import Predictor
from modelyard.types.signatures import Signature


class ModelServer:
    """Serves one predictor on one address.

    Args:
        signature: of the model.
        predictor: the model.
        is_pure: whether a batch may be sent twice.
        nan_free: float outputs that hold no NaN in any golden answer: one in them now is noted.
        hang_seconds: a batch that takes longer than this, and than its callers wait, ends the process with SIGALRM.
    """

    def __init__(
        self,
        signature: Signature,
        predictor: Predictor,
        *,
        is_pure: bool,
        nan_free: frozenset[str] = frozenset(),
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._model = ServedModel(signature, predictor, is_pure=is_pure, nan_free=nan_free)
        self._hang_seconds = hang_seconds

    def run(self, address: str, door: str = "") -> None:
        """Serve until SIGTERM or SIGINT, then finish what was received.

        Args:
            address: where it listens.
            door: Unix socket at which further connections are handed to it; see kit.handover.

        Raises:
            OSError: the address or the door cannot be bound.
        """
        self._model.signs = signs = LifeSigns(address, self._hang_seconds)
        uvloop.run(self._run(address, door, signs))
        signs.close()

    async def _run(self, address: str, door: str, signs: LifeSigns) -> None:
        stop = stop_event()
        beating = asyncio.get_running_loop().create_task(_beat(signs))
        await self._model.listen(address)
        if door:
            self._model.take_handed_over(door)
        # Everything up to here lives as long as the process: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        sys.stdout.write(f"worker ready on {address}\n")
        sys.stdout.flush()
        await stop.wait()
        await self._model.drain(address)
        beating.cancel()


def stop_event() -> asyncio.Event:
    """Set when the process is told to end."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _beat(signs: LifeSigns) -> None:
    while True:
        signs.beat()
        await asyncio.sleep(BEAT_SECONDS)
