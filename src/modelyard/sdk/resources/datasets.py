"""Datasets and their versions."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.packing import pack_arrays, pack_folder
from modelyard.sdk.resource import REGISTRY, Resource, create, delete, pages, read, update
from modelyard.sdk.resources.uploads import upload
from modelyard.sdk.steps import Download, Flow, Progress, Work
from modelyard.sdk.transfers import download
from modelyard.types.datasets import Dataset, DatasetFormat, DatasetVersion

_CREATE_SECONDS = 600.0  # the platform reads the whole content to infer its schema


class Datasets(Resource[Mode]):
    """Named collections of data; versions never change."""

    @call
    def upload(
        self,
        name: str,
        data: str | Path | Mapping[str, Any],
        *,
        description: str = "",
        source: Mapping[str, str] | None = None,
        format: DatasetFormat | None = None,
        resume: str | None = None,
        progress: Progress | None = None,
    ) -> Flow[DatasetVersion]:
        """Add a version to a dataset, which is made if there is none of that name.

        Args:
            name: of the dataset.
            data: a CSV, Parquet, npz or zip file; a folder with one sub-folder of images per class; or arrays by name,
                such as {"images": (n, h, w), "labels": (n,)}.
            description: what is in this version.
            source: where the data came from, free keys.
            format: told from the content if left out.
            resume: id of an upload that was broken off (the error says it).
            progress: called with (bytes sent, bytes in all).

        Returns:
            The version, with the schema that was inferred. Content that is there already gives its version again.

        Raises:
            InvalidInputError: the content is no dataset; the message says why.
            FileMissingError: there is no such file.
        """
        folder = Path((yield Work(partial(tempfile.mkdtemp, prefix="modelyard-"))))
        try:
            file = yield Work(partial(_as_file, data, folder))
            shown = Path(data).name if isinstance(data, str | Path) else file.name
            uploads = self._path(REGISTRY, "uploads")
            sent = yield from upload(uploads, file, name=shown, resume=resume, progress=progress)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        body: dict[str, object] = {"upload": sent.id, "description": description, "source": dict(source or {})}
        if format is not None:
            body["format"] = format
        path = self._path(REGISTRY, "datasets", name, "versions")
        return (yield from create(DatasetVersion, path, body, timeout_seconds=_CREATE_SECONDS))

    @call
    def create(self, name: str, *, description: str = "", tags: Sequence[str] = ()) -> Flow[Dataset]:
        """Make a dataset without a version, to describe it first."""
        body = {"name": name, "description": description, "tags": [*tags]}
        return create(Dataset, self._path(REGISTRY, "datasets"), body)

    @call
    def get(self, name: str) -> Flow[Dataset]:
        """A dataset by name."""
        return read(Dataset, self._path(REGISTRY, "datasets", name))

    @call
    def version(self, name: str, number: int | None = None) -> Flow[DatasetVersion]:
        """A version of a dataset, the newest if `number` is left out."""
        return read(DatasetVersion, self._path(REGISTRY, "datasets", name, "versions", number or "latest"))

    @listing
    def versions(self, name: str) -> Pages[DatasetVersion]:
        """All versions of a dataset, newest first."""
        return pages(DatasetVersion, self._path(REGISTRY, "datasets", name, "versions"))

    @call
    def download(
        self, name: str, target: str | Path, *, number: int | None = None, progress: Progress | None = None
    ) -> Flow[DatasetVersion]:
        """Write the content of a version to the file `target`; it is checked against its digest."""
        version = yield from Datasets.version.flow(self, name, number)
        path = self._path(REGISTRY, "datasets", name, "versions", version.number, "content")
        yield from download(Download(path=path, target=Path(target), progress=progress), version.digest)
        return version

    @call
    def update(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        version: int | None = None,
    ) -> Flow[Dataset]:
        """Change description or tags; refused if `version` is given and no longer the dataset's."""
        changes = {"description": description, "tags": None if tags is None else [*tags]}
        return update(Dataset, self._path(REGISTRY, "datasets", name), changes, version)

    @call
    def delete(self, name: str) -> Flow[None]:
        """Delete a dataset with all its versions."""
        return delete(self._path(REGISTRY, "datasets", name))

    @listing
    def list(self, *, text: str | None = None, tag: str | None = None) -> Pages[Dataset]:
        """Datasets by name; `text` and `tag` narrow them down."""
        return pages(Dataset, self._path(REGISTRY, "datasets"), {"text": text, "tag": tag})


def _as_file(data: str | Path | Mapping[str, Any], folder: Path) -> Path:
    if isinstance(data, Mapping):
        pack_arrays(data, folder / "arrays.npz")
        return folder / "arrays.npz"
    path = Path(data)
    if not path.is_dir():
        return path
    pack_folder(path, folder / "images.zip")
    return folder / "images.zip"
