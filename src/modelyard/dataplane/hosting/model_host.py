"""A process that serves many models: takes orders, makes room, reports, and finishes what it holds at its end."""

import asyncio
import contextlib
import ctypes
import gc
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import msgspec
import uvloop

from modelyard.dataplane.hosting.channels import SharedConnection
from modelyard.dataplane.hosting.hosted import HostedModel
from modelyard.dataplane.hosting.layout import CONTROL, MODELS
from modelyard.dataplane.hosting.orders import Done, Load, Order, Refused, Reply, order_decoder
from modelyard.dataplane.hosting.report import HostReport, write_report
from modelyard.dataplane.hosting.signs import HostSigns
from modelyard.dataplane.model_server import stop_event
from modelyard.dataplane.served_model import ServedModel, listen
from modelyard.dataplane.vitals import BEAT_SECONDS
from modelyard.errors import ModelyardError
from modelyard.kit.files import inside
from modelyard.kit.host import resident_bytes

EXIT_OUTGROWN = 5
_LEAST_GROWTH_BYTES = 32 << 20  # of a model that is blamed; less is what any batch may take
_OTHER_PROJECT = "this host serves models of another project"


class ModelHost:
    """The models of one host. Everything but loading runs on the event loop's thread.

    Args:
        folder: of the host.
        bundles: copies of bundles; orders name places in it.
        memory_bytes: beyond it, models that were not asked for longest are parked.
        hang_seconds: a batch that takes longer than this, and than its callers wait, ends the process with SIGALRM.
    """

    def __init__(self, folder: Path, bundles: Path, memory_bytes: int, hang_seconds: float) -> None:
        self._folder = folder
        self._bundles = bundles
        self._memory_bytes = memory_bytes
        self._signs = HostSigns(folder, hang_seconds)
        self._models: dict[str, HostedModel] = {}
        self._numbers = count(1)
        self._project = ""
        self._loader = ThreadPoolExecutor(1, "loader")  # one after another: answering goes on beside it
        self._leaving: set[asyncio.Task[None]] = set()
        self._busy_share = 0.0

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then finish what was received."""
        uvloop.run(self._run())

    async def _run(self) -> None:
        stop = stop_event()
        (self._folder / CONTROL).unlink(missing_ok=True)
        models = await listen(str(self._folder / MODELS), lambda: SharedConnection(self._served))
        control = await asyncio.start_unix_server(self._converse, str(self._folder / CONTROL))
        beating = asyncio.create_task(self._beat())
        gc.collect()
        gc.freeze()
        sys.stdout.write(f"model host ready in {self._folder}\n")
        sys.stdout.flush()
        await stop.wait()
        control.close()
        models.close()
        await asyncio.gather(*(self._leave(place) for place in list(self._models)), *self._leaving)
        beating.cancel()
        self._loader.shutdown(cancel_futures=True)

    def _served(self, place: str) -> ServedModel | None:
        model = self._models.get(place)
        return None if model is None else model.served

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if line := await reader.readline():
                writer.write(msgspec.json.encode(await self._obey(line)) + b"\n")
                await writer.drain()
        writer.close()

    async def _obey(self, line: bytes) -> Reply:
        try:
            order = order_decoder.decode(line)
            await self._carry_out(order)
        except ModelyardError as error:
            return Refused(error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - whatever a framework raises on a file is the reason to report
            return Refused(f"{type(error).__name__}: {error}")
        finally:
            self._report()
        return Done()

    async def _carry_out(self, order: Order) -> None:
        if isinstance(order, Load):
            await self._take(order)
        elif order.place in self._models:
            leaving = asyncio.create_task(self._leave(order.place))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _take(self, order: Load) -> None:
        if order.place in self._models:
            return
        if self._project not in ("", order.project):
            raise PermissionError(_OTHER_PROJECT)
        self._project = order.project
        bundle, address = inside(self._bundles, order.place), str(self._folder / order.place)
        model = HostedModel(bundle, address, next(self._numbers), order.title, self._signs, self._make_room_and_report)
        self._models[order.place] = model
        self._report()  # before it is loaded: should that end the process, the report tells whose number it was
        try:
            await asyncio.get_running_loop().run_in_executor(self._loader, model.load)
            assert model.served is not None  # noqa: S101 - it is loaded
            await model.served.listen(model.address)
        except BaseException:
            del self._models[order.place]
            raise
        gc.freeze()  # it lives long: keep the collector from walking it again and again
        self._make_room()

    async def _leave(self, place: str) -> None:
        """Finish what a model holds and forget it."""
        model = self._models[place]
        if model.served is None or model.served.is_draining:
            return
        await model.served.drain(model.address)
        model.park()
        self._models.pop(place, None)
        _give_back_memory()
        self._report()

    def _make_room(self) -> None:
        """Park the models that were not asked for longest, until the process is within its memory.

        The one that was asked for last stays: it would be loaded again at once.
        """
        loaded = sorted((m for m in self._models.values() if m.is_loaded), key=lambda model: model.last_used_at)
        for model in loaded[:-1]:
            if resident_bytes() <= self._memory_bytes:
                return
            model.park()
            _give_back_memory()

    def _end_if_outgrown(self) -> None:
        """End the process if it is over its memory with a single model loaded, by what one model's batches took.

        What they took stays in the arena that all share: the host would park everybody again and again. The model is
        named as the one at work; control brings the others back elsewhere.
        """
        if len(self._models) == 1 or resident_bytes() <= self._memory_bytes:
            return
        largest = max(self._models.values(), key=lambda model: model.grown_bytes, default=None)
        if largest is None or largest.grown_bytes < max(_LEAST_GROWTH_BYTES, self._memory_bytes // 2):
            return
        self._report()
        self._signs.blame(largest.number)
        sys.stderr.write(
            f"host: {largest.title} made it grow by {largest.grown_bytes >> 20} MiB while it answered; "
            f"all models together may have {self._memory_bytes >> 20} MiB\n"
        )
        sys.stderr.flush()
        os._exit(EXIT_OUTGROWN)

    def _make_room_and_report(self) -> None:
        self._make_room()
        self._report()

    async def _beat(self) -> None:
        """Renew the promise to be heard of, again and again."""
        beaten_at, busy_before = time.monotonic(), time.thread_time()  # starting was work, too, but is over
        while True:
            self._signs.promise(BEAT_SECONDS)
            self._make_room_and_report()
            self._end_if_outgrown()
            await asyncio.sleep(BEAT_SECONDS)
            now, busy = time.monotonic(), time.thread_time()  # of this thread alone: loading is not answering
            self._busy_share = (busy - busy_before) / (now - beaten_at)
            beaten_at, busy_before = now, busy

    def _report(self) -> None:
        report = HostReport(
            alive_until=self._signs.alive_until,
            project=self._project,
            resident_bytes=resident_bytes(),
            busy_share=round(self._busy_share, 3),
            models={place: model.report() for place, model in self._models.items()},
        )
        write_report(self._folder, report)


def _give_back_memory() -> None:
    """What was freed goes back to the system, where the C library can do that."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
