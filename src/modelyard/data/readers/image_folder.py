"""Images in a zip with one folder per class."""

import io
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from modelyard.data.errors import DatasetEmptyError, DatasetInvalidError, DatasetTooLargeError
from modelyard.data.formats import IMAGE_SUFFIXES
from modelyard.data.readers.archives import file_entries, open_archive

if TYPE_CHECKING:
    from PIL import Image

# Pillow opens nothing else: some of its readers start other programs (EPS: Ghostscript).
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
_GREY_MODES = ("1", "L")
_MAX_PIXELS = 64_000_000
_MAX_FILE_BYTES = 256 << 20
_LAYOUT = "Zip one folder per class: cats/1.png, cats/2.png, dogs/1.png."


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSurvey:
    """What a zip of images holds: `size` is the most common (height, width), `sizes` counts the different ones."""

    entries: tuple[str, ...]
    labels: tuple[str, ...]
    size: tuple[int, int]
    sizes: int
    is_grey: bool

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(h, w) if all images are grey, else (h, w, 3)."""
        return self.size if self.is_grey else (*self.size, 3)


def survey_folder(path: Path) -> FolderSurvey:
    """Read every image's header (and check its bytes against the zip's checksum).

    Raises:
        DatasetInvalidError: a file that is no image, or no folder per class.
        DatasetTooLargeError: an image over 64 million pixels.
    """
    with open_archive(path) as archive:
        return _survey(archive)


def read_folder(path: Path, size: tuple[int, int] | None = None) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Images float32 (n, h, w) if all are grey, else (n, h, w, 3), values 0..255; labels (n,) are the folders' names.

    Images of another size than `size` (default: the most common one) are resized (bilinear).

    Raises:
        DatasetInvalidError: as `survey_folder`, or an image that does not decode.
        DatasetTooLargeError: more than the memory of this process holds.
    """
    with open_archive(path) as archive:
        survey = _survey(archive)
        height, width = size or survey.size
        shape = (len(survey.entries), height, width) if survey.is_grey else (len(survey.entries), height, width, 3)
        try:
            images = np.empty(shape, dtype=np.float32)
        except (MemoryError, ValueError) as error:
            raise DatasetTooLargeError(
                f"images of shape {shape} do not fit into memory",
                hint="Ask for a smaller image size, or give the job more memory.",
            ) from error
        for index, entry in enumerate(survey.entries):
            images[index] = _pixels(archive, entry, (height, width), "L" if survey.is_grey else "RGB")
        return images, np.array(survey.labels)


def _survey(archive: zipfile.ZipFile) -> FolderSurvey:
    entries = [entry.filename for entry in file_entries(archive)]
    labels = _class_names(entries)
    sizes: Counter[tuple[int, int]] = Counter()
    is_grey = True
    for entry in entries:
        image = _open(archive, entry)
        sizes[image.height, image.width] += 1
        is_grey = is_grey and image.mode in _GREY_MODES
    common = max(sizes, key=lambda one: (sizes[one], one))
    return FolderSurvey(entries=tuple(entries), labels=tuple(labels), size=common, sizes=len(sizes), is_grey=is_grey)


def _class_names(entries: list[str]) -> list[str]:
    """The folder directly around each image. One more folder around all of them is allowed, as zip tools add it."""
    if not entries:
        raise DatasetEmptyError("the zip holds no images", hint=_LAYOUT)
    paths = [PurePosixPath(entry) for entry in entries]
    other = next((path for path in paths if path.suffix.lower() not in IMAGE_SUFFIXES), None)
    if other is not None:
        raise DatasetInvalidError(f"'{str(other)[:200]}' in the zip is not an image", hint=_LAYOUT)
    folders = [path.parent.parts for path in paths]
    has_wrapper = len({parts[:1] for parts in folders}) == 1 and any(parts[1:] for parts in folders)
    depth = 1 + has_wrapper
    odd = next((path for path, parts in zip(paths, folders, strict=True) if len(parts) != depth), None)
    if odd is None:
        return [parts[-1] for parts in folders]
    raise DatasetInvalidError(
        f"'{str(odd)[:200]}' does not lie in a class folder like the other images",
        hint=f"{_LAYOUT} Make train and test folders two datasets.",
    )


def _open(archive: zipfile.ZipFile, entry: str) -> "Image.Image":
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - only image datasets need Pillow

    if archive.getinfo(entry).file_size > _MAX_FILE_BYTES:
        raise DatasetTooLargeError(f"'{entry[:200]}' is over {_MAX_FILE_BYTES:,} bytes", hint="Scale the image down.")
    content = archive.read(entry)
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _broken(entry) from error
    if image.width * image.height > _MAX_PIXELS:
        raise DatasetTooLargeError(
            f"'{entry[:200]}' has {image.width} x {image.height} pixels, over the limit of {_MAX_PIXELS:,}",
            hint="Scale the image down; models look at some hundred pixels a side.",
        )
    return image


def _pixels(archive: zipfile.ZipFile, entry: str, size: tuple[int, int], mode: str) -> NDArray[np.float32]:
    from PIL import Image  # noqa: PLC0415 - see _open

    try:
        image = _open(archive, entry).convert(mode)
    except (OSError, ValueError, SyntaxError, IndexError) as error:
        raise _broken(entry) from error
    if (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32)


def _broken(entry: str) -> DatasetInvalidError:
    return DatasetInvalidError(
        f"'{entry[:200]}' cannot be read as an image",
        hint="Use PNG, JPEG, BMP, GIF, WebP or TIFF; replace broken files.",
    )
