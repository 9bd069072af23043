"""Which format a file has, by its content: names lie."""

from pathlib import Path, PurePosixPath

from modelyard.data.errors import DatasetEmptyError, DatasetFormatUnknownError
from modelyard.data.readers.archives import file_entries, open_archive
from modelyard.types.datasets import DatasetFormat

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
SAMPLE_BYTES = 1 << 20

_ACCEPTED = "Datasets are CSV (UTF-8), Parquet, npz with 'images' and 'labels', or a zip with one folder per class."
_KNOWN_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x80", "a pickle", "Pickles can run code when opened. Write the data as Parquet or npz."),
    (b"\x93NUMPY", "a single NumPy array", "Store two arrays: np.savez(path, images=images, labels=labels)."),
    (b"\x1f\x8b", "a gzip file", "Unpack it first; Parquet is small without it."),
    (b"BZh", "a bzip2 file", "Unpack it first; Parquet is small without it."),
    (b"\xfd7zXZ", "an xz file", "Unpack it first; Parquet is small without it."),
    (b"\x89HDF", "an HDF5 file", "Write the data as Parquet or npz."),
    (b"\x89PNG", "a single image", "Zip the images, one folder per class."),
    (b"\xff\xd8\xff", "a single image", "Zip the images, one folder per class."),
    (b"%PDF", "a PDF", _ACCEPTED),
    (b"\xff\xfe", "text in UTF-16", "Save it as CSV in UTF-8."),
    (b"\xfe\xff", "text in UTF-16", "Save it as CSV in UTF-8."),
)


def sniff_format(path: Path, filename: str) -> DatasetFormat:
    """The format of the file at `path`. `filename` (as the user called it) only serves the error messages.

    Raises:
        DatasetFormatUnknownError: none of the four formats; the hint says how to get there.
        DatasetInvalidError: an archive that is damaged or unsafe (see `archives.open_archive`).
        DatasetEmptyError: no bytes at all.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    if not head:
        raise DatasetEmptyError(f"'{_shown(filename)}' is empty", hint=_ACCEPTED)
    if head.startswith(b"PAR1"):
        return DatasetFormat.PARQUET
    if head.startswith(b"PK\x03\x04"):
        return _sniff_archive(path, filename)
    for magic, what, hint in _KNOWN_OTHERS:
        if head.startswith(magic):
            raise _unknown(filename, what, hint)
    if b"\0" in head:
        raise _unknown(filename, "binary data of an unknown kind", _ACCEPTED)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b"<"):
        raise _unknown(filename, "JSON, HTML or XML", "Write it as CSV: a line of column names, then one line per row.")
    return DatasetFormat.CSV


def _sniff_archive(path: Path, filename: str) -> DatasetFormat:
    with open_archive(path) as archive:
        names = [PurePosixPath(entry.filename) for entry in file_entries(archive)]
    if PurePosixPath("[Content_Types].xml") in names:  # before images: a workbook may hold some
        raise _unknown(filename, "an office document", "Save the sheet as CSV (UTF-8).")
    if any(name.suffix == ".npy" for name in names):
        return DatasetFormat.NPZ
    if any(name.suffix.lower() in IMAGE_SUFFIXES for name in names):
        return DatasetFormat.IMAGE_FOLDER
    if any(name.suffix.lower() in (".csv", ".parquet") for name in names):
        raise _unknown(filename, "a zip around tables", "Upload the table itself, without the zip.")
    raise _unknown(filename, "a zip without images", _ACCEPTED)


def _unknown(filename: str, what: str, hint: str) -> DatasetFormatUnknownError:
    return DatasetFormatUnknownError(f"'{_shown(filename)}' is {what}, which is not a dataset format", hint=hint)


def _shown(filename: str) -> str:
    return filename[:120] or "the file"
