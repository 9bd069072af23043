"""What sketches and checks cost, on one core."""

import time
from collections.abc import Iterable

import numpy as np
from benchmarks.drift_parts.tables import COLUMNS, reference_of, signature_of

from modelyard.drift.base import DetectionSettings
from modelyard.drift.check import ColumnDetector
from modelyard.drift.reference import WindowSketch, build_reference

ROWS, BATCH, WIDE = 1_000_000, 10_000, 1_000


def cost() -> Iterable[str]:
    """Lines of measurements, the target behind each."""
    random = np.random.default_rng(0)
    values = random.standard_normal((ROWS, COLUMNS), dtype=np.float32)
    reference, seconds = timed(lambda: reference_of(values))
    yield f"reference sketch of {ROWS:,} rows x {COLUMNS} columns: {seconds:.2f} cpu s (under 5)"
    yield f"size of the sketch: {len(reference.to_json()) / COLUMNS:,.0f} bytes a column (under 5,000)"
    window, seconds = timed(lambda: _window(reference, values))
    yield f"window sketch of the same rows in batches of {BATCH:,}: {seconds:.2f} cpu s (under 5)"
    _, seconds = timed(lambda: ColumnDetector().detect(reference, window, DetectionSettings()))
    yield f"check of that window: {seconds:.3f} cpu s"
    for rows in (1_000, 100_000):
        wide = random.standard_normal((rows, WIDE), dtype=np.float32)
        reference = build_reference(signature_of(WIDE), {"numeric": wide[:3_000]}, {})
        window = _window(reference, wide)
        _, seconds = timed(lambda r=reference, w=window: ColumnDetector().detect(r, w, DetectionSettings()))
        yield f"check of {WIDE:,} columns, window of {rows:,} rows: {seconds:.2f} cpu s (under 5)"


def timed(work):
    """What `work` returns and the processor seconds that it took."""
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def _window(reference, values: np.ndarray) -> WindowSketch:
    window = WindowSketch(reference)
    for start in range(0, len(values), BATCH):
        window.add({"numeric": values[start : start + BATCH]}, {})
    return window
