"""Makes immutable versions: checks, stores the files, then registers all of it in one transaction.

A crash before that transaction leaves files that no version names (the next equal registration uses them), a crash
after it leaves a complete version: there is no half-registered model.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modelyard.control.models.bundles import (
    bundle_files,
    check_files,
    check_manifest,
    encode_manifest,
    read_manifest,
    version_digest,
    with_card,
    with_compilation,
    without_compilation,
)
from modelyard.control.models.contents import BundleContents
from modelyard.control.models.errors import BundleInvalidError, CodeNotPermittedError
from modelyard.control.models.inspection import ArtifactInspector
from modelyard.control.models.repository import ModelRepository
from modelyard.control.models.service import new_model
from modelyard.control.uploads.service import UploadService
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.runtimes.bundle import MANIFEST
from modelyard.runtimes.foreign.kinds import program_format
from modelyard.runtimes.sniff import sniff
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.types.models import BundleFile, Lineage, Manifest, ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a caller says about a new version beside its files.

    Attributes:
        manifest: replaces the file `manifest.json`.
        card: fields of the card that replace those of the manifest.
        lineage: where the version came from.
    """

    manifest: Manifest | None = None
    card: Mapping[str, Any] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)


class RegistrationService:
    """Registers versions. Safe from any thread and from several processes.

    Args:
        database, repository, creations, contents, clock: as in ModelService.
        uploads: where the files of REST callers wait.
        inspector: makes bundles out of bare artifacts.
        permits_code: whether a project permits models that are programs.
        folder: for files on their way; made if absent.
        max_bytes: largest version.
        check_storage: refuses so many more bytes of a project if they are too many.
    """

    def __init__(
        self,
        database: Database,
        repository: ModelRepository,
        creations: Creations,
        contents: BundleContents,
        clock: Clock,
        uploads: UploadService,
        inspector: ArtifactInspector,
        permits_code: Callable[[str], bool],
        folder: Path,
        max_bytes: int,
        check_storage: Callable[[str, int], None] = lambda _project, _bytes: None,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._contents = contents
        self._clock = clock
        self._uploads = uploads
        self._inspector = inspector
        self._permits_code = permits_code
        self._folder = folder
        self._max_bytes = max_bytes
        self._check_storage = check_storage

    def register_uploads(
        self, project: str, model: str, uploads: Mapping[str, str], submission: Submission, creation: Creation | None
    ) -> ModelVersion:
        """A version of uploaded files: path in the bundle -> upload id.

        Raises:
            UploadNotFoundError, UploadIncompleteError: a file is not there (yet).
            ModelyardError: as `register`.
        """
        check_name(model, "model")
        made = self._replay(creation)
        if made is not None:
            return made
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="registration-") as folder:
            files = {}
            for index, (path, upload_id) in enumerate(sorted(uploads.items())):
                files[path] = Path(folder) / f"{index}"
                self._uploads.fetch(project, upload_id, files[path])
            version = self.register(project, model, files, submission, creation)
        for upload_id in uploads.values():
            self._uploads.release(project, upload_id)
        return version

    def register(
        self,
        project: str,
        model: str,
        files: Mapping[str, Path],
        submission: Submission,
        creation: Creation | None = None,
    ) -> ModelVersion:
        """A version of local files: path in the bundle -> file.

        Without a manifest they are a bare artifact: one file of data, or the folder of a program.

        The model is made if it is absent. Files that make up a version which the model has already give that version.

        Raises:
            NameInvalidError: not a valid model name.
            BundleInvalidError, BundleTooLargeError: the files are no bundle.
            ArtifactInvalidError: the artifact is refused or damaged.
            CodeNotPermittedError: it is a program, and the project does not permit code.
            InspectionFailedError, InspectionUnavailableError, InspectionsBusyError: a bare artifact was not inspected.
            IdempotencyKeyReusedError: the key came with another request before.
            QuotaExceededError: the project may not store that much.
        """
        check_name(model, "model")
        check_files(files, self._max_bytes)
        with ExitStack() as stack:
            if submission.manifest is None and MANIFEST not in files:
                files = self._inspected(stack, project, files)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            scratch = tempfile.TemporaryDirectory(dir=self._folder, prefix="manifest-")
            folder = Path(stack.enter_context(scratch))
            manifest, files = _complete(files, submission, folder)
            if manifest.artifact_format.runs_code:
                self._check_code_permitted(project)
            check_manifest(manifest, files)
            manifest = with_compilation(manifest, files)
            stored = self._contents.store(files)
            return self._commit(project, model, files, stored, manifest, submission.lineage, creation)

    def remove_leftovers(self) -> None:
        """Finish and clear what a killed process left. Call before this process takes requests."""
        self._inspector.discard_leftovers()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._contents.collect_garbage()

    def _check_code_permitted(self, project: str) -> None:
        if not self._permits_code(project):
            raise CodeNotPermittedError(
                f"the model is a program, and project '{project}' does not permit code",
                hint="An administrator can permit it: modelyard project allow-code PROJECT --reason '...'. "
                "Or export the model to a format that is data (ONNX, skops, XGBoost, LightGBM).",
                field="files",
            )

    def _inspected(self, stack: ExitStack, project: str, files: Mapping[str, Path]) -> Mapping[str, Path]:
        """The bundle that the inspector makes of a bare artifact."""
        if program_format(files) is not None:
            self._check_code_permitted(project)
            return bundle_files(stack.enter_context(self._inspector.inspected_program(files)))
        if len(files) > 1:
            raise BundleInvalidError(
                f"{len(files)} files and no manifest",
                hint=f"Add '{MANIFEST}', or give the artifact alone and the rest is inferred.",
                field="files",
            )
        name, artifact = next(iter(files.items()))
        sniff(artifact)  # refuses pickles and bombs at once, without a sandbox
        bundle = stack.enter_context(self._inspector.inspected(artifact, name))
        return bundle_files(bundle)

    def _replay(self, creation: Creation | None) -> ModelVersion | None:
        """What the first request with this key made."""
        if creation is None:
            return None
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            return None if made is None else self._repository.version_by_id(connection, made)

    def _commit(
        self,
        project: str,
        model: str,
        files: Mapping[str, Path],
        stored: tuple[BundleFile, ...],
        manifest: Manifest,
        lineage: Lineage,
        creation: Creation | None,
    ) -> ModelVersion:
        digest = version_digest(stored)
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:  # an equal request was faster
                return self._repository.version_by_id(connection, made)
            self._repository.lock(connection)
            self._contents.ensure(stored, files)
            owner = self._repository.get(connection, project, model, for_update=True) or self._repository.insert(
                connection, new_model(project, model, self._clock)
            )
            version_id = self._repository.id_of_digest(connection, owner.id, digest)
            if version_id is None:
                self._check_storage(project, sum(file.size_bytes for file in stored))
                version = ModelVersion(
                    project=project,
                    model=model,
                    number=owner.next_number,
                    digest=digest,
                    size_bytes=sum(file.size_bytes for file in stored),
                    manifest=manifest,
                    files=stored,
                    lineage=lineage,
                    created_at=self._clock.now(),
                )
                version_id = self._repository.insert_version(connection, owner.id, version)
                changed = replace(
                    owner.model, latest=version.number, updated_at=version.created_at, version=owner.model.version + 1
                )
                self._repository.update(connection, owner.id, changed)
            else:  # the files are there already, but for the times that were measured anew
                self._repository.leave(connection, {file.digest for file in stored})
            self._creations.record(connection, creation, version_id)
            return self._repository.version_by_id(connection, version_id)


def _complete(files: Mapping[str, Path], submission: Submission, folder: Path) -> tuple[Manifest, Mapping[str, Path]]:
    """The manifest in force and the files with it; a manifest that nobody overrides stays byte for byte."""
    manifest = submission.manifest or read_manifest(files[MANIFEST])
    if submission.manifest is None and not submission.card:
        return manifest, files
    manifest = without_compilation(with_card(manifest, submission.card))
    path = folder / MANIFEST
    path.write_bytes(encode_manifest(manifest))
    return manifest, {**files, MANIFEST: path}
