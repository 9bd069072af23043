"""Dataset versions as folders, which is what scripts expect; equal content is unpacked once per machine."""

import os
import shutil
from pathlib import Path

from modelyard.algorithms.base import Channel
from modelyard.data.readers.archives import file_entries, open_archive
from modelyard.kit.files import inside
from modelyard.settings import Home
from modelyard.types.datasets import DatasetFormat

_SUFFIXES = {DatasetFormat.CSV: "csv", DatasetFormat.PARQUET: "parquet", DatasetFormat.NPZ: "npz"}


class ChannelFolders:
    """Makes them. Safe from any thread and process: a folder appears whole, by a rename."""

    def __init__(self, home: Home) -> None:
        self._cache = home.cache / "channels"

    def folder(self, channel: Channel) -> Path:
        """The folder of a channel: `<dataset>.csv` (or .parquet, .npz) in it, or a folder of images for each class."""
        reference = channel.reference
        target = self._cache / reference.digest / reference.dataset
        if target.exists():
            return target
        scratch = self._cache / f".new-{os.urandom(6).hex()}"
        scratch.mkdir(mode=0o700, parents=True)
        try:
            self._fill(scratch, channel)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                scratch.rename(target)
            except OSError:
                if not target.exists():  # otherwise somebody else was faster with the same content
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return target

    def _fill(self, folder: Path, channel: Channel) -> None:
        if channel.format is not DatasetFormat.IMAGE_FOLDER:
            # A second name for the cached file, not a copy of it.
            (folder / f"{channel.reference.dataset}.{_SUFFIXES[channel.format]}").hardlink_to(channel.path)
            return
        with open_archive(channel.path) as archive:
            for entry in file_entries(archive):
                path = inside(folder, entry.filename)
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as content, path.open("wb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
