"""Kills, drains and replaces workers by chance, from one seed, while the gateway serves."""

import random
import threading
import time

from modelyard.testing.echo_model import start_echo
from modelyard.testing.serving import Serving, WorkerProcess, endpoint, variant
from modelyard.testing.soak.ledger import Ledger
from modelyard.testing.soak.questions import ENDPOINT
from modelyard.types.routing import RouteVariant

_LONGEST_PAUSE_SECONDS = 2.0
_CAPTURE_SHARE = 0.05


class Disturber:
    """A thread. Version 1 serves between two disturbances; one of its workers is never killed.

    Attributes:
        steady: that worker, whose memory can be watched.
    """

    def __init__(self, serving: Serving, ledger: Ledger, seed: int) -> None:
        self._serving = serving
        self._ledger = ledger
        self._chance = random.Random(seed)  # noqa: S311
        self._started = 0
        self._newest = 1
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._actions = {self._kill: 5, self._drain: 3, self._reload: 3, self._split: 2, self._black_out: 1}
        self.steady = self._start(1)
        self._worker = self._start(1)
        self._publish(self._main())

    def start(self) -> None:
        """Begin to disturb."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the disturbance under way."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._end.wait(self._chance.uniform(0, _LONGEST_PAUSE_SECONDS)):
                action = self._chance.choices(list(self._actions), list(self._actions.values()))[0]
                action()
                self._ledger.counts[f"disturbances: {action.__name__.strip('_')}"] += 1
        except Exception as error:  # noqa: BLE001 - the run must tell, whatever it was
            self._ledger.fault(f"the disturber failed: {type(error).__name__}: {error}")

    def _kill(self) -> None:
        """A worker dies with what it holds; another takes its place."""
        self._worker.kill()
        self._worker = self._start(1)
        self._publish(self._main())

    def _drain(self) -> None:
        """A worker is told to end once another is there."""
        old, self._worker = self._worker, self._start(1)
        self._publish(self._main())
        self._end_orderly(old)

    def _reload(self) -> None:
        """Another version takes all the traffic, then the first has it back."""
        worker, newer = self._start_newer()
        self._publish(newer)
        self._end.wait(self._chance.uniform(0, _LONGEST_PAUSE_SECONDS))
        self._publish(self._main())
        self._end_orderly(worker)

    def _split(self) -> None:
        """Two versions share the traffic for a while."""
        worker, newer = self._start_newer()
        self._publish(self._main(), newer)
        self._end.wait(self._chance.uniform(0, _LONGEST_PAUSE_SECONDS))
        self._publish(self._main())
        self._end_orderly(worker)

    def _black_out(self) -> None:
        """For a moment there is no worker at all."""
        self._publish(variant(self._worker, model=ENDPOINT, number=1))
        self._worker.kill()
        time.sleep(self._chance.uniform(0, _LONGEST_PAUSE_SECONDS))
        self._worker = self._start(1)
        self._publish(self._main())

    def _start_newer(self) -> tuple[WorkerProcess, RouteVariant]:
        self._newest += 1
        worker = self._start(self._newest)
        return worker, variant(worker, name="newer", model=ENDPOINT, number=self._newest)

    def _main(self) -> RouteVariant:
        return variant(self.steady, self._worker, model=ENDPOINT, number=1)

    def _publish(self, *variants: RouteVariant) -> None:
        self._serving.publish(endpoint(ENDPOINT, *variants, capture_share=_CAPTURE_SHARE))

    def _start(self, version: int) -> WorkerProcess:
        self._started += 1
        return start_echo(self._serving, f"worker-{self._started}", version)

    def _end_orderly(self, worker: WorkerProcess) -> None:
        code = worker.terminate()
        if code != 0:
            self._ledger.fault(f"{worker.name} ended with {code} when it was told to end")
