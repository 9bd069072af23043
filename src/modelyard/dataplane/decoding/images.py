"""Image files to pixels."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from modelyard.dataplane.decoding.messages import Column, ImageForm
from modelyard.dataplane.errors import BodyInvalidError
from modelyard.errors import TooLargeError
from modelyard.types.signatures import DataType

# Pillow opens nothing else: some of its readers start other programs (EPS: Ghostscript).
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
_MAX_PIXELS = 64_000_000
_MODES = {1: "L", 3: "RGB"}


def pixels_of(body: bytes, form: ImageForm, limit_bytes: int) -> Column:
    """The image as UINT8 (height, width, channels), turned as its EXIF says and resized (bilinear) if need be.

    Raises:
        BodyInvalidError: not an image, or a damaged one.
        TooLargeError: more pixels than is sane; found out from the header, before anything is unpacked.
    """
    try:
        with Image.open(io.BytesIO(body), formats=_FORMATS) as image:
            pixels = image.width * image.height
            if pixels > _MAX_PIXELS or (not form.height and pixels * form.channels > limit_bytes):
                raise TooLargeError(
                    f"the image has {image.width} x {image.height} pixels, which is over the limit",
                    hint="Scale the image down; models look at some hundred pixels a side.",
                )
            upright = ImageOps.exif_transpose(image).convert(_MODES[form.channels])
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        IndexError,
        Image.DecompressionBombError,
    ) as error:
        raise BodyInvalidError(
            f"the body is no image that can be read: {error}", hint="Send PNG, JPEG, BMP, GIF, WebP or TIFF."
        ) from error
    size = (form.width or upright.width, form.height or upright.height)
    resized = upright if upright.size == size else upright.resize(size, Image.Resampling.BILINEAR)
    array = np.asarray(resized, dtype=np.uint8).reshape(size[1], size[0], form.channels)
    return Column("image", DataType.UINT8, array.shape, array.tobytes())
