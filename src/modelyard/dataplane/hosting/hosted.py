"""One model of a host: loaded, parked to make room, loaded again by its next request."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from modelyard.dataplane.hosting.report import HostedReport, ModelState
from modelyard.dataplane.hosting.signs import HostSigns
from modelyard.dataplane.served_model import ServedModel
from modelyard.kit.host import resident_bytes
from modelyard.runtimes.base import ArtifactInvalidError, Predictor, Tensor, Tensors
from modelyard.runtimes.bundle import nan_free_of, served_file
from modelyard.runtimes.formats.onnx import OnnxRuntime
from modelyard.types.models import ArtifactFormat

_QUICK_SECONDS = 200e-6  # in which a batch touches some megabytes of new memory at most
_WEIGHED_EVERY = 16
"""Quick batches of a model are weighed seldom: it takes up to 10 us, a linear model 9."""


class HostedModel(Predictor):
    """A predictor that can be parked, and what the host reports of it.

    Args:
        bundle: folder of the model.
        address: of its socket.
        number: of the model in the host's marker.
        title: what it is, for people.
        signs: of the host.
        on_change: called on the event loop's thread when what is reported of it became another without an order.

    Attributes:
        grown_bytes: by how much its batches made the process larger than it had ever been.
    """

    def __init__(
        self, bundle: Path, address: str, number: int, title: str, signs: HostSigns, on_change: Callable[[], None]
    ) -> None:
        self.number = number
        self.address = address
        self.served: ServedModel | None = None
        self.last_used_at = time.monotonic()
        self.grown_bytes = 0
        self.title = title
        self._bundle = bundle
        self._signs = signs
        self._on_change = on_change
        self._predictor: Predictor | None = None
        self._resident_bytes = self._batches = self._loads = 0
        self._busy_seconds = 0.0
        self._nan_output = ""
        self._began_at = 0.0
        self._is_quick = False

    @property
    def is_loaded(self) -> bool:
        """Whether it takes memory."""
        return self._predictor is not None

    def load(self) -> None:
        """Make it ready to answer; in any thread.

        Raises:
            ArtifactInvalidError: the bundle is damaged or of a kind that needs a process of its own.
        """
        self._signs.begin_load(self.number)
        try:
            manifest, artifact, kind = served_file(self._bundle)
            if kind is not ArtifactFormat.ONNX:
                raise ArtifactInvalidError(
                    f"a model host serves ONNX, not '{kind}'", hint="Serve it in a process of its own."
                )
            before = resident_bytes()
            self._predictor = OnnxRuntime(has_shared_arena=True).load(artifact, manifest.signature, threads=1)
            self._resident_bytes = max(0, resident_bytes() - before)
            if self.served is None:
                self.served = ServedModel(
                    manifest.signature,
                    self,
                    is_pure=manifest.is_pure,
                    nan_free=nan_free_of(self._bundle),
                    signs=self,
                )
        finally:
            self._signs.end_load()
            self._signs.growth()  # not of a batch
        self._loads += 1
        self.last_used_at = time.monotonic()

    def park(self) -> None:
        """Give the memory back; the socket stays."""
        self._predictor = None
        self._resident_bytes = 0

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """See Predictor."""
        if self._predictor is None:
            self.load()
            self._on_change()
        assert self._predictor is not None  # noqa: S101 - load has set it or raised
        return self._predictor.predict(inputs)

    def begin_batch(self, patience_seconds: float) -> None:
        """See BatchSigns."""
        if not self._is_quick and self._signs.weigh_before is not None:
            self._signs.weigh_before()
        self._began_at = time.monotonic()
        if self._signs.begin_batch(self.number, patience_seconds):
            self._on_change()  # now: the loop has no turn before the batch is over

    def end_batch(self) -> None:
        """See BatchSigns."""
        self._signs.end_batch()
        self.last_used_at = now = time.monotonic()
        if self._began_at:
            seconds = now - self._began_at
            self._busy_seconds += seconds
            self._batches += 1
            self._is_quick = seconds <= _QUICK_SECONDS
            if self._is_quick and self._batches % _WEIGHED_EVERY:
                self._signs.weigh_before = self._weigh
            else:
                self._weigh()
            self._began_at = 0.0

    def _weigh(self) -> None:
        self.grown_bytes += self._signs.growth()
        self._signs.weigh_before = None

    def note_nan(self, output: str) -> None:
        """See BatchSigns."""
        if not self._nan_output:
            self._nan_output = output
            self._on_change()

    def report(self) -> HostedReport:
        """What the host says of it."""
        is_new = self.served is None
        return HostedReport(
            number=self.number,
            state=ModelState.LOADING if is_new else ModelState.SERVED if self.is_loaded else ModelState.PARKED,
            title=self.title,
            resident_bytes=self._resident_bytes,
            batches=self._batches,
            loads=self._loads,
            busy_seconds=round(self._busy_seconds, 3),
            nan_output=self._nan_output,
        )
