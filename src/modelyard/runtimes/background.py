"""`background.json` of a bundle: some rows like the training data, against which answers are explained."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from modelyard.kit.files import write_atomic
from modelyard.runtimes.base import ArtifactInvalidError, Tensor, Tensors
from modelyard.runtimes.tensors import from_json, to_json
from modelyard.types.tensors import BackgroundRows

BACKGROUND = "background.json"
ROWS = 64
"""More rows make explanations a little steadier and proportionally slower."""

_MOST_BYTES = 1 << 20
_LEAST_ROWS = 8


def write_background(folder: Path, inputs: Mapping[str, Tensor]) -> None:
    """Write ROWS rows spread evenly over `inputs`, or fewer large ones; nothing where even a few would be too large."""
    rows = min(len(tensor) for tensor in inputs.values())
    wanted = min(rows, ROWS)
    while wanted >= min(rows, _LEAST_ROWS) and wanted > 0:
        chosen = np.linspace(0, rows - 1, wanted).round().astype(np.intp)
        content = BackgroundRows(inputs=tuple(to_json(name, tensor[chosen]) for name, tensor in inputs.items()))
        encoded = msgspec.json.encode(content, order="deterministic")
        if len(encoded) <= _MOST_BYTES:
            write_atomic(folder / BACKGROUND, encoded)
            return
        wanted //= 2


def read_background(folder: Path) -> Tensors | None:
    """The rows, if the bundle has any.

    Raises:
        ArtifactInvalidError: the file is damaged.
    """
    path = folder / BACKGROUND
    if not path.is_file():
        return None
    try:
        content = msgspec.json.decode(path.read_bytes(), type=BackgroundRows)
    except msgspec.DecodeError as error:
        raise ArtifactInvalidError(f"'{BACKGROUND}' is damaged: {error}", hint="Make the bundle again.") from error
    return {tensor.name: from_json(tensor) for tensor in content.inputs}
