"""Files for what people have at hand: folders of images and arrays. Equal content gives equal bytes."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can say: the time of packing is no content


def pack_folder(folder: Path, target: Path) -> None:
    """A zip file of a folder with one sub-folder of images per class; hidden files and links are left out."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if not path.is_file() or path.is_symlink() or any(part.startswith(".") for part in relative.parts):
                continue
            with archive.open(_entry(relative.as_posix()), "w", force_zip64=True) as entry, path.open("rb") as content:
                while chunk := content.read(1 << 20):
                    entry.write(chunk)


def pack_arrays(arrays: Mapping[str, Any], target: Path) -> None:
    """An npz file of arrays (`images` and `labels`, say). Needs NumPy."""
    import numpy as np  # noqa: PLC0415 - optional: only those who have arrays have it

    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            entry = _entry(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as content:
                np.lib.format.write_array(content, np.asarray(arrays[name]), allow_pickle=False)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.external_attr = 0o644 << 16
    return entry
