"""Images with their labels, from either image format."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.data.errors import DatasetInvalidError
from modelyard.data.readers.image_folder import read_folder
from modelyard.data.readers.npz import read_npz
from modelyard.types.datasets import DatasetFormat


def read_images(
    path: Path, format: DatasetFormat, size: tuple[int, int] | None = None
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Images float32 (n, h, w) or (n, h, w, c), pixel values as stored; labels (n,) int64 or str.

    `size` is (height, width): images of another size are resized (bilinear). Without it an npz keeps its own, a zip
    takes its most common one.

    Raises:
        DatasetInvalidError: damaged, or not a dataset of images.
        DatasetTooLargeError: does not fit into this process's memory.
    """
    if format is DatasetFormat.NPZ:
        images, labels = read_npz(path)
        pixels = images.astype(np.float32)
        return (pixels if size is None else resized(pixels, size)), labels
    if format is DatasetFormat.IMAGE_FOLDER:
        return read_folder(path, size)
    raise DatasetInvalidError(
        f"a dataset in the format '{format}' holds no images", hint="Use an npz or image-folder dataset."
    )


def resized(images: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Images (n, h, w[, c]) as (n, *size[, c]), bilinear."""
    from PIL import Image  # noqa: PLC0415 - only image datasets need Pillow

    if images.shape[1:3] == size:
        return images
    planes = images.reshape(*images.shape[:3], -1)
    result = np.empty((len(planes), *size, planes.shape[3]), dtype=np.float32)
    for index, plane in np.ndindex(len(planes), planes.shape[3]):
        image = Image.fromarray(np.ascontiguousarray(planes[index, :, :, plane]))
        result[index, :, :, plane] = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return result.reshape(len(images), *size, *images.shape[3:])
