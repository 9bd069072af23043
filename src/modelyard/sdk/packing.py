"""Files for what people have at hand: folders of images or code, and arrays. Equal content gives equal bytes."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can say: the time of packing is no content


def pack_folder(folder: Path, target: Path) -> None:
    """A zip file of a folder with one sub-folder of images per class; hidden files and links are left out."""
    _pack(_visible(folder), target)


def pack_code(code: Path, target: Path) -> None:
    """A zip file of a Python file, or of a folder without hidden files, links and what Python compiled."""
    files = {code.name: code} if code.is_file() else _visible(code)
    _pack({name: path for name, path in files.items() if path.parent.name != "__pycache__"}, target)


def _visible(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder): path for path in sorted(folder.rglob("*"))}
    return {
        relative.as_posix(): path
        for relative, path in found.items()
        if path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in relative.parts)
    }


def _pack(files: Mapping[str, Path], target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for name, path in files.items():
            with archive.open(_entry(name), "w", force_zip64=True) as entry, path.open("rb") as content:
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
