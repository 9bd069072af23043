"""Images in NumPy's npz: two plain arrays, `images` and `labels`. Nothing is ever unpickled."""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from modelyard.data.errors import DatasetEmptyError, DatasetInvalidError, DatasetTooLargeError
from modelyard.data.readers.archives import file_entries, open_archive

_CHUNK_BYTES = 4 << 20
_MAX_LABEL_BYTES = 1 << 30
_LAYOUT = "Write it with np.savez(path, images=images, labels=labels)."
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayHeader:
    """Shape and type of one stored array, checked against the number of bytes that follow."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelRange:
    """Smallest and largest pixel value."""

    minimum: float
    maximum: float


def read_npz(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images (n, h, w[, c]) in their own dtype, and labels (n,) as int64 or str.

    Raises:
        DatasetInvalidError: missing arrays, object arrays (pickles), shapes or types that are no images.
        DatasetTooLargeError: more than the memory of this process holds.
    """
    with open_archive(path) as archive:
        headers = _headers(archive)
        try:
            images = _read(archive, "images", headers["images"])
            return images, _labels(archive, headers["labels"])
        except MemoryError as error:
            shape = headers["images"].shape
            raise DatasetTooLargeError(
                f"images of shape {shape} do not fit into memory", hint="Give the job more memory, or use fewer images."
            ) from error


def survey_npz(path: Path) -> tuple[ArrayHeader, PixelRange, NDArray[Any]]:
    """What `read_npz` would deliver, without holding the images: their header, range, and the labels.

    Raises:
        DatasetInvalidError: as `read_npz`; also NaN or infinite pixels.
    """
    with open_archive(path) as archive:
        headers = _headers(archive)
        return headers["images"], _pixel_range(archive, headers["images"]), _labels(archive, headers["labels"])


def _headers(archive: zipfile.ZipFile) -> dict[str, ArrayHeader]:
    found = {entry.filename.removesuffix(".npy"): entry for entry in file_entries(archive)}
    if not {"images", "labels"} <= set(found):
        names = ", ".join(sorted(found))[:200]
        raise DatasetInvalidError(f"the npz holds {names}; 'images' and 'labels' are needed", hint=_LAYOUT)
    headers = {}
    for name in ("images", "labels"):
        with archive.open(found[name]) as file:
            headers[name] = _header(file, name, found[name].file_size)
    _check_shapes(headers["images"], headers["labels"])
    return headers


def _header(file: IO[bytes], name: str, size_bytes: int) -> ArrayHeader:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(file)
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        raise DatasetInvalidError(f"the array '{name}' of the npz is damaged", hint=_LAYOUT) from error
    if dtype.hasobject:
        raise DatasetInvalidError(
            f"the array '{name}' holds Python objects (a pickle), which can run code when opened",
            hint="Convert it before saving, e.g. labels.astype(str) or images.astype('uint8').",
        )
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize != size_bytes - file.tell():
        raise DatasetInvalidError(
            f"the array '{name}' says shape {str(shape)[:80]} of {str(dtype)[:40]}, not its {size_bytes:,} bytes",
            hint=_LAYOUT,
        )
    return ArrayHeader(shape=shape, dtype=dtype)


def _check_shapes(images: ArrayHeader, labels: ArrayHeader) -> None:
    shape = images.shape
    if len(shape) not in (3, 4) or (shape[3:] and shape[3] not in _CHANNELS):
        raise DatasetInvalidError(
            f"'images' has shape {str(shape)[:80]}", hint="Use (n, height, width) or (n, height, width, 1 | 3 | 4)."
        )
    if labels.shape != shape[:1]:
        raise DatasetInvalidError(
            f"'labels' has shape {str(labels.shape)[:80]} for {shape[0]} images", hint="Give one label per image: (n,)."
        )
    if math.prod(labels.shape) * labels.dtype.itemsize > _MAX_LABEL_BYTES:
        raise DatasetTooLargeError(f"'labels' are over {_MAX_LABEL_BYTES:,} bytes", hint="Use short class names.")
    if not math.prod(shape):
        raise DatasetEmptyError("the npz holds no images", hint="Store at least one image.")
    if images.dtype.kind not in "uifb":
        raise DatasetInvalidError(f"'images' has type {images.dtype}", hint="Use uint8 or float32 pixels.")
    if labels.dtype.kind not in "iubUSf":
        raise DatasetInvalidError(f"'labels' has type {labels.dtype}", hint="Use whole numbers or text.")


def _read(archive: zipfile.ZipFile, name: str, header: ArrayHeader) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    if array.shape != header.shape:
        raise DatasetInvalidError(f"the array '{name}' of the npz is damaged", hint=_LAYOUT)
    return array


def _labels(archive: zipfile.ZipFile, header: ArrayHeader) -> NDArray[Any]:
    labels = _read(archive, "labels", header)
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8")
    if labels.dtype.kind == "U":
        return labels
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.floor(labels)).all()):
        raise DatasetInvalidError("'labels' are not whole numbers", hint="Classes are whole numbers or text.")
    if labels.dtype.kind in "fu" and np.abs(labels).max() >= 2**63:
        raise DatasetInvalidError("'labels' do not fit into 64 bits", hint="Number the classes from 0.")
    return labels.astype(np.int64)


def _pixel_range(archive: zipfile.ZipFile, header: ArrayHeader) -> PixelRange:
    size = _CHUNK_BYTES // header.dtype.itemsize * header.dtype.itemsize
    low, high = math.inf, -math.inf
    with archive.open("images.npy") as file:
        np.lib.format.read_magic(file)
        file.seek(archive.getinfo("images.npy").file_size - math.prod(header.shape) * header.dtype.itemsize)
        while chunk := file.read(size):
            pixels = np.frombuffer(chunk, dtype=header.dtype)
            # NaN and infinity carry through min and max
            low, high = min(low, float(pixels.min())), max(high, float(pixels.max()))
            if not (np.isfinite(pixels.min()) and np.isfinite(pixels.max())):
                raise DatasetInvalidError("some pixels are NaN or infinite", hint="Replace them, e.g. np.nan_to_num.")
    if max(abs(low), abs(high)) > float(np.finfo(np.float32).max):
        raise DatasetInvalidError("some pixels do not fit into float32", hint="Scale the images.")
    return PixelRange(minimum=low, maximum=high)
