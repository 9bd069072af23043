"""Models: registering, finding, downloading."""

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from modelyard.errors import InvalidInputError
from modelyard.kit.files import inside
from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import (
    JOBS,
    REGISTRY,
    Resource,
    at,
    create,
    decode,
    delete,
    encode,
    pages,
    put,
    read,
    send,
    split_ref,
    update,
)
from modelyard.sdk.resources.uploads import FileMissingError, upload
from modelyard.sdk.steps import Download, Flow, Progress, Request, Work
from modelyard.sdk.transfers import download
from modelyard.types.compilation import Build
from modelyard.types.discovery import SearchHit, SearchPage
from modelyard.types.jobs import Environment
from modelyard.types.models import Lineage, LineageGraph, Model, ModelVersion

_REGISTER_SECONDS = 2400.0  # a bare artifact is inspected and converted first, a program's packages are installed
# What makes a folder a bundle, or a program.
_MARKS = (
    "manifest.json",
    "model.py",
    "MLmodel",
    "server.json",
    "image.json",
    "model.pt2",
    "model.pt",
    "model.keras",
    "saved_model.pb",
)
_BUILD = "build.json"


_Entry = tuple[str, Path, int]
"""Path in the bundle, local file, its size."""


class EnvironmentNotBuiltError(InvalidInputError):
    """A ready-made environment whose versions nobody has locked yet."""

    code = "environment_not_built"


class Models(Resource[Mode]):
    """Named lines of immutable versions. A ref is "digits" (newest), "digits:2" or "digits@champion"."""

    @call
    def register(
        self,
        name: str,
        artifact: str | Path,
        *,
        signature: str | Path | None = None,
        environment: str | None = None,
        card: Mapping[str, Any] | None = None,
        lineage: Lineage | None = None,
        progress: Progress | None = None,
    ) -> Flow[ModelVersion]:
        """Add a version to a model, which is made if there is none of that name.

        Args:
            name: of the model.
            artifact: an ONNX, skops, XGBoost, LightGBM, CatBoost or GGUF file (signature, golden requests and ONNX form
                are inferred), the folder of a whole bundle, or that of a program ("Serve code of your own" in the
                documentation).
            signature: a program's `signature.json`, if it does not lie in its folder.
            environment: name of the one that a program runs in, in the place of its `requirements.txt`.
            card: fields of the model card to set (task, description, licence, metrics, tags, ...).
            lineage: where the version came from.
            progress: called with (bytes sent, bytes in all).

        Raises:
            InvalidInputError: the artifact is refused (a pickle, say) or damaged; the hint says what to do.
        """
        files = yield Work(partial(_files, Path(artifact)))
        if signature is not None:
            written = Path(signature)
            files = [entry for entry in files if entry[0] != "signature.json"]
            files.append(("signature.json", written, written.stat().st_size))
        with tempfile.TemporaryDirectory() as folder:
            if environment is not None:
                files = yield from _in_environment(files, environment, Path(folder))
            sent = yield from _sent(files, self._path(REGISTRY, "uploads"), progress)
        body: dict[str, object] = {"files": sent, "card": dict(card or {})}
        if lineage is not None:
            body["lineage"] = lineage
        target = self._path(REGISTRY, "models", name, "versions")
        return (yield from create(ModelVersion, target, body, timeout_seconds=_REGISTER_SECONDS))

    @listing
    def search(self, query: str = "") -> Pages[SearchHit]:
        """Versions that fit, best first.

        `query` is words ("image classification with accuracy above 0.95") or the query language:
        'task = "image-classification" and metrics.accuracy >= 0.95 order by metrics.accuracy desc'.

        Raises:
            InvalidInputError: the query is not understood; the message points at the word.
        """

        def fetch(cursor: str | None) -> Flow[tuple[list[SearchHit], str | None]]:
            page = yield from Models.search_page.flow(self, query, cursor=cursor)
            return page.items, page.next_cursor

        return Pages(fetch)

    @call
    def search_page(self, query: str = "", *, cursor: str | None = None, limit: int = 50) -> Flow[SearchPage]:
        """One page of a search, with the query as it was understood and notes."""
        question = {"query": query, "cursor": cursor, "limit": str(limit)}
        return read(SearchPage, self._path(REGISTRY, "search"), question)

    @call
    def get(self, ref: str) -> Flow[ModelVersion]:
        """A version by ref."""
        return read(ModelVersion, self._version(ref))

    @call
    def model(self, name: str) -> Flow[Model]:
        """A model with its aliases."""
        return read(Model, self._path(REGISTRY, "models", name))

    @listing
    def versions(self, name: str) -> Pages[ModelVersion]:
        """All versions of a model, newest first."""
        return pages(ModelVersion, self._path(REGISTRY, "models", name, "versions"))

    @call
    def lineage(self, ref: str) -> Flow[LineageGraph]:
        """Data, job, parents and endpoints of a version, as a graph."""
        return read(LineageGraph, f"{self._version(ref)}/lineage")

    @call
    def download(self, ref: str, folder: str | Path, *, progress: Progress | None = None) -> Flow[ModelVersion]:
        """Write all files of a version into `folder`; each is checked against its digest."""
        version = yield from Models.get.flow(self, ref)
        files = f"{self._path(REGISTRY, 'models', version.model, 'versions', version.number)}/files"
        done = 0
        for file in version.files:
            step = Download(
                path=f"{files}/{file.path}",
                target=inside(Path(folder), file.path),
                progress=_shifted(progress, done, version.size_bytes),
            )
            yield from download(step, file.digest)
            done += file.size_bytes
        return version

    @call
    def compile(self, ref: str, target: str, folder: str | Path, *, tolerance: float = 1e-5) -> Flow[Build]:
        """Compile a version to a target and write the files into `folder`; the version stays as it is.

        Args:
            ref: of the version.
            target: "cpu", "cpu-int8", "cuda", "arm64" or "c".
            folder: for the files; made if absent. If the build is a bundle, `register` takes this folder.
            tolerance: how far numbers may differ from the original's: absolute, and relative above 1.

        Raises:
            InvalidInputError: there is no such target, or the model cannot be compiled to it; the message says why.
        """
        request = Request(
            method="POST",
            path=f"{self._version(ref)}/builds",
            headers={"Content-Type": "application/json"},
            content=encode({"target": target, "tolerance": tolerance}),
            timeout_seconds=_REGISTER_SECONDS,
        )
        response = yield from send(request)
        build: Build = yield Work(partial(_unpacked, response.content, Path(folder)))
        return build

    @call
    def set_alias(self, name: str, alias: str, number: int) -> Flow[Model]:
        """Point `name@alias` to a version."""
        return put(Model, self._path(REGISTRY, "models", name, "aliases", alias), {"number": number})

    @call
    def delete_alias(self, name: str, alias: str) -> Flow[None]:
        """Take an alias away; the version stays."""
        return delete(self._path(REGISTRY, "models", name, "aliases", alias))

    @call
    def create(self, name: str, *, description: str = "", tags: Sequence[str] = ()) -> Flow[Model]:
        """Make a model without a version, to describe it first."""
        body = {"name": name, "description": description, "tags": [*tags]}
        return create(Model, self._path(REGISTRY, "models"), body)

    @call
    def update(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        version: int | None = None,
    ) -> Flow[Model]:
        """Change description or tags; refused if `version` is given and no longer the model's."""
        changes = {"description": description, "tags": None if tags is None else [*tags]}
        return update(Model, self._path(REGISTRY, "models", name), changes, version)

    @call
    def delete(self, name: str, *, number: int | None = None) -> Flow[None]:
        """Delete a version, or the model with all its versions; refused while an endpoint serves one."""
        parts = () if number is None else ("versions", number)
        return delete(self._path(REGISTRY, "models", name, *parts))

    @listing
    def list(self) -> Pages[Model]:
        """Models by name."""
        return pages(Model, self._path(REGISTRY, "models"))

    def _version(self, ref: str) -> str:
        name, selector = split_ref(ref)
        return self._path(REGISTRY, "models", name, "versions", selector)


