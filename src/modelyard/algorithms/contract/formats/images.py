"""Images of AWS's image classification: RecordIO files of im2rec, folders with `.lst` files, augmented manifests."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.errors import ChannelInvalidError
from modelyard.kit.formats import recordio

_RECORD_SUFFIX = ".rec"
_LIST_COLUMNS = 3  # index, label, path


def read_images(data: Path, channel: str, shape: tuple[int, int, int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (n, height, width[, channels]) float32 with pixels from 0 to 255, and class numbers (n,).

    Args:
        data: folder of all channels.
        channel: "train" or "validation"; its list is in the channel "<channel>_lst".
        shape: (channels, height, width) to which they are resized.

    Raises:
        ChannelInvalidError: there are none, or a file is no image.
    """
    found = list(_labelled(data, channel))
    if not found:
        raise ChannelInvalidError(
            f"The channel '{channel}' holds no labelled images",
            hint=f"Give RecordIO files (.rec), or images beside a list in the channel '{channel}_lst'.",
            field=f"channels.{channel}",
        )
    pixels = np.stack([_pixels(content, shape, name) for name, _, content in found])
    return pixels, np.array([label for _, label, _ in found], dtype=np.int64)


def _labelled(data: Path, channel: str) -> Iterator[tuple[str, int, bytes]]:
    """Name, class and file of each image."""
    folder = data / channel
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix == _RECORD_SUFFIX:
            yield from _records(path)
    for path in sorted((data / f"{channel}_lst").glob("*.lst")):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split("\t")
            if len(words) >= _LIST_COLUMNS:
                name = words[-1].strip()
                yield name, int(float(words[1])), _content(folder / name)
    manifest = data / f"{channel}-manifest"
    if manifest.is_file():
        for line in manifest.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            source = next((value for name, value in record.items() if name.endswith("-ref")), "")
            key = source.removeprefix("s3://").partition("/")[2]
            yield key, _class(record, key), _content(folder / key)


def _records(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Of a file that im2rec has written."""
    try:
        for number, frame in enumerate(recordio.frames(path.read_bytes())):
            label, content = recordio.image(frame)
            yield f"{path.name}[{number}]", int(label), content
    except recordio.DamagedRecordsError as error:
        raise ChannelInvalidError(
            f"The file '{path.name}' is {error}", hint="Write it with im2rec again.", field="channels"
        ) from error


def _class(record: dict[str, Any], key: str) -> int:
    """The number in a line of an augmented manifest, which may be written as a text."""
    for name, value in record.items():
        if not name.endswith("-ref") and (isinstance(value, (int, float)) or str(value).strip().isdecimal()):
            return int(value)
    raise ChannelInvalidError(
        f"The line of the image '{key}' in the manifest has no class",
        hint='Write a number, like "class": 3, and name the attribute in AttributeNames.',
        field="channels",
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ChannelInvalidError(
            f"The list names the image '{path.name}', which the channel does not have",
            hint="Paths of a list are relative to the prefix of the images.",
            field="channels",
        ) from error


def _pixels(content: bytes, shape: tuple[int, int, int], name: str) -> NDArray[np.float32]:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - only images need Pillow

    channels, height, width = shape
    try:
        picture = Image.open(io.BytesIO(content)).convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise ChannelInvalidError(
            f"'{name}' is no image that can be read", hint="Give JPEG or PNG files.", field="channels"
        ) from error
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
