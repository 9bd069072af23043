"""A window sketch as a file, for detectors in a process of their own. Its size does not depend on the traffic."""

import msgspec

from modelyard.drift.reference import ReferenceInvalidError, ReferenceSketch, WindowSketch
from modelyard.drift.samples import pack, unpack
from modelyard.drift.sketches import CategorySketch, NumberSketch


class _WindowFile(msgspec.Struct, kw_only=True):
    rows: int
    repeated: float
    numbers: dict[str, NumberSketch]
    categories: dict[str, CategorySketch]
    sample: dict[str, str]


def write_window(window: WindowSketch) -> bytes:
    """The window as JSON; row hashes stay behind, the share of repeated rows goes along."""
    return msgspec.json.encode(
        _WindowFile(
            rows=window.rows,
            repeated=window.repeats.share,
            numbers={name: each for name, each in window.columns.items() if isinstance(each, NumberSketch)},
            categories={name: each for name, each in window.columns.items() if isinstance(each, CategorySketch)},
            sample=pack(window.sample.columns),
        )
    )


def read_window(reference: ReferenceSketch, content: bytes) -> WindowSketch:
    """The window that `write_window` wrote, over the same reference.

    Raises:
        ReferenceInvalidError: it cannot be read.
    """
    try:
        file = msgspec.json.decode(content, type=_WindowFile)
    except msgspec.DecodeError as error:
        raise ReferenceInvalidError(f"The window cannot be read: {error}", hint="Run the check again.") from error
    window = WindowSketch(reference)
    window.rows = file.rows
    window.columns = {**file.numbers, **file.categories}
    window.sample.columns = unpack(file.sample, window.columns)
    return window