def _unpacked(content: bytes, folder: Path) -> Build:
    """Write the files of a build into `folder`; its report stays outside a bundle, whose own report it repeats."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        build = decode(archive.read(_BUILD), Build)
        for name in archive.namelist():
            if name == _BUILD and build.is_bundle:
                continue
            target = inside(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
    return build


def _files(path: Path) -> list[tuple[str, Path, int]]:
    """(path in the bundle, local file, bytes) of a bundle folder or a bare artifact."""
    if path.is_file():
        return [(path.name, path, path.stat().st_size)]
    if not path.is_dir():
        raise FileMissingError(f"the file {path} does not exist", hint="Check the path.", field=str(path))
    if not any((path / name).is_file() for name in _MARKS):
        raise FileMissingError(
            f"the folder {path} has none of {', '.join(_MARKS)}, so it is neither a bundle nor a program",
            hint="Name the model file itself.",
        )
    files = (file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink())
    found = [file for file in files if "__pycache__" not in file.parts]
    return [(file.relative_to(path).as_posix(), file, file.stat().st_size) for file in found]


def _sent(files: Sequence[_Entry], uploads: str, progress: Progress | None) -> Flow[dict[str, str]]:
    """Upload all files; path in the bundle -> id of the upload."""
    total, done = sum(size for _, _, size in files), 0
    sent: dict[str, str] = {}
    for relative, file, size in files:
        state = yield from upload(uploads, file, progress=_shifted(progress, done, total))
        sent[relative], done = state.id, done + size
    return sent


def _in_environment(files: Sequence[_Entry], name: str, folder: Path) -> Flow[list[_Entry]]:
    """The files of a program with the packages of a named environment in the place of its own."""
    found: Environment = yield from read(Environment, at(JOBS, "environments", name))
    if not found.lock:
        raise EnvironmentNotBuiltError(
            f"the environment '{name}' is not built yet", hint=f"modelyard environments build {name}"
        )
    packages = {"requirements.txt": f"# environment: {name}\n{found.requirements}", "environment.lock": found.lock}
    kept = [entry for entry in files if entry[0] not in packages]
    for path, text in packages.items():
        (folder / path).write_text(text, encoding="utf-8")
        kept.append((path, folder / path, len(text.encode())))
    return kept


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one file among several, as progress of all."""
    return None if progress is None else lambda done, _: progress(before + done, max(total, before + done))
