"""Data and truth from the command line: files, JSON text, standard input."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.errors import InvalidInputError

if TYPE_CHECKING:
    from modelyard.sdk.inputs import EndpointDescription

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_RGB = 4


class DataUnreadableError(InvalidInputError):
    """A file or text that holds no data for a model."""

    code = "data_unreadable"


def read_data(given: Sequence[str], description: "EndpointDescription") -> Any:
    """What `client.predict` takes, from the arguments of `modelyard predict`.

    Raises:
        DataUnreadableError: a file is missing, damaged or of an unknown kind.
    """
    if all(Path(item).suffix.lower() in _IMAGES for item in given):
        return _images(given, description)
    if len(given) != 1:
        raise DataUnreadableError("only images may come as several files", hint="Give one file.")
    text = given[0]
    if text == "-":
        return _text(sys.stdin.read())
    path = Path(text)
    if text.lstrip()[:1] in ("[", "{"):
        return _text(text)
    if not path.is_file():
        raise DataUnreadableError(
            f"there is no file {text}", hint="Give a CSV, JSON, npy, npz or image file, JSON text, or - ."
        )
    if path.suffix in (".npy", ".npz"):
        return _arrays(path, description)
    return _text(path.read_text(encoding="utf-8-sig"))


def read_truth(path: Path) -> dict[str, Any]:
    """Inference id -> truth, from a JSON object.

    Raises:
        DataUnreadableError: the file is missing or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataUnreadableError(f"{path} cannot be read: {error}", hint="Check the path.") from error
    if text.lstrip()[:1] != "{":
        raise DataUnreadableError(
            f"{path} holds no JSON object", hint="Write {id: truth}, or give a .csv, .jsonl or .parquet file."
        )
    found: dict[str, Any] = _json(text)
    return found


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        DataUnreadableError: the file cannot be read, or is no JSON.
    """
    try:
        return _json(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataUnreadableError(f"{path} cannot be read: {error}", hint="Check the path.") from error


def _text(text: str) -> Any:
    return _json(text) if text.lstrip()[:1] in ("[", "{") else text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataUnreadableError(f"the JSON is damaged: {error}", hint="Check quotes and commas.") from error


def _arrays(path: Path, description: "EndpointDescription") -> Any:
    import numpy as np  # noqa: PLC0415 - only for array files

    try:
        loaded = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            return loaded
        names = [spec.name for spec in description.inputs]
        if set(names) <= set(loaded.files):
            return {name: loaded[name] for name in names}
        return loaded[loaded.files[0]]
    except (OSError, ValueError, EOFError, IndexError) as error:
        raise DataUnreadableError(f"{path} holds no arrays: {error}", hint="Save it with numpy.savez.") from error


def _images(paths: Sequence[str], description: "EndpointDescription") -> Any:
    """(n, h, w[, c]) float32 in the size of the endpoint, pixel values as stored."""
    import numpy as np  # noqa: PLC0415 - only for images
    from PIL import Image  # noqa: PLC0415 - the same

    shape = description.inputs[0].shape
    if len(description.inputs) != 1 or len(shape) not in (3, _RGB):
        raise DataUnreadableError(
            f"endpoint '{description.name}' takes no images",
            hint=f"It takes {description.inputs[0].name} {list(shape)}.",
        )
    pixels = []
    for path in paths:
        try:
            with Image.open(path) as opened:
                image = opened.convert("RGB" if len(shape) == _RGB and shape[3] != 1 else "L")
        except OSError as error:
            raise DataUnreadableError(f"{path} is no image: {error}", hint="Give PNG or JPEG files.") from error
        if min(shape[1:3]) > 0:
            image = image.resize((shape[2], shape[1]))
        pixels.append(np.asarray(image, dtype=np.float32).reshape(*(image.size[1], image.size[0]), *shape[3:]))
    return np.stack(pixels)
