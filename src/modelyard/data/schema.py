"""What is in a dataset: rows, columns and their oddities, image shape and classes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.data.errors import DatasetTooLargeError
from modelyard.data.readers.image_folder import survey_folder
from modelyard.data.readers.npz import survey_npz
from modelyard.data.tables import plan_columns
from modelyard.types.datasets import Column, ColumnKind, DatasetFormat, DatasetSchema

_MAX_CLASSES = 10_000


def infer_schema(path: Path, format: DatasetFormat) -> DatasetSchema:
    """Read the whole file once, in bounded memory, and say what is in it.

    Raises:
        DatasetInvalidError: the content is not what the format promises (CsvInvalidError names the line).
        DatasetEmptyError: no rows.
        DatasetTooLargeError: over a limit; the message names it.
    """
    if format is DatasetFormat.NPZ:
        return _npz_schema(path)
    if format is DatasetFormat.IMAGE_FOLDER:
        return _folder_schema(path)
    rows, plans = plan_columns(path, format)
    return DatasetSchema(rows=rows, columns=tuple(plan.column for plan in plans))


def _npz_schema(path: Path) -> DatasetSchema:
    header, pixels, labels = survey_npz(path)
    images = Column(name="images", kind=ColumnKind.IMAGE, minimum=pixels.minimum, maximum=pixels.maximum)
    return _image_schema(images, labels, header.shape[1:])


def _folder_schema(path: Path) -> DatasetSchema:
    survey = survey_folder(path)
    note = ""
    if survey.sizes > 1:
        height, width = survey.size
        note = f"{survey.sizes} different sizes; {height} x {width} is the most common and all are resized to it"
    images = Column(name="images", kind=ColumnKind.IMAGE, minimum=0.0, maximum=255.0, note=note)
    return _image_schema(images, np.array(survey.labels), survey.image_shape)


def _image_schema(images: Column, labels: NDArray[Any], shape: tuple[int, ...]) -> DatasetSchema:
    classes = np.unique(labels)
    if len(classes) > _MAX_CLASSES:
        raise DatasetTooLargeError(
            f"the images have {len(classes):,} classes, over the limit of {_MAX_CLASSES:,}",
            hint="Are the labels classes, or numbers of the images?",
        )
    names = tuple(str(one) for one in classes)
    note = "the same class for every image" if len(names) == 1 else ""
    column = Column(name="labels", kind=ColumnKind.CATEGORY, distinct=len(names), examples=names[:3], note=note)
    return DatasetSchema(rows=len(labels), columns=(images, column), image_shape=shape, class_names=names)
